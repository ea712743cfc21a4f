//! Memory, tables, instances, handles.

use std::{fmt::Write as _, sync::Arc};

use serde_json::json;

use crate::{
    case::{Case, Verdict, must},
    guest::{
        Code::{self, Core, JavaScript},
        End::{self, Limit, ToolError, Trap},
        case, deploy, number_of, plenty_of_fuel, refused, usual,
    },
    world::World,
};

const MEMORY: &str = "memory";
const BYTES: End = Limit(&["memory_bytes_max"]);
const NAMED: &str = "the limit of memory, named; charged";
const REFUSED: &str = "refused in words when it is put; nothing is kept";

const GROWS: Code = Core(
    r#"(memory 1)
    (func (export "run") (result i32)
      (loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable))"#,
);

/// As `GROWS`, and every page is written.
const GROWS_AND_WRITES: Code = Core(
    r#"(memory 1)
    (func (export "run") (result i32)
      (loop $again
        (memory.fill (i32.mul (i32.sub (memory.size) (i32.const 1)) (i32.const 65536)) (i32.const 1) (i32.const 65536))
        (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (unreachable))"#,
);

const TABLE_GROWS: Code = Core(
    r#"(table $t 1 funcref)
    (func (export "run") (result i32)
      (loop $again (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) (unreachable))"#,
);

const REMEMBERS: Code = Core(
    r#"(memory 2) (global $left (mut i32) (i32.const 0))
    (func (export "run") (result i32)
      (if (i32.or (global.get $left) (i32.load (i32.const 70000))) (then (return (i32.const 666))))
      (global.set $left (i32.const 1)) (i32.store (i32.const 70000) (i32.const 1)) (i32.const 42))"#,
);

pub(crate) fn cases() -> Vec<Case> {
    let bytes = |name, code| case(MEMORY, name, NAMED, code, plenty_of_fuel, BYTES);
    vec![
        bytes("grow bomb", JavaScript("const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1));")).quick(),
        bytes("grow bomb of small objects", JavaScript("let all = null; for (;;) all = { all, more: [1, 2, 3, 4] };")),
        case(
            MEMORY,
            "grow bomb of a text",
            "an error that the tool can catch; charged",
            JavaScript(r#"let text = "x"; for (;;) text += text;"#),
            plenty_of_fuel,
            ToolError("too long"),
        ),
        bytes("grow bomb, component", GROWS).quick(),
        bytes("grow bomb, every page written, component", GROWS_AND_WRITES),
        case(
            MEMORY,
            "table growth, component",
            "the growth is refused; the guest gives up; charged",
            TABLE_GROWS,
            plenty_of_fuel,
            Trap("unreachable"),
        ),
        Case::new(MEMORY, "huge declared minimum", "refused or cut, named", |world| refused(world, huge_minimum())),
        Case::new(MEMORY, "a thousand memories", REFUSED, |world| refused(world, many("(memory 1)"))),
        Case::new(MEMORY, "a thousand tables", REFUSED, |world| refused(world, many("(table 10 funcref)"))),
        Case::new(MEMORY, "ten thousand instances", REFUSED, |world| refused(world, many_instances())),
        case(
            MEMORY,
            "leaked handles",
            "a limit, named; charged",
            JavaScript("for (;;) setTimeout(() => {}, 3_600_000);"),
            usual,
            Limit(&["host_calls_max", "memory_bytes_max", "fuel_per_call_max"]),
        ),
        Case::new(MEMORY, "stale data in a reused slot", "no call sees anything of another", |world| stale(world, REMEMBERS)),
        Case::new(MEMORY, "stale globals in a reused slot", "no call sees anything of another", |world| {
            stale(world, JavaScript("if (globalThis.left) return 666; globalThis.left = 1; return 42;"))
        })
        .quick(),
    ]
}

fn huge_minimum() -> String {
    number_of(r#"(memory 65536) (func (export "run") (result i32) (i32.const 1))"#)
}

fn many(field: &str) -> String {
    number_of(&format!(r#"{} (func (export "run") (result i32) (i32.const 1))"#, field.repeat(1_000)))
}

fn many_instances() -> String {
    let mut text = String::from(r#"(component (core module $code (memory 1) (func (export "run") (result i32) (i32.const 1)))"#);
    for index in 0..10_000 {
        // Writing into a string does not fail.
        write!(text, "(core instance $i{index} (instantiate $code))").ok();
    }
    text + r#"(func (export "run") (result u32) (canon lift (core func $i0 "run"))))"#
}

/// Calls one after the other and at one time.
async fn stale(world: Arc<World>, code: Code<'_>) -> Verdict {
    let tenant = world.tenant(&json!({"concurrent_calls_max": 8})).await?;
    let slug = deploy(&world, &tenant, code).await?;
    for _ in 0..8 {
        let (api, none) = (tenant.api(), json!({}));
        let answers = futures_util::future::join_all((0..8).map(|_| api.call(&slug, "attack", &none))).await;
        for answer in answers {
            let text = answer?.tool_text();
            must(text.contains("42") && !text.contains("666"), || format!("a call saw what another left: {text}"))?;
        }
    }
    tenant.is_charged("success").await?;
    Ok("64 calls, each saw a fresh instance".to_owned())
}
