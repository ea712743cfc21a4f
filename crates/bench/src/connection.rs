//! One HTTP/1.1 connection to a server on this machine.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Why a benchmark could not go on.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The machine did not do what was asked of it.
    #[error("{what}")]
    Io {
        /// What was asked, and that it failed.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The connection to the server broke.
    #[error("cannot talk to the server")]
    Http(#[from] hyper::Error),
    /// reqwest's request failed.
    #[error("cannot ask by reqwest")]
    Upstream(#[from] reqwest::Error),
    /// The server answered, and not with a 2xx.
    #[error("the server answered {status} to {request}: {body}")]
    Refused {
        /// Method and path.
        request: String,
        /// The status.
        status: u16,
        /// The body, as text.
        body: String,
    },
    /// What else was not as it must be, in words.
    #[error("{0}")]
    Failed(String),
}

impl BenchError {
    /// Names what failed, for `map_err`.
    pub fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}

/// A connection that carries one request at a time.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects to `address`.
    pub async fn open(address: SocketAddr) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await.map_err(BenchError::io("cannot connect to the server"))?;
        stream.set_nodelay(true).map_err(BenchError::io("cannot set TCP_NODELAY"))?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Sends a request and gives the body of its 2xx answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Bytes, BenchError> {
        let name = format!("{} {}", request.method(), request.uri().path());
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status.is_success() {
            Ok(body)
        } else {
            Err(BenchError::Refused { request: name, status: status.as_u16(), body: String::from_utf8_lossy(&body).into_owned() })
        }
    }

    /// Sends `body` as JSON with `key` as the bearer token and reads the JSON answer.
    pub async fn call(&mut self, method: &str, path: &str, key: &str, body: &Value) -> Result<Value, BenchError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {key}"))
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|error| BenchError::Failed(format!("cannot make a request: {error}")))?;
        let answer = self.send(request).await?;
        serde_json::from_slice(&answer)
            .map_err(|error| BenchError::Failed(format!("the answer to {method} {path} is not JSON: {error}")))
    }
}
