use app::{
    AppError, PageRequest, consents,
    tokens::authorize::{self},
};
use domain::{ConsentId, Digest};
use sqlx::PgPool;

use super::*;

#[sqlx::test(migrations = "../../migrations")]
async fn a_person_sees_what_was_allowed_and_takes_it_back_on_every_node(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let there = scene.node().await;
    let other = person(&pool, None).await;
    let first = scene.tokens("mcp:tools:add").await;
    scene.pass(5);
    let second = scene.tokens("mcp:tools:sub").await;
    let caller = Caller::of(Who::Person(scene.owner));
    let all = PageRequest::default();

    let listed = consents::list(scene.app(), &caller, &all).await.unwrap().items;
    let [consent] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!((consent.client_name.as_str(), consent.authorizations), ("A client", 2));
    assert_eq!(consent.scopes.to_string(), "mcp:tools:add mcp:tools:sub", "one consent, of all that was ever allowed");
    assert_eq!((consent.given_at, consent.last_used_at), (start(), Some(start() + TimeDelta::seconds(5))));
    let asked = ask(scene.app(), &scene.client, &server(SLUG), "mcp:tools").await.unwrap();
    let offer = authorize::offer(scene.app(), &scene.owner, &asked).await.unwrap();
    assert_eq!(offer.given.as_ref(), Some(&consent.scopes));

    let stranger = Caller::of(Who::Person(other));
    assert!(consents::list(scene.app(), &stranger, &all).await.unwrap().items.is_empty());
    for id in [consent.consent_id, ConsentId::new()] {
        let refused = consents::revoke(scene.app(), &stranger, id).await;
        assert!(matches!(refused, Err(AppError::NotFound { .. })), "another's is as a missing one");
    }
    for tokens in [&first, &second] {
        assert!(use_server(there.app(), &tokens.access).await.is_ok());
    }

    consents::revoke(scene.app(), &caller, consent.consent_id).await.unwrap();

    for tokens in [first, second] {
        assert!(is_refused(&scene.use_server(&tokens.access).await));
        assert!(within_a_second(async || is_refused(&use_server(there.app(), &tokens.access).await)).await);
        assert_eq!(told(refresh(scene.app(), &scene.client, &tokens.refresh.unwrap()).await), "invalid_grant");
    }
    scene.test.stop().await;
    there.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_use_is_known_to_the_minute_and_other_nodes_write_down_theirs(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let there = scene.node().await;
    let tokens = scene.tokens("mcp:tools").await;
    let last_used = async || {
        let listed = consents::list(scene.app(), &Caller::of(Who::Person(scene.owner)), &PageRequest::default()).await.unwrap();
        listed.items[0].last_used_at.map(|at| (at - start()).num_seconds())
    };
    assert_eq!(last_used().await, Some(0), "when its tokens were given out");

    scene.pass(65);
    scene.use_server(&tokens.access).await.unwrap();
    scene.pass(1);
    scene.use_server(&tokens.access).await.unwrap();
    assert_eq!(last_used().await, Some(65), "the second one is of the same minute");
    scene.pass(65);
    use_server(there.app(), &tokens.access).await.unwrap();
    assert_eq!(last_used().await, Some(65), "it is in the other node's memory yet");
    there.stop().await;
    assert_eq!(last_used().await, Some(131));

    let refused = tokens::authenticate(scene.app(), &tokens.access, Wanted::Management).await;
    assert!(is_refused(&refused));
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn whoever_leaves_takes_along_what_they_let_clients_look_after(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let other = person(&pool, Some((&scene.customer, MemberRole::Owner))).await;
    let resource = format!("{ISSUER}/api/v1");
    let asked = ask(scene.app(), &scene.client, &resource, "servers:read").await.unwrap();
    let decision = Decision::Allow { scopes: asked.scopes.clone(), customer: Some(scene.customer.id), pins_definitions: false };
    authorize::decide(scene.app(), &other, Whence::default(), &asked, decision).await.unwrap();
    let caller = Caller::of(Who::Person(other));
    let consents = async || consents::list(scene.app(), &caller, &PageRequest::default()).await.unwrap().items.len();
    assert_eq!(consents().await, 1);

    app::members::leave(scene.app(), &caller, scene.customer.id).await.unwrap();

    assert_eq!(consents().await, 0, "were they to come back one day, no client would come with them");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM authorizations").fetch_one(&pool).await.unwrap();
    assert_eq!(left, 0);
    let again = app::members::leave(scene.app(), &caller, scene.customer.id).await;
    assert!(matches!(again, Err(AppError::NotFound { .. })));
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn many_machines_with_one_client_are_bounded_and_the_oldest_makes_room(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let oldest = scene.tokens("mcp:tools").await;
    for _ in 0..store::authorizations::OF_CONSENT_MAX {
        scene.code("mcp:tools").await;
    }

    assert!(within_a_second(async || is_refused(&scene.use_server(&oldest.access).await)).await);
    let in_force: i64 =
        sqlx::query_scalar("SELECT count(*) FROM authorizations WHERE revoked_at IS NULL").fetch_one(&pool).await.unwrap();
    assert_eq!(in_force, store::authorizations::OF_CONSENT_MAX);
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_has_expired_does_not_count_as_in_force(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    scene.code("mcp:tools").await;
    let in_force = async || {
        let listed = consents::list(scene.app(), &Caller::of(Who::Person(scene.owner)), &PageRequest::default()).await.unwrap();
        listed.items[0].authorizations
    };
    assert_eq!(in_force().await, 1);

    scene.pass(3_600);

    assert_eq!(in_force().await, 0, "nobody redeemed the code in time");
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_that_registered_before_nobody_could_stays_while_it_is_used(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let options = TestOptions {
        clock: Arc::clone(&scene.clock) as _,
        oauth: app::OauthSettings { registration: app::Registration::Closed, ..app::OauthSettings::default() },
        ..TestOptions::default()
    };
    let closed = TestApp::start_with(&pool, options).await;

    let asked = ask(closed.app(), &scene.client, &server(SLUG), "mcp:tools").await.unwrap();
    allow(closed.app(), &scene.owner, &asked).await;
    scene.pass(2 * 86_400);

    assert!(clients::load(closed.app(), scene.client.id()).await.is_ok(), "it was used");
    scene.test.stop().await;
    closed.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_was_revoked_is_told_of_once_and_not_when_it_is_swept_away(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let revoked = scene.tokens("mcp:tools").await;
    let in_force = scene.tokens("mcp:tools").await;
    tokens::revoke(scene.app(), &scene.client, Whence::default(), &revoked.access).await.unwrap();
    let mut notices = sqlx::postgres::PgListener::connect_with(&pool).await.unwrap();
    notices.listen("toolwright_changes").await.unwrap();

    let of = |tokens: &Tokens| Digest::of(tokens.refresh.as_ref().unwrap().as_bytes()).as_bytes().to_vec();
    for tokens in [&revoked, &in_force] {
        sqlx::query(
            "DELETE FROM authorizations WHERE authorization_id = (SELECT authorization_id FROM refresh_tokens WHERE sha256 = $1)",
        )
        .bind(of(tokens))
        .execute(&pool)
        .await
        .unwrap();
    }
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM authorizations").fetch_one(&pool).await.unwrap();
    sqlx::query("SELECT pg_notify('toolwright_changes', 'end')").execute(&pool).await.unwrap();

    let mut heard = Vec::new();
    loop {
        let notice = notices.recv().await.unwrap().payload().to_owned();
        if notice == "end" {
            break;
        }
        heard.push(notice);
    }
    let ends = heard.iter().filter(|notice| notice.contains("\"authorizations\"")).count();
    assert_eq!((left, ends), (0, 1), "{heard:?}");
    scene.test.stop().await;
}
