//! Headers `X-Env-NAME` of a request: secrets that its caller brings for the server's tools (SEC-7).

use std::collections::{BTreeMap, BTreeSet};

use app::CallerSecrets;
use domain::EnvName;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;

use super::refusal::Refusal;
use crate::env_headers::name_in;

/// Characters of a header's name that an error repeats: as many as the longest name that there can be has.
const NAME_CHARS_SHOWN: usize = EnvName::CHARS_MAX;

/// Takes them out of the headers, so that nothing that looks at those later meets a value. Only names that a tool of the server has declared are
/// taken. Headers know no case, and many proxies drop those with an underscore: `x-env-api-key` is `API_KEY` as well.
pub(super) fn take(headers: &mut HeaderMap, declared: &BTreeSet<EnvName>) -> Result<CallerSecrets, Refusal> {
    let found: Vec<HeaderName> = headers.keys().filter(|name| name_in(name).is_some()).cloned().collect();
    if found.is_empty() {
        return Ok(CallerSecrets::default());
    }
    if found.len() > CallerSecrets::COUNT_MAX {
        return Err(Refusal::invalid_request(format!("a request has {} headers X-Env-... at most", CallerSecrets::COUNT_MAX)));
    }
    let mut secrets = BTreeMap::new();
    for header in found {
        let given = name_in(&header).unwrap_or_default();
        let name = given.to_ascii_uppercase().replace('-', "_").parse().ok().filter(|name| declared.contains(name));
        let name: EnvName = name.ok_or_else(|| undeclared(given, declared))?;
        let values: Vec<HeaderValue> = headers.get_all(&header).iter().cloned().collect();
        headers.remove(&header);
        let [value] = values.as_slice() else { return Err(twice(&name)) };
        if secrets.insert(name.clone(), read(&name, value)?).is_some() {
            return Err(twice(&name));
        }
    }
    Ok(CallerSecrets::new(secrets))
}

/// The text of the error holds nothing of the value.
fn read(name: &EnvName, value: &HeaderValue) -> Result<SecretString, Refusal> {
    let text = value.to_str().map_err(|_| {
        Refusal::invalid_request(format!(
            "the header X-Env-{name} must have printable characters of ASCII, spaces and tabs alone"
        ))
    })?;
    if text.is_empty() {
        return Err(Refusal::invalid_request(format!("the header X-Env-{name} is empty: leave it away, or give it a value")));
    }
    if text.len() > CallerSecrets::VALUE_BYTES_MAX {
        let message = format!("the header X-Env-{name} has {} bytes at most", CallerSecrets::VALUE_BYTES_MAX);
        return Err(Refusal::invalid_request(message));
    }
    Ok(SecretString::from(text))
}

fn twice(name: &EnvName) -> Refusal {
    Refusal::invalid_request(format!("the header X-Env-{name} stands more than once"))
}

fn undeclared(given: &str, declared: &BTreeSet<EnvName>) -> Refusal {
    let shown: String = given.chars().take(NAME_CHARS_SHOWN).collect();
    if declared.is_empty() {
        return Refusal::invalid_request(format!("the header X-Env-{shown} is not taken: no tool of this server asks for any"));
    }
    let names: Vec<String> = declared.iter().map(|name| format!("X-Env-{name}")).collect();
    Refusal::invalid_request(format!(
        "the header X-Env-{shown} is not taken: the tools of this server ask for {}",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_is_taken_and_taken_away() {
        let mut headers = headers(&[("x-env-api-key", "one"), ("x-env-token", "two"), ("accept", "x")]);

        let secrets = take(&mut headers, &declared()).unwrap();

        let names = format!("{secrets:?}");
        assert!(names.contains("API_KEY") && names.contains("TOKEN"), "{names}");
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }

    #[test]
    fn all_else_is_refused_and_told_without_a_value() {
        let long = "v4lue".repeat(CallerSecrets::VALUE_BYTES_MAX / 5 + 1);
        let many: Vec<(String, &str)> =
            (0..=CallerSecrets::COUNT_MAX).map(|index| (format!("x-env-n{index}"), "v4lue")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        for (given, wanted) in [
            (
                [("x-env-other", "v4lue")].as_slice(),
                "X-Env-other is not taken: the tools of this server ask for X-Env-API_KEY, X-Env-TOKEN",
            ),
            (&[("x-env-", "v4lue")], "is not taken"),
            (&[("x-env-token", "v4lue"), ("x-env-token", "v4lue2")], "X-Env-TOKEN stands more than once"),
            (&[("x-env-api_key", "v4lue"), ("x-env-api-key", "v4lue2")], "X-Env-API_KEY stands more than once"),
            (&[("x-env-token", "")], "X-Env-TOKEN is empty"),
            (&[("x-env-token", "v4lueü")], "printable characters of ASCII"),
            (&[("x-env-token", &long)], "8192 bytes at most"),
            (&many, "16 headers X-Env-... at most"),
        ] {
            let message = take(&mut headers(given), &declared()).unwrap_err().into_message().error.message.to_string();

            assert!(message.contains(wanted), "{message}");
            assert!(!message.contains("v4lue"), "{message}");
        }
        let none = take(&mut headers(&[("x-env-token", "v4lue")]), &BTreeSet::new()).unwrap_err().into_message();
        assert!(none.error.message.contains("no tool of this server asks for any"), "{}", none.error.message);
    }

    fn declared() -> BTreeSet<EnvName> {
        ["API_KEY", "TOKEN"].map(|name| name.parse().unwrap()).into()
    }

    fn headers(given: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }
}
