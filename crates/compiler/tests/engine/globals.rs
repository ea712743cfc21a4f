//! What is global, and what is not.

use serde_json::json;

use super::machine::evaluate;

#[test]
fn what_a_tool_must_not_reach_is_absent() {
    let kinds = evaluate(
        "return [typeof WebAssembly, typeof process, typeof require, typeof SharedWorker, typeof XMLHttpRequest, typeof WebSocket, typeof importScripts];",
    );

    assert_eq!(kinds, json!(vec!["undefined"; 7]));
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
            "return [new URL('a:b'), new URLSearchParams(), new TextEncoder(), new AbortController(), new EventTarget(), new Headers(), new Request('https://a.test'), new Response(), new FormData(), new Blob(), new File([], 'a'), new ReadableStream(), new WritableStream(), new TransformStream(), crypto, crypto.subtle, console, performance]
               .map((o) => Object.prototype.toString.call(o).slice(8, -1));"
        ),
        json!(["URL", "URLSearchParams", "TextEncoder", "AbortController", "EventTarget", "Headers", "Request", "Response", "FormData", "Blob", "File", "ReadableStream", "WritableStream", "TransformStream", "Crypto", "SubtleCrypto", "console", "Performance"])
    );
}
