//! A tool may replace what it likes of the language. What it answers, and what it asks of the host, is then still well formed.

use serde_json::{Value, json};

use super::{
    machine::{Failure, Kind, Machine},
    upstream::Reply,
};

/// Replaces every global that can be replaced, and the methods that the way to the host would be most likely to use.
const RUIN: &str = "
    for (const name of Object.getOwnPropertyNames(globalThis)) {
      try { globalThis[name] = function () { throw 'ruined'; }; } catch {}
    }";

fn tool(before: &str, body: &str) -> Machine {
    Machine::with_tool(&format!(
        "import {{ tool, ToolError }} from 'toolwright';
         const {{ JSON, Object, Map, Set, Promise, Array, String, RegExp, Symbol, Function, Headers, fetch }} = globalThis;
         {before}
         export default tool({{ name: 'n', description: 'd', input: {{ type: 'object' }}, async run(input, ctx) {{ {body} }} }});"
    ))
}

#[test]
fn replaced_globals_change_nothing_of_what_the_platform_does() {
    let mut machine = tool(
        RUIN,
        "ctx.log('still', { here: 1 });
         const r = await fetch('https://api.test/a/../b', { method: 'POST', headers: { a: 'b' }, body: 'x' });
         return { status: r.status, json: await r.json(), again: await (await fetch('https://api.test/')).text() };",
    );
    machine.host().upstream.replies = [Reply::ok("{\"a\":1}"), Reply::pieces(&["b", "c"])].into();

    let answer = machine.call(&json!({}));

    assert_eq!(answer, Ok(json!({"status": 200, "json": {"a": 1}, "again": "bc"})));
    assert_eq!(machine.log_lines(), ["info still { here: 1 }"]);
    assert_eq!(machine.host().upstream.requests[0].0["url"], "https://api.test/b");
    assert_eq!(machine.describe()["name"], "n");
}

#[test]
fn replaced_methods_do_not_reach_the_operations_of_others() {
    let mut machine = tool(
        "Map.prototype.get = () => () => 7; Map.prototype.set = () => {}; Map.prototype.delete = () => true; Object.prototype[1] = () => { throw 'not mine'; };
         Object.defineProperty(Object.prototype, 'toJSON', { value: undefined });",
        "return (await fetch('https://api.test/')).text();",
    );
    machine.host().upstream.replies = [Reply::ok("here")].into();

    assert_eq!(machine.call(&json!({})), Ok(json!("here")));
}

#[test]
fn an_interface_is_written_by_the_engine() {
    for tamper in [
        "JSON.stringify = () => ({ toString() { throw 1; } });",
        "JSON.parse = () => ({ name: 'other' });",
        "JSON.stringify = () => 7;",
        "String.prototype.toString = () => 'x'; globalThis.JSON = null;",
    ] {
        let mut machine = tool(tamper, "return 1;");
        assert_eq!(machine.describe()["name"], "n", "{tamper}");
        assert_eq!(machine.snapshot().describe()["description"], "d", "{tamper}");
        assert_eq!(machine.call(&json!({})), Ok(json!(1)), "{tamper}");
    }
}

/// What a hostile `run` answers or throws: never a trap.
fn run(before: &str, body: &str) -> Result<(Kind, Value), Failure> {
    tool(before, body).call_for_answer("{}").unwrap()
}

#[test]
fn a_failure_is_told_whatever_was_replaced() {
    for tamper in [
        "String.prototype.slice = () => ({}); String.prototype.split = () => [{}];",
        "Array.prototype.map = () => ({ join: () => 7 }); Array.prototype.filter = () => 7;",
        "Array.prototype.join = () => Symbol('x');",
        "String.prototype.slice = function () { return 'x'.repeat(1e6); };",
        "RegExp.prototype.exec = () => { throw 1; };",
        "Object.hasOwn = () => true; Array.prototype.push = () => { throw 1; };",
        "Array.prototype[Symbol.iterator] = function* () { for (;;) yield 1; };",
        "Object.defineProperty(Array.prototype, 0, { set() { throw 1; }, get() { return {}; } });",
    ] {
        let failure = run("", &format!("{tamper}\nthrow new ToolError('y'.repeat(100000));")).unwrap_err();
        assert!(failure.message.len() <= 25 * 1024 && failure.stack.len() <= 25 * 1024, "{tamper}: {}", failure.message.len());
        assert!(failure.name.len() <= 400, "{tamper}");
    }
}

#[test]
fn the_classes_of_content_and_offers_cannot_be_made_from_outside() {
    let (kind, value) =
        run("", "const c = ctx.text('a'); return [typeof c.constructor, c.constructor === Object, Object.isFrozen(c)];").unwrap();
    assert_eq!((kind, value), (Kind::Json, json!(["function", true, true])));
    let source = "import { tool } from 'toolwright'; const made = tool({ name: 'a', description: 'd', input: { type: 'object' }, run() {} });
                  export default Object.create(Object.getPrototypeOf(made), Object.getOwnPropertyDescriptors(made));";
    let failure = Machine::new().init(source).unwrap_err();
    assert!(failure.message.contains("must be a tool, a resource or a prompt"), "{failure:?}");
}
