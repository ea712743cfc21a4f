//! Which pages of other origins may read what `/mcp` and REST answer (Fetch, section 3.3): those that may ask, which are listed in `http.origins`
//! ([`crate::visitors`]). They come with a token and never with a cookie: credentials are not allowed, and an answer to a request with a
//! cookie is for pages of ours alone.
//!
//! The authorization server's endpoints are for all pages (`oauth::cors`), the pages for people for none.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};

use crate::{WebSettings, shape::Shape, visitors};

/// What a page may read of an answer's headers besides what every page may.
const ANSWER_HEADERS: &str = "allow, content-disposition, etag, location, mcp-protocol-version, mcp-session-id, ratelimit, ratelimit-policy, \
     retry-after, www-authenticate, x-request-id";

/// Seconds for which a browser does not ask again; Chromium keeps no answer for longer. Each request is held against the list all the same.
const KEPT_S: &str = "7200";

/// Names of headers that a browser asks about and that are answered one by one: more than a request may have of them.
const NAMES_MAX: usize = 100;

/// What depends on who asks, also where nobody does.
const VARIES: &str = "origin";
/// The same of what browsers ask beforehand.
const PREFLIGHT_VARIES: &str = "origin, access-control-request-method, access-control-request-headers";

/// What pages of other origins may send to a door.
#[derive(Debug, PartialEq, Eq)]
struct Door {
    methods: &'static str,
    /// Headers besides what every page may send.
    headers: &'static str,
    /// What other headers that may be sent begin with.
    prefixes: &'static [&'static str],
}

/// DELETE is answered as any other method that is not there, which clients of 2025-11-25 that end their session take for an answer; a browser that
/// must not send it would be an error for them.
const MCP: Door = Door {
    methods: "GET, POST, DELETE",
    headers: "accept, authorization, content-type, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id, traceparent, \
              tracestate, x-request-id",
    // Arguments that a tool wants repeated, and secrets for it.
    prefixes: &["mcp-param-", "x-env-"],
};

const REST: Door = Door {
    methods: "GET, POST, PUT, PATCH, DELETE",
    headers: "accept, authorization, content-type, if-none-match, traceparent, tracestate, x-request-id",
    prefixes: &[],
};

/// A request to a door whose answers some pages of other origins may read.
#[derive(Debug)]
pub(crate) struct Visit {
    door: &'static Door,
    /// The origin whose pages may read the answer.
    reader: Option<HeaderValue>,
    /// What a browser may send then, of what it asks about, where it asks beforehand.
    preflight: Option<HeaderValue>,
}

impl Visit {
    /// Absent at doors that answer pages of ours alone, or all.
    pub(crate) fn of<B>(settings: &WebSettings, shape: Shape, request: &Request<B>) -> Option<Self> {
        let door = match shape {
            Shape::Mcp => &MCP,
            Shape::Envelope if visitors::is_rest(request.uri().path()) => &REST,
            _ => return None,
        };
        let headers = request.headers();
        let may_read = *door == MCP || !headers.contains_key(header::COOKIE);
        let reader = one(headers, &header::ORIGIN).filter(|_| may_read && visitors::may_ask(settings, headers, request.uri()));
        let is_preflight = request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let preflight = (is_preflight && reader.is_some()).then(|| door.allowed(headers));
        Some(Self { door, reader: reader.cloned(), preflight })
    }

    /// Says on the answer who may read it; on one that a browser asked for beforehand, what may be sent.
    pub(crate) fn tell(self, status: StatusCode, headers: &mut HeaderMap) {
        let varies = if self.preflight.is_some() { PREFLIGHT_VARIES } else { VARIES };
        headers.append(header::VARY, HeaderValue::from_static(varies));
        let Some(reader) = self.reader else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, reader);
        let Some(allowed) = self.preflight else {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(ANSWER_HEADERS));
            return;
        };
        if status.is_success() {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(self.door.methods));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(KEPT_S));
        }
    }
}

impl Door {
    /// The headers that may be sent: the same for everybody, and of those that are asked about the ones whose names are not known beforehand.
    fn allowed(&self, headers: &HeaderMap) -> HeaderValue {
        let asked = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter().filter_map(|field| field.to_str().ok());
        let mut allowed = self.headers.to_owned();
        for name in asked.flat_map(|field| field.split(',')).take(NAMES_MAX) {
            // Parsed, so that nothing but a name is repeated.
            let Ok(name) = name.trim().parse::<HeaderName>() else { continue };
            if self.prefixes.iter().any(|prefix| name.as_str().starts_with(prefix)) {
                allowed.push_str(", ");
                allowed.push_str(name.as_str());
            }
        }
        HeaderValue::try_from(allowed).unwrap_or(HeaderValue::from_static(self.headers))
    }
}

/// The value of a header that stands once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::settings::test_settings;

    const OURS: &str = "https://ide.example";

    fn settings() -> WebSettings {
        WebSettings { origins: vec![Url::parse(OURS).unwrap().origin()], ..test_settings("https://tools.example.com") }
    }

    /// The fields of the answer to a request with these, as lines.
    fn told(path: &str, method: Method, fields: &[(&str, &str)], status: u16) -> Vec<String> {
        let mut request = Request::builder().method(method).uri(path).header("host", "tools.example.com");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let mut headers = HeaderMap::new();
        if let Some(visit) = Visit::of(&settings(), Shape::of(path), &request) {
            visit.tell(StatusCode::from_u16(status).unwrap(), &mut headers);
        }
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn pages_that_are_listed_may_read_and_no_others() {
        for path in ["/mcp/weather", "/api/v1/servers", "/admin/v1/tiers"] {
            let listed = told(path, Method::POST, &[("origin", OURS)], 401);
            assert_eq!(listed[..2], ["vary: origin", "access-control-allow-origin: https://ide.example"], "{path}");
            assert!(listed[2].contains("www-authenticate") && listed.len() == 3, "{path}: {listed:?}");
            for origin in ["https://evil.test", "https://ide.example.evil.test", "null", "https://ide.example/"] {
                assert_eq!(told(path, Method::POST, &[("origin", origin)], 403), ["vary: origin"], "{path} {origin}");
            }
            assert_eq!(told(path, Method::POST, &[("origin", OURS), ("origin", OURS)], 200), ["vary: origin"], "{path}");
            assert_eq!(told(path, Method::POST, &[], 200), ["vary: origin"], "{path}");
        }
        for path in ["/account", "/sign-in", "/oauth/consent", "/health/ready", "/metrics", "/assets/style.css", "/oauth/token"] {
            assert!(told(path, Method::GET, &[("origin", OURS)], 200).is_empty(), "{path}");
        }
    }

    #[test]
    fn what_comes_with_a_cookie_is_for_pages_of_ours() {
        assert_eq!(told("/api/v1/account", Method::GET, &[("origin", OURS), ("cookie", "toolwright=x")], 200), ["vary: origin"]);
    }

    #[test]
    fn a_browser_that_asks_beforehand_is_told_what_it_may_send() {
        let asks =
            |headers| [("origin", OURS), ("access-control-request-method", "POST"), ("access-control-request-headers", headers)];

        let allowed =
            told("/mcp/weather", Method::OPTIONS, &asks("authorization, Mcp-Param-Region,x-env-key,x-evil,?,a b,"), 204);
        let names = allowed.iter().find_map(|line| line.strip_prefix("access-control-allow-headers: ")).unwrap();

        assert!(names.starts_with(MCP.headers) && names.ends_with(", mcp-param-region, x-env-key"), "{names}");
        assert!(allowed.contains(&"access-control-allow-methods: GET, POST, DELETE".to_owned()), "{allowed:?}");
        assert!(allowed.contains(&"access-control-max-age: 7200".to_owned()), "{allowed:?}");
        assert!(allowed.contains(&format!("vary: {PREFLIGHT_VARIES}")), "{allowed:?}");
        assert!(!allowed.iter().any(|line| line.contains("credentials") || line.contains("expose")), "{allowed:?}");
        let rest = told("/api/v1/servers", Method::OPTIONS, &asks("x-env-key"), 204);
        assert!(rest.contains(&format!("access-control-allow-headers: {}", REST.headers)), "{rest:?}");
        let refused = told("/mcp/weather", Method::OPTIONS, &asks("authorization"), 429);
        assert!(!refused.iter().any(|line| line.contains("allow-methods")), "{refused:?}");
    }

    #[test]
    fn names_without_end_are_not_repeated() {
        let many = (0..1000).map(|index| format!("x-env-{index}")).collect::<Vec<_>>().join(",");
        let request = Request::options("/mcp/weather").header("access-control-request-headers", many).body(()).unwrap();

        let allowed = MCP.allowed(request.headers());

        assert_eq!(allowed.to_str().unwrap().matches("x-env-").count(), NAMES_MAX);
    }
}
