//! Time on the processor.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    case::{Case, Verdict, must},
    guest::{
        Code::{self, Component, Core, JavaScript},
        End::{self, Limit},
        case, check, deploy, number_of, refused, short_of_fuel, short_of_time,
    },
    world::World,
};

const CPU: &str = "cpu";
const FUEL: End = Limit(&["fuel_per_call_max"]);
const TIME: End = Limit(&["wall_ms_max"]);
const LOOP: Code = Core(r#"(func (export "run") (result i32) (loop $again (br $again)) (unreachable))"#);

/// The host calls the allocator for the argument.
const LOOPS_IN_ALLOCATOR: &str = r#"(component
  (core module $code
    (memory (export "memory") 1)
    (func (export "allocate") (param i32 i32 i32 i32) (result i32) (loop $again (br $again)) (unreachable))
    (func (export "run") (param i32 i32) (result i32) (i32.const 1)))
  (core instance $instance (instantiate $code))
  (func (export "run") (param "text" string) (result u32)
    (canon lift (core func $instance "run") (memory (core memory $instance "memory")) (realloc (core func $instance "allocate")))))"#;

const LOOPS_AFTER_RETURN: &str = r#"(component
  (core module $code
    (func (export "run") (result i32) (i32.const 1))
    (func (export "after") (param i32) (loop $again (br $again))))
  (core instance $instance (instantiate $code))
  (func (export "run") (result u32)
    (canon lift (core func $instance "run") (post-return (core func $instance "after")))))"#;

const FILLS: Code = Core(
    r#"(memory 256)
    (func (export "run") (result i32)
      (loop $again (memory.fill (i32.const 0) (i32.const 7) (i32.const 16777216)) (br $again)) (unreachable))"#,
);

const COPIES: Code = Core(
    r#"(memory 256)
    (func (export "run") (result i32)
      (loop $again (memory.copy (i32.const 0) (i32.const 8) (i32.const 16777000)) (br $again)) (unreachable))"#,
);

const FUEL_AND_CHARGED: &str = "the limit of fuel, named; charged";
const TIME_AND_CHARGED: &str = "the limit of time, named; charged";

pub(crate) fn cases() -> Vec<Case> {
    let fuel = |name, code| case(CPU, name, FUEL_AND_CHARGED, code, short_of_fuel, FUEL);
    let time = |name, code| case(CPU, name, TIME_AND_CHARGED, code, short_of_time, TIME);
    vec![
        fuel("endless loop", JavaScript("for (;;) {}")).quick(),
        fuel("endless loop, component", LOOP).quick(),
        time("endless loop with fuel left", JavaScript("for (;;) {}")),
        time("endless loop with fuel left, component", LOOP).quick(),
        Case::new(CPU, "more loops than cores", "each ends by its time, or is told that all places are taken", more_than_cores),
        fuel("loop in a timer's callback", JavaScript("await new Promise(() => setTimeout(() => { for (;;) {} }, 1));")),
        fuel("loop in toJSON, while the host reads the result", JavaScript("return { toJSON() { for (;;) {} } };")),
        Case::new(CPU, "loop in the allocator that the host calls", FUEL_AND_CHARGED, allocator),
        Case::new(CPU, "loop in start, component", "refused in words when it is put", |world| {
            let start =
                r#"(func $init (loop $again (br $again))) (start $init) (func (export "run") (result i32) (i32.const 1))"#;
            refused(world, number_of(start))
        }),
        fuel("loop in post-return, component", Component(LOOPS_AFTER_RETURN)),
        fuel("huge memory.fill, component", FILLS),
        fuel("huge memory.copy, component", COPIES),
        time("huge memory.fill with fuel left, component", FILLS),
        fuel("pathological regular expression", JavaScript(r#"return /^(a+)+$/.test("a".repeat(60) + "b");"#)),
        fuel("endless microtasks", JavaScript("const again = () => Promise.resolve().then(again); await again();")),
        fuel(
            "endless generator",
            JavaScript("function* all() { for (;;) yield 1; } let n = 0; for (const one of all()) n += one;"),
        ),
        Case::new(CPU, "client gone mid-loop", "cancelled, its place free; charged", client_gone).quick(),
        time("time over during a host call", JavaScript("await new Promise((resolve) => setTimeout(resolve, 3_600_000));")),
    ]
}

async fn more_than_cores(world: Arc<World>) -> Verdict {
    let limits = json!({
        "fuel_per_call_max": 500_000_000_000_u64, "wall_ms_max": 1_500, "concurrent_calls_max": 64, "queue_wait_ms_max": 300,
    });
    let tenant = world.tenant(&limits).await?;
    let slug = deploy(&world, &tenant, LOOP).await?;
    let (api, none) = (tenant.api(), json!({}));
    let answers = join_all((0..100).map(|_| api.call(&slug, "attack", &none))).await;
    let (mut cut, mut refused) = (0, 0);
    for answer in answers {
        let answer = answer?;
        if check(&tenant, &answer, TIME).is_ok() {
            cut += 1;
        } else {
            must(answer.text.contains("queue_wait_ms_max"), || format!("answered {}", answer.brief()))?;
            refused += 1;
        }
    }
    must(cut >= 64, || format!("only {cut} of 100 ran"))?;
    // A record comes to the list a moment after its answer.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let records = tenant.api().get("/api/v1/executions?limit=100").await?.expect(200)?.json();
    let receipts = records["items"].as_array().map(|all| all.iter().filter(|one| one["receipt"]["fuel"].is_u64()).count());
    must(receipts == Some(cut), || format!("{receipts:?} of {cut} were charged"))?;
    Ok(format!("{cut} cut by wall_ms_max, {refused} by queue_wait_ms_max"))
}

async fn allocator(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&short_of_fuel()).await?;
    let slug = deploy(&world, &tenant, Component(LOOPS_IN_ALLOCATOR)).await?;
    let answer = tenant.api().call(&slug, "attack", &json!({"text": "hello"})).await?;
    let told = check(&tenant, &answer, FUEL)?;
    tenant.is_charged("limit_exceeded").await?;
    Ok(told)
}

async fn client_gone(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&json!({"fuel_per_call_max": 500_000_000_000_u64, "wall_ms_max": 60_000})).await?;
    let slug = deploy(&world, &tenant, LOOP).await?;
    let (api, none) = (tenant.api(), json!({}));
    let gone = tokio::time::timeout(Duration::from_millis(400), api.call(&slug, "attack", &none)).await;
    must(gone.is_err(), || "the endless call was answered".to_owned())?;
    tenant.is_charged("cancelled").await?;
    world.is_idle().await?;
    Ok("cancelled when the client went".to_owned())
}
