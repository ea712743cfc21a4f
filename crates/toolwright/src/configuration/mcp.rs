//! `[mcp]`: from where the MCP door may be reached.

use hyper::http::uri::Authority;
use url::{Origin, Url};

use super::{Reader, Setting, value::Value};

const ALLOWED_ORIGINS: Setting = Setting::new(
    "mcp.allowed_origins",
    "TOOLWRIGHT_MCP_ALLOWED_ORIGINS",
    "origins of web pages that may call /mcp besides the public URL's own, separated by commas",
);
const ALLOWED_HOSTS: Setting = Setting::new(
    "mcp.allowed_hosts",
    "TOOLWRIGHT_MCP_ALLOWED_HOSTS",
    "values of Host that /mcp answers, separated by commas, each at every port if it names none; empty: all",
);

/// From where the MCP door may be reached.
#[derive(Debug, Clone)]
pub(crate) struct Mcp {
    /// Origins of web pages that may call.
    pub(crate) allowed_origins: Vec<Origin>,
    /// Values of `Host` that are answered; empty: all.
    pub(crate) allowed_hosts: Vec<Authority>,
}

#[derive(Debug, Default)]
struct Origins(Vec<Origin>);

#[derive(Debug, Default)]
struct Hosts(Vec<Authority>);

impl Mcp {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            allowed_origins: reader.read(&ALLOWED_ORIGINS, Origins::default).0,
            allowed_hosts: reader.read(&ALLOWED_HOSTS, Hosts::default).0,
        }
    }
}

impl Value for Origins {
    const FORM: &'static str = "origins separated by commas, such as https://app.example.com";

    fn parse(text: &str) -> Option<Self> {
        items(text).map(|item| <Url as Value>::parse(item).map(|url| url.origin())).collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> String {
        self.0.iter().map(Origin::ascii_serialization).collect::<Vec<_>>().join(",")
    }
}

impl Value for Hosts {
    const FORM: &'static str = "hosts separated by commas, such as tools.example.com or localhost:8080";

    fn parse(text: &str) -> Option<Self> {
        items(text).map(|item| item.parse().ok()).collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> String {
        self.0.iter().map(Authority::as_str).collect::<Vec<_>>().join(",")
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}
