//! Where this server is: its issuer, and the addresses made from it.

use std::fmt;

use serde::{Serialize, Serializer};
use url::Url;

/// The issuer (RFC 8414, section 2): an absolute address without query, fragment and trailing slash. Everybody compares it byte by
/// byte, so there is one way only to write it: this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    origin_bytes: usize,
}

/// Why a text is no issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no issuer: that is an http or https address without user, query and fragment")]
pub struct IssuerError(String);

impl Issuer {
    /// Reads an issuer; slashes at its end are cut off.
    pub fn parse(text: &str) -> Result<Self, IssuerError> {
        let wrong = || IssuerError(text.to_owned());
        let url = Url::parse(text).map_err(|_| wrong())?;
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        if !(plain && url.has_host() && matches!(url.scheme(), "http" | "https")) {
            return Err(wrong());
        }
        let origin_bytes = url.origin().ascii_serialization().len();
        Ok(Self { text: url.as_str().trim_end_matches('/').to_owned(), origin_bytes })
    }

    /// The issuer as it stands in documents, answers and tokens.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address of `path`, which begins with a slash, under the issuer.
    #[must_use]
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// Where the document `name` of this issuer is (RFC 8414, section 3.1): the well-known part stands between host and path.
    #[must_use]
    pub fn well_known(&self, name: &str) -> String {
        let (origin, path) = self.text.split_at(self.origin_bytes);
        format!("{origin}/.well-known/{name}{path}")
    }

    /// Where the document `name` of `resource` is (RFC 9728, section 3.1). `resource` is an address under the issuer.
    #[must_use]
    pub fn well_known_of(&self, name: &str, resource: &str) -> String {
        let (origin, _) = self.text.split_at(self.origin_bytes);
        let path = resource.strip_prefix(origin).unwrap_or_default();
        format!("{origin}/.well-known/{name}{path}")
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl Serialize for Issuer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8414_section_2_an_issuer_has_no_query_and_no_fragment() {
        for text in [
            "https://as.test?a=1",
            "https://as.test#a",
            "https://me@as.test",
            "https://me:x@as.test",
            "ftp://as.test",
            "as.test",
            "",
        ] {
            assert!(Issuer::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_issuer_has_no_trailing_slash() {
        for (text, issuer) in [
            ("https://AS.test:443", "https://as.test"),
            ("https://as.test/", "https://as.test"),
            ("http://127.0.0.1:8080/tw//", "http://127.0.0.1:8080/tw"),
        ] {
            assert_eq!(Issuer::parse(text).unwrap().as_str(), issuer);
        }
    }

    #[test]
    fn rfc_8414_section_3_1_the_well_known_part_stands_between_host_and_path() {
        let plain = Issuer::parse("https://as.test").unwrap();
        let with_path = Issuer::parse("https://as.test/tw").unwrap();

        assert_eq!(plain.well_known("oauth-authorization-server"), "https://as.test/.well-known/oauth-authorization-server");
        assert_eq!(
            with_path.well_known("oauth-authorization-server"),
            "https://as.test/.well-known/oauth-authorization-server/tw"
        );
    }

    #[test]
    fn rfc_9728_section_3_1_the_well_known_part_stands_between_host_and_path_of_the_resource() {
        for (issuer, address) in [
            ("https://as.test", "https://as.test/.well-known/oauth-protected-resource/mcp/demo"),
            ("https://as.test/tw", "https://as.test/.well-known/oauth-protected-resource/tw/mcp/demo"),
        ] {
            let issuer = Issuer::parse(issuer).unwrap();
            assert_eq!(issuer.well_known_of("oauth-protected-resource", &issuer.address("/mcp/demo")), address);
        }
    }
}
