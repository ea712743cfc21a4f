//! Which calls are calls of the month, and which have a record: the same ones, however they end.

use std::time::Duration;

use app::{AppError, calls};
use domain::{CustomerId, LimitName, Limits, Status};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer, TestOptions, Upstream, request};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::sources::{MISBEHAVE, SLEEP, deploy_asking, deploy_component, limit_of, slug, tier};

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Success,
    ToolsOwnError,
    ResultRefused,
    SchemaRefused,
    Fuel,
    Time,
    Memory,
    OutputSize,
    HostCalls,
    EgressBytes,
    Stack,
    Trap,
    CancelledByClient,
    CancelledWhileItWaits,
    ClientGone,
    ClientGoneWhileItWaits,
    QueueFull,
    QueueWaitOver,
    Try,
    ToolNotFound,
    ServerNotFound,
    MinuteUsedUp,
    MonthUsedUp,
    ServerShutDown,
    ServerIsStopping,
}

/// Every end, and what the record says of it. What has a record is charged, and nothing else is.
const ENDS: [(End, Option<Status>); 25] = [
    (End::Success, Some(Status::Success)),
    (End::ToolsOwnError, Some(Status::ToolError)),
    (End::ResultRefused, Some(Status::InvalidResult)),
    (End::SchemaRefused, Some(Status::InvalidArguments)),
    (End::Fuel, Some(Status::LimitExceeded)),
    (End::Time, Some(Status::LimitExceeded)),
    (End::Memory, Some(Status::LimitExceeded)),
    (End::OutputSize, Some(Status::LimitExceeded)),
    (End::HostCalls, Some(Status::LimitExceeded)),
    (End::EgressBytes, Some(Status::LimitExceeded)),
    (End::Stack, Some(Status::Trap)),
    (End::Trap, Some(Status::Trap)),
    (End::CancelledByClient, Some(Status::Cancelled)),
    (End::CancelledWhileItWaits, Some(Status::Cancelled)),
    (End::ClientGone, Some(Status::Cancelled)),
    (End::ClientGoneWhileItWaits, Some(Status::Cancelled)),
    (End::QueueFull, Some(Status::LimitExceeded)),
    (End::QueueWaitOver, Some(Status::LimitExceeded)),
    (End::Try, Some(Status::Success)),
    (End::ToolNotFound, None),
    (End::ServerNotFound, None),
    (End::MinuteUsedUp, None),
    (End::MonthUsedUp, None),
    (End::ServerShutDown, Some(Status::Interrupted)),
    (End::ServerIsStopping, None),
];

const RECURSES: &str = r#"(component
  (core module $code (func $deep (export "run") (result i32) (i32.add (i32.const 1) (call $deep))))
  (core instance $instance (instantiate $code))
  (func (export "run") (result u32) (canon lift (core func $instance "run"))))"#;

const BREAKS: &str = r#"(component
  (core module $code (func (export "run") (result i32) (unreachable)))
  (core instance $instance (instantiate $code))
  (func (export "run") (result u32) (canon lift (core func $instance "run"))))"#;

/// Those of a customer that may wait ([`app`]'s permits), and one that runs.
const CALLS_THAT_FIT: usize = 1_001;

/// A call that is over when it has lasted this long would end by itself.
const LONG_MS: u32 = 60_000;

/// So long calls take to be where they are wanted.
const SETTLES: Duration = Duration::from_millis(400);

struct World {
    test: TestApp,
    upstream: Upstream,
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_has_a_record_is_a_call_of_the_month_however_it_ends_and_nothing_else_is(pool: PgPool) {
    let upstream = Upstream::echo().await;
    let options = TestOptions { egress: upstream.egress(), drain_max: Duration::from_millis(500), ..TestOptions::default() };
    let test = TestApp::start_with(&pool, options).await;
    let world = World { test, upstream };

    let mut driven = Vec::new();
    let mut until_the_stop = None;
    for (index, (end, recorded)) in ENDS.into_iter().enumerate() {
        let name = format!("tier-{index}");
        tier(&world.test, &name, |limits| lower(limits, end)).await;
        let customer = world.test.customer(&name).await;
        let server = format!("server-{index}");
        let others = match end {
            End::ServerShutDown => {
                customer.deploy(&server, "sleep", SLEEP).await;
                until_the_stop = Some(spawn(&customer, &server, "sleep", json!({ "ms": LONG_MS })));
                0
            }
            End::ServerIsStopping => {
                customer.deploy(&server, "misbehave", MISBEHAVE).await;
                0
            }
            _ => world.drive(end, &customer, &server).await,
        };
        driven.push((end, recorded, others, customer, server));
    }
    tokio::time::sleep(SETTLES).await;
    let app = world.test.app().clone();
    world.test.stop().await;

    let interrupted = until_the_stop.unwrap().await.unwrap();
    assert!(matches!(interrupted, Err(AppError::Unavailable { .. })), "{interrupted:?}");
    for (end, recorded, others, customer, server) in driven {
        if end == End::ServerIsStopping {
            let late =
                calls::call_tool(&app, &customer.caller, &slug(&server), request("misbehave", json!({"how": "well"}))).await;
            assert!(matches!(late, Err(AppError::Unavailable { .. })), "{late:?}");
        }
        let (charged, records) = (charged(&pool, customer.id).await, records(&pool, customer.id).await);
        assert_eq!(charged, records.len(), "{end:?}: what is charged is recorded, and what is recorded is charged: {records:?}");
        assert_eq!(records.len(), others + usize::from(recorded.is_some()), "{end:?}: {records:?}");
        if let Some(status) = recorded {
            assert!(records.iter().any(|record| record == status.as_str()), "{end:?}: {records:?}");
        }
    }
}

/// RUN-12: the node's want of room is no limit of a tier, and the call is one of the month all the same.
#[sqlx::test(migrations = "../../migrations")]
async fn a_call_that_the_node_has_no_room_for_is_recorded_and_charged(pool: PgPool) {
    let test = TestApp::start_with(&pool, TestOptions { slots_max: 1, ..TestOptions::default() }).await;
    tier(&test, "hasty", |limits| limits.queue_wait_ms_max = 100).await;
    let customer = test.customer("hasty").await;
    customer.deploy("beds", "sleep", SLEEP).await;
    let running = spawn(&customer, "beds", "sleep", json!({"ms": 1_200}));
    tokio::time::sleep(SETTLES).await;

    let refused = customer.call("beds", "sleep", json!({"ms": 1})).await;

    assert!(matches!(refused, Err(AppError::Busy { limit: None, .. })), "{refused:?}");
    assert!(running.await.unwrap().is_ok());
    test.stop().await;
    let mut records = records(&pool, customer.id).await;
    records.sort_unstable();
    assert_eq!(records, ["interrupted", "success"]);
    assert_eq!(charged(&pool, customer.id).await, 2);
}

/// Sets low what the end needs; nothing else ends the call.
fn lower(limits: &mut Limits, end: End) {
    limits.fuel_per_call_max = 50_000_000_000;
    limits.wall_ms_max = LONG_MS;
    limits.calls_per_minute_max = 100_000;
    limits.queue_wait_ms_max = LONG_MS;
    match end {
        End::Fuel => limits.fuel_per_call_max = 100_000_000,
        End::Time => limits.wall_ms_max = 300,
        End::Memory => limits.memory_bytes_max = 16 << 20,
        End::OutputSize => limits.output_bytes_max = 10_000,
        End::HostCalls => limits.host_calls_max = 20,
        End::EgressBytes => limits.egress_bytes_max = 900,
        End::CancelledWhileItWaits | End::ClientGoneWhileItWaits | End::QueueFull => limits.concurrent_calls_max = 1,
        End::QueueWaitOver => (limits.concurrent_calls_max, limits.queue_wait_ms_max) = (1, 50),
        End::MinuteUsedUp => limits.calls_per_minute_max = 1,
        End::MonthUsedUp => limits.calls_per_month_max = Some(1),
        _ => {}
    }
}

impl World {
    /// Has a call end so. How many others there were, which are charged as well.
    async fn drive(&self, end: End, customer: &TestCustomer, server: &str) -> usize {
        match end {
            End::Stack | End::Trap => {
                let guest = if end == End::Stack { RECURSES } else { BREAKS };
                deploy_component(&self.test, customer, server, guest).await;
                customer.call(server, "run", json!({})).await.unwrap();
                0
            }
            End::EgressBytes => {
                deploy_asking(customer, server, &self.upstream).await;
                customer.call(server, "ask", json!({})).await.unwrap();
                0
            }
            End::CancelledByClient | End::ClientGone => {
                customer.deploy(server, "sleep", SLEEP).await;
                self.leave(end, customer, server).await;
                0
            }
            End::CancelledWhileItWaits | End::ClientGoneWhileItWaits | End::QueueWaitOver => {
                customer.deploy(server, "sleep", SLEEP).await;
                let running = spawn(customer, server, "sleep", json!({"ms": 1_500}));
                tokio::time::sleep(SETTLES).await;
                self.leave(end, customer, server).await;
                running.await.unwrap().unwrap();
                1
            }
            End::QueueFull => {
                customer.deploy(server, "sleep", SLEEP).await;
                overfill(customer, server).await;
                CALLS_THAT_FIT
            }
            _ => {
                customer.deploy(server, "misbehave", MISBEHAVE).await;
                self.misbehave(end, customer, server).await
            }
        }
    }

    /// A call that is taken back, left, or refused while it waits.
    async fn leave(&self, end: End, customer: &TestCustomer, server: &str) {
        let mut call = request("sleep", json!({ "ms": LONG_MS }));
        let cancelled = CancellationToken::new();
        call.cancelled = cancelled.clone();
        let called = slug(server);
        let calling = calls::call_tool(self.test.app(), &customer.caller, &called, call);
        match end {
            End::QueueWaitOver => {
                let refused = calling.await.unwrap_err();
                assert_eq!(limit_of(&refused).map(|limit| limit.limit), Some(LimitName::QueueWaitMsMax));
            }
            End::ClientGone | End::ClientGoneWhileItWaits => {
                assert!(tokio::time::timeout(SETTLES, calling).await.is_err());
            }
            _ => {
                let (answer, ()) = tokio::join!(calling, async {
                    tokio::time::sleep(SETTLES).await;
                    cancelled.cancel();
                });
                assert_eq!(answer.unwrap().status, Status::Cancelled);
            }
        }
    }

    async fn misbehave(&self, end: End, customer: &TestCustomer, server: &str) -> usize {
        let call = async |how: Value| customer.call(server, "misbehave", how).await;
        let how = |how: &str| json!({ "how": how });
        match end {
            End::MinuteUsedUp | End::MonthUsedUp => {
                call(how("well")).await.unwrap();
                assert!(matches!(call(how("well")).await, Err(AppError::RateLimited { .. })));
                1
            }
            End::ToolNotFound => {
                let missing = customer.call(server, "nothing", json!({})).await;
                assert!(matches!(missing, Err(AppError::NotFound { what: "tool", .. })), "{missing:?}");
                0
            }
            End::ServerNotFound => {
                let missing = customer.call("nowhere", "misbehave", how("well")).await;
                assert!(matches!(missing, Err(AppError::NotFound { .. })), "{missing:?}");
                0
            }
            End::Try => {
                let attempt = calls::TryRequest { version: None, call: request("misbehave", how("well")) };
                calls::try_tool(self.test.app(), &customer.caller, &slug(server), attempt).await.unwrap();
                0
            }
            _ => {
                let arguments = match end {
                    End::ToolsOwnError => how("throw"),
                    End::ResultRefused => how("result"),
                    End::SchemaRefused => json!({"how": 1}),
                    End::Fuel => how("loop"),
                    End::Time => how("wall"),
                    End::Memory => how("memory"),
                    End::OutputSize => how("output"),
                    End::HostCalls => how("host calls"),
                    _ => how("well"),
                };
                call(arguments).await.unwrap();
                0
            }
        }
    }
}

/// One call more than may run and wait; all of them end with it.
async fn overfill(customer: &TestCustomer, server: &str) {
    let mut calls = JoinSet::new();
    for _ in 0..=CALLS_THAT_FIT {
        let (customer, server) = (customer.clone(), server.to_owned());
        calls.spawn(async move { customer.call(&server, "sleep", json!({ "ms": LONG_MS })).await });
    }
    let refused = calls.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!(limit_of(&refused).map(|limit| limit.limit), Some(LimitName::ConcurrentCallsMax));
    calls.shutdown().await;
}

fn spawn(
    customer: &TestCustomer,
    server: &str,
    tool: &'static str,
    arguments: Value,
) -> JoinHandle<Result<calls::CallAnswer, AppError>> {
    let (customer, server) = (customer.clone(), server.to_owned());
    tokio::spawn(async move { customer.call(&server, tool, arguments).await })
}

/// The calls of the month; what was leased and not used is given back at the end.
async fn charged(pool: &PgPool, customer: CustomerId) -> usize {
    let calls = sqlx::query_scalar::<_, i64>("SELECT coalesce(sum(calls), 0)::bigint FROM monthly_calls WHERE customer_id = $1");
    usize::try_from(calls.bind(customer.as_uuid()).fetch_one(pool).await.unwrap()).unwrap()
}

/// How the calls that have a record ended.
async fn records(pool: &PgPool, customer: CustomerId) -> Vec<String> {
    let statuses = sqlx::query_scalar("SELECT status FROM executions WHERE customer_id = $1");
    statuses.bind(customer.as_uuid()).fetch_all(pool).await.unwrap()
}
