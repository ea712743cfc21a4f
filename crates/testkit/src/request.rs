//! A request through the doors, without a socket.

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::TestApp;

/// What came back through the doors.
#[derive(Debug)]
pub struct TestAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body: as JSON where it is JSON, else as a text.
    pub body: Value,
}

impl TestApp {
    /// Sends `body` as JSON, with `key` as bearer, and reads the whole answer.
    pub async fn request(&self, method: &str, path: &str, key: Option<&str>, body: Option<Value>) -> TestAnswer {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1:8080");
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let request = match body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let request = request.expect("the test's own method, path and key are well-formed");
        let answer = self.router().oneshot(request).await.unwrap_or_else(|never| match never {});
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.expect("the body ends well").to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
        TestAnswer { status: parts.status, headers: parts.headers, body }
    }
}
