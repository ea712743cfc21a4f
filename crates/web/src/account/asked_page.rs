//! What the address of a page with a list says.

use app::PageRequest;
use http::Uri;
use url::form_urlencoded;

use crate::error::ApiError;

/// What was done before a page is shown: one word, for which the page has a sentence, so that a link cannot make it say anything else.
pub(super) fn done(uri: &Uri) -> Option<String> {
    find(uri, "done")
}

/// Which part of its list a page shows: as much as there is room for, from `after` on.
pub(super) fn part(uri: &Uri) -> Result<PageRequest, ApiError> {
    part_of(uri, PageRequest::LIMIT_MAX)
}

/// The same, of so many entries at most.
pub(super) fn part_of(uri: &Uri, entries_max: u32) -> Result<PageRequest, ApiError> {
    Ok(PageRequest::new(find(uri, "after"), Some(entries_max))?)
}

/// Whether a page shows a part of its list that is not the first.
pub(super) fn is_continued(uri: &Uri) -> bool {
    find(uri, "after").is_some()
}

fn find(uri: &Uri, wanted: &str) -> Option<String> {
    let query = uri.query().unwrap_or_default().as_bytes();
    form_urlencoded::parse(query).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
}
