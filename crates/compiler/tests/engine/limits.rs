//! What is bounded: memory, stack, time; and what happens there.

use serde_json::{Value, json};
use wasmtime::Trap;

use super::machine::{Machine, evaluate, failure};

const MIB: u64 = 1024 * 1024;

#[test]
fn deep_recursion_is_a_range_error() {
    for body in [
        "const f = () => f() + 1; return f();",
        "const a = () => b(), b = () => a(); return a();",
        "const f = (x) => [x].map(f); return f(1);",
        "const o = { toString() { return `${o}`; } }; return `${o}`;",
        "const o = { get a() { return this.a; } }; return o.a;",
        "class A { constructor() { new A(); } } new A();",
        "const p = new Proxy({}, { get: (t, k, r) => r[k] }); return p.x;",
        "return 'a'.replace(/a/, function f() { return 'a'.replace(/a/, f); });",
    ] {
        let failure = failure(body);
        assert_eq!(
            (failure.name.as_str(), failure.message.as_str()),
            ("RangeError", "Maximum call stack size exceeded"),
            "{body}"
        );
        assert_eq!(failure.line, 4, "{body}");
    }
    assert_eq!(evaluate("const f = (n) => n === 0 ? 0 : 1 + f(n - 1); return f(800);"), json!(800));
}

#[test]
fn deeply_nested_data_ends_in_an_error_and_not_on_the_hosts_stack() {
    for body in [
        "return JSON.parse('['.repeat(200000) + ']'.repeat(200000));",
        "return JSON.parse('{\"a\":'.repeat(200000) + '1' + '}'.repeat(200000));",
        "let a = []; for (let i = 0; i < 200000; i++) a = [a]; return a;",
        "let a = []; for (let i = 0; i < 200000; i++) a = [a]; return a.flat(Infinity);",
        "let a = []; for (let i = 0; i < 200000; i++) a = [a]; return `${a}`;",
        "let a = {}; for (let i = 0; i < 200000; i++) a = { a }; return structuredClone(a);",
        "return new RegExp('(?:'.repeat(100000) + ')'.repeat(100000)).test('');",
        "let p = {}; for (let i = 0; i < 20000; i++) p = new Proxy(p, {}); return p.x;",
    ] {
        let failure = failure(body);
        assert!(["RangeError", "SyntaxError"].contains(&failure.name.as_str()), "{body}: {failure:?}");
    }
    assert_eq!(
        evaluate("let a = []; for (let i = 0; i < 200000; i++) a = [a]; console.log(a); return 'written';"),
        json!("written")
    );
    assert_eq!(evaluate("return JSON.parse('['.repeat(1500) + ']'.repeat(1500)).length;"), json!(1));
}

#[test]
fn arguments_nested_too_deeply_are_an_error() {
    let mut machine = Machine::with_body("return 1;");

    let answer = machine.call_text(&format!("{}{}", "[".repeat(200_000), "]".repeat(200_000))).unwrap();

    assert_eq!(answer.unwrap_err().name, "RangeError");
}

#[test]
fn source_nested_too_deeply_ends_on_the_hosts_stack_at_the_worst() {
    for source in [
        "[".repeat(100_000),
        "(".repeat(100_000),
        "{".repeat(100_000),
        "!".repeat(100_000),
        "`${".repeat(100_000),
        "()=>{".repeat(100_000),
    ] {
        match Machine::new().init_request(&json!({"source": source, "map": null, "file": "tool.js"})) {
            Ok(answer) => assert!(answer.is_err(), "{}", &source[..5]),
            Err(trap) => assert_eq!(trap.downcast_ref(), Some(&Trap::StackOverflow), "{}", &source[..5]),
        }
    }
}

#[test]
fn memory_that_runs_out_is_an_error_that_can_be_caught() {
    let body = "const kept = []; try { for (;;) kept.push(new Array(1000).fill(1)); } catch (error) { kept.length = 0; return [error.name, error.message]; }";

    for bytes in [8 * MIB, 32 * MIB] {
        let mut machine = Machine::with_body(body).snapshot().limit_memory(bytes);
        assert_eq!(machine.call(&json!({})), Ok(json!(["InternalError", "out of memory"])), "{bytes}");
    }
}

#[test]
fn memory_that_runs_out_and_is_not_caught_is_told() {
    for body in [
        "const kept = []; for (;;) kept.push(new Array(1000).fill(1));",
        "let text = 'x'; for (;;) text += text + text.length;",
        "const kept = []; for (let i = 0; ; i++) kept.push({ i, text: `number ${i}` });",
        "return new ArrayBuffer(1e9).byteLength;",
        "return new Array(1e8).fill(0).length;",
        "return 'x'.repeat(2 ** 29).length;",
        "const m = new Map(); for (let i = 0; ; i++) m.set(i, [i]);",
    ] {
        let failure = Machine::with_body(body).snapshot().limit_memory(16 * MIB).call(&json!({})).unwrap_err();
        assert!(["InternalError", "RangeError"].contains(&failure.name.as_str()), "{body}: {failure:?}");
    }
}

#[test]
fn a_larger_limit_gives_more() {
    let body = "const kept = []; try { for (;;) kept.push(new ArrayBuffer(65536)); } catch { return kept.length; }";

    let room = |bytes| Machine::with_body(body).snapshot().limit_memory(bytes).call(&json!({})).unwrap().as_u64().unwrap();

    assert!(room(64 * MIB) > room(32 * MIB) + 400, "{} and {}", room(64 * MIB), room(32 * MIB));
}

#[test]
fn endless_loops_end_with_the_fuel() {
    for body in [
        "for (;;) {}",
        "for (;;) await null;",
        "return /^(a+)+$/.test('a'.repeat(40) + 'b');",
        "const again = () => setTimeout(again); again(); await new Promise(() => {});",
        "const e = new Error('x'); Object.defineProperty(e, 'message', { get() { for (;;) {} } }); throw e;",
    ] {
        let mut machine = Machine::with_body(body);
        machine.store.set_fuel(100_000_000).unwrap();

        let trap = machine.call_text("{}").unwrap_err();

        assert_eq!(trap.downcast_ref(), Some(&Trap::OutOfFuel), "{body}: {trap:?}");
    }
}

#[test]
fn cycles_are_collected_in_a_long_call() {
    let body = "for (let i = 0; i < 300000; i++) { const a = { pad: [1, 2, 3, 4, 5, 6, 7, 8] }; a.a = a; } return 'done';";

    let answer = Machine::with_body(body).snapshot().limit_memory(16 * MIB).call(&json!({}));

    assert_eq!(answer, Ok(json!("done")));
}

#[test]
fn random_numbers_differ_between_two_calls_of_one_snapshot() {
    let built = Machine::with_tool(
        "import { tool } from 'toolwright'; const frozen = Math.random();
         export default tool({ name: 'n', description: 'd', input: { type: 'object' }, run: () => [frozen, Math.random(), Math.random()] });",
    );
    let mut first = built.snapshot();
    let mut second = built.snapshot();
    // The test's host counts its randoms; another call of it gives others.
    second.call(&json!({})).unwrap();
    let mut third = second.snapshot();

    let (a, b) = (first.call(&json!({})).unwrap(), third.call(&json!({})).unwrap());

    assert_eq!(a[0], b[0]);
    assert_ne!(a[1], a[2]);
    assert_ne!(a[1], b[1]);
    assert!([&a[0], &a[1], &a[2]].iter().all(|number| number.as_f64().is_some_and(|number| (0.0..1.0).contains(&number))));
    assert_eq!(first.host().calls["random"], 1);
}

#[test]
fn a_tool_sees_nothing_of_the_engine() {
    let names =
        evaluate("return Object.getOwnPropertyNames(globalThis).filter((name) => /native|prelude|toolwright|__/i.test(name));");

    assert_eq!(names, Value::Array(vec![]));
}
