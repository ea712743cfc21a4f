//! Which pages of other sites may read what the endpoints answer (Fetch, section 3.3): all of them, since clients run in browsers, too, and
//! none of these endpoints looks at a cookie. The pages where people sign in and consent are not among them.

use axum::{extract::Request, middleware::Next, response::IntoResponse, response::Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

/// What a page may send besides what every page may.
const REQUEST_HEADERS: &str = "authorization, content-type, mcp-protocol-version";
/// What a page may read of the answer's headers besides what every page may.
const ANSWER_HEADERS: &str = "www-authenticate, retry-after, ratelimit, ratelimit-policy, x-request-id";
const METHODS: &str = "GET, POST, PUT, DELETE";
/// Seconds for which a browser does not ask again: what is allowed does not depend on who asks.
const KEPT_S: &str = "7200";

/// Lets every page read the answer, and answers browsers that ask beforehand. Credentials are never allowed.
pub(super) async fn allow(request: Request, next: Next) -> Response {
    let mut answer = if is_preflight(&request) {
        let headers = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, KEPT_S),
        ];
        (StatusCode::NO_CONTENT, headers).into_response()
    } else {
        next.run(request).await
    };
    open(&mut answer);
    answer
}

/// Lets every page read an answer.
pub(super) fn open(answer: &mut Response) {
    let allow = |name: HeaderName, value| (name, HeaderValue::from_static(value));
    answer
        .headers_mut()
        .extend([allow(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"), allow(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS)]);
}

fn is_preflight(request: &Request) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}
