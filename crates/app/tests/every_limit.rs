//! TIER-2, RUN-8: each limit of a tier is crossed once. A new limit does not compile here before it says how.

use std::time::{Duration, Instant};

use app::{
    AppError, PageRequest,
    calls::{self, CallAnswer},
    components::{self, NewComponent, Words},
    executions::{self, ExecutionFilter},
};
use domain::{GrantedHost, Grants, LimitName, Limits, Outcome, Receipt, Status};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer, TestOptions, Upstream, request};

use crate::sources::{MISBEHAVE, SLEEP, constant, eventually, exceeded, limit_of, slug, tier, tool_name};

/// How a limit shows.
enum Crossing {
    /// The call is cut, by a source or by a component; the receipt tells that it came so far.
    Cut { by: &'static [Guest], came_so_far: fn(&Receipt, u64) -> bool },
    /// Something is refused before anything runs.
    Refused(Refusal),
    /// What is beyond it is left out, and the receipt tells how much there was.
    LeftOut,
    /// A call that waits longer is refused for what it waits for.
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
            limits.queue_wait_ms_max = 50;
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
                let text = named.to_string();
                assert!(text.contains(limit.as_str()) && text.contains(&value.to_string()) && text.contains(&name), "{text}");
            }
            Crossing::LeftOut => {
                let (answer, kept) = world.write_lines(&customer, &format!("server-{index}")).await;

                assert_eq!((kept, answer.status), (value, Status::Success));
                assert_eq!(answer.receipt.log_lines, 500, "those that were left out are counted");
            }
            Crossing::Waits => {
                let (refused, waited_ms) = world.wait(&customer, &format!("server-{index}")).await;

                assert_eq!(limit_of(&refused).map(|limit| limit.limit), Some(LimitName::ConcurrentCallsMax));
                assert!((value..value + 2_000).contains(&waited_ms), "{waited_ms} ms");
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

impl World {
    async fn run(&self, customer: &TestCustomer, server: &str, guest: &Guest) -> CallAnswer {
        match guest {
            Guest::JavaScript(how) => {
                customer.deploy(server, "misbehave", MISBEHAVE).await;
                customer.call(server, "misbehave", json!({ "how": how })).await.unwrap()
            }
            Guest::Component(code) => {
                customer.create_server(server).await.unwrap();
                let app = self.test.app();
                let ticket = components::begin(app, &customer.caller, &slug(server), None).await.unwrap();
                let component = wat::parse_str(code).unwrap();
                let words = Words { description: Some("Crosses a limit.".into()), ..Words::default() };
                let new = NewComponent { component, export: Some("run".into()), grants: Grants::default(), words };
                components::put(app, &customer.caller, &slug(server), &tool_name("run"), ticket, new).await.unwrap();
                customer.release(server).await;
                customer.call(server, "run", json!({})).await.unwrap()
            }
            Guest::Asks => {
                let url = self.upstream.url("/");
                let source =
                    constant("ask", &format!(r#"(await fetch("{url}", {{ method: "POST", body: "x".repeat(500) }})).status"#));
                let source = source.replace("run() {", "async run() {");
                customer.create_server(server).await.unwrap();
                let grants = Grants { hosts: vec![self.upstream.grant()], ..Grants::default() };
                customer.put_with(server, "ask", &source, grants).await.unwrap();
                customer.release(server).await;
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
