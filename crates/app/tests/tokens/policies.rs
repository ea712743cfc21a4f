//! Whom an access policy lets in: when consent is given, when a client refreshes, and on every call.

use app::{
    catalogue, servers,
    tokens::authorize::{self, Refusal},
};
use domain::{AccessPolicy, MemberRole};
use sqlx::PgPool;

use super::*;

async fn set(scene: &Scene, access: AccessPolicy) {
    let change = servers::ServerChange { access: Some(access), ..servers::ServerChange::default() };
    let view = servers::change(scene.app(), &scene.customer.caller, &slug(SLUG), change).await.unwrap();
    assert_eq!(view.access, access);
}

async fn may_consent(scene: &Scene, person: &PersonCaller) -> bool {
    let asked = ask(scene.app(), &scene.client, &server(SLUG), "mcp:tools").await.unwrap();
    match authorize::offer(scene.app(), person, &asked).await {
        Ok(_) => true,
        Err(Refusal::Reply(location)) => {
            assert_eq!(parameter(&location, "error").as_deref(), Some("access_denied"));
            false
        }
        Err(refusal) => panic!("{refusal:?}"),
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn each_policy_lets_its_people_in(pool: PgPool) {
    use AccessPolicy::{Consent, Members, Owner, Public};
    let scene = Scene::set(&pool).await;
    let editor = person(&pool, Some((&scene.customer, MemberRole::Editor))).await;
    let viewer = person(&pool, Some((&scene.customer, MemberRole::Viewer))).await;
    let other = scene.test.customer("free").await;
    let stranger = person(&pool, Some((&other, MemberRole::Owner))).await;

    for (policy, lets_in) in [
        (Owner, [true, false, false, false, false]),
        (Members, [true, true, true, false, false]),
        (Consent, [true, true, true, true, false]),
        (Public, [true, true, true, true, true]),
    ] {
        set(&scene, policy).await;
        let mut seen = Vec::new();
        for person in [&scene.owner, &editor, &viewer, &stranger] {
            seen.push(may_consent(&scene, person).await);
        }
        seen.push(catalogue::load(scene.app(), &Caller::of(Who::Anyone), &slug(SLUG)).await.is_ok());

        assert_eq!(seen, lets_in, "{policy:?}");
        assert!(catalogue::load(scene.app(), &scene.customer.caller, &slug(SLUG)).await.is_ok(), "its keys, always");
        let others_key = catalogue::load(scene.app(), &other.caller, &slug(SLUG)).await;
        assert!(matches!(others_key, Err(AppError::NotFound { .. })), "no key of anybody else, ever");
    }
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_policy_that_is_narrowed_ends_calls_on_every_node_and_widened_lets_them_go_on(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let there = scene.node().await;
    let viewer = person(&pool, Some((&scene.customer, MemberRole::Viewer))).await;
    let asked = ask(scene.app(), &scene.client, &server(SLUG), "mcp:tools").await.unwrap();
    let code = allow(scene.app(), &viewer, &asked).await;
    let tokens = redeem(scene.app(), &scene.client, &code).await.unwrap();
    assert!(use_server(there.app(), &tokens.access).await.is_ok());

    set(&scene, AccessPolicy::Owner).await;

    assert!(is_refused(&scene.use_server(&tokens.access).await));
    assert!(within_a_second(async || is_refused(&use_server(there.app(), &tokens.access).await)).await);
    let refresh_token = tokens.refresh.unwrap();
    assert_eq!(told(refresh(scene.app(), &scene.client, &refresh_token).await), "invalid_grant");
    set(&scene, AccessPolicy::Members).await;
    assert!(scene.use_server(&tokens.access).await.is_ok());
    assert!(refresh(scene.app(), &scene.client, &refresh_token).await.is_ok(), "nothing was used up");
    scene.test.stop().await;
    there.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_member_who_is_removed_or_disabled_is_out_on_every_node(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let there = scene.node().await;
    for statement in ["DELETE FROM members WHERE user_id = $1", "UPDATE users SET disabled_at = now() WHERE user_id = $1"] {
        let member = person(&pool, Some((&scene.customer, MemberRole::Editor))).await;
        let asked = ask(scene.app(), &scene.client, &server(SLUG), "mcp:tools").await.unwrap();
        let code = allow(scene.app(), &member, &asked).await;
        let tokens = redeem(scene.app(), &scene.client, &code).await.unwrap();
        assert!(scene.use_server(&tokens.access).await.is_ok() && use_server(there.app(), &tokens.access).await.is_ok());

        sqlx::query(statement).bind(member.user.as_uuid()).execute(&pool).await.unwrap();

        for node in [scene.app(), there.app()] {
            assert!(within_a_second(async || is_refused(&use_server(node, &tokens.access).await)).await, "{statement}");
        }
        assert_eq!(told(refresh(scene.app(), &scene.client, &tokens.refresh.unwrap()).await), "invalid_grant");
    }
    scene.test.stop().await;
    there.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_server_that_one_may_not_use_answers_as_a_missing_one(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let stranger = person(&pool, None).await;
    let denied = async |resource: &str| {
        let asked = ask(scene.app(), &scene.client, resource, "mcp:tools").await.unwrap();
        let decision = authorize::Decision::Allow { scopes: asked.scopes.clone(), customer: None, pins_definitions: false };
        authorize::decide(scene.app(), &stranger, Whence::default(), &asked, decision).await.unwrap()
    };

    assert_eq!(denied(&server(SLUG)).await, denied(&server("absent")).await);
    for missing in [SLUG, "absent"] {
        assert!(is_refused(&catalogue::load(scene.app(), &Caller::of(Who::Anyone), &slug(missing)).await));
    }
    scene.test.stop().await;
}
