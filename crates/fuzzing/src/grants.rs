//! What a version asks to be granted: JSON of whoever puts it.

use domain::{Destination, Grants, HttpMethod, LimitName, Tier};
use serde_json::{Map, Value, json};

use crate::written::{check_error, check_json};

pub(crate) const WORDS: &[&str] = &[
    "\"hosts\"",
    "\"env\"",
    "\"secrets\"",
    "\"from_caller\"",
    "\"modules\"",
    "\"host\"",
    "\"port\"",
    "\"scheme\"",
    "\"methods\"",
    "\"GET\"",
    "\"http\"",
    "*.",
    "a.test",
    "xn--",
    "65536",
    "null",
    "{}",
    "[]",
    ":",
    ",",
];

pub(crate) fn check(bytes: &[u8]) {
    let grants = match serde_json::from_slice::<Grants>(bytes) {
        Ok(grants) => grants,
        // The parser repeats what it did not know: whoever asked is told a part of it.
        Err(error) => return assert!(error.line() > 0 || bytes.is_empty() || error.is_eof() || error.is_data()),
    };

    check_json(&grants);
    for granted in &grants.hosts {
        assert!(granted.host.covers(&granted.host), "a host covers itself: {}", granted.host);
        let host = granted.host.as_str().replacen('*', "a", 1);
        let port = granted.port.map_or(granted.scheme.default_port(), Into::into);
        let destination = Destination { scheme: granted.scheme, host: &host, port };
        let method = granted.methods.iter().next().copied().unwrap_or(HttpMethod::Get);
        assert!(granted.allows(&destination, method), "what was granted is allowed: {granted:?}");
        assert!(!granted.allows(&Destination { host: "169.254.169.254", ..destination }, method), "{granted:?}");
        assert!(!granted.allows(&Destination { port: port ^ 1, ..destination }, method), "{granted:?}");
    }
    let mut tier = tier();
    for granted_hosts_max in [0, 2, u32::MAX] {
        tier.limits.granted_hosts_max = granted_hosts_max;
        if let Err(error) = grants.check(&tier) {
            check_error(&error.to_string());
            continue;
        }
        assert!(grants.hosts.len() <= granted_hosts_max as usize, "{granted_hosts_max}: {grants:?}");
        for host in grants.secrets.values().flatten() {
            assert!(grants.hosts.iter().any(|granted| granted.host.covers(host)), "a secret goes where the tool may not: {host}");
        }
        assert!(grants.from_caller.keys().all(|name| grants.secrets.contains_key(name)), "{grants:?}");
    }
}

/// One of everything. Whoever checks grants looks at one limit alone.
fn tier() -> Tier {
    let mut limits: Map<String, Value> = LimitName::ALL.iter().map(|name| (name.to_string(), json!(1))).collect();
    limits.insert("library_modules".to_owned(), json!("basic"));
    let limits = serde_json::from_value(Value::Object(limits)).unwrap_or_else(|error| panic!("{error}"));
    Tier { name: "free".parse().unwrap_or_else(|error| panic!("{error}")), limits }
}
