//! The examples of a tool run before it becomes a version: what shows how a tool is used must work.

use domain::{CustomerId, Diagnostic, Example, Outcome, Tier};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    App, AppError, artifacts,
    artifacts::Ready,
    catalogue::ServedTool,
    guests::{self, Finished},
};

/// Characters of a value in a diagnostic.
const SHOWN_CHARS_MAX: usize = 200;

/// Runs the examples of `tool`, one after the other, under the limits of the tier; each that fails is a diagnostic.
pub(crate) async fn check(app: &App, customer: CustomerId, tier: &Tier, tool: &ServedTool, source: &str) -> Result<(), AppError> {
    let examples = &tool.interface.examples;
    if examples.is_empty() {
        return Ok(());
    }
    let ready = artifacts::prepare(app, customer, tier, tool).await?;
    let mut diagnostics = Vec::new();
    for (index, example) in examples.iter().enumerate() {
        let finished = run(app, customer, tier, tool, &ready, example).await?;
        diagnostics.extend(find_fault(index + 1, example, &finished, source));
    }
    if diagnostics.is_empty() { Ok(()) } else { Err(AppError::Build { diagnostics }) }
}

async fn run(
    app: &App,
    customer: CustomerId,
    tier: &Tier,
    tool: &ServedTool,
    ready: &Ready,
    example: &Example,
) -> Result<Finished, AppError> {
    let arguments = match guests::check_arguments(tool, Value::Object(example.input.clone())).await {
        Ok(arguments) => arguments,
        Err(finished) => return Ok(*finished),
    };
    let place = guests::take_place(app, customer, tier).await?;
    let run = guests::Run { tier, arguments, place, cancelled: CancellationToken::new() };
    tokio::select! {
        finished = guests::run(app, tool, ready, run, drop) => finished,
        () = app.interrupted() => Err(AppError::Unavailable { message: "this node is shutting down".to_owned() }),
    }
}

fn find_fault(number: usize, example: &Example, finished: &Finished, source: &str) -> Option<Diagnostic> {
    let input = shown(&Value::Object(example.input.clone()));
    match (&finished.outcome, &example.output) {
        (Outcome::Success(result), Some(expected)) if result != expected => Some(Diagnostic::without_place(format!(
            "example {number}, with the input {input}, gave {} where its `output` says {}",
            shown(result),
            shown(expected)
        ))),
        (Outcome::Success(_), _) => None,
        (Outcome::ToolError(failure), _) => {
            let message = format!("example {number}, with the input {input}, failed: {}: {}", failure.name, failure.message);
            Some(match failure.line {
                Some(line) => Diagnostic::at(message, source, line, failure.column.unwrap_or(1)),
                None => Diagnostic::without_place(message),
            })
        }
        (Outcome::LimitExceeded(limit), _) => {
            Some(Diagnostic::without_place(format!("example {number}, with the input {input}, did not end well: {limit}")))
        }
        (Outcome::Trap(text), _) => {
            Some(Diagnostic::without_place(format!("example {number}, with the input {input}, broke the tool: {text}")))
        }
        (Outcome::Cancelled, _) => Some(Diagnostic::without_place(format!("example {number} was not run to its end"))),
    }
}

fn shown(value: &Value) -> String {
    let mut text = value.to_string();
    if let Some((end, _)) = text.char_indices().nth(SHOWN_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}
