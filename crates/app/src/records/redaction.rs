//! What goes in and out of calls, fit to be kept (HIST-12): without what is, or looks like, a secret, and bounded.

use std::borrow::Cow;

use egress::Permission;
use serde_json::{Map, Value};
use store::executions::{CONTENT_BYTES_MAX, Contents};

/// What stands in place of what was taken out.
const REDACTED: &str = "[redacted]";

/// What names of members say that their values are nobody's business; compared without case and without what is no letter or digit.
const TELLING_NAMES: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "authorization",
    "apikey",
    "accesskey",
    "privatekey",
    "cookie",
    "credential",
];

/// What a value begins with that is the content of an `Authorization` header (RFC 9110, section 11.1).
const SCHEMES: [&str; 2] = ["bearer ", "basic "];

/// Characters of an API key of this platform.
const API_KEY_CHARS: usize = 46;

/// Both ends of a call as they are kept. The version's own secrets are masked in them.
pub(crate) fn redact(input: &Value, result: Option<&Value>, secrets: &Permission) -> Contents {
    let (input, input_bytes) = fit(input, secrets);
    let (result, result_bytes) = result.map(|result| fit(result, secrets)).unzip();
    Contents { input, input_bytes, result: result.flatten(), result_bytes }
}

/// The text of a value, if it is not too large, and the bytes that it had.
fn fit(value: &Value, secrets: &Permission) -> (Option<String>, u64) {
    let bytes = value.to_string().len();
    let kept = (bytes <= CONTENT_BYTES_MAX).then(|| clean(value, secrets).to_string());
    // U+0000 is escaped in JSON, so that the database takes it.
    (kept.filter(|text| text.len() <= CONTENT_BYTES_MAX), bytes as u64)
}

/// The depth is bounded by the JSON parser's own limit (128).
fn clean(value: &Value, secrets: &Permission) -> Value {
    match value {
        Value::Object(members) => {
            let clean = members.iter().map(|(name, value)| {
                let value = if is_telling(name) && !value.is_null() { REDACTED.into() } else { clean(value, secrets) };
                (secrets.mask(name).into_owned(), value)
            });
            Value::Object(clean.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(|item| clean(item, secrets)).collect(),
        Value::String(text) => clean_text(text, secrets).into(),
        plain => plain.clone(),
    }
}

fn clean_text<'t>(text: &'t str, secrets: &Permission) -> Cow<'t, str> {
    let start: String = text.trim_start().chars().take(7).collect::<String>().to_ascii_lowercase();
    if SCHEMES.iter().any(|scheme| start.starts_with(scheme)) {
        return REDACTED.into();
    }
    let masked = secrets.mask(text);
    match mask_api_keys(&masked) {
        Some(without) => without.into(),
        None => masked,
    }
}

/// The text without keys of this platform, if there are any in it.
fn mask_api_keys(text: &str) -> Option<String> {
    let mut left = text;
    let mut without = String::new();
    while let Some(at) = find_api_key(left) {
        let (before, rest) = left.split_at_checked(at)?;
        without.push_str(before);
        without.push_str(REDACTED);
        left = rest.get(API_KEY_CHARS..)?;
    }
    (left.len() < text.len()).then(|| without + left)
}

fn find_api_key(text: &str) -> Option<usize> {
    let is_key = |at: usize| {
        text.get(at..at + API_KEY_CHARS)
            .is_some_and(|key| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'))
    };
    text.match_indices("tw_").map(|(at, _)| at).find(|at| is_key(*at))
}

fn is_telling(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|character| character.to_ascii_lowercase()).collect();
    TELLING_NAMES.iter().any(|telling| plain.contains(telling))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::EnvName;
    use egress::GrantedSecret;
    use serde_json::json;

    use super::*;

    fn secrets(value: &str) -> Permission {
        let secret = GrantedSecret { value: value.to_owned().into(), hosts: Vec::new() };
        Permission::new(1, Vec::new(), BTreeMap::from([("KEY".parse::<EnvName>().unwrap(), secret)]))
    }

    fn kept(value: &Value) -> Value {
        serde_json::from_str(&redact(value, None, &secrets("s3cr3t \"quoted\" value")).input.unwrap()).unwrap()
    }

    #[test]
    fn members_that_are_named_like_secrets_are_taken_out_wherever_they_stand() {
        let names = ["password", "userPassword", "API-Key", "access_token", "Authorization", "Set-Cookie", "client_secret"];
        for name in names {
            let value = json!({"list": [{name: {"deep": "x"}, "city": "Oslo"}]});

            assert_eq!(kept(&value), json!({"list": [{name: REDACTED, "city": "Oslo"}]}));
        }
        assert_eq!(kept(&json!({"password": null, "pass": 1})), json!({"password": null, "pass": 1}));
    }

    #[test]
    fn secrets_and_keys_are_taken_out_of_texts() {
        let key = format!("tw_{}", "a".repeat(43));

        let shown =
            kept(&json!({"a": "it is s3cr3t \"quoted\" value.", "b": format!("use {key}!"), "c": "Bearer abc", "d": "tw_short"}))
                .to_string();

        assert!(!shown.contains("quoted") && !shown.contains(&key) && !shown.contains("abc"), "{shown}");
        assert!(shown.contains("tw_short") && shown.contains("use [redacted]!"), "{shown}");
    }

    #[test]
    fn what_is_too_large_is_told_and_not_kept() {
        let large = json!("x".repeat(CONTENT_BYTES_MAX));

        let contents = redact(&json!({}), Some(&large), &Permission::none(1));

        assert_eq!((contents.input.as_deref(), contents.input_bytes), (Some("{}"), 2));
        assert_eq!((contents.result, contents.result_bytes), (None, Some(CONTENT_BYTES_MAX as u64 + 2)));
    }
}
