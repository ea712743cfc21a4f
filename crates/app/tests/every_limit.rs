//! TIER-2, RUN-8: each limit of a tier is crossed once. A new limit does not compile here before it says how.

use std::time::{Duration, Instant};

use app::{
    AppError, PageRequest,
    calls::{self, CallAnswer},
    executions::{self, ExecutionFilter},
};
use domain::{GrantedHost, Grants, LibraryModules, LimitName, Limits, Outcome, Receipt, Status};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer, TestOptions, Upstream, request};

use crate::sources::{MISBEHAVE, SLEEP, constant, deploy_asking, deploy_component, eventually, exceeded, limit_of, slug, tier};

/// How a limit shows.
enum Crossing {
    /// The call is cut, by a source or by a component; the receipt tells that it came so far.
    Cut { by: &'static [Guest], came_so_far: fn(&Receipt, u64) -> bool },
    /// Something is refused before anything runs.
    Refused(Refusal),
    /// What is beyond it is left out, and the receipt tells how much there was.
    LeftOut,
    /// A call that waits longer is refused.
    Waits,
    /// It bounds no call and no answer: the test in `executions.rs` that meets it.
    MetBy(&'static str),
    /// Nothing is there yet that could cross it.
    NothingToBound,
}

/// A guest that crosses a limit.
enum Guest {
    /// [`MISBEHAVE`], told so.
    JavaScript(&'static str),
    /// A component with a function `run`.
    Component(&'static str),
    /// A source that asks the upstream.
    Asks,
}

enum Refusal {
    Servers,
    Tools,
    Artifact,
    AtOnce,
    Minute,
    Month,
    Builds,
    Hosts,
}

/// What the smallest tier does not have.
const RICHER_MODULE: &str = "toolwright:html";

const LOOPS: &str = r#"(component
  (core module $code (func (export "run") (result i32) (loop $again (br $again)) (unreachable)))
  (core instance $instance (instantiate $code))
  (func (export "run") (result u32) (canon lift (core func $instance "run"))))"#;

const GROWS: &str = r#"(component
  (core module $code
    (memory 1)
    (func (export "run") (result i32)
      (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (unreachable)))
  (core instance $instance (instantiate $code))
  (func (export "run") (result u32) (canon lift (core func $instance "run"))))"#;

const ANSWERS_AT_LENGTH: &str = r#"(component
  (core module $code
    (memory (export "memory") 2)
    (func (export "run") (result i32)
      (memory.fill (i32.const 16) (i32.const 120) (i32.const 60000))
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (i32.const 60000))
      (i32.const 0)))
  (core instance $instance (instantiate $code))
  (func (export "run") (result string) (canon lift (core func $instance "run") (memory (core memory $instance "memory")))))"#;

/// How each limit is crossed.
const fn crossing(limit: LimitName) -> Crossing {
    use Guest::{Asks, Component, JavaScript};
    match limit {
        LimitName::FuelPerCallMax => Crossing::Cut {
            by: &[JavaScript("loop"), Component(LOOPS)],
            came_so_far: |receipt, value| receipt.fuel * 10 > value * 9 && receipt.cpu_us > 0,
        },
        LimitName::MemoryBytesMax => Crossing::Cut {
            by: &[JavaScript("memory"), Component(GROWS)],
            came_so_far: |receipt, value| receipt.memory_bytes_peak <= value && receipt.memory_bytes_peak * 2 > value,
        },
        LimitName::WallMsMax => Crossing::Cut {
            by: &[JavaScript("wall"), Component(LOOPS)],
            came_so_far: |receipt, value| receipt.wall_us >= value * 1_000,
        },
        LimitName::OutputBytesMax => Crossing::Cut {
            by: &[JavaScript("output"), Component(ANSWERS_AT_LENGTH)],
            came_so_far: |receipt, _| receipt.fuel > 0,
        },
        LimitName::HostCallsMax => Crossing::Cut {
            by: &[JavaScript("host calls")],
            came_so_far: |receipt, value| u64::from(receipt.host_calls) == value,
        },
        LimitName::EgressBytesMax => {
            Crossing::Cut { by: &[Asks], came_so_far: |receipt, _| receipt.egress_bytes > 500 && receipt.host_calls > 0 }
        }
        LimitName::LogLinesMax => Crossing::LeftOut,
        LimitName::QueueWaitMsMax => Crossing::Waits,
        LimitName::ServersMax => Crossing::Refused(Refusal::Servers),
        LimitName::ToolsPerServerMax => Crossing::Refused(Refusal::Tools),
        LimitName::ArtifactBytesMax => Crossing::Refused(Refusal::Artifact),
        LimitName::ConcurrentCallsMax => Crossing::Refused(Refusal::AtOnce),
        LimitName::CallsPerMinuteMax => Crossing::Refused(Refusal::Minute),
        LimitName::CallsPerMonthMax => Crossing::Refused(Refusal::Month),
        LimitName::BuildsPerHourMax => Crossing::Refused(Refusal::Builds),
        LimitName::GrantedHostsMax => Crossing::Refused(Refusal::Hosts),
        LimitName::RecordDaysMax => Crossing::MetBy("records_older_than_the_tier_keeps_them_are_deleted"),
        LimitName::GenerationsPerMonthMax => Crossing::NothingToBound,
    }
}

/// Sets the limit low; its value as an error names it.
fn lower(limits: &mut Limits, limit: LimitName) -> u64 {
    // Nothing but the limit in question is to end a call.
    limits.fuel_per_call_max = 50_000_000_000;
    limits.wall_ms_max = 30_000;
    match limit {
        LimitName::ServersMax => set(&mut limits.servers_max, 1),
        LimitName::ToolsPerServerMax => set(&mut limits.tools_per_server_max, 1),
        LimitName::ArtifactBytesMax => set(&mut limits.artifact_bytes_max, 10_000),
        LimitName::FuelPerCallMax => set(&mut limits.fuel_per_call_max, 100_000_000),
        LimitName::MemoryBytesMax => set(&mut limits.memory_bytes_max, 16 << 20),
        LimitName::WallMsMax => set(&mut limits.wall_ms_max, 300),
        LimitName::OutputBytesMax => set(&mut limits.output_bytes_max, 10_000),
        LimitName::LogLinesMax => set(&mut limits.log_lines_max, 7),
        LimitName::HostCallsMax => set(&mut limits.host_calls_max, 20),
        // Enough for what is sent, and too little for what comes back.
        LimitName::EgressBytesMax => set(&mut limits.egress_bytes_max, 900),
        LimitName::ConcurrentCallsMax => {
            limits.queue_wait_ms_max = 0;
            set(&mut limits.concurrent_calls_max, 1)
        }
        LimitName::QueueWaitMsMax => {
            limits.concurrent_calls_max = 1;
            set(&mut limits.queue_wait_ms_max, 300)
        }
        LimitName::CallsPerMinuteMax => set(&mut limits.calls_per_minute_max, 1),
        LimitName::CallsPerMonthMax => {
            limits.calls_per_month_max = Some(1);
            1
        }
        LimitName::BuildsPerHourMax => set(&mut limits.builds_per_hour_max, 1),
        LimitName::GenerationsPerMonthMax => set(&mut limits.generations_per_month_max, 0),
        LimitName::GrantedHostsMax => set(&mut limits.granted_hosts_max, 1),
        LimitName::RecordDaysMax => set(&mut limits.record_days_max, 1),
    }
}

fn set<N: Into<u64> + Copy>(field: &mut N, value: N) -> u64 {
    *field = value;
    value.into()
}

struct World {
    test: TestApp,
    upstream: Upstream,
}

#[sqlx::test(migrations = "../../migrations")]
async fn each_limit_is_enforced_named_recorded_and_charged(pool: PgPool) {
    let upstream = Upstream::echo().await;
    let options = TestOptions { egress: upstream.egress(), ..TestOptions::default() };
    let test = TestApp::start_with(&pool, options).await;
    let world = World { test, upstream };
    let mut charged = Vec::new();
    for (index, limit) in LimitName::ALL.into_iter().enumerate() {
        let name = format!("tier-{index}");
        let mut value = 0;
        tier(&world.test, &name, |limits| value = lower(limits, limit)).await;
        let customer = world.test.customer(&name).await;
        let named = exceeded(limit, value, &name);

        match crossing(limit) {
            Crossing::Cut { by, came_so_far } => {
                for (number, guest) in by.iter().enumerate() {
                    let server = format!("server-{index}-{number}");
                    let answer = world.run(&customer, &server, guest).await;

                    assert_eq!(answer.outcome, Outcome::LimitExceeded(named.clone()), "{limit}, guest {number}");
                    assert!(came_so_far(&answer.receipt, value), "{limit}, guest {number}: {:?}", answer.receipt);
                    world.is_recorded(&customer, &answer, &named.to_string()).await;
                }
                charged.push((limit, customer.id, by.len()));
            }
            Crossing::Refused(refusal) => {
                let refused = world.refuse(&customer, &format!("server-{index}"), &refusal).await;

                assert_eq!(limit_of(&refused), Some(&named), "{limit}: {refused}");
                for text in [named.to_string(), refused.to_string()] {
                    assert!(text.contains(limit.as_str()) && text.contains(&value.to_string()) && text.contains(&name), "{text}");
                }
                if matches!(refusal, Refusal::AtOnce) {
                    world.is_recorded_as_refused(&customer, &named.to_string(), 0).await;
                    charged.push((limit, customer.id, 2));
                }
            }
            Crossing::LeftOut => {
                let (answer, kept) = world.write_lines(&customer, &format!("server-{index}")).await;

                assert_eq!((kept, answer.status), (value, Status::Success));
                assert_eq!(answer.receipt.log_lines, 500, "those that were left out are counted");
            }
            Crossing::Waits => {
                let (refused, waited_ms) = world.wait(&customer, &format!("server-{index}")).await;

                assert_eq!(limit_of(&refused), Some(&named), "{refused}");
                assert!((value..value + 2_000).contains(&waited_ms), "{waited_ms} ms");
                world.is_recorded_as_refused(&customer, &named.to_string(), value).await;
                charged.push((limit, customer.id, 2));
            }
            Crossing::MetBy(test) => {
                assert!(include_str!("executions.rs").contains(&format!("async fn {test}(")), "{test} is there");
            }
            Crossing::NothingToBound => {}
        }
    }
    world.test.stop().await;

    // What was leased and not used is given back at the end.
    for (limit, customer, calls) in charged {
        let counted = sqlx::query_scalar::<_, i64>("SELECT sum(calls)::bigint FROM monthly_calls WHERE customer_id = $1");
        let counted = counted.bind(customer.as_uuid()).fetch_one(&pool).await.unwrap();
        assert_eq!(usize::try_from(counted).unwrap(), calls, "{limit}: a call that is cut is a call of the month");
    }
}

/// Each column of the table is a limit that is crossed above, and has its row in the list of what proves what; the modules are a list and no number.
#[sqlx::test(migrations = "../../migrations")]
async fn every_column_of_a_tier_is_a_limit_that_is_crossed_and_listed(pool: PgPool) {
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT column_name::text FROM information_schema.columns WHERE table_name = 'tiers' AND column_name <> 'name'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let listed = include_str!("../../../docs/requirements.md");

    let mut known: Vec<_> = LimitName::ALL.iter().map(|limit| limit.as_str()).chain(["library_modules"]).collect();
    known.sort_unstable();
    let mut columns: Vec<_> = columns.iter().map(String::as_str).collect();
    columns.sort_unstable();
    assert_eq!(columns, known);
    for column in columns {
        assert!(listed.contains(&format!("\n| `{column}` | ")), "{column} has no row in docs/requirements.md");
    }
}

/// TIER-4: what is no number is named like one, when it is put and, by a tier that has become poorer, when it is called.
#[sqlx::test(migrations = "../../migrations")]
async fn a_module_of_a_richer_tier_is_refused_by_limit_value_and_tier(pool: PgPool) {
    let test = TestApp::start(pool).await;
    tier(&test, "shrinking", |limits| limits.library_modules = LibraryModules::All).await;
    let customer = test.customer("shrinking").await;
    let source = format!("import * as richer from \"{RICHER_MODULE}\";\n{}", constant("one", "Object.keys(richer).length"));
    customer.deploy("library", "one", &source).await;
    tier(&test, "shrinking", |limits| limits.library_modules = LibraryModules::Basic).await;

    let put = customer.put("library", "one", &format!("{source}\n")).await.unwrap_err();
    let called = customer.call("library", "one", json!({})).await.unwrap_err();

    for refused in [put, called] {
        let text = refused.to_string();
        assert!(["library_modules", "basic", "shrinking"].iter().all(|word| text.contains(word)), "{text}");
    }
    test.stop().await;
}

impl World {
    async fn run(&self, customer: &TestCustomer, server: &str, guest: &Guest) -> CallAnswer {
        match guest {
            Guest::JavaScript(how) => {
                customer.deploy(server, "misbehave", MISBEHAVE).await;
                customer.call(server, "misbehave", json!({ "how": how })).await.unwrap()
            }
            Guest::Component(code) => {
                deploy_component(&self.test, customer, server, code).await;
                customer.call(server, "run", json!({})).await.unwrap()
            }
            Guest::Asks => {
                deploy_asking(customer, server, &self.upstream).await;
                customer.call(server, "ask", json!({})).await.unwrap()
            }
        }
    }

    /// The record says the same as the answer.
    async fn is_recorded(&self, customer: &TestCustomer, answer: &CallAnswer, error: &str) {
        let record = eventually(async || {
            let (filter, page) = (ExecutionFilter::default(), PageRequest::default());
            let records = executions::list(self.test.app(), &customer.caller, &filter, &page).await.unwrap().items;
            records.into_iter().find(|record| record.call_id == answer.call_id && record.completed_at.is_some())
        })
        .await;
        assert_eq!((record.status, record.error.as_deref()), (Status::LimitExceeded, Some(error)));
        assert_eq!(record.receipt.as_ref(), Some(&answer.receipt));
    }

    /// There is a record of a call that was refused for this after so many milliseconds. No code ran, so that there is no receipt.
    async fn is_recorded_as_refused(&self, customer: &TestCustomer, reason: &str, waited_ms: u64) {
        let record = eventually(async || {
            let (filter, page) = (ExecutionFilter::default(), PageRequest::default());
            let records = executions::list(self.test.app(), &customer.caller, &filter, &page).await.unwrap().items;
            records.into_iter().find(|record| record.error.as_deref().is_some_and(|error| error.contains(reason)))
        })
        .await;
        assert_eq!((record.status, record.receipt), (Status::LimitExceeded, None));
        let waited = record.completed_at.unwrap() - record.started_at;
        assert!(u64::try_from(waited.num_milliseconds()).unwrap() >= waited_ms, "{waited}");
    }

    async fn refuse(&self, customer: &TestCustomer, server: &str, refusal: &Refusal) -> AppError {
        match refusal {
            Refusal::Servers => {
                customer.create_server(server).await.unwrap();
                customer.create_server(&format!("{server}-2")).await.unwrap_err()
            }
            Refusal::Tools => {
                customer.deploy(server, "one", &constant("one", "1")).await;
                customer.put(server, "two", &constant("two", "2")).await.unwrap_err()
            }
            Refusal::Artifact | Refusal::Builds => {
                customer.create_server(server).await.unwrap();
                let first = customer.put(server, "one", &constant("one", "1")).await;
                let second = customer.put(server, "one", &constant("one", "2")).await;
                first.and(second).unwrap_err()
            }
            Refusal::Hosts => {
                customer.create_server(server).await.unwrap();
                let host = |host: &str| GrantedHost {
                    scheme: domain::Scheme::Https,
                    host: host.parse().unwrap(),
                    port: None,
                    methods: [].into(),
                };
                let grants = Grants { hosts: vec![host("a.example.com"), host("b.example.com")], ..Grants::default() };
                customer.put_with(server, "one", &constant("one", "1"), grants).await.unwrap_err()
            }
            Refusal::Minute | Refusal::Month => {
                customer.deploy(server, "one", &constant("one", "1")).await;
                customer.call(server, "one", json!({})).await.unwrap();
                customer.call(server, "one", json!({})).await.unwrap_err()
            }
            Refusal::AtOnce => self.wait(customer, server).await.0,
        }
    }

    /// What a call is told that comes while the only place is taken, and after how many milliseconds.
    async fn wait(&self, customer: &TestCustomer, server: &str) -> (AppError, u64) {
        customer.deploy(server, "sleep", SLEEP).await;
        let running = tokio::spawn({
            let (customer, server) = (customer.clone(), server.to_owned());
            async move { customer.call(&server, "sleep", json!({"ms": 1_500})).await }
        });
        tokio::time::sleep(Duration::from_millis(400)).await;
        let begun = Instant::now();
        let refused = customer.call(server, "sleep", json!({"ms": 1})).await.unwrap_err();
        let waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap();
        assert_eq!(running.await.unwrap().unwrap().status, Status::Success);
        (refused, waited_ms)
    }

    /// A call that writes 500 lines, and how many of them were kept.
    async fn write_lines(&self, customer: &TestCustomer, server: &str) -> (CallAnswer, u64) {
        customer.deploy(server, "misbehave", MISBEHAVE).await;
        let call = calls::TryRequest { version: None, call: request("misbehave", json!({"how": "log"})) };
        let tried = calls::try_tool(self.test.app(), &customer.caller, &slug(server), call).await.unwrap();
        (tried.answer, tried.log.len() as u64)
    }
}
