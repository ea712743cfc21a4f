//! The ways in which a secret comes back.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

/// Shorter ones would be found in every text, and say next to nothing of the value.
const ENCODED_BYTES_MIN: usize = 4;

/// What different programs leave as it is in a URL beside letters and digits, from those that encode most: RFC 3986 itself, Python's `quote`, the
/// component of JavaScript, that of a path in Go, a whole URI in JavaScript, and a query as browsers have it, within quotes or without.
const PLAIN_IN_URLS: [&str; 7] = [
    "-._~",
    "-._~/",
    "-._~!*'()",
    "-._~$&+=:@",
    "-._~;,/?:@&=+$#!*'()",
    "-._~!$%&()*+,/:;=?@[\\]^`{|}",
    "-._~!$%&'()*+,/:;=?@[\\]^`{|}",
];

/// `value` as it is and as JSON, base64, URLs, forms, HTML and hexadecimal write it, the likeliest first. Case is not told apart where these
/// are looked for.
pub(super) fn encodings(value: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let mut found: Vec<Zeroizing<Vec<u8>>> = vec![bytes(value.to_owned())];
    let [html, html_by_numbers, html_of_texts] = in_html(value);
    let mut encoded =
        vec![in_json(value), in_json(value).replace('/', "\\/"), html, percent(value), form(value), hexadecimal(value)];
    encoded.extend(PLAIN_IN_URLS.iter().flat_map(|plain| in_urls(value, plain)));
    // A host that prints a query as it came, but for the spaces.
    encoded.extend([value.replace(' ', "+"), value.replace(' ', "%20"), in_ascii_json(value), html_by_numbers, html_of_texts]);
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

/// As those write it who keep to ASCII, and away from HTML.
fn in_ascii_json(value: &str) -> String {
    let mut text = String::new();
    for character in in_json(value).chars() {
        if character.is_ascii() && !"<>&'".contains(character) {
            text.push(character);
        } else {
            let mut units = [0; 2];
            text.extend(character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

/// With quotes by their names, by their numbers, and left as they are.
fn in_html(value: &str) -> [String; 3] {
    let text = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    [text.replace('"', "&quot;").replace('\'', "&#39;"), text.replace('"', "&#34;").replace('\'', "&#x27;"), text]
}

/// As RFC 3986 writes what is not unreserved.
pub(super) fn percent(value: &str) -> String {
    percent_but(value, PLAIN_IN_URLS.first().copied().unwrap_or_default())
}

fn percent_but(value: &str, plain: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte);
    value.bytes().map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// With a space as URLs have it, and as forms have it.
fn in_urls(value: &str, plain: &str) -> [String; 2] {
    let encoded = percent_but(value, plain);
    let with_plus = encoded.replace("%20", "+");
    [encoded, with_plus]
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

    /// What goes out in a query comes back as whoever answers writes it.
    #[test]
    fn a_query_is_found_however_the_host_writes_it_again() {
        let value = "a b+c/d:e'(f)*~ü\"";
        for (who, text) in [
            ("what is sent", "a%20b%2Bc%2Fd%3Ae%27%28f%29%2A~%C3%BC%22"),
            ("a form", "a+b%2Bc%2Fd%3Ae%27%28f%29*%7E%C3%BC%22"),
            ("a form that leaves ~", "a+b%2Bc%2Fd%3Ae%27%28f%29%2A~%C3%BC%22"),
            ("encodeURIComponent", "a%20b%2Bc%2Fd%3Ae'(f)*~%C3%BC%22"),
            ("encodeURIComponent and +", "a+b%2Bc%2Fd%3Ae'(f)*~%C3%BC%22"),
            ("encodeURI", "a%20b+c/d:e'(f)*~%C3%BC%22"),
            ("Python's quote", "a%20b%2Bc/d%3Ae%27%28f%29%2A~%C3%BC%22"),
            ("Go's path", "a%20b+c%2Fd:e%27%28f%29%2A~%C3%BC%22"),
            ("a browser's query", "a%20b+c/d:e%27(f)*~%C3%BC%22"),
            ("a query of another scheme", "a%20b+c/d:e'(f)*~%C3%BC%22"),
            ("as it is", "a b+c/d:e'(f)*~ü\""),
            ("as it is, with +", "a+b+c/d:e'(f)*~ü\""),
            ("as it is, with %20", "a%20b+c/d:e'(f)*~ü\""),
            ("JSON in ASCII", r#"a b+c/d:e\u0027(f)*~\u00fc\""#),
            ("HTML by numbers", "a b+c/d:e&#x27;(f)*~ü&#34;"),
            ("HTML of a text", "a b+c/d:e'(f)*~ü\""),
        ] {
            for text in [text.to_owned(), text.to_lowercase()] {
                let found = encodings(value).iter().any(|encoding| {
                    let encoding = std::str::from_utf8(encoding).unwrap();
                    text.to_ascii_lowercase().contains(&encoding.to_ascii_lowercase())
                });
                assert!(found, "{who}: {text}");
            }
        }
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
