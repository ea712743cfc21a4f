//! The cookies: one that stands for a sign-in, and one for forms that are filled in before it.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use cookie::{Cookie, SameSite, time::Duration};
use http::{HeaderMap, HeaderValue, header};

use super::csrf::CsrfToken;
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
