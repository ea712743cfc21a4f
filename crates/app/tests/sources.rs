//! Tools that several tests deploy, and what tests say often.

use std::time::Duration;

use app::{
    AppError,
    components::{self, NewComponent, Words},
    tiers,
};
use domain::{Grants, LimitExceeded, LimitName, Limits, Slug, ToolName};
use testkit::{TestApp, TestCustomer, Upstream};

/// Adds two numbers.
pub(crate) const ADD: &str = r#"
import { tool } from "toolwright";
export default tool({
  name: "add", description: "Adds two numbers.",
  input: {
    type: "object",
    properties: { a: { type: "number" }, b: { type: "number" } },
    required: ["a", "b"], additionalProperties: false,
  },
  output: { type: "object", properties: { sum: { type: "number" } }, required: ["sum"] },
  run({ a, b }) {
    return { sum: a + b };
  },
});
"#;

/// Sleeps for so many milliseconds, after saying so.
pub(crate) const SLEEP: &str = r#"
import { tool } from "toolwright";
export default tool({
  name: "sleep", description: "Sleeps.",
  input: { type: "object", properties: { ms: { type: "integer" } }, required: ["ms"] },
  async run({ ms }, ctx) {
    ctx.progress(1, 2, "going to bed");
    await new Promise((resolve) => setTimeout(resolve, ms));
    return { slept: ms };
  },
});
"#;

/// Does what its `code` says.
pub(crate) const MISBEHAVE: &str = r#"
import { tool, ToolError } from "toolwright";
export default tool({
  name: "misbehave", description: "Misbehaves.",
  input: { type: "object", properties: { how: { type: "string" } }, required: ["how"] },
  output: { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] },
  async run({ how }, ctx) {
    switch (how) {
      case "loop": for (;;) {}
      case "throw": throw new ToolError("the moon is full");
      case "result": return { ok: "perhaps" };
      case "memory": { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); }
      case "output": return { ok: true, text: "x".repeat(30_000) };
      case "log": for (let line = 0; line < 500; line++) console.log(`line ${line}`); return { ok: true };
      case "host calls": for (let call = 0; call < 500; call++) await new Promise((resolve) => setTimeout(resolve, 1)); return { ok: true };
      case "wall": await new Promise((resolve) => setTimeout(resolve, 3_600_000)); return { ok: true };
      default: return { ok: true };
    }
  },
});
"#;

/// A tool of this name whose result is this JSON.
pub(crate) fn constant(name: &str, result: &str) -> String {
    format!(
        r#"
import {{ tool }} from "toolwright";
export default tool({{
  name: "{name}", description: "Gives always the same.", input: {{ type: "object" }},
  run() {{ return {result}; }},
}});
"#
    )
}

/// Makes a server with one tool, the function `run` of this component in the text format, and releases it.
pub(crate) async fn deploy_component(test: &TestApp, customer: &TestCustomer, server: &str, code: &str) {
    customer.create_server(server).await.unwrap();
    let ticket = components::begin(test.app(), &customer.caller, &slug(server), None).await.unwrap();
    let component = wat::parse_str(code).unwrap();
    let words = Words { description: Some("Runs.".into()), ..Words::default() };
    let new = NewComponent { component, export: Some("run".into()), grants: Grants::default(), words };
    components::put(test.app(), &customer.caller, &slug(server), &tool_name("run"), ticket, new).await.unwrap();
    customer.release(server).await;
}

/// Makes a server with one tool, `ask`, which sends half a kilobyte to the upstream, and releases it.
pub(crate) async fn deploy_asking(customer: &TestCustomer, server: &str, upstream: &Upstream) {
    let url = upstream.url("/");
    let source = constant("ask", &format!(r#"(await fetch("{url}", {{ method: "POST", body: "x".repeat(500) }})).status"#));
    let source = source.replace("run() {", "async run() {");
    customer.create_server(server).await.unwrap();
    let grants = Grants { hosts: vec![upstream.grant()], ..Grants::default() };
    customer.put_with(server, "ask", &source, grants).await.unwrap();
    customer.release(server).await;
}

pub(crate) fn slug(text: &str) -> Slug {
    text.parse().unwrap()
}

pub(crate) fn tool_name(text: &str) -> ToolName {
    text.parse().unwrap()
}

/// A tier that is as `free` but for what `change` does to it.
pub(crate) async fn tier(test: &TestApp, name: &str, change: impl FnOnce(&mut Limits)) {
    let mut tier = tiers::load(test.app(), &test.admin(), &"free".parse().unwrap()).await.unwrap();
    change(&mut tier.limits);
    tiers::put(test.app(), &test.admin(), name.parse().unwrap(), tier.limits).await.unwrap();
}

pub(crate) fn exceeded(limit: LimitName, value: u64, tier: &str) -> LimitExceeded {
    LimitExceeded { limit, value, tier: tier.parse().unwrap() }
}

/// The limit of an error that names one.
pub(crate) fn limit_of(error: &AppError) -> Option<&LimitExceeded> {
    match error {
        AppError::Limit(limit) | AppError::RateLimited { limit, .. } => Some(limit),
        AppError::Busy { limit, .. } => limit.as_ref(),
        _ => None,
    }
}

/// Tries until `attempt` gives something: what other tasks do takes a moment.
pub(crate) async fn eventually<T>(attempt: impl AsyncFnMut() -> Option<T>) -> T {
    within(Duration::from_secs(10), attempt).await
}

/// Tries until `attempt` gives something, which is to be before `wait_max` is over.
pub(crate) async fn within<T>(wait_max: Duration, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let trying = async {
        loop {
            if let Some(found) = attempt().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(wait_max, trying).await.unwrap_or_else(|_| panic!("it did not happen within {wait_max:?}"))
}
