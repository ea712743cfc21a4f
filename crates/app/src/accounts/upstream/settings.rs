//! What whoever runs the platform says of an issuer.

use std::fmt;

use domain::{HostPattern, UpstreamId};
use secrecy::SecretString;
use url::{Host, Url};

use crate::accounts::SignUpPolicy;

/// An issuer by which people sign in (OpenID Connect Core 1.0).
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// What it is called in paths: it is part of the redirect address that the issuer is told.
    pub id: UpstreamId,
    /// What it is called on buttons: 1 to 60 characters.
    pub title: String,
    /// The issuer.
    pub issuer: UpstreamIssuer,
    /// What the issuer calls this installation.
    pub client_id: String,
    /// What this installation shows it.
    pub client_secret: SecretString,
    /// What is asked for; `openid` is among it.
    pub scopes: Vec<String>,
    /// Domains of e-mail addresses, in lower case, whose people may come; empty: all. Whoever comes must have had the issuer confirm the address.
    pub email_domains: Vec<String>,
    /// Whether somebody who is not known here becomes a user.
    pub sign_up: SignUpPolicy,
}

/// An issuer's identifier, byte for byte as its tokens name it (OpenID Connect Discovery 1.0, section 3): https, or http for a name of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamIssuer {
    text: String,
    url: Url,
}

/// Why a text is no issuer that people can sign in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an https URL with the name of a host, without query and fragment, 512 characters at most, exactly as the issuer writes it \
     in its discovery document; http for names that end in `.localhost` alone"
)]
pub struct ParseUpstreamIssuerError;

impl UpstreamIssuer {
    /// As long as a row holds.
    const CHARS_MAX: usize = 512;

    /// The issuer that `text` names.
    pub fn parse(text: &str) -> Result<Self, ParseUpstreamIssuerError> {
        let url = Url::parse(text).map_err(|_| ParseUpstreamIssuerError)?;
        let Some(Host::Domain(host)) = url.host() else { return Err(ParseUpstreamIssuerError) };
        let has_scheme = match url.scheme() {
            "https" => true,
            // Every resolver takes these for loopback (RFC 6761, section 6.3).
            "http" => host.ends_with(".localhost"),
            _ => false,
        };
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        let is_ours = text.len() <= Self::CHARS_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        // As our own way out takes it: a name of two labels at least.
        if has_scheme && is_plain && is_ours && host.parse::<HostPattern>().is_ok_and(|host| !host.as_str().starts_with('*')) {
            Ok(Self { text: text.to_owned(), url })
        } else {
            Err(ParseUpstreamIssuerError)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether what goes there can be read on its way: only on this machine.
    #[must_use]
    pub fn is_plain_http(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Whether the issuer may name `url` as one of its addresses: by TLS, or, of an issuer on this machine, its own.
    pub(super) fn may_name(&self, url: &Url) -> bool {
        let plain = url.username().is_empty() && url.password().is_none() && url.has_host();
        plain && (url.scheme() == "https" || (self.is_plain_http() && url.origin() == self.url.origin()))
    }
}

impl fmt::Display for UpstreamIssuer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl UpstreamSettings {
    /// The longest title, in characters.
    pub const TITLE_CHARS_MAX: usize = 60;

    /// Whether people with this address may come.
    pub(super) fn takes(&self, email: &str) -> bool {
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        self.email_domains.is_empty() || self.email_domains.iter().any(|taken| taken.eq_ignore_ascii_case(domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_reached_by_tls_or_is_on_this_machine() {
        for text in ["https://id.example.com", "https://id.example.com/realms/one/", "http://id.localhost:9000"] {
            assert_eq!(UpstreamIssuer::parse(text).map(|issuer| issuer.to_string()).as_deref(), Ok(text));
        }
        for text in [
            "",
            "id.example.com",
            "http://id.example.com",
            "http://localhost:9000",
            "http://127.0.0.1:9000",
            "https://10.0.0.1",
            "https://id.example.com?a=b",
            "https://id.example.com#a",
            "https://ada@id.example.com",
            "https://*.example.com",
            " https://id.example.com",
            "ftp://id.example.com",
        ] {
            assert_eq!(UpstreamIssuer::parse(text), Err(ParseUpstreamIssuerError), "{text}");
        }
        assert!(UpstreamIssuer::parse(&format!("https://id.example.com/{}", "a".repeat(512))).is_err());
    }

    #[test]
    fn it_names_addresses_that_are_reached_by_tls_or_are_its_own() {
        let may = |issuer: &str, url: &str| UpstreamIssuer::parse(issuer).unwrap().may_name(&Url::parse(url).unwrap());

        assert!(may("https://id.example.com", "https://oauth.example.net/token"));
        assert!(!may("https://id.example.com", "http://id.example.com/token"));
        assert!(!may("https://id.example.com", "https://a:b@id.example.com/token"));
        assert!(!may("https://id.example.com", "javascript:alert(1)"));
        assert!(may("http://id.localhost:9000", "http://id.localhost:9000/token"));
        assert!(!may("http://id.localhost:9000", "http://id.localhost:9001/token"));
        assert!(!may("http://id.localhost:9000", "http://example.com/token"));
    }
}
