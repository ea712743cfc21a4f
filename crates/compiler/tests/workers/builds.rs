//! What becomes of sources: tools that run, or reasons.

use compiler::{BuildError, BuildRequest, ModuleBounds, Waiter, WorkerError};
use domain::{CustomerId, Language, Outcome};
use sandbox::ToolForm;
use serde_json::json;

use super::{Pool, config, customer, node::call, tool_that};

#[tokio::test(flavor = "multi_thread")]
async fn a_source_becomes_a_tool_that_runs() {
    let pool = Pool::start(config()).await;

    let built = pool.build(&tool_that("return { sum: args.a + args.b };")).await.unwrap();

    assert_eq!(built.interface.name.as_str(), "probe");
    assert_eq!(built.engine, compiler::engine::digest());
    assert_eq!(
        call(&built.artifact, built.native, &json!({ "a": 2, "b": 40 })).await,
        Outcome::Success(json!({ "sum": 42 }).into())
    );
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_artifact_is_made_native_again() {
    let pool = Pool::start(config()).await;
    let built = pool.build(&tool_that("return {};")).await.unwrap();

    let native = pool.workers.precompile(Waiter::Call, customer(), &ToolForm::JavaScript, built.artifact.clone()).await.unwrap();

    assert_eq!(call(&built.artifact, native, &json!({})).await, Outcome::Success(json!({}).into()));
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_artifact_of_ours_is_not_made_native() {
    let pool = Pool::start(config()).await;

    let with_code =
        wat::parse_str("(module (memory (export \"memory\") 1) (data (i32.const 0) \"a\") (func (export \"run\")))").unwrap();
    for forged in [Vec::new(), vec![0xff; 10_000], b"\x7fELF".to_vec(), with_code] {
        let error = pool.workers.precompile(Waiter::Call, customer(), &ToolForm::JavaScript, forged).await.unwrap_err();
        assert!(matches!(error, BuildError::Worker(WorkerError::Internal(_))), "{error:?}");
    }

    assert_eq!(pool.workers.usage().started_total, 1, "no worker died of it");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_at_fault_is_refused_with_its_place() {
    let pool = Pool::start(config()).await;

    let syntax = pool.refused("const a = ;\n").await;
    let import = pool.refused("const a = 1;\nimport fs from 'fs';\nfs;\n").await;
    let throws = pool.refused("const a: number = 1;\n\nthrow new Error('no');\n").await;

    assert_eq!((syntax.line, syntax.column), (Some(1), Some(11)), "{syntax:?}");
    assert_eq!((import.line, import.column), (Some(2), Some(16)), "{import:?}");
    assert_eq!(throws.line, Some(3), "{throws:?}");
    assert_eq!(pool.workers.usage().started_total, 1, "no worker died of it");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_ten_megabytes_is_refused_before_a_worker_has_it() {
    let pool = Pool::start(config()).await;

    let reason = pool.refused(&"x;".repeat(5_000_000)).await;

    assert_eq!(reason.message, "the source has 10000000 bytes; 1048576 are allowed");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_larger_than_the_tier_allows_is_refused_with_its_size() {
    let pool = Pool::start(config()).await;
    let request = BuildRequest {
        customer: CustomerId::new(),
        language: Language::TypeScript,
        source: tool_that("return {};"),
        artifact_bytes_max: 1_000,
        modules: ModuleBounds::none(),
    };

    let error = pool.workers.build(request).await.unwrap_err();

    assert!(matches!(error, BuildError::ArtifactSize { bytes: 5_000.. }), "{error:?}");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_nested_a_hundred_thousand_deep_are_answered_by_the_same_worker() {
    let pool = Pool::start(config()).await;

    let deep = |open: &str, middle: &str, close: &str| format!("{}{middle}{}", open.repeat(100_000), close.repeat(100_000));
    for source in [
        deep("[", "", "]"),
        deep("(", "1", ")"),
        deep("!", "1", ""),
        deep("`${", "1", "}`"),
        deep("{", "", "}"),
        deep("a=>", "1", ""),
        deep("1+", "1", ""),
        format!("type A = {};", deep("B<", "1", ">")),
    ] {
        let reason = pool.refused(&source).await;
        assert!(!reason.message.is_empty());
    }

    assert_eq!(pool.workers.usage().started_total, 1, "no worker died of it");
    pool.end().await;
}
