use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Clock as _, SetClock};
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::TestOptions;

use super::browser::{Browser, PASSWORD, csrf};
use crate::client::Doors;

/// Invites somebody; gives the path of the link.
pub(crate) async fn invite(owner: &mut Browser, body: Value) -> String {
    let made = owner.fetch("POST", "/api/v1/invitations", Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made}");
    made.json()["link"].as_str().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap().to_owned()
}

/// Whoever is signed in with `browser` joins the customer of `owner`.
pub(crate) async fn join(owner: &mut Browser, browser: &mut Browser, role: &str) {
    let link = invite(owner, json!({ "role": role })).await;
    let joined = browser.fill(&link, &link, &[]).await;
    assert_eq!(joined.header("location"), "/account?done=joined", "{joined}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_invitation_is_accepted_once_by_whoever_is_signed_in(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (mut ada, mut eve, mut mallory) = (doors.browser(), doors.browser(), doors.browser());
    ada.sign_up("ada@example.com").await;
    eve.sign_up("eve@example.com").await;
    mallory.sign_up("mallory@example.com").await;
    let link = invite(&mut ada, json!({ "role": "editor" })).await;
    let anonymous = doors.browser().get(&link).await;
    assert!(anonymous.text.contains("/sign-up?invitation=") && anonymous.text.contains("an editor"), "{anonymous}");

    let joined = eve.fill(&link, &link, &[]).await;

    assert_eq!(joined.header("location"), "/account?done=joined", "{joined}");
    let account = eve.fetch("GET", "/api/v1/account", None).await.json();
    assert_eq!(account["customers"].as_array().map(Vec::len), Some(2));
    assert_eq!(mallory.get(&link).await.status, StatusCode::NOT_FOUND);
    let csrf = csrf(&mallory.get("/account").await);
    let again = mallory.post(&link, &[("csrf", &csrf)]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND, "{again}");
    assert!(again.text.contains("was used, taken back, or has expired"), "{again}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_invitation_for_somebody_is_nobody_elses(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (mut ada, mut eve) = (doors.browser(), doors.browser());
    ada.sign_up("ada@example.com").await;
    eve.sign_up("eve@example.com").await;
    let link = invite(&mut ada, json!({ "role": "viewer", "email": "Bob@Example.com" })).await;

    let refused = eve.fill(&link, &link, &[]).await;
    let token = link.rsplit('/').next().unwrap();
    let fields = [("invitation", token), ("name", "M"), ("email", "m@example.com"), ("password", PASSWORD)];
    let up = doors.browser().fill("/sign-up", "/sign-up", &fields).await;

    for answer in [refused, up] {
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
        assert!(answer.text.contains("is for bob@example.com"), "{answer}");
    }
    doors
        .browser()
        .fill(
            "/sign-up",
            "/sign-up",
            &[("invitation", token), ("name", "Bob"), ("email", "bob@example.com"), ("password", PASSWORD)],
        )
        .await;
    let members = ada.fetch("GET", "/api/v1/members", None).await.json();
    assert_eq!(members["items"][0]["email"], "bob@example.com");
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_invitation_ends_after_a_week_or_when_it_is_taken_back(pool: PgPool) {
    let clock = Arc::new(SetClock::at(DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap()));
    let options = TestOptions { clock: clock.clone(), ..TestOptions::default() };
    let doors = Doors::open_with(&pool, options).await;
    let (mut ada, mut eve) = (doors.browser(), doors.browser());
    ada.sign_up("ada@example.com").await;
    eve.sign_up("eve@example.com").await;
    let (old, revoked) =
        (invite(&mut ada, json!({ "role": "viewer" })).await, invite(&mut ada, json!({ "role": "owner" })).await);
    let open = ada.fetch("GET", "/api/v1/invitations", None).await.json();
    assert_eq!(open["items"].as_array().map(Vec::len), Some(2));
    assert!(open["items"][0].get("link").is_none());

    let path = format!("/api/v1/invitations/{}", open["items"][0]["invitation_id"].as_str().unwrap());
    assert_eq!(ada.fetch("DELETE", &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(eve.get(&revoked).await.status, StatusCode::NOT_FOUND);
    assert_eq!(eve.get(&old).await.status, StatusCode::OK);
    clock.advance(TimeDelta::days(7));
    assert_eq!(eve.get(&old).await.status, StatusCode::NOT_FOUND);
    let page = doors.browser().get(&format!("/sign-up?invitation={}", old.rsplit('/').next().unwrap())).await;
    assert!(page.text.contains("was used, taken back, or has expired"), "{page}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn of_two_who_follow_a_link_at_one_time_one_joins(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (mut ada, mut eve, mut bob) = (doors.browser(), doors.browser(), doors.browser());
    ada.sign_up("ada@example.com").await;
    eve.sign_up("eve@example.com").await;
    bob.sign_up("bob@example.com").await;
    let link = invite(&mut ada, json!({ "role": "viewer" })).await;

    let (hers, his) = (csrf(&eve.get(&link).await), csrf(&bob.get(&link).await));

    let (hers, his) = ([("csrf", hers.as_str())], [("csrf", his.as_str())]);
    let (one, other) = tokio::join!(eve.post(&link, &hers), bob.post(&link, &his));

    let mut statuses = [one.status, other.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::SEE_OTHER, StatusCode::NOT_FOUND]);
}

#[sqlx::test(migrations = "../../migrations")]
async fn invitations_made_at_one_time_are_no_more_than_may_be_open_nor_made_in_a_day(pool: PgPool) {
    let clock = Arc::new(SetClock::at(DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap()));
    let options = TestOptions { clock: clock.clone(), ..TestOptions::default() };
    let doors = Doors::open_with(&pool, options).await;
    let mut ada = doors.browser();
    ada.sign_up("ada@example.com").await;
    let keep = "INSERT INTO invitations (invitation_id, customer_id, role, sha256, created_at, expires_at, revoked_at)
        SELECT gen_random_uuid(), customer_id, 'viewer', sha256(gen_random_uuid()::text::bytea), $1, $1 + interval '7 days', $2
        FROM customers, generate_series(1, $3)";
    let keep = async |revoked_at: Option<DateTime<Utc>>, count: i32| {
        sqlx::query(keep).bind(clock.now()).bind(revoked_at).bind(count).execute(&pool).await.unwrap();
    };
    let create =
        async |mut browser: Browser| browser.fetch("POST", "/api/v1/invitations", Some(json!({ "role": "viewer" }))).await.status;

    keep(None, 98).await;
    let tries: Vec<_> = (0..8).map(|_| create(ada.clone())).collect();
    let statuses = futures_util::future::join_all(tries).await;
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::CREATED).count(), 2, "{statuses:?}");

    sqlx::query("UPDATE invitations SET revoked_at = created_at").execute(&pool).await.unwrap();
    keep(Some(clock.now()), 399).await;
    assert_eq!(create(ada.clone()).await, StatusCode::CREATED);
    assert_eq!(create(ada.clone()).await, StatusCode::CONFLICT, "so many were made today");
    clock.advance(TimeDelta::days(1));
    assert_eq!(create(ada).await, StatusCode::CREATED);
}
