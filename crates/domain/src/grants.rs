//! What a version of a tool may use of the outside: the customer asks, the tier bounds, the host obeys (SEC-11).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{EnvName, LimitExceeded, LimitName, ModuleName, Tier, names};

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
    /// Those of `secrets` whose value a caller may bring with a request (SEC-7), each with whose value counts where the owner has set one, too.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub from_caller: BTreeMap<EnvName, Precedence>,
    /// Library modules it imports. Asked for, they bound what the source may import; kept, they are what it does import.
    pub modules: BTreeSet<ModuleName>,
}

/// Whose value of a secret counts where its owner has set one and the caller brings one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precedence {
    /// The owner's: the caller's fills a gap and overrides nothing.
    Owner,
    /// The caller's.
    Caller,
}

/// One host that a tool may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantedHost {
    /// How; without it, by TLS.
    #[serde(default, skip_serializing_if = "Scheme::is_https")]
    pub scheme: Scheme,
    /// The host.
    pub host: HostPattern,
    /// The port; without one, 443, and 80 for `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<std::num::NonZeroU16>,
    /// The methods; without any, all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub methods: BTreeSet<HttpMethod>,
}

/// How a host is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// HTTP over TLS.
    #[default]
    Https,
    /// HTTP as it is: whoever is on the way reads and changes it.
    Http,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination<'a> {
    /// How.
    pub scheme: Scheme,
    /// The host in lower-case ASCII, without a dot at its end.
    pub host: &'a str,
    /// The port.
    pub port: u16,
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

impl Scheme {
    /// The word before `://`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    /// The port if none is said (RFC 9110, section 4.2).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
    const fn is_https(&self) -> bool {
        matches!(self, Self::Https)
    }
}

impl HttpMethod {
    /// The method's own word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// The method that [`HttpMethod::as_str`] named.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        let all = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];
        all.into_iter().find(|method| method.as_str() == word)
    }
}

impl HostPattern {
    /// Whether `host`, in lower-case ASCII, is meant.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self.as_str().strip_prefix('*') {
            // The dot stays, so that `*.a.test` is neither `a.test` nor `ba.test`.
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => host == self.as_str(),
        }
    }

    /// Whether every host that `other` means is meant.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match other.as_str().strip_prefix("*.") {
            // One host is not all those below it.
            Some(name) => self == other || (self.as_str().starts_with('*') && self.matches(name)),
            None => self.matches(other.as_str()),
        }
    }
}

impl GrantedHost {
    /// Whether a request of `method` may go there.
    #[must_use]
    pub fn allows(&self, destination: &Destination<'_>, method: HttpMethod) -> bool {
        let port = self.port.map_or(self.scheme.default_port(), Into::into);
        self.scheme == destination.scheme
            && port == destination.port
            && self.host.matches(destination.host)
            && (self.methods.is_empty() || self.methods.contains(&method))
    }
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
    /// More secrets than any tool needs.
    #[error("a tool can be granted {} secrets at most", Grants::SECRETS_MAX)]
    Secrets,
    /// A secret without hosts, or with too many.
    #[error("the secret `{0}` must name 1 to {max} hosts that may receive it", max = Grants::SECRET_HOSTS_MAX)]
    SecretHosts(EnvName),
    /// What callers may bring is no secret of the tool, so nothing says where it may go.
    #[error("`from_caller` names `{0}`, which `secrets` does not name with the hosts that may receive it")]
    FromCaller(EnvName),
    /// A secret is to go where the tool may not.
    #[error("the secret `{secret}` is to go to `{host}`, which `hosts` does not grant")]
    SecretHost {
        /// The secret.
        secret: EnvName,
        /// The host.
        host: HostPattern,
    },
}

impl Grants {
    /// Each name costs a look-up a call: this is far above what tools use.
    pub const ENV_NAMES_MAX: usize = 64;
    /// Each is looked for in every answer of the hosts that received it.
    pub const SECRETS_MAX: usize = 16;
    /// Of one secret: a key belongs to one service.
    pub const SECRET_HOSTS_MAX: usize = 16;

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
        if self.secrets.len() > Self::SECRETS_MAX {
            return Err(GrantError::Secrets);
        }
        if let Some(name) = self.from_caller.keys().find(|name| !self.secrets.contains_key(*name)) {
            return Err(GrantError::FromCaller(name.clone()));
        }
        self.secrets.iter().try_for_each(|(secret, hosts)| self.check_secret(secret, hosts))
    }

    fn check_secret(&self, secret: &EnvName, hosts: &[HostPattern]) -> Result<(), GrantError> {
        if !(1..=Self::SECRET_HOSTS_MAX).contains(&hosts.len()) {
            return Err(GrantError::SecretHosts(secret.clone()));
        }
        let is_granted = |host: &HostPattern| self.hosts.iter().any(|granted| granted.host.covers(host));
        match hosts.iter().find(|host| !is_granted(host)) {
            Some(host) => Err(GrantError::SecretHost { secret: secret.clone(), host: host.clone() }),
            None => Ok(()),
        }
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
    fn a_request_is_allowed_by_scheme_host_port_and_method_together() {
        let granted: GrantedHost = serde_json::from_str(r#"{"host": "*.a.test", "methods": ["GET"]}"#).unwrap();
        let there = |scheme, host, port| Destination { scheme, host, port };

        assert!(granted.allows(&there(Scheme::Https, "b.a.test", 443), HttpMethod::Get));
        for (destination, method) in [
            (there(Scheme::Http, "b.a.test", 443), HttpMethod::Get),
            (there(Scheme::Https, "a.test", 443), HttpMethod::Get),
            (there(Scheme::Https, "ba.test", 443), HttpMethod::Get),
            (there(Scheme::Https, ".a.test", 443), HttpMethod::Post),
            (there(Scheme::Https, "b.a.test", 8443), HttpMethod::Get),
            (there(Scheme::Https, "b.a.test", 443), HttpMethod::Post),
        ] {
            assert!(!granted.allows(&destination, method), "{destination:?}");
        }
    }

    #[test]
    fn a_secret_goes_to_granted_hosts_alone() {
        let grants = |hosts: &str| {
            let text = format!(r#"{{"hosts": [{{"host": "*.a.test"}}], "secrets": {{"KEY": {hosts}}}}}"#);
            serde_json::from_str::<Grants>(&text).unwrap()
        };
        let check = |grants: &Grants| grants.secrets.iter().try_for_each(|(name, hosts)| grants.check_secret(name, hosts));

        assert_eq!(check(&grants(r#"["b.a.test", "*.a.test", "*.c.a.test"]"#)), Ok(()));
        assert!(matches!(check(&grants("[]")), Err(GrantError::SecretHosts(_))));
        assert!(matches!(check(&grants(r#"["a.test"]"#)), Err(GrantError::SecretHost { .. })));
    }

    #[test]
    fn grants_that_take_nothing_from_callers_are_written_as_before() {
        let text = serde_json::to_string(&Grants::default()).unwrap();

        assert_eq!(text, r#"{"hosts":[],"env":[],"secrets":{},"modules":[]}"#, "digests and signatures are over this text");
        assert_eq!(
            serde_json::from_str::<Grants>(r#"{"from_caller": {"KEY": "caller", "TOKEN": "owner"}}"#).unwrap().from_caller,
            [("KEY".parse().unwrap(), Precedence::Caller), ("TOKEN".parse().unwrap(), Precedence::Owner)].into()
        );
    }

    #[test]
    fn a_pattern_covers_what_it_means_and_no_more() {
        let covers = |one: &str, other: &str| one.parse::<HostPattern>().unwrap().covers(&other.parse().unwrap());

        for (one, other) in [("a.test", "a.test"), ("*.a.test", "b.a.test"), ("*.a.test", "*.a.test"), ("*.a.test", "*.b.a.test")]
        {
            assert!(covers(one, other), "{one} {other}");
        }
        for (one, other) in [("a.test", "*.a.test"), ("*.a.test", "a.test"), ("b.a.test", "*.a.test"), ("*.b.a.test", "*.a.test")]
        {
            assert!(!covers(one, other), "{one} {other}");
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
