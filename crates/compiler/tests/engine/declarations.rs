//! `toolwright.d.ts` says what there is: no more, no less.

use std::collections::BTreeSet;

use serde_json::Value;

use super::machine::{Machine, evaluate};

const DECLARATIONS: &str = include_str!("../../toolwright.d.ts");

/// Globals of the language itself (ECMA-262, with annex B), which every editor knows.
const LANGUAGE: &[&str] = &[
    "AggregateError",
    "Array",
    "ArrayBuffer",
    "AsyncDisposableStack",
    "Atomics",
    "BigInt",
    "BigInt64Array",
    "BigUint64Array",
    "Boolean",
    "DataView",
    "Date",
    "DisposableStack",
    "Error",
    "EvalError",
    "FinalizationRegistry",
    "Float16Array",
    "Float32Array",
    "Float64Array",
    "Function",
    "Infinity",
    "Int16Array",
    "Int32Array",
    "Int8Array",
    "Iterator",
    "JSON",
    "Map",
    "Math",
    "NaN",
    "Number",
    "Object",
    "Promise",
    "Proxy",
    "RangeError",
    "ReferenceError",
    "Reflect",
    "RegExp",
    "Set",
    "SharedArrayBuffer",
    "String",
    "SuppressedError",
    "Symbol",
    "SyntaxError",
    "TypeError",
    "URIError",
    "Uint16Array",
    "Uint32Array",
    "Uint8Array",
    "Uint8ClampedArray",
    "WeakMap",
    "WeakRef",
    "WeakSet",
    "decodeURI",
    "decodeURIComponent",
    "encodeURI",
    "encodeURIComponent",
    "escape",
    "eval",
    "globalThis",
    "isFinite",
    "isNaN",
    "parseFloat",
    "parseInt",
    "undefined",
    "unescape",
];

/// Of QuickJS, for its own errors: not for tools.
const UNDECLARED: &[&str] = &["InternalError"];

#[test]
fn every_global_is_declared_and_every_declared_global_is_there() {
    let found: BTreeSet<String> = names(&evaluate("return Object.getOwnPropertyNames(globalThis);"))
        .into_iter()
        .filter(|name| !LANGUAGE.contains(&name.as_str()) && !UNDECLARED.contains(&name.as_str()))
        .collect();
    let declared: BTreeSet<String> = DECLARATIONS.lines().filter_map(declared_global).map(str::to_owned).collect();

    assert_eq!(found, declared);
}

#[test]
fn every_member_of_a_class_is_declared_and_every_declared_member_is_there() {
    let mut class = None;
    let mut missing = Vec::new();
    for line in DECLARATIONS.lines() {
        if let Some(name) = line.strip_prefix("declare class ").or_else(|| line.strip_prefix("declare const ")) {
            class = name.split([' ', ':', '<']).next();
        } else if line.starts_with('}') {
            class = None;
        }
        if let (Some(class), Some((member, is_static))) = (class, declared_member(line)) {
            let holder =
                if is_static || class.chars().all(char::is_lowercase) { class.to_owned() } else { format!("{class}.prototype") };
            missing.push((format!("{class}.{member}"), format!("(() => {{ const h = {holder}; return '{member}' in h; }})()")));
        }
    }
    let checks: Vec<String> = missing.iter().map(|(_, check)| check.clone()).collect();
    let there = evaluate(&format!("return [{}];", checks.join(", ")));

    assert!(missing.len() > 60, "{} members", missing.len());
    for ((name, _), is_there) in missing.iter().zip(there.as_array().unwrap()) {
        assert_eq!(is_there, &Value::Bool(true), "{name} is declared and is not there");
    }
    for class in DECLARATIONS.lines().filter_map(|line| line.strip_prefix("declare class ")) {
        let class = class.split(|character: char| !character.is_alphanumeric()).next().unwrap();
        for member in names(&evaluate(&format!("return Object.getOwnPropertyNames({class}.prototype);"))) {
            let is_declared = missing.iter().any(|(name, _)| *name == format!("{class}.{member}"));
            assert!(
                is_declared || member == "constructor" || member.to_uppercase() == member,
                "{class}.{member} is not declared"
            );
        }
    }
}

#[test]
fn the_module_and_the_context_have_what_is_declared() {
    let module = names(&evaluate("return Object.keys(await import('toolwright'));"));
    let context = names(&evaluate("return Object.keys(ctx);"));

    let declared = |name: &str| {
        [format!("  export function {name}<"), format!("  export class {name} ")].iter().any(|form| DECLARATIONS.contains(form))
    };
    assert!(module.iter().all(|name| declared(name)), "{module:?}");
    assert_eq!(
        module.len(),
        DECLARATIONS.matches("  export function ").count() + DECLARATIONS.matches("  export class ").count()
    );
    for name in &context {
        let is_declared = [format!("    {name}("), format!("    {name}: {{")].iter().any(|form| DECLARATIONS.contains(form));
        assert!(is_declared, "{name}");
    }
}

#[test]
fn the_example_in_the_declarations_is_a_tool() {
    let example: String = DECLARATIONS
        .lines()
        .skip_while(|line| !line.contains("```ts"))
        .skip(1)
        .take_while(|line| !line.contains("```"))
        .map(|line| line.trim_start().trim_start_matches('*').to_owned() + "\n")
        .collect();

    let mut machine = Machine::with_tool(&example);

    let answer = machine.call(&serde_json::json!({"width": 2, "height": 3}));
    assert_eq!(answer, Ok(serde_json::json!({"area": 6})));
}

/// The name that a line at the outermost level declares as a value.
fn declared_global(line: &str) -> Option<&str> {
    let rest = ["declare function ", "declare class ", "declare const "].iter().find_map(|form| line.strip_prefix(form))?;
    rest.split(|character: char| !character.is_alphanumeric()).next()
}

/// The member that a line of a class, two spaces in, declares, and whether it is of the class itself.
fn declared_member(line: &str) -> Option<(&str, bool)> {
    let line = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?;
    let is_static = line.starts_with("static ");
    let line = line.trim_start_matches("static ").trim_start_matches("readonly ");
    let name = line.split(|character: char| !character.is_alphanumeric()).next().filter(|name| !name.is_empty())?;
    let is_member = line[name.len()..].starts_with(['(', ':', '<']) && name != "constructor";
    is_member.then_some((name, is_static))
}

fn names(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}
