//! Extractors that check at the door (SEC-13) and whose errors are the one envelope (API-1, API-5).

pub(crate) mod body;
mod json;
mod path;
mod query;
mod unique_keys;

pub(crate) use self::{
    json::{Json, parse as parse_json},
    path::Path,
    query::Query,
};

/// Characters of a parser's own message that are shown: it may repeat what was given, which may be megabytes.
const MESSAGE_CHARS_MAX: usize = 400;

/// A parser's message, cut, and without control characters.
pub(crate) fn printable(message: &str) -> String {
    let shown =
        message.chars().take(MESSAGE_CHARS_MAX).map(|character| if character.is_control() { '\u{fffd}' } else { character });
    shown.collect()
}
