//! JSON bodies: bounded, read once, and told what is wrong with them and where.

use std::{sync::Arc, time::Duration};

use axum::extract::{FromRef, FromRequest, Request};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{error::Category, json};

use super::{
    body::{self, BodyBounds},
    printable, unique_keys,
};
use crate::{WebSettings, envelope::ErrorCode, error::ApiError};

/// Bytes of a body: the largest source there may be (1 MiB) as a JSON string with every second character escaped.
pub(crate) const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A JSON body as a checked type. Unknown fields, repeated keys and anything after the value are refused.
pub(crate) struct Json<T>(pub(crate) T);

impl<S, T> FromRequest<S> for Json<T>
where
    S: Send + Sync,
    Arc<WebSettings>: FromRef<S>,
    T: DeserializeOwned,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        check_declared(request.headers())?;
        let bytes = read(request, Arc::<WebSettings>::from_ref(state).body_wait).await?;
        parse(&bytes).map(Self)
    }
}

fn check_declared(headers: &HeaderMap) -> Result<(), ApiError> {
    if !is_json(headers) {
        return Err(body::unsupported("a body of JSON is needed, with the header `Content-Type: application/json`"));
    }
    body::check_plain(headers)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = body::media_type(headers);
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

async fn read(request: Request, wait: Duration) -> Result<Bytes, ApiError> {
    body::read(request, &BodyBounds { bytes_max: BODY_BYTES_MAX, wait }, too_large).await
}

fn too_large() -> ApiError {
    let message = format!("the body is larger than the {BODY_BYTES_MAX} bytes that are read");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, message)
        .with_details(json!({ "bytes_max": BODY_BYTES_MAX }))
}

/// A body as a checked type.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    unique_keys::check(bytes).map_err(|error| explain(&error, None))?;
    // Serde would take an array for a struct, member by member.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::invalid("the body is not right: it must be a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        explain(error.inner(), Some(path).filter(|path| path != "."))
    })
}

/// What is wrong with the text (400) or with what it says (422), and where.
fn explain(error: &serde_json::Error, path: Option<String>) -> ApiError {
    let reason = printable(&error.to_string());
    let place = json!({ "line": error.line(), "column": error.column() });
    match (error.classify(), path) {
        (Category::Data, Some(path)) => {
            let path = printable(&path);
            ApiError::invalid(format!("`{path}` in the body is not right: {reason}"))
                .with_details(json!({ "path": path, "line": error.line(), "column": error.column() }))
        }
        (Category::Data, None) => ApiError::invalid(format!("the body is not right: {reason}")).with_details(place),
        (Category::Syntax | Category::Eof | Category::Io, _) => {
            ApiError::new(StatusCode::BAD_REQUEST, ErrorCode::Unreadable, format!("the body is not JSON: {reason}"))
                .with_details(place)
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Order {
        name: String,
        count: Option<u32>,
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, wanted) in [
            ("", "the body is not JSON: EOF while parsing a value at line 1 column 0"),
            ("{\"name\": \"a\"} x", "the body is not JSON: trailing characters at line 1 column 15"),
            (
                "{\"name\": 1}",
                "`name` in the body is not right: invalid type: integer `1`, expected a string at line 1 column 10",
            ),
            ("{\"name\": \"a\", \"name\": \"b\"}", "the body is not right: the key `name` stands twice at line 1 column 20"),
            ("[\"a\", 1]", "the body is not right: it must be a JSON object"),
        ] {
            assert_eq!(parse::<Order>(text.as_bytes()).unwrap_err().message(), wanted, "{text}");
        }
    }

    #[test]
    fn a_message_does_not_repeat_megabytes() {
        let text = format!("{{\"name\": \"a\", \"count\": \"{}\"}}", "9".repeat(1_000_000));

        let message = parse::<Order>(text.as_bytes()).unwrap_err().message().to_owned();

        assert!(message.len() < 600, "{}", message.len());
    }

    #[test]
    fn json_is_declared_as_such() {
        for (declared, wanted) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("text/json", false),
            ("application/x-www-form-urlencoded", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(declared))]);
            assert_eq!(is_json(&headers), wanted, "{declared}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
