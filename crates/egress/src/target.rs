//! Where one request goes.

use domain::{Destination, Scheme};
use url::{Host, Position, Url};

use crate::FetchError;

/// Far above what servers take.
const URL_BYTES_MAX: usize = 16 << 10;

/// A URL that can be fetched, taken apart. The host is a name, in lower-case ASCII, without a dot at its end.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    url: Url,
    scheme: Scheme,
    host: String,
    port: u16,
}

impl Target {
    pub(crate) fn parse(text: &str) -> Result<Self, FetchError> {
        if text.len() > URL_BYTES_MAX {
            return Err(refused(format!("it is longer than {URL_BYTES_MAX} bytes")));
        }
        // The parser of browsers: it makes one spelling of all of a host's, so that nothing is checked as one and used as another.
        let url = Url::parse(text).map_err(|error| refused(error.to_string()))?;
        Self::of(url)
    }

    /// Where `location` leads from here; a fragment is kept if it brings none (RFC 9110, section 10.2.2).
    pub(crate) fn join(&self, location: &str) -> Result<Self, FetchError> {
        if location.len() > URL_BYTES_MAX {
            return Err(refused(format!("it is longer than {URL_BYTES_MAX} bytes")));
        }
        let mut url = self.url.join(location).map_err(|error| refused(error.to_string()))?;
        if url.fragment().is_none() {
            url.set_fragment(self.url.fragment());
        }
        Self::of(url)
    }

    pub(crate) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn destination(&self) -> Destination<'_> {
        Destination { scheme: self.scheme, host: &self.host, port: self.port }
    }

    pub(crate) fn has_origin_of(&self, other: &Self) -> bool {
        self.destination() == other.destination()
    }

    /// The value of `Host`: the port is there if it is not the scheme's own.
    pub(crate) fn authority(&self) -> String {
        if self.port == self.scheme.default_port() { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// Scheme and authority: what errors name.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme.as_str(), self.authority())
    }

    pub(crate) fn path_and_query(&self) -> &str {
        &self.url[Position::BeforePath..Position::AfterQuery]
    }

    /// What stands before the query's value, with the `?`, the query itself, and what stands after it. Without a query the URL is all before.
    pub(crate) fn around_query(&self) -> (&str, &str, &str) {
        (
            &self.url[..Position::BeforeQuery],
            &self.url[Position::BeforeQuery..Position::AfterQuery],
            &self.url[Position::AfterQuery..],
        )
    }

    pub(crate) fn path(&self) -> &str {
        self.url.path()
    }

    pub(crate) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    fn of(url: Url) -> Result<Self, FetchError> {
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            other => return Err(refused(format!("`{other}:` is not https: or http:"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("it holds a user name or a password: use the Authorization header".to_owned()));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name).to_owned(),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => {
                return Err(refused("an IP address cannot be granted: use a host name".to_owned()));
            }
            None => return Err(refused("it has no host".to_owned())),
        };
        if host.is_empty() || host.len() > 253 || host.split('.').any(|label| label.is_empty() || label.len() > 63) {
            return Err(refused("its host is no name".to_owned()));
        }
        let port = url.port().unwrap_or(scheme.default_port());
        if port == 0 {
            return Err(refused("its port is 0".to_owned()));
        }
        Ok(Self { url, scheme, host, port })
    }
}

const fn refused(reason: String) -> FetchError {
    FetchError::Url { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_spelling() {
        for text in [
            "https://API.Example.COM/a?b#c",
            "https://api.example.com./a",
            "https://api%2eexample.com:443",
            "https:\\\\ａpi.example.com",
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(
                (target.host(), target.port(), target.origin().as_str()),
                ("api.example.com", 443, "https://api.example.com"),
                "{text}"
            );
        }
        assert_eq!(Target::parse("http://bücher.test:8080/ü?q=a b").unwrap().path_and_query(), "/%C3%BC?q=a%20b");
        assert_eq!(Target::parse("http://bücher.test:8080").unwrap().authority(), "xn--bcher-kva.test:8080");
    }

    #[test]
    fn an_ip_address_is_refused_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "127%2e0.0.1",
            "１２７.0.0.1",
            "①②⑦.0.0.1",
            "0",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
        ] {
            let error = Target::parse(&format!("http://{host}/")).unwrap_err().to_string();
            assert!(error.contains("IP address"), "{host}: {error}");
        }
    }

    #[test]
    fn what_cannot_be_fetched_is_refused() {
        for text in [
            "",
            "/relative",
            "file:///etc/passwd",
            "ftp://a.test",
            "data:text/plain,a",
            "https://user@a.test",
            "https://a.test@b.test",
            "https://:pw@a.test",
            "https://a.test:0",
            "https://a.test:99999",
            "https://a..b.test",
            "https://a.test..",
            "https://256.1.1.1",
            "https://[fe80::1%25eth0]",
            "https://a.test\u{0}.b.test",
        ] {
            assert!(matches!(Target::parse(text), Err(FetchError::Url { .. })), "{text}");
        }
        assert!(Target::parse(&format!("https://a.test/{}", "a".repeat(URL_BYTES_MAX))).is_err());
    }

    #[test]
    fn a_redirect_is_read_from_where_it_was_given() {
        let here = Target::parse("https://a.test/b/c?d#e").unwrap();

        assert_eq!(here.join("../f").unwrap().as_str(), "https://a.test/f#e");
        assert_eq!(here.join("//b.test/#g").unwrap().as_str(), "https://b.test/#g");
        assert!(!here.has_origin_of(&here.join("http://a.test").unwrap()));
        assert!(here.join("javascript:1").is_err());
        assert!(here.join(&"a".repeat(URL_BYTES_MAX + 1)).is_err());
    }
}
