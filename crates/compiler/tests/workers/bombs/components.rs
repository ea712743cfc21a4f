//! Bombs that are components.

use std::fmt::Write as _;

use super::End;

/// A name, the bytes, and what has to come of them.
pub(super) type Bomb = (&'static str, Vec<u8>, End);

pub(super) fn all() -> Vec<Bomb> {
    let text = |text: String| wat::parse_str(text).unwrap();
    let core = |fields: &str| text(usual(fields));
    vec![
        ("a function of eight megabytes", core(&format!("(func {})", "nop ".repeat(8_000_000))), End::Reason("size")),
        ("50 001 locals", core(&format!("(func (local {}))", "i32 ".repeat(50_001))), End::Reason("too many locals")),
        ("50 000 locals", core(&format!("(func (local {}))", "i64 ".repeat(50_000))), End::Harmless),
        ("a million types", of_core(&counted_section(1, 1_000_001, &[0x60, 0, 0])), End::Reason("types")),
        (
            "a million functions",
            of_core(&[counted_section(1, 1, &[0x60, 0, 0]), counted_section(3, 1_000_001, &[0])].concat()),
            End::Reason("code section"),
        ),
        (
            "functions without code",
            of_core(&[counted_section(1, 1, &[0x60, 0, 0]), counted_section(3, 100_000, &[0])].concat()),
            End::Reason("code"),
        ),
        (
            "a table of 200 000 branches",
            core(&format!("(func (param i32) (br_table {} (local.get 0)))", "0 ".repeat(200_000))),
            End::Reason("br_table"),
        ),
        (
            "a table of 60 000 branches",
            core(&format!("(func (param i32) (br_table {} (local.get 0)))", "0 ".repeat(60_000))),
            End::Harmless,
        ),
        ("5 000 blocks in one another", core(&nested_blocks(5_000)), End::Harmless),
        ("50 000 blocks in one another", core(&nested_blocks(50_000)), End::Reason("more than 5000 blocks in one another")),
        ("components in one another", nested_components(3_000), End::Harmless),
        ("types in one another", text(deep_type(2_000)), End::Reason("deep")),
        ("a custom section of eight megabytes", with_custom_section(8 << 20), End::Harmless),
        (
            "a section that is longer than the file",
            [wat::parse_str(usual("")).unwrap(), vec![0, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, b'a']].concat(),
            End::Reason("unexpected end"),
        ),
        ("four gigabytes to begin with", text(with_memory("(memory 65536)")), End::Reason("memory")),
        ("more than there is", text(with_memory("(memory 65537)")), End::Reason("memory size")),
        ("a table of four thousand million places", core("(table 4000000000 funcref)"), End::Reason("table")),
        ("two memories in a module", core("(memory 1) (memory 1)"), End::Reason("multi")),
        ("a thousand memories", text(many_instances(1_001)), End::Reason("instance")),
        ("a hundred instances with a memory each", text(many_instances(100)), End::Reason("memor")),
        ("a start that recurses for ever", core("(func $deep (call $deep)) (start $deep)"), End::Reason("stack")),
        (
            "data for all of a memory",
            core(&format!("(data (i32.const 0) \"{}\")", "a".repeat(70_000))),
            End::Reason("out of bounds"),
        ),
    ]
}

/// A core module's fields in a component that could be hosted without them.
pub(super) fn usual(fields: &str) -> String {
    let memory = if fields.contains("(memory") { "" } else { "(memory 1)" };
    with_memory(&format!("{memory} {fields}"))
}

fn with_memory(fields: &str) -> String {
    format!(
        r#"(component
          (core module $Module {fields} (func (export "run") (result i32) (i32.const 1)))
          (core instance $core (instantiate $Module))
          (func (export "run") (result u32) (canon lift (core func $core "run"))))"#
    )
}

fn nested_blocks(depth: usize) -> String {
    format!("(func {} {})", "block ".repeat(depth), "end ".repeat(depth))
}

/// Modules that take a memory each.
fn many_instances(count: usize) -> String {
    let instances = "(core instance (instantiate $Small))".repeat(count);
    with_memory("").replace("(core instance $core", &format!("(core module $Small (memory 1)) {instances} (core instance $core"))
}

fn deep_type(depth: usize) -> String {
    let types: String = (0..depth).fold(String::new(), |mut text, index| {
        let inner = if index == 0 { "u8".to_owned() } else { format!("$t{}", index - 1) };
        write!(text, "(type $t{index} (list {inner}))").unwrap();
        text
    });
    format!(
        r#"(component {types}
          (core module $Module
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
            (func (export "run") (param i32 i32)))
          (core instance $core (instantiate $Module))
          (alias core export $core "memory" (core memory $memory))
          (alias core export $core "realloc" (core func $realloc))
          (func (export "run") (param "all" $t{}) (canon lift (core func $core "run") (memory $memory) (realloc $realloc))))"#,
        depth - 1
    )
}

/// A section of so many equal parts.
fn counted_section(id: u8, count: u32, part: &[u8]) -> Vec<u8> {
    let body = [leb128(count), part.repeat(count as usize)].concat();
    [vec![id], leb128(u32::try_from(body.len()).unwrap()), body].concat()
}

/// A component with a core module of these sections, and nothing else.
fn of_core(sections: &[u8]) -> Vec<u8> {
    let module = [b"\0asm\x01\0\0\0", sections].concat();
    let section = [vec![1], leb128(u32::try_from(module.len()).unwrap()), module].concat();
    [b"\0asm\x0d\0\x01\0", section.as_slice()].concat()
}

fn nested_components(depth: usize) -> Vec<u8> {
    const HEAD: &[u8] = b"\0asm\x0d\0\x01\0";
    let usual = wat::parse_str(usual("")).unwrap();
    let within = |outer: &[u8], inner: &[u8]| [outer, &[4], &leb128(u32::try_from(inner.len()).unwrap()), inner].concat();
    within(&usual, &(0..depth).fold(HEAD.to_vec(), |inner, _| within(HEAD, &inner)))
}

fn with_custom_section(bytes: usize) -> Vec<u8> {
    let body = [b"\x04name".as_slice(), &vec![0x55; bytes]].concat();
    let length = leb128(u32::try_from(body.len()).unwrap());
    [wat::parse_str(usual("")).unwrap(), vec![0], length, body].concat()
}

fn leb128(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}
