//! A message as it was understood, written anew.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    arguments,
    message::{Message, Params, ResponseOutcome},
    refusal::Refusal,
};

#[derive(Serialize)]
struct Written<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a rmcp::model::RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<WrittenError<'a>>,
}

#[derive(Serialize)]
struct WrittenError<'a> {
    code: i64,
    message: &'a str,
}

/// What is read of the parameters of a call here.
#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// The text of the message in `body`, or of the error that answers it.
pub(super) fn reread(body: &[u8]) -> Result<String, Refusal> {
    let message = Message::parse(body)?;
    let mut written = Written { jsonrpc: "2.0", id: None, method: None, params: None, result: None, error: None };
    match &message {
        Message::Request { id, method, params } => {
            check_arguments(method, *params)?;
            (written.id, written.method, written.params) = (Some(id), Some(&**method), params.raw());
        }
        Message::Notification { method, params } => (written.method, written.params) = (Some(&**method), params.raw()),
        Message::Response { id, outcome: ResponseOutcome::Result(result) } => {
            (written.id, written.result) = (Some(id), Some(*result));
        }
        Message::Response { id, outcome: ResponseOutcome::Error(error) } => {
            (written.id, written.error) = (Some(id), Some(WrittenError { code: error.code, message: &error.message }));
        }
    }
    serde_json::to_string(&written).map_err(|error| Refusal::unreadable(&error))
}

fn check_arguments(method: &str, params: Params<'_>) -> Result<(), Refusal> {
    if method == "tools/call" {
        arguments::read(params.read::<Call<'_>>()?.arguments)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_understood_is_written_again() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"b":[1,"\u00e9"]}}}"#,
            r#"{"jsonrpc":"2.0","method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":"a","result":null}"#,
            r#"{"jsonrpc":"2.0","id":"a","error":{"code":-1,"message":"no"}}"#,
        ] {
            assert_eq!(reread(text.as_bytes()).unwrap(), text);
        }
    }

    #[test]
    fn what_would_not_be_called_is_refused() {
        let twice = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"b":1,"b":2}}}"#;

        assert_eq!(reread(twice).unwrap_err().into_message().error.code.0, -32602);
    }
}
