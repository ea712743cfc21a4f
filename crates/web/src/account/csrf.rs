//! What proves that a form was filled in on a page of ours.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::Digest;

/// A text that every form carries and that follows from the cookie of whoever got the form. Another page can make a browser send the cookie,
/// but can read neither of them. It is a digest under a label of its own: nothing of the cookie can be found from it, and it is not the
/// digest that the database keeps of the cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CsrfToken(String);

impl CsrfToken {
    /// The token of forms that are given to whoever has this cookie.
    pub(crate) fn of(cookie: &str) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(Digest::of_parts([b"toolwright form".as_slice(), cookie.as_bytes()]).as_bytes()))
    }

    /// Whether a form carried it. Digests are compared: how long it takes tells nothing.
    pub(crate) fn is(&self, given: &str) -> bool {
        Digest::of(self.0.as_bytes()) == Digest::of(given.as_bytes())
    }

    /// The text, for the hidden field `csrf`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CsrfToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_cookie() {
        let token = CsrfToken::of("one");

        assert!(token.is(token.as_str()));
        assert!(!token.is(CsrfToken::of("other").as_str()));
        assert!(!token.is("") && !token.is("one"));
    }
}
