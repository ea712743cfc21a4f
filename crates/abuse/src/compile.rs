//! What is put to be built: components and sources that cost their compiler much, and the compiler killed.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use serde_json::json;

use self::Fate::{Bounded, Refused};
use crate::{
    case::{Case, Miss, Verdict, must},
    guest::{assemble, number_of, source, usual},
    http, workers,
    world::World,
};

const COMPILE: &str = "compile";

const LOOPS_AT_START: &str =
    r#"(func $init (loop $again (br $again))) (start $init) (func (export "run") (result i32) (i32.const 1))"#;

/// One of the world `toolwright:tool/tool`.
const LOOPS_IN_DESCRIBE: &str = include_str!("../../../tests/components/loops-in-describe.wat");

const RUN: &str = r#"(func (export "run") (result i32) (i32.const 1))"#;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        component("one huge function", Bounded, || assemble(&huge_function())),
        component("50000 locals", Bounded, || {
            assemble(&number_of(&format!("(func (local {}) (nop)) {RUN}", "i64 ".repeat(50_000))))
        }),
        component("very many functions", Bounded, || assemble(&number_of(&format!("{} {RUN}", "(func (nop))".repeat(20_000))))),
        component("very many types", Bounded, || assemble(&number_of(&many_types()))),
        component("huge br_table", Bounded, || assemble(&number_of(&br_table()))),
        component("deep nesting", Refused, || assemble(&number_of(&nested_blocks()))),
        component("a component that loops at its start", Refused, || assemble(&number_of(LOOPS_AT_START))),
        put("a component that loops in `describe`", Refused, Put::Tool(|| assemble(LOOPS_IN_DESCRIBE))),
        component("nested components", Refused, || Ok(nested_components())),
        Case::new(COMPILE, "oversized custom sections", "refused by its length, before it is read", http::giant_component),
        component("truncated bytes", Refused, || {
            let mut bytes = assemble(&number_of(RUN))?;
            bytes.truncate(bytes.len() / 2);
            Ok(bytes)
        })
        .quick(),
        component("random bytes", Refused, || Ok(random_bytes())),
        component("forged native code", Refused, || Ok([b"\x7fELF\x02\x01\x01".as_slice(), &[0x90; 100_000]].concat())).quick(),
        component("a core module in place of a component", Refused, || Ok(b"\0asm\x01\0\0\0".to_vec())),
        Case::new(COMPILE, "a source of 10 MB", "413 before it is read", http::giant_source),
        script("a source that loops at top level", Refused, || format!("for (;;) {{}}\n{}", source("return 1;"))),
        script("a source that fills memory at top level", Refused, || {
            format!("const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1));\n{}", source("return 1;"))
        }),
        script("a source nested deeply", Bounded, || source(&format!("return {}1{};", "(".repeat(50_000), ")".repeat(50_000)))),
        script("a source of nested types", Bounded, || {
            source(&format!("let x: {}number{}; return 1;", "Array<".repeat(20_000), ">".repeat(20_000)))
        }),
        script("a source that imports what there is not", Refused, || {
            format!("import fs from \"node:fs\";\n{}", source("return 1;"))
        })
        .quick(),
        Case::new(
            COMPILE,
            "the compiler killed midway, ten times",
            "an error for that build alone, or built; the next is",
            killed,
        ),
    ]
}

fn component(name: &'static str, fate: Fate, made: fn() -> Result<Vec<u8>, Miss>) -> Case {
    put(name, fate, Put::Component(made))
}

fn script(name: &'static str, fate: Fate, made: fn() -> String) -> Case {
    put(name, fate, Put::Source(made))
}

fn put(name: &'static str, fate: Fate, put: Put) -> Case {
    Case::new(COMPILE, name, fate.words(), move |world| build(world, put, fate))
}

#[derive(Clone, Copy)]
enum Put {
    /// With a function `run`.
    Component(fn() -> Result<Vec<u8>, Miss>),
    /// One that says itself what it is.
    Tool(fn() -> Result<Vec<u8>, Miss>),
    Source(fn() -> String),
}

/// What has to become of what is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Something, within bounds.
    Bounded,
    /// Nothing.
    Refused,
}

impl Fate {
    const fn words(self) -> &'static str {
        match self {
            Bounded => "built, or refused in words; the next build of another is",
            Refused => "refused in words; nothing is kept",
        }
    }
}

async fn build(world: Arc<World>, put: Put, fate: Fate) -> Verdict {
    let tenant = world.tenant(&json!({"artifact_bytes_max": 32 << 20})).await?;
    let slug = world.name();
    tenant.create_server(&slug).await?;
    let putting = async {
        match put {
            Put::Component(made) => tenant.upload(&slug, "attack", made()?).await,
            Put::Tool(made) => tenant.upload_tool(&slug, "attack", made()?).await,
            Put::Source(made) => tenant.put(&slug, "attack", &made(), &json!({})).await,
        }
    };
    // One of another customer meanwhile, and one when it is over.
    let (answer, another) = tokio::join!(putting, another_builds(&world));
    another?;
    let answer = answer?;
    another_builds(&world).await?;
    if answer.status == 201 && fate == Bounded {
        tenant.release(&slug).await?;
        let called = tenant.api().call(&slug, "attack", &json!({})).await?;
        must(!called.is_tool_error(), || format!("it was built, and answered {}", called.brief()))?;
        return Ok("built within its bounds, and answers".to_owned());
    }
    tenant.nothing_was_built(&slug, &answer).await
}

/// Whatever becomes of a build, another customer's is built.
async fn another_builds(world: &World) -> Result<(), Miss> {
    let other = world.tenant(&usual()).await?;
    let slug = world.name();
    other.create_server(&slug).await?;
    other.put(&slug, "attack", &source("return 1;"), &json!({})).await?.expect(201).map(drop)
}

async fn killed(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&usual()).await?;
    let slug = world.name();
    tenant.create_server(&slug).await?;
    let (mut built, mut failed, mut ended) = (0, 0, 0);
    for round in 0..10_u64 {
        // The same source again would not be built again.
        let text = source(&format!("return {round};"));
        let none = json!({});
        let building = tenant.put(&slug, "attack", &text, &none);
        let killing = async {
            tokio::time::sleep(Duration::from_millis(round * 10)).await;
            workers::kill_soon(world.server().id()).await
        };
        let (answer, killed) = tokio::join!(building, killing);
        let answer = answer?;
        ended += killed?;
        match answer.status {
            201 => built += 1,
            422 | 500 | 503 => {
                must(!answer.at("/error_code").is_empty(), || format!("answered {}", answer.brief()))?;
                failed += 1;
            }
            _ => return Err(Miss::new(format!("answered {}", answer.brief()))),
        }
    }
    another_builds(&world).await?;
    must(ended >= 5, || format!("only {ended} workers were found; {failed} builds failed, {built} did not"))?;
    Ok(format!("{ended} killed: {failed} builds failed by it, {built} did not"))
}

fn huge_function() -> String {
    let mut body = String::new();
    for index in 0..100_000 {
        // Writing into a string does not fail.
        write!(body, "(local.set 0 (i32.xor (i32.mul (local.get 0) (i32.const {index})) (i32.const 12345)))").ok();
    }
    number_of(&format!(r#"(func (export "run") (result i32) (local i32) {body} (local.get 0))"#))
}

fn many_types() -> String {
    let mut types = String::new();
    for index in 0..10_000_u32 {
        let bits = |shift: u32| if index >> shift & 1 == 1 { "i64 " } else { "i32 " };
        let parameters: String = (0..16).map(bits).collect();
        write!(types, "(type (func (param {parameters})))").ok();
    }
    format!("{types} {RUN}")
}

fn br_table() -> String {
    format!(
        r#"(func (export "run") (result i32) (block $out (br_table {} (i32.const 3))) (i32.const 1))"#,
        "$out ".repeat(100_000)
    )
}

fn nested_blocks() -> String {
    format!(r#"(func (export "run") (result i32) {} {} (i32.const 1))"#, "block ".repeat(50_000), "end ".repeat(50_000))
}

/// A component in a component, and so on; the text format goes less deep than the binary one.
fn nested_components() -> Vec<u8> {
    let head = [0, b'a', b's', b'm', 13, 0, 1, 0];
    let mut component = head.to_vec();
    for _ in 0..5_000 {
        component = [head.as_slice(), &[4], &length(component.len()), &component].concat();
    }
    component
}

/// LEB128.
fn length(mut left: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(left & 0x7f).unwrap_or(0);
        left >>= 7;
        bytes.push(if left == 0 { low } else { low | 0x80 });
        if left == 0 {
            return bytes;
        }
    }
}

/// A component's head, and bytes of a generator that is always the same (xorshift), so that a miss can be repeated.
fn random_bytes() -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let noise = (0..200_000).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    });
    [0, b'a', b's', b'm', 13, 0, 1, 0].into_iter().chain(noise).collect()
}
