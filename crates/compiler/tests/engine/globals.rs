//! What is global, and what is not.

use serde_json::json;

use super::machine::evaluate;

#[test]
fn what_does_not_exist_yet_is_absent() {
    let kinds = evaluate(
        "return [typeof fetch, typeof Headers, typeof Request, typeof Response, typeof WebAssembly, typeof process, typeof require, typeof SharedWorker, 'secret' in ctx, 'text' in ctx];",
    );

    assert_eq!(
        kinds,
        json!([
            "undefined",
            "undefined",
            "undefined",
            "undefined",
            "undefined",
            "undefined",
            "undefined",
            "undefined",
            false,
            false
        ])
    );
}

#[test]
fn globals_can_be_replaced_and_are_not_listed() {
    assert_eq!(
        evaluate(
            "const keys = []; for (const key in globalThis) keys.push(key); globalThis.URL = 7; globalThis.setTimeout = 8; return [keys, URL, setTimeout];"
        ),
        json!([[], 7, 8])
    );
}

#[test]
fn classes_name_themselves() {
    assert_eq!(
        evaluate(
            "return [new URL('a:b'), new URLSearchParams(), new TextEncoder(), new AbortController(), new EventTarget(), crypto, crypto.subtle, console, performance]
               .map((o) => Object.prototype.toString.call(o).slice(8, -1));"
        ),
        json!(["URL", "URLSearchParams", "TextEncoder", "AbortController", "EventTarget", "Crypto", "SubtleCrypto", "console", "Performance"])
    );
}
