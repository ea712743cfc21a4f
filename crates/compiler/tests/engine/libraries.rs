//! Library modules: what a build gives a tool to import.

use serde_json::{Value, json};

use super::machine::{Answer, Machine};

/// Reads a tool with these library modules.
fn init(machine: &mut Machine, source: &str, modules: &Value) -> Answer {
    machine.init_request(&json!({"source": source, "map": null, "file": "tool.js", "modules": modules})).unwrap()
}

fn tool_with(import: &str, body: &str) -> String {
    format!(
        "import {{ tool }} from 'toolwright';\n{import}\nexport default tool({{ name: 'n', description: 'd', input: {{ type: 'object' }},\nasync run() {{\n{body}\n}} }});"
    )
}

#[test]
fn a_module_that_is_given_can_be_imported() {
    let mut machine = Machine::new();
    let modules = json!({
        "toolwright:csv": "import { inner } from 'toolwright:inner'; export const parse = (text) => text.split(inner); export default 7;",
        "toolwright:inner": "import { ToolError } from 'toolwright'; export const inner = ','; export const isOurs = typeof ToolError === 'function';",
    });
    let source = tool_with(
        "import csv, { parse } from 'toolwright:csv'; import * as inner from 'toolwright:inner';",
        "return [parse('a,b'), csv, inner.isOurs, (await import('toolwright:csv')).parse === parse];",
    );

    init(&mut machine, &source, &modules).unwrap();

    assert_eq!(machine.snapshot().call(&json!({})), Ok(json!([["a", "b"], 7, true, true])));
}

#[test]
fn a_module_that_was_not_given_is_refused() {
    for (import, body) in [("import 'toolwright:yaml';", ""), ("", "await import('toolwright:yaml');")] {
        let mut machine = Machine::new();
        let built = init(&mut machine, &tool_with(import, body), &json!({"toolwright:csv": "export default 1;"}));
        let failure = built.and_then(|_| machine.call(&json!({}))).unwrap_err();
        assert_eq!(
            failure.message,
            "cannot import \"toolwright:yaml\": the only module is \"toolwright\" and the library modules that the tool was granted"
        );
    }
}

#[test]
fn a_module_that_is_broken_is_named() {
    for (module, says) in [
        ("throw new RangeError('oh');", "oh"),
        ("import 'toolwright:missing';", "cannot import \"toolwright:missing\""),
        ("export const = 1;", ""),
        ("await new Promise(() => {});", "deadlock"),
    ] {
        let failure = init(&mut Machine::new(), &tool_with("", ""), &json!({"toolwright:csv": module})).unwrap_err();
        assert!(failure.message.starts_with("the library module \"toolwright:csv\" cannot be read: "), "{failure:?}");
        assert!(failure.message.contains(says), "{failure:?}");
        assert_eq!(failure.line, 0, "a line of a library is not one of the author's: {failure:?}");
    }
}

#[test]
fn an_error_in_a_module_has_the_place_of_the_authors_call() {
    let mut machine = Machine::new();
    let modules = json!({"toolwright:csv": "export function parse() {\n\n\n\n\n\n\n\n\n\n\n throw new RangeError('oh'); }"});
    init(&mut machine, &tool_with("import { parse } from 'toolwright:csv';", "\nparse();"), &modules).unwrap();

    let failure = machine.call(&json!({})).unwrap_err();

    assert_eq!((failure.name.as_str(), failure.line), ("RangeError", 6));
    assert!(failure.stack.contains("toolwright:csv") && failure.stack.contains("tool.js:6"), "{}", failure.stack);
}

#[test]
fn the_text_of_a_module_is_not_kept() {
    let mark = "nobody will look for these words";
    let module = format!("/* {mark} */ export function parse() {{ /* {mark} */ return 1; }}");
    let mut machine = Machine::new();

    init(
        &mut machine,
        &tool_with("import { parse } from 'toolwright:csv';", "return parse();"),
        &json!({"toolwright:csv": module}),
    )
    .unwrap();

    assert!(!machine.memory_has(mark.as_bytes()));
    assert_eq!(machine.call(&json!({})), Ok(json!(1)));
}

#[test]
fn names_that_are_not_of_the_library_are_refused() {
    for modules in [
        json!({"toolwright:native": ""}),
        json!({"toolwright:prelude": ""}),
        json!({"toolwright": ""}),
        json!({"fs": ""}),
        json!({"toolwright:CSV": ""}),
        json!({"toolwright:csv": 7}),
        json!("toolwright:csv"),
    ] {
        let failure = init(&mut Machine::new(), &tool_with("", ""), &modules).unwrap_err();
        assert!(failure.message.contains("`modules` of a request"), "{modules}: {failure:?}");
    }
}
