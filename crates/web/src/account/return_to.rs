//! Where somebody goes on after signing in: always a path of ours.

use std::fmt;

use url::{Url, form_urlencoded};

/// Characters of a path that is kept: an authorization request with all that it may carry.
const CHARS_MAX: usize = 8_192;

/// A path of this installation, with its query. What a link may name is never another site (open redirect, RFC 9700, section 4.11.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReturnTo(String);

impl ReturnTo {
    /// The path that `text` names, if it is one of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let plain = text.len() <= CHARS_MAX && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if !plain || !text.starts_with('/') || text.starts_with("//") {
            return None;
        }
        // As a browser resolves it: from any place it must stay there.
        let base = Url::parse("https://here.invalid/").ok()?;
        let resolved = base.join(text).ok()?;
        (resolved.origin() == base.origin() && resolved.username().is_empty()).then(|| Self(text.to_owned()))
    }

    /// The page of the account, where nothing else was wished.
    pub(crate) fn account() -> Self {
        Self("/account".to_owned())
    }

    /// The path.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// `page` with this as its `return_to`.
    pub(crate) fn after(&self, page: &str) -> String {
        if self == &Self::account() {
            return page.to_owned();
        }
        let query: String = form_urlencoded::byte_serialize(self.0.as_bytes()).collect();
        format!("{page}?return_to={query}")
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_gone_on_to() {
        for text in ["/account", "/oauth/authorize?client_id=https%3A%2F%2Fa.test&state=x", "/a/b?c=d"] {
            assert_eq!(ReturnTo::parse(text).as_ref().map(ReturnTo::as_str), Some(text));
        }
        for text in [
            "",
            "account",
            "//evil.test",
            "///evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "https://evil.test/",
            "javascript:alert(1)",
            "/\t/evil.test",
            "/\n/evil.test",
            " /account",
            "/\u{2f}/evil.test",
            "/ä",
            "http:/evil.test",
        ] {
            assert_eq!(ReturnTo::parse(text), None, "{text:?}");
        }
        assert_eq!(ReturnTo::parse(&format!("/{}", "a".repeat(CHARS_MAX))), None);
    }

    #[test]
    fn it_is_carried_whole_through_a_query() {
        let path = ReturnTo::parse("/oauth/authorize?a=b&c=d").unwrap();

        assert_eq!(path.after("/sign-in"), "/sign-in?return_to=%2Foauth%2Fauthorize%3Fa%3Db%26c%3Dd");
        assert_eq!(ReturnTo::account().after("/sign-in"), "/sign-in");
    }
}
