//! Where a resource is: a URI, or a template of URIs.

mod overlap;

use std::collections::BTreeMap;

use crate::names;

names::checked_name! {
    /// An absolute URI (RFC 3986), or a template of one with expressions of RFC 6570, levels 1 and 2: `{name}` stands for one part
    /// of a path, `{+name}` for a rest with slashes in it. Between two expressions stands a text, and no name twice.
    ResourceUri, "resource URI", 1024, is_resource_uri,
    "an absolute URI such as notes://today, or a template such as notes://{day}, with a text between two expressions"
}

/// A piece of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    /// `{name}`
    Part(&'a str),
    /// `{+name}`
    Rest(&'a str),
}

impl ResourceUri {
    /// Whether it stands for more than one resource.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.as_str().contains('{')
    }

    /// The names of its expressions, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        pieces(self.as_str()).into_iter().flatten().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Part(name) | Piece::Rest(name) => Some(name),
        })
    }

    /// Whether some URI fits both templates. It takes as many steps as the lengths of both multiplied, at most: `None` if more than
    /// `steps_left` would be needed, which goes down by those taken.
    #[must_use]
    pub fn overlaps(&self, other: &Self, steps_left: &mut u32) -> Option<bool> {
        overlap::overlap(self.as_str(), other.as_str(), steps_left)
    }

    /// What the expressions stand for in `uri`, percent-decoded; `None` if it is not one of this template's. An expression takes as
    /// little as it can, and never nothing.
    #[must_use]
    pub fn match_uri(&self, uri: &str) -> Option<BTreeMap<String, String>> {
        let pieces = pieces(self.as_str())?;
        let mut values = BTreeMap::new();
        let mut left = uri;
        let mut pieces = pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            let (name, value) = match piece {
                Piece::Text(text) => {
                    left = left.strip_prefix(text)?;
                    continue;
                }
                Piece::Part(name) | Piece::Rest(name) => {
                    let end = match pieces.peek() {
                        Some(Piece::Text(text)) => left.get(1..)?.find(text)? + 1,
                        _ => left.len(),
                    };
                    (name, left.split_at_checked(end)?)
                }
            };
            let (value, rest) = value;
            let is_part = matches!(piece, Piece::Part(_));
            if value.is_empty() || (is_part && value.contains(['/', '?', '#'])) {
                return None;
            }
            values.insert((*name).to_owned(), percent_decode(value)?);
            left = rest;
        }
        left.is_empty().then_some(values)
    }
}

/// Whether a text is an absolute URI, as far as its characters go (RFC 3986, sections 2 and 3.1).
pub(crate) fn is_absolute(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme && !rest.is_empty() && rest.bytes().all(is_uri_byte)
}

fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)
}

fn is_resource_uri(text: &str) -> bool {
    let Some(pieces) = pieces(text) else { return false };
    let mut names: Vec<&str> = Vec::new();
    let mut plain = String::new();
    let mut follows_expression = false;
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                plain.push_str(text);
                follows_expression = false;
            }
            Piece::Part(name) | Piece::Rest(name) => {
                if follows_expression || names.contains(&name) || !names::is_variable(name) {
                    return false;
                }
                names.push(name);
                // The scheme must stand before the first expression.
                if plain.contains(':') {
                    plain.push('x');
                } else {
                    return false;
                }
                follows_expression = true;
            }
        }
    }
    is_absolute(&plain)
}

/// `None` if a brace is without its other.
fn pieces(text: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut left = text;
    while let Some((before, after)) = left.split_once('{') {
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let (expression, rest) = after.split_once('}')?;
        pieces.push(expression.strip_prefix('+').map_or(Piece::Part(expression), Piece::Rest));
        left = rest;
    }
    if !left.is_empty() {
        pieces.push(Piece::Text(left));
    }
    Some(pieces)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text.as_bytes();
    while let Some((&first, rest)) = left.split_first() {
        left = rest;
        if first == b'%' {
            let (digits, rest) = rest.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            left = rest;
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_finds_its_values() {
        for (template, uri, values) in [
            ("test://a/{id}/data", "test://a/12%203/data", &[("id", "12 3")][..]),
            ("notes://{day}", "notes://2026-01-01", &[("day", "2026-01-01")]),
            ("a:{x}-{y}", "a:1-2-3", &[("x", "1"), ("y", "2-3")]),
            ("file:///{+path}", "file:///a/b.txt", &[("path", "a/b.txt")]),
            ("test://static", "test://static", &[]),
        ] {
            let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();

            assert_eq!(uri_of(template).match_uri(uri), Some(values), "{template} {uri}");
        }
    }

    #[test]
    fn another_uri_is_not_matched() {
        for (template, uri) in [
            ("test://a/{id}/data", "test://a//data"),
            ("test://a/{id}/data", "test://a/1/2/data"),
            ("test://a/{id}", "test://a/1?b"),
            ("test://a/{id}", "test://a/%ff"),
            ("test://a/{id}", "test://a/%+1"),
            ("test://a/{id}", "test://a/"),
            ("test://a", "test://ab"),
        ] {
            assert_eq!(uri_of(template).match_uri(uri), None, "{template} {uri}");
        }
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for text in ["", "a", "/a", "1:a", "a:", "a: b", "a:{", "a:{x}{y}", "a:{x}/{x}", "{x}:a", "a:{x,y}", "a:{?x}", "a:\n"] {
            assert!(text.parse::<ResourceUri>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_variables_come_in_order() {
        assert_eq!(uri_of("a:{z}/{+b}").variables().collect::<Vec<_>>(), ["z", "b"]);
    }

    fn uri_of(text: &str) -> ResourceUri {
        text.parse().unwrap()
    }
}
