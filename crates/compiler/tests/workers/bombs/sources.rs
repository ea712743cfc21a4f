//! Bombs that are sources.

use std::fmt::Write as _;

use super::{
    super::tool_that,
    End::{self, Harmless, Reason, TooLarge},
};

/// A name, the source, and what has to come of it.
type Bomb = (&'static str, String, End);

pub(super) fn all() -> Vec<Bomb> {
    [types(), sizes(), evaluations()].concat()
}

/// What only the parser and whoever strips types have to do with.
fn types() -> Vec<Bomb> {
    let union = many(60_000, |text, index| write!(text, "|\"{index}\"").unwrap());
    let generics = format!("type Deep = {}1{};", "Array<".repeat(20_000), ">".repeat(20_000));
    let template = format!("type Text = {}a{};", "`${".repeat(20_000), "}`".repeat(20_000));
    let conditional = format!("type Which<T> = {}never;", "T extends 1 ? 2 : ".repeat(20_000));
    let interfaces = many(15_000, |text, index| {
        writeln!(text, "interface I{index} extends I{} {{ a: {{ b: {{ c: 1 }} }} }}", index + 1).unwrap();
    });
    vec![
        ("a union of 60 000", with(&format!("type One = {union};")), Harmless),
        ("generics in one another", with(&generics), Harmless),
        ("template types in one another", with(&template), Harmless),
        ("conditional types in one another", with(&conditional), Harmless),
        ("a type that is itself", with("type Self<T> = { of: Self<Self<T>> };"), Harmless),
        ("interfaces without end", with(&interfaces), Harmless),
    ]
}

/// What is much, or deep, for the engine to read.
fn sizes() -> Vec<Bomb> {
    let statements = "a = a + 1;".repeat(60_000);
    let locals = many(70_000, |text, index| write!(text, "var v{index};").unwrap());
    let functions = many(20_000, |text, index| write!(text, "function f{index}(){{}}").unwrap());
    let cases = many(20_000, |text, index| write!(text, "case {index}: return {index};").unwrap());
    let objects = format!("const deep = {}1{};", "{a:".repeat(30_000), "}".repeat(30_000));
    let groups = format!("const r = /{}a{}/;", "(".repeat(20_000), ")".repeat(20_000));
    vec![
        ("one huge function", with(&format!("function huge(a) {{ {statements} return a; }}")), TooLarge),
        ("70 000 locals", with(&format!("function many() {{ {locals} }}")), Reason("too many")),
        ("20 000 functions", with(&functions), Reason("ran too long")),
        ("a switch of 20 000", with(&format!("function choose(a) {{ switch (a) {{ {cases} }} }}")), Harmless),
        ("objects in one another", with(&objects), Reason("nested too deeply")),
        ("a regular expression of 20 000 groups", with(&groups), Reason("too many captures")),
        ("bytes that are no text", "\u{0}\u{feff}\u{2028}".repeat(10_000), Reason("Invalid Character")),
    ]
}

/// What does much where the module is evaluated.
fn evaluations() -> Vec<Bomb> {
    let promises = "const again = () => Promise.resolve().then(again); await again();";
    let string = "const s = 'x'.repeat(2 ** 29); globalThis.s = s + s;";
    let arrays = "const all = []; for (;;) all.push(new Array(1000).fill(1));";
    vec![
        ("a pathological regular expression", with("/^(a+)+$/.test('a'.repeat(40) + 'b');"), Reason("ran too long")),
        ("a loop of promises at the top level", with(promises), Reason("too much memory")),
        ("recursion at the top level", with("const deep = () => deep() + 1; deep();"), Reason("call stack")),
        ("a string of a gigabyte", with(string), Reason("too much memory")),
        ("arrays without end", with(arrays), Reason("too much memory")),
    ]
}

/// A tool, and this before it.
fn with(before: &str) -> String {
    format!("{before}\n{}", tool_that("return {};"))
}

fn many(count: usize, write: fn(&mut String, usize)) -> String {
    (0..count).fold(String::new(), |mut text, index| {
        write(&mut text, index);
        text
    })
}
