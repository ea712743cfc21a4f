//! An issuer that is to ask again who somebody is, and one that lets in whom it knows (OpenID Connect Core 1.0, sections 3.1.2.1 and 3.1.3.7).

use domain::{Clock as _, SystemClock};
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{World, leave};
use crate::{accounts::browser::Browser, client::Answer};

const ANOTHER: &str = "kettle orbit mantle fog";
const AGAIN: &str = "/sign-in/upstream/acme?again=yes";

/// Makes acme say that somebody showed who they are so many seconds ago; null, that it says nothing.
fn say(world: &World, auth_time: &Value) {
    world.acme.change(|acme| acme.claims = json!({ "auth_time": auth_time }));
}

fn seconds_ago(seconds: i64) -> Value {
    json!(SystemClock.now().timestamp() - seconds)
}

/// Gives whoever is signed in a first password, which takes that they have just shown who they are.
async fn set_password(browser: &mut Browser) -> Answer {
    browser.fill("/account", "/account/password", &[("next", ANOTHER)]).await
}

/// Somebody whom the installation knows, in a browser of their own, by an issuer that did not ask them.
async fn known(world: &World) -> Browser {
    world.come_in(&mut world.doors.browser()).await;
    let mut browser = world.doors.browser();
    assert_eq!(world.come_in(&mut browser).await.status, StatusCode::SEE_OTHER);
    browser
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_came_in_without_being_asked_has_shown_nothing_however_new_the_sign_in_is(pool: PgPool) {
    let world = World::open(&pool).await;
    let mut ada = known(&world).await;

    let refused = set_password(&mut ada).await;
    let asked = leave(&mut ada, AGAIN).await;
    world.come_in_from(&mut ada, AGAIN).await;
    let set = set_password(&mut ada).await;

    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused}");
    assert!(refused.text.contains("sign in once more"), "{refused}");
    assert!(asked.contains("prompt=login") && asked.contains("max_age=60"), "{asked}");
    assert_eq!(set.header("location"), "/account?done=password", "{set}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_showed_it_just_now_need_not_do_it_again(pool: PgPool) {
    let world = World::open(&pool).await;
    known(&world).await;
    for (auth_time, status) in [
        (seconds_ago(9 * 60), StatusCode::SEE_OTHER),
        (seconds_ago(11 * 60), StatusCode::FORBIDDEN),
        (seconds_ago(-600), StatusCode::FORBIDDEN),
    ] {
        say(&world, &auth_time);
        let mut ada = world.doors.browser();
        assert_eq!(world.come_in(&mut ada).await.status, StatusCode::SEE_OTHER, "{auth_time}: they may come in");

        let answer = set_password(&mut ada).await;

        assert_eq!(answer.status, status, "{auth_time}: {answer}");
        sqlx::query("UPDATE users SET password = NULL").execute(&pool).await.unwrap();
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_issuer_that_did_not_ask_again_is_not_believed(pool: PgPool) {
    let world = World::open(&pool).await;
    let mut ada = known(&world).await;
    let mut bob = world.doors.browser();
    bob.sign_up("bob@example.com").await;
    // It must say when, since it was asked with `max_age` and says that it knows the claim: whoever took that out of the address gains nothing.
    for auth_time in [seconds_ago(24 * 3600), seconds_ago(5 * 60), seconds_ago(-600), Value::Null] {
        say(&world, &auth_time);

        let refused = world.come_in_from(&mut ada, AGAIN).await;
        let connecting = connect(&mut bob, &world).await;

        for answer in [refused, connecting] {
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{auth_time}: {answer}");
            assert!(answer.text.contains("without asking again who you are"), "{auth_time}: {answer}");
        }
    }
    say(&world, &seconds_ago(30));
    assert_eq!(world.come_in_from(&mut ada, AGAIN).await.status, StatusCode::SEE_OTHER, "its clock may be behind ours");
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_issuer_that_does_not_know_the_claim_is_believed_that_it_asked(pool: PgPool) {
    let world = World::open(&pool).await;
    world.acme.change(|acme| acme.discovery = json!({ "claims_supported": ["sub", "email"] }));
    let mut ada = known(&world).await;
    say(&world, &Value::Null);
    assert_eq!(set_password(&mut ada).await.status, StatusCode::FORBIDDEN, "it was not asked to");

    let again = world.come_in_from(&mut ada, AGAIN).await;

    assert_eq!(again.status, StatusCode::SEE_OTHER, "{again}");
    assert_eq!(set_password(&mut ada).await.status, StatusCode::SEE_OTHER);
}

/// Sends the form that connects acme, and comes back from there.
async fn connect(browser: &mut Browser, world: &World) -> Answer {
    let password = crate::accounts::browser::PASSWORD;
    let page = browser.fill("/account", "/account/upstreams/acme/connect", &[("password", password)]).await;
    let (_, rest) = page.text.split_once("<a class=\"button full\" href=\"").unwrap_or_else(|| panic!("{page}"));
    let location = rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    browser.get(&world.acme.visit(&location)).await
}
