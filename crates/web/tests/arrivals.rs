//! How much comes from one network, before anybody asks who sends it; and how much from whoever it is.

use std::time::Duration;

use app::limits::LimitSettings;
use http::{Method, Request, StatusCode, header};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestOptions, unlimited};
use web::PeerAddress;

use crate::{
    accounts::browser::{PASSWORD, csrf},
    client::{Answer, Doors},
};

async fn open(pool: &PgPool, limits: LimitSettings) -> Doors {
    Doors::open_with(pool, TestOptions { limits, ..TestOptions::default() }).await
}

/// What is sent from an address.
async fn send(doors: &Doors, address: &str, method: Method, path: &str, key: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(path).extension(PeerAddress(address.parse().unwrap()));
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    }
    doors.anyone().send_request(request.header(header::CONTENT_TYPE, "application/json").body("{}".into()).unwrap()).await
}

/// What a browser sends that has been here: forms without its cookie are nobody's.
async fn post_with_form_cookie(doors: &Doors, address: &str, path: &str) -> Answer {
    let request = Request::builder().method(Method::POST).uri(path).extension(PeerAddress(address.parse().unwrap()));
    let request = request.header(header::CONTENT_TYPE, "application/json").header(header::COOKIE, "toolwright-form=abc");
    doors.anyone().send_request(request.body("{}".into()).unwrap()).await
}

fn assert_tells_its_pace(answer: &Answer, rate: &str, policy: &str) {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer}");
    let seconds: u32 = answer.header("retry-after").parse().unwrap();
    assert!(seconds >= 1);
    assert_eq!(answer.header("ratelimit"), format!("\"{rate}\";r=0;t={seconds}"));
    assert_eq!(answer.header("ratelimit-policy"), format!("\"{rate}\";{policy}"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_network_that_asks_too_often_is_told_so_in_the_form_of_each_door_and_probes_are_not_counted(pool: PgPool) {
    let doors = open(&pool, LimitSettings { requests_per_minute_max: 3, ..unlimited() }).await;
    for _ in 0..3 {
        assert_eq!(send(&doors, "192.0.2.1", Method::GET, "/", None).await.status, StatusCode::OK);
    }

    let api = send(&doors, "192.0.2.1", Method::GET, "/api/v1/servers", None).await;
    let mcp = send(&doors, "192.0.2.1", Method::POST, "/mcp/weather", None).await;
    let oauth = send(&doors, "192.0.2.1", Method::POST, "/oauth/token", None).await;
    let page = send(&doors, "192.0.2.1", Method::GET, "/sign-in", None).await;

    for answer in [&api, &mcp, &oauth, &page] {
        assert_tells_its_pace(answer, "requests_per_minute_max", "q=3;w=60");
    }
    assert_eq!(api.json()["error_code"], "rate_limited");
    assert_eq!(api.json()["details"], json!({ "limit": "requests_per_minute_max", "of": "network", "value": 3 }));
    assert_eq!((&mcp.json()["jsonrpc"], &mcp.json()["error"]["code"]), (&json!("2.0"), &json!(-32000)));
    assert_eq!(oauth.json()["error"], "temporarily_unavailable");
    assert_eq!(oauth.header("access-control-allow-origin"), "*");
    assert!(page.header("content-type").starts_with("text/html") && page.text.contains("Too many attempts"), "{page}");
    assert_eq!(send(&doors, "192.0.2.1", Method::GET, "/health/live", None).await.status, StatusCode::OK);
    assert_eq!(send(&doors, "192.0.2.2", Method::GET, "/", None).await.status, StatusCode::OK, "others are");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_subscriber_of_ipv6_is_one_network(pool: PgPool) {
    let doors = open(&pool, LimitSettings { requests_per_minute_max: 2, ..unlimited() }).await;

    for (address, status) in [("2001:db8::1", 200), ("2001:db8::2", 200), ("2001:db8::3", 429), ("2001:db8:0:1::1", 200)] {
        assert_eq!(send(&doors, address, Method::GET, "/", None).await.status.as_u16(), status, "{address}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_guesses_keys_is_slowed_and_who_has_one_behind_the_same_address_is_not(pool: PgPool) {
    let doors = open(&pool, LimitSettings { failures_per_minute_max: 5, ..unlimited() }).await;
    let customer = doors.customer("free").await;
    let known = customer.key().unwrap();
    let fresh = doors.another_key().await;
    let get = async |key: &str| send(&doors, "192.0.2.1", Method::GET, "/api/v1/servers", Some(key)).await;
    heard_of_all_keys(&pool, &doors).await;
    assert_eq!(get(known).await.status, StatusCode::OK);

    for guess in 0..5 {
        assert_eq!(get(&format!("guess-{guess}")).await.status, StatusCode::UNAUTHORIZED);
    }
    // One more than are allowed at once is what makes it wait.
    get("guess-5").await;
    let slowed = get("guess-6").await;
    let admin = send(&doors, "192.0.2.1", Method::GET, "/admin/v1/tiers", doors.admin().key()).await;

    assert_tells_its_pace(&slowed, "failures_per_minute_max", "q=5;w=60");
    assert_eq!(admin.status, StatusCode::TOO_MANY_REQUESTS, "what somebody chose could be guessed: nothing is learnt of it");
    assert_eq!(get(known).await.status, StatusCode::OK);
    assert_eq!(get(fresh.key().unwrap()).await.status, StatusCode::OK, "what nobody guesses is looked at all the same");
    let drawn = |number: u32| format!("tw_{number:043}");
    let mut looked_at = 0;
    for number in 0..20 {
        looked_at += u32::from(get(&drawn(number)).await.status == StatusCode::UNAUTHORIZED);
    }
    assert!((9..=10).contains(&looked_at), "{looked_at}: but no more than ten a minute");
    assert_eq!(
        send(&doors, "192.0.2.1", Method::POST, "/mcp/weather", None).await.status,
        StatusCode::UNAUTHORIZED,
        "who shows nothing is told what to show"
    );
    assert_eq!(send(&doors, "192.0.2.2", Method::GET, "/api/v1/servers", fresh.key()).await.status, StatusCode::OK);
}

/// Waits until the node has heard of every key that there is: at each notice it forgets the key, and what it reads in that moment. Notices come in their
/// order, so that a key is made last whose end nothing but a notice tells.
async fn heard_of_all_keys(pool: &PgPool, doors: &Doors) {
    let last = doors.another_key().await;
    let get = async || send(doors, "192.0.2.77", Method::GET, "/api/v1/servers", last.key()).await.status;
    // Each of the three notices undoes one of these at most: either the last one is kept, or the node has heard of all of them.
    for _ in 0..4 {
        assert_eq!(get().await, StatusCode::OK);
    }
    let newest = "SELECT api_key_id FROM api_keys ORDER BY api_key_id DESC LIMIT 1";
    let ended = format!("UPDATE api_keys SET revoked_at = now() WHERE api_key_id = ({newest})");
    sqlx::query(sqlx::AssertSqlSafe(ended)).execute(pool).await.unwrap();
    for _ in 0..400 {
        if get().await == StatusCode::UNAUTHORIZED {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the node has heard nothing for ten seconds");
}

#[sqlx::test(migrations = "../../migrations")]
async fn signing_in_tokens_and_registrations_are_counted_apart(pool: PgPool) {
    let limits =
        LimitSettings { logins_per_minute_max: 1, tokens_per_minute_max: 2, registrations_per_hour_max: 1, ..unlimited() };
    let doors = open(&pool, limits).await;
    for (path, allowed, rate, policy) in [
        ("/sign-in", 1, "logins_per_minute_max", "q=1;w=60"),
        ("/oauth/token", 2, "tokens_per_minute_max", "q=2;w=60"),
        ("/oauth/register", 1, "registrations_per_hour_max", "q=1;w=3600"),
    ] {
        for _ in 0..allowed {
            let answer = post_with_form_cookie(&doors, "192.0.2.1", path).await;
            assert!(answer.status.is_client_error() && answer.status != StatusCode::TOO_MANY_REQUESTS, "{path}: {answer}");
            assert!(answer.header("ratelimit").starts_with(&format!("\"{rate}\";r=")), "{path}: {answer}");
        }
        assert_tells_its_pace(&post_with_form_cookie(&doors, "192.0.2.1", path).await, rate, policy);
        assert_ne!(send(&doors, "192.0.2.1", Method::GET, path, None).await.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_customer_has_its_reads_and_writes_and_is_told_how_many_are_left(pool: PgPool) {
    let limits = LimitSettings { reads_per_minute_max: 2, writes_per_minute_max: 1, ..unlimited() };
    let doors = open(&pool, limits).await;
    let (customer, other) = (doors.customer("free").await, doors.customer("free").await);
    let server = |slug: &str| json!({ "slug": slug, "title": "Weather", "description": "" });

    let first = customer.get("/api/v1/servers").await;
    customer.get("/api/v1/servers").await;
    let third = customer.get("/api/v1/servers").await;
    let made = customer.post("/api/v1/servers", server("one")).await;
    let refused = customer.post("/api/v1/servers", server("two")).await;

    assert_eq!((first.status, first.header("ratelimit")), (StatusCode::OK, "\"reads_per_minute_max\";r=1"));
    assert_eq!(first.header("ratelimit-policy"), "\"reads_per_minute_max\";q=2;w=60");
    assert_tells_its_pace(&third, "reads_per_minute_max", "q=2;w=60");
    assert_eq!((made.status, made.header("ratelimit")), (StatusCode::CREATED, "\"writes_per_minute_max\";r=0"));
    assert_tells_its_pace(&refused, "writes_per_minute_max", "q=1;w=60");
    assert_eq!(refused.json()["details"]["of"], "customer");
    assert_eq!(other.get("/api/v1/servers").await.status, StatusCode::OK);
    assert_eq!(doors.admin().get("/admin/v1/tiers").await.status, StatusCode::OK, "the admin is not counted");
}

/// A page of somebody else makes the browsers that open it send the form over and over: none of it is anybody's try to sign in. As requests they count.
#[sqlx::test(migrations = "../../migrations")]
async fn what_a_foreign_page_sends_takes_nothing_of_what_its_visitors_network_may_sign_in(pool: PgPool) {
    let limits = LimitSettings { logins_per_minute_max: 2, requests_per_minute_max: 30, ..unlimited() };
    let doors = open(&pool, limits).await;
    let (mut lured, mut stranger, mut visitor) = (doors.browser(), doors.browser(), doors.browser());
    let form = csrf(&visitor.get("/sign-in").await);
    lured.cookies.clone_from(&visitor.cookies);
    lured.origin = Some("https://evil.test".to_owned());
    let fields = [("csrf", form.as_str()), ("email", "nobody@example.com"), ("password", "another password")];

    for path in ["/sign-in", "/sign-up", "/sign-in/passkey", "/sign-in/passkey/options"] {
        // With its cookie and without: browsers leave it away where another site asks.
        for browser in [&mut lured, &mut stranger] {
            for _ in 0..3 {
                let refused = browser.post(path, &fields).await;
                assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}: {refused}");
            }
        }
    }

    for _ in 0..2 {
        assert_eq!(visitor.post("/sign-in", &fields).await.status, StatusCode::UNPROCESSABLE_ENTITY, "theirs is looked at");
    }
    assert_tells_its_pace(&visitor.post("/sign-in", &fields).await, "logins_per_minute_max", "q=2;w=60");
    // 28 until here.
    for _ in 0..2 {
        assert_eq!(lured.post("/sign-in", &fields).await.status, StatusCode::FORBIDDEN);
    }
    assert_tells_its_pace(&lured.post("/sign-in", &fields).await, "requests_per_minute_max", "q=30;w=60");
}

/// What is changed stays in the audit log: who changes something all day long fills it with so much and no more.
#[sqlx::test(migrations = "../../migrations")]
async fn a_customer_has_its_writes_of_a_day(pool: PgPool) {
    let doors = open(&pool, LimitSettings { writes_per_day_max: 2, ..unlimited() }).await;
    let (customer, other) = (doors.customer("free").await, doors.customer("free").await);
    let server = |slug: &str| json!({ "slug": slug, "title": "Weather", "description": "" });

    let made = [customer.post("/api/v1/servers", server("one")).await, customer.post("/api/v1/servers", server("two")).await];
    let refused = customer.post("/api/v1/servers", server("three")).await;

    assert!(made.iter().all(|answer| answer.status == StatusCode::CREATED));
    assert_tells_its_pace(&refused, "writes_per_day_max", "q=2;w=86400");
    assert_eq!(customer.get("/api/v1/servers").await.status, StatusCode::OK);
    assert_eq!(other.post("/api/v1/servers", server("four")).await.status, StatusCode::CREATED);
}

/// A person has a share of what their customer has, by however many sign-ins, and what they change for themselves is in it; the customer's key has the rest.
#[sqlx::test(migrations = "../../migrations")]
async fn a_member_has_a_share_of_the_writes_of_a_day_and_the_key_has_the_rest(pool: PgPool) {
    let limits = LimitSettings { writes_per_day_max: 5, caller_share_percent: 60, ..unlimited() };
    let doors = open(&pool, limits).await;
    let (mut ada, mut elsewhere) = (doors.browser(), doors.browser());
    ada.sign_up("ada@example.com").await;
    assert_eq!(elsewhere.sign_in("ada@example.com", PASSWORD).await.status, StatusCode::SEE_OTHER);
    let account = ada.fetch("GET", "/api/v1/account", None).await.json();
    let keys = format!("/admin/v1/customers/{}/api-keys", account["customers"][0]["customer_id"].as_str().unwrap());
    let made = doors.admin().post(&keys, json!({ "name": "test" })).await.json();
    let key = doors.with_key(made["api_key"].as_str().unwrap());
    let change = |access: &str| json!({ "access": access });

    let server = json!({ "slug": "weather", "title": "Weather", "description": "" });
    assert_eq!(ada.fetch("POST", "/api/v1/servers", Some(server)).await.status, StatusCode::CREATED);
    assert_eq!(ada.fetch("PATCH", "/api/v1/servers/weather", Some(change("public"))).await.status, StatusCode::OK);
    assert_eq!(elsewhere.fetch("PATCH", "/api/v1/servers/weather", Some(change("members"))).await.status, StatusCode::OK);
    for browser in [&mut ada, &mut elsewhere] {
        for (method, path) in [("PATCH", "/api/v1/servers/weather"), ("DELETE", "/api/v1/account/sign-ins")] {
            let refused = browser.fetch(method, path, Some(change("owner"))).await;
            assert_tells_its_pace(&refused, "writes_per_day_max", "q=3;w=86400");
            assert_eq!(refused.json()["details"]["of"], "caller", "{path}");
        }
        assert_eq!(browser.fetch("GET", "/api/v1/servers/weather", None).await.json()["access"], "members", "reading goes on");
    }
    for access in ["consent", "public"] {
        assert_eq!(key.patch("/api/v1/servers/weather", change(access)).await.status, StatusCode::OK);
    }
    let refused = key.patch("/api/v1/servers/weather", change("owner")).await;
    assert_tells_its_pace(&refused, "writes_per_day_max", "q=5;w=86400");
    assert_eq!(refused.json()["details"]["of"], "customer");
}

/// Every way in which something is refused for being too often says how often it may be.
#[sqlx::test(migrations = "../../migrations")]
async fn whatever_is_refused_for_its_pace_says_what_the_pace_is(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut browser = doors.browser();
    let page = csrf(&browser.get("/sign-in").await);
    let wrong = [("csrf", page.as_str()), ("email", "nobody@example.com"), ("password", "another password")];
    let mut last = browser.post("/sign-in", &wrong).await;
    for _ in 0..5 {
        last = browser.post("/sign-in", &wrong).await;
    }

    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    let seconds = last.header("retry-after").to_owned();
    assert_eq!(last.header("ratelimit"), format!("\"pace\";r=0;t={seconds}"));
    assert_eq!(last.header("ratelimit-policy"), format!("\"pace\";q=1;w={seconds}"));
}
