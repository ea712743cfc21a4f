//! The document that a client is known by (draft-ietf-oauth-client-id-metadata-document, section 4).

use serde::Deserialize;
use serde_json::Value;

use crate::{
    AuthMethod, ClientMetadata, ClientMetadataError, DocumentUrl, GrantType,
    client_metadata::{WireMetadata, from_object},
};

/// What stands at the address of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientDocument {
    /// What the client says of itself.
    pub metadata: ClientMetadata,
}

/// Why a document is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientDocumentError {
    /// It says that it is another client's.
    #[error("the document at `{0}` must name this address as its `client_id`")]
    OtherClient(String),
    /// Everybody can read it, so it cannot have a secret.
    #[error("a client metadata document must have no secret, and no way to prove itself with one")]
    Secret,
    /// It does not say what the client is called.
    #[error("a client metadata document must have a `client_name`")]
    NoName,
    /// What it says is not taken.
    #[error(transparent)]
    Metadata(#[from] ClientMetadataError),
}

impl ClientDocument {
    /// Bytes of a document, at most (section 8.7 of the draft).
    pub const BYTES_MAX: usize = 5 * 1024;

    /// Reads what was found at `url`.
    pub fn parse(url: &DocumentUrl, body: &[u8]) -> Result<Self, ClientDocumentError> {
        #[derive(Deserialize)]
        struct Document {
            client_id: String,
            client_secret: Option<Value>,
            client_secret_expires_at: Option<Value>,
            #[serde(flatten)]
            metadata: WireMetadata,
        }
        let mut document: Document = from_object(body, Self::BYTES_MAX)?;
        if document.client_id != url.as_str() {
            return Err(ClientDocumentError::OtherClient(url.as_str().to_owned()));
        }
        let method = document.metadata.token_endpoint_auth_method.get_or_insert_with(|| AuthMethod::None.as_str().to_owned());
        if method.starts_with("client_secret") || document.client_secret.is_some() || document.client_secret_expires_at.is_some()
        {
            return Err(ClientDocumentError::Secret);
        }
        document.metadata.leave_out(GrantType::ClientCredentials);
        let metadata = ClientMetadata::from_wire(document.metadata)?;
        if metadata.name.is_none() { Err(ClientDocumentError::NoName) } else { Ok(Self { metadata }) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::VerificationKeysError;

    const URL: &str = "https://app.test/client.json";

    fn parse(document: &Value) -> Result<ClientMetadata, ClientDocumentError> {
        ClientDocument::parse(&DocumentUrl::parse(URL).unwrap(), document.to_string().as_bytes())
            .map(|document| document.metadata)
    }

    fn with(name: &str, value: Value) -> Value {
        let mut document = json!({ "client_id": URL, "client_name": "App", "redirect_uris": ["http://127.0.0.1/cb"] });
        document[name] = value;
        document
    }

    #[test]
    fn client_id_metadata_document_section_4_1_a_document_is_of_a_public_client_if_it_does_not_say() {
        let metadata = parse(&with("client_uri", json!("https://app.test"))).unwrap();

        assert_eq!(metadata.auth_method, AuthMethod::None);
        assert_eq!(metadata.name.unwrap().as_str(), "App");
        assert_eq!(metadata.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
    }

    #[test]
    fn client_id_metadata_document_section_4_it_names_its_own_address_byte_by_byte() {
        for other in ["https://app.test/client.json/", "https://APP.test/client.json", "https://evil.test/client.json", ""] {
            assert_eq!(parse(&with("client_id", json!(other))), Err(ClientDocumentError::OtherClient(URL.to_owned())), "{other}");
        }
        assert!(matches!(
            parse(&with("client_id", Value::Null)),
            Err(ClientDocumentError::Metadata(ClientMetadataError::Form(_)))
        ));
    }

    #[test]
    fn client_id_metadata_document_section_4_1_it_has_no_secret() {
        for (name, value) in [
            ("client_secret", json!("hush")),
            ("client_secret_expires_at", json!(0)),
            ("token_endpoint_auth_method", json!("client_secret_basic")),
            ("token_endpoint_auth_method", json!("client_secret_post")),
            ("token_endpoint_auth_method", json!("client_secret_jwt")),
        ] {
            assert_eq!(parse(&with(name, value)), Err(ClientDocumentError::Secret), "{name}");
        }
        let private_key = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA" }] });
        let error = parse(&with("jwks", private_key)).unwrap_err();
        assert_eq!(error, ClientMetadataError::Keys(VerificationKeysError::Private).into());
    }

    #[test]
    fn client_id_metadata_document_section_8_7_it_has_5_kilobytes_at_most() {
        let body = with("x", json!("x".repeat(ClientDocument::BYTES_MAX)));

        assert!(matches!(parse(&body), Err(ClientDocumentError::Metadata(ClientMetadataError::TooLong { .. }))));
    }

    #[test]
    fn mcp_client_id_metadata_documents_have_a_name_and_redirect_uris() {
        assert_eq!(parse(&with("client_name", Value::Null)), Err(ClientDocumentError::NoName));
        assert_eq!(parse(&with("redirect_uris", json!([]))), Err(ClientMetadataError::NoRedirectUri.into()));
    }

    #[test]
    fn nobody_vouches_for_a_document_so_its_client_does_not_act_for_itself() {
        let metadata = parse(&with("grant_types", json!(["authorization_code", "client_credentials"]))).unwrap();

        assert_eq!(metadata.grant_types, [GrantType::AuthorizationCode]);
    }
}
