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

/// What survives a node whose tools are on disk alone.
struct Place {
    home: Home,
    postgres: Postgres,
}

impl Place {
    fn new() -> Self {
        Self { home: Home::new(), postgres: Postgres::start() }
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
}

/// A node on which something has happened to the artifact of one server for each of [`DAMAGES`], and to that of `whole` nothing.
struct Damaged {
    program: Program,
    owner: Api,
    /// The artifacts to which it happened.
    paths: Vec<PathBuf>,
    _place: Place,
}

impl Damaged {
    /// Puts a tool `add` on each server as `put` does, which makes an artifact that meets `condition`; does the damages while no node runs, and
    /// starts one.
    async fn start(condition: &str, put: impl AsyncFn(&Api, usize)) -> Self {
        let place = Place::new();
        let program = place.serve().await;
        let owner = program.customer("enterprise").await;
        let mut paths = Vec::new();
        for number in 0..DAMAGES.len() {
            let (server, before) = (server_of(number), place.artifacts(condition));
            owner.create_server(&server).await;
            put(&owner, number).await;
            owner.release(&server).await;
            paths.extend(place.artifacts(condition).into_iter().find(|path| !before.contains(path)));
        }
        owner.create_server("whole").await;
        owner.put_tool("whole", "add", &adder("add", 1_000)).await;
        owner.release("whole").await;
        program.kill();
        for ((_, damage), path) in DAMAGES.iter().zip(&paths) {
            damage(path);
        }
        let program = place.serve().await;
        let owner = Api::new(program.address, &owner.key);
        Self { program, owner, paths, _place: place }
    }

    /// Calls the tool that is whole: it answers.
    async fn call_whole(&self) {
        let answer = self.owner.call("whole", "add", json!({"n": 1})).await.unwrap().expect(200);
        assert_eq!(sum_of(&answer), Some(1_001), "{answer}");
    }

    /// What four calls at one time answer of the tool that is a source.
    async fn call_source_four_times(&self, number: usize) -> Vec<Value> {
        let (damage, _) = DAMAGES[number];
        let calls: Vec<_> = (0..4)
            .map(|_| {
                let (owner, server) = (self.owner.clone(), server_of(number));
                tokio::spawn(async move { owner.call(&server, "add", json!({"n": 1})).await })
            })
            .collect();
        let mut answers = Vec::new();
        for call in calls {
            let answer = tokio::time::timeout(ANSWER_MAX, call).await.expect(damage);
            answers.push(answer.unwrap().unwrap().expect(200));
        }
        answers
    }

    /// Calls the tool that is a component.
    async fn call_component(&self, number: usize) -> Answer {
        let server = server_of(number);
        let call = self.owner.call(&server, "add", json!({"a": 1, "b": 2}));
        tokio::time::timeout(ANSWER_MAX, call).await.expect("an answer").unwrap()
    }
}

/// What a source became is made again from it, whatever is in its place, once for all calls; and others do not notice.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_became_is_made_again_whatever_stands_in_its_place() {
    let node = Damaged::start("true", async |owner: &Api, number: usize| {
        owner.put_tool(&server_of(number), "add", &adder("add", i64::try_from(number).unwrap())).await;
    })
    .await;

    for (number, ((damage, _), path)) in DAMAGES.iter().zip(&node.paths).enumerate() {
        let begun = Instant::now();
        let (answers, ()) = tokio::join!(node.call_source_four_times(number), node.call_whole());

        for answer in answers {
            assert_eq!(sum_of(&answer), Some(1 + i64::try_from(number).unwrap()), "{damage}: {answer}");
        }
        assert!(begun.elapsed() < ANSWER_MAX, "{damage}: {:?}", begun.elapsed());
        assert!(fs::symlink_metadata(path).unwrap().is_file(), "{damage}: it is kept again");
    }
    let told = node.program.log().lines().filter(|line| line.contains("building version")).count();
    assert_eq!(told, DAMAGES.len(), "once for each, and not for each call");
}

/// A component has no source: its owner is told what to do, others go on, the log is told once, and putting it again is enough.
#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_lost_is_asked_for_and_works_when_it_is_put_again() {
    let node = Damaged::start(OF_COMPONENTS, async |owner: &Api, number: usize| put_component(owner, number).await).await;

    for (number, (damage, _)) in DAMAGES.iter().enumerate() {
        let log_before = node.program.log().len();
        for _ in 0..4 {
            assert_says_what_to_do(&node.call_component(number).await, damage);
            node.call_whole().await;
        }
        let log = node.program.log().split_off(log_before);
        assert_eq!(log.lines().filter(|line| line.contains("ERROR")).count(), 1, "{damage}: the log is told once: {log}");

        put_component(&node.owner, number).await;
        let answer = node.call_component(number).await.expect(200);
        let sum = i64::try_from(3 + number).unwrap();
        assert_eq!(answer["result"]["structuredContent"], json!({"result": sum}), "{damage}: without a restart or a release");
    }
}

fn assert_says_what_to_do(refused: &Answer, damage: &str) {
    assert_eq!(refused.status, 503, "{damage}: {}", refused.body);
    let (text, id) = (refused.body.to_string(), &refused.request_id);
    assert!(!id.is_empty() && text.contains(id.as_str()), "{damage}: it says by which id it is found: {text}");
    let words = if damage == "closed" { "cannot be read from the disk" } else { "put the same component again" };
    assert!(text.contains(words), "{damage}: {text}");
}

fn server_of(number: usize) -> String {
    format!("server-{number}")
}

fn sum_of(answer: &Value) -> Option<i64> {
    answer["result"]["structuredContent"]["sum"].as_i64()
}

/// Adds two numbers and this one.
fn component(plus: usize) -> Vec<u8> {
    let text = include_str!("../../components/text-add.wat");
    let other = text
        .replace("(i32.add ", &format!("(i32.add (i32.const {plus}) (i32.add "))
        .replace("(local.get 1)))", "(local.get 1))))");
    wat::parse_str(other).unwrap()
}

async fn put_component(owner: &Api, number: usize) {
    let server = server_of(number);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.put(format!("{}/api/v1/servers/{server}/tools/add", owner.base)).bearer_auth(&owner.key);
    let answer = request.header("content-type", "application/wasm").body(component(number)).send().await.unwrap();
    let status = answer.status().as_u16();
    assert_eq!(status, 201, "{}", answer.text().await.unwrap());
}
