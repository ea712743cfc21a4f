//! What a client is ready to read (RFC 9110, section 12.5.1).

use http::{HeaderMap, header};

/// The two forms that an answer can have here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    /// `application/json`
    pub(super) json: bool,
    /// `text/event-stream`
    pub(super) events: bool,
}

/// What the client accepts. The protocol wants both forms named; a client that names none, or anything, gets on all the same.
pub(super) fn accepted(headers: &HeaderMap) -> Accepted {
    let mut fields = headers.get_all(header::ACCEPT).iter().peekable();
    if fields.peek().is_none() {
        return Accepted { json: true, events: true };
    }
    let mut accepted = Accepted { json: false, events: false };
    for range in fields.filter_map(|field| field.to_str().ok()).flat_map(|field| field.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        if parts.any(is_refusal) {
            continue;
        }
        accepted.json |= matches!(media_type.as_str(), "application/json" | "application/*" | "*/*");
        accepted.events |= matches!(media_type.as_str(), "text/event-stream" | "text/*" | "*/*");
    }
    accepted
}

/// Whether a stream of events is asked for by name.
pub(super) fn names_events(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(header::ACCEPT).iter().filter_map(|field| field.to_str().ok());
    let mut ranges = fields.flat_map(|field| field.split(','));
    ranges.any(|range| range.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("text/event-stream")))
        && accepted(headers).events
}

/// A weight of zero.
fn is_refusal(parameter: &str) -> bool {
    let weight = parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    weight.is_some_and(|(_, value)| value.trim().parse() == Ok(0.0_f32))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn each_form_is_accepted_by_name_or_by_range() {
        for (field, json, events) in [
            ("application/json, text/event-stream", true, true),
            ("Application/JSON", true, false),
            ("text/event-stream;q=0.5", false, true),
            ("*/*", true, true),
            ("application/json, text/event-stream;q=0", true, false),
            ("text/html", false, false),
            ("", false, false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(field))]);
            assert_eq!(accepted(&headers), Accepted { json, events }, "{field}");
            assert_eq!(names_events(&headers), field.contains("text/event-stream") && events, "{field}");
        }
        assert_eq!(accepted(&HeaderMap::new()), Accepted { json: true, events: true });
    }
}
