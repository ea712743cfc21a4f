//! In which form each door says what went wrong: nobody gets a page who asked for JSON, or the other way round.

use axum::response::Response;
use domain::RequestId;

use crate::{account::page, error::ApiError, mcp, oauth};

/// How a door says what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The one envelope: REST, and whatever is no door of its own.
    Envelope,
    /// A page.
    Page,
    /// OAuth's own JSON (RFC 6749, section 5.2).
    Oauth,
    /// An error of JSON-RPC.
    Mcp,
}

/// What the pages' paths begin with.
const PAGES: [&str; 8] =
    ["/account", "/device", "/invitations", "/oauth/authorize", "/oauth/consent", "/sign-in", "/sign-out", "/sign-up"];

/// Asked by the script of a page, which reads JSON.
const ASKED_BY_SCRIPTS: [&str; 3] = ["/account/passkeys/options", "/account/passkeys/proof", "/sign-in/passkey/options"];

impl Shape {
    /// The form at `path`, whether or not there is anything.
    pub(crate) fn of(path: &str) -> Self {
        let is_below =
            |beginning: &str| path.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_below("/mcp") {
            // Where clients look that take a server for its own authorization server.
            if path.contains("/.well-known/") { Self::Oauth } else { Self::Mcp }
        } else if is_below("/api") || is_below("/admin") || ASKED_BY_SCRIPTS.contains(&path) {
            Self::Envelope
        } else if PAGES.iter().any(|page| is_below(page)) {
            Self::Page
        } else if is_below("/oauth") || is_below("/.well-known") {
            Self::Oauth
        } else {
            Self::Envelope
        }
    }

    /// The answer.
    pub(crate) fn tell(self, error: &ApiError, request_id: RequestId) -> Response {
        match self {
            Self::Envelope => error.to_answer(request_id),
            Self::Page => page::refusal(error, request_id),
            Self::Oauth => oauth::refusal(error),
            Self::Mcp => mcp::refusal(error, request_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_door_has_its_form_also_where_there_is_nothing() {
        for (path, shape) in [
            ("/mcp/weather", Shape::Mcp),
            ("/mcp", Shape::Mcp),
            ("/mcp/weather/more", Shape::Mcp),
            ("/mcp/weather/.well-known/openid-configuration", Shape::Oauth),
            ("/mcpx", Shape::Envelope),
            ("/api/v1/servers", Shape::Envelope),
            ("/admin/v1/tiers", Shape::Envelope),
            ("/oauth/token", Shape::Oauth),
            ("/oauth/nothing", Shape::Oauth),
            ("/.well-known/nothing", Shape::Oauth),
            ("/oauth/authorize", Shape::Page),
            ("/oauth/consent", Shape::Page),
            ("/device", Shape::Page),
            ("/sign-in/upstream/acme", Shape::Page),
            ("/sign-in/passkey/options", Shape::Envelope),
            ("/account/nothing", Shape::Page),
            ("/accounts", Shape::Envelope),
            ("/health/live", Shape::Envelope),
            ("/assets/none.css", Shape::Envelope),
            ("/", Shape::Envelope),
        ] {
            assert_eq!(Shape::of(path), shape, "{path}");
        }
    }
}
