use http::StatusCode;
use sqlx::PgPool;

use super::{World, identities, leave, user_id};
use crate::{
    accounts::browser::{Browser, PASSWORD, csrf},
    client::Answer,
};

const ANOTHER: &str = "kettle orbit mantle fog";

/// Sends the form that connects acme; where its page leads.
async fn begin(browser: &mut Browser, password: &str) -> Result<String, Answer> {
    let answer = browser.fill("/account", "/account/upstreams/acme/connect", &[("password", password)]).await;
    let Some((_, rest)) = answer.text.split_once("<a class=\"button full\" href=\"") else { return Err(answer) };
    Ok(rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&"))
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_address_opens_no_account_until_the_issuer_is_connected_to_it(pool: PgPool) {
    let world = World::open(&pool).await;
    let (mut ada, mut other) = (world.doors.browser(), world.doors.browser());
    ada.sign_up("ada@example.com").await;

    let refused = world.come_in(&mut other).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused}");
    assert!(refused.text.contains("connect ACME on the page of your account"), "{refused}");
    assert!(!other.is_signed_in().await);

    assert_eq!(begin(&mut ada, "not my password").await.unwrap_err().status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(begin(&mut ada, "").await.unwrap_err().status, StatusCode::FORBIDDEN);
    let location = begin(&mut ada, PASSWORD).await.unwrap_or_else(|answer| panic!("{answer}"));
    assert!(location.contains("prompt=login") && location.contains("max_age=60"), "{location}");
    let connected = ada.get(&world.acme.visit(&location)).await;
    assert_eq!(connected.header("location"), "/account?done=connected", "{connected}");
    assert_eq!(world.come_in(&mut other).await.status, StatusCode::SEE_OTHER);

    assert_eq!(user_id(&mut ada).await, user_id(&mut other).await);
    let id = identities(&mut ada).await[0]["identity_id"].as_str().unwrap().to_owned();
    let action = format!("/account/identities/{id}/disconnect");
    assert_eq!(ada.post(&action, &[]).await.status, StatusCode::FORBIDDEN, "not without the token of the form");
    let disconnected = ada.fill("/account", &action, &[]).await;
    assert_eq!(disconnected.header("location"), "/account?done=disconnected", "{disconnected}");
    assert_eq!(world.come_in(&mut world.doors.browser()).await.status, StatusCode::CONFLICT);
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_last_way_in_stays(pool: PgPool) {
    let world = World::open(&pool).await;
    let mut ada = world.doors.browser();
    world.come_in(&mut ada).await;
    let id = identities(&mut ada).await[0]["identity_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/account/identities/{id}");

    let by_password = world.doors.browser().sign_in("ada@example.com", "").await;
    assert_eq!(by_password.status, StatusCode::UNPROCESSABLE_ENTITY, "{by_password}");
    assert!(by_password.text.contains("The e-mail address or the password is not right"), "{by_password}");
    let refused = ada.fetch("DELETE", &path, None).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused}");
    let on_page = ada.fill("/account", &format!("/account/identities/{id}/disconnect"), &[]).await;
    assert!(on_page.status == StatusCode::CONFLICT && on_page.text.contains("last way to sign in"), "{on_page}");

    let set = ada.fill("/account", "/account/password", &[("next", ANOTHER)]).await;
    assert_eq!(set.header("location"), "/account?done=password", "{set}");
    let deleted = ada.fetch("DELETE", &path, None).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted}");
    assert_eq!(ada.fetch("DELETE", &path, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.doors.browser().sign_in("ada@example.com", ANOTHER).await.status, StatusCode::SEE_OTHER);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_first_password_is_given_by_who_signed_in_just_now(pool: PgPool) {
    let world = World::open(&pool).await;
    let mut ada = world.doors.browser();
    world.come_in(&mut ada).await;
    sqlx::query("UPDATE sign_ins SET authenticated_at = authenticated_at - interval '11 minutes'").execute(&pool).await.unwrap();

    let refused = ada.fill("/account", "/account/password", &[("next", ANOTHER)]).await;
    assert!(refused.status == StatusCode::FORBIDDEN && refused.text.contains("sign in once more"), "{refused}");
    world.come_in_from(&mut ada, "/sign-in/upstream/acme?again=yes").await;

    assert_eq!(ada.fill("/account", "/account/password", &[("next", ANOTHER)]).await.status, StatusCode::SEE_OTHER);
}

#[sqlx::test(migrations = "../../migrations")]
async fn it_is_connected_to_the_account_of_who_began_and_to_no_other(pool: PgPool) {
    let world = World::open(&pool).await;
    let (mut browser, mut eve) = (world.doors.browser(), world.doors.browser());
    browser.sign_up("ada.password@example.com").await;
    eve.sign_up("eve@example.com").await;
    let location = begin(&mut browser, PASSWORD).await.unwrap_or_else(|answer| panic!("{answer}"));
    let back = world.acme.visit(&location);

    // Somebody else is signed in in this browser by now.
    browser.cookies.insert("toolwright".to_owned(), eve.token().unwrap().to_owned());
    let refused = browser.get(&back).await;
    assert!(refused.status == StatusCode::FORBIDDEN && refused.text.contains("not signed in as you were"), "{refused}");
    assert!(identities(&mut eve).await.is_empty());

    world.come_in(&mut world.doors.browser()).await;
    let location = begin(&mut eve, PASSWORD).await.unwrap_or_else(|answer| panic!("{answer}"));
    let taken = eve.get(&world.acme.visit(&location)).await;
    assert!(taken.status == StatusCode::CONFLICT && taken.text.contains("connected to another account"), "{taken}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn nobody_connects_an_issuer_by_a_page_of_theirs_or_by_a_way_in(pool: PgPool) {
    let world = World::open(&pool).await;
    let (mut ada, mut eve) = (world.doors.browser(), world.doors.browser());
    ada.sign_up("ada.password@example.com").await;
    eve.sign_up("eve@example.com").await;
    let token = csrf(&eve.get("/account").await);

    for fields in [&[("password", PASSWORD)][..], &[("password", PASSWORD), ("csrf", &token)]] {
        let refused = ada.post("/account/upstreams/acme/connect", fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused}");
    }
    // What was begun as a sign-in ends as one: the account that is there is left, and nothing is connected to it.
    let before = user_id(&mut ada).await;
    let back = world.acme.visit(&leave(&mut ada, "/sign-in/upstream/acme?again=yes").await);
    ada.get(&back).await;

    assert_ne!(user_id(&mut ada).await, before);
    let mut again = world.doors.browser();
    again.sign_in("ada.password@example.com", PASSWORD).await;
    assert_eq!((user_id(&mut again).await, identities(&mut again).await.len()), (before, 0));
}
