//! What a tool throws, and where.

use serde_json::json;

use super::machine::{Failure, Machine, failure, tool_with_body};

#[test]
fn an_error_tells_its_name_message_place_and_frames() {
    let failure = failure("const deep = () => {\n  throw new RangeError('too far');\n};\nfunction outer() { deep(); }\nouter();");

    assert_eq!((failure.name.as_str(), failure.message.as_str()), ("RangeError", "too far"));
    assert_eq!((failure.line, failure.column), (5, 13));
    let frames: Vec<&str> = failure.stack.lines().map(str::trim).collect();
    assert!(frames[0].starts_with("at deep (tool.js:5:"), "{frames:?}");
    assert!(frames[1].starts_with("at outer (tool.js:7:"), "{frames:?}");
    assert!(frames[2].starts_with("at run (tool.js:8:"), "{frames:?}");
    assert!(!failure.stack.contains("prelude"), "{}", failure.stack);
}

#[test]
fn a_tool_error_keeps_its_name_in_both_forms() {
    for body in ["throw new ToolError('no such city');", "throw new globalThis.ToolError('no such city');"] {
        let failure = failure(body);
        assert_eq!((failure.name.as_str(), failure.message.as_str()), ("ToolError", "no such city"));
        assert_eq!(failure.line, 4);
    }
    let failure = failure("class Missing extends ToolError {} throw new Missing('x');");
    assert_eq!(failure.name, "ToolError");
}

#[test]
fn jobs_that_throw_or_catch_do_not_take_away_what_run_threw() {
    for body in [
        "Promise.resolve().then(() => { try { null.x } catch {} }); throw new ToolError('no such city');",
        "(async () => { await 1; throw new Error('behind') })(); throw new ToolError('no such city');",
        "Promise.reject({ get message() { throw 1 } }); throw new ToolError('no such city');",
    ] {
        for run in [format!("run() {{ {body} }}"), format!("async run() {{ {body} }}")] {
            let source = tool_with_body("").replace("async run(input, ctx) {\n\n}", &run);

            let failure = Machine::with_tool(&source).call(&json!({})).unwrap_err();

            assert!(source.contains(body), "{source}");
            assert_eq!((failure.name.as_str(), failure.message.as_str()), ("ToolError", "no such city"), "{run}");
        }
    }
}

#[test]
fn an_error_after_a_wait_still_has_its_place() {
    let failure = failure("await new Promise((resolve) => setTimeout(resolve, 1));\nnull.x;");

    assert_eq!(failure.name, "TypeError");
    assert_eq!(failure.line, 5);
}

#[test]
fn an_error_made_by_our_own_code_has_the_place_of_its_caller() {
    let failure = failure("\n\n  new URL('nonsense');");

    assert_eq!(failure.message, "'nonsense' is not a URL");
    assert_eq!(failure.line, 6);
}

#[test]
fn exceptions_of_the_web_have_their_place() {
    for (body, name) in [
        ("atob('*');", "InvalidCharacterError"),
        ("structuredClone(() => 1);", "DataCloneError"),
        ("crypto.getRandomValues(new Uint8Array(65537));", "QuotaExceededError"),
        ("AbortSignal.abort().throwIfAborted();", "AbortError"),
        ("throw new DOMException('m', 'NotFoundError');", "NotFoundError"),
    ] {
        let failure = failure(body);
        assert_eq!((failure.name.as_str(), failure.line), (name, 4), "{failure:?}");
    }
}

#[test]
fn causes_are_told() {
    let failure = failure("throw new Error('outer', { cause: new TypeError('inner', { cause: 'innermost' }) });");

    assert!(failure.stack.contains("caused by TypeError: inner\n    at run (tool.js:4:"), "{}", failure.stack);
    assert!(failure.stack.ends_with("caused by Error: innermost"), "{}", failure.stack);
}

#[test]
fn values_that_are_no_errors_are_described() {
    for (body, message) in [
        ("throw 'just text';", "just text"),
        ("throw undefined;", "undefined was thrown"),
        ("throw null;", "null was thrown"),
        ("throw 42;", "42 was thrown"),
        ("throw { code: 7 };", "{ code: 7 } was thrown"),
        ("throw Symbol('s');", "Symbol(s) was thrown"),
        ("throw Object.create(null);", "[Object: null prototype] {} was thrown"),
        ("throw new Proxy(new Error('x'), { get() { throw 1; }, getPrototypeOf() { throw 2; } });", "[Proxy] was thrown"),
        (
            "throw { toString() { throw 1; }, get message() { throw 2; } };",
            "{ toString: [Function: toString], message: [Getter] } was thrown",
        ),
        ("return Promise.reject();", "undefined was thrown"),
    ] {
        let failure = failure(body);
        assert_eq!(failure.message, message, "{body}");
        assert_eq!((failure.name.as_str(), failure.line), ("Error", 0), "{body}");
    }
}

#[test]
fn hostile_errors_are_survived() {
    for (body, name, message) in [
        ("const e = new Error('a'); Object.defineProperty(e, 'name', { get() { throw e; } }); throw e;", "Error", "a"),
        ("const e = new Error(); Object.defineProperty(e, 'message', { get() { throw e; } }); throw e;", "Error", ""),
        ("const e = new Error('a'); Object.defineProperty(e, 'stack', { get() { throw e; } }); throw e;", "Error", "a"),
        (
            "const e = new Error('a'); e.name = Symbol('n'); e.message = { toString() { throw 1; } }; Object.defineProperty(e, 'stack', { value: 7 }); throw e;",
            "Error",
            "",
        ),
        ("const e = new Error('a'); e.cause = e; throw e;", "Error", "a"),
        ("const e = new Error('\\uD800'); throw e;", "Error", "\u{FFFD}"),
        ("Error.prepareStackTrace = () => { throw 1; }; throw new Error('a');", "Error", "a"),
        ("Error.stackTraceLimit = 0; throw new Error('a');", "Error", "a"),
        (
            "String.prototype.split = Array.prototype.map = RegExp.prototype.exec = () => { throw 1; }; throw new Error('a');",
            "Error",
            "an error that cannot be described",
        ),
    ] {
        let failure = failure(body);
        assert_eq!((failure.name.as_str(), failure.message.as_str()), (name, message), "{body}: {failure:?}");
    }
}

#[test]
fn long_texts_are_cut() {
    let failure = failure(
        "const e = new Error('m'.repeat(1e6)); e.name = 'n'.repeat(1e6); e.stack = '    at x (tool.js:1:1)\\n'.repeat(1e5); throw e;",
    );

    assert!(failure.name.len() < 200 && failure.message.len() < 10_000 && failure.stack.len() < 10_000);
}

#[test]
fn a_syntax_error_has_its_place() {
    let failure = Machine::new().init("const a = 1;\nconst b = ;\n").unwrap_err();

    assert_eq!(failure.name, "SyntaxError");
    assert_eq!(failure.line, 2);
    assert!(failure.column >= 9, "{failure:?}");
}

#[test]
fn columns_are_counted_in_utf16() {
    let failure = failure("const s = '\u{1F600}ü'; throw new Error();");

    assert_eq!((failure.line, failure.column), (4, 28));
}

#[test]
fn places_are_mapped_to_the_authors_source() {
    // Line 4 of what runs is line 40 of what the author wrote, and column 0 there is column 6; from column 6 on it is line 41.
    let failure = failure_with_map("null.x;throw 1;", Some(";;;AAuCM,MACA"));

    assert_eq!((failure.line, failure.column), (40, 7));
    assert!(failure.stack.contains("tool.ts:40:7"), "{}", failure.stack);
}

#[test]
fn the_segment_at_or_before_a_column_counts() {
    let failure = failure_with_map("let a; a.b.c;", Some(";;;AAuCM,MACA"));

    assert_eq!((failure.line, failure.column), (41, 7));
}

#[test]
fn a_line_that_is_not_in_the_map_has_no_place() {
    let failure = failure_with_map("null.x;", Some(";;AAAA"));

    assert_eq!((failure.line, failure.column), (0, 0));
    assert!(failure.stack.contains("at run (tool.ts)"), "{}", failure.stack);
}

#[test]
fn a_map_that_is_nonsense_does_not_hide_the_error() {
    for map in ["", "!!!", ";;;A", ";;;AA", ";;;////////////////", ",,,,"] {
        let failure = failure_with_map("null.x;", Some(map));
        assert_eq!(failure.name, "TypeError", "{map}");
    }
}

fn failure_with_map(body: &str, map: Option<&str>) -> Failure {
    let mut machine = Machine::new();
    let request = json!({"source": tool_with_body(body), "map": map, "file": "tool.ts"});
    machine.init_request(&request).unwrap().unwrap();
    machine.snapshot().call(&json!({})).unwrap_err()
}
