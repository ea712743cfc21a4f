//! The audit log, at the doors: what a change leaves there, and who sees it.

use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::TestOptions;
use web::PeerAddress;

use crate::{
    accounts::{
        browser::{Browser, PASSWORD},
        invitations::invite,
    },
    client::{Answer, Client, Doors},
};

async fn entries(client: &Client, query: &str) -> Vec<Value> {
    let door = if client.get("/admin/v1/audit").await.status == StatusCode::OK { "/admin/v1/audit" } else { "/api/v1/audit" };
    let answer = client.get(&format!("{door}{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {answer}");
    answer.json()["items"].as_array().unwrap().clone()
}

/// Whether somebody is told that what they ask for is not right.
fn is_refused(answer: &Answer) -> bool {
    matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY)
}

/// Makes a server, as the client with that key, from an address.
async fn make_server(doors: &Doors, owner: &Client, slug: &str, peer: &str, forwarded: Option<&str>) -> Answer {
    let server = json!({ "slug": slug, "title": "Weather", "description": "" });
    let mut request = Request::builder().method(Method::POST).uri("/api/v1/servers");
    if let Some(forwarded) = forwarded {
        request = request.header("x-forwarded-for", forwarded);
    }
    let request = request
        .header(header::AUTHORIZATION, format!("Bearer {}", owner.key().unwrap()))
        .header(header::CONTENT_TYPE, "application/json")
        .extension(PeerAddress(peer.parse().unwrap()));
    let answer = doors.anyone().send_request(request.body(server.to_string().into()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer}");
    answer
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_entry_names_the_request_that_asked_and_the_address_that_sent_it(pool: PgPool) {
    let proxies = |settings: &mut web::WebSettings| settings.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let doors = Doors::open_changed(&pool, TestOptions::default(), proxies).await;
    let owner = doors.customer("pro").await;

    for (number, (peer, forwarded, address)) in [
        ("198.51.100.7", None, "198.51.100.7"),
        ("2001:db8::7", None, "2001:db8::7"),
        // Whoever is no proxy says nothing about where somebody else is.
        ("198.51.100.7", Some("203.0.113.1"), "198.51.100.7"),
        ("10.0.0.2", Some("203.0.113.9"), "203.0.113.9"),
        ("10.0.0.2", Some("192.0.2.66, 203.0.113.9, 10.0.0.3"), "203.0.113.9"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = make_server(&doors, &owner, &format!("server-{number}"), peer, forwarded).await;

        for reader in [&owner, &doors.admin()] {
            let entry = &entries(reader, "?limit=1").await[0];
            assert_eq!(entry["operation"], "create_server");
            assert_eq!(entry["request_id"], answer.header("x-request-id"), "{entry:#}");
            assert_eq!(entry["address"], address, "{entry:#}");
            assert_eq!(entry["actor"]["kind"], "api_key");
            assert_eq!(entry["thing"]["name"], format!("server-{number}"));
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn each_filter_of_the_query_is_held_to(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (admin, one, other) = (doors.admin(), doors.customer("free").await, doors.customer("free").await);
    let made = make_server(&doors, &one, "one", "192.0.2.1", None).await.json();
    make_server(&doors, &other, "other", "192.0.2.1", None).await;
    let of_one = entries(&admin, "?thing=one").await.remove(0);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (customer, actor, made_at) = (text(&of_one["customer_id"]), text(&of_one["actor"]["id"]), text(&of_one["made_at"]));
    let made_at = url::form_urlencoded::byte_serialize(made_at.as_bytes()).collect::<String>();
    let operations = async |query: &str| -> Vec<String> {
        entries(&admin, query).await.iter().map(|entry| text(&entry["operation"])).collect()
    };

    let all = operations("").await;
    let of_customer = ["create_server", "create_api_key", "create_customer"];
    assert_eq!(operations(&format!("?customer_id={customer}")).await, of_customer);
    assert_eq!(operations("?operation=create_server").await, ["create_server"; 2]);
    assert_eq!(operations(&format!("?actor={actor}")).await, ["create_server"]);
    assert_eq!(operations("?actor=api_key").await, ["create_server"; 2]);
    assert_eq!(operations("?actor=program").await, ["make_signing_key"]);
    assert_eq!(operations(&format!("?thing={}", text(&made["server_id"]))).await, ["create_server"]);
    assert_eq!(operations(&format!("?until={made_at}")).await, all[2..]);
    assert_eq!(operations(&format!("?since={made_at}")).await, all[..2]);
    assert_eq!(operations(&format!("?customer_id={customer}&actor=admin&operation=set_tier")).await, [""; 0]);
    assert_eq!(entries(&one, "?actor=api_key").await.len(), 1, "a customer's filter finds its own alone");
    for wrong in [
        "?operation=set_teir",
        "?actor=nobody",
        "?thing=%00",
        "?since=yesterday",
        "?since=-262143-01-01T00:00:00Z",
        "?until=%2B10000-01-01T00:00:00Z",
        "?limit=0",
        "?owner=me",
        "?cursor=x",
    ] {
        let answer = admin.get(&format!("/admin/v1/audit{wrong}")).await;
        assert!(is_refused(&answer), "{wrong}: {answer}");
    }
}

/// The database may look at all that a customer has for one page: those who ask for many at once leave connections to others.
#[sqlx::test(migrations = "../../migrations")]
async fn one_customers_slow_lists_keep_no_other_from_the_database(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    let (busy, other) = (doors.customer("free").await, doors.customer("free").await);
    let mut held = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE audit_entries, executions IN ACCESS EXCLUSIVE MODE").execute(&mut *held).await.unwrap();
    let lists: Vec<_> = ["/api/v1/audit", "/api/v1/executions", "/api/v1/executions/summary"]
        .iter()
        .cycle()
        .take(12)
        .map(|path| {
            let busy = busy.clone();
            tokio::spawn(async move { busy.get(path).await.status })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;

    let answer = other.get("/api/v1/servers").await;
    held.rollback().await.unwrap();

    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    for list in lists {
        assert_eq!(list.await.unwrap(), StatusCode::OK, "they wait for each other, and not long");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn pages_have_every_entry_once_while_others_are_written(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (admin, owner) = (doors.admin(), doors.customer("pro").await);
    for number in 0..7 {
        make_server(&doors, &owner, &format!("server-{number}"), "192.0.2.1", None).await;
    }
    let wanted = entries(&admin, "").await;

    let (mut seen, mut path) = (Vec::new(), "/admin/v1/audit?limit=3".to_owned());
    loop {
        let page = admin.get(&path).await.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(items.iter().cloned());
        make_server(&doors, &owner, &format!("later-{}", seen.len()), "192.0.2.1", None).await;
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/admin/v1/audit?limit=3&cursor={cursor}");
    }

    assert_eq!(seen, wanted);
}

#[sqlx::test(migrations = "../../migrations")]
async fn another_customers_entries_are_nobody_elses_and_an_editor_sees_none(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut ada = doors.browser();
    ada.sign_up("ada@example.com").await;
    let link = invite(&mut ada, json!({ "role": "editor" })).await;
    let mut eve = guest(&doors, &link, "eve@example.com").await;
    let mut mallory = doors.browser();
    mallory.sign_up("mallory@example.com").await;
    let made = ada.fetch("POST", "/api/v1/servers", Some(json!({ "slug": "secret-plan", "title": "Plan" }))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made}");

    let own = ada.fetch("GET", "/api/v1/audit", None).await;
    let of_editor = eve.fetch("GET", "/api/v1/audit", None).await;
    let others = mallory.fetch("GET", "/api/v1/audit", None).await;
    let named = mallory.fetch("GET", "/api/v1/audit?thing=secret-plan", None).await;
    let customer = own.json()["items"][0]["customer_id"].as_str().unwrap().to_owned();
    let asked = mallory.fetch("GET", &format!("/api/v1/audit?customer_id={customer}"), None).await;
    let at_the_other_door = ada.fetch("GET", "/admin/v1/audit", None).await;

    let own = own.json()["items"].as_array().unwrap().clone();
    let operations: Vec<_> = own.iter().map(|entry| entry["operation"].as_str().unwrap()).collect();
    assert_eq!(operations, ["create_server", "sign_up", "create_invitation", "sign_up"]);
    assert_eq!((own[0]["actor"]["kind"].as_str(), own[0]["address"].as_str()), (Some("member"), Some("192.0.2.1")));
    assert!(own.iter().all(|entry| !entry.to_string().contains(PASSWORD) && !entry.to_string().contains(&link)), "{own:?}");
    assert_eq!((of_editor.status, &of_editor.json()["error_code"]), (StatusCode::FORBIDDEN, &json!("forbidden")), "{of_editor}");
    assert!(!others.text.contains("secret-plan") && !others.text.contains(&customer), "{others}");
    assert_eq!(others.json()["items"].as_array().unwrap().len(), 1, "her own sign-up: {others}");
    assert_eq!(named.json()["items"], json!([]));
    assert!(is_refused(&asked), "{asked}");
    assert!(matches!(at_the_other_door.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN), "{at_the_other_door}");
}

/// What the operator does for a customer is seen by its owners, and not from where.
#[sqlx::test(migrations = "../../migrations")]
async fn owners_see_what_the_operator_did_and_not_from_where(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let owner = doors.customer("free").await;
    let customer = entries(&owner, "").await[0]["customer_id"].as_str().unwrap().to_owned();

    let answer = doors.admin().patch(&format!("/admin/v1/customers/{customer}"), json!({ "tier": "pro" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");

    let (seen, known) = (entries(&owner, "?limit=1").await.remove(0), entries(&doors.admin(), "?limit=1").await.remove(0));
    assert_eq!((&seen["operation"], &seen["details"]), (&json!("set_tier"), &json!({ "before": "free", "tier": "pro" })));
    assert_eq!((&seen["request_id"], &seen["address"]), (&Value::Null, &Value::Null));
    assert_eq!(known["request_id"], answer.header("x-request-id"));
    assert_eq!(known["entry_id"], seen["entry_id"]);
}

/// Somebody who signs up by an invitation.
async fn guest(doors: &Doors, link: &str, email: &str) -> Browser {
    let mut browser = doors.browser();
    let token = link.rsplit('/').next().unwrap();
    let fields = [("invitation", token), ("name", "Guest"), ("email", email), ("password", PASSWORD)];
    let answer = browser.fill("/sign-up", "/sign-up", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer}");
    browser
}
