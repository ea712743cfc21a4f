//! A customer of the server that is measured, by its key.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::connection::{BenchError, Connection};

/// Makes servers and tools.
pub struct Customer {
    connection: Connection,
    key: String,
}

impl Customer {
    /// By a connection and the customer's key.
    #[must_use]
    pub fn new(connection: Connection, key: &str) -> Self {
        Self { connection, key: key.to_owned() }
    }

    /// An empty server.
    pub async fn create_server(&mut self, slug: &str) -> Result<(), BenchError> {
        let body = json!({"slug": slug, "title": "Bench", "description": "For figures"});
        self.connection.call("POST", "/api/v1/servers", &self.key, &body).await.map(drop)
    }

    /// Builds a tool from its source in TypeScript.
    pub async fn put(&mut self, slug: &str, name: &str, source: &str, grants: Value) -> Result<(), BenchError> {
        let body = json!({"language": "typescript", "source": source, "grants": grants});
        self.connection.call("PUT", &format!("/api/v1/servers/{slug}/tools/{name}"), &self.key, &body).await.map(drop)
    }

    /// Uploads a component.
    pub async fn upload(&mut self, slug: &str, name: &str, component: Vec<u8>) -> Result<(), BenchError> {
        let request = Request::builder()
            .method("PUT")
            .uri(format!("/api/v1/servers/{slug}/tools/{name}"))
            .header("host", "localhost")
            .header("content-type", "application/wasm")
            .header("authorization", format!("Bearer {}", self.key))
            .body(Full::new(Bytes::from(component)))
            .map_err(|error| BenchError::Failed(format!("cannot make a request: {error}")))?;
        self.connection.send(request).await.map(drop)
    }

    /// Serves what was built.
    pub async fn release(&mut self, slug: &str) -> Result<(), BenchError> {
        self.connection.call("POST", &format!("/api/v1/servers/{slug}/releases"), &self.key, &json!({})).await.map(drop)
    }
}
