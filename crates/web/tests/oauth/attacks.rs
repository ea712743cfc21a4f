//! What is tried against the authorization server ("Auth" in the list of attacks), as far as it comes over HTTP.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::world::{CALLBACK, ISSUER, MANAGEMENT, SERVER, World, form, hidden, parameter, verifier, with};

#[sqlx::test(migrations = "../../migrations")]
async fn consent_cannot_be_given_from_another_site(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let page = world.ada.consent_page(&app.request()).await;
    let (csrf, request) = (hidden(&page, "csrf"), hidden(&page, "request"));
    let fields = [("csrf", csrf.as_str()), ("request", request.as_str()), ("decision", "allow")];

    for (site, origin) in [("cross-site", "https://evil.test"), ("same-site", "http://127.0.0.1:9999"), ("cross-site", "null")] {
        let refused = world.ada.post_from("/oauth/consent", &fields, site, origin).await;
        assert_eq!((refused.status, refused.header("location")), (StatusCode::FORBIDDEN, ""), "{origin}: {refused}");
    }
    for (name, value) in [("csrf", ""), ("csrf", "guessed")] {
        let refused = world.ada.post("/oauth/consent", &with(&fields, name, value)).await;
        assert_eq!((refused.status, refused.header("location")), (StatusCode::FORBIDDEN, ""), "{name}={value}: {refused}");
    }
    let unsealed = form(&app.request());
    for value in ["", "guessed", &unsealed] {
        let refused = world.ada.post("/oauth/consent", &with(&fields, "request", value)).await;
        assert_eq!((refused.status, refused.header("location")), (StatusCode::BAD_REQUEST, ""), "{value}: {refused}");
    }
    let looked = world.ada.get(&format!("/oauth/consent?{}", form(&fields))).await;
    assert_ne!(looked.status, StatusCode::SEE_OTHER, "a link decides nothing: {looked}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_names_that_clients_give_themselves_are_text(pool: PgPool) {
    let mut world = World::open(pool).await;
    let name = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>";
    let metadata = json!({ "client_name": name, "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    let client = world.doors.anyone().post("/oauth/register", metadata).await.json();
    let app = world.app().await;
    let state = "\"><script>alert(2)</script>";
    let id = client["client_id"].as_str().unwrap().to_owned();
    let request =
        with(&app.request(), "client_id", &id).iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
    let request: Vec<_> = request.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let request = with(&request, "state", state);

    let page = world.ada.consent_page(&request).await;
    let denied = world.ada.decide(&page, "deny", &[]).await;
    let in_error =
        world.ada.get("/oauth/authorize?client_id=%22%3E%3Cscript%3Ealert(3)%3C/script%3E&error_description=%3Cscript%3E").await;

    for shown in [&page, &in_error] {
        assert!(!shown.text.contains("<script") && !shown.text.contains("<img"), "{shown}");
    }
    assert!(page.text.contains("&#60;script&#62;alert(1)"), "{page}");
    assert_eq!(parameter(denied.header("location"), "state").as_deref(), Some(state), "it comes back as it was");
    assert!(denied.header("location").is_ascii() && !denied.header("location").contains('<'));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_code_is_of_no_use_to_another_client(pool: PgPool) {
    let mut world = World::open(pool).await;
    let (app, other) = (world.app().await, world.app().await);
    let code = world.ada.allow(&app.request()).await;

    let stolen = other.redeem(&code).await;
    let own = app.redeem(&code).await;

    assert_eq!((stolen.status, stolen.json()["error"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_grant")));
    assert_eq!(own.status, StatusCode::OK, "who finds a code cannot end what it is for: {own}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn mix_up_is_noticed_by_iss_in_every_answer(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let page = world.ada.consent_page(&app.request()).await;
    let metadata = world.doors.anyone().get("/.well-known/oauth-authorization-server").await.json();

    let allowed = world.ada.decide(&page, "allow", &[]).await;
    let page = world.ada.consent_page(&app.request()).await;
    let denied = world.ada.decide(&page, "deny", &[]).await;
    let wrong = world.ada.get(&format!("/oauth/authorize?{}", form(&with(&app.request(), "scope", "email")))).await;

    for answer in [allowed, denied, wrong] {
        assert_eq!(parameter(answer.header("location"), "iss").as_deref(), Some(ISSUER));
    }
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_token_is_good_at_its_own_resource_alone(pool: PgPool) {
    let world = World::open(pool).await;
    let server = json!({ "slug": "other", "title": "Other", "description": "Another one." });
    assert_eq!(world.owner.post("/api/v1/servers", server).await.status, StatusCode::CREATED);
    let tokens = world.tokens(&world.app().await).await;
    let token = world.doors.with_key(tokens["access_token"].as_str().unwrap());
    let ping = || json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });

    for path in ["/mcp/other", "/mcp/nowhere"] {
        assert_eq!(token.post(path, ping()).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/api/v1/servers", "/admin/v1/customers"] {
        assert_eq!(token.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let in_query = format!("/mcp/weather?access_token={}", tokens["access_token"].as_str().unwrap());
    let unread = world.doors.anyone().post(&in_query, ping()).await;
    assert_eq!(unread.status, StatusCode::UNAUTHORIZED, "no token is read from an address");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_token_that_was_changed_is_none(pool: PgPool) {
    let world = World::open(pool).await;
    let tokens = world.tokens(&world.app().await).await;
    let token = tokens["access_token"].as_str().unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let json_of = |part: &str| serde_json::from_slice::<Value>(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let part_of = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let (header, claims) = (json_of(parts[0]), json_of(parts[1]));
    let changed = |part: &Value, name: &str, value: Value| {
        let mut changed = part.clone();
        changed[name] = value;
        part_of(&changed)
    };
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!(SERVER)));

    for forged in [
        format!("{}.{}.", changed(&header, "alg", json!("none")), parts[1]),
        format!("{}.{}.{}", changed(&header, "alg", json!("none")), parts[1], parts[2]),
        format!("{}.{}.{}", changed(&header, "alg", json!("HS256")), parts[1], parts[2]),
        format!("{}.{}.{}", changed(&header, "kid", json!("another")), parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], changed(&claims, "aud", json!(format!("{ISSUER}/mcp/other"))), parts[2]),
        format!("{}.{}.{}", parts[0], changed(&claims, "exp", json!(4_000_000_000_u64)), parts[2]),
        format!("{}.{}.{}", parts[0], changed(&claims, "scope", json!("mcp:tools servers:write")), parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{token}A"),
    ] {
        assert_eq!(world.call(&forged).await.status, StatusCode::UNAUTHORIZED, "{forged}");
    }
    assert_eq!(world.call(token).await.status, StatusCode::OK);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_form_gives_no_more_than_was_asked_for(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let page = world.ada.consent_page(&app.request_for(SERVER, "mcp:tools:greet mcp:tools:shout")).await;

    let fields = [("scope mcp:tools:greet", "yes"), ("scope mcp:tools", "yes"), ("scope servers:write", "yes")];
    let decided = world.ada.decide(&page, "allow", &fields).await;
    let tokens = app.redeem(&parameter(decided.header("location"), "code").unwrap()).await.json();

    assert_eq!(tokens["scope"], "mcp:tools:greet");
}

#[sqlx::test(migrations = "../../migrations")]
async fn one_customer_of_somebody_else_cannot_be_chosen(pool: PgPool) {
    let world = World::open(pool).await;
    let app = world.app().await;
    let mut bob = world.stranger().await;
    let request = app.request_for(MANAGEMENT, "servers:read");
    let customers = world.doors.admin().get("/admin/v1/customers").await.json();
    let customers: Vec<_> =
        customers["items"].as_array().unwrap().iter().map(|item| item["customer_id"].as_str().unwrap()).collect();
    let page = bob.consent_page(&request).await;
    let theirs = customers.into_iter().find(|customer| !page.text.contains(customer)).unwrap().to_owned();

    let decided = bob.decide(&page, "allow", &[("customer", &theirs)]).await;

    assert_eq!(parameter(decided.header("location"), "error").as_deref(), Some("access_denied"), "{decided}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn nobody_is_redirected_without_a_registered_client(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let sealed = world.ada.get(&format!("/oauth/authorize?{}", form(&app.request()))).await.header("location").to_owned();

    for path in [
        "/oauth/consent?request=https://evil.test",
        "/oauth/consent?return_to=https://evil.test",
        "/oauth/authorize?redirect_uri=https://evil.test&error=access_denied",
        &format!("{sealed}&redirect_uri=https://evil.test"),
    ] {
        let answer = world.ada.get(path).await;
        assert!(!answer.header("location").contains("evil.test"), "{path}: {answer}");
        assert!(!answer.text.contains("evil.test"), "{path}: {answer}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_that_hides_its_challenge_gets_no_token(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;

    let downgraded = world
        .ada
        .get(&format!(
            "/oauth/authorize?{}",
            form(&with(&with(&app.request(), "code_challenge", ""), "code_challenge_method", ""))
        ))
        .await;
    let code = world.ada.allow(&app.request()).await;
    let without =
        app.post("/oauth/token", &[("grant_type", "authorization_code"), ("code", &code), ("client_id", &app.id)]).await;
    let with_it = app
        .post(
            "/oauth/token",
            &[("grant_type", "authorization_code"), ("code", &code), ("client_id", &app.id), ("code_verifier", verifier())],
        )
        .await;

    assert_eq!(parameter(downgraded.header("location"), "error").as_deref(), Some("invalid_request"));
    assert_eq!(without.status, StatusCode::BAD_REQUEST, "{without}");
    assert_eq!(with_it.status, StatusCode::OK, "{with_it}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_link_that_begins_here_leads_nobody_to_a_site_that_anybody_registered(pool: PgPool) {
    let mut world = World::open(pool).await;
    let (app, local) = (world.app().await, world.app_at("http://127.0.0.1:7777/callback").await);
    let mut stranger = world.browser();

    for (name, value) in [("prompt", "none"), ("scope", "nonsense"), ("code_challenge", ""), ("resource", "")] {
        let path = format!("/oauth/authorize?{}", form(&with(&app.request(), name, value)));
        let asked = stranger.get(&path).await;
        let known = world.ada.get(&path).await;

        assert_eq!((asked.status, asked.header("location")), (StatusCode::BAD_REQUEST, ""), "{name}: {asked}");
        assert!(asked.text.contains("Back to the app at <bdi>client.test</bdi>"), "{asked}");
        assert_eq!(known.status, StatusCode::SEE_OTHER, "{name}: {known}");
    }
    let back = stranger.get(&format!("/oauth/authorize?{}", form(&with(&local.request(), "prompt", "none")))).await;
    assert!(
        back.header("location").starts_with("http://127.0.0.1:7777/callback?"),
        "one's own computer is nobody's site: {back}"
    );
}
