//! What the pages are drawn with.

use axum::response::{IntoResponse, Response};
use domain::Digest;
use http::{HeaderMap, StatusCode, header};

const STYLE: &str = include_str!("../../assets/style.css");
const PASSKEYS: &str = include_str!("../../assets/passkeys.js");
const ICON: &str = include_str!("../../assets/icon.svg");

/// A new version of the program is seen within this: the path stays.
const CACHED: &str = "public, max-age=300";

/// The one style sheet.
pub(super) async fn style(headers: HeaderMap) -> Response {
    answer(&headers, "text/css; charset=utf-8", STYLE)
}

/// The one script, of the pages where one uses passkeys.
pub(super) async fn passkeys(headers: HeaderMap) -> Response {
    answer(&headers, "text/javascript; charset=utf-8", PASSKEYS)
}

/// What stands in a browser's tab.
pub(super) async fn icon(headers: HeaderMap) -> Response {
    answer(&headers, "image/svg+xml", ICON)
}

/// The asset, or that it is still the one that the browser has (RFC 9110, section 13.1.2).
fn answer(headers: &HeaderMap, media_type: &'static str, content: &'static str) -> Response {
    let etag = format!("\"{}\"", Digest::of(content.as_bytes()));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let about = [(header::ETAG, etag.clone()), (header::CACHE_CONTROL, CACHED.to_owned())];
    if known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(header::CONTENT_TYPE, media_type)], content).into_response()
}
