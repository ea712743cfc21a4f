//! JSON-RPC messages, read from a body in one pass that copies nothing of the parameters.

use std::borrow::Cow;

use rmcp::model::RequestId as MessageId;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::refusal::Refusal;

/// Bytes of an id that is a text; it is kept for as long as its request goes on, and repeated with each report.
const ID_BYTES_MAX: usize = 256;

/// What a client sends (JSON-RPC 2.0; MCP, "Messages").
#[derive(Debug)]
pub(super) enum Message<'a> {
    /// Wants an answer.
    Request {
        /// What the answer will be known by.
        id: MessageId,
        /// What is asked.
        method: Cow<'a, str>,
        /// With what.
        params: Params<'a>,
    },
    /// Wants none.
    Notification {
        /// What happened.
        method: Cow<'a, str>,
        /// With what.
        params: Params<'a>,
    },
    /// Answers a request of ours.
    Response {
        /// What the request was known by.
        id: MessageId,
        /// What came of it.
        outcome: ResponseOutcome<'a>,
    },
}

/// What came of a request of ours.
#[derive(Debug)]
pub(super) enum ResponseOutcome<'a> {
    /// What was asked for, as it stands in the body.
    Result(&'a RawValue),
    /// Why there is nothing.
    Error(ResponseError<'a>),
}

/// Why a client did not do what it was asked (JSON-RPC 2.0, section 5.1). Its data are not looked at.
#[derive(Debug, Deserialize)]
pub(super) struct ResponseError<'a> {
    /// What kind of error.
    pub(super) code: i64,
    /// In words.
    #[serde(borrow)]
    pub(super) message: Cow<'a, str>,
}

/// The parameters of a message, as they stand in the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Params<'a>(Option<&'a RawValue>);

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// A text that is borrowed where it has no escapes. (A bare `Option<Cow<str>>` would always be copied.)
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// `null` is present too.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Message<'a> {
    /// Reads one message. A key that stands twice in the envelope is refused: two programs on the way could read it differently.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        let envelope = match serde_json::from_slice::<Envelope<'_>>(body) {
            Err(error) if !error.is_data() => return Err(Refusal::unreadable(&error)),
            // serde would read the members of a struct from an array, too.
            _ if first == Some(&b'[') => return Err(Refusal::invalid_request("one message a POST is read: a batch is refused")),
            Err(error) => return Err(Refusal::invalid_request(format!("the body is not a JSON-RPC message: {error}"))),
            Ok(envelope) => envelope,
        };
        if envelope.jsonrpc.is_none_or(|Text(version)| version != "2.0") {
            return Err(Refusal::invalid_request("`jsonrpc` must be \"2.0\""));
        }
        let params = Params(envelope.params);
        match (envelope.method, envelope.id, envelope.result, envelope.error) {
            (Some(Text(method)), Some(id), None, None) => Ok(Self::Request { id: read_id(id)?, method, params }),
            (Some(Text(method)), None, None, None) => Ok(Self::Notification { method, params }),
            (None, Some(id), Some(result), None) => {
                Ok(Self::Response { id: read_id(id)?, outcome: ResponseOutcome::Result(result) })
            }
            (None, Some(id), None, Some(error)) => {
                let error = serde_json::from_str(error.get())
                    .map_err(|_| Refusal::invalid_request("`error` must be an object with a `code` and a `message`"))?;
                Ok(Self::Response { id: read_id(id)?, outcome: ResponseOutcome::Error(error) })
            }
            (None, ..) => Err(Refusal::invalid_request("a response has an `id`, and either a `result` or an `error`")),
            _ => Err(Refusal::invalid_request("a message has a `method`, and an `id` if it wants an answer")),
        }
    }
}

fn read_id(id: &RawValue) -> Result<MessageId, Refusal> {
    let id =
        serde_json::from_str(id.get()).map_err(|_| Refusal::invalid_request("`id` must be a string or an integer of 64 bits"))?;
    if matches!(&id, MessageId::String(text) if text.len() > ID_BYTES_MAX) {
        return Err(Refusal::invalid_request(format!("`id` has {ID_BYTES_MAX} bytes at most")));
    }
    Ok(id)
}

impl<'a> Params<'a> {
    /// The parameters as they came; `None` if there are none.
    pub(super) const fn raw(self) -> Option<&'a RawValue> {
        self.0
    }

    /// Reads the parameters as a struct whose every member is optional; absent ones are an empty object.
    pub(super) fn read<T: Deserialize<'a>>(self) -> Result<T, Refusal> {
        match self.0.map_or("{}", RawValue::get) {
            text if text.starts_with('{') => serde_json::from_str(text).map_err(|error| Refusal::params(&error)),
            _ => Err(Refusal::invalid_request("`params` must be an object")),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_request_and_a_notification_are_told_apart_by_the_id() {
        assert!(matches!(parse(r#" {"jsonrpc":"2.0","id":"a","method":"ping"} "#), Ok(Message::Request { .. })));
        assert!(matches!(parse(r#"{"jsonrpc":"2.0","method":"ping","params":{}}"#), Ok(Message::Notification { .. })));
    }

    #[test]
    fn a_response_has_a_result_or_an_error() {
        let result = parse(r#"{"jsonrpc":"2.0","id":"a","result":{"action":"accept"}}"#);
        let error = parse(r#"{"jsonrpc":"2.0","id":"a","error":{"code":-1,"message":"n\u006f","data":{}}}"#);

        let Ok(Message::Response { outcome: ResponseOutcome::Result(result), .. }) = result else { panic!("no result") };
        assert_eq!(result.get(), r#"{"action":"accept"}"#);
        let Ok(Message::Response { outcome: ResponseOutcome::Error(error), .. }) = error else { panic!("no error") };
        assert_eq!((error.code, &*error.message), (-1, "no"));
    }

    #[test]
    fn a_method_with_escapes_is_read_as_what_it_means() {
        let Ok(Message::Request { method, .. }) = parse(r#"{"jsonrpc":"2.0","id":1,"method":"tools\u002fcall"}"#) else {
            panic!("not a request");
        };

        assert_eq!(method, "tools/call");
    }

    #[test]
    fn what_is_not_one_message_is_refused_with_400() {
        for (text, code) in [
            ("", -32700),
            ("{", -32700),
            ("\u{feff}{}", -32700),
            ("{} {}", -32700),
            ("[]", -32600),
            (r#"["2.0",1,"ping"]"#, -32600),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
            ("null", -32600),
            ("{}", -32600),
            (r#"{"id":1,"method":"ping"}"#, -32600),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32600),
            (r#"{"jsonrpc":"2.0","result":{}}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"a"}}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"a"}}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":"1"}}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        ] {
            let refusal = parse(text).expect_err(text);

            assert_eq!(refusal.into_response().status(), StatusCode::BAD_REQUEST, "{text}");
            assert_eq!(parse(text).expect_err(text).into_message().error.code.0, code, "{text}");
        }
    }

    #[test]
    fn an_id_is_short() {
        let with_id = |length: usize| format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "a".repeat(length));

        let refusal = parse(&with_id(ID_BYTES_MAX + 1)).expect_err("an id that is too long").into_message();

        assert_eq!((refusal.error.code.0, &*refusal.error.message), (-32600, "`id` has 256 bytes at most"));
        assert!(parse(&with_id(ID_BYTES_MAX)).is_ok());
    }

    #[test]
    fn parameters_are_an_object() {
        #[derive(Debug, Deserialize)]
        struct Any {}
        for text in ["[]", "1", "\"a\""] {
            let body = format!(r#"{{"jsonrpc":"2.0","method":"x","params":{text}}}"#);
            let Ok(Message::Notification { params, .. }) = parse(&body) else { panic!("not a notification") };

            assert!(params.read::<Any>().is_err(), "{text}");
        }
    }

    fn parse(text: &str) -> Result<Message<'_>, Refusal> {
        Message::parse(text.as_bytes())
    }
}
