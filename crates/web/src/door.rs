//! What every request passes: its id, its place in the log, the form of its error, the headers of every answer.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::RequestId;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use telemetry::Metrics;
use tracing::{Instrument, debug, error, field, info, info_span, warn};

use crate::{
    WebSettings, cors, env_headers,
    error::{self, ApiError},
    rate_fields,
    shape::Shape,
};

/// The header that names a request, in both directions.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Who may take an answer into a page (Fetch, section 3.7).
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Headers whose values are nobody's business, besides those of [`env_headers`]: the log tells that they were there (LOG-7).
const SENSITIVE: [&str; 5] = ["authorization", "cookie", "proxy-authorization", "toolwright-csrf", "dpop"];

/// Names of sensitive headers that one line of the log tells.
const SENSITIVE_MAX: usize = 20;

/// Characters of such a name: a client can write what it likes behind `x-env-`.
const SENSITIVE_CHARS_MAX: usize = 80;

/// Characters of a method that are shown: the longest that is registered has 17.
const METHOD_CHARS_MAX: usize = 32;

/// Headers that every answer is given.
const HEADERS_ADDED: usize = 8;

/// A year, as RFC 6797, section 6.1, writes it.
const TRANSPORT_SECURITY: &str = "max-age=31536000";

/// Characters of a client's own request id that are kept: a trace id of any system in use fits.
const CLIENT_REQUEST_ID_CHARS_MAX: usize = 128;

/// What a request passes.
#[derive(Debug)]
pub(crate) struct Door {
    metrics: Arc<Metrics>,
    settings: Arc<WebSettings>,
    /// What browsers are told of how to come back.
    transport_security: Option<HeaderValue>,
}

impl Door {
    /// Of an installation with these settings: where it is reached over https, browsers are told to come over nothing else for
    /// [`TRANSPORT_SECURITY`]. For hosts below it others speak.
    pub(crate) fn new(metrics: Arc<Metrics>, settings: Arc<WebSettings>) -> Self {
        let is_https = settings.public_url.scheme() == "https";
        Self { metrics, settings, transport_security: is_https.then(|| HeaderValue::from_static(TRANSPORT_SECURITY)) }
    }
}

/// Carries a request through: gives it an id (its [`RequestId`] extension), logs how it ended, says an [`ApiError`] or a panic in
/// the form of the door, and on the answer who may read it.
///
/// The id is always our own, so that two requests never share one; a client's `X-Request-Id` stands beside it in the log.
pub(crate) async fn pass(State(door): State<Arc<Door>>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let request_id = RequestId::new();
    request.extensions_mut().insert(request_id);
    let method = request.method().clone();
    let method = shown(&method);
    let shape = Shape::of(request.uri().path());
    let visit = cors::Visit::of(&door.settings, shape, &request);
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = info_span!("request", %request_id, method, route, client_request_id = field::Empty);
    if let Some(id) = client_request_id(request.headers()) {
        span.record("client_request_id", id);
    }

    let sensitive = sensitive_names(request.headers());

    async {
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        let answer = answer.unwrap_or_else(|_panic| {
            error!("the handler of {method} {route} panicked");
            error::internal().into_response()
        });
        let mut answer = finish(answer, shape, request_id, &door);
        if let Some(visit) = visit {
            visit.tell(answer.status(), answer.headers_mut());
        }
        let took = begun.elapsed();
        door.metrics.observe_request(matched.as_ref().map(MatchedPath::as_str), answer.status().as_u16(), took);
        log_end(method, route, &sensitive, answer.status(), took);
        answer
    }
    .instrument(span)
    .await
}

/// A method as the log shows it: a client can make one up that is as long as a head may be.
pub(crate) fn shown(method: &Method) -> &str {
    // All of them are ASCII (RFC 9110, section 9.1).
    method.as_str().get(..METHOD_CHARS_MAX).unwrap_or(method.as_str())
}

fn client_request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    (1..=CLIENT_REQUEST_ID_CHARS_MAX).contains(&id.len()).then_some(id)
}

/// The names of the sensitive headers of a request, as the field `sensitive` of its line in the log has them.
fn sensitive_names(headers: &HeaderMap) -> String {
    let is_sensitive = |name: &&HeaderName| SENSITIVE.contains(&name.as_str()) || env_headers::name_in(name).is_some();
    let mut names = String::new();
    for name in headers.keys().filter(is_sensitive).take(SENSITIVE_MAX) {
        if !names.is_empty() {
            names.push(' ');
        }
        names.extend(name.as_str().chars().take(SENSITIVE_CHARS_MAX));
    }
    names
}

fn finish(mut answer: Response, shape: Shape, request_id: RequestId, door: &Door) -> Response {
    if let Some(error) = answer.extensions_mut().remove::<Arc<ApiError>>() {
        log_fault(&error);
        let before = std::mem::take(answer.headers_mut());
        answer = shape.tell(&error, request_id);
        for name in [header::ALLOW, rate_fields::RATE_LIMIT_POLICY, rate_fields::RATE_LIMIT] {
            if let (Some(value), false) = (before.get(&name), answer.headers().contains_key(&name)) {
                answer.headers_mut().insert(name, value.clone());
            }
        }
    }
    let status = answer.status();
    let headers = answer.headers_mut();
    // At once, and not by growing twice.
    headers.reserve(HEADERS_ADDED);
    rate_fields::complete(status, headers);
    if let Ok(id) = HeaderValue::try_from(request_id.to_string()) {
        headers.insert(X_REQUEST_ID, id);
    }
    if let Some(value) = &door.transport_security {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value.clone());
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // What is no page is not to be shown as one, framed, or taken into a page of another site. (What a page may read of it is CORS' matter, which
    // does not look at this.)
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// Tells the log what a fault of the platform was.
pub(crate) fn log_fault(error: &ApiError) {
    let Some(chain) = error.fault_chain() else { return };
    if error.code() == crate::envelope::ErrorCode::Unavailable {
        warn!(error = chain, "something is away: {chain}");
    } else {
        error!(error = chain, "a fault of ours: {chain}");
    }
}

/// Probes and scrapes come every few seconds and say nothing when all is well.
fn log_end(method: &str, route: &str, sensitive: &str, status: StatusCode, took: Duration) {
    let duration_ms = took.as_secs_f64() * 1000.0;
    let status = status.as_u16();
    if matches!(route, "/health/live" | "/health/ready" | "/metrics") && status < 400 {
        debug!(status, duration_ms, sensitive, "answered {method} {route} with {status}");
    } else {
        info!(status, duration_ms, sensitive, "answered {method} {route} with {status}");
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use http_body_util::BodyExt;
    use serde_json::{Value, json};
    use telemetry::ProcessFacts;
    use tower::ServiceExt;

    use super::*;
    use crate::settings::test_settings;

    #[tokio::test]
    async fn a_panic_is_an_error_of_ours_that_tells_nothing() {
        let (status, body) = answer(broken).await;

        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body["error_code"], "internal");
        assert!(!body.to_string().contains("secret"), "{body}");
    }

    #[tokio::test]
    async fn a_panic_is_told_in_the_form_of_its_door() {
        for (path, wanted) in [
            ("/api/v1/servers", r#""error_code":"internal""#),
            ("/mcp/weather", r#""code":-32603"#),
            ("/oauth/token", r#""error":"server_error""#),
            ("/account", "<h1>Something went wrong</h1>"),
        ] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();

            let answer = router("http://127.0.0.1:8080", broken).oneshot(request).await.unwrap();

            let id = answer.headers()[X_REQUEST_ID].to_str().unwrap().to_owned();
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
            let text = String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
            assert!(text.contains(wanted) && !text.contains("secret"), "{path}: {text}");
            assert!(text.contains(&id) || path == "/oauth/token", "{path}: OAuth's form has no place for it: {text}");
        }
    }

    #[tokio::test]
    async fn a_fault_shows_its_request_id_and_nothing_else() {
        let fault = || app::AppError::Internal { context: "cannot read tier `free`".into(), source: "password refused".into() };
        let (status, body) = answer(move || async move { ApiError::from(fault()) }).await;

        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body["message"], "something went wrong on our side; the installation's log explains it under the request id");
        assert_eq!(body["details"], json!({}));
        assert_eq!(body["request_id"].as_str().map(str::len), Some(36));
    }

    #[test]
    fn sensitive_headers_are_known_by_name() {
        let headers = ["authorization", "cookie", "x-env-api_key", "accept", "x-environment"];
        let headers =
            headers.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("s3cret"))).into_iter().collect();
        let many = (0..100).map(|index| {
            (HeaderName::try_from(format!("x-env-{index}-{}", "x".repeat(200))).unwrap(), HeaderValue::from_static(""))
        });

        let mut names: Vec<String> = sensitive_names(&headers).split(' ').map(str::to_owned).collect();
        names.sort();

        assert_eq!(names, ["authorization", "cookie", "x-env-api_key"]);
        assert!(sensitive_names(&many.collect()).len() <= SENSITIVE_MAX * (SENSITIVE_CHARS_MAX + 1));
    }

    #[tokio::test]
    async fn over_https_browsers_are_told_to_come_over_nothing_else() {
        for (public_url, expected) in [("https://tools.example.com", Some("max-age=31536000")), ("http://127.0.0.1:8080", None)] {
            for route in ["/", "/missing"] {
                let request = Request::builder().uri(route).body(Body::empty()).unwrap();

                let answer = router(public_url, broken).oneshot(request).await.unwrap();

                let told = answer.headers().get(header::STRICT_TRANSPORT_SECURITY).map(|value| value.to_str().unwrap());
                assert_eq!(told, expected, "{public_url} {route}");
            }
        }
    }

    async fn broken() -> StatusCode {
        panic!("the key is tw_secret")
    }

    async fn answer<F, R>(handler: impl Fn() -> F + Clone + Send + Sync + 'static) -> (StatusCode, Value)
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoResponse + 'static,
    {
        let answer = router("http://127.0.0.1:8080", handler).oneshot(Request::new(Body::empty())).await.unwrap();
        let status = answer.status();
        (status, serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap())
    }

    fn router<F, R>(public_url: &str, handler: impl Fn() -> F + Clone + Send + Sync + 'static) -> Router
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoResponse + 'static,
    {
        let metrics = Arc::new(Metrics::new(ProcessFacts { version: "0", started_at_s: 0.0 }));
        let door = Door::new(metrics, Arc::new(test_settings(public_url)));
        Router::new()
            .route("/", get(handler.clone()))
            .fallback(handler)
            .layer(middleware::from_fn_with_state(Arc::new(door), pass))
    }
}
