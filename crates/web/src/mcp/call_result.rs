//! What a call answered, as `tools/call` has it.

use app::{Failed, calls::CallAnswer};
use domain::{Answer, JsonText, Outcome, Status, ToolFailure};
use rmcp::model::ResultType;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{answer::Question, era::Era, presentation::Presentation, questions, refusal::Refusal};

/// The result of `tools/call` (MCP, `CallToolResult`). It is `rmcp`'s, but holds the tool's result as JSON that was written once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallResult<'a, C> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<ResultType>,
    content: C,
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<&'a RawValue>,
    is_error: bool,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct TextContent<'a> {
    r#type: &'static str,
    text: &'a str,
}

/// The answer to a call as a message.
///
/// What the tool itself did wrong, and limits that it crossed, are results with `isError`: a model reads those and can try otherwise.
pub(super) fn message(question: &Question, presentation: &Presentation, answer: &CallAnswer) -> Result<String, Refusal> {
    let write = |text: &str, structured: Option<&RawValue>, is_error| {
        let for_each_request = question.era == Era::PerRequest;
        question.message(CallResult {
            result_type: for_each_request.then_some(ResultType::COMPLETE),
            content: [TextContent { r#type: "text", text }],
            structured_content: structured,
            is_error,
            meta: for_each_request.then_some(&*presentation.meta),
        })
    };
    match &answer.outcome {
        Outcome::Asks(questions) => questions::input_required(question, &presentation.meta, questions, answer.state.as_deref()),
        Outcome::Success(Answer::Json(json)) => match json.as_text() {
            Some(text) => write(&text, None, false),
            None => write(json.get(), json.raw().filter(|_| is_structured(question.era, json)), false),
        },
        Outcome::Success(Answer::Content(answer)) => {
            let structured = answer.structured_content.as_ref().filter(|json| is_structured(question.era, json));
            question.message(CallResult {
                result_type: (question.era == Era::PerRequest).then_some(ResultType::COMPLETE),
                content: &answer.content,
                structured_content: structured.and_then(JsonText::raw),
                is_error: answer.is_error,
                meta: (question.era == Era::PerRequest).then_some(&*presentation.meta),
            })
        }
        Outcome::ToolError(failure) if answer.status == Status::ToolError => {
            match questions::refusal_for_lack(question.era, failure, answer.lacked) {
                Some(refusal) => Err(refusal),
                None => write(&failure_text(failure), None, true),
            }
        }
        // Arguments or a result that do not match their schema: the tool itself has thrown nothing.
        Outcome::ToolError(failure) => write(&failure.message, None, true),
        Outcome::LimitExceeded(limit) => write(&limit.to_string(), None, true),
        Outcome::Trap(reason) => write(&format!("the tool broke down: {reason}"), None, true),
        Outcome::Cancelled => Err(Refusal::cancelled()),
    }
}

/// What a resource or a prompt answered that did not bring what was asked for: an error, or a question to the client.
pub(super) fn without_answer(question: &Question, presentation: &Presentation, failed: &Failed) -> Result<String, Refusal> {
    match &failed.outcome {
        Outcome::Asks(questions) => questions::input_required(question, &presentation.meta, questions, failed.state.as_deref()),
        outcome => Err(refusal(question.era, outcome, failed)),
    }
}

fn refusal(era: Era, outcome: &Outcome, failed: &Failed) -> Refusal {
    let text = match outcome {
        Outcome::Cancelled => return Refusal::cancelled(),
        Outcome::ToolError(failure) if failed.status == Status::ToolError => {
            if let Some(refusal) = questions::refusal_for_lack(era, failure, failed.lacked) {
                return refusal;
            }
            failure_text(failure)
        }
        Outcome::ToolError(failure) => failure.message.clone(),
        Outcome::LimitExceeded(limit) => limit.to_string(),
        Outcome::Trap(reason) => format!("the code broke down: {reason}"),
        // Not reached: these are no failures.
        Outcome::Success(_) | Outcome::Asks(_) => String::new(),
    };
    Refusal::failed(failed.status, text)
}

/// Towards clients of 2025-11-25 only an object is structured content; since 2026-07-28 any value is.
fn is_structured(era: Era, json: &JsonText) -> bool {
    era == Era::PerRequest || json.is_object()
}

/// What a tool says of its own accord reads alone. What it threw by accident is told with its class and place, for whoever repairs it.
fn failure_text(failure: &ToolFailure) -> String {
    let ToolFailure { name, message, line, column, .. } = failure;
    match (name.as_str(), line, column) {
        ("ToolError", _, _) => message.clone(),
        (name, Some(line), Some(column)) => format!("{name}: {message} (line {line}, column {column})"),
        (name, Some(line), None) => format!("{name}: {message} (line {line})"),
        (name, None, _) => format!("{name}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{Abilities, CallId, Digest, LimitExceeded, LimitName, Receipt, RequestId};
    use rmcp::model::{CallToolResult, RequestId as MessageId, ServerConfig};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_result_is_what_rmcp_would_write() {
        for (outcome, wanted) in [
            (Outcome::Success(json!({"a": 1.5}).into()), CallToolResult::structured(json!({"a": 1.5}))),
            (Outcome::Success(json!("a").into()), CallToolResult::success(vec![rmcp::model::ContentBlock::text("a")])),
            (tool_error("ToolError", None), CallToolResult::error(vec![rmcp::model::ContentBlock::text("no")])),
        ] {
            let mut written: CallToolResult = serde_json::from_value(result(Era::PerRequest, outcome)).unwrap();

            assert!(written.meta.take().unwrap().contains_key("io.modelcontextprotocol/serverInfo"));
            assert_eq!(written, wanted);
        }
    }

    #[test]
    fn what_a_tool_did_wrong_is_a_result() {
        let limit = LimitExceeded { limit: LimitName::WallMsMax, value: 10_000, tier: "free".parse().unwrap() };
        for (outcome, text) in [
            (tool_error("ToolError", Some(3)), "no"),
            (tool_error("TypeError", None), "TypeError: no"),
            (tool_error("TypeError", Some(3)), "TypeError: no (line 3, column 7)"),
            (Outcome::LimitExceeded(limit), "the limit of 10000 milliseconds of a call (wall_ms_max) of tier `free` is reached"),
            (Outcome::Trap("out of stack".to_owned()), "the tool broke down: out of stack"),
        ] {
            let written = result(Era::Handshake, outcome);

            assert_eq!(written, json!({"content": [{"type": "text", "text": text}], "isError": true}));
        }
    }

    #[test]
    fn a_call_that_was_taken_back_has_no_result() {
        let refusal = message(&question(Era::Handshake), &presentation(), &answer(Outcome::Cancelled)).unwrap_err();

        assert_eq!(refusal.into_message().error.code.0, -32800);
    }

    fn result(era: Era, outcome: Outcome) -> Value {
        let message = message(&question(era), &presentation(), &answer(outcome)).unwrap();
        serde_json::from_str::<Value>(&message).unwrap()["result"].clone()
    }

    fn tool_error(name: &str, line: Option<u32>) -> Outcome {
        let column = line.map(|_| 7);
        Outcome::ToolError(ToolFailure { name: name.to_owned(), message: "no".to_owned(), line, column, stack: String::new() })
    }

    fn answer(outcome: Outcome) -> CallAnswer {
        let interface = json!({"name": "a", "description": "b", "input": {"type": "object"}});
        CallAnswer {
            call_id: CallId::new(),
            status: outcome.status(),
            outcome,
            interface: Arc::new(serde_json::from_value(interface).unwrap()),
            receipt: Receipt::empty(Digest::of(b"")),
            state: None,
            lacked: Abilities::default(),
            memory: None,
            standing: None,
        }
    }

    fn presentation() -> Presentation {
        Presentation::with_tools(ServerConfig::default(), Vec::new())
    }

    fn question(era: Era) -> Question {
        Question { id: MessageId::Number(1), request_id: RequestId::new(), era }
    }
}
