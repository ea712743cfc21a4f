use app::{
    AppError, Audience, Who, calls, servers,
    tokens::{self, Asker, Wanted},
};
use domain::{MemberRole, ServerId};
use serde_json::json;
use sqlx::PgPool;
use testkit::request;

use super::*;

#[sqlx::test(migrations = "../../migrations")]
async fn a_token_is_for_one_server_and_nothing_else(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    scene.customer.create_server("other-server").await.unwrap();
    let token = scene.tokens("mcp:tools").await.access;

    for elsewhere in ["other-server", "absent"] {
        let refused = tokens::authenticate(scene.app(), &token, Wanted::Server(&slug(elsewhere))).await;
        assert!(is_refused(&refused), "{elsewhere}");
    }
    assert!(is_refused(&tokens::authenticate(scene.app(), &token, Wanted::Management).await));
    assert!(is_refused(&tokens::authenticate(scene.app(), &token, Wanted::Admin).await));
    let caller = scene.use_server(&token).await.unwrap();
    let refused = servers::load(scene.app(), &caller, &slug(SLUG)).await;
    assert!(matches!(refused, Err(AppError::Forbidden { .. })), "{refused:?}");
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_token_of_a_server_that_is_gone_is_worth_nothing(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let token = scene.tokens("mcp:tools").await;
    assert!(scene.use_server(&token.access).await.is_ok());

    servers::delete(scene.app(), &scene.customer.caller, &slug(SLUG)).await.unwrap();

    assert!(is_refused(&scene.use_server(&token.access).await));
    assert_eq!(told(refresh(scene.app(), &scene.client, &token.refresh.unwrap()).await), "invalid_grant");
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_token_of_some_tools_calls_these_and_is_told_what_it_needs_for_others(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let source = r#"import { tool } from "toolwright";
export default tool({ name: "add", description: "adds", input: { type: "object" }, run: () => 3 });"#;
    scene.customer.put(SLUG, "add", source).await.unwrap();
    scene.customer.put(SLUG, "sub", &source.replace("add", "sub")).await.unwrap();
    scene.customer.release(SLUG).await;
    let token = scene.tokens("mcp:tools:add").await.access;
    let caller = scene.use_server(&token).await.unwrap();
    let call = async |tool: &str| calls::call_tool(scene.app(), &caller, &slug(SLUG), request(tool, json!({}))).await;

    assert!(call("add").await.is_ok());
    for (other, all) in [("sub", "mcp:tools:add mcp:tools:sub"), ("absent", "mcp:tools:absent mcp:tools:add")] {
        match call(other).await {
            Err(AppError::Scope { needed }) => assert_eq!(needed.to_string(), all),
            answer => panic!("{answer:?}"),
        }
    }
    let (user, authorization): (Option<uuid::Uuid>, Option<uuid::Uuid>) = eventually_recorded(&pool).await;
    assert_eq!(user, Some(scene.owner.user.as_uuid()));
    assert_eq!(authorization, caller.authorization().map(domain::AuthorizationId::as_uuid));
    scene.test.stop().await;
}

async fn eventually_recorded(pool: &PgPool) -> (Option<uuid::Uuid>, Option<uuid::Uuid>) {
    for _ in 0..100 {
        let found = sqlx::query_as("SELECT user_id, authorization_id FROM executions").fetch_optional(pool).await.unwrap();
        if let Some(found) = found {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the call has no record");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_token_for_the_management_acts_for_one_customer_with_the_role_of_this_moment(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let second = scene.test.customer("free").await;
    join(&pool, &second, scene.owner.user, MemberRole::Viewer).await;
    let asked = ask(scene.app(), &scene.client, &format!("{ISSUER}/api/v1"), "servers:write").await.unwrap();
    let decide = async |customer| {
        let decision = authorize::Decision::Allow { scopes: asked.scopes.clone(), customer, pins_definitions: false };
        authorize::decide(scene.app(), &scene.owner, Whence::default(), &asked, decision).await.unwrap()
    };
    let undecided = decide(None).await;
    assert_eq!(parameter(&undecided, "error").as_deref(), Some("access_denied"), "of two customers one must be named");
    let stranger = scene.test.customer("free").await;
    assert!(parameter(&decide(Some(stranger.id)).await, "error").is_some());
    let code = parameter(&decide(Some(scene.customer.id)).await, "code").unwrap();
    let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", VERIFIER)];
    let token = exchange(scene.app(), &scene.client, &form).await.unwrap().access;

    let as_who = async || tokens::authenticate(scene.app(), &token, Wanted::Management).await;
    let caller = as_who().await.unwrap();
    assert!(servers::load(scene.app(), &Caller::of(caller), &slug(SLUG)).await.is_ok());
    assert!(is_refused(&scene.use_server(&token).await), "it is not for the server");

    sqlx::query("UPDATE members SET role = 'viewer' WHERE customer_id = $1")
        .bind(scene.customer.id.as_uuid())
        .execute(&pool)
        .await
        .unwrap();
    let is_viewer = async || {
        let Who::Token(token) = as_who().await.unwrap() else { panic!("no token") };
        matches!(token.audience, Audience::Management { role: MemberRole::Viewer, .. })
    };
    assert!(within_a_second(is_viewer).await);
    sqlx::query("DELETE FROM members WHERE customer_id = $1").bind(scene.customer.id.as_uuid()).execute(&pool).await.unwrap();
    assert!(within_a_second(async || is_refused(&as_who().await)).await);
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_gives_its_tokens_back_and_nobody_elses(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let there = scene.node().await;
    let other = register(scene.app()).await;
    for by_refresh_token in [true, false] {
        let tokens = scene.tokens("mcp:tools").await;
        let shown = if by_refresh_token { tokens.refresh.clone().unwrap() } else { tokens.access.clone() };
        assert!(use_server(there.app(), &tokens.access).await.is_ok());

        assert_eq!(told(tokens::revoke(scene.app(), &other, Whence::default(), &shown).await), "unauthorized_client");
        assert!(scene.use_server(&tokens.access).await.is_ok());
        tokens::revoke(scene.app(), &scene.client, Whence::default(), &shown).await.unwrap();

        assert!(is_refused(&scene.use_server(&tokens.access).await));
        assert!(within_a_second(async || is_refused(&use_server(there.app(), &tokens.access).await)).await);
        assert_eq!(told(refresh(scene.app(), &scene.client, &tokens.refresh.unwrap()).await), "invalid_grant");
        tokens::revoke(scene.app(), &scene.client, Whence::default(), &shown).await.unwrap();
    }
    tokens::revoke(scene.app(), &scene.client, Whence::default(), "unknown").await.unwrap();
    scene.test.stop().await;
    there.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_a_token_is_worth_is_told_to_those_who_may_know(pool: PgPool) {
    let mut scene = Scene::set(&pool).await;
    let client = confidential(scene.app()).await;
    let public = std::mem::replace(&mut scene.client, client);
    let stranger = scene.test.customer("free").await;
    let other = confidential(scene.app()).await;
    let tokens = scene.tokens("mcp:tools").await;
    let refresh_token = tokens.refresh.clone().unwrap();
    let ask = async |asker: Asker<'_>, token: &str| tokens::introspect(scene.app(), asker, token).await.unwrap();

    for asker in [Asker::Caller(&Who::Admin), Asker::Caller(&scene.customer.caller.who), Asker::Client(&scene.client)] {
        let access = ask(asker, &tokens.access).await.unwrap();
        assert_eq!((access.audience, access.is_access_token), (server(SLUG), true));
        assert_eq!(access.expires_at_s, start().timestamp() + 900);
        assert!(!ask(asker, &refresh_token).await.unwrap().is_access_token);
        assert_eq!(ask(asker, "unknown").await, None);
    }
    for asker in [Asker::Caller(&stranger.caller.who), Asker::Client(&other)] {
        assert_eq!(ask(asker, &tokens.access).await, None);
        assert_eq!(ask(asker, &refresh_token).await, None);
    }
    let refused = tokens::introspect(scene.app(), Asker::Caller(&Who::Anyone), &tokens.access).await;
    assert!(matches!(refused, Err(TokenFault::App(AppError::Forbidden { .. }))));
    let by_name_alone = tokens::introspect(scene.app(), Asker::Client(&public), &tokens.access).await;
    assert_eq!(told(by_name_alone), "invalid_client", "RFC 7662, section 2.1: anybody can say that name");
    refresh(scene.app(), &scene.client, &refresh_token).await.unwrap();
    assert_eq!(ask(Asker::Caller(&Who::Admin), &refresh_token).await, None, "it was used");
    scene.pass(900);
    assert_eq!(ask(Asker::Caller(&Who::Admin), &tokens.access).await, None, "it has expired");
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_token_that_was_checked_needs_no_database(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let token = scene.tokens("mcp:tools").await.access;
    let before = scene.use_server(&token).await.unwrap();

    scene.test.lose_database().await;

    assert_eq!(scene.use_server(&token).await.unwrap(), before);
    assert!(matches!(before.who, Who::Token(token) if token.audience != Audience::Server(ServerId::new())));
    scene.pass(900);
    assert!(is_refused(&scene.use_server(&token).await), "and is refused at its second all the same");
}
