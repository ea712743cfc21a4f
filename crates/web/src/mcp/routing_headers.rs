//! Headers of 2026-07-28 that repeat the body, so that programs on the way can route without reading it (SEP-2243). They must say what
//! the body says, or a request would be routed as one thing and done as another.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::ParamHeader;
use http::HeaderMap;
use serde_json::{Map, Value};

use super::refusal::Refusal;

pub(super) const MCP_PROTOCOL_VERSION: &str = "mcp-protocol-version";
const MCP_METHOD: &str = "mcp-method";
const MCP_NAME: &str = "mcp-name";
const MCP_PARAM_PREFIX: &str = "mcp-param-";

/// The value of a header that may stand once.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::header_mismatch(format!("the header {name} stands more than once")));
    }
    value.to_str().map(Some).map_err(|_| Refusal::header_mismatch(format!("the header {name} has characters that none may have")))
}

/// Checks `Mcp-Method`, and `Mcp-Name` where the request names something.
pub(super) fn check(headers: &HeaderMap, method: &str, name: Option<&str>) -> Result<(), Refusal> {
    expect(MCP_METHOD, single(headers, MCP_METHOD)?, method)?;
    match name {
        Some(name) => expect(MCP_NAME, decoded(headers, MCP_NAME)?.as_deref(), name),
        None => Ok(()),
    }
}

/// Checks `Mcp-Method` where it need not be given.
pub(super) fn check_method_if_given(headers: &HeaderMap, method: &str) -> Result<(), Refusal> {
    match single(headers, MCP_METHOD)? {
        None => Ok(()),
        given => expect(MCP_METHOD, given, method),
    }
}

/// Checks the headers that a tool wants its arguments repeated in.
pub(super) fn check_params(headers: &HeaderMap, wanted: &[ParamHeader], arguments: &Map<String, Value>) -> Result<(), Refusal> {
    for ParamHeader { name, path } in wanted {
        let name = &format!("{MCP_PARAM_PREFIX}{name}");
        let given = decoded(headers, name)?;
        match (given, argument(arguments, path).and_then(text_of)) {
            (None, None) => {}
            (Some(_), None) => {
                return Err(Refusal::header_mismatch(format!("the header {name} repeats an argument that is not given")));
            }
            (given, Some(wanted)) => expect(name, given.as_deref(), &wanted)?,
        }
    }
    Ok(())
}

fn argument<'a>(arguments: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(arguments.get(first)?, |value, key| value.get(key))
}

/// How an argument is written in a header; `null` and what is no primitive are not.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn expect(name: &str, given: Option<&str>, wanted: &str) -> Result<(), Refusal> {
    match given {
        Some(given) if given == wanted => Ok(()),
        Some(given) => {
            Err(Refusal::header_mismatch(format!("the header {name} says `{given:.64}`, the body says `{wanted:.64}`")))
        }
        None => Err(Refusal::header_mismatch(format!("the header {name} is missing"))),
    }
}

/// A header's value, out of the form `=?base64?...?=` that carries what a header cannot.
fn decoded(headers: &HeaderMap, name: &str) -> Result<Option<String>, Refusal> {
    let Some(value) = single(headers, name)? else { return Ok(None) };
    let Some(inner) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Ok(Some(value.to_owned()));
    };
    let text = STANDARD.decode(inner).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Some).ok_or_else(|| Refusal::header_mismatch(format!("the header {name} is not UTF-8 in Base64")))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    #[test]
    fn the_header_says_what_the_argument_says() {
        let wanted = [ParamHeader { name: "region".into(), path: vec!["region".into()] }];
        for (header, arguments, right) in [
            (Some("eu"), json!({"region": "eu"}), true),
            (Some("=?base64?ZcO8?="), json!({"region": "eü"}), true),
            (Some("7"), json!({"region": 7}), true),
            (None, json!({}), true),
            (None, json!({"region": null}), true),
            (Some("us"), json!({"region": "eu"}), false),
            (None, json!({"region": "eu"}), false),
            (Some("eu"), json!({}), false),
            (Some("=?base64?!?="), json!({"region": "!"}), false),
        ] {
            let checked = check_params(&headers(&[("mcp-param-region", header)]), &wanted, arguments.as_object().unwrap());

            assert_eq!(checked.is_ok(), right, "{header:?} {arguments}");
        }
    }

    #[test]
    fn two_values_are_not_one() {
        assert!(check(&headers(&[("mcp-method", Some("ping")), ("mcp-method", Some("ping"))]), "ping", None).is_err());
    }

    fn headers(fields: &[(&'static str, Option<&str>)]) -> HeaderMap {
        let given = fields.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
        given.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
    }
}
