//! Where a browser is sent back to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use url::{Host, Url};

/// An address that a browser may be sent back to: https anywhere, http on the machine itself (RFC 8252, section 7.3), or a scheme that an
/// app made its own (section 7.1). It is kept and compared as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedirectUri {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Https,
    Loopback,
    PrivateUse,
}

/// Schemes of apps that people use MCP servers with, and that have no dot. Such an app registers this address beside others, and takes it for
/// a fault of the server if it is refused. Another app on the machine may have claimed the scheme, but it does not know the code's verifier.
const EDITORS: [&str; 7] = ["claude", "cursor", "jetbrains", "vscode", "vscode-insiders", "windsurf", "zed"];

/// Why a text is no address to send a browser back to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a redirect URI {0}")]
pub struct RedirectUriError(&'static str);

impl RedirectUri {
    /// Bytes of an address, at most.
    pub const BYTES_MAX: usize = 1024;

    /// The address, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is on the machine of whoever uses the browser. Any program there may be listening, so the consent page warns.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.kind == Kind::Loopback
    }

    /// Whether it is a scheme of an app on the machine of whoever uses the browser. Any app may have claimed it.
    #[must_use]
    pub fn is_private_use(&self) -> bool {
        self.kind == Kind::PrivateUse
    }

    /// Where a person is sent to, to be shown: host and port, or the scheme of an app.
    #[must_use]
    pub fn shown(&self) -> &str {
        match self.kind {
            Kind::PrivateUse => self.text.split_once(':').map_or(self.text.as_str(), |(scheme, _)| scheme),
            Kind::Https | Kind::Loopback => split_authority(&self.text).1,
        }
    }

    /// Whether a request may ask for `asked` when `self` is registered: the same bytes, or the same but for the port on the machine itself,
    /// which an app gets only when it runs (RFC 8252, section 7.3; OAuth 2.1, section 2.3.1).
    #[must_use]
    pub fn allows(&self, asked: &Self) -> bool {
        if self.kind != Kind::Loopback || asked.kind != Kind::Loopback {
            return self.text == asked.text;
        }
        let (scheme, authority, rest) = split_authority(&self.text);
        let (asked_scheme, asked_authority, asked_rest) = split_authority(&asked.text);
        scheme == asked_scheme && without_port(authority) == without_port(asked_authority) && rest == asked_rest
    }

    /// The address with `parameters` added to its query, to send the browser to.
    #[must_use]
    pub(crate) fn with(&self, parameters: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        let joint = match self.text.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some((_, own)) if own.ends_with('&') => "",
            Some(_) => "&",
        };
        format!("{}{joint}{}", self.text, query.finish())
    }
}

impl FromStr for RedirectUri {
    type Err = RedirectUriError;

    fn from_str(text: &str) -> Result<Self, RedirectUriError> {
        if text.len() > Self::BYTES_MAX {
            return Err(RedirectUriError("has 1024 bytes at most"));
        }
        // What browsers strip or turn round would make the address that they go to another one than was compared.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)) {
            return Err(RedirectUriError("must be ASCII without spaces, quotes, brackets and backslashes"));
        }
        if text.contains('#') {
            return Err(RedirectUriError("must have no fragment"));
        }
        let url = Url::parse(text).map_err(|_| RedirectUriError("must be an absolute address"))?;
        if text.contains("://") && split_authority(text).1.contains('@') {
            return Err(RedirectUriError("must have no user"));
        }
        let kind =
            if text.starts_with("https://") || text.starts_with("http://") { web(&url, text)? } else { private_use(text)? };
        Ok(Self { text: text.to_owned(), kind })
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl Serialize for RedirectUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for RedirectUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

fn web(url: &Url, text: &str) -> Result<Kind, RedirectUriError> {
    let (_, authority, _) = split_authority(text);
    // An address that browsers read as another host than is written there (`2130706433`, `0x7f.1`) is not what a person would see.
    if url.host_str() != Some(without_port(authority).to_ascii_lowercase().as_str()) {
        return Err(RedirectUriError("must have a host in its usual form"));
    }
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match (url.scheme(), loopback) {
        ("https", _) => Ok(Kind::Https),
        ("http", true) => Ok(Kind::Loopback),
        _ => Err(RedirectUriError("must be https, but on the machine itself")),
    }
}

/// RFC 8252, section 8.4: only with a dot is a scheme the name of somebody's domain, turned round.
fn private_use(text: &str) -> Result<Kind, RedirectUriError> {
    match text.split_once(':') {
        Some((scheme, rest)) if (scheme.contains('.') || EDITORS.contains(&scheme)) && rest.starts_with('/') => {
            Ok(Kind::PrivateUse)
        }
        _ => Err(RedirectUriError("must be https, http on the machine itself, or an app's own scheme with a dot in it")),
    }
}

/// Scheme, authority, and the rest.
fn split_authority(text: &str) -> (&str, &str, &str) {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    (scheme, authority, rest)
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> RedirectUri {
        text.parse().unwrap()
    }

    #[test]
    fn oauth_2_1_section_2_3_1_redirect_uris_are_compared_byte_by_byte() {
        let registered = uri("https://app.test/callback");

        assert!(registered.allows(&uri("https://app.test/callback")));
        for asked in [
            "https://app.test/callback/",
            "https://app.test/Callback",
            "https://app.test:443/callback",
            "https://app.test:8443/callback",
            "https://app.test/callback?a=1",
            "https://app.test/callback/../evil",
            "https://app.test.evil.test/callback",
            "https://evil.test/callback",
            "https://App.test/callback",
        ] {
            assert!(!registered.allows(&uri(asked)), "{asked}");
        }
    }

    #[test]
    fn rfc_8252_section_7_3_any_port_on_the_machine_itself() {
        for (registered, asked, allowed) in [
            ("http://127.0.0.1/callback", "http://127.0.0.1:51004/callback", true),
            ("http://127.0.0.1:1/callback", "http://127.0.0.1:51004/callback", true),
            ("http://127.0.0.1:1/callback", "http://127.0.0.1/callback", true),
            ("http://[::1]:1/callback", "http://[::1]:2/callback", true),
            ("http://[::1]/callback", "http://[::1]:2/callback", true),
            ("http://localhost:3000/callback", "http://localhost:4000/callback", true),
            ("http://localhost:3000/callback", "http://127.0.0.1:3000/callback", false),
            ("http://127.0.0.1:1/callback", "http://127.0.0.2:1/callback", false),
            ("http://127.0.0.1:1/callback", "http://127.0.0.1:1/other", false),
            ("http://127.0.0.1:1/callback", "http://127.0.0.1:1/callback?a=1", false),
            ("https://localhost:1/callback", "https://localhost:2/callback", false),
        ] {
            assert_eq!(uri(registered).allows(&uri(asked)), allowed, "{registered} {asked}");
        }
    }

    #[test]
    fn rfc_8252_section_8_4_a_private_use_scheme_has_a_dot() {
        assert!(uri("com.example.app:/callback").is_private_use());
        assert_eq!(uri("com.example.app://callback").shown(), "com.example.app");
        assert!(uri("cursor://anysphere.cursor-mcp/oauth/callback").is_private_use());
        for text in [
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "app:/callback",
            "com.example.app:callback",
            "about:blank",
        ] {
            assert!(text.parse::<RedirectUri>().is_err(), "{text}");
        }
    }

    #[test]
    fn rfc_6749_section_3_1_2_an_address_is_absolute_and_without_fragment() {
        for text in [
            "",
            "/callback",
            "//app.test/callback",
            "https://app.test/callback#",
            "https://app.test/callback#a",
            "http://app.test/callback",
            "http://localhost.evil.test/callback",
            "http://evil.test/localhost",
            "https://me@app.test/callback",
            "https://app.test@evil.test/callback",
            "https://@app.test/callback",
            "https:app.test/callback",
            "https:///app.test/callback",
            "https://app.test\\@evil.test/callback",
            "https://app.test/call back",
            "https://app.test/\r\nX: y",
            "\thttps://app.test/callback",
            "https://app.tést/callback",
            "http://2130706433/callback",
            "http://0x7f.1/callback",
            "http://127.1/callback",
            "http://[::ffff:127.0.0.1]/callback",
            "http://127.0.0.1:x/callback",
        ] {
            assert!(text.parse::<RedirectUri>().is_err(), "{text}");
        }
        assert!(format!("https://app.test/{}", "a".repeat(RedirectUri::BYTES_MAX)).parse::<RedirectUri>().is_err());
    }

    #[test]
    fn rfc_6749_section_4_1_2_parameters_are_added_to_the_query_that_is_there() {
        for (text, with) in [
            ("https://app.test", "https://app.test?code=a%26b"),
            ("https://app.test/cb", "https://app.test/cb?code=a%26b"),
            ("https://app.test/cb?", "https://app.test/cb?code=a%26b"),
            ("https://app.test/cb?x=1", "https://app.test/cb?x=1&code=a%26b"),
            ("com.example.app:/cb", "com.example.app:/cb?code=a%26b"),
        ] {
            assert_eq!(uri(text).with(&[("code", "a&b")]), with);
        }
    }

    #[test]
    fn host_and_port_are_shown() {
        assert_eq!(uri("http://127.0.0.1:51004/callback").shown(), "127.0.0.1:51004");
        assert_eq!(uri("https://app.test?x=1").shown(), "app.test");
    }
}
