//! Which web pages may make a browser call (MCP, "Security Warning" of the streamable HTTP transport; SEC-3).

use http::{HeaderMap, StatusCode, Uri, header, uri::Authority};
use rmcp::model::ErrorCode;
use url::{Origin, Url};

use super::refusal::Refusal;
use crate::WebSettings;

/// Checks `Origin` and `Host`. Programs other than browsers send no `Origin`: that is fine.
pub(super) fn check(settings: &WebSettings, headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    if !origins.all(|origin| origin.to_str().is_ok_and(|origin| is_allowed_origin(settings, origin))) {
        return Err(forbidden("pages of this Origin may not call here; whoever runs this installation can allow them"));
    }
    let hosts = &settings.mcp.allowed_hosts;
    if !hosts.is_empty() && !host(headers, uri).is_some_and(|host| hosts.iter().any(|allowed| is_same_host(allowed, &host))) {
        return Err(forbidden("this installation does not answer under this Host"));
    }
    Ok(())
}

fn is_allowed_origin(settings: &WebSettings, text: &str) -> bool {
    let Some(origin) = parse_origin(text) else { return false };
    settings.public_url.origin() == origin || settings.mcp.allowed_origins.contains(&origin)
}

/// An origin as browsers write it (RFC 6454, section 6.2): scheme, host and port, and nothing else. `null` belongs to any page in a
/// sandboxed frame, so it is none.
fn parse_origin(text: &str) -> Option<Origin> {
    let origin = Url::parse(text).ok()?.origin();
    (origin.is_tuple() && origin.ascii_serialization() == text).then_some(origin)
}

/// The host that was asked for: `Host`, or `:authority` of HTTP/2.
fn host(headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    match headers.get(header::HOST) {
        Some(host) => host.to_str().ok()?.parse().ok(),
        None => uri.authority().cloned(),
    }
}

/// A host that is allowed without a port is allowed at each.
fn is_same_host(allowed: &Authority, host: &Authority) -> bool {
    allowed.host().eq_ignore_ascii_case(host.host()) && allowed.port_u16().is_none_or(|port| host.port_u16() == Some(port))
}

fn forbidden(message: &str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, ErrorCode::INVALID_REQUEST, message)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::{McpSettings, settings::test_settings};

    #[test]
    fn the_page_of_the_installation_itself_and_those_allowed_may_call() {
        for (origin, right) in [
            ("https://tools.example.com", true),
            ("https://app.example.com:8443", true),
            ("https://app.example.com", false),
            ("http://tools.example.com", false),
            ("https://tools.example.com.evil.test", false),
            ("https://tools.example.com/", false),
            ("https://user@tools.example.com", false),
            ("HTTPS://tools.example.com", false),
            ("null", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_str(origin).unwrap())]);
            assert_eq!(check(&settings(&[]), &headers, &Uri::from_static("/")).is_ok(), right, "{origin}");
        }
        assert!(check(&settings(&[]), &HeaderMap::new(), &Uri::from_static("/")).is_ok());
    }

    #[test]
    fn hosts_are_checked_where_they_are_listed() {
        let settings = settings(&["tools.example.com", "localhost:8080"]);
        for (host, right) in [
            (Some("tools.example.com"), true),
            (Some("TOOLS.example.com:443"), true),
            (Some("localhost:8080"), true),
            (Some("localhost"), false),
            (Some("evil.test"), false),
            (None, false),
        ] {
            let headers = host.map(|host| (header::HOST, HeaderValue::from_static(host))).into_iter().collect();
            assert_eq!(check(&settings, &headers, &Uri::from_static("/")).is_ok(), right, "{host:?}");
        }
    }

    fn settings(hosts: &[&'static str]) -> WebSettings {
        let mcp = McpSettings {
            allowed_origins: vec![Url::parse("https://app.example.com:8443").unwrap().origin()],
            allowed_hosts: hosts.iter().map(|host| Authority::from_static(host)).collect(),
        };
        WebSettings { mcp, ..test_settings("https://tools.example.com") }
    }
}
