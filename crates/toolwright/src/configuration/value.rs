//! How the text of a setting becomes a value.

use std::{net::SocketAddr, path::PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// What a setting can be.
pub(crate) trait Value: Sized {
    /// What would be right, after "it must be".
    const FORM: &'static str;

    /// The value that the text says.
    fn parse(text: &str) -> Option<Self>;

    /// The text that says the value.
    fn show(&self) -> String;
}

impl Value for u64 {
    const FORM: &'static str = "a whole number";

    /// Digits, which may be grouped by `_` as in TOML.
    fn parse(text: &str) -> Option<Self> {
        text.replace('_', "").parse().ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for SocketAddr {
    const FORM: &'static str = "an address and a port, such as 127.0.0.1:8080";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    const FORM: &'static str = "a path";

    /// A relative path counts from the working directory of this moment.
    fn parse(text: &str) -> Option<Self> {
        std::path::absolute(text).ok()
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for Url {
    const FORM: &'static str = "an http or https URL without a path, such as https://tools.example.com, because pages, \
                                cookies and the documents under /.well-known are at the root of their host";

    fn parse(text: &str) -> Option<Self> {
        let url: Url = text.parse().ok()?;
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        (matches!(url.scheme(), "http" | "https") && url.has_host() && plain && url.password().is_none()).then_some(url)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for SecretString {
    const FORM: &'static str = "a text";

    fn parse(text: &str) -> Option<Self> {
        Some(Self::from(text))
    }

    fn show(&self) -> String {
        self.expose_secret().to_owned()
    }
}
