//! What a token is for (RFC 8707).

use domain::Slug;
use url::Url;

use crate::Issuer;

/// A resource that tokens are given out for. One token is for one resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// One MCP server: `{issuer}/mcp/{slug}`.
    Server(Slug),
    /// The management API: `{issuer}/api/v1`.
    Management,
}

/// Why a text names no resource of ours (`invalid_target`, RFC 8707, section 2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// No address, or one with a fragment.
    #[error("`resource` must be an absolute address without fragment")]
    Form,
    /// An address of somebody else, or one where nothing is.
    #[error("`resource` must be the address of an MCP server of {0}, or of its API")]
    Unknown(Issuer),
    /// More than one.
    #[error("one token is for one `resource`: ask for each apart")]
    Several,
}

const MANAGEMENT_PATH: &str = "/api/v1";
const SERVER_PATH: &str = "/mcp/";

impl Resource {
    /// Reads an address in any of the ways to write it that mean the same (RFC 3986, section 6.2.3): case of scheme and host, default port,
    /// a slash at the end. Whether the server exists is not looked at.
    pub fn parse(issuer: &Issuer, text: &str) -> Result<Self, ResourceError> {
        let url = Url::parse(text).map_err(|_| ResourceError::Form)?;
        if url.fragment().is_some() {
            return Err(ResourceError::Form);
        }
        let unknown = || ResourceError::Unknown(issuer.clone());
        let address = url.as_str();
        let path = address.strip_prefix(issuer.as_str()).ok_or_else(unknown)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        if path == MANAGEMENT_PATH {
            return Ok(Self::Management);
        }
        path.strip_prefix(SERVER_PATH).and_then(|slug| slug.parse().ok()).map(Self::Server).ok_or_else(unknown)
    }

    /// The address, in the one form that stands in tokens and documents.
    #[must_use]
    pub fn url(&self, issuer: &Issuer) -> String {
        match self {
            Self::Server(slug) => issuer.address(&format!("{SERVER_PATH}{slug}")),
            Self::Management => issuer.address(MANAGEMENT_PATH),
        }
    }

    /// Where the document about it is (RFC 9728, section 3.1).
    #[must_use]
    pub fn metadata_url(&self, issuer: &Issuer) -> String {
        issuer.well_known_of("oauth-protected-resource", &self.url(issuer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        let issuer = Issuer::parse("https://tools.test").unwrap();
        Resource::parse(&issuer, text).ok().map(|resource| resource.url(&issuer))
    }

    #[test]
    fn rfc_8707_section_2_a_resource_is_an_address_of_ours_without_fragment() {
        for text in [
            "https://tools.test/mcp/demo",
            "HTTPS://Tools.TEST/mcp/demo",
            "https://tools.test:443/mcp/demo",
            "https://tools.test/mcp/demo/",
        ] {
            assert_eq!(parsed(text).as_deref(), Some("https://tools.test/mcp/demo"), "{text}");
        }
        assert_eq!(parsed("https://tools.test/api/v1").as_deref(), Some("https://tools.test/api/v1"));
        for text in [
            "",
            "demo",
            "https://tools.test",
            "https://tools.test/mcp",
            "https://tools.test/mcp/",
            "https://tools.test/mcp/demo#a",
            "https://tools.test/mcp/demo#",
            "https://tools.test/mcp/demo?a=1",
            "https://tools.test/mcp/demo/x",
            "https://tools.test/mcp/demo//",
            "https://tools.test/mcp/Demo",
            "https://tools.test.evil.test/mcp/demo",
            "https://me@tools.test/mcp/demo",
            "http://tools.test/mcp/demo",
            "https://tools.test:8443/mcp/demo",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
        let issuer = Issuer::parse("https://tools.test").unwrap();
        assert_eq!(Resource::parse(&issuer, "https://tools.test/mcp/demo#a"), Err(ResourceError::Form), "the client is told why");
    }

    #[test]
    fn rfc_9728_section_3_1_the_document_of_a_server() {
        let issuer = Issuer::parse("https://tools.test/tw").unwrap();
        let resource = Resource::parse(&issuer, "https://tools.test/tw/mcp/demo").unwrap();

        assert_eq!(resource.metadata_url(&issuer), "https://tools.test/.well-known/oauth-protected-resource/tw/mcp/demo");
    }
}
