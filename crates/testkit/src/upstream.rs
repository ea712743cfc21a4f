//! A server that tools ask: real HTTP on loopback, which remembers what it was asked.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, body::Body, extract::Request, response::Response};
use domain::{GrantedHost, Scheme};
use egress::{EgressConfig, HostAndPort};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Collected};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::secure_listener::SecureListener;

const HOST: &str = "upstream.localhost";

/// A server on a port of its own. It ends when this is dropped.
pub struct Upstream {
    scheme: Scheme,
    address: SocketAddr,
    /// The authority that vouches for it, as PEM; empty if there is no TLS.
    authority: String,
    seen: Arc<Mutex<Vec<SeenRequest>>>,
    serving: JoinHandle<()>,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct SeenRequest {
    /// Its method.
    pub method: String,
    /// Its path, with the query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as a text.
    pub body: String,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct UpstreamAnswer {
    /// The status.
    pub status: StatusCode,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Upstream {
    /// A server that answers what `answer` says.
    pub async fn start(answer: impl Fn(&SeenRequest) -> UpstreamAnswer + Clone + Send + Sync + 'static) -> Self {
        let (listener, address) = listen().await;
        let (seen, router) = remember(answer);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("the server serves") });
        Self { scheme: Scheme::Http, address, authority: String::new(), seen, serving }
    }

    /// The same behind TLS, vouched for by an authority of its own, which [`Upstream::egress`] trusts.
    pub async fn start_tls(answer: impl Fn(&SeenRequest) -> UpstreamAnswer + Clone + Send + Sync + 'static) -> Self {
        let (listener, address) = listen().await;
        let (seen, router) = remember(answer);
        let (listener, authority) = SecureListener::new(listener, HOST);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("the server serves") });
        Self { scheme: Scheme::Https, address, authority, seen, serving }
    }

    /// A server that says what it was asked, as JSON: `method`, `path`, `headers`, `body`.
    pub async fn echo() -> Self {
        Self::start(|request| {
            let headers: serde_json::Map<_, _> = request
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
                .collect();
            let body = serde_json::json!({
                "method": request.method, "path": request.path, "headers": headers, "body": request.body,
            });
            UpstreamAnswer::json(&body)
        })
        .await
    }

    /// Its host, which every resolver takes for loopback (RFC 6761, section 6.3).
    #[must_use]
    pub const fn host(&self) -> &'static str {
        HOST
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `path`, which begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}:{}{path}", self.scheme.as_str(), self.host(), self.address.port())
    }

    /// A way out on which it can be reached.
    #[must_use]
    pub fn egress(&self) -> EgressConfig {
        EgressConfig {
            allow_private: vec![self.host_and_port()],
            extra_ca_pem: self.authority.clone().into_bytes(),
            ..EgressConfig::default()
        }
    }

    /// Host and port, as an operator allows them.
    #[must_use]
    pub fn host_and_port(&self) -> HostAndPort {
        format!("{}:{}", self.host(), self.address.port()).parse().expect("a host and a port")
    }

    /// The grant of a tool that asks it.
    #[must_use]
    pub fn grant(&self) -> GrantedHost {
        let host = self.host().parse().expect("a host");
        GrantedHost { scheme: self.scheme, host, port: self.address.port().try_into().ok(), methods: [].into() }
    }

    /// What it was asked so far.
    #[must_use]
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl UpstreamAnswer {
    /// A good answer of JSON.
    #[must_use]
    pub fn json(body: &serde_json::Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status: StatusCode::OK, headers, body: body.to_string().into_bytes() }
    }

    /// A status without a body.
    #[must_use]
    pub const fn status(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }
}

impl SeenRequest {
    /// The value of a header; empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Upstream").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a listener has an address");
    (listener, address)
}

fn remember(
    answer: impl Fn(&SeenRequest) -> UpstreamAnswer + Clone + Send + Sync + 'static,
) -> (Arc<Mutex<Vec<SeenRequest>>>, Router) {
    let seen = Arc::default();
    let router = Router::new().fallback({
        let seen = Arc::clone(&seen);
        move |request: Request| serve(Arc::clone(&seen), answer.clone(), request)
    });
    (seen, router)
}

async fn serve(
    seen: Arc<Mutex<Vec<SeenRequest>>>,
    answer: impl Fn(&SeenRequest) -> UpstreamAnswer,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let request = SeenRequest {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let given = answer(&request);
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    let mut response = Response::builder().status(given.status);
    for (name, value) in given.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(given.body)).expect("the test's own answer is well-formed")
}
