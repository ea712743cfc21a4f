//! Pages of lists: a bounded number of items and where the next ones begin.

use std::{fmt, str::FromStr};

use crate::AppError;

/// Which page of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    cursor: Option<String>,
    limit: u32,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, at most as many as were asked for. Things with ids come newest first, things with names in their order.
    pub items: Vec<T>,
    /// What asks for the next page; absent on the last one.
    pub next_cursor: Option<String>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { cursor: None, limit: Self::LIMIT_DEFAULT }
    }
}

impl PageRequest {
    /// Items of a page if nobody says otherwise.
    pub const LIMIT_DEFAULT: u32 = 50;
    /// The most items a page may have: an answer stays well under a megabyte.
    pub const LIMIT_MAX: u32 = 100;

    /// A page of `limit` items that begins after `cursor`, as a door reads them from a query.
    pub fn new(cursor: Option<String>, limit: Option<u32>) -> Result<Self, AppError> {
        let limit = limit.unwrap_or(Self::LIMIT_DEFAULT);
        if !(1..=Self::LIMIT_MAX).contains(&limit) {
            return Err(AppError::invalid(format!("`limit` must be 1 to {}, not {limit}", Self::LIMIT_MAX)));
        }
        Ok(Self { cursor, limit })
    }

    /// One item more than the page has: whether it comes says whether there is a next page.
    pub(crate) fn fetch_max(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The id or name after which the page begins.
    pub(crate) fn after<K: FromStr>(&self) -> Result<Option<K>, AppError> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let key = cursor.parse().map_err(|_| AppError::invalid("`cursor` must be the `next_cursor` of an earlier page"))?;
        Ok(Some(key))
    }

    /// The page out of what was fetched by [`PageRequest::fetch_max`]; `key` gives an item's id or name.
    pub(crate) fn page<T, K: fmt::Display>(&self, mut fetched: Vec<T>, key: impl Fn(&T) -> K) -> Page<T> {
        let limit = self.limit as usize;
        let more = fetched.len() > limit;
        fetched.truncate(limit);
        let next_cursor = fetched.last().filter(|_| more).map(|item| key(item).to_string());
        Page { items: fetched, next_cursor }
    }
}

impl<T> Page<T> {
    /// The same page with each item in another shape.
    pub fn map<U>(self, shape: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(shape).collect(), next_cursor: self.next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_none_or_of_too_many_is_refused() {
        assert!(PageRequest::new(None, Some(0)).is_err());
        assert!(PageRequest::new(None, Some(PageRequest::LIMIT_MAX)).is_ok());
        assert!(PageRequest::new(None, Some(PageRequest::LIMIT_MAX + 1)).is_err());
    }

    #[test]
    fn the_last_page_has_no_next_one() {
        let request = PageRequest::new(None, Some(2)).unwrap();

        assert_eq!(request.page(vec![1, 2, 3], |item| *item).next_cursor.as_deref(), Some("2"));
        assert_eq!(request.page(vec![1, 2], |item| *item).next_cursor, None);
    }
}
