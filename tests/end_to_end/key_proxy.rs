//! A proxy that adds an API key to every request, for clients that cannot be given one.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Uri, header, uri::PathAndQuery},
    response::Response,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::api::Api;

/// A proxy's address, before anybody is served there.
pub(crate) struct KeyProxy(TcpListener);

/// A running proxy; it ends when this is dropped.
pub(crate) struct RunningProxy(JoinHandle<()>);

/// Where requests go, and as whom.
struct Upstream {
    client: Client<HttpConnector, Body>,
    authority: String,
    authorization: HeaderValue,
}

impl KeyProxy {
    pub(crate) async fn bind() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// Its address as a web page's origin.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Passes everything on to the server of `owner`, with their key. Headers are otherwise left as they are, `Host` and `Origin` too.
    pub(crate) fn serve(self, owner: &Api) -> RunningProxy {
        let upstream = Upstream {
            client: Client::builder(TokioExecutor::new()).build_http(),
            authority: owner.base.trim_start_matches("http://").to_owned(),
            authorization: format!("Bearer {}", owner.key).parse().unwrap(),
        };
        let router = Router::new().fallback(pass_on).with_state(Arc::new(upstream));
        RunningProxy(tokio::spawn(async move { axum::serve(self.0, router).await.unwrap() }))
    }
}

impl Drop for RunningProxy {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Passes one request on. The answer's body goes through as it comes: a stream of events stays one.
async fn pass_on(State(upstream): State<Arc<Upstream>>, mut request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    *request.uri_mut() = format!("http://{}{path}", upstream.authority).parse::<Uri>().unwrap();
    request.headers_mut().insert(header::AUTHORIZATION, upstream.authorization.clone());
    let response = upstream.client.request(request).await.unwrap();
    response.map(Body::new)
}
