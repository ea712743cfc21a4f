//! How a call ends.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ContentAnswer, JsonText, LimitExceeded, OpenQuestion};

/// How a call of a tool ended. Everything here is the tool's own doing or its caller's; a fault of the platform is an error of
/// the function that ran the call, not an outcome.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The tool answered.
    Success(Answer),
    /// The tool said that it failed, or threw.
    ToolError(ToolFailure),
    /// The call crossed a limit of its customer's tier.
    LimitExceeded(LimitExceeded),
    /// The guest broke: out of stack, an unreachable instruction, a bad pointer. The text is safe to show.
    Trap(String),
    /// Whoever asked went away, or took the request back.
    Cancelled,
    /// The guest ended with questions to its client, at least one. The call goes on, over its [`crate::Journal`], when they are answered.
    Asks(Vec<OpenQuestion>),
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// JSON.
    Json(JsonText),
    /// Content to be shown.
    Content(ContentAnswer),
}

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        Self::Json(value.into())
    }
}

impl Answer {
    /// The answer for programs: the JSON, or the structured part of content.
    #[must_use]
    pub const fn structured(&self) -> Option<&JsonText> {
        match self {
            Self::Json(text) => Some(text),
            Self::Content(content) => content.structured_content.as_ref(),
        }
    }
}

impl Outcome {
    /// The word for it in records and metrics.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            // A tool that says so itself, with content, failed as one that threw did.
            Self::Success(Answer::Content(ContentAnswer { is_error: true, .. })) | Self::ToolError(_) => Status::ToolError,
            Self::Success(_) => Status::Success,
            Self::LimitExceeded(_) => Status::LimitExceeded,
            Self::Trap(_) => Status::Trap,
            Self::Cancelled => Status::Cancelled,
            Self::Asks(_) => Status::Waiting,
        }
    }
}

/// What a tool said when it failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolFailure {
    /// The class of what was thrown: `ToolError`, `TypeError`...
    pub name: String,
    /// Its message.
    pub message: String,
    /// Line in the customer's source, from 1, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in that line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The call stack in terms of the customer's source, one frame a line; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stack: String,
}

/// The state of a call, as records and metrics name it. All but `Running` and `Waiting` are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Begun more than a second ago and not yet ended.
    Running,
    /// Its client was asked something, and will call again with the answer; nothing runs meanwhile.
    Waiting,
    /// The tool answered.
    Success,
    /// The tool said that it failed, or threw.
    ToolError,
    /// The arguments or the result did not match the tool's schema; nothing ran, or its result was withheld.
    InvalidArguments,
    /// The result did not match the tool's own output schema.
    InvalidResult,
    /// The call crossed a limit.
    LimitExceeded,
    /// The guest broke.
    Trap,
    /// Whoever asked went away.
    Cancelled,
    /// The platform stopped or failed under the call.
    Interrupted,
}

impl Status {
    /// Every state, in the order of their declaration.
    pub const ALL: [Self; 10] = [
        Self::Running,
        Self::Waiting,
        Self::Success,
        Self::ToolError,
        Self::InvalidArguments,
        Self::InvalidResult,
        Self::LimitExceeded,
        Self::Trap,
        Self::Cancelled,
        Self::Interrupted,
    ];

    /// The word that the API, the database and the metrics use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Success => "success",
            Self::ToolError => "tool_error",
            Self::InvalidArguments => "invalid_arguments",
            Self::InvalidResult => "invalid_result",
            Self::LimitExceeded => "limit_exceeded",
            Self::Trap => "trap",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Running | Self::Waiting)
    }

    /// The state that [`Status::as_str`] named.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}
