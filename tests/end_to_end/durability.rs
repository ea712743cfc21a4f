//! kill -9 at any moment: what was acknowledged is there, what was running is closed, and nothing of the killed process lives on.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::{Api, adder, sleeper},
    processes::{descendants, wait_until_gone},
    program::Home,
};

/// How long each life lasts: within the first deploys, in their midst, and with calls older than a second.
const LIVES_MS: [u64; 4] = [150, 600, 1_300, 2_500];
const DEPLOYERS: usize = 3;

/// One deploy that the server said 2xx to: the paths that must answer from then on, and the number that its tool adds.
struct Acknowledged {
    server: String,
    paths: Vec<String>,
    plus: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_to_a_kill() {
    let home = Home::new();
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let mut key: Option<String> = None;
    for (life, lasts_ms) in LIVES_MS.into_iter().enumerate() {
        let program = home.serve().await;
        let owner = match &key {
            Some(key) => Api::new(program.address, key),
            None => prepare(&program.customer("enterprise").await).await,
        };
        key = Some(owner.key.clone());
        check(&owner, &acknowledged).await;
        let children = descendants(program.id());
        let work = keep_busy(&owner, i64::try_from(life).unwrap() * 1_000, &acknowledged);

        tokio::time::sleep(Duration::from_millis(lasts_ms)).await;
        program.kill();

        for task in work {
            task.await.unwrap();
        }
        wait_until_gone(&children, Duration::from_secs(20)).await;
    }

    let program = home.serve().await;
    let owner = Api::new(program.address, key.as_ref().unwrap());
    check(&owner, &acknowledged).await;
    assert!(acknowledged.lock().unwrap().len() >= LIVES_MS.len(), "hardly anything was deployed before the kills");
    let interrupted = owner.get("/api/v1/executions?status=interrupted").await.expect(200);
    assert!(
        !interrupted["items"].as_array().unwrap().is_empty(),
        "calls older than a second were running when the program was killed"
    );
}

/// One server for each deployer and one with a slow tool.
async fn prepare(owner: &Api) -> Api {
    for index in 0..DEPLOYERS {
        owner.create_server(&format!("deployed-{index}")).await;
    }
    owner.create_server("slow").await;
    owner.put_tool("slow", "nap", &sleeper("nap", 30_000)).await;
    owner.release("slow").await;
    owner.clone()
}

/// Deploys and calls until the server goes away.
fn keep_busy(owner: &Api, first: i64, acknowledged: &Arc<Mutex<Vec<Acknowledged>>>) -> Vec<tokio::task::JoinHandle<()>> {
    let napping = tokio::spawn({
        let owner = owner.clone();
        async move { while owner.call("slow", "nap", json!({})).await.is_ok() {} }
    });
    let deploying = (0..DEPLOYERS).map(|index| {
        let (owner, acknowledged) = (owner.clone(), Arc::clone(acknowledged));
        tokio::spawn(async move {
            for plus in first.. {
                match deploy(&owner, &format!("deployed-{index}"), plus).await {
                    Ok(done) => acknowledged.lock().unwrap().push(done),
                    Err(_gone) => return,
                }
            }
        })
    });
    deploying.chain([napping]).collect()
}

/// An environment value, a version and its release, each acknowledged before the next; an error is a server that went away.
async fn deploy(owner: &Api, server: &str, plus: i64) -> reqwest::Result<Acknowledged> {
    let base = format!("/api/v1/servers/{server}");
    let put = |path: String, body: Value| async move { owner.send(Method::PUT, &path, Some(body)).await };
    put(format!("{base}/env/VALUE_{plus}"), json!({"value": plus.to_string(), "secret": false})).await?;
    let source = json!({"language": "typescript", "source": adder("add", plus)});
    let version = put(format!("{base}/tools/add"), source).await?.expect(201);
    let release = owner.send(Method::POST, &format!("{base}/releases"), Some(json!({}))).await?.expect(201);
    let id = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    Ok(Acknowledged {
        server: server.to_owned(),
        paths: vec![
            format!("{base}/env/VALUE_{plus}"),
            format!("{base}/tools/add/versions/{}", id(&version, "version_id")),
            format!("{base}/releases/{}", id(&release, "release_id")),
        ],
        plus,
    })
}

async fn check(owner: &Api, acknowledged: &Mutex<Vec<Acknowledged>>) {
    let (paths, newest): (Vec<_>, Vec<_>) = {
        let all = acknowledged.lock().unwrap();
        let newest = (0..DEPLOYERS).filter_map(|index| {
            let server = format!("deployed-{index}");
            all.iter().filter(|one| one.server == server).map(|one| one.plus).max().map(|plus| (server, plus))
        });
        (all.iter().flat_map(|one| one.paths.clone()).collect(), newest.collect())
    };
    for path in paths {
        assert_eq!(owner.get(&path).await.status, 200, "{path} was acknowledged and is lost");
    }
    for (server, plus) in newest {
        let answer = owner.call(&server, "add", json!({"n": 0})).await.unwrap().expect(200);
        let sum = answer["result"]["structuredContent"]["sum"].as_i64().unwrap();
        // A later release may have been committed before its answer was sent.
        assert!(sum >= plus, "{server} serves {sum}, acknowledged was {plus}");
    }
    let running = owner.get("/api/v1/executions?status=running").await.expect(200);
    assert_eq!(running["items"], json!([]), "a record stayed running");
}
