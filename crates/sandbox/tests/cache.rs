//! Native code: in memory, on disk, made once.

mod bounds;
mod crowds;
mod trust;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use domain::{CustomerId, Digest, Outcome};
use sandbox::{Sandbox, SandboxConfig, ToolForm};
use serde_json::json;
use tempfile::TempDir;

use crate::room::{QUICK, compile, config, data_module, engine, invocation};

/// Says the number at byte 1024.
const SAYS_ITS_DATA: &str = r#"(func (export "call") (param i32 i32) (result i32)
  (call $number (i64.extend_i32_u (i32.load8_u (i32.const 1024)))))"#;

/// A node: what survives is its directory.
struct Node {
    dir: TempDir,
    made: Arc<AtomicU32>,
}

impl Node {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), made: Arc::default() }
    }

    fn start(&self) -> Arc<Sandbox> {
        self.start_with(|_| {})
    }

    fn start_with(&self, change: impl FnOnce(&mut SandboxConfig)) -> Arc<Sandbox> {
        let mut config = config(self.dir.path());
        change(&mut config);
        Sandbox::start(config, &engine(SAYS_ITS_DATA)).unwrap()
    }

    /// Loads the tool of `data` and calls it: it must say `data`'s first byte.
    async fn call(&self, sandbox: &Sandbox, data: &str) {
        let wasm = data_module(2, data);
        let compiled = async {
            self.made.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::fmt::Error>(compile(&wasm))
        };
        let tool = sandbox.load(CustomerId::new(), Digest::of(&wasm), &ToolForm::JavaScript, compiled).await.unwrap();
        let invoked = sandbox.invoke(&tool, invocation()).await.unwrap();
        assert_eq!(invoked.outcome, Outcome::Success(json!(data.bytes().next()).into()));
    }

    fn made(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }

    fn files(&self, kind: &str) -> Vec<PathBuf> {
        let dir = self.dir.path().join("native");
        let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(kind)).collect()
    }

    fn tool_file(&self) -> PathBuf {
        let mut files = self.files("tool-");
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }
}

fn inode(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap())
}

#[tokio::test]
async fn a_tool_is_made_once_and_found_in_memory() {
    let node = Node::new();
    let sandbox = node.start();

    node.call(&sandbox, "a").await;
    node.call(&sandbox, "a").await;

    assert_eq!(node.made(), 1);
    let usage = sandbox.usage();
    assert_eq!((usage.memory_hits_total, usage.disk_hits_total, usage.made_total), (1, 0, 1));
    assert_eq!(usage.cached_bytes, fs::metadata(node.tool_file()).unwrap().len());
}

#[tokio::test]
async fn a_tool_and_the_engine_are_found_on_disk_after_a_restart() {
    let node = Node::new();
    let first = node.start();
    node.call(&first, "a").await;
    first.shut_down().await;
    let engine_file = node.files("js-engine-").remove(0);
    let engine_inode = inode(&engine_file);

    let second = node.start();
    node.call(&second, "a").await;

    assert_eq!(node.made(), 1);
    assert_eq!(second.usage().disk_hits_total, 1);
    assert_eq!(inode(&engine_file), engine_inode, "the engine was not compiled again");
}

#[tokio::test]
async fn nodes_of_two_engines_share_a_cache_and_keep_out_of_each_others_way() {
    let node = Node::new();
    let old = node.start();
    let newer = Sandbox::start(config(node.dir.path()), &engine(&format!("(func) {SAYS_ITS_DATA}"))).unwrap();

    for _ in 0..2 {
        node.call(&old, "a").await;
        node.call(&newer, "a").await;
    }
    let again = node.start();
    node.call(&again, "a").await;

    assert_eq!(node.made(), 2, "each engine has its own");
    assert_eq!(again.usage().disk_hits_total, 1, "the old one's is still there");
    assert_eq!((node.files("tool-").len(), node.files("js-engine-").len()), (2, 2));
}

#[tokio::test]
async fn a_tool_that_was_kept_after_its_build_is_not_made_again() {
    let node = Node::new();
    let sandbox = node.start();
    let wasm = data_module(2, "k");

    sandbox.keep(Digest::of(&wasm), &ToolForm::JavaScript, &compile(&wasm)).unwrap();
    node.call(&sandbox, "k").await;

    assert_eq!(node.made(), 0);
}

#[tokio::test]
async fn a_disk_that_takes_nothing_does_not_stop_a_tool() {
    let node = Node::new();
    let sandbox = node.start();
    fs::remove_dir_all(node.dir.path().join("native")).unwrap();

    node.call(&sandbox, "a").await;

    assert!(sandbox.keep(Digest::of(b"x"), &ToolForm::JavaScript, b"y").is_err(), "it is told to who asks to keep");
}

#[tokio::test]
async fn what_a_dead_process_left_half_written_is_removed() {
    let node = Node::new();
    drop(node.start());
    let dir = node.dir.path().join("native");
    let (left, written) = (dir.join("tool-1.2.unfinished"), dir.join("tool-3.4.unfinished"));
    fs::write(&left, "x").unwrap();
    let writing = fs::File::create_new(&written).unwrap();
    writing.lock().unwrap();

    drop(node.start());

    assert_eq!((left.exists(), written.exists()), (false, true), "another process is writing the other");
    drop(writing);
}

#[tokio::test]
async fn an_engine_that_does_not_fit_the_wrapper_is_refused_at_the_start() {
    let node = Node::new();
    let mut wrong = engine(QUICK);
    wrong.module = wat::parse_str("(module)").unwrap();

    assert!(matches!(Sandbox::start(config(node.dir.path()), &wrong), Err(sandbox::StartError::Wrapper(_))));
}
