//! A client's whole way against the real program, by plain HTTP: discovery, registration, a person who signs up and decides, tokens, a call,
//! and back; and what of it a restart keeps.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    api::Api,
    browser::{Browser, CALLBACK, VERIFIER, add, client, get_json, post, serve_a_tool, text},
    program::Home,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_finds_its_way_by_the_documents_alone() {
    let home = Home::new();
    let program = home.serve().await;
    let mut browser = Browser::new(&program);
    browser.sign_up().await;
    serve_a_tool(&program).await;
    let http = client();

    let refused = http.post(browser.url("/mcp/sums")).json(&json!({})).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
    let metadata = challenge.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap();
    let resource: Value = get_json(&http, metadata).await;
    assert_eq!(resource["resource"], browser.url("/mcp/sums"));
    let issuer = resource["authorization_servers"][0].as_str().unwrap();
    let server: Value = get_json(&http, &format!("{issuer}/.well-known/oauth-authorization-server")).await;
    assert_eq!(server["issuer"], issuer);
    let registration = json!({"client_name": "Client", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
    let registered = http.post(text(&server["registration_endpoint"])).json(&registration).send().await.unwrap();
    assert_eq!(registered.status(), 201);
    let client_id = registered.json::<Value>().await.unwrap()["client_id"].as_str().unwrap().to_owned();

    let code = browser.allow(text(&server["authorization_endpoint"]), &client_id, text(&resource["resource"]), issuer).await;
    let token_endpoint = text(&server["token_endpoint"]);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", &client_id),
        ("resource", text(&resource["resource"])),
    ];
    let tokens: Value = post(&http, token_endpoint, &form).await.json().await.unwrap();
    assert_eq!(add(&program, &tokens).await, json!({"sum": 42}));

    // A restart keeps consents, tokens and keys.
    assert!(program.stop(Signal::TERM).await.success());
    let program = home
        .serve_with(|command| {
            command.env("TOOLWRIGHT_PUBLIC_URL", &browser.base);
        })
        .await;
    let at = |url: &Value| text(url).replace(&browser.base, &format!("http://{}", program.address));
    assert_eq!(add(&program, &tokens).await, json!({"sum": 42}));
    let form =
        [("grant_type", "refresh_token"), ("refresh_token", text(&tokens["refresh_token"])), ("client_id", client_id.as_str())];
    let refreshed: Value = post(&http, &at(&server["token_endpoint"]), &form).await.json().await.unwrap();
    assert_eq!(add(&program, &refreshed).await, json!({"sum": 42}));

    let form = [("token", text(&refreshed["refresh_token"])), ("client_id", client_id.as_str())];
    assert_eq!(post(&http, &at(&server["revocation_endpoint"]), &form).await.status(), 200);
    for tokens in [tokens, refreshed] {
        let answer = Api::new(program.address, text(&tokens["access_token"])).call("sums", "add", json!({"n": 2})).await.unwrap();
        assert_eq!(answer.status, 401, "{}", answer.body);
    }
    let log = program.log();
    for secret in [&code, VERIFIER, "correct horse"] {
        assert!(!log.contains(secret), "the log tells {secret}");
    }
}
