//! How a tool's module is read: the tool API, imports, what the top level may do.

use serde_json::{Value, json};

use super::machine::{Answer, Machine};

/// Reads a module whose default export is `tool({...})` of these members.
fn init_with(members: &str) -> Answer {
    Machine::new().init(&format!("import {{ tool }} from 'toolwright';\nexport default tool({{{members}}});"))
}

fn message_of(answer: Answer) -> String {
    answer.unwrap_err().message
}

const REST: &str = "description: 'd', input: { type: 'object' }, run() {}";

#[test]
fn the_interface_is_all_that_was_said_but_run() {
    let source = "import { tool } from 'toolwright';
        export default tool({ name: 'forecast', title: 'Forecast', description: 'Says the weather',
          input: { type: 'object', properties: { city: { type: 'string' } } }, output: { type: 'object' },
          annotations: { readOnlyHint: true }, examples: [{ input: { city: 'Oslo' } }, { input: {}, output: { a: 1 } }], run() {} });";
    let mut machine = Machine::new();

    let interface = machine.init(source).unwrap();

    let expected = json!({
        "name": "forecast", "title": "Forecast", "description": "Says the weather",
        "input": {"type": "object", "properties": {"city": {"type": "string"}}}, "output": {"type": "object"},
        "annotations": {"readOnlyHint": true}, "examples": [{"input": {"city": "Oslo"}}, {"input": {}, "output": {"a": 1}}],
    });
    assert_eq!(interface, expected);
    assert_eq!(machine.describe(), expected);
    assert_eq!(machine.snapshot().describe(), expected);
}

#[test]
fn what_may_be_left_out_is_not_in_the_interface() {
    let interface = init_with(&format!("name: 'a', title: undefined, {REST}")).unwrap();

    assert_eq!(interface, json!({"name": "a", "description": "d", "input": {"type": "object"}}));
}

#[test]
fn a_tool_that_is_not_right_is_told_what_would_be() {
    for (members, says) in [
        (String::new(), "tool({...}) needs `name`: a text like \"forecast\""),
        ("name: 'a'".into(), "tool({...}) needs `description`: a text that says what the tool does"),
        ("name: 'a', description: 'd'".into(), "tool({...}) needs `input`: a JSON Schema like { type: \"object\""),
        ("name: 'a', description: 'd', input: {}".into(), "tool({...}) needs `run`: a function like async run({ city }, ctx)"),
        (format!("name: 7, {REST}"), "`name` of tool({...}) must be a text"),
        (format!("name: '', {REST}"), "`name` of tool({...}) must be a text"),
        ("name: 'a', description: 'd', input: [], run() {}".into(), "`input` of tool({...}) must be a JSON Schema"),
        ("name: 'a', description: 'd', input: {}, run: 'no'".into(), "`run` of tool({...}) must be a function"),
        (format!("name: 'a', examples: [{{ city: 1 }}], {REST}"), "`examples` of tool({...}) must be a list like"),
        (format!("name: 'a', annotations: true, {REST}"), "`annotations` of tool({...}) must be an object"),
        (format!("name: 'a', inputSchema: {{}}, {REST}"), "does not know `inputSchema`: `input` is what it is called here"),
        (format!("name: 'a', handler() {{}}, {REST}"), "does not know `handler`: `run` is what it is called here"),
        (format!("name: 'a', colour: 1, {REST}"), "does not know `colour`: known are name, title, description, input, output"),
        ("name: 'a', description: 'd', input: { a: 1n }, run() {}".into(), "`input` of tool({...}) cannot be written as JSON: "),
        (
            "name: 'a', description: 'd', input: { toJSON() {} }, run() {}".into(),
            "`input` of tool({...}) cannot be written as JSON: it has no value",
        ),
    ] {
        let message = message_of(init_with(&members));
        assert!(message.contains(says), "{members}\n{message}");
    }
}

#[test]
fn an_error_of_tool_has_the_place_of_its_call() {
    let failure = init_with("").unwrap_err();

    assert_eq!((failure.name.as_str(), failure.line), ("TypeError", 2));
}

#[test]
fn the_default_export_must_be_a_tool() {
    for (source, says) in [
        ("export const a = 1;", "there is none"),
        ("export default 7;", "it is 7"),
        ("export default { name: 'a', run() {} };", "it is { name: 'a', run: [Function: run] }"),
        ("import { tool } from 'toolwright'; export default tool;", "it is [Function: tool]"),
    ] {
        let message = message_of(Machine::new().init(source));
        assert!(message.contains("must be a tool") && message.contains(says), "{source}: {message}");
    }
}

#[test]
fn only_the_tool_api_can_be_imported() {
    for specifier in [
        "fs",
        "node:fs",
        "./other.js",
        "https://a.test/x.js",
        "toolwright:native",
        "toolwright:prelude",
        "tool.js",
        "",
        "../toolwright",
    ] {
        let message = message_of(Machine::new().init(&format!("import * as a from '{specifier}'; export default a;")));
        assert_eq!(message, format!("cannot import \"{specifier}\": the only module is \"toolwright\""));
    }
    let message = message_of(Machine::new().init("import { other } from 'toolwright';"));
    assert!(message.contains("other"), "{message}");
}

#[test]
fn a_dynamic_import_finds_no_more_than_a_static_one() {
    let mut machine = Machine::with_body(
        "const api = await import('toolwright'); let refused; try { await import('toolwright:native'); } catch (error) { refused = error.message; } return [Object.keys(api), refused];",
    );

    let expected = json!([
        ["ToolError", "prompt", "resource", "tool"],
        "cannot import \"toolwright:native\": the only module is \"toolwright\""
    ]);
    assert_eq!(machine.call(&json!({})), Ok(expected));
}

#[test]
fn the_platform_is_not_available_while_a_tool_is_built() {
    for (statement, what) in [
        ("setTimeout(() => {}, 1)", "setTimeout"),
        ("setInterval(() => {}, 1)", "setInterval"),
        ("AbortSignal.timeout(1)", "AbortSignal.timeout"),
        ("crypto.getRandomValues(new Uint8Array(4))", "crypto.getRandomValues"),
        ("crypto.randomUUID()", "crypto.randomUUID"),
        ("await crypto.subtle.digest('SHA-256', new Uint8Array())", "crypto.subtle.digest"),
    ] {
        let failure = Machine::new().init(&format!("\n{statement};")).unwrap_err();
        assert!(failure.message.starts_with(&format!("{what} is not available while the tool is built")), "{failure:?}");
        assert_eq!(failure.line, 2, "{failure:?}");
    }
}

#[test]
fn the_top_level_may_compute_and_log_and_await() {
    let mut machine = Machine::with_tool(
        "import { tool } from 'toolwright'; console.log('built'); const value = await Promise.resolve(Math.random());
         export default tool({ name: 'n', description: 'd', input: { type: 'object' }, run: () => value >= 0 && value < 1 });",
    );

    assert_eq!(machine.log_lines(), ["info built"]);
    assert_eq!(machine.call(&json!({})), Ok(Value::Bool(true)));
}

#[test]
fn a_top_level_that_fails_is_a_failure_of_the_build() {
    let thrown = Machine::new().init("const a = 1;\nthrow new TypeError('at once');").unwrap_err();
    assert_eq!((thrown.name.as_str(), thrown.message.as_str(), thrown.line), ("TypeError", "at once", 2));

    let stuck = Machine::new().init("await new Promise(() => {});").unwrap_err();
    assert!(stuck.message.starts_with("deadlock: "), "{stuck:?}");
}

#[test]
fn an_endless_top_level_ends_with_the_fuel() {
    let mut machine = Machine::new();
    machine.store.set_fuel(50_000_000).unwrap();

    let trap = machine.init_request(&json!({"source": "for (;;) {}", "map": null, "file": "tool.js"})).unwrap_err();

    assert_eq!(trap.downcast_ref::<wasmtime::Trap>(), Some(&wasmtime::Trap::OutOfFuel));
}

#[test]
fn a_request_of_another_form_is_refused() {
    for request in [json!({}), json!({"source": 1, "file": "a", "map": null}), json!([]), json!(null)] {
        let failure = Machine::new().init_request(&request).unwrap().unwrap_err();
        assert!(failure.message.contains("a request to build a tool is"), "{failure:?}");
    }
}

#[test]
fn code_from_text_is_refused() {
    for code in [
        "eval('1')",
        "(0, eval)('1')",
        "new Function('return 1')",
        "Function('return 1')",
        "(() => {}).constructor('return 1')",
        "(async () => {}).constructor('return 1')",
        "(function* () {}).constructor('')",
        "(async function* () {}).constructor('')",
        "Reflect.construct(Function, ['return 1'])",
        "class X extends Function { constructor() { super('return 1'); } } new X()",
    ] {
        let failure = super::machine::failure(code);
        assert_eq!((failure.name.as_str(), failure.line), ("EvalError", 4), "{code}: {failure:?}");
        assert!(failure.message.contains("code cannot be made from text"), "{failure:?}");
    }
    assert_eq!(
        super::machine::evaluate("return [(() => {}) instanceof Function, typeof Function.prototype.call];"),
        json!([true, "function"])
    );
}
