//! Native code: in memory, on disk, made once.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use domain::{CustomerId, Digest, Outcome};
use sandbox::{CacheKey, LoadError, NativeCache, NativeCacheConfig, Sandbox, SandboxConfig, ToolForm};
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

fn inode(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap())
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
async fn files_are_for_the_platform_alone() {
    let node = Node::new();
    node.call(&node.start(), "a").await;

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&node.dir.path().join("native")), 0o700);
    assert_eq!(mode(&node.tool_file()), 0o600);
    assert_eq!(mode(&node.files("js-engine-").remove(0)), 0o600);
}

#[tokio::test]
async fn what_this_cache_did_not_write_is_not_read_and_replaced() {
    let mut replacements: Vec<fn(&Path)> = vec![
        // A pipe would keep its reader waiting until somebody writes.
        |path| {
            fs::remove_file(path).unwrap();
            assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
        },
        |path| fs::set_permissions(path, fs::Permissions::from_mode(0o620)).unwrap(),
        // Its digest would be computed over all of it.
        |path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1 << 40).unwrap(),
    ];
    // Only root can give a file away.
    if rustix::process::geteuid().is_root() {
        replacements.push(|path| std::os::unix::fs::chown(path, Some(12_345), None).unwrap());
    }
    for (index, replace) in replacements.into_iter().enumerate() {
        let node = Node::new();
        node.call(&node.start(), "a").await;
        replace(&node.tool_file());

        let again = node.start();
        tokio::time::timeout(Duration::from_secs(20), node.call(&again, "a")).await.unwrap();

        assert_eq!(node.made(), 2, "replacement {index}");
        assert_eq!(again.usage().disk_hits_total, 0);
        assert!(fs::metadata(node.tool_file()).unwrap().len() < 1 << 20, "it was replaced");
    }
}

#[tokio::test]
async fn a_folder_in_which_others_may_write_is_not_used() {
    let node = Node::new();
    drop(node.start());
    let dir = node.dir.path().join("native");
    let opened = || {
        let config = NativeCacheConfig { dir: dir.clone(), key: CacheKey::new([7; 32]), bytes_max: 1 << 20 };
        NativeCache::open(&sandbox::native::compile_engine().unwrap(), config)
    };

    let why = |refused: Result<NativeCache, _>| std::error::Error::source(&refused.unwrap_err()).unwrap().to_string();
    for mode in [0o777, 0o720, 0o702] {
        fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(why(opened()), "others may write in it", "{mode:o}");
    }
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o750)).unwrap();
    opened().unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&dir, Some(12_345), None).unwrap();
        assert_eq!(why(opened()), "it belongs to another user");
    }
}

#[tokio::test]
async fn native_code_that_was_touched_is_made_again_and_replaced() {
    let changes: [fn(&mut Vec<u8>); 5] = [
        |bytes| bytes[5_000] ^= 1,                    // a flipped bit
        |bytes| *bytes.last_mut().unwrap() ^= 1,      // another digest
        |bytes| bytes.truncate(bytes.len() / 2),      // half of it
        |bytes| bytes.clear(),                        // nothing
        |bytes| bytes.extend_from_slice(b"appended"), // more than there was
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let node = Node::new();
        node.call(&node.start(), "a").await;
        let mut bytes = fs::read(node.tool_file()).unwrap();
        let right = bytes.clone();
        change(&mut bytes);
        fs::write(node.tool_file(), &bytes).unwrap();

        node.call(&node.start(), "a").await;
        node.call(&node.start(), "a").await;

        assert_eq!(node.made(), 2, "change {number}: made again, once");
        assert_eq!(fs::read(node.tool_file()).unwrap(), right, "change {number}");
    }
}

#[tokio::test]
async fn native_code_of_one_tool_is_not_taken_for_anothers() {
    let node = Node::new();
    let sandbox = node.start();
    node.call(&sandbox, "a").await;
    let file_of_a = node.tool_file();
    node.call(&sandbox, "b").await;
    let file_of_b = node.files("tool-").into_iter().find(|path| *path != file_of_a).unwrap();
    fs::copy(&file_of_a, &file_of_b).unwrap();

    node.call(&node.start(), "b").await;

    assert_eq!(node.made(), 3);
}

#[tokio::test]
async fn native_code_of_another_key_is_not_loaded() {
    let node = Node::new();
    node.call(&node.start(), "a").await;

    let other = node.start_with(|config| config.cache_key = CacheKey::new([8; 32]));
    node.call(&other, "a").await;

    assert_eq!(node.made(), 2);
}

#[tokio::test]
async fn a_link_in_the_place_of_native_code_is_not_followed() {
    let node = Node::new();
    node.call(&node.start(), "a").await;
    let file = node.tool_file();
    let elsewhere = node.dir.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();

    node.call(&node.start(), "a").await;

    assert_eq!(node.made(), 2);
    assert!(fs::symlink_metadata(&file).unwrap().is_file(), "the link was replaced");
}

#[tokio::test]
async fn native_code_that_is_none_is_refused() {
    let node = Node::new();
    let sandbox = node.start();

    let loaded = sandbox
        .load(CustomerId::new(), Digest::of(b"x"), &ToolForm::JavaScript, async {
            Ok::<_, std::fmt::Error>(b"not native code".to_vec())
        })
        .await;

    assert!(matches!(loaded, Err(LoadError::Native(_))), "{loaded:?}");
}

#[tokio::test]
async fn a_tool_that_does_not_fit_the_engine_is_refused() {
    let node = Node::new();
    let sandbox = node.start();
    let wasm = wat::parse_str(r#"(module (import "host" "memory" (memory 1)))"#).unwrap();

    let loaded = sandbox
        .load(CustomerId::new(), Digest::of(&wasm), &ToolForm::JavaScript, async { Ok::<_, std::fmt::Error>(compile(&wasm)) })
        .await;

    assert!(matches!(loaded, Err(LoadError::Link(_))), "{loaded:?}");
}

#[tokio::test]
async fn a_stampede_on_a_cold_tool_makes_it_once() {
    let node = Node::new();
    let sandbox = node.start();
    let wasm = data_module(2, "s");
    let native = compile(&wasm);

    let loads = (0..50).map(|_| {
        let (made, native) = (node.made.clone(), native.clone());
        sandbox.load(CustomerId::new(), Digest::of(&wasm), &ToolForm::JavaScript, async move {
            made.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(30)).await;
            Ok::<_, std::fmt::Error>(native)
        })
    });
    let loaded = futures_util::future::join_all(loads).await;

    assert!(loaded.iter().all(Result::is_ok));
    assert_eq!(node.made(), 1);
}

#[tokio::test]
async fn a_failure_is_told_to_all_and_not_remembered() {
    let node = Node::new();
    let sandbox = node.start();
    let wasm = data_module(2, "f");

    let loads = (0..5).map(|_| {
        let made = node.made.clone();
        sandbox.load(CustomerId::new(), Digest::of(&wasm), &ToolForm::JavaScript, async move {
            made.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(30)).await;
            Err::<Vec<u8>, _>(std::fmt::Error)
        })
    });
    let loaded = futures_util::future::join_all(loads).await;

    assert!(loaded.iter().all(|loaded| matches!(loaded, Err(LoadError::Make(_)))), "{loaded:?}");
    assert_eq!(node.made(), 1);
    node.call(&sandbox, "f").await;
    assert_eq!(node.made(), 2);
}

#[tokio::test]
async fn those_who_wait_are_served_when_the_first_goes_away() {
    let node = Node::new();
    let sandbox = node.start();
    let wasm = data_module(2, "w");
    let first = {
        let sandbox = sandbox.clone();
        let artifact = Digest::of(&wasm);
        tokio::spawn(async move {
            sandbox
                .load(
                    CustomerId::new(),
                    artifact,
                    &ToolForm::JavaScript,
                    std::future::pending::<Result<Vec<u8>, std::fmt::Error>>(),
                )
                .await
        })
    };
    tokio::time::sleep(Duration::from_millis(30)).await;

    let second = node.call(&sandbox, "w");
    let ((), served) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            first.abort();
        },
        tokio::time::timeout(Duration::from_secs(10), second)
    );

    assert!(served.is_ok());
}

#[tokio::test]
async fn no_more_tools_stay_in_memory_than_may_and_the_least_used_goes() {
    let node = Node::new();
    let sandbox = node.start_with(|config| config.cached_tools_max = 3);

    for data in ["a", "b", "c", "a", "d", "a", "e", "a", "f"] {
        node.call(&sandbox, data).await;
    }

    let usage = sandbox.usage();
    assert!(usage.cached_tools <= 3, "{usage:?}");
    assert_eq!(usage.evicted_total, 3, "{usage:?}");
    assert_eq!(usage.memory_hits_total, 3, "`a` was used in between and stayed: {usage:?}");
    node.call(&sandbox, "b").await;
    assert_eq!(sandbox.usage().disk_hits_total, 1, "what went is on disk");
}

#[tokio::test]
async fn a_new_tool_stays_in_memory_however_often_the_others_were_called() {
    let node = Node::new();
    let sandbox = node.start_with(|config| config.cached_tools_max = 2);
    for _ in 0..20 {
        node.call(&sandbox, "a").await;
        node.call(&sandbox, "b").await;
    }
    let hits = sandbox.usage().memory_hits_total;

    node.call(&sandbox, "c").await;
    node.call(&sandbox, "c").await;

    assert_eq!(sandbox.usage().memory_hits_total, hits + 1);
}

#[tokio::test]
async fn no_more_bytes_stay_in_memory_than_may() {
    let node = Node::new();
    node.call(&node.start(), "a").await;
    let bytes = fs::metadata(node.tool_file()).unwrap().len();
    let sandbox = node.start_with(|config| config.cached_bytes_max = 2 * bytes);

    for data in ["a", "b", "c", "d"] {
        node.call(&sandbox, data).await;
    }

    let usage = sandbox.usage();
    assert!(usage.cached_bytes <= 2 * bytes, "{usage:?}");
    assert_eq!(usage.evicted_total, 2, "{usage:?}");
}

#[tokio::test]
async fn the_disk_has_a_bound_and_the_oldest_goes_first() {
    let node = Node::new();
    node.call(&node.start(), "a").await;
    let bytes = fs::metadata(node.tool_file()).unwrap().len();
    let engine_bytes = fs::metadata(node.files("js-engine-").remove(0)).unwrap().len();
    let engine_inode = inode(&node.files("js-engine-").remove(0));
    let bound = engine_bytes + 4 * bytes;
    let sandbox = node.start_with(|config| config.disk_bytes_max = bound);

    for data in ["b", "c", "d", "e", "f", "g"] {
        tokio::time::sleep(Duration::from_millis(20)).await;
        node.call(&sandbox, data).await;
    }

    let kept: u64 = node.files("").iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(kept <= bound, "{kept} bytes of {bound}");
    let made = node.made();
    let after_restart = node.start();
    node.call(&after_restart, "g").await;
    assert_eq!(node.made(), made, "the newest is there");
    node.call(&after_restart, "a").await;
    assert_eq!(node.made(), made + 1, "the oldest is not");
    assert_eq!(inode(&node.files("js-engine-").remove(0)), engine_inode, "the engine is older and stayed");
}

#[tokio::test]
async fn a_tool_that_was_loaded_lately_stays_on_disk() {
    let node = Node::new();
    let first = node.start();
    for data in ["a", "b", "c"] {
        node.call(&first, data).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let kept: u64 = node.files("").iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    let second = node.start_with(|config| config.disk_bytes_max = kept + 1_000);

    node.call(&second, "a").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    node.call(&second, "d").await;

    let made = node.made();
    let third = node.start();
    node.call(&third, "a").await;
    assert_eq!(node.made(), made, "`a` is older than `b`, but was loaded later");
    node.call(&third, "b").await;
    assert_eq!(node.made(), made + 1);
}

#[tokio::test]
async fn a_bound_of_the_disk_that_was_lowered_counts_at_the_next_start() {
    let node = Node::new();
    let first = node.start();
    for data in ["a", "b", "c", "d", "e", "f"] {
        node.call(&first, data).await;
    }
    let sizes = |kind| node.files(kind).iter().map(|path| fs::metadata(path).unwrap().len()).sum::<u64>();
    let bound = sizes("js-engine-") + sizes("tool-") / 2;

    let second = node.start_with(|config| config.disk_bytes_max = bound);

    assert!(sizes("") <= bound, "{} bytes of {bound}", sizes(""));
    assert!(!node.files("tool-").is_empty());
    node.call(&second, "a").await;
    assert!(sizes("") <= bound, "{} bytes of {bound}", sizes(""));
}

#[tokio::test]
async fn a_customer_that_loads_many_tools_at_once_has_its_share_of_the_places() {
    const TOOLS: usize = 12;
    let node = Node::new();
    let sandbox = node.start_with(|config| {
        config.guest_threads = 1;
        config.customer_share_percent = 50;
        config.disk_bytes_max = 1 << 30;
    });
    // It is ours, so that it is read to its end, and it is no native code.
    let large = vec![0; 4 << 20];
    let (greedy, tried) = (CustomerId::new(), Arc::new(AtomicU32::new(0)));
    let mut loads = Vec::new();
    for number in 0..TOOLS {
        let artifact = Digest::of(&number.to_le_bytes());
        sandbox.keep(artifact, &ToolForm::JavaScript, &large).unwrap();
        let (sandbox, tried) = (sandbox.clone(), tried.clone());
        loads.push(tokio::spawn(async move {
            let make = async {
                tried.fetch_add(1, Ordering::Relaxed);
                std::future::pending::<Result<Vec<u8>, std::fmt::Error>>().await
            };
            sandbox.load(greedy, artifact, &ToolForm::JavaScript, make).await
        }));
    }

    let mut most = 0;
    while tried.load(Ordering::Relaxed) < 3 {
        most = most.max(sandbox.usage().loading);
        tokio::task::yield_now().await;
    }
    node.call(&sandbox, "a").await;

    assert_eq!(most, 1, "of two places it has one");
    loads.iter().for_each(tokio::task::JoinHandle::abort);
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
async fn the_key_is_not_printed() {
    let shown = format!("{:?}", config(Path::new("/nowhere")));

    assert!(shown.contains("CacheKey(hidden)") && !shown.contains("7, 7"), "{shown}");
}

#[tokio::test]
async fn an_engine_that_does_not_fit_the_wrapper_is_refused_at_the_start() {
    let node = Node::new();
    let mut wrong = engine(QUICK);
    wrong.module = wat::parse_str("(module)").unwrap();

    assert!(matches!(Sandbox::start(config(node.dir.path()), &wrong), Err(sandbox::StartError::Wrapper(_))));
}
