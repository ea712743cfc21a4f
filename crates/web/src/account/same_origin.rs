//! Which pages a request that changes something may come from.

use http::{HeaderMap, Uri, header};
use url::Url;

use crate::{WebSettings, visitors};

/// What the browser says of the page that a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Initiator {
    /// A page of ours, or somebody's own hand.
    Ours,
    /// A page of somebody else.
    Foreign,
    /// It says nothing: an old browser, or a program.
    Unknown,
}

impl Initiator {
    /// Where a request comes from, by `Sec-Fetch-Site` (Fetch Metadata Request Headers, section 2.4) and `Origin` (RFC 6454, section 7). A
    /// sibling domain of ours is foreign.
    pub(crate) fn of(settings: &WebSettings, headers: &HeaderMap, uri: &Uri) -> Self {
        let site = headers.get("sec-fetch-site").map(|site| site == "same-origin" || site == "none");
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let origin = origins.next().map(|origin| origin.to_str().is_ok_and(|origin| is_ours(settings, headers, uri, origin)));
        match (site, origin, origins.next()) {
            (_, _, Some(_)) | (Some(false), _, _) | (_, Some(false), _) => Self::Foreign,
            (None, None, None) => Self::Unknown,
            (_, _, None) => Self::Ours,
        }
    }
}

fn is_ours(settings: &WebSettings, headers: &HeaderMap, uri: &Uri, origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|origin| visitors::is_ours(settings, headers, uri, &origin.origin()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::settings::test_settings;

    #[test]
    fn a_page_of_ours_is_told_from_others() {
        for (site, origin, wanted) in [
            (None, None, Initiator::Unknown),
            (Some("same-origin"), None, Initiator::Ours),
            (Some("none"), None, Initiator::Ours),
            (Some("same-site"), None, Initiator::Foreign),
            (Some("cross-site"), None, Initiator::Foreign),
            (None, Some("https://tools.example.com"), Initiator::Ours),
            (None, Some("https://other.name:8443"), Initiator::Ours),
            (None, Some("http://tools.example.com"), Initiator::Foreign),
            (None, Some("https://tools.example.com.evil.test"), Initiator::Foreign),
            (None, Some("https://evil.test"), Initiator::Foreign),
            (None, Some("null"), Initiator::Foreign),
            (Some("same-origin"), Some("https://evil.test"), Initiator::Foreign),
            (Some("cross-site"), Some("https://tools.example.com"), Initiator::Foreign),
        ] {
            let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("other.name:8443"))]);
            if let Some(site) = site {
                headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            }
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            let initiator = Initiator::of(&test_settings("https://tools.example.com"), &headers, &Uri::from_static("/"));
            assert_eq!(initiator, wanted, "{site:?} {origin:?}");
        }
    }
}
