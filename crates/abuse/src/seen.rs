//! That what was tried can be seen by whoever runs the platform.

use std::sync::Arc;

use serde_json::json;

use crate::{
    case::{Case, Verdict, must},
    guest::{Code::JavaScript, call_once, deploy, short_of_fuel, usual},
    world::World,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("seen", "a call that was cut, in the metrics", "counted by its state", metrics).quick(),
        Case::new("seen", "a change, in the audit log", "who, what, which version, from where", audit).quick(),
        Case::new("seen", "code that ran, in the log", "tenant, caller, server, tool, version, digest", executed),
    ]
}

async fn metrics(world: Arc<World>) -> Verdict {
    let count = || async {
        let text = world.admin().get("/metrics").await?.expect(200)?.text;
        let line = text.lines().find_map(|line| line.strip_prefix("toolwright_calls_total{status=\"limit_exceeded\"} "));
        Ok::<_, crate::case::Miss>(line.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0))
    };
    let before = count().await?;
    call_once(Arc::clone(&world), JavaScript("for (;;) {}"), short_of_fuel(), crate::guest::End::Limit(&["fuel_per_call_max"]))
        .await?;
    let after = count().await?;
    must(after == before + 1, || format!("{before} before, {after} after"))?;
    Ok(format!("calls_total: {after} by a limit"))
}

async fn audit(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&usual()).await?;
    let slug = deploy(&world, &tenant, JavaScript("return 1;")).await?;
    let log = world.admin().get(&format!("/admin/v1/audit?customer_id={}", tenant.id())).await?.expect(200)?;
    let entries = log.json()["items"].as_array().cloned().unwrap_or_default();
    let put = entries
        .iter()
        .find(|entry| entry["operation"].as_str().is_some_and(|name| name.contains("put") || name.contains("tool")));
    let text = put.map(ToString::to_string).unwrap_or_default();
    let told = text.contains("127.0.0.1") && text.contains("digest") && log.text.contains(&slug);
    must(told, || format!("the log says {}", log.brief()))?;
    Ok(format!("{} entries", entries.len()))
}

async fn executed(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&usual()).await?;
    let slug = deploy(&world, &tenant, JavaScript("return 1;")).await?;
    tenant.api().call(&slug, "attack", &json!({})).await?.expect(200)?;
    let log = world.log()?;
    let line =
        log.lines().find(|line| line.contains("toolwright::executed") && line.contains(tenant.id()) && line.contains("attack"));
    let line = line.unwrap_or_default();
    must(["digest", "version"].iter().all(|word| line.contains(word)), || format!("the log says {line:?}"))?;
    Ok("one line, with its digest".to_owned())
}
