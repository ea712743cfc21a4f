//! The cookies: one that stands for a sign-in, and one for forms that are filled in before it.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use cookie::{Cookie, SameSite, time::Duration};
use http::{HeaderMap, HeaderValue, header};

use super::{csrf::CsrfToken, return_to::ReturnTo};
use crate::{
    CookieForm, WebSettings,
    error::{self, ApiError},
};

/// The cookie of a sign-in.
const SIGN_IN: &str = "toolwright";
/// The cookie of forms that somebody fills in who is not signed in.
const FORM: &str = "toolwright-form";
/// What says to browsers that a cookie is of this host alone, and came over https.
const HOST_PREFIX: &str = "__Host-";
/// The beginning of the cookies of sign-ins by issuers elsewhere, one for each that was begun: several may be, in several windows.
const FLOW: &str = "toolwright-upstream-";
/// Characters of where somebody goes on to that such a cookie carries: browsers keep cookies of 4096 bytes at least (RFC 6265, section 6.1).
const FLOW_RETURN_CHARS_MAX: usize = 3_400;

/// The cookie that a sign-in's token came in; none if there are two.
pub(crate) fn sign_in<'a>(settings: &WebSettings, headers: &'a HeaderMap) -> Option<&'a str> {
    find(settings, headers, SIGN_IN)
}

/// Hands a sign-in's token to the browser, for `seconds`.
pub(crate) fn set_sign_in(settings: &WebSettings, token: &str, seconds: i64) -> Result<HeaderValue, ApiError> {
    set(settings, SIGN_IN, token, Some(Duration::seconds(seconds)))
}

/// Takes a sign-in's token away from the browser.
pub(crate) fn forget_sign_in(settings: &WebSettings) -> Result<HeaderValue, ApiError> {
    set(settings, SIGN_IN, "", Some(Duration::ZERO))
}

/// What the forms of whoever asks are bound to.
#[derive(Debug)]
pub(crate) struct FormCookie {
    /// What their forms carry.
    pub(crate) csrf: CsrfToken,
    /// A cookie that goes with the page, for somebody who had none.
    pub(crate) new: Option<HeaderValue>,
}

impl FormCookie {
    /// Of a page that is given out: of the sign-in's cookie if there is one, else of the forms' own, which is made if need be.
    pub(crate) fn for_page(settings: &WebSettings, headers: &HeaderMap) -> Result<Self, ApiError> {
        if let Some(csrf) = Self::of_request(settings, headers) {
            return Ok(Self { csrf, new: None });
        }
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(|_| error::internal())?;
        let text = BASE64_URL_SAFE_NO_PAD.encode(bits);
        // Without an end: it is forgotten with the browser's window.
        Ok(Self { csrf: CsrfToken::of(&text), new: Some(set(settings, FORM, &text, None)?) })
    }

    /// What a form that comes back must carry; none if its browser has no cookie of ours.
    pub(crate) fn of_request(settings: &WebSettings, headers: &HeaderMap) -> Option<CsrfToken> {
        sign_in(settings, headers).or_else(|| find(settings, headers, FORM)).map(CsrfToken::of)
    }
}

/// What a browser keeps while its person is at an issuer elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    /// Its half of what the answer is sealed with.
    pub(crate) secret: String,
    /// Where its person goes on to.
    pub(crate) return_to: ReturnTo,
}

impl Flow {
    /// Whether a cookie has room for it.
    pub(crate) fn carries(return_to: &ReturnTo) -> bool {
        escape(return_to).len() <= FLOW_RETURN_CHARS_MAX
    }

    /// Hands it to the browser, for `seconds`. `flow` tells it from others.
    pub(crate) fn set(&self, settings: &WebSettings, flow: &str, seconds: i64) -> Result<HeaderValue, ApiError> {
        let value = format!("{}.{}", self.secret, escape(&self.return_to));
        set(settings, &format!("{FLOW}{flow}"), &value, Some(Duration::seconds(seconds)))
    }

    /// What the browser has of it.
    pub(crate) fn find(settings: &WebSettings, headers: &HeaderMap, flow: &str) -> Option<Self> {
        let (secret, return_to) = find(settings, headers, &format!("{FLOW}{flow}"))?.split_once('.')?;
        Some(Self { secret: secret.to_owned(), return_to: ReturnTo::parse(return_to)? })
    }

    /// Takes it away from the browser.
    pub(crate) fn forget(settings: &WebSettings, flow: &str) -> Result<HeaderValue, ApiError> {
        set(settings, &format!("{FLOW}{flow}"), "", Some(Duration::ZERO))
    }
}

/// A path without the three of its characters that cookies have none of (RFC 6265, section 4.1.1); the same path to whoever reads it.
fn escape(path: &ReturnTo) -> String {
    path.as_str().replace('"', "%22").replace(',', "%2C").replace(';', "%3B")
}

fn name_of(settings: &WebSettings, name: &str) -> String {
    match settings.cookies {
        CookieForm::Secure => format!("{HOST_PREFIX}{name}"),
        CookieForm::Plain => name.to_owned(),
    }
}

fn find<'a>(settings: &WebSettings, headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let name = name_of(settings, name);
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(found, _)| *found == name).map(|(_, value)| value);
    // Two of one name: one was slipped in from elsewhere, and nobody knows which (RFC 6265, section 8.6).
    values.next().filter(|value| !value.is_empty() && values.next().is_none())
}

fn set(settings: &WebSettings, name: &str, value: &str, max_age: Option<Duration>) -> Result<HeaderValue, ApiError> {
    let secure = settings.cookies == CookieForm::Secure;
    let cookie =
        Cookie::build((name_of(settings, name), value)).http_only(true).secure(secure).same_site(SameSite::Lax).path("/");
    let cookie = match max_age {
        Some(max_age) => cookie.max_age(max_age),
        None => cookie,
    };
    HeaderValue::try_from(cookie.to_string()).map_err(|_| error::internal())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::test_settings;

    #[test]
    fn over_https_a_cookie_is_bound_to_the_host_and_kept_from_scripts() {
        let settings = test_settings("https://tools.example.com");

        let set = set_sign_in(&settings, "abc", 60).unwrap();

        assert_eq!(set, "__Host-toolwright=abc; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60");
        assert_eq!(find(&settings, &cookies("toolwright=abc"), SIGN_IN), None, "the plain one is not taken");
    }

    #[test]
    fn what_waits_for_an_issuer_is_of_the_host_alone_and_short_lived_and_comes_back_as_it_was() {
        let settings = test_settings("https://tools.example.com");
        let return_to = ReturnTo::parse("/oauth/authorize?a=b;c,\"d=e").unwrap();
        let flow = Flow { secret: "abc".to_owned(), return_to };

        let set = flow.set(&settings, "12345678", 600).unwrap();
        let (pair, about) = set.to_str().unwrap().split_once("; ").unwrap();
        assert_eq!(pair, "__Host-toolwright-upstream-12345678=abc./oauth/authorize?a=b%3Bc%2C%22d=e");
        assert_eq!(about, "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=600");

        let found = Flow::find(&settings, &cookies(pair), "12345678").unwrap();
        assert_eq!((found.secret.as_str(), found.return_to.as_str()), ("abc", "/oauth/authorize?a=b%3Bc%2C%22d=e"));
        assert!(Flow::find(&settings, &cookies(pair), "87654321").is_none(), "that of another window");
        let elsewhere = "__Host-toolwright-upstream-12345678=abc.//evil.test";
        assert!(Flow::find(&settings, &cookies(elsewhere), "12345678").is_none());
        assert!(Flow::carries(&ReturnTo::parse(&format!("/{}", "a".repeat(3_000))).unwrap()));
        assert!(!Flow::carries(&ReturnTo::parse(&format!("/{}", ",".repeat(3_000))).unwrap()));
    }

    #[test]
    fn on_plain_http_it_has_a_plain_name() {
        let settings = test_settings("http://127.0.0.1:8080");

        assert_eq!(set_sign_in(&settings, "abc", 60).unwrap(), "toolwright=abc; HttpOnly; SameSite=Lax; Path=/; Max-Age=60");
        assert_eq!(forget_sign_in(&settings).unwrap(), "toolwright=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }

    #[test]
    fn a_cookie_is_found_among_others_and_not_if_it_is_there_twice() {
        let settings = test_settings("http://127.0.0.1:8080");

        assert_eq!(sign_in(&settings, &cookies("a=b; toolwright=abc; c=d")), Some("abc"));
        for header in ["a=b", "toolwright=", "toolwright=a; toolwright=b", "xtoolwright=a", "toolwright-form=a"] {
            assert_eq!(sign_in(&settings, &cookies(header)), None, "{header}");
        }
    }

    fn cookies(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(text).unwrap())])
    }
}
