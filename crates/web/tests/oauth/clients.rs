//! How clients become known: they register (RFC 7591), or describe themselves at an address (Client ID Metadata Documents).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Request, StatusCode, header};
use serde_json::json;
use sqlx::PgPool;
use testkit::{SeenRequest, TestOptions, Upstream, UpstreamAnswer};

use super::world::{CALLBACK, SERVER, World, form, parameter, verifier, with};
use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_7591_a_public_client_registers(pool: PgPool) {
    let doors = Doors::open(pool).await;

    let registered = doors
        .anyone()
        .post("/oauth/register", json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" }))
        .await;

    let client = registered.json();
    assert_eq!((registered.status, registered.header("cache-control")), (StatusCode::CREATED, "no-store"));
    assert!(client["client_id"].is_string() && client["client_secret"].is_null(), "{client}");
    assert_eq!(client["token_endpoint_auth_method"], "none");
    assert_eq!(client["redirect_uris"], json!([CALLBACK]));
}

#[sqlx::test(migrations = "../../migrations")]
async fn nobody_alone_uses_up_the_registrations_of_all(pool: PgPool) {
    let anyone = Doors::open(pool.clone()).await.anyone();
    let metadata = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });

    for _ in 0..20 {
        assert_eq!(anyone.post("/oauth/register", metadata.clone()).await.status, StatusCode::CREATED);
    }
    let refused = anyone.post("/oauth/register", metadata).await;

    assert_eq!((refused.status, &refused.json()["error"]), (StatusCode::TOO_MANY_REQUESTS, &json!("temporarily_unavailable")));
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|wait_s| (1..=180).contains(&wait_s)), "{refused}");
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM clients").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, 20);
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_7591_what_is_not_taken_is_told_by_its_code(pool: PgPool) {
    let anyone = Doors::open(pool).await.anyone();

    for (metadata, error) in [
        (json!({}), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["http://client.test/callback"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["https://client.test/callback#x"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["javascript:alert(1)"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_jwt" }), "invalid_client_metadata"),
        (json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt" }), "invalid_client_metadata"),
    ] {
        let refused = anyone.post("/oauth/register", metadata.clone()).await;

        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{metadata}: {refused}");
        assert_eq!(refused.json()["error"], error, "{metadata}");
        assert!(refused.json()["error_description"].is_string());
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_6749_section_2_3_1_a_client_with_a_secret_proves_itself_by_basic(pool: PgPool) {
    let mut world = World::open(pool).await;
    let metadata =
        json!({ "client_name": "Server", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_basic" });
    let client = world.doors.anyone().post("/oauth/register", metadata).await.json();
    let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
    let request =
        world.app().await.request().iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>();
    let request: Vec<_> = request.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let code = world.ada.allow(&with(&request, "client_id", id)).await;
    let fields =
        [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", verifier()), ("redirect_uri", CALLBACK)];
    let redeem = async |credentials: Option<&str>, more: &[(&str, &str)]| {
        let mut request = Request::post("/oauth/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(credentials) = credentials {
            request = request.header(header::AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(credentials)));
        }
        let body = form(&[fields.as_slice(), more].concat());
        world.doors.anyone().send_request(request.body(body.into()).unwrap()).await
    };

    let unproven = redeem(None, &[("client_id", id)]).await;
    let wrong = redeem(Some(&format!("{id}:wrong")), &[]).await;
    let in_body = redeem(None, &[("client_id", id), ("client_secret", secret)]).await;
    let right = redeem(Some(&format!("{id}:{secret}")), &[]).await;

    for refused in [&unproven, &wrong, &in_body] {
        assert_eq!(
            (refused.status, refused.json()["error"].as_str()),
            (StatusCode::UNAUTHORIZED, Some("invalid_client")),
            "{refused}"
        );
    }
    assert!(wrong.header("www-authenticate").starts_with("Basic"), "RFC 6749, section 5.2");
    assert_eq!(right.status, StatusCode::OK, "{right}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_that_describes_itself_needs_no_registration(pool: PgPool) {
    let (mut world, host) = world_with_document(pool, |document| document).await;
    let id = host.url("/client.json");
    let redirect_uri = host.url("/callback");
    let asked = world.app().await;
    let request =
        with(&asked.request(), "client_id", &id).into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<Vec<_>>();
    let request: Vec<_> = request.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let request = with(&request, "redirect_uri", &redirect_uri);

    let page = world.ada.consent_page(&request).await;
    assert!(page.text.contains("Document client") && page.text.contains("It comes from upstream.localhost"), "{page}");
    assert!(!page.text.contains("class=\"warning\""), "{page}");
    let decided = world.ada.decide(&page, "allow", &[]).await;
    let code = parameter(decided.header("location"), "code").unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", &redirect_uri),
        ("code_verifier", verifier()),
        ("client_id", &id),
        ("resource", SERVER),
    ];
    let tokens = asked.post("/oauth/token", &fields).await;

    assert_eq!(tokens.status, StatusCode::OK, "{tokens}");
    assert_eq!(world.call(tokens.json()["access_token"].as_str().unwrap()).await.status, StatusCode::OK);
    assert_eq!(host.seen().len(), 1, "it is fetched once");
    let elsewhere = world.ada.get(&format!("/oauth/authorize?{}", form(&with(&request, "redirect_uri", CALLBACK)))).await;
    assert_eq!(elsewhere.status, StatusCode::BAD_REQUEST, "an address that the document does not name");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_document_that_is_wrong_is_told_to_the_person_alone(pool: PgPool) {
    let (mut world, host) = world_with_document(pool, |mut document| {
        document["client_id"] = json!("https://other.test/client.json");
        document
    })
    .await;
    let asked = world.app().await;

    for id in [host.url("/client.json"), "http://upstream.localhost/client.json".to_owned()] {
        let answer = world.ada.get(&format!("/oauth/authorize?{}", form(&with(&asked.request(), "client_id", &id)))).await;

        assert_eq!((answer.status, answer.header("location")), (StatusCode::BAD_REQUEST, ""), "{id}: {answer}");
        assert!(answer.text.contains("This app cannot be let in"), "{id}: {answer}");
    }
}

async fn world_with_document(
    pool: PgPool,
    change: impl Fn(serde_json::Value) -> serde_json::Value + Clone + Send + Sync + 'static,
) -> (World, Upstream) {
    let host = Upstream::start_tls(move |request: &SeenRequest| {
        let base = format!("https://{}", request.header("host"));
        UpstreamAnswer::json(&change(json!({
            "client_id": format!("{base}{}", request.path),
            "client_name": "Document client",
            "redirect_uris": [format!("{base}/callback")],
        })))
    })
    .await;
    let options = TestOptions { egress: host.egress(), ..TestOptions::default() };
    (World::of(Doors::open_with(&pool, options).await).await, host)
}
