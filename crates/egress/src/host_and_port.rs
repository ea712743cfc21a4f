//! One exact destination, as an operator names it.

use std::{fmt, str::FromStr};

/// A host name and a port, such as `upstream.localhost:9000`: exactly this one, no pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostAndPort {
    host: String,
    port: u16,
}

/// Why a text is no host and port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host and a port such as upstream.example.com:9000")]
pub struct ParseHostAndPortError(String);

impl HostAndPort {
    /// The host, in lower case and without a dot at its end.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, never 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for HostAndPort {
    type Err = ParseHostAndPortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseHostAndPortError(text.chars().take(300).collect());
        let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(error)?;
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.is_empty() || host.len() > 253 || !host.bytes().all(allowed) {
            return Err(error());
        }
        Ok(Self { host, port })
    }
}

impl fmt::Display for HostAndPort {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_read() {
        let given: HostAndPort = "Upstream.Localhost.:9000".parse().unwrap();

        assert_eq!((given.host(), given.port()), ("upstream.localhost", 9000));
        for text in ["", "a.test", "a.test:0", "a.test:70000", ":80", "[::1]:80", "https://a.test:80", "*.test:80"] {
            assert!(text.parse::<HostAndPort>().is_err(), "{text}");
        }
    }
}
