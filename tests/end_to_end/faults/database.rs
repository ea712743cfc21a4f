//! The database is killed, stopped, frozen, and back, while everything goes on.

use std::time::{Duration, Instant};

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{
    link::Link,
    load::{Load, Sample, What},
    postgres::{Postgres, url_at},
    until,
};
use crate::{
    api::{Api, adder},
    processes::{descendants, descriptors, wait_until_gone},
    program::{Home, Program},
};

/// For how long calls go on: a few seconds of the test.
const CALLS_GO_ON_S: u64 = 5;
/// Until a database that answers nothing counts as away: a second between two looks, four to answer, and what a slow machine adds.
const NOTICED_MAX: Duration = Duration::from_secs(7);
/// Until all goes on when it is back, as docs/operations.md says, and what a slow machine adds.
const BACK_MAX: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Killed,
    Stopped,
    Frozen,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_killed_stopped_and_frozen_under_load_and_all_goes_on_when_it_is_back() {
    let mut postgres = Postgres::start();
    let home = Home::new();
    let program = serve(&home, &postgres.url(), CALLS_GO_ON_S).await;
    let load = Load::start(&program).await;
    load.until_well(Instant::now(), &What::ALL, BACK_MAX).await;
    let (open, memory) = (descriptors(program.id()), resident_kib(program.id()));
    let mut gone_at = Vec::new();

    for (manner, away) in [(Manner::Killed, 9), (Manner::Stopped, 3), (Manner::Frozen, 8), (Manner::Killed, 0)] {
        let gone = Instant::now();
        gone_at.push(gone);
        match manner {
            Manner::Killed => postgres.kill().await,
            Manner::Stopped => postgres.stop_at_once().await,
            Manner::Frozen => postgres.freeze(),
        }
        tokio::time::sleep(Duration::from_secs(away)).await;
        let back = Instant::now();
        match manner {
            Manner::Frozen => postgres.thaw(),
            Manner::Killed | Manner::Stopped => postgres.bring_back(),
        }
        // What was asked before is answered, one way or the other.
        load.until_well(Instant::now(), &What::ALL, BACK_MAX).await;
        check_away(manner, &load.between(gone, back), gone);
    }

    tokio::time::sleep(Duration::from_millis(500)).await;
    let (open_after, memory_after) = (descriptors(program.id()), resident_kib(program.id()));
    assert!(open_after < open + 60, "{open} descriptors became {open_after}");
    assert!(memory_after < memory + 128 * 1024, "{memory} KiB became {memory_after}");
    check_kept(&postgres, &program, load, &gone_at).await;
    assert!(!program.log().contains("panicked"), "{}", program.log());
    assert!(program.stop(Signal::TERM).await.success());
}

/// What was answered while the database was away.
fn check_away(manner: Manner, samples: &[Sample], gone: Instant) {
    let noticed = if manner == Manner::Frozen { NOTICED_MAX } else { Duration::from_secs(3) };
    for sample in samples {
        let after = sample.began - gone;
        match sample.what {
            What::Live => assert!(sample.is_well() && sample.took < Duration::from_secs(2), "{manner:?} {after:?}: {sample:?}"),
            _ => assert!(sample.took < noticed, "{manner:?} {after:?}: {sample:?}"),
        }
        if !sample.is_well() {
            assert_eq!(sample.status, 503, "{manner:?} {after:?}: {sample:?}");
            assert!(sample.retry_after_s.is_some_and(|wait| (1..=60).contains(&wait)), "{manner:?} {after:?}: {sample:?}");
            assert!(!sample.text.contains("something went wrong"), "{manner:?} {after:?}: {sample:?}");
        }
        let is_call = What::CALLS.contains(&sample.what);
        if is_call && after < Duration::from_secs(CALLS_GO_ON_S - 2) {
            assert!(sample.is_well(), "{manner:?} {after:?}: a call of a loaded tool goes on: {sample:?}");
        }
        let is_over = after > Duration::from_secs(CALLS_GO_ON_S) + noticed / 3;
        if (is_call && is_over) || (!is_call && sample.what != What::Live && after > noticed) {
            assert!(!sample.is_well(), "{manner:?} {after:?}: {sample:?}");
        }
    }
    // What waits for nothing is not slowed down by what does.
    if samples.last().is_some_and(|last| last.began - gone > Duration::from_secs(2)) {
        for what in What::ALL {
            assert!(samples.iter().any(|sample| sample.what == what), "{manner:?}: {what:?} was asked");
        }
        for what in What::CHANGES {
            assert!(samples.iter().any(|sample| sample.what == what && sample.status == 503), "{manner:?}: {what:?} is refused");
        }
    }
}

/// Whatever was acknowledged is there, and every call that was answered has its record, but for those that the database had and lost: records are
/// committed without waiting for its disk (`synchronous_commit`), which takes 0.6 s at most.
async fn check_kept(postgres: &Postgres, program: &Program, load: Load, gone_at: &[Instant]) {
    let (owner, deployed) = (load.owner.clone(), load.deployed());
    let samples = load.stop().await;
    let answered: Vec<_> =
        samples.iter().filter(|sample| What::CALLS.contains(&sample.what) && sample.text.contains(r#""sum":42"#)).collect();
    let is_late = |gone: &Instant, at: Instant| at < *gone + Duration::from_millis(200) && at + Duration::from_secs(1) > *gone;
    let late = answered.iter().filter(|sample| gone_at.iter().any(|gone| is_late(gone, sample.began + sample.took))).count();
    assert!(deployed.len() > 5, "{} deploys", deployed.len());
    for done in &deployed {
        let path = format!("/api/v1/servers/deployed/tools/add/versions/{}", done.version);
        assert_eq!(owner.get(&path).await.status, 200, "{done:?} was acknowledged and is lost");
    }
    let newest = deployed.iter().map(|done| done.plus).max().unwrap();
    let served = owner.call("deployed", "add", json!({"n": 0})).await.unwrap().expect(200);
    let sum = served["result"]["structuredContent"]["sum"].as_i64().unwrap();
    assert!(sum >= newest, "what is served adds {sum}, acknowledged was {newest}");
    let (all, late) = (i64::try_from(answered.len()).unwrap(), i64::try_from(late).unwrap());
    let recorded = "SELECT count(*) FROM executions WHERE server_slug = 'sums' AND status = 'success'";
    until("every call has a record", BACK_MAX, async || postgres.number(recorded) >= all - late).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let recorded = postgres.number(recorded);
    assert!(all > 4 * late && (all - late..=all).contains(&recorded), "{all} calls, {late} of them late, {recorded} records");
    assert_eq!(postgres.number("SELECT count(*) FROM executions WHERE status = 'running'"), 0);
    let metrics = reqwest::get(format!("http://{}/metrics", program.address)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("toolwright_records_dropped_total 0"), "{metrics}");
}

/// A node that is killed while it owes something charges it after its next start, once.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_owed_are_charged_once_though_the_node_is_killed() {
    let mut postgres = Postgres::start();
    let home = Home::new();
    let program = serve(&home, &postgres.url(), 60).await;
    // A lease is of as many calls as were made before, and of ten at most.
    let owner = customer_with_a_month_of(&program, 1_000).await;
    serve_adder(&owner).await;
    for _ in 0..5 {
        owner.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);
    }

    postgres.kill().await;
    let mut called = 5;
    let refused = loop {
        let answer = owner.call("sums", "add", json!({"n": 1})).await.unwrap();
        if answer.status != 200 {
            break answer;
        }
        called += 1;
    };
    program.kill();

    assert_eq!((called, refused.status), (8 + 10, 503), "what was leased, and as many again that are owed");
    assert!(refused.body.to_string().contains("no more calls go on that are charged when it is back"), "{}", refused.body);
    postgres.bring_back();
    let charged = "SELECT sum(calls) FROM monthly_calls";
    assert_eq!(postgres.number(charged), 8, "the leases");
    for _ in 0..2 {
        let program = serve(&home, &postgres.url(), 60).await;
        until("they are charged", BACK_MAX, async || postgres.number(charged) >= 18).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(postgres.number(charged), 18);
        program.kill();
    }
    // The node was killed after it had charged, and before it knew: what its file says is charged already.
    let debt = postgres.sql("SELECT debt_id FROM charged_debts");
    let customer = postgres.sql("SELECT customer_id FROM monthly_calls");
    let month = postgres.sql("SELECT month FROM monthly_calls");
    std::fs::write(home.path().join("owed-calls"), format!("owed {debt} {customer} {month} 10\n")).unwrap();
    let program = serve(&home, &postgres.url(), 60).await;
    until("it is looked at", BACK_MAX, async || !home.path().join("owed-calls").exists()).await;
    assert_eq!(postgres.number(charged), 18);
    assert!(program.stop(Signal::TERM).await.success());
}

/// The connections to the database lead nowhere and nobody closes them, while somebody else revokes a key.
#[tokio::test(flavor = "multi_thread")]
async fn what_changed_while_the_network_lost_everything_is_noticed_when_it_is_back() {
    let postgres = Postgres::start();
    let link = Link::to(&postgres.socket());
    let home = Home::new();
    let program = serve(&home, &url_at(link.path()), 60).await;
    let owner = program.customer("enterprise").await;
    serve_adder(&owner).await;
    let revoked = program.customer("enterprise").await;
    revoked.get("/api/v1/servers").await.expect(200);
    owner.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);

    link.lose_everything();
    let begun = Instant::now();
    let refused = owner.send(Method::POST, "/api/v1/servers", Some(new_server("other"))).await.unwrap();
    let took = begun.elapsed();
    until("it counts as away", NOTICED_MAX, async || program.log().contains("the database is away")).await;
    owner.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);
    let begun = Instant::now();
    let refused_at_once = owner.send(Method::POST, "/api/v1/servers", Some(new_server("other"))).await.unwrap();
    let took_then = begun.elapsed();
    postgres.sql("UPDATE api_keys SET revoked_at = now() WHERE name = 'test' AND api_key_id = (SELECT max(api_key_id::text)::uuid FROM api_keys)");
    postgres.sql("UPDATE servers SET title = 'Changed by another node'");

    assert_eq!((refused.status, refused_at_once.status), (503, 503));
    assert!(took < NOTICED_MAX && took_then < Duration::from_secs(1), "{took:?}, then {took_then:?}");
    link.carry_new_connections();
    until("it is back", BACK_MAX, async || owner.get("/api/v1/servers/sums").await.status == 200).await;
    assert_eq!(revoked.get("/api/v1/servers").await.status, 401, "a key that was revoked meanwhile opens nothing");
    owner.send(Method::POST, "/api/v1/servers", Some(new_server("other"))).await.unwrap().expect(201);
    // Notices come again, and not over what leads nowhere.
    postgres.sql("UPDATE api_keys SET revoked_at = now()");
    until("a notice is heard", Duration::from_secs(5), async || owner.get("/api/v1/servers").await.status == 401).await;
    let begun = Instant::now();
    assert!(program.stop(Signal::TERM).await.success());
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

/// Nobody but the program can bring its own cluster back.
#[tokio::test(flavor = "multi_thread")]
async fn a_private_cluster_that_is_killed_is_started_again() {
    let home = Home::new();
    let program = home.serve().await;
    let owner = program.customer("enterprise").await;
    serve_adder(&owner).await;
    owner.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);
    let pid_file = home.path().join("postgres/data/postmaster.pid");
    let server: i32 = std::fs::read_to_string(&pid_file).unwrap().lines().next().unwrap().parse().unwrap();

    kill_process(Pid::from_raw(server).unwrap(), Signal::KILL).unwrap();

    until("deploys go on", Duration::from_secs(30), async || {
        owner.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);
        let source = json!({"language": "typescript", "source": adder("add", 2)});
        owner.put("/api/v1/servers/sums/tools/add", source).await.status == 201
    })
    .await;
    let children = descendants(program.id());
    assert!(program.stop(Signal::TERM).await.success());
    wait_until_gone(&children, Duration::from_secs(5)).await;
}

pub(super) async fn serve(home: &Home, url: &str, calls_go_on_s: u64) -> Program {
    home.serve_with(|command| {
        command.env("DATABASE_URL", url).env("TOOLWRIGHT_DATABASE_AWAY_CALLS_S", calls_go_on_s.to_string());
        // Everybody here comes from one address.
        for rate in ["LOGINS_PER_MINUTE", "TOKENS_PER_MINUTE", "REQUESTS_PER_MINUTE", "FAILURES_PER_MINUTE"] {
            command.env(format!("TOOLWRIGHT_{rate}_MAX"), "1000000");
        }
    })
    .await
}

/// A server `sums` with a tool that is loaded.
pub(super) async fn serve_adder(owner: &Api) {
    owner.create_server("sums").await;
    owner.put_tool("sums", "add", &adder("add", 1)).await;
    owner.release("sums").await;
}

fn new_server(slug: &str) -> serde_json::Value {
    json!({"slug": slug, "title": "Test", "description": "For a test"})
}

async fn customer_with_a_month_of(program: &Program, calls: u64) -> Api {
    let admin = program.admin();
    let mut limits = admin.get("/admin/v1/tiers/free").await.expect(200)["limits"].clone();
    limits["calls_per_month_max"] = json!(calls);
    admin.put("/admin/v1/tiers/month", json!({"limits": limits})).await.expect(200);
    program.customer("month").await
}

fn resident_kib(id: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
