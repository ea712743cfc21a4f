//! Fields of requests and answers.

use domain::HttpMethod;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION,
        CONTENT_TYPE, COOKIE, EXPECT, HOST, PROXY_AUTHORIZATION, RANGE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};

use crate::FetchError;

/// Fields of a request: as many as an answer may have.
const FIELDS_MAX: usize = 100;
/// Names and values of a request together: most servers take 8 to 16 KiB.
const FIELD_BYTES_MAX: usize = 32 << 10;
/// What is decoded here. Brotli and zstd are not: what their decoders take is in proportion to a window that the host chooses.
const ENCODINGS: HeaderValue = HeaderValue::from_static("gzip, deflate");

/// The fields that a guest asks for, without those that are ours (the web's forbidden ones, as far as they change the message).
pub(crate) fn from_pairs(pairs: &[(String, String)]) -> Result<HeaderMap, FetchError> {
    check_size(pairs.len(), pairs.iter().map(|(name, value)| name.len() + value.len()).sum())?;
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused(format!("`{}` is no header name", shown(name))))?;
        let value = value_of(value).ok_or_else(|| {
            refused(format!("the value of the header `{name}` holds a line break or another character that cannot be sent"))
        })?;
        if !is_ours(&name) {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

/// The same for fields that are parsed already. What the length of a streamed body is, its sender knows.
pub(crate) fn from_map(given: &HeaderMap) -> Result<HeaderMap, FetchError> {
    check_size(given.len(), given.iter().map(|(name, value)| name.as_str().len() + value.len()).sum())?;
    let mut headers = HeaderMap::with_capacity(given.len());
    for (name, value) in given {
        if !is_ours(name) || name == CONTENT_LENGTH {
            headers.append(name.clone(), value.clone());
        }
    }
    Ok(headers)
}

/// Adds what every request of ours has.
pub(crate) fn complete(headers: &mut HeaderMap, authority: &str, user_agent: &HeaderValue) -> Result<(), FetchError> {
    let authority = HeaderValue::from_str(authority).map_err(|_| refused("its host cannot be sent".to_owned()))?;
    headers.insert(HOST, authority);
    headers.entry(http::header::USER_AGENT).or_insert_with(|| user_agent.clone());
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    // A range counts the bytes as they are sent: of a compressed body it is no use to anyone.
    let encodings = if headers.contains_key(RANGE) { HeaderValue::from_static("identity") } else { ENCODINGS };
    headers.insert(ACCEPT_ENCODING, encodings);
    Ok(())
}

/// Drops what is for the origin that was asked first alone; `holds_secret` tells which values a secret is put into.
pub(crate) fn drop_credentials(headers: &mut HeaderMap, holds_secret: impl Fn(&[u8]) -> bool) {
    for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
        headers.remove(name);
    }
    let secret: Vec<HeaderName> =
        headers.iter().filter(|(_, value)| holds_secret(value.as_bytes())).map(|(name, _)| name.clone()).collect();
    for name in secret {
        headers.remove(name);
    }
}

/// Drops what speaks of a body that is not sent again.
pub(crate) fn drop_content(headers: &mut HeaderMap) {
    for name in [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, CONTENT_LENGTH] {
        headers.remove(name);
    }
}

/// Drops what was between the host and us.
pub(crate) fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    let ours: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_hop_by_hop(name))
        .cloned()
        .chain(named)
        .filter(|name| *name != CONTENT_ENCODING)
        .collect();
    for name in ours {
        headers.remove(name);
    }
}

/// The method as the web writes it: the six in any case, since every library writes them so.
pub(crate) fn method(word: &str) -> Result<HttpMethod, FetchError> {
    HttpMethod::find(&word.to_ascii_uppercase()).ok_or_else(|| {
        refused(format!("`{}` is none of the methods GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS", shown(word)))
    })
}

/// As the web reads values: each byte is the character of its number (Fetch, "isomorphic decode").
pub(crate) fn to_text(value: &[u8]) -> String {
    value.iter().copied().map(char::from).collect()
}

fn value_of(text: &str) -> Option<HeaderValue> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let bytes: Option<Vec<u8>> = text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

fn check_size(fields: usize, bytes: usize) -> Result<(), FetchError> {
    if fields > FIELDS_MAX {
        return Err(refused(format!("it has more than {FIELDS_MAX} headers")));
    }
    if bytes > FIELD_BYTES_MAX {
        return Err(FetchError::TooLarge { what: "the head of the request", max: FIELD_BYTES_MAX as u64 });
    }
    Ok(())
}

fn is_ours(name: &HeaderName) -> bool {
    is_hop_by_hop(name) || [ACCEPT_ENCODING, CONTENT_LENGTH, EXPECT, HOST].contains(name)
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || ["keep-alive", "http2-settings"].contains(&name.as_str())
        || name.as_str().starts_with("proxy-")
}

fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}

const fn refused(reason: String) -> FetchError {
    FetchError::Request { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<HeaderMap, FetchError> {
        from_pairs(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn fields_that_change_the_message_are_ours() {
        let headers = read(&[
            ("Host", "other.test"),
            ("Content-Length", "1"),
            ("Transfer-Encoding", "chunked"),
            ("Connection", "x-a"),
            ("Proxy-Authorization", "Basic a"),
            ("Accept-Encoding", "zstd"),
            ("Upgrade", "h2c"),
            ("TE", "trailers"),
            ("Expect", "100-continue"),
            ("X-A", "1"),
            ("x-a", " 2\t"),
        ])
        .unwrap();

        assert_eq!(headers.len(), 2);
        assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn a_line_break_does_not_pass() {
        for (name, value) in [
            ("x", "a\r\nHost: b"),
            ("x", "a\nb"),
            ("x", "a\0"),
            ("x y", "a"),
            ("x\r\ny", "a"),
            ("", "a"),
            ("x:", "a"),
            ("x", "€"),
        ] {
            assert!(matches!(read(&[(name, value)]), Err(FetchError::Request { .. })), "{name:?} {value:?}");
        }
        assert_eq!(read(&[("x", "ü")]).unwrap()["x"].as_bytes(), [0xFC]);
    }

    #[test]
    fn number_and_length_are_bounded() {
        assert!(read(&vec![("x", "a"); FIELDS_MAX]).is_ok());
        assert!(read(&vec![("x", "a"); FIELDS_MAX + 1]).is_err());
        assert!(matches!(read(&[("x", &"a".repeat(FIELD_BYTES_MAX))]), Err(FetchError::TooLarge { .. })));
    }

    #[test]
    fn credentials_are_dropped_with_whatever_holds_a_secret() {
        let mut headers = read(&[("Authorization", "a"), ("Cookie", "b"), ("X-Key", "word"), ("X-Other", "c")]).unwrap();

        drop_credentials(&mut headers, |value| value == b"word");

        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-other"]);
    }

    #[test]
    fn what_a_connection_names_is_dropped_from_an_answer() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("connection", "close, x-a"), ("x-a", "1"), ("keep-alive", "5"), ("transfer-encoding", "chunked"), ("x-b", "2")]
        {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }

        drop_hop_by_hop(&mut headers);

        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-b"]);
    }

    #[test]
    fn methods_are_the_granted_ones() {
        assert_eq!(method("get").unwrap(), HttpMethod::Get);
        for word in ["CONNECT", "TRACE", "", "GET /", "PROPFIND"] {
            assert!(method(word).is_err(), "{word}");
        }
    }
}
