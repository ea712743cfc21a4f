use std::sync::Arc;

use app::accounts::AccountSettings;
use chrono::{DateTime, TimeDelta, Utc};
use domain::SetClock;
use http::StatusCode;
use serde_json::json;
use sqlx::PgPool;
use testkit::TestOptions;

use super::browser::{PASSWORD, csrf};
use crate::client::{Answer, Doors};

fn digests(answer: &Answer) -> u64 {
    let line = answer.text.lines().find(|line| line.starts_with("toolwright_password_digests_total "));
    line.unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

#[sqlx::test(migrations = "../../migrations")]
async fn somebody_signs_in_and_out(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut browser = doors.browser();
    browser.sign_up("ada@example.com").await;
    let account = browser.get("/account").await;
    assert!(account.text.contains("ada@example.com") && account.text.contains("Firefox on Linux"), "{account}");

    let out = browser.fill("/account", "/sign-out", &[]).await;
    assert_eq!((out.status, out.header("location")), (StatusCode::SEE_OTHER, "/sign-in"));
    assert_eq!(browser.token(), None);
    let sent = browser.get("/account").await;
    assert_eq!((sent.status, sent.header("location")), (StatusCode::SEE_OTHER, "/sign-in"));
    let sent = browser.get("/account?done=joined").await;
    assert_eq!(sent.header("location"), "/sign-in?return_to=%2Faccount%3Fdone%3Djoined");

    let back = browser.sign_in(" Ada@Example.com ", PASSWORD).await;
    assert_eq!((back.status, back.header("location")), (StatusCode::SEE_OTHER, "/account"));
    assert!(browser.is_signed_in().await);
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_unknown_address_answers_as_a_wrong_password_after_the_same_work(pool: PgPool) {
    let doors = Doors::open(pool).await;
    doors.browser().sign_up("ada@example.com").await;
    let mut browser = doors.browser();
    let page = csrf(&browser.get("/sign-in").await);
    let before = digests(&doors.admin().get("/metrics").await);

    let wrong =
        browser.post("/sign-in", &[("csrf", &page), ("email", "ada@example.com"), ("password", "another password")]).await;
    let after_wrong = digests(&doors.admin().get("/metrics").await);
    let unknown =
        browser.post("/sign-in", &[("csrf", &page), ("email", "eve@example.com"), ("password", "another password")]).await;
    let after_unknown = digests(&doors.admin().get("/metrics").await);

    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    assert_eq!(unknown.status, wrong.status);
    assert_eq!(unknown.text.replace("eve@", "ada@"), wrong.text);
    assert_eq!((after_wrong - before, after_unknown - after_wrong), (1, 1), "argon2 runs for nobody, too");
    assert!(!wrong.text.contains("another password"), "a password does not come back");
    assert_eq!(browser.token(), None);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_sign_in_gets_a_new_token_whatever_the_browser_had_before(pool: PgPool) {
    let doors = Doors::open(pool).await;
    doors.browser().sign_up("ada@example.com").await;
    let mut victim = doors.browser();
    // A token of the attacker's own choice, and the attacker's own sign-in.
    let planted = "A".repeat(43);
    victim.cookies.insert("toolwright".to_owned(), planted.clone());
    victim.sign_in("ada@example.com", PASSWORD).await;
    let first = victim.token().unwrap().to_owned();
    assert_ne!(first, planted);

    let page = victim.get("/account").await;
    victim.post("/sign-in", &[("csrf", &csrf(&page)), ("email", "ada@example.com"), ("password", PASSWORD)]).await;
    let second = victim.token().unwrap().to_owned();

    assert_ne!(first, second);
    for old in [planted, first] {
        let mut attacker = doors.browser();
        attacker.cookies.insert("toolwright".to_owned(), old);
        assert!(!attacker.is_signed_in().await);
    }
    assert!(victim.is_signed_in().await);
}

#[sqlx::test(migrations = "../../migrations")]
async fn after_signing_in_one_goes_on_to_a_page_of_ours_and_nowhere_else(pool: PgPool) {
    let doors = Doors::open(pool).await;
    doors.browser().sign_up("ada@example.com").await;
    for (asked, wanted) in [
        ("/oauth/authorize?a=b&c=d", "/oauth/authorize?a=b&c=d"),
        ("https://evil.test/", "/account"),
        ("//evil.test/", "/account"),
        ("/\\evil.test", "/account"),
        ("javascript:alert(1)", "/account"),
        ("/\t/evil.test", "/account"),
    ] {
        let mut browser = doors.browser();
        let fields = [("email", "ada@example.com"), ("password", PASSWORD), ("return_to", asked)];

        let answer = browser.fill("/sign-in", "/sign-in", &fields).await;
        let query: String = url::form_urlencoded::byte_serialize(asked.as_bytes()).collect();
        let again = browser.get(&format!("/sign-in?return_to={query}")).await;

        assert_eq!(answer.header("location"), wanted, "{asked}");
        assert_eq!(again.header("location"), wanted, "{asked}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_sign_in_ends_when_it_is_not_used_and_in_any_case_some_day(pool: PgPool) {
    let clock = Arc::new(SetClock::at(DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap()));
    let accounts = AccountSettings {
        sign_in_idle: std::time::Duration::from_hours(1),
        sign_in_lifetime: std::time::Duration::from_hours(3),
        ..AccountSettings::default()
    };
    let options = TestOptions { clock: clock.clone(), accounts, ..TestOptions::default() };
    let doors = Doors::open_with(&pool, options).await;
    let mut idle = doors.browser();
    let mut busy = doors.browser();
    idle.sign_up("ada@example.com").await;
    busy.sign_in("ada@example.com", PASSWORD).await;

    for _ in 0..4 {
        assert!(busy.is_signed_in().await);
        clock.advance(TimeDelta::minutes(40));
    }

    assert!(busy.is_signed_in().await, "it was used every 40 minutes");
    assert!(!idle.is_signed_in().await);
    clock.advance(TimeDelta::minutes(20));
    assert!(!busy.is_signed_in().await, "three hours are over");
}

#[sqlx::test(migrations = "../../migrations")]
async fn whoever_is_disabled_is_out_at_once_and_does_not_come_in_again(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    let other_node = Doors::open(pool).await;
    let mut browser = doors.browser();
    browser.sign_up("ada@example.com").await;
    let users = doors.admin().get("/admin/v1/users").await.json();
    let path = format!("/admin/v1/users/{}", users["items"][0]["user_id"].as_str().unwrap());

    let disabled = other_node.admin().patch(&path, json!({ "disabled": true })).await;

    assert_eq!(disabled.status, StatusCode::OK, "{disabled}");
    super::own::eventually(async || !browser.clone().is_signed_in().await).await;
    let mut again = doors.browser();
    assert_eq!(again.sign_in("ada@example.com", PASSWORD).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    doors.admin().patch(&path, json!({ "disabled": false })).await;
    assert_eq!(again.sign_in("ada@example.com", PASSWORD).await.status, StatusCode::SEE_OTHER);
    assert!(!browser.is_signed_in().await, "what ended stays so");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_password_that_is_changed_while_it_is_checked_lets_nobody_in(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    doors.browser().sign_up("ada@example.com").await;
    let password: String = sqlx::query_scalar("SELECT password FROM users").fetch_one(&pool).await.unwrap();
    for change in ["UPDATE users SET password = '$argon2id$another'", "UPDATE users SET disabled_at = now()"] {
        let mut changing = pool.begin().await.unwrap();
        sqlx::query(change).execute(&mut *changing).await.unwrap();
        let mut browser = doors.browser();
        let sign_in = tokio::spawn(async move { browser.sign_in("ada@example.com", PASSWORD).await.status });
        let waits = "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE NOT granted AND datname = current_database())";
        super::own::eventually(async || {
            sign_in.is_finished() || sqlx::query_scalar::<_, bool>(waits).fetch_one(&pool).await.unwrap()
        })
        .await;

        changing.commit().await.unwrap();

        assert_eq!(sign_in.await.unwrap(), StatusCode::UNPROCESSABLE_ENTITY, "{change}");
        let restore = sqlx::query("UPDATE users SET password = $1, disabled_at = NULL").bind(&password);
        restore.execute(&pool).await.unwrap();
    }
    let sign_ins: i64 = sqlx::query_scalar("SELECT count(*) FROM sign_ins").fetch_one(&pool).await.unwrap();
    assert_eq!(sign_ins, 1, "the one of signing up");
}

#[sqlx::test(migrations = "../../migrations")]
async fn without_the_database_nobody_signs_in_and_is_told_when_to_come_back(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut ada = doors.browser();
    ada.sign_up("ada@example.com").await;
    let mut browser = doors.browser();
    let csrf = csrf(&browser.get("/sign-in").await);
    doors.lose_database().await;

    for password in [PASSWORD, "another password altogether"] {
        let fields = [("csrf", csrf.as_str()), ("email", "ada@example.com"), ("password", password)];
        let answer = browser.post("/sign-in", &fields).await;

        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| (1..=60).contains(&seconds)), "{answer}");
        assert_eq!(browser.token(), None);
    }
}
