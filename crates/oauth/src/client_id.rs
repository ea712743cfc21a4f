//! How a client is named over the wire.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use url::Url;
use uuid::Uuid;

/// A `client_id` (RFC 6749, section 2.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClientId {
    /// A client that registered here (RFC 7591): our own id.
    Registered(Uuid),
    /// A client whose id is the address of the document that describes it (Client ID Metadata Document).
    Document(DocumentUrl),
}

/// The address of a client's metadata document (draft-ietf-oauth-client-id-metadata-document, section 3): https, a path, no dot segments,
/// no fragment, no user. It is compared byte by byte, so only the normal form of an address is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DocumentUrl(Url);

/// Why a text is no `client_id`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientIdError {
    /// Neither of the two forms.
    #[error("`client_id` must be one that registration gave out, or the https address of a client metadata document")]
    Form,
    /// Longer than is read.
    #[error("`client_id` has {bytes} bytes, the limit is {bytes_max}", bytes_max = ClientId::BYTES_MAX)]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// An address that breaks a rule.
    #[error("the address of a client metadata document {0}")]
    Document(&'static str),
}

impl ClientId {
    /// Bytes of a `client_id`, at most.
    pub const BYTES_MAX: usize = 512;
}

impl DocumentUrl {
    /// Reads the address of a document.
    pub fn parse(text: &str) -> Result<Self, ClientIdError> {
        if text.len() > ClientId::BYTES_MAX {
            return Err(ClientIdError::TooLong { bytes: text.len() });
        }
        let url = Url::parse(text).map_err(|_| ClientIdError::Form)?;
        let rules = [
            (url.scheme() == "https", "must begin with `https://`"),
            (url.username().is_empty() && url.password().is_none(), "must have no user"),
            (url.fragment().is_none(), "must have no fragment"),
            (url.path() != "/", "must have a path"),
            (url.as_str() == text, "must be written in its normal form, without dot segments and default port"),
        ];
        match rules.into_iter().find(|(kept, _)| !kept) {
            Some((_, rule)) => Err(ClientIdError::Document(rule)),
            None => Ok(Self(url)),
        }
    }

    /// The address.
    #[must_use]
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The address, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whom a person is asked to trust: the host, with the port if it is not the usual one.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered(id) => id.fmt(out),
            Self::Document(url) => out.write_str(url.as_str()),
        }
    }
}

impl FromStr for ClientId {
    type Err = ClientIdError;

    fn from_str(text: &str) -> Result<Self, ClientIdError> {
        if text.starts_with("https:") || text.starts_with("http:") {
            return DocumentUrl::parse(text).map(Self::Document);
        }
        // One text for one client: a UUID may be written in several ways, only ours counts.
        match Uuid::try_parse(text) {
            Ok(id) if id.to_string() == text => Ok(Self::Registered(id)),
            _ => Err(ClientIdError::Form),
        }
    }
}

impl Serialize for ClientId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClientId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_ours_has_one_text() {
        let id = Uuid::from_u128(0x0189_0000_0000_7000_8000_0000_0000_0abc).to_string();

        assert_eq!(id.parse::<ClientId>().unwrap().to_string(), id);
        for text in
            [id.to_uppercase(), id.replace('-', ""), format!("{{{id}}}"), format!("urn:uuid:{id}"), String::new(), "demo".into()]
        {
            assert_eq!(text.parse::<ClientId>(), Err(ClientIdError::Form), "{text}");
        }
    }

    #[test]
    fn client_id_metadata_document_section_3_the_address_keeps_the_rules() {
        for text in ["https://app.test/client.json", "https://app.test:8443/oauth/client?v=1", "https://app.test/a/"] {
            assert_eq!(text.parse::<ClientId>().unwrap().to_string(), text);
        }
        for text in [
            "http://app.test/client.json",
            "https://app.test",
            "https://app.test/",
            "https://app.test/a/../client.json",
            "https://app.test/a/%2e%2e/client.json",
            "https://app.test/./client.json",
            "https://app.test/client.json#a",
            "https://me@app.test/client.json",
            "https://me:x@app.test/client.json",
            "https://APP.test/client.json",
            "https://app.test:443/client.json",
            "https://app.test\\client.json",
            "https:app.test/client.json",
            " https://app.test/client.json",
            "https://2130706433/client.json",
        ] {
            assert!(text.parse::<ClientId>().is_err(), "{text}");
        }
        assert!(format!("https://app.test/{}", "a".repeat(ClientId::BYTES_MAX)).parse::<ClientId>().is_err());
    }

    #[test]
    fn the_host_is_shown_with_an_unusual_port() {
        assert_eq!(DocumentUrl::parse("https://app.test/a").unwrap().host(), "app.test");
        assert_eq!(DocumentUrl::parse("https://app.test:8443/a").unwrap().host(), "app.test:8443");
    }
}
