//! What the doors are told when the program starts.

use std::time::Duration;

use http::uri::Authority;
use url::{Origin, Url};

use crate::Network;

/// What the doors are told when the program starts.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// Where clients reach this installation, such as `https://tools.example.com`.
    pub public_url: Url,
    /// Who may read `/metrics`.
    pub metrics: MetricsReaders,
    /// The types of the tool API as a TypeScript declaration file: what `/api/v1/types/toolwright.d.ts` answers.
    pub types: &'static str,
    /// The version of the program, for the welcome.
    pub version: &'static str,
    /// Values of `Host` that are answered besides the public URL's, each at every port if it names none.
    pub hosts: Vec<Authority>,
    /// Origins of web pages that may call besides the installation's own.
    pub origins: Vec<Origin>,
    /// The form of the cookies.
    pub cookies: CookieForm,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// How long the body of a request may take to arrive; that of a component has as long as its bytes need.
    pub body_wait: Duration,
}

/// The form of the cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieForm {
    /// Their names begin with `__Host-`, and browsers send them over https alone (RFC 6265bis, section 4.1.3.2).
    Secure,
    /// For plain http on one's own machine.
    Plain,
}

/// Who may read `/metrics`. The figures name no customer, but tell how busy the node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsReaders {
    /// Anyone who reaches the port: for an installation on loopback, or behind a proxy that keeps the path to itself.
    Anyone,
    /// Whoever has the admin key.
    Admin,
}

impl WebSettings {
    /// The public URL without a slash at its end.
    #[must_use]
    pub fn base(&self) -> &str {
        self.public_url.as_str().trim_end_matches('/')
    }
}

#[cfg(test)]
pub(crate) fn test_settings(public_url: &str) -> WebSettings {
    let public_url = Url::parse(public_url).unwrap();
    let cookies = if public_url.scheme() == "https" { CookieForm::Secure } else { CookieForm::Plain };
    WebSettings {
        public_url,
        metrics: MetricsReaders::Admin,
        types: "",
        version: "0",
        hosts: Vec::new(),
        origins: Vec::new(),
        cookies,
        trusted_proxies: Vec::new(),
        body_wait: Duration::from_secs(30),
    }
}
