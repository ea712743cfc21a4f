use app::{
    AppError, PageRequest, Who, api_keys,
    tokens::{self, Wanted},
};
use domain::{ApiKeyId, CustomerId};
use sqlx::PgPool;
use testkit::{TestApp, TestOptions};

use crate::sources::eventually;

#[sqlx::test(migrations = "../../migrations")]
async fn a_key_is_shown_once_and_opens_as_its_customer(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;

    let found = tokens::authenticate(test.app(), &customer.api_key, Wanted::Management).await;
    let stored: Vec<u8> = sqlx::query_scalar("SELECT sha256 FROM api_keys").fetch_one(&pool).await.unwrap();

    assert_eq!(found.unwrap(), customer.caller.who);
    assert!(customer.api_key.starts_with("tw_") && customer.api_key.len() == 46, "{}", customer.api_key);
    assert_eq!(stored, domain::Digest::of(customer.api_key.as_bytes()).as_bytes(), "only its digest is kept");
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_no_key_opens_nothing(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let unknown = format!("tw_{}", "A".repeat(43));

    for bearer in ["", "tw_", "changeme", &unknown, &unknown[..45], &format!("{unknown}A"), "tw_ä"] {
        let found = tokens::authenticate(test.app(), bearer, Wanted::Management).await;

        assert!(matches!(found, Err(AppError::Unauthenticated)), "{bearer}");
    }
    assert_eq!(tokens::authenticate(test.app(), test.admin_key(), Wanted::Management).await.unwrap(), Who::Admin);
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_deleted_key_opens_nothing_at_once_here_and_soon_on_other_nodes(pool: PgPool) {
    let here = TestApp::start_with(&pool, TestOptions::default()).await;
    let there = TestApp::start_with(&pool, TestOptions::default()).await;
    let customer = here.customer("free").await;
    let api_key = customer.caller.api_key().unwrap();
    assert!(tokens::authenticate(here.app(), &customer.api_key, Wanted::Management).await.is_ok());
    assert!(tokens::authenticate(there.app(), &customer.api_key, Wanted::Management).await.is_ok());

    api_keys::delete(here.app(), &here.admin(), customer.id, api_key).await.unwrap();

    assert!(matches!(
        tokens::authenticate(here.app(), &customer.api_key, Wanted::Management).await,
        Err(AppError::Unauthenticated)
    ));
    eventually(async || tokens::authenticate(there.app(), &customer.api_key, Wanted::Management).await.err()).await;
    let again = api_keys::delete(here.app(), &here.admin(), customer.id, api_key).await;
    assert!(matches!(again, Err(AppError::NotFound { what: "API key", .. })));
    here.stop().await;
    there.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn keys_are_listed_without_their_text_and_only_under_their_customer(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    let other = test.customer("free").await;
    let api_key = customer.caller.api_key().unwrap();

    let listed = api_keys::list(test.app(), &test.admin(), customer.id, &PageRequest::default()).await.unwrap();
    let elsewhere = api_keys::load(test.app(), &test.admin(), other.id, api_key).await;
    let nowhere = api_keys::list(test.app(), &test.admin(), CustomerId::new(), &PageRequest::default()).await;
    let unknown = api_keys::load(test.app(), &test.admin(), customer.id, ApiKeyId::new()).await;

    assert_eq!(listed.items.len(), 1);
    assert_eq!(listed.items[0], api_keys::load(test.app(), &test.admin(), customer.id, api_key).await.unwrap());
    assert!(matches!(elsewhere, Err(AppError::NotFound { .. })));
    assert!(matches!(nowhere, Err(AppError::NotFound { what: "customer", .. })));
    assert!(matches!(unknown, Err(AppError::NotFound { .. })));
    test.stop().await;
}
