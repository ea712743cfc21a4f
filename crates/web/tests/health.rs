//! `/health/live`, `/health/ready`, `/metrics`

use http::StatusCode;
use insta::assert_snapshot;
use sqlx::PgPool;

use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn a_node_that_can_work_says_so(pool: PgPool) {
    let anyone = Doors::open(pool).await.anyone();

    assert_snapshot!(anyone.get("/health/live").await, @r#"
    200 OK
    {
      "status": "live"
    }
    "#);
    assert_snapshot!(anyone.get("/health/ready").await, @r#"
    200 OK
    {
      "status": "ready"
    }
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_node_without_its_database_is_live_and_not_ready(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let anyone = doors.anyone();
    doors.lose_database().await;

    let ready = anyone.get("/health/ready").await;

    assert_eq!(anyone.get("/health/live").await.status, StatusCode::OK);
    assert_snapshot!(ready, @r#"
    503 Service Unavailable
    {
      "details": {},
      "error_code": "unavailable",
      "message": "the database is not available; try again in a few seconds",
      "request_id": "[id]"
    }
    "#);
    assert_eq!(ready.header("retry-after"), "5");
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_metrics_count_requests_by_route(pool: PgPool) {
    let doors = Doors::open(pool).await;
    doors.admin().get("/admin/v1/tiers/free").await;

    let metrics = doors.admin().get("/metrics").await;

    assert_eq!(metrics.status, StatusCode::OK);
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    assert!(metrics.text.contains("route=\"/admin/v1/tiers/{tier}\""), "{}", metrics.text);
    assert!(!metrics.text.contains("tiers/free"));
}

/// DB-2, DB-3: the pool of these tests is of four.
#[sqlx::test(migrations = "../../migrations")]
async fn the_metrics_tell_how_full_the_pool_is(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let admin = doors.admin();
    admin.get("/health/ready").await;

    let metrics = admin.get("/metrics").await.text;

    let level = |name: &str| -> u32 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
    };
    let open = level("toolwright_database_connections");
    assert_eq!(level("toolwright_database_connections_max"), 4);
    assert!((1..=4).contains(&open), "{open}");
    assert!(level("toolwright_database_connections_idle") <= open);
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_metrics_need_the_admin_key_where_the_setting_says_so(pool: PgPool) {
    let doors = Doors::open(pool).await;

    let anonymous = doors.anyone().get("/metrics").await;
    let customer = doors.customer("free").await.get("/metrics").await;

    assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED);
    assert_eq!(customer.status, StatusCode::FORBIDDEN);
}
