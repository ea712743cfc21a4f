//! The disk of the data directory is full, has no place for another file, or takes nothing, while deploys and calls go on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use reqwest::Method;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::{Value, json};

use super::{
    postgres::Postgres,
    small_disk::{SmallDisk, wrap, wrapper},
    until,
};
use crate::{
    api::{Api, adder},
    program::{Home, Program, cache_directory},
};

/// Between two looks of the node at its disk, and what a slow machine adds.
const NOTICED_MAX: Duration = Duration::from_secs(15);

/// A program whose data directory is a small disk; its database is elsewhere.
struct Place {
    _postgres: Postgres,
    _home: Home,
    program: Program,
    disk: SmallDisk,
    owner: Api,
}

#[derive(Debug, Clone, Copy)]
enum Trouble {
    Full,
    NoFiles,
    ReadOnly,
}

impl Place {
    async fn open() -> Self {
        let postgres = Postgres::start();
        let home = Home::new();
        let folder = home.path().join("small");
        let url = postgres.url();
        let log = home.path().join("program.log");
        let program = home.serve_with(|command| on_small_disk(command, &folder, &log, &url)).await;
        let disk = SmallDisk::of(program.id(), &folder);
        let owner = program.customer("enterprise").await;
        for server in ["loaded", "other"] {
            owner.create_server(server).await;
            owner.put_tool(server, "add", &adder("add", 1)).await;
            owner.release(server).await;
        }
        owner.call("loaded", "add", json!({"n": 1})).await.unwrap().expect(200);
        Self { _postgres: postgres, _home: home, program, disk, owner }
    }

    /// What the disk holds beside keys and what fills it.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        list(&self.disk.path().join("artifacts"), &mut files);
        // The node looks whether it takes files.
        files.retain(|file| !file.file_name().unwrap().to_str().unwrap().starts_with("look-"));
        files.sort();
        files
    }

    async fn ready(&self) -> Value {
        self.program.admin().get("/health/ready").await.expect(200)
    }

    fn make(&self, trouble: Trouble) {
        match trouble {
            Trouble::Full => self.disk.fill(),
            Trouble::NoFiles => self.disk.fill_with_files(),
            Trouble::ReadOnly => self.disk.close("artifacts"),
        }
    }

    fn end(&self, trouble: Trouble) {
        match trouble {
            Trouble::Full | Trouble::NoFiles => self.disk.make_room(),
            Trouble::ReadOnly => self.disk.open("artifacts"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_nothing_refuses_deploys_with_words_and_nothing_else() {
    let place = Place::open().await;
    let mut plus = 10;
    for (trouble, words) in [
        (Trouble::Full, "the disk that artifacts are kept on is full"),
        (Trouble::NoFiles, "the disk that artifacts are kept on is full"),
        (Trouble::ReadOnly, "the disk that artifacts are kept on takes nothing"),
    ] {
        assert_eq!(place.ready().await, json!({"status": "ready"}), "{trouble:?}");
        let files = place.files();
        let calling = keep_calling(&place.owner);

        place.make(trouble);
        for _ in 0..3 {
            plus += 1;
            let refused = deploy(&place.owner, plus).await;
            assert_eq!((refused.0, refused.1), (503, Some(30)), "{trouble:?}: {}", refused.2);
            assert!(
                refused.2.contains(words) && refused.2.contains("made room") | refused.2.contains("seen to it"),
                "{}",
                refused.2
            );
        }
        until("readiness tells", NOTICED_MAX, async || place.ready().await["impaired"].to_string().contains(words)).await;

        // What is served is what was, also what is not in memory yet.
        for server in ["loaded", "other"] {
            let answer = place.owner.call(server, "add", json!({"n": 1})).await.unwrap().expect(200);
            assert_eq!(answer["result"]["structuredContent"], json!({"sum": 2}), "{trouble:?}: {server}");
        }
        let refused = place.owner.get(&format!("/api/v1/servers/other/tools/add-{plus}")).await;
        assert_eq!(refused.status, 404, "{trouble:?}: {}", refused.body);
        place.end(trouble);
        until("readiness tells no more", NOTICED_MAX, async || place.ready().await == json!({"status": "ready"})).await;
        assert_eq!(place.files(), files, "{trouble:?}: nothing half-written is left");
        let deployed = deploy(&place.owner, plus).await;
        assert_eq!(deployed.0, 201, "{trouble:?}: without a restart: {}", deployed.2);
        calling.abort();
        assert!(calling.await.unwrap_err().is_cancelled(), "{trouble:?}: a call went wrong");
    }
    let log = place.program.log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(place.program.stop(Signal::TERM).await.success());
}

/// A process may write files of so many bytes and no more (setrlimit(2), `RLIMIT_FSIZE`): to it, the disk is full. The log is such a file, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_bound_on_the_length_of_files_is_no_end_of_the_program() {
    let postgres = Postgres::start();
    let home = Home::new();
    let program = home.serve_with(|command| _ = command.env("DATABASE_URL", postgres.url())).await;
    let owner = program.customer("enterprise").await;
    owner.create_server("other").await;
    // The worker of this customer is there from here on: what is started later has the bound as well.
    assert_eq!(deploy(&owner, 0).await.0, 201);
    let process = Pid::from_raw(program.id().cast_signed());
    let bound = |bytes| prlimit(process, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();

    bound(Some(512));
    until("a deploy is refused in words", NOTICED_MAX, async || {
        let refused = deploy(&owner, 1).await;
        assert_ne!(refused.0, 201, "{}", refused.2);
        // A worker that was started with the bound is no worker.
        refused.0 == 503 && refused.2.contains("is full")
    })
    .await;
    assert_eq!(program.admin().get("/health/live").await.status, 200);
    bound(None);
    until("deploys go on", NOTICED_MAX, async || deploy(&owner, 1).await.0 == 201).await;
}

/// Calls of what is loaded, until somebody stops it; it panics when one goes wrong.
fn keep_calling(owner: &Api) -> tokio::task::JoinHandle<()> {
    let owner = owner.clone();
    tokio::spawn(async move {
        loop {
            owner.call("loaded", "add", json!({"n": 1})).await.unwrap().expect(200);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
}

/// The status, when to come back, and the text.
async fn deploy(owner: &Api, plus: i64) -> (u16, Option<u32>, String) {
    deploy_to(owner, "other", &adder(&format!("add-{plus}"), plus)).await
}

async fn deploy_to(owner: &Api, server: &str, source: &str) -> (u16, Option<u32>, String) {
    let name = source.split("name: \"").nth(1).unwrap().split('"').next().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.request(Method::PUT, format!("{}/api/v1/servers/{server}/tools/{name}", owner.base));
    let answer = request.bearer_auth(&owner.key).json(&json!({"language": "typescript", "source": source})).send().await.unwrap();
    let (status, wait) = (answer.status().as_u16(), answer.headers().get("retry-after").cloned());
    let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok());
    (status, wait, answer.text().await.unwrap())
}

/// Has a command run with its data, cache and temporary files on a disk of 24 MiB.
fn on_small_disk(command: &mut Command, folder: &Path, log: &Path, url: &str) {
    let engine = cache_directory();
    let script = format!("mkdir -m 700 cache tmp; cp -p {}/js-* cache/ 2>/dev/null || true;", engine.display());
    command.env("DATABASE_URL", url).env("TOOLWRIGHT_DATA_DIR", folder).env("TMPDIR", folder.join("tmp"));
    command.env("TOOLWRIGHT_CACHE_DIR", folder.join("cache"));
    let words = wrapper(folder, "size=24m,nr_inodes=400,mode=755", &script);
    wrap(command, &words, log);
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), files);
        } else {
            files.push(entry.path());
        }
    }
}
