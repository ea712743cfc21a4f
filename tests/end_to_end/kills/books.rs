//! What the database and the folders say in the end.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::Path,
    time::Duration,
};

use testkit::DatabaseObserver;

use super::{leftovers, world::World};

/// Records are written behind the calls: what ended in the last 50 ms before a kill may be lost, and what is being written just then.
const RECORDS_LOST_MAX: Duration = Duration::from_millis(500);

/// Each call has its record, each change its entry, and nothing runs.
pub(super) async fn check(world: &World, observer: &mut DatabaseObserver) {
    wait_for_records(observer).await;
    let recorded: HashSet<String> = observer.texts("SELECT request_id::text FROM executions").await.into_iter().collect();
    for (request_id, killed_after) in world.ledger.calls() {
        let may_be_lost = killed_after.is_some_and(|after| after < RECORDS_LOST_MAX);
        assert!(may_be_lost || recorded.contains(&request_id), "call {request_id} has no record; killed after: {killed_after:?}");
    }
    let entries = "SELECT request_id::text || ' ' || operation FROM audit_entries WHERE request_id IS NOT NULL";
    let mut entered = BTreeMap::<String, u32>::new();
    for entry in observer.texts(entries).await {
        *entered.entry(entry).or_default() += 1;
    }
    for (request_id, operation) in world.ledger.changes() {
        let times = entered.get(&format!("{request_id} {operation}")).copied().unwrap_or_default();
        assert_eq!(times, 1, "entries of {operation} by request {request_id}");
    }
    let interrupted = observer.number("SELECT count(*) FROM executions WHERE status = 'interrupted'").await;
    assert!(interrupted > 0, "calls older than a second were running when the program was killed");
}

/// Calls of this month that the customers have been charged with, all together.
pub(super) async fn charged(observer: &mut DatabaseObserver) -> usize {
    let calls = observer.number("SELECT coalesce(sum(calls), 0)::bigint FROM monthly_calls").await;
    usize::try_from(calls).unwrap()
}

/// Each artifact that is known has its bytes, but for those of puts that were not acknowledged; and there are no others.
pub(super) async fn check_files(data: &Path, observer: &mut DatabaseObserver) {
    let known: BTreeSet<String> =
        observer.texts("SELECT DISTINCT encode(artifact_digest, 'hex') FROM artifacts").await.into_iter().collect();
    let kept = leftovers::blobs(data);
    let unknown: Vec<_> = kept.difference(&known).collect();
    assert!(unknown.is_empty(), "nobody knows of the blobs {unknown:?}");
    let native = leftovers::files(&data.join("cache")).len();
    // The engine has two.
    assert!(native <= kept.len() + 2, "{native} files of native code for {} artifacts", kept.len());
}

/// Nothing is left that a program at rest does not have.
pub(super) async fn check_at_rest(data: &Path, observer: &mut DatabaseObserver) {
    assert_eq!(leftovers::unknown(data), BTreeSet::new(), "files without a place");
    assert_eq!(observer.number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").await, 0, "locks that are held");
    assert_eq!(observer.number("SELECT count(*) FROM executions WHERE status = 'running'").await, 0, "records that run");
}

/// The last of them are written within a moment.
async fn wait_for_records(observer: &mut DatabaseObserver) {
    let mut before = -1;
    loop {
        let now = observer.number("SELECT count(*) FROM executions").await;
        if now == before {
            return;
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}
