//! What the patterns of a schema may take. Each becomes a program of its own in this process, of which a few characters can stand for a megabyte, and
//! for as many states at every byte of a text: so all of them have a budget together, and it is known what one may cost.

use std::collections::HashMap;

use jsonschema::{Draft, PatternOptions, Regex};
use serde_json::{Value, json};

/// Why the patterns of a schema are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    /// One is longer than people write them.
    #[error("a pattern has more than {} characters", Patterns::CHARS_MAX)]
    Length,
    /// One cannot be matched, or is too large.
    #[error(
        "the pattern `{0}` is no regular expression that is matched in linear time (ECMA-262 without look-around and back references), or \
         becomes too large: repeat fewer characters in it"
    )]
    Refused(String),
    /// Together they are too large.
    #[error("the patterns are too many, or too large together")]
    Size,
}

/// The patterns of one schema.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    /// Steps for each byte of a text, by pattern.
    steps: HashMap<String, u64>,
    /// Of all of them, compiled.
    bytes: usize,
}

impl Patterns {
    /// Those that people write have tens.
    pub(super) const CHARS_MAX: usize = 2_048;
    /// Bytes of one that was compiled, as the library counts them.
    pub(super) const BYTES_MAX: usize = 1024 * 1024;
    /// Bytes of all of them, likewise: 512 small ones.
    const ALL_BYTES_MAX: usize = 2 * 1024 * 1024;
    /// What one is known to be smaller than. Most are below the first.
    const CLASSES: [usize; 5] = [4 * 1024, 16 * 1024, 64 * 1024, 256 * 1024, Self::BYTES_MAX];
    /// Bytes of a pattern that stand for one step at each byte of a text, where it is matched as slowly as can be.
    const BYTES_A_STEP: usize = 80;
    /// Bytes that matching may remember of one, in each of the threads that do; one that would need more is matched more slowly.
    const MATCHING_BYTES_MAX: usize = 64 * 1024;
    const CHARS_SHOWN: usize = 80;

    /// How the library compiles one, if it is not larger than that.
    pub(super) fn options(bytes_max: usize) -> PatternOptions<Regex> {
        PatternOptions::regex().size_limit(bytes_max).dfa_size_limit(Self::MATCHING_BYTES_MAX)
    }

    /// All patterns that stand anywhere in a schema; refused if they could be more than may be.
    pub(super) fn of(document: &Value) -> Result<Self, PatternError> {
        let mut found = Self::default();
        for text in texts(document) {
            if found.steps.contains_key(text) {
                continue;
            }
            if text.len() > Self::CHARS_MAX {
                return Err(PatternError::Length);
            }
            let class = class(text).ok_or_else(|| PatternError::Refused(text.chars().take(Self::CHARS_SHOWN).collect()))?;
            found.bytes += class;
            if found.bytes > Self::ALL_BYTES_MAX {
                return Err(PatternError::Size);
            }
            found.steps.insert(text.to_owned(), (class / Self::BYTES_A_STEP) as u64);
        }
        Ok(found)
    }

    /// How large they are at most, as the library counts them.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// Steps that a pattern takes for each byte of a text, at most.
    pub(super) fn steps_a_byte(&self, pattern: &str) -> u64 {
        self.steps.get(pattern).copied().unwrap_or_default()
    }
}

/// The first of [`Patterns::CLASSES`] that it is not larger than.
fn class(pattern: &str) -> Option<usize> {
    let schema = json!({ "pattern": pattern });
    let is_within = |bytes_max: usize| {
        let options = jsonschema::options().with_draft(Draft::Draft202012).offline();
        options.with_pattern_options(Patterns::options(bytes_max)).build(&schema).is_ok()
    };
    Patterns::CLASSES.into_iter().find(|bytes_max| is_within(*bytes_max))
}

/// What stands where patterns do. The depth is bounded by the JSON parser's own limit (128).
fn texts(node: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    collect(node, &mut found);
    found
}

fn collect<'a>(node: &'a Value, found: &mut Vec<&'a str>) {
    match node {
        Value::Object(members) => {
            for (keyword, inner) in members {
                match (keyword.as_str(), inner) {
                    ("pattern", Value::String(pattern)) => found.push(pattern),
                    ("patternProperties", Value::Object(schemas)) => found.extend(schemas.keys().map(String::as_str)),
                    _ => {}
                }
                collect(inner, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn of(patterns: impl Iterator<Item = String>) -> Result<Patterns, PatternError> {
        let properties = patterns.enumerate().map(|(index, pattern)| (index.to_string(), json!({ "pattern": pattern })));
        Patterns::of(&json!({ "properties": properties.collect::<serde_json::Map<_, _>>() }))
    }

    #[test]
    fn a_few_characters_that_stand_for_megabytes_are_refused_before_they_take_them() {
        let begun = Instant::now();

        let many = of((0..2_000).map(|index| format!("[a-z]{{{}}}", 200 + index % 50) + &index.to_string())).unwrap_err();
        let large = of(std::iter::once(r"(\p{L}{100}){100}".to_owned())).unwrap_err();
        let long = of(std::iter::once("a".repeat(Patterns::CHARS_MAX + 1))).unwrap_err();

        assert_eq!((many, long), (PatternError::Size, PatternError::Length));
        assert!(matches!(large, PatternError::Refused(_)), "{large:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }

    #[test]
    fn what_people_write_is_taken() {
        let usual = [
            "^[a-z0-9_-]{1,64}$",
            r"^\d{4}-\d{2}-\d{2}$",
            r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
            "^(GET|POST|PUT)$",
            r"^\p{L}[\p{L} '-]{0,9}$",
            r"^[\w.+-]{1,128}$",
            "^https?://",
        ];

        let taken = of(usual.iter().map(ToString::to_string)).unwrap();

        assert!(usual.iter().all(|pattern| taken.steps_a_byte(pattern) > 0));
        assert!(of((0..200).map(|index| format!("^key-{index}-[a-z]+$"))).is_ok());
    }

    #[test]
    fn a_pattern_counts_wherever_it_stands() {
        let hidden = json!({"$defs": {"a": {"allOf": [{"patternProperties": {"^x-": true}}]}}, "items": {"pattern": "^y$"}});

        let found = Patterns::of(&hidden).unwrap();

        assert!(found.steps_a_byte("^x-") > 0 && found.steps_a_byte("^y$") > 0 && found.steps_a_byte("^z$") == 0);
    }
}
