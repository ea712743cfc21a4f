//! Many at once: tools, calls of one cold tool, calls of a month.

use std::{sync::Arc, time::Instant};

use bench::{
    crowd::{Crowd, CrowdSize},
    load,
    usage::Holdings,
};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::{
    api,
    case::{Case, Verdict, must},
    guest::{Code::JavaScript, deploy, source, usual},
    world::World,
};

const SCALE: &str = "scale";

/// More than the server of the suite holds in memory.
const TOOLS: usize = 3 * crate::world::CACHED_TOOLS;

/// Ten thousand take minutes to build: they are called in `bench thrash`, with the same bounds.
const CROWD: CrowdSize = CrowdSize { tools: 500, tools_of_first: 150, tools_per_server: 50, customers: 3 };

/// Calls of the crowd at one time.
const CROWD_CALLERS: usize = 16;

/// What the process may hold more of after a round than before: connections, and work that blocks for a moment.
const DESCRIPTORS_MORE_MAX: usize = 64;
const THREADS_MORE_MAX: usize = 32;

/// Mappings of a tool's native code, with room for calls that come and go.
const MAPPINGS_PER_TOOL: usize = 16;

/// What memory may be more after a later round than after the first.
const GROWTH_MIB_MAX: u64 = 24;

/// In each round every tool is called once, in another order: these have no divisor with the number of tools.
const STEPS: [usize; 4] = [1, 7, 123, 333];

/// Calls of one cold tool at one time.
const STAMPEDE: usize = 200;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new(SCALE, "more tools than the cache holds, called in turn", "each answers, from disk", thrash).quick(),
        Case::new(SCALE, "hundreds of tools of three customers, by many at once", "each answers; nothing grows", crowd),
        Case::new(SCALE, "a stampede on one cold tool", "all answer; it is loaded once", stampede),
        Case::new(SCALE, "a race for the calls of a month", "exactly as many as there are", month).quick(),
        Case::new(SCALE, "calls beyond the pace", "429 with Retry-After, and nothing runs", pace),
        Case::new(SCALE, "builds beyond the pace", "429 with Retry-After", builds),
        Case::new(SCALE, "a server deleted while it is called", "answers, or 404", deleted),
    ]
}

async fn thrash(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&json!({"tools_per_server_max": 200, "servers_max": 10})).await?;
    let slug = world.name();
    tenant.create_server(&slug).await?;
    for index in 0..TOOLS {
        let source = source(&format!("return {{ is: {index} }};")).replace("\"attack\"", &format!("\"attack_{index}\""));
        tenant.put(&slug, &format!("attack_{index}"), &source, &json!({})).await?.expect(201)?;
    }
    tenant.release(&slug).await?;
    let begun = Instant::now();
    for round in 0..3 {
        for index in 0..TOOLS {
            let answer = tenant.api().call(&slug, &format!("attack_{index}"), &json!({})).await?;
            let right = answer.at("/result/structuredContent/is") == index.to_string();
            must(right, || format!("round {round}, tool {index}: answered {}", answer.brief()))?;
        }
    }
    let each = begun.elapsed().as_secs_f64() * 1e3 / f64::from(u32::try_from(3 * TOOLS).unwrap_or(1));
    Ok(format!("{TOOLS} tools, {each:.1} ms a call"))
}

async fn crowd(world: Arc<World>) -> Verdict {
    let server = world.server();
    let crowd = Arc::new(Crowd::deploy(server, &world.name(), CROWD).await?);
    let mut first = None;
    let begun = Instant::now();
    for step in STEPS {
        let missed = server.level("artifact_misses_total").await?;
        let calls = Arc::clone(&crowd);
        let request = move |number: usize| calls.call(number * step);
        load::run_all(server.id(), server.address, CROWD_CALLERS, crowd.len(), request).await?;
        let missed = server.level("artifact_misses_total").await? - missed;
        let now = Holdings::of(server.id())?;
        must(missed > crowd.len() as u64 / 2, || format!("{missed} calls of {} found their tool not in memory", crowd.len()))?;
        // The first round brings into memory what every call needs.
        let before = *first.get_or_insert(now);
        let more = now.mappings.saturating_sub(before.mappings);
        must(more <= MAPPINGS_PER_TOOL * crate::world::CACHED_TOOLS, || format!("{more} more mappings"))?;
        must(now.descriptors <= before.descriptors + DESCRIPTORS_MORE_MAX, || format!("{now}; before: {before}"))?;
        must(now.threads <= before.threads + THREADS_MORE_MAX, || format!("{now}; before: {before}"))?;
        let grown = now.resident_kib.saturating_sub(before.resident_kib) / 1024;
        must(grown <= GROWTH_MIB_MAX, || format!("memory grew by {grown} MiB from round to round"))?;
    }
    let held = server.level("artifact_cache_entries").await?;
    must(held <= (crate::world::CACHED_TOOLS + CROWD_CALLERS) as u64, || format!("{held} tools are in memory"))?;
    let each = begun.elapsed().as_secs_f64() * 1e3 / f64::from(u32::try_from(STEPS.len() * crowd.len()).unwrap_or(1));
    Ok(format!("{} tools, {each:.1} ms a call, {held} in memory", crowd.len()))
}

async fn stampede(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&json!({"concurrent_calls_max": 64, "queue_wait_ms_max": 10_000})).await?;
    // A tool that is like no other, also when the case is tried again: nobody has called it before.
    let slug = deploy(&world, &tenant, JavaScript(&format!("return {{ is: 42, of: '{}' }};", world.name()))).await?;
    let (api, none) = (tenant.api(), json!({}));
    let missed = world.server().level("artifact_misses_total").await?;
    let answers = join_all((0..STAMPEDE).map(|_| api.call(&slug, "attack", &none))).await;
    for answer in answers {
        let answer = answer?;
        must(answer.at("/result/structuredContent/is") == "42", || format!("answered {}", answer.brief()))?;
    }
    let missed = world.server().level("artifact_misses_total").await? - missed;
    must(missed == 1, || format!("it was loaded {missed} times"))?;
    Ok(format!("{STAMPEDE} of {STAMPEDE} answered, loaded once"))
}

async fn month(world: Arc<World>) -> Verdict {
    let tenant =
        world.tenant(&json!({"calls_per_month_max": 20, "concurrent_calls_max": 64, "queue_wait_ms_max": 10_000})).await?;
    let slug = deploy(&world, &tenant, JavaScript("return 1;")).await?;
    let (api, none) = (tenant.api(), json!({}));
    let answers = join_all((0..64).map(|_| api.call(&slug, "attack", &none))).await;
    let (mut ran, mut refused) = (0, 0);
    for answer in answers {
        let answer = answer?;
        if answer.status == 200 && !answer.is_tool_error() && answer.text.contains("\"result\"") {
            ran += 1;
        } else {
            must(answer.text.contains("calls_per_month_max"), || format!("answered {}", answer.brief()))?;
            refused += 1;
        }
    }
    must(ran == 20 && refused == 44, || format!("{ran} ran, {refused} were refused"))?;
    Ok("20 ran, 44 refused by calls_per_month_max".to_owned())
}

async fn pace(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&json!({"calls_per_minute_max": 5})).await?;
    let slug = deploy(&world, &tenant, JavaScript("return 1;")).await?;
    for number in 0..10 {
        let answer = tenant.api().call(&slug, "attack", &json!({})).await?;
        if answer.status == 429 {
            let named = answer.text.contains("calls_per_minute_max") && !answer.header("retry-after").is_empty();
            must(named && number == 5, || format!("call {number}: answered {}", answer.brief()))?;
            return Ok("429 after 5 calls, with Retry-After".to_owned());
        }
    }
    must(false, || "ten calls ran".to_owned()).map(|()| String::new())
}

async fn builds(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&json!({"builds_per_hour_max": 3})).await?;
    let slug = world.name();
    tenant.create_server(&slug).await?;
    for number in 0..6 {
        let answer = tenant.put(&slug, "attack", &source(&format!("return {number};")), &json!({})).await?;
        if answer.status == 429 {
            let named = answer.text.contains("builds_per_hour_max") && !answer.header("retry-after").is_empty();
            must(named && number == 3, || format!("build {number}: answered {}", answer.brief()))?;
            return Ok("429 after 3 builds, with Retry-After".to_owned());
        }
    }
    must(false, || "six were built".to_owned()).map(|()| String::new())
}

async fn deleted(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&usual()).await?;
    let slug = deploy(&world, &tenant, JavaScript("return 1;")).await?;
    let (api, none) = (tenant.api(), json!({}));
    let calls = join_all((0..100).map(|_| api.call(&slug, "attack", &none)));
    let deleting = api::read(api.request(Method::DELETE, &format!("/api/v1/servers/{slug}")));
    let (answers, gone) = tokio::join!(calls, deleting);
    gone?.expect(204)?;
    for answer in answers {
        let answer = answer?;
        let fine = answer.status == 200 || answer.status == 404 || answer.text.contains("queue_wait_ms_max");
        must(fine, || format!("answered {}", answer.brief()))?;
    }
    api.call(&slug, "attack", &none).await?.expect(404)?;
    Ok("every call was answered".to_owned())
}
