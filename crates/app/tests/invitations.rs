//! Invitations at the bound of how many may be open.

use app::{
    AppError, Caller, Who,
    invitations::{self, NewInvitation},
};
use domain::MemberRole;
use futures_util::future::join_all;
use sqlx::PgPool;
use testkit::TestApp;

#[sqlx::test(migrations = "../../migrations")]
async fn many_at_one_time_on_two_nodes_make_no_more_than_may_be_open(pool: PgPool) {
    let (here, there) = (TestApp::start(pool.clone()).await, TestApp::start(pool.clone()).await);
    let customer = here.customer("free").await;
    let admin = Caller::of(Who::Admin);
    let invite = async |test: &TestApp| {
        let new = NewInvitation { role: MemberRole::Viewer, email: None };
        invitations::create_for(test.app(), &admin, customer.id, new).await
    };

    for round in 0..5 {
        sqlx::query(
            "INSERT INTO invitations (invitation_id, customer_id, role, sha256, created_at, expires_at)
            SELECT gen_random_uuid(), $1, 'viewer', sha256(convert_to($2 || number::text, 'UTF8')), now() - interval '2 days', now() + interval '1 day'
            FROM generate_series(1, 98) AS number",
        )
        .bind(customer.id.as_uuid())
        .bind(format!("round {round} "))
        .execute(&pool)
        .await
        .unwrap();

        let made = join_all((0..16).map(|number| invite(if number % 2 == 0 { &here } else { &there }))).await;

        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM invitations").fetch_one(&pool).await.unwrap();
        assert_eq!(open, 100, "round {round}");
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 2);
        assert!(made.iter().all(|made| matches!(made, Ok(_) | Err(AppError::Conflict { .. }))), "{made:?}");
        sqlx::query("DELETE FROM invitations").execute(&pool).await.unwrap();
    }
    here.stop().await;
    there.stop().await;
}
