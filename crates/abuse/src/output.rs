//! What a guest gives, and what it asks of its host.

use std::sync::Arc;

use serde_json::json;

use crate::{
    case::{Case, Verdict, must},
    guest::{
        Code::{self, Component, JavaScript},
        End::{self, Answers, Limit, ToolError, Trap},
        case, deploy, short_of_time, usual,
    },
    world::World,
};

const OUTPUT: &str = "output";
const LENGTH: End = Limit(&["output_bytes_max"]);
const HOST_CALLS: End = Limit(&["host_calls_max"]);
const TRAPPED: &str = "a trap, named; charged";

/// A component that answers a text; its core function is `run`, which gives where start and length of it stand.
macro_rules! text_of {
    ($fields:literal) => {
        Component(concat!(
            r#"(component (core module $code (memory (export "memory") 2) "#,
            $fields,
            r#") (core instance $i (instantiate $code))
            (func (export "run") (result string) (canon lift (core func $i "run") (memory (core memory $i "memory")))))"#
        ))
    };
}

const LENGTH_BEYOND_MEMORY: Code = text_of!(
    r#"(func (export "run") (result i32)
      (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 1073741824)) (i32.const 0))"#
);
const START_BEYOND_MEMORY: Code = text_of!(
    r#"(func (export "run") (result i32)
      (i32.store (i32.const 0) (i32.const -16)) (i32.store (i32.const 4) (i32.const 64)) (i32.const 0))"#
);
const RESULT_BEYOND_MEMORY: Code = text_of!(r#"(func (export "run") (result i32) (i32.const -4))"#);
const NOT_UTF_8: Code = text_of!(
    r#"(func (export "run") (result i32) (i32.store8 (i32.const 16) (i32.const 255))
      (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 1)) (i32.const 0))"#
);

/// As UTF-16, with half of a pair of surrogates.
const NOT_UTF_16: Code = Component(
    r#"(component (core module $code (memory (export "memory") 1)
        (func (export "run") (result i32) (i32.store16 (i32.const 16) (i32.const 0xd800))
          (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 1)) (i32.const 0)))
      (core instance $i (instantiate $code))
      (func (export "run") (result string)
        (canon lift (core func $i "run") (memory (core memory $i "memory")) string-encoding=utf16)))"#,
);

pub(crate) fn cases() -> Vec<Case> {
    let js = |name, expected, body, end| case(OUTPUT, name, expected, JavaScript(body), usual, end);
    let trap = |name, code, words| case(OUTPUT, name, TRAPPED, code, usual, Trap(words));
    vec![
        js(
            "a result of a gigabyte",
            "a limit, named; charged",
            r#"return "x".repeat(1 << 29) + "y".repeat(1 << 29);"#,
            Limit(&["output_bytes_max", "memory_bytes_max"]),
        ),
        js("a result of more than may be", "the limit of output, named; charged", r#"return "x".repeat(1 << 20);"#, LENGTH)
            .quick(),
        trap("a result of a gigabyte, component", LENGTH_BEYOND_MEMORY, "bounds"),
        trap("a result that begins out of bounds, component", START_BEYOND_MEMORY, "bounds"),
        trap("a pointer out of bounds, component", RESULT_BEYOND_MEMORY, ""),
        trap("invalid UTF-8, component", NOT_UTF_8, "utf-8"),
        trap("invalid UTF-16, component", NOT_UTF_16, ""),
        js("half a surrogate pair", "a well-formed answer", r#"return { text: "\ud800" };"#, Answers("text")),
        Case::new(OUTPUT, "log flood", "as many lines as the tier keeps; all are counted", log_flood),
        Case::new(OUTPUT, "ANSI and newlines in log lines", "none of it in the server's own log", log_injection).quick(),
        js(
            "host-call flood",
            "the limit of host calls, named; charged",
            "for (;;) await new Promise((resolve) => setTimeout(resolve, 1));",
            HOST_CALLS,
        )
        .quick(),
        js(
            "random(4 GB)",
            "an error that the tool can catch; charged",
            "return crypto.getRandomValues(new Uint8Array(2 ** 32 - 1)).length;",
            ToolError("Error"),
        ),
        js(
            "random beyond Web Crypto's bound",
            "an error that the tool can catch; charged",
            "return crypto.getRandomValues(new Uint8Array(65_537)).length;",
            ToolError("Quota"),
        ),
        js("a promise that nobody settles", "an error, named; charged", "await new Promise(() => {});", ToolError("")),
        case(
            OUTPUT,
            "sleep for ever",
            "the limit of time, named; charged",
            JavaScript("await new Promise((resolve) => setTimeout(resolve, 2 ** 31 - 1));"),
            short_of_time,
            Limit(&["wall_ms_max"]),
        ),
        js(
            "a million handles",
            "a limit, named; charged",
            "const all = []; for (let n = 0; n < 1_000_000; n++) all.push(new Promise((resolve) => setTimeout(resolve, 1e6))); await Promise.all(all);",
            Limit(&["host_calls_max", "memory_bytes_max", "fuel_per_call_max"]),
        ),
        case(
            OUTPUT,
            "progress flood",
            "a limit, named; charged",
            JavaScript("for (let n = 0; ; n++) ctx.progress(n, 1e9, 'x'.repeat(1000));"),
            crate::guest::short_of_fuel,
            Limit(&["fuel_per_call_max", "host_calls_max"]),
        ),
        js(
            "a digest flood",
            "the limit of host calls, named; charged",
            "for (;;) await crypto.subtle.digest('SHA-512', new Uint8Array(1 << 20));",
            Limit(&["host_calls_max", "fuel_per_call_max"]),
        ),
    ]
}

async fn log_flood(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&usual()).await?;
    let slug = deploy(
        &world,
        &tenant,
        JavaScript("for (let n = 0; n < 5_000; n++) console.log(`line ${n} ${'x'.repeat(500)}`); return 1;"),
    )
    .await?;
    let tried = tenant
        .api()
        .post(&format!("/api/v1/servers/{slug}/tools/attack/try"), &json!({"arguments": {}}))
        .await?
        .expect(200)?
        .json();
    let kept = tried["logs"].as_array().map_or(0, Vec::len);
    must(u64::try_from(kept).ok() == Some(tenant.limit("log_lines_max")), || format!("{kept} lines were kept"))?;
    let record = tenant.is_charged("success").await?;
    must(record.pointer("/receipt/log_lines") == Some(&json!(5_000)), || format!("not all lines were counted: {record}"))?;
    Ok(format!("{kept} lines kept, 5000 counted"))
}

async fn log_injection(world: Arc<World>) -> Verdict {
    const FORGED: &str = "forged-line-of-a-tool";
    let tenant = world.tenant(&usual()).await?;
    let body = r#"const forged = "\x1b[2J\x1b[31m\n{\"level\":\"ERROR\",\"message\":\"forged-line-of-a-tool\"}\r\n";
      console.log(forged); console.error(forged); throw new ToolError(forged);"#;
    let slug = deploy(&world, &tenant, JavaScript(body)).await?;
    let answer = tenant.api().call(&slug, "attack", &json!({})).await?;
    must(answer.is_tool_error() && answer.text.contains(FORGED), || format!("answered {}", answer.brief()))?;
    // The line is in the body as JSON writes it, or it would be two.
    must(!answer.text.contains('\x1b'), || "an escape character came through raw".to_owned())?;
    tenant.is_charged("tool_error").await?;
    let log = world.log()?;
    let forged = log.lines().any(|line| line.starts_with('{') && line.contains(&format!(r#""message":"{FORGED}""#)));
    must(!forged && !log.contains('\x1b'), || "the tool wrote into the server's log".to_owned())?;
    Ok("in the tool's own log alone".to_owned())
}
