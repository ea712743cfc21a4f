//! `[http]`: under which names the installation answers, and which web pages may call it.

use hyper::http::uri::Authority;
use url::{Origin, Url};

use super::{Profile, Reader, Setting, value::Value};

const HOSTS: Setting = Setting::new(
    "http.hosts",
    "TOOLWRIGHT_HOSTS",
    "names that it answers under besides the public URL's, separated by commas, each at every port if it names none; profile local: those of \
     loopback. Another Host is answered 421",
);
const ORIGINS: Setting = Setting::new(
    "http.origins",
    "TOOLWRIGHT_ORIGINS",
    "origins of web pages that may call /mcp, /api and /admin with a token and read the answers, besides the installation's own, separated by commas",
);

/// The names of this machine itself, at any port.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Under which names the installation answers, and which web pages may call it.
#[derive(Debug, Clone)]
pub(crate) struct Visitors {
    /// Values of `Host` besides the public URL's.
    pub(crate) hosts: Vec<Authority>,
    /// Origins of web pages besides the installation's own.
    pub(crate) origins: Vec<Origin>,
}

#[derive(Debug, Default)]
struct Origins(Vec<Origin>);

#[derive(Debug, Default)]
struct Hosts(Vec<Authority>);

impl Visitors {
    pub(super) fn read(reader: &mut Reader<'_>, profile: Profile) -> Self {
        let usual = || match profile {
            Profile::Local => Hosts(LOOPBACK.map(Authority::from_static).into()),
            Profile::Production => Hosts::default(),
        };
        Self { hosts: reader.read(&HOSTS, usual).0, origins: reader.read(&ORIGINS, Origins::default).0 }
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
