//! What a component answered, as an outcome.

use domain::Outcome;

use crate::{
    invocation::CallLimit,
    outcome::{self, AnswerKind, Ended, Failure},
    state::GuestState,
};

/// What a component answered: copies, because its memory may be freed by now.
pub(crate) enum ComponentAnswer {
    /// The tool answered, or the host wrote down what it answered.
    Text { kind: AnswerKind, text: String },
    /// The tool, or what it was given, is at fault.
    Failure(OwnedFailure),
    /// The result is longer than the tier allows.
    TooLong,
}

/// As [`Failure`].
#[derive(Debug, Default)]
pub(crate) struct OwnedFailure {
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) stack: String,
}

impl ComponentAnswer {
    pub(crate) fn json(text: String) -> Self {
        Self::Text { kind: AnswerKind::Json, text }
    }

    pub(crate) fn failure(name: &str, message: String) -> Self {
        Self::Failure(OwnedFailure { name: name.to_owned(), message, ..OwnedFailure::default() })
    }

    /// What a component that knows no values for any argument answers.
    pub(crate) fn nothing_to_complete() -> Self {
        Self::json("{\"values\":[]}".to_owned())
    }

    /// The outcome of the call.
    pub(crate) fn judge(&self, state: &GuestState) -> Ended {
        match self {
            Self::Text { kind, text } => outcome::of_text(state, *kind, text),
            Self::Failure(OwnedFailure { name, message, line, column, stack }) => {
                let failure = Failure { name, message, line: *line, column: *column, stack };
                Ended::without_output(outcome::of_failure(state, &failure))
            }
            Self::TooLong => Ended::without_output(Outcome::LimitExceeded(state.limits.exceeded(CallLimit::Output))),
        }
    }
}
