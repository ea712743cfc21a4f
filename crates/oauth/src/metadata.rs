//! The documents by which clients find their way.

use domain::{Scope, Scopes};
use serde::Serialize;

use crate::{AccessTokenClaims, AuthMethod, Endpoint, GrantType, Issuer, Resource, VerificationKey, scopes_of};

/// What the authorization server says of itself (RFC 8414, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    registration_endpoint: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    device_authorization_endpoint: String,
    jwks_uri: String,
    scopes_supported: Vec<String>,
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: [GrantType; 4],
    code_challenge_methods_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [AuthMethod; 3],
    token_endpoint_auth_signing_alg_values_supported: [&'static str; 4],
    revocation_endpoint_auth_methods_supported: [AuthMethod; 3],
    revocation_endpoint_auth_signing_alg_values_supported: [&'static str; 4],
    introspection_endpoint_auth_methods_supported: [AuthMethod; 2],
    introspection_endpoint_auth_signing_alg_values_supported: [&'static str; 4],
    authorization_response_iss_parameter_supported: bool,
    client_id_metadata_document_supported: bool,
}

/// The same for clients that look for OpenID Connect (OpenID Connect Discovery, section 3): with the members that they insist on. No ID
/// token is ever given out, and the scope `openid` is not named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenIdMetadata {
    #[serde(flatten)]
    server: ServerMetadata,
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
}

/// What a resource says of itself (RFC 9728, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceMetadata {
    resource: String,
    authorization_servers: [String; 1],
    scopes_supported: Vec<String>,
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<String>,
}

impl ServerMetadata {
    /// The last part of the document's address; see [`Issuer::well_known`].
    pub const WELL_KNOWN: &str = "oauth-authorization-server";

    /// The document of `issuer`.
    #[must_use]
    pub fn of(issuer: &Issuer) -> Self {
        let url = |endpoint: Endpoint| endpoint.url(issuer);
        Self {
            issuer: issuer.as_str().to_owned(),
            authorization_endpoint: url(Endpoint::Authorize),
            token_endpoint: url(Endpoint::Token),
            registration_endpoint: url(Endpoint::Register),
            revocation_endpoint: url(Endpoint::Revoke),
            introspection_endpoint: url(Endpoint::Introspect),
            device_authorization_endpoint: url(Endpoint::DeviceAuthorization),
            jwks_uri: url(Endpoint::Jwks),
            scopes_supported: words(&Scopes::of([Scope::McpTools]).with(&scopes_of(&Resource::Management))),
            response_types_supported: ["code"],
            response_modes_supported: ["query"],
            grant_types_supported: GrantType::ALL,
            code_challenge_methods_supported: ["S256"],
            token_endpoint_auth_methods_supported: AuthMethod::ALL,
            token_endpoint_auth_signing_alg_values_supported: VerificationKey::ALGORITHMS,
            revocation_endpoint_auth_methods_supported: AuthMethod::ALL,
            revocation_endpoint_auth_signing_alg_values_supported: VerificationKey::ALGORITHMS,
            introspection_endpoint_auth_methods_supported: [AuthMethod::ClientSecretBasic, AuthMethod::PrivateKeyJwt],
            introspection_endpoint_auth_signing_alg_values_supported: VerificationKey::ALGORITHMS,
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: true,
        }
    }
}

impl OpenIdMetadata {
    /// The last part of the document's address. It is looked for both where RFC 8414 puts it ([`Issuer::well_known`]) and after the
    /// issuer's path (OpenID Connect Discovery, section 4): [`OpenIdMetadata::url`].
    pub const WELL_KNOWN: &str = "openid-configuration";

    /// The document of `issuer`.
    #[must_use]
    pub fn of(issuer: &Issuer) -> Self {
        Self {
            server: ServerMetadata::of(issuer),
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: [AccessTokenClaims::ALGORITHM],
        }
    }

    /// Where OpenID Connect Discovery puts it.
    #[must_use]
    pub fn url(issuer: &Issuer) -> String {
        issuer.address("/.well-known/openid-configuration")
    }
}

impl ResourceMetadata {
    /// The document of `resource`; `name` is shown to people. Its address is [`Resource::metadata_url`].
    #[must_use]
    pub fn of(issuer: &Issuer, resource: &Resource, name: Option<String>) -> Self {
        Self {
            resource: resource.url(issuer),
            authorization_servers: [issuer.as_str().to_owned()],
            scopes_supported: words(&scopes_of(resource)),
            bearer_methods_supported: ["header"],
            resource_name: name,
        }
    }
}

fn words(scopes: &Scopes) -> Vec<String> {
    scopes.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn issuer() -> Issuer {
        Issuer::parse("https://as.test/tw/").unwrap()
    }

    fn server() -> Value {
        serde_json::to_value(ServerMetadata::of(&issuer())).unwrap()
    }

    #[test]
    fn rfc_8414_section_2_the_issuer_stands_there_without_trailing_slash() {
        assert_eq!(server()["issuer"], "https://as.test/tw");
        assert_eq!(issuer().well_known(ServerMetadata::WELL_KNOWN), "https://as.test/.well-known/oauth-authorization-server/tw");
    }

    #[test]
    fn rfc_8414_section_2_the_endpoints_stand_there() {
        for (member, path) in [
            ("authorization_endpoint", "/oauth/authorize"),
            ("token_endpoint", "/oauth/token"),
            ("registration_endpoint", "/oauth/register"),
            ("revocation_endpoint", "/oauth/revoke"),
            ("introspection_endpoint", "/oauth/introspect"),
            ("device_authorization_endpoint", "/oauth/device_authorization"),
            ("jwks_uri", "/oauth/jwks"),
        ] {
            assert_eq!(server()[member], format!("https://as.test/tw{path}"), "{member}");
        }
    }

    #[test]
    fn rfc_8414_section_2_what_is_supported_stands_there() {
        let server = server();

        assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(server["response_types_supported"], json!(["code"]));
        assert_eq!(server["response_modes_supported"], json!(["query"]));
        assert_eq!(
            server["grant_types_supported"],
            json!(["authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code"])
        );
        assert_eq!(server["token_endpoint_auth_methods_supported"], json!(["none", "client_secret_basic", "private_key_jwt"]));
        assert_eq!(
            server["scopes_supported"],
            json!(["mcp:tools", "servers:read", "servers:write", "executions:read", "members:write"])
        );
    }

    #[test]
    fn rfc_8414_section_2_signing_algorithms_stand_there_because_private_key_jwt_does_and_none_is_not_among_them() {
        for endpoint in ["token", "revocation", "introspection"] {
            let algorithms = &server()[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
            assert_eq!(*algorithms, json!(["ES256", "EdDSA", "RS256", "PS256"]));
        }
    }

    #[test]
    fn rfc_9207_section_3_the_issuer_in_the_answer_is_announced() {
        assert_eq!(server()["authorization_response_iss_parameter_supported"], true);
    }

    #[test]
    fn client_id_metadata_document_section_6_documents_are_announced() {
        assert_eq!(server()["client_id_metadata_document_supported"], true);
    }

    #[test]
    fn openid_connect_discovery_section_3_what_clients_insist_on_is_there_and_no_id_token_is_offered() {
        let document = serde_json::to_value(OpenIdMetadata::of(&issuer())).unwrap();

        for member in [
            "issuer",
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "response_types_supported",
            "subject_types_supported",
            "id_token_signing_alg_values_supported",
        ] {
            assert!(!document[member].is_null(), "{member}");
        }
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
        assert!(!document["scopes_supported"].as_array().unwrap().contains(&json!("openid")));
        assert_eq!(document["response_types_supported"], json!(["code"]));
        assert_eq!(OpenIdMetadata::url(&issuer()), "https://as.test/tw/.well-known/openid-configuration");
    }

    #[test]
    fn rfc_9728_section_2_the_document_of_a_server_names_it_exactly() {
        let resource = Resource::Server("demo".parse().unwrap());

        assert_eq!(
            serde_json::to_value(ResourceMetadata::of(&issuer(), &resource, Some("Demo".to_owned()))).unwrap(),
            json!({
                "resource": "https://as.test/tw/mcp/demo",
                "authorization_servers": ["https://as.test/tw"],
                "scopes_supported": ["mcp:tools"],
                "bearer_methods_supported": ["header"],
                "resource_name": "Demo",
            })
        );
    }
}
