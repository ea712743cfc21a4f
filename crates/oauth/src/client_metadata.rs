//! What a client says of itself (RFC 7591, section 2), checked.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::{AuthMethod, ClientName, GrantType, RedirectUri, RedirectUriError, VerificationKeys, VerificationKeysError};

/// A client's metadata. Its JSON is that of RFC 7591, and reading it checks it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireMetadata", into = "WireMetadata")]
pub struct ClientMetadata {
    /// Where browsers may be sent back to: 1 to [`ClientMetadata::REDIRECT_URIS_MAX`] for a client that gets codes.
    pub redirect_uris: Vec<RedirectUri>,
    /// How the client proves to be itself.
    pub auth_method: AuthMethod,
    /// What it may ask for tokens with: one at least, each once.
    pub grant_types: Vec<GrantType>,
    /// What it calls itself.
    pub name: Option<ClientName>,
    /// Pages and pictures of it: https addresses. Nothing here fetches them.
    pub pages: ClientPages,
    /// The keys that it signs statements with: there if the method is `private_key_jwt`, and not otherwise.
    pub keys: Option<ClientKeys>,
    /// Which program it is, in its maker's words.
    pub software: ClientSoftware,
}

/// Addresses that a client names for people to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientPages {
    /// About the client.
    pub client_uri: Option<Url>,
    /// Its picture.
    pub logo_uri: Option<Url>,
    /// Its terms.
    pub tos_uri: Option<Url>,
    /// What it does with data.
    pub policy_uri: Option<Url>,
}

/// The public keys of a client that acts for itself: either, or neither of one that gets a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineKeys {
    /// The set itself (RFC 7517).
    pub jwks: Option<Value>,
    /// The https address of the set.
    pub jwks_uri: Option<String>,
}

/// Which program a client is: each at most [`ClientMetadata::SOFTWARE_BYTES_MAX`] bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientSoftware {
    /// The same for all copies of the program.
    pub id: Option<String>,
    /// Which release of it.
    pub version: Option<String>,
}

/// Where the keys of a client are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientKeys {
    /// Here (`jwks`).
    Inline(VerificationKeys),
    /// At an https address (`jwks_uri`).
    At(Url),
}

/// Why metadata are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientMetadataError {
    /// They have not the form of metadata.
    #[error("the metadata cannot be read: {0}")]
    Form(String),
    /// More bytes than are read.
    #[error("the metadata have {bytes} bytes, the limit is {bytes_max}")]
    TooLong {
        /// How many there are.
        bytes: usize,
        /// How many are read.
        bytes_max: usize,
    },
    /// An address that no browser is sent to.
    #[error(transparent)]
    RedirectUri(#[from] RedirectUriError),
    /// None, for a client that gets codes.
    #[error("`redirect_uris` must have one address at least")]
    NoRedirectUri,
    /// Too many.
    #[error("`redirect_uris` may have {count_max} addresses", count_max = ClientMetadata::REDIRECT_URIS_MAX)]
    TooManyRedirectUris,
    /// A way to prove itself that is not taken.
    #[error("`token_endpoint_auth_method` must be `none`, `client_secret_basic` or `private_key_jwt`")]
    AuthMethod,
    /// No grant type that is served.
    #[error("`grant_types` must have one of those that the metadata of the authorization server name")]
    GrantTypes,
    /// A client without proof that wants to act for itself (RFC 6749, section 4.4).
    #[error("`client_credentials` are only for a client that proves to be itself")]
    PublicClientCredentials,
    /// No codes, though it wants to get tokens with them.
    #[error("`response_types` must have `code` for the grant type `authorization_code`")]
    ResponseTypes,
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] VerificationKeysError),
    /// No keys, or two places of them.
    #[error("`private_key_jwt` needs either `jwks` or `jwks_uri`, an https address")]
    KeyPlaces,
    /// The name of a client that acts for itself is not one.
    #[error(
        "`name` must have 1 to {} characters, none of them hidden, and none of them blank at either end",
        ClientName::CHARS_MAX
    )]
    Name,
    /// The name of the program or of its release is too long, or has what nobody sees.
    #[error("`software_id` and `software_version` may have {bytes_max} bytes, and no control characters", bytes_max = ClientMetadata::SOFTWARE_BYTES_MAX)]
    Software,
}

impl ClientMetadata {
    /// Addresses to send browsers back to, at most.
    pub const REDIRECT_URIS_MAX: usize = 16;
    /// Bytes of an address in the metadata, at most.
    pub const ADDRESS_BYTES_MAX: usize = 1024;
    /// Bytes of `software_id` and of `software_version`, at most.
    pub const SOFTWARE_BYTES_MAX: usize = 128;

    /// Whether the client may ask for tokens with `grant_type`.
    #[must_use]
    pub fn allows(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }

    /// Whether the client gets a secret when it registers.
    #[must_use]
    pub fn needs_secret(&self) -> bool {
        self.auth_method == AuthMethod::ClientSecretBasic
    }

    /// Whether every address that the client gets codes at is on the machine of whoever uses it: then nothing shows who it is, and the consent
    /// page warns.
    #[must_use]
    pub fn is_only_on_the_machine_itself(&self) -> bool {
        self.redirect_uris.iter().all(|uri| uri.is_loopback() || uri.is_private_use())
    }

    /// A client that acts for itself: it gets no codes, and asks for `client_credentials` alone. With keys it proves itself by `private_key_jwt`,
    /// without by a secret.
    pub fn of_machine(name: &str, keys: MachineKeys) -> Result<Self, ClientMetadataError> {
        let has_keys = keys.jwks.is_some() || keys.jwks_uri.is_some();
        let method = if has_keys { AuthMethod::PrivateKeyJwt } else { AuthMethod::ClientSecretBasic };
        let metadata = Self::from_wire(WireMetadata {
            token_endpoint_auth_method: Some(method.as_str().to_owned()),
            grant_types: Some(vec![GrantType::ClientCredentials.as_str().to_owned()]),
            client_name: Some(name.to_owned()),
            jwks: keys.jwks,
            jwks_uri: keys.jwks_uri,
            ..WireMetadata::default()
        })?;
        let is_taken = metadata.name.as_ref().is_some_and(|taken| taken.as_str() == name);
        if is_taken { Ok(metadata) } else { Err(ClientMetadataError::Name) }
    }

    pub(crate) fn from_wire(wire: WireMetadata) -> Result<Self, ClientMetadataError> {
        let auth_method = wire.token_endpoint_auth_method.as_deref().map_or(Ok(AuthMethod::ClientSecretBasic), auth_method)?;
        let grant_types = grant_types(wire.grant_types, auth_method)?;
        let gets_codes = grant_types.contains(&GrantType::AuthorizationCode);
        if gets_codes && wire.response_types.is_some_and(|types| !types.iter().any(|own| own == "code")) {
            return Err(ClientMetadataError::ResponseTypes);
        }
        let software = ClientSoftware { id: wire.software_id, version: wire.software_version };
        if [&software.id, &software.version]
            .into_iter()
            .flatten()
            .any(|text| text.len() > Self::SOFTWARE_BYTES_MAX || text.contains(char::is_control))
        {
            return Err(ClientMetadataError::Software);
        }
        if let Some(jwks) = &wire.jwks {
            VerificationKeys::check_that_all_are_public(jwks)?;
        }
        Ok(Self {
            redirect_uris: redirect_uris(&wire.redirect_uris.unwrap_or_default(), &grant_types)?,
            auth_method,
            name: wire.client_name.as_deref().and_then(ClientName::read),
            pages: ClientPages {
                client_uri: wire.client_uri.as_ref().and_then(page),
                logo_uri: wire.logo_uri.as_ref().and_then(page),
                tos_uri: wire.tos_uri.as_ref().and_then(page),
                policy_uri: wire.policy_uri.as_ref().and_then(page),
            },
            keys: if auth_method == AuthMethod::PrivateKeyJwt { Some(keys(wire.jwks, wire.jwks_uri)?) } else { None },
            grant_types,
            software,
        })
    }
}

/// The members of RFC 7591, section 2, that are understood; others are passed over, as it asks for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct WireMetadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_uris: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_endpoint_auth_method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tos_uri: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_uri: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_version: Option<String>,
}

impl WireMetadata {
    /// As if `grant_type` were not among those that are asked for.
    pub(crate) fn leave_out(&mut self, grant_type: GrantType) {
        if let Some(asked) = &mut self.grant_types {
            asked.retain(|own| own != grant_type.as_str());
        }
    }
}

impl TryFrom<WireMetadata> for ClientMetadata {
    type Error = ClientMetadataError;

    fn try_from(wire: WireMetadata) -> Result<Self, ClientMetadataError> {
        Self::from_wire(wire)
    }
}

impl From<ClientMetadata> for WireMetadata {
    fn from(metadata: ClientMetadata) -> Self {
        let text = |url: Option<Url>| url.map(|url| Value::from(String::from(url)));
        let gets_codes = metadata.allows(GrantType::AuthorizationCode);
        let (jwks, jwks_uri) = match metadata.keys {
            None => (None, None),
            Some(ClientKeys::Inline(keys)) => (Some(keys.into()), None),
            Some(ClientKeys::At(url)) => (None, Some(url.into())),
        };
        Self {
            redirect_uris: Some(metadata.redirect_uris.iter().map(ToString::to_string).collect()),
            token_endpoint_auth_method: Some(metadata.auth_method.as_str().to_owned()),
            grant_types: Some(metadata.grant_types.iter().map(|grant_type| grant_type.as_str().to_owned()).collect()),
            response_types: Some(if gets_codes { vec!["code".to_owned()] } else { Vec::new() }),
            client_name: metadata.name.map(|name| name.as_str().to_owned()),
            client_uri: text(metadata.pages.client_uri),
            logo_uri: text(metadata.pages.logo_uri),
            tos_uri: text(metadata.pages.tos_uri),
            policy_uri: text(metadata.pages.policy_uri),
            jwks,
            jwks_uri,
            software_id: metadata.software.id,
            software_version: metadata.software.version,
        }
    }
}

/// Reads a JSON object of `bytes_max` bytes at most. (What is derived would read an array as well, as the members in their order.)
pub(crate) fn from_object<'a, Body: Deserialize<'a>>(body: &'a [u8], bytes_max: usize) -> Result<Body, ClientMetadataError> {
    if body.len() > bytes_max {
        return Err(ClientMetadataError::TooLong { bytes: body.len(), bytes_max });
    }
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(ClientMetadataError::Form("they must be a JSON object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| ClientMetadataError::Form(error.to_string()))
}

/// RFC 7591, section 3.2.1, lets a server put another value in the place of one that it does not take: the answer says so. A client that asks
/// to send its secret in the body is told to send it in the header.
fn auth_method(text: &str) -> Result<AuthMethod, ClientMetadataError> {
    match text {
        "client_secret_post" => Ok(AuthMethod::ClientSecretBasic),
        _ => AuthMethod::ALL.into_iter().find(|method| method.as_str() == text).ok_or(ClientMetadataError::AuthMethod),
    }
}

/// Grant types that are not served here are left out, and the answer says so. A client that names none gets what most need.
fn grant_types(asked: Option<Vec<String>>, auth_method: AuthMethod) -> Result<Vec<GrantType>, ClientMetadataError> {
    let Some(asked) = asked else { return Ok(vec![GrantType::AuthorizationCode, GrantType::RefreshToken]) };
    let served: Vec<_> =
        GrantType::ALL.into_iter().filter(|grant_type| asked.iter().any(|own| own == grant_type.as_str())).collect();
    if served.iter().all(|grant_type| *grant_type == GrantType::RefreshToken) {
        return Err(ClientMetadataError::GrantTypes);
    }
    if auth_method == AuthMethod::None && served.contains(&GrantType::ClientCredentials) {
        return Err(ClientMetadataError::PublicClientCredentials);
    }
    Ok(served)
}

fn redirect_uris(texts: &[String], grant_types: &[GrantType]) -> Result<Vec<RedirectUri>, ClientMetadataError> {
    if texts.len() > ClientMetadata::REDIRECT_URIS_MAX {
        return Err(ClientMetadataError::TooManyRedirectUris);
    }
    if texts.is_empty() && grant_types.contains(&GrantType::AuthorizationCode) {
        return Err(ClientMetadataError::NoRedirectUri);
    }
    Ok(texts.iter().map(|text| text.parse()).collect::<Result<_, RedirectUriError>>()?)
}

/// What cannot be shown safely is left out: nothing depends on it.
fn page(value: &Value) -> Option<Url> {
    https(value.as_str()?)
}

fn https(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= ClientMetadata::ADDRESS_BYTES_MAX)?;
    let plain = url.scheme() == "https" && url.has_host() && url.username().is_empty() && url.password().is_none();
    plain.then_some(url)
}

fn keys(jwks: Option<Value>, jwks_uri: Option<String>) -> Result<ClientKeys, ClientMetadataError> {
    match (jwks, jwks_uri) {
        (Some(jwks), None) => Ok(ClientKeys::Inline(VerificationKeys::parse(&jwks)?)),
        (None, Some(text)) => https(&text).map(ClientKeys::At).ok_or(ClientMetadataError::KeyPlaces),
        (None, None) | (Some(_), Some(_)) => Err(ClientMetadataError::KeyPlaces),
    }
}

#[cfg(test)]
mod tests;
