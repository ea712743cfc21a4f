//! Guests that misbehave in a call, and how the call must end.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    api::Answer,
    case::{Case, Miss, Verdict, must},
    tenant::Tenant,
    world::World,
};

/// What the guest is written in.
#[derive(Clone, Copy)]
pub(crate) enum Code<'a> {
    /// The body of `run(input, ctx)`, in JavaScript.
    JavaScript(&'a str),
    /// The fields of a core module whose `run` answers a number, in the text format.
    Core(&'static str),
    /// A component in the text format, with a function `run`.
    Component(&'static str),
}

/// How the call must end.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// By one of these limits, named with its value and the tier.
    Limit(&'static [&'static str]),
    /// The guest broke; the text has this in it.
    Trap(&'static str),
    /// The tool failed by itself; the text has this in it.
    ToolError(&'static str),
    /// It answers, and the text has this in it.
    Answers(&'static str),
}

/// A case: a guest of a tier with these `limits` is called once.
pub(crate) fn case(
    paragraph: &'static str,
    name: &'static str,
    expected: &'static str,
    code: Code<'static>,
    limits: fn() -> Value,
    end: End,
) -> Case {
    Case::new(paragraph, name, expected, move |world| call_once(world, code, limits(), end))
}

/// As `free` has them.
pub(crate) fn usual() -> Value {
    json!({})
}

/// Less fuel than a guest with a loop in it burns in a second.
pub(crate) fn short_of_fuel() -> Value {
    json!({"fuel_per_call_max": 200_000_000})
}

/// Fuel for more than there is memory, or operations.
pub(crate) fn plenty_of_fuel() -> Value {
    json!({"fuel_per_call_max": 100_000_000_000_u64, "wall_ms_max": 20_000})
}

/// Fuel for more than there is time.
pub(crate) fn short_of_time() -> Value {
    json!({"fuel_per_call_max": 500_000_000_000_u64, "wall_ms_max": 700})
}

/// A tool of this body.
pub(crate) fn source(body: &str) -> String {
    format!(
        r#"import {{ tool, ToolError }} from "toolwright";
export default tool({{
  name: "attack", description: "Attacks.", input: {{ type: "object" }},
  async run(input, ctx) {{ {body} }},
}});
"#
    )
}

/// Builds and releases the guest as the tool `attack` of a server of its own; the slug.
pub(crate) async fn deploy(world: &World, tenant: &Tenant, code: Code<'_>) -> Result<String, Miss> {
    let slug = world.name();
    tenant.create_server(&slug).await?;
    match code {
        Code::JavaScript(body) => tenant.put(&slug, "attack", &source(body), &json!({})).await?.expect(201)?,
        Code::Core(fields) => tenant.upload(&slug, "attack", assemble(&number_of(fields))?).await?.expect(201)?,
        Code::Component(text) => tenant.upload(&slug, "attack", assemble(text)?).await?.expect(201)?,
    };
    tenant.release(&slug).await?;
    Ok(slug)
}

/// A component whose function `run` is that of a core module with these fields.
pub(crate) fn number_of(fields: &str) -> String {
    format!(
        r#"(component
          (core module $code {fields})
          (core instance $instance (instantiate $code))
          (func (export "run") (result u32) (canon lift (core func $instance "run"))))"#
    )
}

/// The bytes of a component in the text format.
pub(crate) fn assemble(text: &str) -> Result<Vec<u8>, Miss> {
    wat::parse_str(text).map_err(|error| Miss::new(format!("the guest is not well formed: {error}")))
}

/// Checks how a call ended; what is told of it.
pub(crate) fn check(tenant: &Tenant, answer: &Answer, end: End) -> Verdict {
    let text = answer.tool_text();
    let told = || format!("answered {}", answer.brief());
    must(answer.status == 200, told)?;
    match end {
        Limit(names) => {
            let crossed = names.iter().find(|name| {
                text.contains(*name) && text.contains(&tenant.limit(name).to_string()) && text.contains(tenant.tier())
            });
            must(answer.is_tool_error() && crossed.is_some(), told)?;
            Ok(format!("{} {}", crossed.unwrap_or(&""), crossed.map_or(0, |name| tenant.limit(name))))
        }
        Trap(words) | ToolError(words) => {
            must(answer.is_tool_error() && text.contains(words), told)?;
            Ok(text.chars().take(57).collect())
        }
        Answers(words) => {
            must(!answer.is_tool_error() && text.contains(words), told)?;
            Ok("answers within its limits".to_owned())
        }
    }
}

/// What a record says of a call that ended so.
pub(crate) const fn status(end: End) -> &'static str {
    match end {
        Limit(_) => "limit_exceeded",
        Trap(_) => "trap",
        ToolError(_) => "tool_error",
        Answers(_) => "success",
    }
}

use End::{Answers, Limit, ToolError, Trap};

/// What is more than a node has room for is refused when it is put, with a reason.
pub(crate) async fn refused(world: Arc<World>, component: String) -> Verdict {
    let tenant = world.tenant(&usual()).await?;
    let slug = world.name();
    tenant.create_server(&slug).await?;
    tenant.is_refused(&slug, assemble(&component)?).await
}

/// Deploys the guest for a new customer and calls it once.
pub(crate) async fn call_once(world: Arc<World>, code: Code<'_>, limits: Value, end: End) -> Verdict {
    let tenant = world.tenant(&limits).await?;
    let slug = deploy(&world, &tenant, code).await?;
    let answer = tenant.api().call(&slug, "attack", &json!({})).await?;
    let told = check(&tenant, &answer, end)?;
    tenant.is_charged(status(end)).await?;
    Ok(told)
}
