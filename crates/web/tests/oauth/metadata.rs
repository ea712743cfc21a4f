//! The documents by which clients find their way (RFC 8414, RFC 9728).

use http::StatusCode;
use serde_json::json;
use sqlx::PgPool;

use super::world::World;
use crate::client::Doors;

const ISSUER: &str = "http://127.0.0.1:8080";

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_8414_the_server_describes_itself_wherever_clients_look(pool: PgPool) {
    let doors = Doors::open(pool).await;

    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/mcp/weather",
        "/.well-known/openid-configuration/mcp/weather",
        "/mcp/weather/.well-known/openid-configuration",
    ] {
        let answer = doors.anyone().get(path).await;
        let metadata = answer.json();

        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(metadata["issuer"], ISSUER, "{path}: byte for byte, without a slash at its end");
        for (endpoint, wanted) in [
            ("authorization_endpoint", "/oauth/authorize"),
            ("token_endpoint", "/oauth/token"),
            ("registration_endpoint", "/oauth/register"),
            ("revocation_endpoint", "/oauth/revoke"),
            ("introspection_endpoint", "/oauth/introspect"),
            ("jwks_uri", "/oauth/jwks"),
        ] {
            assert_eq!(metadata[endpoint], format!("{ISSUER}{wanted}"), "{path}");
        }
        for (member, wanted) in [
            ("code_challenge_methods_supported", json!(["S256"])),
            ("response_types_supported", json!(["code"])),
            ("authorization_response_iss_parameter_supported", json!(true)),
            ("client_id_metadata_document_supported", json!(true)),
            ("token_endpoint_auth_methods_supported", json!(["none", "client_secret_basic", "private_key_jwt"])),
        ] {
            assert_eq!(metadata[member], wanted, "{path} {member}");
        }
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), "", "{path}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_9728_a_server_is_described_by_exactly_its_address(pool: PgPool) {
    let doors = Doors::open(pool).await;
    doors.customer_with_server().await;

    let there = doors.anyone().get("/.well-known/oauth-protected-resource/mcp/weather").await;
    let missing = doors.anyone().get("/.well-known/oauth-protected-resource/mcp/nowhere").await;

    assert_eq!(there.status, StatusCode::OK);
    assert_eq!(there.json()["resource"], format!("{ISSUER}/mcp/weather"));
    assert_eq!(there.json()["authorization_servers"], json!([ISSUER]));
    assert_eq!(there.json()["scopes_supported"], json!(["mcp:tools"]));
    assert_eq!(there.text.replace("weather", "nowhere"), missing.text, "it does not tell which servers there are (SEC-17)");
    assert_eq!(there.header("access-control-allow-origin"), "*");
    let malformed = doors.anyone().get("/.well-known/oauth-protected-resource/mcp/A").await;
    assert_eq!(
        (malformed.status, malformed.json()["error"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("invalid_request"))
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_9728_section_5_1_whoever_has_no_token_for_the_management_api_is_told_where_it_is_described(pool: PgPool) {
    let world = World::open(pool).await;
    let app = world.app().await;
    let for_the_server = world.tokens(&app).await;

    let unknown = world.doors.anyone().get("/api/v1/servers").await;
    let refused = world.doors.with_key(for_the_server["access_token"].as_str().unwrap()).get("/api/v1/servers").await;

    for answer in [unknown, refused] {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer}");
        let challenge = answer.header("www-authenticate");
        let address = challenge.split("resource_metadata=\"").nth(1).unwrap_or_else(|| panic!("{challenge}"));
        let path = address.split('"').next().unwrap().strip_prefix(ISSUER).unwrap();
        let described = world.doors.anyone().get(path).await;
        assert_eq!(described.status, StatusCode::OK, "{path}");
        assert_eq!(described.json()["resource"], format!("{ISSUER}/api/v1"));
    }
    assert_eq!(world.doors.anyone().get("/admin/v1/tiers").await.header("www-authenticate"), "Bearer realm=\"toolwright\"");
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_9728_the_management_api_is_described(pool: PgPool) {
    let described = Doors::open(pool).await.anyone().get("/.well-known/oauth-protected-resource/api/v1").await.json();

    assert_eq!(described["resource"], format!("{ISSUER}/api/v1"));
    assert_eq!(described["authorization_servers"], json!([ISSUER]));
    assert_eq!(described["scopes_supported"], json!(["servers:read", "servers:write", "executions:read", "members:write"]));
}
