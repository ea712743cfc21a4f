//! Headers `X-Env-NAME`: each line of the input is a name, a colon and a value.

use std::collections::BTreeSet;

use domain::EnvName;
use http::{HeaderMap, HeaderName, HeaderValue};
use web::reading;

use crate::written::check_error;

pub(crate) const WORDS: &[&str] =
    &["x-env-", "X-Env-API_KEY: ", "x-env-api-key:", "x-env-token:", "\n", ":", "_", "-", "accept: a\n", "\t", "\u{fc}"];

/// A value of so many bytes is no word of an error.
const TELLING_BYTES: usize = 12;

pub(crate) fn check(bytes: &[u8]) {
    let declared: BTreeSet<EnvName> = ["API_KEY", "TOKEN"].into_iter().filter_map(|name| name.parse().ok()).collect();
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(64) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii())) {
            headers.append(name, value);
        }
    }
    let brought = |name: &HeaderName| name.as_str().starts_with("x-env-");
    let others = headers.keys().filter(|name| !brought(name)).count();

    match reading::env_headers(headers.clone(), &declared) {
        Ok(left) => {
            assert!(!left.iter().any(brought), "a secret is left: {left:?}");
            assert_eq!(left.len(), others, "another header is gone: {left:?}");
        }
        Err(error) => {
            check_error(&error);
            for (_, value) in headers.iter().filter(|(name, value)| brought(name) && value.len() >= TELLING_BYTES) {
                let is_told = value.to_str().is_ok_and(|value| error.contains(value));
                assert!(!is_told || is_of_the_words(value, &headers, &declared), "a value is told: {error}");
            }
        }
    }
}

/// A value that says what the error says anyway, as a name of a header does.
fn is_of_the_words(value: &HeaderValue, headers: &HeaderMap, declared: &BTreeSet<EnvName>) -> bool {
    let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let empty =
        reading::env_headers(headers.keys().map(|name| (name.clone(), HeaderValue::from_static(""))).collect(), &BTreeSet::new());
    let told = empty.err().unwrap_or_default().to_ascii_lowercase();
    let is_asked_for = declared.iter().any(|name| format!("x-env-{name}").to_ascii_lowercase().contains(&value));
    told.contains(&value) || is_asked_for || headers.keys().any(|name| name.as_str().contains(&value))
}
