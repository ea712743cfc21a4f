//! What is taken from disk: what this cache wrote there, and nobody else could.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use domain::{CustomerId, Digest};
use sandbox::{CacheKey, LoadError, NativeCache, NativeCacheConfig, ToolForm};

use super::Node;
use crate::room::{compile, config};

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
async fn the_key_is_not_printed() {
    let shown = format!("{:?}", config(Path::new("/nowhere")));

    assert!(shown.contains("CacheKey(hidden)") && !shown.contains("7, 7"), "{shown}");
}
