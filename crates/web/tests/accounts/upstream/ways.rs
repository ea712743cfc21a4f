use std::sync::Arc;

use app::accounts::SignUpPolicy;
use chrono::{DateTime, TimeDelta};
use domain::{Clock, SetClock};
use http::StatusCode;
use serde_json::json;
use sqlx::PgPool;

use super::{World, identities, leave, user_id};
use crate::{
    accounts::{
        invitations::{invite, join},
        own::eventually,
    },
    client::Doors,
};

#[sqlx::test(migrations = "../../migrations")]
async fn somebody_new_signs_in_by_an_issuer_and_is_the_same_the_next_time(pool: PgPool) {
    let world = World::open(&pool).await;
    let (mut browser, mut another) = (world.doors.browser(), world.doors.browser());

    let first = world.come_in(&mut browser).await;
    assert_eq!((first.status, first.header("location")), (StatusCode::SEE_OTHER, "/account"), "{first}");
    world.acme.change(|acme| acme.claims = json!({ "email": "countess@example.com", "name": null }));
    world.come_in(&mut another).await;

    assert_eq!(user_id(&mut browser).await, user_id(&mut another).await);
    let account = browser.fetch("GET", "/api/v1/account", None).await.json();
    assert_eq!((&account["email"], &account["name"]), (&json!("ada@example.com"), &json!("Ada Lovelace")), "as it was at first");
    assert_eq!(account["has_password"], false);
    assert_eq!(account["customers"].as_array().unwrap().len(), 1);
    let known = identities(&mut browser).await;
    assert_eq!((known.len(), &known[0]["upstream_id"], &known[0]["label"]), (1, &json!("acme"), &json!("countess@example.com")));
    let page = browser.get("/account").await;
    assert!(page.text.contains("ACME") && page.text.contains("Set a password"), "{page}");
    assert!(!browser.cookies.keys().any(|name| name.starts_with("toolwright-upstream")), "{:?}", browser.cookies);
}

#[sqlx::test(migrations = "../../migrations")]
async fn where_somebody_came_from_is_gone_on_to(pool: PgPool) {
    let world = World::open(&pool).await;
    let mut browser = world.doors.browser();
    let page = browser.get("/sign-in?return_to=%2Foauth%2Fconsent%3Frequest%3Da%2Cb").await;
    let link = "/sign-in/upstream/acme?return_to=%2Foauth%2Fconsent%3Frequest%3Da%2Cb";
    assert!(page.text.contains(&format!("href=\"{link}\"")), "{page}");

    let back = world.come_in_from(&mut browser, link).await;

    assert_eq!(back.header("location"), "/oauth/consent?request=a%2Cb");
    let again = browser.get(link).await;
    assert_eq!(again.header("location"), "/oauth/consent?request=a,b", "whoever is signed in is not sent away");
    let too_long = format!("/sign-in/upstream/acme?return_to=%2F{}", "a".repeat(4_000));
    assert_eq!(world.doors.browser().get(&too_long).await.status, StatusCode::URI_TOO_LONG);
}

#[sqlx::test(migrations = "../../migrations")]
async fn whoever_is_to_sign_in_again_is_asked_again_by_the_issuer(pool: PgPool) {
    let world = World::open(&pool).await;
    let mut browser = world.doors.browser();

    let once = leave(&mut browser, "/sign-in/upstream/acme").await;
    let page = browser.get("/sign-in?again=yes").await;
    let again = leave(&mut browser, "/sign-in/upstream/acme?again=yes").await;

    assert!(page.text.contains("/sign-in/upstream/acme?again=yes"), "{page}");
    assert!(!once.contains("prompt=") && again.contains("prompt=login"), "{again}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn where_sign_up_is_closed_only_who_is_invited_becomes_a_user(pool: PgPool) {
    let closed = World::open_with(&pool, |options, acme| {
        options.accounts.sign_up = SignUpPolicy::Closed;
        acme.sign_up = SignUpPolicy::Closed;
    });
    let world = closed.await;
    let mut stranger = world.doors.browser();

    let refused = world.come_in(&mut stranger).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused}");
    assert!(refused.text.contains("One needs an invitation"), "{refused}");

    let open = Doors::open(pool.clone()).await;
    let mut owner = open.browser();
    owner.sign_up("owner@example.com").await;
    let link = invite(&mut owner, json!({ "role": "editor", "email": "ada@example.com" })).await;
    let token = link.rsplit('/').next().unwrap();
    let way = format!("/sign-in/upstream/acme?invitation={token}");
    let page = stranger.get(&format!("/sign-up?invitation={token}")).await;
    assert!(page.text.contains(&way), "{page}");
    world.acme.change(|acme| acme.claims = json!({ "sub": "eve-1", "email": "eve@example.com" }));
    assert_eq!(world.come_in_from(&mut stranger, &way).await.status, StatusCode::FORBIDDEN, "the invitation is for another");
    world.acme.change(|acme| acme.claims = json!({}));
    let invited = world.come_in_from(&mut stranger, &way).await;

    assert_eq!(invited.status, StatusCode::SEE_OTHER, "{invited}");
    let account = stranger.fetch("GET", "/api/v1/account", None).await.json();
    assert_eq!(account["customers"][0]["role"], "editor", "{account}");
    let used = world.doors.browser().get(&way).await;
    assert_eq!(used.status, StatusCode::NOT_FOUND, "told before the way there: {used}");
}

/// Somebody without a password and a passkey loses the customer and nothing of their own, whoever ends their membership: the way in is theirs.
#[sqlx::test(migrations = "../../migrations")]
async fn whoever_comes_in_by_an_issuer_alone_and_is_no_member_any_more_comes_in_as_before(pool: PgPool) {
    let world = World::open_with(&pool, |options, acme| {
        options.accounts.sign_up = SignUpPolicy::Closed;
        acme.sign_up = SignUpPolicy::Closed;
    });
    let world = world.await;
    let mut owner = Doors::open(pool.clone()).await.browser();
    owner.sign_up("owner@example.com").await;
    let mut ada = world.doors.browser();
    let link = invite(&mut owner, json!({ "role": "editor" })).await;
    let way = format!("/sign-in/upstream/acme?invitation={}", link.rsplit('/').next().unwrap());
    assert_eq!(world.come_in_from(&mut ada, &way).await.status, StatusCode::SEE_OTHER);
    let account = ada.fetch("GET", "/api/v1/account", None).await.json();
    let (id, customer) = (user_id(&mut ada).await, account["customers"][0]["customer_id"].as_str().unwrap().to_owned());
    assert_eq!(account["customers"].as_array().map(Vec::len), Some(1), "the only one: {account}");

    for ending in ["they leave on the page", "they leave by the API", "the owner removes them"] {
        let ended = match ending {
            "they leave on the page" => ada.fill("/account", &format!("/account/customers/{customer}/leave"), &[]).await,
            "they leave by the API" => ada.fetch("DELETE", &format!("/api/v1/account/customers/{customer}"), None).await,
            _ => owner.fetch("DELETE", &format!("/api/v1/members/{id}"), None).await,
        };
        assert!(ended.status == StatusCode::NO_CONTENT || ended.header("location") == "/account?done=left", "{ending}: {ended}");

        // At once, and in another browser, where nobody else is let in.
        for browser in [&mut ada, &mut world.doors.browser()] {
            if browser.token().is_none() {
                let answer = world.come_in(browser).await;
                assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/account"), "{ending}: {answer}");
            }
            assert_eq!(user_id(browser).await, id, "{ending}: the same person");
            eventually(async || {
                let account = browser.clone().fetch("GET", "/api/v1/account", None).await.json();
                account["customers"] == json!([])
            })
            .await;
            assert_eq!(browser.get("/account").await.status, StatusCode::OK, "{ending}");
            assert_eq!(browser.fetch("GET", "/api/v1/servers", None).await.status, StatusCode::FORBIDDEN, "{ending}");
        }
        let identity = identities(&mut ada).await[0]["identity_id"].as_str().unwrap().to_owned();
        let last = ada.fetch("DELETE", &format!("/api/v1/account/identities/{identity}"), None).await;
        assert_eq!(last.status, StatusCode::CONFLICT, "{ending}: the last way in stays: {last}");
        // Invited once more, they are a member once more.
        join(&mut owner, &mut ada, "editor").await;
        eventually(async || ada.clone().fetch("GET", "/api/v1/servers", None).await.status == StatusCode::OK).await;
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn only_confirmed_addresses_of_the_domains_that_may_come_come(pool: PgPool) {
    let world = World::open_with(&pool, |_, acme| acme.email_domains = vec!["example.com".to_owned()]).await;
    for (claims, status) in [
        (json!({ "email": "ada@example.org" }), StatusCode::FORBIDDEN),
        (json!({ "email": "ada@evil.example.com" }), StatusCode::FORBIDDEN),
        (json!({ "email": "ada@example.com", "email_verified": null }), StatusCode::FORBIDDEN),
        (json!({ "email": "ada@example.com", "email_verified": false }), StatusCode::FORBIDDEN),
        (json!({ "email": null }), StatusCode::FORBIDDEN),
        (json!({}), StatusCode::SEE_OTHER),
        (json!({ "email": "ada@example.org" }), StatusCode::FORBIDDEN),
    ] {
        world.acme.change(|acme| acme.claims = claims.clone());
        let answer = world.come_in(&mut world.doors.browser()).await;
        assert_eq!(answer.status, status, "{claims}: {answer}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_address_is_asked_for_where_the_token_has_none_and_must_not_be_unconfirmed(pool: PgPool) {
    let world = World::open(&pool).await;
    world.acme.change(|acme| acme.claims = json!({ "email": null, "email_verified": null }));
    let without = world.come_in(&mut world.doors.browser()).await;
    assert!(without.status == StatusCode::FORBIDDEN && without.text.contains("did not tell your e-mail address"), "{without}");

    let asking = World::open(&pool).await;
    asking.acme.change(|acme| {
        acme.claims = json!({ "email": null });
        acme.user_info = Some(json!({ "email": "ada@example.com", "email_verified": false }));
    });
    let unconfirmed = asking.come_in(&mut asking.doors.browser()).await;
    asking.acme.change(|acme| acme.user_info = Some(json!({ "email": "eve@example.com", "sub": "somebody-else" })));
    let of_another = asking.come_in(&mut asking.doors.browser()).await;
    asking.acme.change(|acme| acme.user_info = Some(json!({ "email": "ada@example.com" })));
    let told = asking.come_in(&mut asking.doors.browser()).await;

    assert!(unconfirmed.text.contains("confirm it there"), "{unconfirmed}");
    assert!(of_another.text.contains("did not tell your e-mail address"), "{of_another}");
    assert_eq!(told.status, StatusCode::SEE_OTHER, "{told}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_issuer_that_takes_up_another_key_is_believed_at_once(pool: PgPool) {
    let world = World::open(&pool).await;
    world.come_in(&mut world.doors.browser()).await;

    world.acme.change(|acme| (acme.signing_key, acme.shown_keys) = (2, vec![2]));
    let after = world.come_in(&mut world.doors.browser()).await;
    assert_eq!((after.status, world.acme.asked("/jwks")), (StatusCode::SEE_OTHER, 2), "{after}");

    world.acme.change(|acme| acme.signing_key = 3);
    for _ in 0..3 {
        assert_eq!(world.come_in(&mut world.doors.browser()).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(world.acme.asked("/jwks"), 2, "tokens with keys that nobody knows do not make us ask more often");
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_issuer_that_is_away_is_told_of_and_what_it_said_last_is_believed_for_a_day(pool: PgPool) {
    let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let clock = Arc::new(SetClock::at(start));
    let world = World::open_with(&pool, |options, _| options.clock = Arc::clone(&clock) as Arc<dyn Clock>).await;
    let mut browser = world.doors.browser();
    world.acme.change(|acme| acme.is_away = true);

    let away = browser.get("/sign-in/upstream/acme").await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE, "{away}");
    assert!(away.text.contains("ACME cannot be reached") && !away.header("retry-after").is_empty(), "{away}");
    world.acme.change(|acme| acme.is_away = false);
    assert_eq!(
        browser.get("/sign-in/upstream/acme").await.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "left alone for some seconds"
    );
    clock.advance(TimeDelta::seconds(10));
    let back = world.acme.visit(&leave(&mut browser, "/sign-in/upstream/acme").await);

    world.acme.change(|acme| acme.is_away = true);
    assert_eq!(browser.get(&back).await.status, StatusCode::SERVICE_UNAVAILABLE);
    clock.advance(TimeDelta::hours(23));
    leave(&mut browser, "/sign-in/upstream/acme").await;
    clock.advance(TimeDelta::hours(2));
    assert_eq!(browser.get("/sign-in/upstream/acme").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[sqlx::test(migrations = "../../migrations")]
async fn where_no_issuer_is_named_there_is_no_button_and_no_way(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut browser = doors.browser();

    for page in ["/sign-in", "/sign-up"] {
        assert!(!browser.get(page).await.text.contains("/sign-in/upstream/"), "{page}");
    }
    for path in ["/sign-in/upstream/acme", "/sign-in/upstream/acme/callback?state=a&code=b"] {
        assert_eq!(browser.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    browser.sign_up("ada@example.com").await;
    assert!(!browser.get("/account").await.text.contains("Accounts that you sign in with"));
    let connect = browser.fill("/account", "/account/upstreams/acme/connect", &[("password", "x")]).await;
    assert_eq!(connect.status, StatusCode::NOT_FOUND, "{connect}");
}
