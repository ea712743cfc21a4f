//! Single artifacts cannot be read: lost, cut short, changed, closed, or something else in their place.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

use super::{postgres::Postgres, small_disk};
use crate::{
    api::{Answer, Api, adder},
    program::{Home, Program, cache_directory},
};

/// The artifacts that were uploaded (`store::artifacts::OF_COMPONENTS`).
const OF_COMPONENTS: &str = "encode(engine_digest, 'hex') = repeat('0', 64)";
/// Nothing here waits for anything that does not come.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// Its name, and how it is done to the artifact at a path.
type Damage = (&'static str, fn(&Path));

/// What stands in the place of an artifact, or does not.
const DAMAGES: [Damage; 7] = [
    ("missing", |path| fs::remove_file(path).unwrap()),
    ("cut short", |path| fs::File::options().write(true).open(path).unwrap().set_len(10).unwrap()),
    ("one bit changed", |path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    }),
    ("closed", |path| fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap()),
    ("a folder", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir_all(path.join("with something in it")).unwrap();
    }),
    ("a pipe", |path| {
        fs::remove_file(path).unwrap();
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    }),
    ("a link", |path| {
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    }),
];

/// A node whose tools are on disk alone, and its owner's key.
struct Place {
    home: Home,
    postgres: Postgres,
    owner: Option<Api>,
}

impl Place {
    fn new() -> Self {
        Self { home: Home::new(), postgres: Postgres::start(), owner: None }
    }

    /// Starts a node that has no native code but the engine's. It is root at most without root's right to read everything.
    async fn serve(&self) -> Program {
        let cache = self.home.path().join("cache");
        let _ = fs::remove_dir_all(&cache);
        fs::create_dir(&cache).unwrap();
        fs::set_permissions(&cache, fs::Permissions::from_mode(0o700)).unwrap();
        for entry in fs::read_dir(cache_directory()).unwrap().map(Result::unwrap) {
            if entry.file_name().to_str().unwrap().starts_with("js-") {
                fs::copy(entry.path(), cache.join(entry.file_name())).unwrap();
            }
        }
        let log = self.home.path().join("program.log");
        self.home
            .serve_with(|command: &mut Command| {
                command.env("DATABASE_URL", self.postgres.url()).env("TOOLWRIGHT_CACHE_DIR", cache);
                if rustix::process::geteuid().is_root() {
                    let words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"].map(str::to_owned);
                    small_disk::wrap(command, &words, &log);
                }
            })
            .await
    }

    fn artifacts(&self, condition: &str) -> Vec<PathBuf> {
        let digests = self.postgres.sql(&format!("SELECT encode(artifact_digest, 'hex') FROM artifacts WHERE {condition}"));
        let path = |digest: &str| self.home.path().join("artifacts").join(&digest[..2]).join(digest);
        digests.lines().map(path).collect()
    }

    fn owner(&self, program: &Program) -> Api {
        Api::new(program.address, &self.owner.as_ref().unwrap().key)
    }
}

/// What a source became is made again from it, whatever is in its place, once for all calls; and others do not notice.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_became_is_made_again_whatever_stands_in_its_place() {
    let mut place = Place::new();
    let program = place.serve().await;
    let owner = program.customer("enterprise").await;
    place.owner = Some(owner.clone());
    let mut paths = Vec::new();
    for number in 0..DAMAGES.len() {
        let (server, before) = (format!("server-{number}"), place.artifacts("true"));
        owner.create_server(&server).await;
        owner.put_tool(&server, "add", &adder("add", i64::try_from(number).unwrap())).await;
        owner.release(&server).await;
        paths.extend(place.artifacts("true").into_iter().find(|path| !before.contains(path)));
    }
    owner.create_server("whole").await;
    owner.put_tool("whole", "add", &adder("add", 1_000)).await;
    owner.release("whole").await;
    program.kill();
    for ((_, damage), path) in DAMAGES.iter().zip(&paths) {
        damage(path);
    }

    let program = place.serve().await;
    let owner = place.owner(&program);

    for (number, ((damage, _), path)) in DAMAGES.iter().zip(&paths).enumerate() {
        let server = format!("server-{number}");
        let begun = Instant::now();
        let calls: Vec<_> = (0..4)
            .map(|_| {
                let (owner, server) = (owner.clone(), server.clone());
                tokio::spawn(async move { owner.call(&server, "add", json!({"n": 1})).await })
            })
            .collect();
        let other = owner.call("whole", "add", json!({"n": 1}));
        for call in calls {
            let answer = tokio::time::timeout(ANSWER_MAX, call).await.expect(damage).unwrap().unwrap().expect(200);
            let sum = answer["result"]["structuredContent"]["sum"].as_i64().unwrap_or_else(|| panic!("{damage}: {answer}"));
            assert_eq!(sum, 1 + i64::try_from(number).unwrap(), "{damage}");
        }
        assert_eq!(sum_of(&other.await.unwrap().expect(200)), 1_001);
        assert!(begun.elapsed() < ANSWER_MAX, "{damage}: {:?}", begun.elapsed());
        assert!(fs::symlink_metadata(path).unwrap().is_file(), "{damage}: it is kept again");
    }
    let told = program.log().lines().filter(|line| line.contains("building version")).count();
    assert_eq!(told, DAMAGES.len(), "once for each, and not for each call");
}

fn sum_of(answer: &Value) -> i64 {
    answer["result"]["structuredContent"]["sum"].as_i64().unwrap()
}

/// A component has no source: its owner is told what to do, others go on, the log is told once, and putting it again is enough.
#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_lost_is_asked_for_and_works_when_it_is_put_again() {
    let mut place = Place::new();
    let program = place.serve().await;
    let owner = program.customer("enterprise").await;
    place.owner = Some(owner.clone());
    let mut paths = Vec::new();
    for number in 0..DAMAGES.len() {
        let (server, before) = (format!("server-{number}"), place.artifacts(OF_COMPONENTS));
        owner.create_server(&server).await;
        put(&owner, &server, &component(number)).await;
        owner.release(&server).await;
        paths.extend(place.artifacts(OF_COMPONENTS).into_iter().find(|path| !before.contains(path)));
    }
    owner.create_server("whole").await;
    owner.put_tool("whole", "add", &adder("add", 1_000)).await;
    owner.release("whole").await;
    program.kill();
    for ((_, damage), path) in DAMAGES.iter().zip(&paths) {
        damage(path);
    }

    let program = place.serve().await;
    let owner = place.owner(&program);

    for (number, (damage, _)) in DAMAGES.iter().enumerate() {
        let server = format!("server-{number}");
        let log_before = program.log().len();
        for _ in 0..4 {
            let refused = call_component(&owner, &server).await;
            assert_eq!(refused.status, 503, "{damage}: {}", refused.body);
            let (text, id) = (refused.body.to_string(), refused.request_id);
            assert!(!id.is_empty() && text.contains(&id), "{damage}: it says by which id it is found: {text}");
            let words = if *damage == "closed" { "cannot be read from the disk" } else { "put the same component again" };
            assert!(text.contains(words), "{damage}: {text}");
            assert_eq!(sum_of(&owner.call("whole", "add", json!({"n": 1})).await.unwrap().expect(200)), 1_001);
        }
        let log = program.log().split_off(log_before);
        assert_eq!(log.lines().filter(|line| line.contains("ERROR")).count(), 1, "{damage}: the log is told once: {log}");
        put(&owner, &server, &component(number)).await;
        let answer = call_component(&owner, &server).await.expect(200);
        let sum = i64::try_from(3 + number).unwrap();
        assert_eq!(answer["result"]["structuredContent"], json!({"result": sum}), "{damage}: without a restart or a release");
    }
}

/// Adds two numbers and this one.
fn component(plus: usize) -> Vec<u8> {
    let text = include_str!("../../components/text-add.wat");
    let other = text
        .replace("(i32.add ", &format!("(i32.add (i32.const {plus}) (i32.add "))
        .replace("(local.get 1)))", "(local.get 1))))");
    wat::parse_str(other).unwrap()
}

async fn put(owner: &Api, server: &str, component: &[u8]) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.put(format!("{}/api/v1/servers/{server}/tools/add", owner.base)).bearer_auth(&owner.key);
    let answer = request.header("content-type", "application/wasm").body(component.to_vec()).send().await.unwrap();
    let status = answer.status().as_u16();
    assert_eq!(status, 201, "{}", answer.text().await.unwrap());
}

async fn call_component(owner: &Api, server: &str) -> Answer {
    let call = owner.call(server, "add", json!({"a": 1, "b": 2}));
    tokio::time::timeout(ANSWER_MAX, call).await.expect("an answer").unwrap()
}
