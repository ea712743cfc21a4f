//! `toolwright keys`, on the real program: another key signs while a node runs, and nobody is logged out (SEC-5).

use std::process::Command;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    api::Api,
    browser::{Browser, CALLBACK, VERIFIER, add, client, get_json, post, serve_a_tool, text},
    program::{Home, Program},
};

/// A key, as `keys list` shows it.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    kid: String,
    state: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_signs_while_a_node_runs_and_nobody_is_logged_out() {
    let home = Home::new();
    let program = home.serve().await;
    let mut browser = Browser::new(&program);
    browser.sign_up().await;
    serve_a_tool(&program).await;
    let (client_id, tokens) = let_in(&mut browser).await;
    let old = kid(&tokens);
    assert_eq!(list(home.beside("keys").arg("list")), [Listed { kid: old.clone(), state: "signs".to_owned() }]);

    let rotated = list(home.beside("keys").arg("rotate"));

    let [signs, verifies] = rotated.as_slice() else { panic!("{rotated:?}") };
    assert_eq!((signs.state.as_str(), verifies.state.as_str()), ("signs", "verifies"));
    assert_eq!(verifies.kid, old);
    assert_eq!(list(home.beside("keys").arg("list")), rotated);
    let newer = refresh(&browser, &client_id, &tokens, &signs.kid).await;
    for tokens in [&tokens, &newer] {
        assert_eq!(add(&program, tokens).await, json!({"sum": 42}), "whoever had a token goes on with it");
    }
    assert_eq!(published(&browser).await, [signs.kid.clone(), old.clone()]);
    assert_eq!(browser.get(&browser.url("/account")).await.status(), 200, "browsers stay signed in");

    assert!(program.stop(Signal::TERM).await.success());
    let program = serve_at(&home, &browser).await;
    for tokens in [&tokens, &newer] {
        assert_eq!(add(&program, tokens).await, json!({"sum": 42}), "a node that starts has both keys");
    }
    let retired = list(home.beside("keys").args(["retire", &old]));
    assert_eq!(retired.iter().find(|key| key.kid == old).map(|key| key.state.as_str()), Some("ended"));
    refused_within_seconds(&program, &tokens).await;
    assert_eq!(add(&program, &newer).await, json!({"sum": 42}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_to_keys_is_said() {
    let home = Home::new();
    let program = home.serve().await;
    let signs = list(home.beside("keys").arg("list")).remove(0).kid;

    for (arguments, said) in [
        (vec!["retire", &signs], "rotate before you retire"),
        (vec!["retire", "nothing"], "there is no key `nothing`"),
        (vec!["rotate", "--key-file", "/nowhere/key.pem"], "/nowhere/key.pem"),
    ] {
        let output = home.beside("keys").args(&arguments).output().unwrap();

        assert!(!output.status.success(), "{arguments:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
    let output = home.command("keys").arg("list").output().unwrap();
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("in use by another running instance"),
        "a private cluster is one program's"
    );
    assert!(program.stop(Signal::TERM).await.success());
    assert_eq!(list(home.command("keys").arg("list"))[0].kid, signs, "without a node it is started for the command");
}

/// What the command prints: one key a line, the one that signs first.
fn list(command: &mut Command) -> Vec<Listed> {
    let output = command.output().unwrap();
    let (text, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{log}");
    let line = |line: &str| {
        let (kid, rest) = line.split_once("  made ").unwrap_or_else(|| panic!("{text}"));
        let state = rest.split_whitespace().nth(1).unwrap_or_else(|| panic!("{text}"));
        Listed { kid: kid.to_owned(), state: state.to_owned() }
    };
    text.lines().filter(|line| line.contains("  made ")).map(line).collect()
}

/// A client that registered, and what it got.
async fn let_in(browser: &mut Browser) -> (String, Value) {
    let http = client();
    let registration = json!({"client_name": "Client", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
    let registered = http.post(browser.url("/oauth/register")).json(&registration).send().await.unwrap();
    let client_id = text(&registered.json::<Value>().await.unwrap()["client_id"]).to_owned();
    let (resource, issuer) = (browser.url("/mcp/sums"), browser.base.clone());
    let code = browser.allow(&browser.url("/oauth/authorize"), &client_id, &resource, &issuer).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", &client_id),
        ("resource", &resource),
    ];
    let tokens = post(&http, &browser.url("/oauth/token"), &form).await.json().await.unwrap();
    (client_id, tokens)
}

/// The next tokens, once the node signs by the key of this name: it hears of it within moments.
async fn refresh(browser: &Browser, client_id: &str, tokens: &Value, signs: &str) -> Value {
    for _ in 0..100 {
        let form = [("grant_type", "refresh_token"), ("refresh_token", text(&tokens["refresh_token"])), ("client_id", client_id)];
        let answer = post(&client(), &browser.url("/oauth/token"), &form).await;
        assert_eq!(answer.status(), 200, "nobody is logged out");
        let newer: Value = answer.json().await.unwrap();
        if kid(&newer) == signs {
            return newer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the node goes on signing by the key before");
}

async fn refused_within_seconds(program: &Program, tokens: &Value) {
    let api = Api::new(program.address, text(&tokens["access_token"]));
    for _ in 0..100 {
        if api.call("sums", "add", json!({"n": 2})).await.unwrap().status == 401 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("a token of a retired key is taken");
}

/// The program again, where the browser and the tokens know it.
async fn serve_at(home: &Home, browser: &Browser) -> Program {
    home.serve_with(|command| {
        command.env("TOOLWRIGHT_PUBLIC_URL", &browser.base);
    })
    .await
}

async fn published(browser: &Browser) -> Vec<String> {
    let set = get_json(&client(), &browser.url("/oauth/jwks")).await;
    set["keys"].as_array().unwrap().iter().map(|key| text(&key["kid"]).to_owned()).collect()
}

/// The name of the key that signed an access token.
fn kid(tokens: &Value) -> String {
    let header = text(&tokens["access_token"]).split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    text(&header["kid"]).to_owned()
}
