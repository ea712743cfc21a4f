//! What a version of a tool may use of the outside: the customer asks, the tier bounds, the host obeys (SEC-11).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{EnvName, LimitExceeded, LimitName, Tier, names};

/// Everything a version of a tool was granted. Nothing is granted that is not here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// Hosts it may reach.
    pub hosts: Vec<GrantedHost>,
    /// Environment values it may read.
    pub env: BTreeSet<EnvName>,
    /// Secrets it may use, each with the hosts that may receive it.
    pub secrets: BTreeMap<EnvName, Vec<HostPattern>>,
    /// Library modules it may import.
    pub modules: BTreeSet<String>,
}

/// One host that a tool may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantedHost {
    /// The host.
    pub host: HostPattern,
    /// The port; without one, 443.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<std::num::NonZeroU16>,
    /// The methods; without any, all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub methods: BTreeSet<HttpMethod>,
}

/// A request method that can be granted (RFC 9110, section 9.3; RFC 5789). CONNECT and TRACE cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "each is the method of its name")]
pub enum HttpMethod {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

names::checked_name! {
    /// A host name in lower-case ASCII, or `*.` and a host name of two labels or more, which stands for every name below it.
    /// No address, no port, no path (RFC 1123, section 2.1).
    HostPattern, "host", 253, is_host_pattern,
    "a lower-case host name of at least two labels such as api.example.com, or *. before one; no scheme, port, path or IP address"
}

fn is_host_pattern(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let labels: Vec<&str> = name.split('.').collect();
    let last_is_a_number = labels.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    labels.len() >= 2 && !last_is_a_number && labels.into_iter().all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Why grants cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The tier allows fewer.
    #[error(transparent)]
    Limit(LimitExceeded),
    /// More environment names than any tool needs.
    #[error("a tool can be granted {} environment names at most", Grants::ENV_NAMES_MAX)]
    EnvNames,
    /// A secret was asked for, which this build cannot keep yet.
    #[error("secrets are not available yet: grant `env` names for values that are not secret")]
    Secrets,
    /// A library module was asked for that does not exist.
    #[error("there is no library module `{0}`")]
    UnknownModule(String),
}

impl Grants {
    /// Each name costs a look-up a call: this is far above what tools use.
    pub const ENV_NAMES_MAX: usize = 64;

    /// Checks that `tier` allows these grants.
    pub fn check(&self, tier: &Tier) -> Result<(), GrantError> {
        let hosts_max = tier.limits.granted_hosts_max;
        if self.hosts.len() > hosts_max as usize {
            return Err(GrantError::Limit(LimitExceeded {
                limit: LimitName::GrantedHostsMax,
                value: hosts_max.into(),
                tier: tier.name.clone(),
            }));
        }
        if self.env.len() > Self::ENV_NAMES_MAX {
            return Err(GrantError::EnvNames);
        }
        if !self.secrets.is_empty() {
            return Err(GrantError::Secrets);
        }
        self.modules.first().map_or(Ok(()), |module| Err(GrantError::UnknownModule(module.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_and_nothing_else() {
        for text in ["api.example.com", "*.example.com", "xn--mnchen-3ya.de", "a-b.c0"] {
            assert!(text.parse::<HostPattern>().is_ok(), "{text}");
        }
        for text in [
            "",
            "*",
            "*.com",
            "localhost",
            "https://example.com",
            "example.com:443",
            "example.com/",
            "1.2.3.4",
            "0x7f.1",
            "[::1]",
            "a.*.com",
            "EXAMPLE.com",
            "user@example.com",
            "example.com.",
            "-a.com",
            "münchen.de",
            "a..b",
        ] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let error = serde_json::from_str::<Grants>(r#"{"host": []}"#).unwrap_err().to_string();

        assert!(error.contains("unknown field `host`"), "{error}");
    }

    #[test]
    fn a_port_of_nought_is_refused() {
        assert!(serde_json::from_str::<GrantedHost>(r#"{"host": "a.test", "port": 0}"#).is_err());
    }
}
