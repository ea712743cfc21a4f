//! Requests to sign in that are told by their heads alone to be nobody's wish: a page of somebody else made a browser send them.
//!
//! They are refused before anything is read, asked or computed, and are counted as any request is. That they are not counted as sign-ins keeps a page that
//! somebody opened from using up what their network may sign in.

use http::{Method, request::Parts};

use super::{cookies::FormCookie, same_origin::Initiator, upstream};
use crate::WebSettings;

/// The route by which people come back from an issuer elsewhere, whose page leads there.
const CALLBACK: &str = "/sign-in/upstream/{upstream_id}/callback";

/// Whether what answers at `route`, one that leads to a sign-in, refuses such a request by its head.
pub(crate) fn is_evident(settings: &WebSettings, parts: &Parts, route: &str) -> bool {
    let Parts { method, uri, headers, .. } = parts;
    if route == CALLBACK {
        return !upstream::is_awaited(settings, headers, uri);
    }
    let has_cookie = FormCookie::of_request(settings, headers).is_some();
    Initiator::of(settings, headers, uri) == Initiator::Foreign || (*method == Method::POST && !has_cookie)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::settings::test_settings;

    const OURS: (&str, &str) = ("origin", "https://tools.example.com");
    const COOKIE: (&str, &str) = ("cookie", "__Host-toolwright-form=abc");

    fn is_forged(method: Method, route: &str, uri: &str, headers: &[(&str, &str)]) -> bool {
        let request = Request::builder().method(method).uri(uri);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        is_evident(&test_settings("https://tools.example.com"), &request.body(()).unwrap().into_parts().0, route)
    }

    #[test]
    fn a_form_of_another_page_or_of_a_browser_that_was_never_here_is_nobodys_wish() {
        for (headers, forged) in [
            ([OURS, COOKIE].as_slice(), false),
            (&[COOKIE], false),
            (&[("cookie", "__Host-toolwright=abc")], false),
            (&[OURS], true),
            (&[], true),
            (&[("origin", "https://evil.test"), COOKIE], true),
            (&[("origin", "null"), COOKIE], true),
            (&[("sec-fetch-site", "cross-site"), COOKIE], true),
        ] {
            assert_eq!(is_forged(Method::POST, "/sign-in", "/sign-in", headers), forged, "{headers:?}");
        }
    }

    #[test]
    fn on_the_way_to_an_issuer_and_back_it_is_the_page_and_the_cookie_that_tell() {
        let (begin, kept) = ("/sign-in/upstream/{upstream_id}", ("cookie", "__Host-toolwright-upstream-12345678=abc./account"));
        let from_there = ("sec-fetch-site", "cross-site");
        for (route, uri, headers, forged) in [
            (begin, "/sign-in/upstream/acme", [].as_slice(), false),
            (begin, "/sign-in/upstream/acme", &[from_there], true),
            (CALLBACK, "/sign-in/upstream/acme/callback?state=12345678.x&code=y", &[from_there, kept], false),
            (CALLBACK, "/sign-in/upstream/acme/callback?state=12345678.x&code=y", &[from_there], true),
            (CALLBACK, "/sign-in/upstream/acme/callback?state=87654321.x&code=y", &[kept], true),
            (CALLBACK, "/sign-in/upstream/acme/callback?state=12345678.x&state=12345678.x", &[kept], true),
            (CALLBACK, "/sign-in/upstream/acme/callback", &[kept], true),
        ] {
            assert_eq!(is_forged(Method::GET, route, uri, headers), forged, "{uri} {headers:?}");
        }
    }
}
