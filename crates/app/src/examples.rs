//! The examples of a tool run before it becomes a version: what shows how a tool is used must work.

use std::sync::Arc;

use compiler::Waiter;
use domain::{Answer, CustomerId, Diagnostic, Example, JsonText, LimitExceeded, LimitName, Limits, Outcome, Tier};
use sandbox::{Entry, Questions};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    App, AppError,
    artifacts::{self, Ready, Wanted},
    catalogue::ServedTool,
    guests::{self, Checked, Finished},
    questions::Seat,
};

/// Characters of a value in a diagnostic.
const SHOWN_CHARS_MAX: usize = 200;

/// Runs the examples of `tool`, one after the other, under the limits of the tier; each that fails is a diagnostic. All of them
/// together have the wall time of one call: a put takes no longer for having many. Where it ends, the rest is not run.
pub(crate) async fn check(app: &App, customer: CustomerId, tier: &Tier, tool: &ServedTool, source: &str) -> Result<(), AppError> {
    let examples = &tool.interface.examples;
    if examples.is_empty() {
        return Ok(());
    }
    let ready = artifacts::prepare(app, &Wanted { customer, tier, tool, waiter: Waiter::Person }).await?;
    let mut diagnostics = Vec::new();
    let mut wall_us = 0;
    for (index, example) in examples.iter().enumerate() {
        let left = tier_after(tier, wall_us);
        let finished = run(app, customer, &left, tool, &ready, example).await?;
        if index > 0 && is_out_of_time(&finished) {
            diagnostics.push(out_of_time(index + 1, tier));
            break;
        }
        diagnostics.extend(find_fault(index + 1, example, &finished, source));
        wall_us += finished.receipt.map_or(0, |receipt| receipt.wall_us);
    }
    if diagnostics.is_empty() { Ok(()) } else { Err(AppError::Build { diagnostics }) }
}

/// The tier, with the wall time that is left of one call's after `wall_us` of it.
fn tier_after(tier: &Tier, wall_us: u64) -> Tier {
    let spent_ms = u32::try_from(wall_us / 1000).unwrap_or(u32::MAX);
    let limits = Limits { wall_ms_max: tier.limits.wall_ms_max.saturating_sub(spent_ms), ..tier.limits.clone() };
    Tier { name: tier.name.clone(), limits }
}

fn is_out_of_time(finished: &Finished) -> bool {
    matches!(finished.outcome, Outcome::LimitExceeded(LimitExceeded { limit: LimitName::WallMsMax, .. }))
}

fn out_of_time(number: usize, tier: &Tier) -> Diagnostic {
    let limit = LimitExceeded { limit: LimitName::WallMsMax, value: tier.limits.wall_ms_max.into(), tier: tier.name.clone() };
    Diagnostic::without_place(format!(
        "the examples together ran for longer than one call may, and ended in example {number}: {limit}"
    ))
}

async fn run(
    app: &App,
    customer: CustomerId,
    tier: &Tier,
    tool: &ServedTool,
    ready: &Ready,
    example: &Example,
) -> Result<Finished, AppError> {
    let arguments = match guests::check_arguments(app, tool, Value::Object(example.input.clone())).await? {
        Checked::Right(arguments, _) => arguments,
        Checked::Wrong(finished) => return Ok(*finished),
    };
    let place = guests::take_place(app, customer, tier).await?;
    let run = guests::Run {
        customer,
        permission: Arc::clone(&tool.permission),
        tier,
        entry: Entry::Call,
        arguments,
        queue_us: place.queue_us,
        prepared_us: 0,
        seat: Seat::of(place),
        questions: Questions::Refused("an example has no client that could be asked"),
        dialogue: None,
        receipts: None,
        cancelled: CancellationToken::new(),
    };
    tokio::select! {
        finished = guests::run(app, tool, ready, run, drop) => Ok(finished?),
        () = app.interrupted() => Err(AppError::Unavailable { message: "this node is shutting down".to_owned() }),
    }
}

fn find_fault(number: usize, example: &Example, finished: &Finished, source: &str) -> Option<Diagnostic> {
    let input = shown(&Value::Object(example.input.clone()));
    match (&finished.outcome, &example.output) {
        (Outcome::Success(Answer::Content(content)), _) if content.is_error => {
            Some(Diagnostic::without_place(format!("example {number}, with the input {input}, failed: {}", content.first_text())))
        }
        (Outcome::Success(answer), Some(expected)) => {
            let result = answer.structured().map(JsonText::to_value);
            (result.as_ref() != Some(expected)).then(|| {
                Diagnostic::without_place(format!(
                    "example {number}, with the input {input}, gave {} where its `output` says {}",
                    result.as_ref().map_or_else(|| "content".to_owned(), shown),
                    shown(expected)
                ))
            })
        }
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
        // An example has no client: it never ends with a question.
        (Outcome::Cancelled | Outcome::Asks(_), _) => {
            Some(Diagnostic::without_place(format!("example {number} was not run to its end")))
        }
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
