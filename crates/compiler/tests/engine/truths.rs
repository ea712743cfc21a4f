//! Lists of JavaScript expressions that must be true.

use serde_json::json;

use super::machine::Machine;

/// Evaluates a list of JavaScript expressions that must all be true.
pub(crate) fn all_true(expressions: &[&str]) {
    let mut machine = Machine::with_tool(&format!(
        "import {{ tool }} from 'toolwright';
         const name = (f) => {{ try {{ f(); return 'nothing was thrown'; }} catch (e) {{ return e.name; }} }};
         const nameLater = (f) => (async () => f())().then(() => 'nothing was thrown', (e) => e.name);
         const all = async (stream) => {{ const values = []; for await (const value of stream) values.push(value); return values; }};
         const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
         const bytes = (...b) => new Uint8Array(b);
         const checks = [{}];
         export default tool({{ name: 'n', description: 'd', input: {{ type: 'object' }},
           async run() {{ const results = []; for (const check of checks) results.push((await check()) === true); return results; }} }});",
        expressions.iter().map(|expression| format!("async () => ({expression})")).collect::<Vec<_>>().join(",\n")
    ));
    let results = machine.call(&json!({})).unwrap();
    let wrong: Vec<&&str> = expressions
        .iter()
        .zip(results.as_array().unwrap())
        .filter(|(_, is_true)| **is_true != json!(true))
        .map(|(text, _)| text)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
