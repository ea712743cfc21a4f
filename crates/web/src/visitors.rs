//! Under which names this installation answers, and which web pages may ask it (SEC-3): the one policy of all doors.
//!
//! A page whose own name was made to lead here (DNS rebinding) asks under that name: it gets 421 and nothing else. A page of another origin that
//! asks under the right name is told apart by `Origin`, which browsers send with everything that could do harm.

use axum::extract::Request;
use http::{HeaderMap, Method, StatusCode, Uri, header, uri::Authority};
use url::{Origin, Url};

use crate::{MetricsReaders, WebSettings, env_headers, envelope::ErrorCode, error::ApiError};

/// Answered under any name: load balancers ask by address, and learn that a process lives.
const HEALTH: [&str; 2] = ["/health/live", "/health/ready"];
const METRICS: &str = "/metrics";

/// Doors for programs with a key of their own. `/mcp` asks [`may_ask`] itself; the pages for people hold forms against it; the authorization
/// server's endpoints are for all pages.
const REST: [&str; 2] = ["/api/", "/admin/"];

/// Whether the page that a request says it comes from may ask. Programs other than browsers send no `Origin`: that is fine.
pub(crate) fn may_ask(settings: &WebSettings, headers: &HeaderMap, uri: &Uri) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.all(|origin| origin.to_str().is_ok_and(|origin| is_allowed_origin(settings, headers, uri, origin)))
}

/// Whether `origin` is the public URL's, or the host's that the request itself was sent to: a browser that came by another name of this
/// installation is at home there.
pub(crate) fn is_ours(settings: &WebSettings, headers: &HeaderMap, uri: &Uri, origin: &Origin) -> bool {
    if *origin == settings.public_url.origin() {
        return true;
    }
    let Origin::Tuple(scheme, host, port) = origin else { return false };
    let is_asked = |asked: Authority| {
        let asked_port = asked.port_u16().or_else(|| settings.public_url.port_or_known_default());
        host.to_string().eq_ignore_ascii_case(asked.host()) && Some(*port) == asked_port
    };
    scheme == settings.public_url.scheme() && asked(headers, uri).is_some_and(is_asked)
}

/// Whether `path` is one of the doors for programs with a key of their own.
pub(crate) fn is_rest(path: &str) -> bool {
    REST.iter().any(|door| path.starts_with(door))
}

/// Whether a request came under a name of ours, from no foreign page, and with nothing that belongs elsewhere.
pub(crate) fn check(settings: &WebSettings, request: &Request) -> Result<(), ApiError> {
    let (headers, uri, method) = (request.headers(), request.uri(), request.method());
    if method == Method::CONNECT {
        // It names no resource whose methods could be told (RFC 9110, section 9.3.6).
        let refusal = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed, "CONNECT is not possible here");
        return Err(refusal.with_header(header::ALLOW, ""));
    }
    let path = uri.path();
    if !is_for_any_host(settings, path) {
        check_host(settings, headers, uri)?;
    }
    if is_rest(path) && !may_ask(settings, headers, uri) {
        let message = "pages of this Origin may not call here; whoever runs this installation can allow them";
        return Err(ApiError::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message));
    }
    env_headers::check(path, headers)
}

/// The figures are for whoever asks from the next machine, by its address, where a key is needed for them anyway.
fn is_for_any_host(settings: &WebSettings, path: &str) -> bool {
    HEALTH.contains(&path) || (path == METRICS && settings.metrics == MetricsReaders::Admin)
}

/// A request has one host (RFC 9112, sections 3.2 and 3.2.2; RFC 9113, section 8.3.1), and that is one of ours.
fn check_host(settings: &WebSettings, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
    let unreadable = |message| ApiError::new(StatusCode::BAD_REQUEST, ErrorCode::Unreadable, message);
    let mut fields = headers.get_all(header::HOST).iter();
    let field: Option<Authority> = match fields.next() {
        None => None,
        Some(field) => match field.to_str().ok().and_then(|host| host.parse().ok()) {
            None => return Err(unreadable("the header Host is not right: it must be a host, and a port if need be")),
            parsed => parsed,
        },
    };
    if fields.next().is_some() {
        return Err(unreadable("the header Host stands more than once"));
    }
    let host = match (field.as_ref(), uri.authority()) {
        (None, None) => return Err(unreadable("the header Host is missing")),
        (Some(field), Some(target)) if !field.as_str().eq_ignore_ascii_case(target.as_str()) => {
            return Err(unreadable("the header Host and the request's target name different hosts"));
        }
        (Some(host), _) | (None, Some(host)) => host,
    };
    if is_our_host(settings, host) {
        return Ok(());
    }
    let shown: String = host.as_str().chars().take(100).collect();
    let message = format!(
        "this installation does not answer under the name `{shown}`; whoever runs it sets its public URL, and further names in `http.hosts`"
    );
    Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, ErrorCode::Misdirected, message))
}

/// The public URL's host at every port, and those listed; one that is listed without a port at every port as well.
pub(crate) fn is_our_host(settings: &WebSettings, host: &Authority) -> bool {
    // `user@host` names nobody's host.
    if host.as_str().contains('@') {
        return false;
    }
    let is_listed = |listed: &Authority| {
        listed.host().eq_ignore_ascii_case(host.host()) && listed.port_u16().is_none_or(|port| host.port_u16() == Some(port))
    };
    settings.public_url.host_str().is_some_and(|ours| ours.eq_ignore_ascii_case(host.host()))
        || settings.hosts.iter().any(is_listed)
}

/// The host that was asked for: `Host`, or `:authority` of HTTP/2.
pub(crate) fn asked(headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    match headers.get(header::HOST) {
        Some(host) => host.to_str().ok()?.parse().ok(),
        None => uri.authority().cloned(),
    }
}

fn is_allowed_origin(settings: &WebSettings, headers: &HeaderMap, uri: &Uri, text: &str) -> bool {
    parse_origin(text).is_some_and(|origin| is_ours(settings, headers, uri, &origin) || settings.origins.contains(&origin))
}

/// An origin as browsers write it (RFC 6454, section 6.2): scheme, host and port, and nothing else. `null` belongs to any page in a
/// sandboxed frame, so it is none.
fn parse_origin(text: &str) -> Option<Origin> {
    let origin = Url::parse(text).ok()?.origin();
    (origin.is_tuple() && origin.ascii_serialization() == text).then_some(origin)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::HeaderValue;

    use super::*;
    use crate::settings::test_settings;

    #[test]
    fn the_page_of_the_installation_itself_and_those_allowed_may_ask() {
        for (origin, right) in [
            ("https://tools.example.com", true),
            ("https://app.example.com:8443", true),
            ("https://other.name:9443", true),
            ("https://other.name", false),
            ("http://other.name:9443", false),
            ("https://app.example.com", false),
            ("http://tools.example.com", false),
            ("https://tools.example.com.evil.test", false),
            ("https://tools.example.com/", false),
            ("https://user@tools.example.com", false),
            ("HTTPS://tools.example.com", false),
            ("null", false),
            ("", false),
        ] {
            let host = (header::HOST, HeaderValue::from_static("other.name:9443"));
            let headers = HeaderMap::from_iter([host, (header::ORIGIN, HeaderValue::from_static(origin))]);
            assert_eq!(may_ask(&settings(), &headers, &Uri::from_static("/")), right, "{origin}");
        }
        assert!(may_ask(&settings(), &HeaderMap::new(), &Uri::from_static("/")));
    }

    #[test]
    fn a_name_that_is_not_ours_is_answered_421() {
        for (hosts, wanted) in [
            (["tools.example.com"].as_slice(), 200),
            (&["TOOLS.example.com:443"], 200),
            (&["localhost:8080"], 200),
            (&["[::1]:1"], 200),
            (&["localhost"], 421),
            (&["evil.test"], 421),
            (&["tools.example.com.evil.test"], 421),
            (&["tools.example.com."], 421),
            (&["evil.test@tools.example.com"], 421),
            (&["127.0.0.1"], 421),
            (&[], 400),
            (&[""], 400),
            (&["a b"], 400),
            (&["tools.example.com/x"], 400),
            (&["tools.example.com", "tools.example.com"], 400),
        ] {
            assert_eq!(status("GET", "/api/v1/servers", hosts), wanted, "{hosts:?}");
        }
    }

    #[test]
    fn a_target_with_a_host_names_the_same_one() {
        for (target, hosts, wanted) in [
            ("http://tools.example.com/api/v1/servers", [].as_slice(), 200),
            ("http://tools.example.com/api/v1/servers", &["tools.example.com"], 200),
            ("http://evil.test/api/v1/servers", &["tools.example.com"], 400),
            ("http://tools.example.com/api/v1/servers", &["evil.test"], 400),
            ("http://evil.test/health/live", &["evil.test"], 200),
            ("http://evil.test/", &[], 421),
        ] {
            assert_eq!(status("GET", target, hosts), wanted, "{target} {hosts:?}");
        }
        assert_eq!(status("CONNECT", "tools.example.com:443", &["tools.example.com:443"]), 405);
    }

    #[test]
    fn probes_ask_by_address() {
        for path in ["/health/live", "/health/ready", "/metrics"] {
            assert_eq!(status("GET", path, &["10.0.0.7:8080"]), 200, "{path}");
        }
        let open = WebSettings { metrics: MetricsReaders::Anyone, ..settings() };
        assert!(!is_for_any_host(&open, "/metrics"), "whoever may read them without a key has to know the name");
    }

    fn status(method: &str, target: &str, hosts: &[&'static str]) -> u16 {
        let mut request = Request::builder().method(method).uri(target).body(Body::empty()).unwrap();
        for host in hosts {
            request.headers_mut().append(header::HOST, HeaderValue::from_static(host));
        }
        check(&settings(), &request).map_or_else(|error| error.status().as_u16(), |()| 200)
    }

    fn settings() -> WebSettings {
        WebSettings {
            origins: vec![Url::parse("https://app.example.com:8443").unwrap().origin()],
            hosts: ["localhost:8080", "[::1]"].map(Authority::from_static).into(),
            ..test_settings("https://tools.example.com")
        }
    }
}
