use app::{
    AppError, PageRequest,
    customers::{self, NewCustomer},
};
use domain::CustomerId;
use sqlx::PgPool;
use testkit::TestApp;

#[sqlx::test(migrations = "../../migrations")]
async fn customers_are_made_shown_and_listed_newest_first(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let first = test.customer("free").await;
    let second = test.customer("pro").await;

    let shown = customers::load(test.app(), &test.admin(), first.id).await.unwrap();
    let one = PageRequest::new(None, Some(1)).unwrap();
    let page = customers::list(test.app(), &test.admin(), &one).await.unwrap();
    let next = PageRequest::new(page.next_cursor.clone(), Some(1)).unwrap();
    let last = customers::list(test.app(), &test.admin(), &next).await.unwrap();

    assert_eq!((shown.customer_id, shown.tier.as_str()), (first.id, "free"));
    assert_eq!(page.items[0].customer_id, second.id);
    assert_eq!((last.items[0].customer_id, last.next_cursor), (first.id, None));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_customer_of_a_tier_that_does_not_exist_is_refused(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let new = NewCustomer { name: "Example Ltd".parse().unwrap(), tier: "platinum".parse().unwrap() };

    let made = customers::create(test.app(), &test.admin(), new).await;
    let moved = customers::set_tier(test.app(), &test.admin(), test.customer("free").await.id, "platinum".parse().unwrap()).await;

    assert!(matches!(made, Err(AppError::Invalid { message, .. }) if message.contains("there is no tier `platinum`")));
    assert!(matches!(moved, Err(AppError::Invalid { .. })));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_customer_that_does_not_exist_is_not_found(pool: PgPool) {
    let test = TestApp::start(pool).await;

    let shown = customers::load(test.app(), &test.admin(), CustomerId::new()).await;
    let moved = customers::set_tier(test.app(), &test.admin(), CustomerId::new(), "pro".parse().unwrap()).await;

    assert!(matches!(shown, Err(AppError::NotFound { what: "customer", .. })));
    assert!(matches!(moved, Err(AppError::NotFound { what: "customer", .. })));
    test.stop().await;
}
