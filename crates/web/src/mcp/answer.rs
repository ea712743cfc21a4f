//! Results as JSON-RPC messages.

use app::{ResultMemory, limits::Standing};
use axum::response::Response;
use domain::RequestId;
use http::{HeaderValue, header};
use rmcp::model::RequestId as MessageId;
use serde::Serialize;

use super::{era::Era, refusal::Refusal};
use crate::{held, rate_fields};

/// A request that waits for its answer.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// What the client knows it by.
    pub(super) id: MessageId,
    /// What the log knows it by.
    pub(super) request_id: RequestId,
    /// The shape that its answer has.
    pub(super) era: Era,
}

/// A message that is sent, and what it takes of the node's memory until it is.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) text: String,
    pub(super) memory: Option<ResultMemory>,
    /// How many more calls there may be, if that is told.
    pub(super) standing: Option<Standing>,
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self { text, memory: None, standing: None }
    }
}

/// A JSON-RPC response.
#[derive(Serialize)]
struct Answer<'a, T> {
    jsonrpc: &'static str,
    id: &'a MessageId,
    result: T,
}

impl Question {
    /// The answer as HTTP has it: 200 with one JSON message.
    pub(super) fn answer(&self, result: impl Serialize) -> Result<Response, Refusal> {
        self.message(result).map(Message::from).map(json)
    }

    /// The answer as a message.
    pub(super) fn message(&self, result: impl Serialize) -> Result<String, Refusal> {
        serde_json::to_string(&Answer { jsonrpc: "2.0", id: &self.id, result }).map_err(|error| {
            tracing::error!(error = %error, "a result cannot be written as JSON: {error}");
            Refusal::internal(self.request_id)
        })
    }
}

/// 200 with one JSON message.
pub(super) fn json(Message { text, memory, standing }: Message) -> Response {
    let mut response = Response::new(held::body(text.into_bytes(), memory));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().extend(standing.as_ref().map(rate_fields::of_standing).into_iter().flatten());
    response
}
