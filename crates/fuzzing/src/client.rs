//! What a client says of itself: a registration, an update, or the document at its address.

use oauth::{ClientDocument, ClientMetadata, DocumentUrl, Registration, RegistrationUpdate};
use uuid::Uuid;

use crate::written::{check_error, check_json};

pub(crate) const WORDS: &[&str] = &[
    "\"client_id\":\"https://app.test/client.json\"",
    "\"redirect_uris\":[",
    "\"http://127.0.0.1/cb\"",
    "\"token_endpoint_auth_method\":\"private_key_jwt\"",
    "\"none\"",
    "\"grant_types\":[",
    "\"authorization_code\"",
    "\"client_name\":\"",
    "\"jwks\":{\"keys\":[",
    "\"jwks_uri\":\"https://",
    "\"kty\":\"EC\"",
    "\"software_id\":\"",
    "\"logo_uri\":\"",
    "\\u202e",
    "\\u0000",
    "{",
    "}",
    "[",
    "]",
    ",",
];

const ADDRESS: &str = "https://app.test/client.json";

pub(crate) fn check(bytes: &[u8]) {
    match Registration::parse(bytes) {
        Ok(registration) => check_metadata(&registration.metadata),
        Err(error) => check_error(&error.to_string()),
    }
    match RegistrationUpdate::parse(bytes, Uuid::nil()) {
        Ok(update) => check_metadata(&update.metadata),
        Err(error) => check_error(&error.to_string()),
    }
    let url = DocumentUrl::parse(ADDRESS).unwrap_or_else(|error| panic!("{error}"));
    match ClientDocument::parse(&url, bytes) {
        Ok(document) => {
            assert!(document.metadata.name.is_some() && !document.metadata.needs_secret(), "{document:?}");
            check_metadata(&document.metadata);
        }
        Err(error) => check_error(&error.to_string()),
    }
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(url) = DocumentUrl::parse(text)
    {
        assert_eq!(url.as_str(), text, "an address is kept as it was written");
    }
}

fn check_metadata(metadata: &ClientMetadata) {
    assert!(metadata.redirect_uris.len() <= ClientMetadata::REDIRECT_URIS_MAX);
    assert!(!metadata.grant_types.is_empty(), "nothing to ask for");
    check_json(metadata);
}
