//! What the doors make of a stranger's bytes before anything is done about them. The doors do this on the way of each request; here it stands
//! alone, for whoever tries it with bytes that no client would send.

use std::collections::BTreeSet;

use domain::EnvName;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value};

use crate::{extract, mcp};

/// Reads a body that was sent to `/mcp/{server}`, and writes what was understood as one JSON-RPC message; the parameters stand there as they
/// came, but for the arguments of a `tools/call`, which are read as well. The error is the message that the client gets.
pub fn mcp_message(body: &[u8]) -> Result<String, String> {
    mcp::reread(body)
}

/// Reads a body of JSON as the REST doors do. The error is the text that the client gets.
pub fn json_body(body: &[u8]) -> Result<Map<String, Value>, String> {
    extract::parse_json(body).map_err(|error| error.message().to_owned())
}

/// Takes the headers `X-Env-NAME` of a request to a server whose tools ask for `declared`; what is left are the others. The error is the text
/// that the client gets.
pub fn env_headers(mut headers: HeaderMap, declared: &BTreeSet<EnvName>) -> Result<Vec<HeaderName>, String> {
    mcp::take_env_headers(&mut headers, declared)?;
    Ok(headers.keys().cloned().collect())
}
