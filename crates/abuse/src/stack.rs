//! Depth: of calls, and of values in and out.

use std::{fmt::Write as _, sync::Arc};

use serde_json::json;

use crate::{
    api,
    case::{Case, Verdict, must},
    guest::{
        Code::{Core, JavaScript},
        End::{self, Answers, ToolError, Trap},
        assemble, case, deploy, number_of, usual,
    },
    world::World,
};

const STACK: &str = "stack";
const OVER: End = Trap("call stack exhausted");
const THROWN: &str = "an error that the tool can catch; charged";
const TRAPPED: &str = "a trap, named; charged";

pub(crate) fn cases() -> Vec<Case> {
    let thrown = |name, body| case(STACK, name, THROWN, JavaScript(body), usual, ToolError("RangeError"));
    vec![
        thrown("deep recursion", "const deeper = () => 1 + deeper(); return deeper();").quick(),
        thrown("mutual recursion", "const a = () => 1 + b(); const b = () => 1 + a(); return a();"),
        thrown("recursion in a getter", "const o = { get o() { return this.o; } }; return o.o;"),
        thrown("a proxy of proxies", "let p = {}; for (let n = 0; n < 50_000; n++) p = new Proxy(p, {}); return p.x;"),
        case(
            STACK,
            "deep recursion, component",
            TRAPPED,
            Core(
                r#"(func $deeper (param i32) (result i32) (i32.add (i32.const 1) (call $deeper (local.get 0))))
                (func (export "run") (result i32) (call $deeper (i32.const 1)))"#,
            ),
            usual,
            OVER,
        )
        .quick(),
        case(
            STACK,
            "mutual recursion by a table, component",
            TRAPPED,
            Core(
                r#"(type $f (func (param i32) (result i32))) (table 2 funcref) (elem (i32.const 0) $a $b)
                (func $a (param i32) (result i32) (i32.add (i32.const 1) (call_indirect (type $f) (local.get 0) (i32.const 1))))
                (func $b (param i32) (result i32) (i32.add (i32.const 1) (call_indirect (type $f) (local.get 0) (i32.const 0))))
                (func (export "run") (result i32) (call $a (i32.const 1)))"#,
            ),
            usual,
            OVER,
        ),
        Case::new(STACK, "huge frames, component", TRAPPED, huge_frames),
        case(
            STACK,
            "deeply nested JSON, read by the tool",
            THROWN,
            JavaScript(r#"return JSON.parse("[".repeat(200_000) + "]".repeat(200_000)).length;"#),
            usual,
            ToolError("Error"),
        ),
        case(
            STACK,
            "deeply nested JSON, out",
            "an error, named; charged",
            JavaScript("let deep = []; for (let n = 0; n < 100_000; n++) deep = [deep]; return { deep };"),
            usual,
            ToolError("Error"),
        ),
        case(
            STACK,
            "a cycle, out",
            "an error, named; charged",
            JavaScript("const round = {}; round.round = round; return round;"),
            usual,
            ToolError("circular"),
        ),
        Case::new(STACK, "deeply nested JSON, in", "400, before anything runs", nested_arguments).quick(),
        Case::new(STACK, "deeply nested types, component", "refused in words when it is put", nested_types),
        case(
            STACK,
            "nested try and finally",
            "it answers",
            JavaScript("const f = (n) => { try { return f(n + 1); } catch { return n; } }; return { ok: f(0) > 100 };"),
            usual,
            Answers("true"),
        ),
    ]
}

/// A function whose frame has thousands of locals that are all alive.
async fn huge_frames(world: Arc<World>) -> Verdict {
    let locals = "(local i64)".repeat(4_000);
    let mut body = String::new();
    for index in 1..4_000 {
        // Writing into a string does not fail.
        write!(body, "(local.set {index} (i64.add (i64.extend_i32_u (local.get 0)) (i64.const {index})))").ok();
    }
    let mut sum = String::from("(i64.const 0)");
    for index in 1..4_000 {
        write!(sum, "(local.get {index}) (i64.add)").ok();
    }
    let fields = format!(
        r#"(func $deeper (param i32) (result i32) {locals} {body}
          (drop (call $deeper (i32.add (local.get 0) (i32.const 1)))) {sum} (i32.wrap_i64))
        (func (export "run") (result i32) (call $deeper (i32.const 1)))"#
    );
    let tenant = world.tenant(&usual()).await?;
    let slug = world.name();
    tenant.create_server(&slug).await?;
    tenant.upload(&slug, "attack", assemble(&number_of(&fields))?).await?.expect(201)?;
    tenant.release(&slug).await?;
    let answer = tenant.api().call(&slug, "attack", &json!({})).await?;
    let told = crate::guest::check(&tenant, &answer, OVER)?;
    tenant.is_charged("trap").await?;
    Ok(told)
}

async fn nested_arguments(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&usual()).await?;
    let slug = deploy(&world, &tenant, JavaScript("return 1;")).await?;
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"attack","arguments":{{"deep":{deep}}}}}}}"#);
    let answer = api::read(tenant.api().mcp(&slug, body)).await?;
    must(answer.status == 400 && answer.text.contains("error"), || format!("answered {}", answer.brief()))?;
    Ok(format!("400 {}", answer.at("/error/message").chars().take(50).collect::<String>()))
}

async fn nested_types(world: Arc<World>) -> Verdict {
    let mut types = String::from("(type $t0 (list u8))");
    for index in 1..2_000 {
        write!(types, "(type $t{index} (list $t{}))", index - 1).ok();
    }
    let component = format!(
        r#"(component {types}
          (core module $code
            (memory (export "memory") 1)
            (func (export "allocate") (param i32 i32 i32 i32) (result i32) (i32.const 8))
            (func (export "run") (param i32 i32) (result i32) (i32.const 1)))
          (core instance $i (instantiate $code))
          (func (export "run") (param "v" $t1999) (result u32)
            (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "allocate")))))"#
    );
    let tenant = world.tenant(&usual()).await?;
    let slug = world.name();
    tenant.create_server(&slug).await?;
    tenant.is_refused(&slug, assemble(&component)?).await
}
