//! `/admin/v1/breakers` and `/admin/v1/egress`

use http::StatusCode;
use insta::assert_snapshot;
use serde_json::json;
use sqlx::PgPool;

use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn an_operator_decides_on_hosts_and_takes_it_back(pool: PgPool) {
    let admin = Doors::open(pool).await.admin();
    for (host, state) in [("b.example.com", "closed"), ("a.example.com", "open")] {
        let set = admin.put(&format!("/admin/v1/breakers/{host}"), json!({ "state": state })).await;
        assert_eq!(set.json(), json!({ "host": host, "state": state }));
    }

    let first = admin.get("/admin/v1/breakers?limit=1").await;
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let second = admin.get(&format!("/admin/v1/breakers?limit=1&cursor={cursor}")).await;

    assert_snapshot!(first, @r#"
    200 OK
    {
      "items": [
        {
          "failures": 0,
          "host": "a.example.com",
          "refused": 0,
          "state": "forced_open",
          "successes": 0
        }
      ],
      "next_cursor": "/a.example.com"
    }
    "#);
    assert_eq!(second.json()["items"][0]["host"], "b.example.com");
    assert_eq!(second.json()["items"][0]["state"], "forced_closed");
    for host in ["a.example.com", "b.example.com"] {
        admin.put(&format!("/admin/v1/breakers/{host}"), json!({ "state": "automatic" })).await;
    }
    assert_eq!(admin.get("/admin/v1/breakers").await.json()["items"], json!([]));
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_no_host_or_no_state_is_refused(pool: PgPool) {
    let admin = Doors::open(pool).await.admin();

    for (path, body) in [
        ("/admin/v1/breakers/*.example.com", json!({ "state": "open" })),
        ("/admin/v1/breakers/127.0.0.1", json!({ "state": "open" })),
        ("/admin/v1/breakers/a.example.com", json!({ "state": "half_open" })),
        ("/admin/v1/breakers/a.example.com", json!({})),
    ] {
        let refused = admin.put(path, body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {refused}");
    }
    assert_eq!(admin.get("/admin/v1/breakers?cursor=nonsense").await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_tools_did_outside_is_counted_by_kind(pool: PgPool) {
    let doors = Doors::open(pool).await;

    let shown = doors.admin().get("/admin/v1/egress").await;
    let metrics = doors.admin().get("/metrics").await;

    assert_snapshot!(shown, @r#"
    200 OK
    {
      "breakers_open": 0,
      "bytes_received": 0,
      "bytes_sent": 0,
      "connections_idle": 0,
      "connections_opened": 0,
      "connections_reused": 0,
      "errors": {
        "connect": 0,
        "ended": 0,
        "limit": 0,
        "open": 0,
        "protocol": 0,
        "refused": 0,
        "resolve": 0,
        "server_error": 0,
        "time_out": 0,
        "tls": 0
      },
      "requests": 0,
      "requests_in_flight": 0
    }
    "#);
    assert!(metrics.to_string().contains("toolwright_egress_errors_total{kind=\"open\"} 0"), "{metrics}");
}
