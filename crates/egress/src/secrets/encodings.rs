//! The ways in which a secret comes back.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

/// Shorter ones would be found in every text, and say next to nothing of the value.
const ENCODED_BYTES_MIN: usize = 4;

/// `value` as it is and as JSON, base64, URLs, forms, HTML and hexadecimal write it, the likeliest first. Case is not told apart where these
/// are looked for.
pub(super) fn encodings(value: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let mut found: Vec<Zeroizing<Vec<u8>>> = vec![bytes(value.to_owned())];
    let encoded =
        [in_json(value), in_json(value).replace('/', "\\/"), in_html(value), percent(value), form(value), hexadecimal(value)];
    // A URL with the value in its query that stands in another's query, as where to go after a login.
    let twice = bytes(percent(&percent(value)));
    let others = encoded.into_iter().map(bytes).chain(base64(value.as_bytes())).chain([twice]);
    for other in others {
        if other.len() >= ENCODED_BYTES_MIN && !found.contains(&other) {
            found.push(other);
        }
    }
    found.retain(|encoding| !encoding.is_empty());
    found
}

fn bytes(text: String) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.into_bytes())
}

fn in_json(value: &str) -> String {
    let quoted = serde_json::Value::String(value.to_owned()).to_string();
    quoted.trim_start_matches('"').strip_suffix('"').map(str::to_owned).unwrap_or_default()
}

fn in_html(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// As RFC 3986 writes what is not unreserved.
pub(super) fn percent(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn form(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

fn hexadecimal(value: &str) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    value.bytes().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Base64 of any text that holds the value, such as `user:value`, has one of three forms of it inside, by where in a group of three bytes it
/// starts. The characters that also hold bits of the neighbours are left out.
fn base64(value: &[u8]) -> impl Iterator<Item = Zeroizing<Vec<u8>>> + use<> {
    let mut found = Vec::new();
    for (before, shared) in [(0, 0), (1, 2), (2, 3)] {
        let padded = Zeroizing::new([vec![0; before], value.to_vec()].concat());
        for text in [STANDARD_NO_PAD.encode(&*padded), URL_SAFE_NO_PAD.encode(&*padded)] {
            let whole = (padded.len() * 8) / 6;
            found.push(bytes(text.get(shared..whole).unwrap_or_default().to_owned()));
        }
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn is_found(value: &str, text: &str) -> bool {
        encodings(value).iter().any(|encoding| text.contains(std::str::from_utf8(encoding).unwrap()))
    }

    #[test]
    fn base64_of_a_text_with_the_value_is_found_wherever_the_value_starts() {
        for user in ["", "a", "ab", "abc", "abcd"] {
            for after in ["", "x", "xy"] {
                let encoded = STANDARD.encode(format!("{user}:s3cret/value{after}"));
                assert!(is_found("s3cret/value", &encoded), "{user} {encoded}");
            }
        }
    }

    #[test]
    fn the_usual_encodings_are_found() {
        for text in [
            "a\"<b>/&ü",
            r#"a\"<b>/&ü"#,
            r#"a\"<b>\/&ü"#,
            "a&quot;&lt;b&gt;/&amp;ü",
            "a%22%3Cb%3E%2F%26%C3%BC",
            "61223c623e2f26c3bc",
            "a%2522%253Cb%253E%252F%2526%25C3%25BC",
        ] {
            assert!(is_found("a\"<b>/&ü", text), "{text}");
        }
        assert!(is_found("a b c", "k=a+b+c"));
    }

    #[test]
    fn a_short_value_is_looked_for_as_it_is() {
        assert_eq!(encodings("a").len(), 1);
        assert!(encodings("").is_empty());
    }

    #[test]
    fn quotes_at_the_ends_of_a_value_stay() {
        assert!(is_found("\"quoted\"", r#"{"k":"\"quoted\""}"#));
    }
}
