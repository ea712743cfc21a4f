use sqlx::PgPool;

use super::*;

#[sqlx::test(migrations = "../../migrations")]
async fn a_refresh_token_gives_another_and_a_new_access_token(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let first = scene.tokens("mcp:tools").await;
    scene.pass(900);
    assert!(is_refused(&scene.use_server(&first.access).await), "to the second");

    let second = refresh(scene.app(), &scene.client, first.refresh.as_ref().unwrap()).await.unwrap();

    assert!(second.refresh.is_some() && second.refresh != first.refresh);
    assert!(scene.use_server(&second.access).await.is_ok());
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn within_the_window_a_used_token_gives_the_same_successor_again(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let first = scene.tokens("mcp:tools").await.refresh.unwrap();
    let second = refresh(scene.app(), &scene.client, &first).await.unwrap();

    scene.pass(29);
    let again = refresh(scene.app(), &scene.client, &first).await.unwrap();

    assert_eq!(again.refresh, second.refresh);
    assert!(scene.use_server(&again.access).await.is_ok());
    assert!(refresh(scene.app(), &scene.client, &second.refresh.unwrap()).await.is_ok());
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_used_token_that_comes_after_the_window_ends_the_family_on_every_node(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let there = scene.node().await;
    let first = scene.tokens("mcp:tools").await.refresh.unwrap();
    let second = refresh(scene.app(), &scene.client, &first).await.unwrap();
    assert!(use_server(there.app(), &second.access).await.is_ok());

    scene.pass(30);
    assert_eq!(told(refresh(scene.app(), &scene.client, &first).await), "invalid_grant");

    assert!(is_refused(&scene.use_server(&second.access).await));
    assert!(within_a_second(async || is_refused(&use_server(there.app(), &second.access).await)).await);
    assert_eq!(told(refresh(there.app(), &scene.client, &second.refresh.unwrap()).await), "invalid_grant");
    scene.test.stop().await;
    there.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_token_before_the_last_is_a_replay_even_within_the_window(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let first = scene.tokens("mcp:tools").await.refresh.unwrap();
    let second = refresh(scene.app(), &scene.client, &first).await.unwrap().refresh.unwrap();
    let third = refresh(scene.app(), &scene.client, &second).await.unwrap();

    assert_eq!(told(refresh(scene.app(), &scene.client, &first).await), "invalid_grant");
    assert!(is_refused(&scene.use_server(&third.access).await));
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_refresh_may_ask_for_less_and_never_for_more(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let given = scene.tokens("mcp:tools:add mcp:tools:sub").await;
    assert_eq!(given.scope, "mcp:tools:add mcp:tools:sub");
    let ask = async |token: &str, scope: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)];
        exchange(scene.app(), &scene.client, &form).await
    };
    let token = given.refresh.unwrap();

    assert_eq!(told(ask(&token, "mcp:tools").await), "invalid_scope");
    let less = ask(&token, "mcp:tools:add").await.unwrap();
    assert_eq!(less.scope, "mcp:tools:add");
    assert_eq!(claims(&less.access)["scope"].as_str(), Some("mcp:tools:add"));
    let all = ask(&less.refresh.unwrap(), "").await.unwrap();
    assert_eq!(all.scope, "mcp:tools:add mcp:tools:sub", "only the access token had less (RFC 6749, section 6)");
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_refresh_token_is_for_its_client_and_resource(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let other = register(scene.app()).await;
    let token = scene.tokens("mcp:tools").await.refresh.unwrap();
    let elsewhere = server("other-server");
    let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("resource", elsewhere.as_str())];

    assert_eq!(told(refresh(scene.app(), &other, &token).await), "invalid_grant");
    assert_eq!(told(exchange(scene.app(), &scene.client, &form).await), "invalid_target");
    assert!(refresh(scene.app(), &scene.client, &token).await.is_ok(), "neither of them harms the client");
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_family_ends_when_it_is_idle_and_in_any_case_at_its_end(pool: PgPool) {
    const DAY_S: i64 = 24 * 3600;
    let scene = Scene::set(&pool).await;
    let idle = scene.tokens("mcp:tools").await.refresh.unwrap();
    let mut used = scene.tokens("mcp:tools").await.refresh.unwrap();

    for days in [29, 29, 29, 29, 29, 29] {
        scene.pass(days * DAY_S);
        used = refresh(scene.app(), &scene.client, &used).await.unwrap().refresh.unwrap();
    }

    assert_eq!(told(refresh(scene.app(), &scene.client, &idle).await), "invalid_grant");
    scene.pass(6 * DAY_S);
    assert_eq!(told(refresh(scene.app(), &scene.client, &used).await), "invalid_grant", "after 180 days its user is asked again");
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn whoever_reads_the_database_finds_no_token(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let code = scene.code("mcp:tools").await;
    let first = redeem(scene.app(), &scene.client, &code).await.unwrap();
    let second = refresh(scene.app(), &scene.client, first.refresh.as_ref().unwrap()).await.unwrap();

    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT row_to_json(authorization_codes)::text FROM authorization_codes
        UNION ALL SELECT row_to_json(refresh_tokens)::text FROM refresh_tokens
        UNION ALL SELECT row_to_json(authorizations)::text FROM authorizations
        UNION ALL SELECT row_to_json(clients)::text FROM clients
        UNION ALL SELECT row_to_json(signing_keys)::text FROM signing_keys",
    )
    .fetch_all(&pool)
    .await
    .unwrap();

    assert_eq!(rows.len(), 6);
    for secret in [&code, &first.access, first.refresh.as_ref().unwrap(), second.refresh.as_ref().unwrap()] {
        assert!(!rows.iter().any(|row| row.contains(secret)), "{secret}");
    }
    scene.test.stop().await;
}
