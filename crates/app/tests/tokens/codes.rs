use app::tokens::authorize::{self, Decision, Refusal};
use domain::Scopes;
use oauth::{AuthorizationRequest, AuthorizeFault};
use sqlx::PgPool;

use super::*;

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_that_was_let_in_gets_tokens_that_open_the_server(pool: PgPool) {
    let scene = Scene::set(&pool).await;

    let tokens = scene.tokens("mcp:tools").await;

    assert_eq!((tokens.scope.as_str(), tokens.expires_in_s), ("mcp:tools", 900));
    let claims = claims(&tokens.access);
    assert_eq!((claims["iss"].as_str(), claims["aud"].as_str()), (Some(ISSUER), Some(server(SLUG).as_str())));
    assert_eq!(claims["sub"].as_str().unwrap(), scene.owner.user.to_string());
    assert_eq!(claims["client_id"].as_str().unwrap(), scene.client.id().to_string());
    let caller = scene.use_server(&tokens.access).await.unwrap();
    assert_eq!(caller.user(), Some(scene.owner.user));
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_answer_goes_to_the_client_with_its_state_and_the_issuer(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let asked = ask(scene.app(), &scene.client, &server(SLUG), "mcp:tools").await.unwrap();

    let yes = Decision::Allow { scopes: asked.scopes.clone(), customer: None, pins_definitions: false };
    let yes = authorize::decide(scene.app(), &scene.owner, Whence::default(), &asked, yes).await.unwrap();
    let no = authorize::decide(scene.app(), &scene.owner, Whence::default(), &asked, Decision::Deny).await.unwrap();
    let nothing = Decision::Allow { scopes: Scopes::default(), customer: None, pins_definitions: false };
    let nothing = authorize::decide(scene.app(), &scene.owner, Whence::default(), &asked, nothing).await.unwrap();

    for (location, error) in [(&yes, None), (&no, Some("access_denied")), (&nothing, Some("access_denied"))] {
        assert!(location.starts_with(CALLBACK), "{location}");
        assert_eq!(parameter(location, "state").as_deref(), Some("the state"));
        assert_eq!(parameter(location, "iss").as_deref(), Some(ISSUER));
        assert_eq!(parameter(location, "error").as_deref(), error);
        assert_eq!(parameter(location, "code").is_some(), error.is_none());
    }
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_code_is_for_its_client_verifier_address_and_resource(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let other = register(scene.app()).await;
    let right = [("grant_type", "authorization_code"), ("code_verifier", VERIFIER), ("redirect_uri", CALLBACK)];
    let attempt = async |client: &Authenticated, code: &str, changed: (&str, &str)| {
        let mut form: Vec<(&str, &str)> = right.into_iter().filter(|(name, _)| *name != changed.0).collect();
        form.extend([("code", code), changed]);
        exchange(scene.app(), client, &form).await
    };
    let wrong_verifier = "0".repeat(43);

    let code = scene.code("mcp:tools").await;
    assert_eq!(told(attempt(&other, &code, ("redirect_uri", CALLBACK)).await), "invalid_grant");
    assert_eq!(told(attempt(&scene.client, &code, ("resource", &server("other-server"))).await), "invalid_target");
    assert!(attempt(&scene.client, &code, ("redirect_uri", CALLBACK)).await.is_ok(), "neither of them harms the client");

    for changed in [("code_verifier", wrong_verifier.as_str()), ("redirect_uri", "http://127.0.0.1:7777/other")] {
        let code = scene.code("mcp:tools").await;
        assert_eq!(told(attempt(&scene.client, &code, changed).await), "invalid_grant", "{changed:?}");
        assert_eq!(told(redeem(scene.app(), &scene.client, &code).await), "invalid_grant", "it is burnt");
    }
    assert_eq!(told(redeem(scene.app(), &scene.client, &"A".repeat(43)).await), "invalid_grant");
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_code_expires_at_its_second(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let (early, late) = (scene.code("mcp:tools").await, scene.code("mcp:tools").await);

    scene.pass(59);
    assert!(redeem(scene.app(), &scene.client, &early).await.is_ok());
    scene.pass(1);
    assert_eq!(told(redeem(scene.app(), &scene.client, &late).await), "invalid_grant");
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_code_that_comes_again_ends_what_came_of_it(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let there = scene.node().await;
    let code = scene.code("mcp:tools").await;
    let tokens = redeem(scene.app(), &scene.client, &code).await.unwrap();
    assert!(use_server(there.app(), &tokens.access).await.is_ok());

    assert_eq!(told(redeem(scene.app(), &scene.client, &code).await), "invalid_grant");

    assert!(is_refused(&scene.use_server(&tokens.access).await));
    assert!(within_a_second(async || is_refused(&use_server(there.app(), &tokens.access).await)).await);
    assert_eq!(told(refresh(scene.app(), &scene.client, &tokens.refresh.unwrap()).await), "invalid_grant");
    scene.test.stop().await;
    there.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn whoever_finds_a_used_code_without_its_verifier_ends_nothing(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let code = scene.code("mcp:tools").await;
    let tokens = redeem(scene.app(), &scene.client, &code).await.unwrap();
    let verifier = "0".repeat(43);
    let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", verifier.as_str())];

    assert_eq!(told(exchange(scene.app(), &scene.client, &form).await), "invalid_grant");

    assert!(scene.use_server(&tokens.access).await.is_ok());
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_address_that_is_not_the_clients_is_never_sent_to(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let evil = query(&scene.client, &server(SLUG), "mcp:tools").replace("callback", "evil");
    let request = AuthorizationRequest::parse(scene.app().issuer(), &evil).unwrap();
    assert!(matches!(authorize::begin(scene.app(), &request).await, Err(Refusal::Page(_))));

    let malformed = evil.replace("response_type=code", "response_type=token");
    let fault = AuthorizationRequest::parse(scene.app().issuer(), &malformed).unwrap_err();
    assert!(matches!(fault, AuthorizeFault::Reply { .. }));
    assert!(matches!(authorize::refuse(scene.app(), fault).await, Refusal::Page(_)));

    let own = query(&scene.client, &server(SLUG), "mcp:tools").replace("response_type=code", "response_type=token");
    let fault = AuthorizationRequest::parse(scene.app().issuer(), &own).unwrap_err();
    match authorize::refuse(scene.app(), fault).await {
        Refusal::Reply(location) => {
            assert_eq!(parameter(&location, "error").as_deref(), Some("unsupported_response_type"));
        }
        refusal => panic!("{refusal:?}"),
    }
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_that_is_not_known_and_a_request_without_resource_are_refused(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let known = query(&scene.client, &server(SLUG), "mcp:tools");
    let unknown = known.replace(&scene.client.id().to_string(), &uuid::Uuid::now_v7().to_string());
    let request = AuthorizationRequest::parse(scene.app().issuer(), &unknown).unwrap();
    assert!(matches!(authorize::begin(scene.app(), &request).await, Err(Refusal::Client(_))));

    let without = known.replace("&resource=", "&other=");
    let request = AuthorizationRequest::parse(scene.app().issuer(), &without).unwrap();
    match authorize::begin(scene.app(), &request).await {
        Err(Refusal::Reply(location)) => assert_eq!(parameter(&location, "error").as_deref(), Some("invalid_target")),
        other => panic!("{other:?}"),
    }
    scene.test.stop().await;
}
