//! What a tool writes, and how values look in it.

use serde_json::json;

use super::machine::Machine;

/// The log of a tool with this body.
fn log_of(body: &str) -> Vec<String> {
    let mut machine = Machine::with_body(body);
    machine.call(&json!({})).unwrap();
    machine.log_lines()
}

#[test]
fn each_function_writes_at_its_level() {
    let log = log_of(
        "console.debug('a'); console.log('b', 1); console.info('c'); console.warn('d'); console.error('e'); console.log();",
    );

    assert_eq!(log, ["debug a", "info b 1", "info c", "warn d", "error e", "info "]);
}

#[test]
fn values_look_as_in_node() {
    for (value, text) in [
        ("'text'", "text"),
        ("['text', \"it's\", `a\\n`]", "[ 'text', \"it's\", 'a\\n' ]"),
        ("-0", "-0"),
        ("12n", "12n"),
        ("null", "null"),
        ("undefined", "undefined"),
        ("Symbol('s')", "Symbol(s)"),
        ("{ a: 1, 'b c': [true], [Symbol('k')]: null }", "{ a: 1, 'b c': [ true ], [Symbol(k)]: null }"),
        ("{}", "{}"),
        ("[]", "[]"),
        ("[, 1]", "[ <empty>, 1 ]"),
        ("[[[[1]]]]", "[ [ [ [Array] ] ] ]"),
        ("{ a: { b: { c: {} } } }", "{ a: { b: { c: [Object] } } }"),
        ("new Map([['a', { b: 1 }]])", "Map(1) { 'a' => { b: 1 } }"),
        ("new Set([1, 'x'])", "Set(2) { 1, 'x' }"),
        ("new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("new Date(NaN)", "Invalid Date"),
        ("/a+/gi", "/a+/gi"),
        ("new Uint8Array([1, 2])", "Uint8Array(2) [ 1, 2 ]"),
        ("new ArrayBuffer(3)", "ArrayBuffer { byteLength: 3 }"),
        ("() => 1", "[Function: (anonymous)]"),
        ("function f() {}", "[Function: f]"),
        ("async function g() {}", "[AsyncFunction: g]"),
        ("class A {}", "[class A]"),
        ("new (class Point { x = 1; })()", "Point { x: 1 }"),
        ("Object.create(null)", "[Object: null prototype] {}"),
        (
            "{ get a() { throw 1; }, set b(v) {}, get c() { return 1; }, set c(v) {} }",
            "{ a: [Getter], b: [Setter], c: [Getter/Setter] }",
        ),
        ("new Proxy({}, { get() { throw 1; } })", "[Proxy]"),
        ("Promise.resolve(1)", "Promise {}"),
        ("new URL('https://a.test/b')", "URL { 'https://a.test/b' }"),
        ("Object('boxed')", "[String: 'boxed']"),
        ("(() => { const a = { n: 1 }; a.self = a; return a; })()", "{ n: 1, self: [Circular] }"),
        (
            "'%s is %d and %i, %f %j %o %% %c|', 'x', 1.5, 2.7, '3.5', { a: 1 }, [1], 'css', 'rest'",
            "x is 1.5 and 2, 3.5 {\"a\":1} [ 1 ] % | rest",
        ),
        ("'100%', 5", "100% 5"),
        ("'%s'", "%s"),
    ] {
        assert_eq!(log_of(&format!("console.log({value});")), [format!("info {text}")], "{value}");
    }
}

#[test]
fn long_values_are_broken_into_lines_and_cut() {
    let log = log_of(
        "console.log({ first: 'a'.repeat(40), second: 'b'.repeat(40) }); console.log(Array.from({ length: 200 }, (_, i) => i)); console.log('x'.repeat(1e6)); console.log([['y'.repeat(1e6)], 1]);",
    );

    assert_eq!(log[0], format!("info {{\n  first: '{}',\n  second: '{}'\n}}", "a".repeat(40), "b".repeat(40)));
    assert!(log[1].ends_with("  99,\n  ... 100 more\n]"), "{}", log[1]);
    assert!(log.iter().all(|line| line.len() < 9_000));
}

#[test]
fn errors_show_their_frames() {
    let log = log_of("console.error(new TypeError('bad')); console.log({ e: new Error('inner') });");

    assert!(log[0].starts_with("error TypeError: bad\n    at run (tool.js:4:"), "{}", log[0]);
    assert!(log[1].contains("e: [Error: inner\n"), "{}", log[1]);
}

#[test]
fn assert_trace_and_table_write_one_line_each() {
    let log = log_of(
        "console.assert(true, 'not'); console.assert(false, 'is %s', 'wrong'); console.assert();
         console.trace('here');
         console.table([{ a: 1, b: 'x' }, { a: 22 }]); console.table([1, 2]); console.table('plain');",
    );

    assert_eq!(log[0], "error Assertion failed: is wrong");
    assert_eq!(log[1], "error Assertion failed");
    assert!(log[2].starts_with("debug Trace: here\n    at run (tool.js:5:"), "{}", log[2]);
    assert_eq!(log[3], "info (index) | a  | b\n0       | 1  | 'x'\n1       | 22 |");
    assert_eq!(log[4], "info (index) | Values\n0       | 1\n1       | 2");
    assert_eq!(log[5], "info plain");
}

#[test]
fn text_that_is_not_unicode_is_repaired() {
    assert_eq!(log_of("console.log('a\\uD800b', '\\uDE00', '\\u{1F600}');"), ["info a\u{FFFD}b \u{FFFD} \u{1F600}"]);
}
