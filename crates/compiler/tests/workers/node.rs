//! A sandbox like that of a node, in which what was built is called.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{CustomerId, Digest, Outcome};
use sandbox::{CallLimits, Invocation, Questions, Sandbox, SandboxConfig, ToolForm};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{cache_dir, cache_key};

/// Runs one call in a sandbox like that of a node.
pub(super) async fn call(artifact: &[u8], native: Vec<u8>, arguments: &Value) -> Outcome {
    let config = SandboxConfig {
        cache_dir: cache_dir(),
        cache_key: cache_key(),
        slots_max: 2,
        memory_bytes_max: 128 * 1024 * 1024,
        customer_share_percent: 100,
        cached_tools_max: 10,
        cached_bytes_max: 64 * 1024 * 1024,
        disk_bytes_max: 512 * 1024 * 1024,
        guest_threads: 1,
        tick: Duration::from_millis(2),
    };
    let sandbox = Sandbox::start(config, &compiler::engine::shared()).unwrap();
    let digest = Digest::of(artifact);
    let tool =
        sandbox.load(CustomerId::new(), digest, &ToolForm::JavaScript, async { Ok::<_, std::io::Error>(native) }).await.unwrap();
    let limits = CallLimits {
        tier: "test".parse().unwrap(),
        fuel_per_call_max: 5_000_000_000,
        memory_bytes_max: 32 * 1024 * 1024,
        wall_ms_max: 10_000,
        output_bytes_max: 100_000,
        log_lines_max: 10,
        host_calls_max: 10,
        egress_bytes_max: 1_000_000,
        queue_wait_ms_max: 1_000,
    };
    let call = Invocation {
        customer: CustomerId::new(),
        arguments: arguments.to_string(),
        environment: Arc::new(BTreeMap::new()),
        limits,
        entry: sandbox::Entry::Call,
        outbound: None,
        reports: None,
        receipts: None,
        questions: Questions::default(),
        cancelled: CancellationToken::new(),
        queue_us: 0,
        prepared_us: 0,
        digest,
    };
    let invoked = sandbox.invoke(&tool, call).await.unwrap();
    sandbox.shut_down().await;
    invoked.outcome
}
