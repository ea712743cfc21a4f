//! What the kernel holds a worker to, by `RLIMIT_CPU` and `RLIMIT_DATA`: whoever sent what runs into it hears so, nobody else does, and the
//! next build is made.

use compiler::{BuildError, Inspected, UploadRequest, WorkersConfig};
use domain::CustomerId;

use super::{Pool, config, tool_that};

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_burns_its_workers_cpu_is_refused_and_others_are_built() {
    // 16 s for the slow lane's worker, and no wall that is met before.
    let pool = Pool::start(WorkersConfig { cpu_s_max: 1, wall_ms_max: 60_000, ..config() }).await;

    let usual = tool_that("return {};");
    let (refused, built) = tokio::join!(inspect(&pool, many_functions(24_000)), pool.build(&usual));

    assert_eq!(reason(refused), "the build used more than 8 s of CPU and was stopped");
    built.unwrap();
    assert!(inspect(&pool, many_functions(1)).await.is_ok());
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_takes_its_workers_memory_is_refused_and_others_are_built() {
    let least = WorkersConfig::DATA_BYTES_MIN;
    let pool = Pool::start(WorkersConfig { data_bytes_max: least, cpu_s_max: 60, ..config() }).await;

    let usual = tool_that("return {};");
    let (refused, built) = tokio::join!(inspect(&pool, huge_function(400_000)), pool.build(&usual));

    assert_eq!(
        reason(refused),
        format!("the compiler broke off: a build may have {least} bytes of memory, and this one may have needed more")
    );
    built.unwrap();
    assert!(inspect(&pool, many_functions(1)).await.is_ok());
    pool.end().await;
}

async fn inspect(pool: &Pool, component: Vec<u8>) -> Result<Inspected, BuildError> {
    let upload =
        UploadRequest { customer: CustomerId::new(), component, artifact_bytes_max: 32 << 20, fuel_per_call_max: u64::MAX };
    pool.workers.inspect(upload).await
}

fn reason(refused: Result<Inspected, BuildError>) -> String {
    match refused {
        Err(BuildError::Rejected(mut reasons)) => reasons.remove(0).message,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was taken"),
    }
}

/// A component with so many functions that take a compiler some time each: a call by a table is little to write and much to check.
fn many_functions(count: usize) -> Vec<u8> {
    let calls = "local.get 0 call_indirect (type 0) ".repeat(100);
    component(&format!("(func (param i32) (result i32) local.get 0 {calls})").repeat(count))
}

/// A component with one function of so many steps, none of which can be worked out beforehand, or left out.
fn huge_function(steps: usize) -> Vec<u8> {
    let loads = "i32.const 1023 i32.and i32.load offset=8 ".repeat(steps);
    component(&format!("(func (param i32) (result i32) local.get 0 {loads})"))
}

fn component(functions: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
          (core module $Module (type (func (param i32) (result i32))) (memory 1) (table 1 funcref) {functions} (func (export "run") (result i32) (i32.const 1)))
          (core instance $core (instantiate $Module))
          (func (export "run") (result u32) (canon lift (core func $core "run"))))"#
    );
    wat::parse_str(text).unwrap()
}
