//! Which web pages may make a browser call (MCP, "Security Warning" of the streamable HTTP transport): the policy of all doors, told in the
//! form of this one.

use http::{HeaderMap, StatusCode, Uri};
use rmcp::model::ErrorCode;

use super::refusal::Refusal;
use crate::{WebSettings, visitors};

/// Checks `Origin`.
pub(super) fn check(settings: &WebSettings, headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    if visitors::may_ask(settings, headers, uri) {
        return Ok(());
    }
    let message = "pages of this Origin may not call here; whoever runs this installation can allow them";
    Err(Refusal::new(StatusCode::FORBIDDEN, ErrorCode::INVALID_REQUEST, message))
}
