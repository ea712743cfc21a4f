//! How a tool is called: arguments in, results out, promises, timers, the context.

use serde_json::{Value, json};

use super::{
    host::START_US,
    machine::{Machine, boot_fuel, borders, evaluate, failure},
};

#[test]
fn the_engine_borders_on_nothing_but_the_host() {
    let (imports, exports) = borders();

    let allowed = [
        "log",
        "progress",
        "config",
        "now",
        "random",
        "digest",
        "memory-limit",
        "start",
        "cancel",
        "secret",
        "basic-auth",
        "hmac",
        "fetch",
        "read",
        "take",
        "close",
        "wait",
    ];
    for import in &imports {
        let name = import.strip_prefix("toolwright:tool/host@0.1.0 ");
        assert!(name.is_some_and(|name| allowed.contains(&name)), "{import}");
    }
    assert_eq!(imports.len(), allowed.len());
    for export in [
        "memory",
        "cabi_realloc",
        "compile",
        "boot",
        "init",
        "call",
        "cabi_post_call",
        "complete",
        "cabi_post_complete",
        "describe",
        "cabi_post_describe",
    ] {
        assert!(exports.iter().any(|name| name == export), "{export}");
    }
    assert!(!exports.iter().any(|name| name == "_initialize" || name == "_start"));
}

#[test]
fn arguments_go_in_and_results_come_out_as_json() {
    let mut machine = Machine::with_body("return { sum: input.a + input.b, text: input.text };");

    let answer = machine.call(&json!({"a": 2, "b": 40, "text": "grüße \u{1F600} \u{0}"}));

    assert_eq!(answer, Ok(json!({"sum": 42, "text": "grüße \u{1F600} \u{0}"})));
}

#[test]
fn a_call_takes_little_fuel_and_the_prelude_is_read_quickly() {
    let ready = Machine::with_body("return { sum: input.a + input.b };");
    let mut machine = ready.snapshot();
    let before = machine.fuel();

    machine.call(&json!({"a": 2, "b": 40})).unwrap();

    let fuel = before - machine.fuel();
    assert!(fuel < 60_000, "a call took {fuel} fuel");
    assert!(boot_fuel() < 40_000_000, "the prelude took {} fuel", boot_fuel());
}

#[test]
fn every_call_begins_where_the_build_ended() {
    let built = Machine::with_tool(
        "import { tool } from 'toolwright'; let calls = 0; const table = [1, 2, 3];
         export default tool({ name: 'n', description: 'd', input: { type: 'object' }, run: () => { calls += 1; table.push(4); return [calls, table.length]; } });",
    );

    for _ in 0..2 {
        assert_eq!(built.snapshot().call(&json!({})), Ok(json!([1, 4])));
    }
}

#[test]
fn what_json_does_not_have_is_null_or_an_error() {
    assert_eq!(evaluate("return undefined;"), Value::Null);
    assert_eq!(evaluate(""), Value::Null);
    assert_eq!(
        evaluate("return [NaN, Infinity, undefined, () => 1, new Date(0)];"),
        json!([null, null, null, null, "1970-01-01T00:00:00.000Z"])
    );
    // Half a surrogate pair has no UTF-8, and what reads JSON refuses its escape as well. A backslash before `u` is only a backslash.
    assert_eq!(
        evaluate("return ['\\uD800', '\\uDFFFx', '\\\\ud800', '\\u{1F600}'];"),
        json!(["\u{FFFD}", "\u{FFFD}x", "\\ud800", "\u{1F600}"])
    );
    for (body, says) in [
        ("return 1n;", "the result cannot be written as JSON: "),
        ("const a = {}; a.a = a; return a;", "circular"),
        ("return () => 1;", "a function or a symbol is not a value of JSON"),
        ("return Symbol('x');", "a function or a symbol is not a value of JSON"),
        ("return { toJSON() { throw new RangeError('no'); } };", "the result cannot be written as JSON: no"),
    ] {
        let failure = failure(body);
        assert!(failure.message.contains(says), "{body}: {failure:?}");
    }
}

#[test]
fn arguments_that_are_not_json_are_said_to_be_so() {
    let mut machine = Machine::with_body("return 1;");

    for text in ["", "{", "{a: 1}", "{\"a\": 1,}", "nul", "{} {}"] {
        let failure = machine.call_text(text).unwrap().unwrap_err();
        assert!(failure.message.starts_with("the arguments cannot be read as JSON: "), "{text}: {failure:?}");
        assert_eq!(failure.name, "SyntaxError");
    }
}

#[test]
fn an_argument_named_like_the_prototype_is_only_an_argument() {
    let mut machine = Machine::with_body("return [Object.keys(input), {}.polluted === undefined, input.__proto__.polluted];");

    let answer = machine.call_text(r#"{"__proto__": {"polluted": true}}"#).unwrap();

    assert_eq!(answer, Ok(json!([["__proto__"], true, true])));
}

#[test]
fn promises_and_what_is_like_them_are_awaited() {
    assert_eq!(evaluate("return await Promise.all([1, Promise.resolve(2), (async () => 3)()]);"), json!([1, 2, 3]));
    assert_eq!(evaluate("return { then(resolve) { resolve({ then(again) { again('deep'); } }); } };"), json!("deep"));
    let mut sync = Machine::with_tool(
        "import { tool } from 'toolwright';
         export default tool({ name: 'n', description: 'd', input: { type: 'object' }, run: () => ({ then: (resolve) => resolve(7) }) });",
    );
    assert_eq!(sync.call(&json!({})), Ok(json!(7)));
}

#[test]
fn a_promise_that_nothing_can_settle_is_a_deadlock() {
    for body in [
        "await new Promise(() => {});",
        "return new Promise(() => {});",
        "const t = setTimeout(() => {}, 5); clearTimeout(t); await new Promise(() => {});",
    ] {
        let failure = failure(body);
        assert!(failure.message.starts_with("deadlock: "), "{failure:?}");
    }
}

#[test]
fn the_tool_is_this_and_its_context_cannot_be_changed() {
    assert_eq!(
        evaluate("return [this.name, Object.isFrozen(ctx), Object.keys(ctx)];"),
        json!([
            "test",
            true,
            [
                "env",
                "secret",
                "basicAuth",
                "hmac",
                "log",
                "progress",
                "elicit",
                "sample",
                "roots",
                "text",
                "image",
                "audio",
                "resource",
                "link",
                "content"
            ]
        ])
    );
}

#[test]
fn the_context_gives_granted_values_and_tells_progress() {
    let mut machine = Machine::with_body(
        "ctx.progress(1); ctx.progress(1, 4); ctx.progress(2.5, 4, 'half way'); ctx.log('n', { a: 1 });
         return [ctx.env('CITY'), ctx.env('OTHER') === undefined];",
    );
    machine.host().environment.insert("CITY", "Zürich");

    assert_eq!(machine.call(&json!({})), Ok(json!(["Zürich", true])));
    assert_eq!(
        machine.host().progress,
        [(1.0, None, None), (1.0, Some(4.0), None), (2.5, Some(4.0), Some("half way".to_owned()))]
    );
    assert_eq!(machine.log_lines(), ["info n { a: 1 }"]);
}

#[test]
fn the_context_says_what_would_be_right() {
    assert!(
        failure("ctx.progress('1');").message.contains("`done` of ctx.progress(done, total?, message?) must be a finite number")
    );
    assert!(failure("ctx.progress(1, Infinity);").message.contains("`total`"));
    assert!(failure("ctx.env(1);").message.contains("the name of an environment value"));
}

#[test]
fn timers_run_in_their_order_and_take_their_time() {
    let order = evaluate(
        "const order = []; const note = (name) => () => { order.push(name); queueMicrotask(() => order.push(name + '!')); };
         setTimeout(note('c'), 20); setTimeout(note('a'), 5); setTimeout(note('b'), 5); setTimeout(note('0'));
         const gone = setTimeout(note('gone'), 1); clearTimeout(gone);
         await new Promise((resolve) => setTimeout(resolve, 30, 'x'));
         return order;",
    );
    assert_eq!(order, json!(["0", "0!", "a", "a!", "b", "b!", "c", "c!"]));

    let mut machine = Machine::with_body(
        "let ticks = 0; return await new Promise((resolve) => { const t = setInterval((step) => { ticks += step; if (ticks === 6) { clearInterval(t); resolve(ticks); } }, 10, 2); });",
    );
    assert_eq!(machine.call(&json!({})), Ok(json!(6)));
    let elapsed_ms = (machine.host().now_us - START_US) / 1000;
    assert!((30..35).contains(&elapsed_ms), "{elapsed_ms} ms");
}

#[test]
fn many_timers_of_one_moment_take_one_host_call() {
    let mut machine = Machine::with_body(
        "await Promise.all(Array.from({ length: 50 }, () => new Promise((resolve) => setTimeout(resolve, 100)))); return 'done';",
    );

    assert_eq!(machine.call(&json!({})), Ok(json!("done")));
    let starts = machine.host().calls["start"];
    assert!(starts <= 2, "{starts} sleeps");
}

#[test]
fn timers_without_a_delay_need_no_host() {
    let mut machine =
        Machine::with_body("for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve)); return 'done';");

    assert_eq!(machine.call(&json!({})), Ok(json!("done")));
    assert!(!machine.host().calls.contains_key("start"));
}

#[test]
fn an_operation_that_the_host_refuses_fails_the_call_with_its_words() {
    let mut machine = Machine::with_body("await new Promise((resolve) => setTimeout(resolve, 5));");
    machine.host().refuses_operations = true;

    let failure = machine.call(&json!({})).unwrap_err();

    assert_eq!(failure.message, "refused: ü".repeat(60));
}

#[test]
fn an_error_in_a_timer_is_logged_and_the_call_goes_on() {
    let mut machine = Machine::with_body(
        "setTimeout(() => { throw new Error('in a timer'); }); queueMicrotask(() => { throw new Error('in a job'); });
         await new Promise((resolve) => setTimeout(resolve, 5)); return 1;",
    );

    assert_eq!(machine.call(&json!({})), Ok(json!(1)));
    let log = machine.log_lines();
    assert!(log[0].starts_with("error uncaught Error: in a job\n"), "{log:?}");
    assert!(log[1].starts_with("error uncaught Error: in a timer\n"), "{log:?}");
    assert!(log[1].contains("tool.js:4:"), "{log:?}");
}

#[test]
fn a_rejection_that_nobody_handles_is_logged_once() {
    let mut machine = Machine::with_body(
        "Promise.reject(new TypeError('lost')); const kept = Promise.reject(new Error('kept')); await null; await kept.catch(() => {}); return 1;",
    );

    assert_eq!(machine.call(&json!({})), Ok(json!(1)));
    let log = machine.log_lines();
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].starts_with("error uncaught TypeError: lost\n"), "{log:?}");
    assert_eq!(Machine::with_body("throw new Error('told');").call(&json!({})).unwrap_err().message, "told");
}
