//! How clients register (RFC 7591), and change what they registered (RFC 7592).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ClientId, ClientMetadata, ClientMetadataError, Endpoint, ErrorDescription, GrantType, Issuer, Secret,
    client_metadata::{WireMetadata, from_object},
};

/// Bytes of a registration, at most: with keys inline and all addresses it is far below.
const BODY_BYTES_MAX: usize = 32 * 1024;

/// A client that wants to be known (RFC 7591, section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// What it says of itself.
    pub metadata: ClientMetadata,
}

/// A client that wants to be known otherwise (RFC 7592, section 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationUpdate {
    /// What it says of itself now: all of it, not a change.
    pub metadata: ClientMetadata,
    /// The secret that it has, if it says so; another one cannot be chosen.
    pub secret: Option<Secret>,
}

/// What a client is told about itself (RFC 7591, section 3.2.1; RFC 7592, section 3). It holds secrets: sent once, with `no-store`.
#[derive(Clone, Serialize)]
pub struct ClientInformation {
    client_id: String,
    client_id_issued_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    registration_access_token: String,
    registration_client_uri: String,
    #[serde(flatten)]
    metadata: ClientMetadata,
}

/// The body of an error (RFC 7591, section 3.2.2). Status 400.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{description}")]
pub struct RegistrationError {
    /// For the program.
    #[serde(rename = "error")]
    pub code: RegistrationErrorCode,
    /// For its developer.
    #[serde(rename = "error_description")]
    pub description: ErrorDescription,
}

/// Codes of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationErrorCode {
    /// An address that no browser is sent to, or none.
    InvalidRedirectUri,
    /// Anything else.
    InvalidClientMetadata,
}

impl Registration {
    /// Reads the body of a registration. Nobody vouches for such a client, so it cannot act for itself: `client_credentials` are left out.
    pub fn parse(body: &[u8]) -> Result<Self, RegistrationError> {
        let wire: WireMetadata = from_object(body, BODY_BYTES_MAX)?;
        Ok(Self { metadata: registrable(wire)? })
    }
}

impl RegistrationUpdate {
    /// Reads the body of an update of the client `id` (RFC 7592, section 2.2).
    pub fn parse(body: &[u8], id: Uuid) -> Result<Self, RegistrationError> {
        #[derive(Deserialize)]
        struct Update {
            client_id: String,
            client_secret: Option<String>,
            #[serde(flatten)]
            metadata: WireMetadata,
        }
        let update: Update = from_object(body, BODY_BYTES_MAX)?;
        if update.client_id != ClientId::Registered(id).to_string() {
            return Err(refused("`client_id` must be the client's own"));
        }
        Ok(Self { metadata: registrable(update.metadata)?, secret: update.client_secret.as_deref().map(Secret::shown) })
    }
}

impl ClientInformation {
    /// What the client `id` is told. `access_token` lets it change what it registered (RFC 7592, section 3).
    #[must_use]
    pub fn new(issuer: &Issuer, id: Uuid, issued_at: DateTime<Utc>, access_token: &Secret, metadata: ClientMetadata) -> Self {
        Self {
            client_id: id.to_string(),
            client_id_issued_at: issued_at.timestamp(),
            client_secret: None,
            client_secret_expires_at: None,
            registration_access_token: access_token.reveal().to_owned(),
            registration_client_uri: format!("{}/{id}", Endpoint::Register.url(issuer)),
            metadata,
        }
    }

    /// With a secret, which stays right until `expires_at`; `None` is for ever.
    #[must_use]
    pub fn with_secret(mut self, secret: &Secret, expires_at: Option<DateTime<Utc>>) -> Self {
        self.client_secret = Some(secret.reveal().to_owned());
        self.client_secret_expires_at = Some(expires_at.map_or(0, |at| at.timestamp()));
        self
    }
}

impl std::fmt::Debug for ClientInformation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ClientInformation").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl From<ClientMetadataError> for RegistrationError {
    fn from(error: ClientMetadataError) -> Self {
        let code = match error {
            ClientMetadataError::RedirectUri(_)
            | ClientMetadataError::NoRedirectUri
            | ClientMetadataError::TooManyRedirectUris => RegistrationErrorCode::InvalidRedirectUri,
            _ => RegistrationErrorCode::InvalidClientMetadata,
        };
        Self { code, description: ErrorDescription::new(&error.to_string()) }
    }
}

fn registrable(mut wire: WireMetadata) -> Result<ClientMetadata, ClientMetadataError> {
    wire.leave_out(GrantType::ClientCredentials);
    ClientMetadata::from_wire(wire)
}

fn refused(description: &str) -> RegistrationError {
    RegistrationError { code: RegistrationErrorCode::InvalidClientMetadata, description: ErrorDescription::new(description) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(body: &Value) -> Result<Registration, RegistrationError> {
        Registration::parse(body.to_string().as_bytes())
    }

    fn id() -> Uuid {
        Uuid::from_u128(7)
    }

    #[test]
    fn rfc_7591_section_3_2_1_the_answer_says_all_that_was_registered() {
        let issuer = Issuer::parse("https://as.test").unwrap();
        let metadata = parse(&json!({ "redirect_uris": ["https://app.test/cb"] })).unwrap().metadata;
        let issued_at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let information = ClientInformation::new(&issuer, id(), issued_at, &Secret::shown("rat"), metadata)
            .with_secret(&Secret::shown("cs"), None);

        assert_eq!(
            serde_json::to_value(&information).unwrap(),
            json!({
                "client_id": "00000000-0000-0000-0000-000000000007",
                "client_id_issued_at": 1_800_000_000,
                "client_secret": "cs",
                "client_secret_expires_at": 0,
                "registration_access_token": "rat",
                "registration_client_uri": "https://as.test/oauth/register/00000000-0000-0000-0000-000000000007",
                "redirect_uris": ["https://app.test/cb"],
                "token_endpoint_auth_method": "client_secret_basic",
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
            })
        );
        assert!(!format!("{information:?}").contains("rat"));
    }

    #[test]
    fn rfc_7591_section_3_2_2_errors_have_their_codes() {
        for (body, code) in [
            (json!({}), "invalid_redirect_uri"),
            (json!({ "redirect_uris": ["http://app.test/cb"] }), "invalid_redirect_uri"),
            (json!({ "redirect_uris": "https://app.test/cb" }), "invalid_client_metadata"),
            (json!({ "redirect_uris": ["https://app.test/cb"], "grant_types": ["implicit"] }), "invalid_client_metadata"),
            (json!([]), "invalid_client_metadata"),
        ] {
            let error = parse(&body).unwrap_err();
            assert_eq!(serde_json::to_value(error).unwrap()["error"], code, "{body}");
        }
        assert!(Registration::parse(b"{").is_err());
    }

    #[test]
    fn a_registration_is_bounded() {
        let body = json!({ "redirect_uris": ["https://app.test/cb"], "x": "x".repeat(BODY_BYTES_MAX) });

        assert!(parse(&body).unwrap_err().description.as_str().contains("limit"));
    }

    #[test]
    fn rfc_6749_section_4_4_nobody_registers_to_act_for_itself() {
        let both =
            json!({ "redirect_uris": ["https://app.test/cb"], "grant_types": ["authorization_code", "client_credentials"] });

        assert_eq!(parse(&both).unwrap().metadata.grant_types, [GrantType::AuthorizationCode]);
        assert!(parse(&json!({ "grant_types": ["client_credentials"] })).is_err());
    }

    #[test]
    fn rfc_7592_section_2_2_an_update_is_of_the_client_itself() {
        let update = |client_id: &str| {
            let body = json!({ "client_id": client_id, "client_secret": "cs", "redirect_uris": ["https://app.test/cb"] });
            RegistrationUpdate::parse(body.to_string().as_bytes(), id())
        };

        assert_eq!(update(&id().to_string()).unwrap().secret.unwrap().reveal(), "cs");
        assert!(update("00000000-0000-0000-0000-000000000008").is_err());
        assert!(RegistrationUpdate::parse(br#"{"redirect_uris":["https://app.test/cb"]}"#, id()).is_err());
    }
}
