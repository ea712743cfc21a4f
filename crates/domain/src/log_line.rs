//! What a tool writes while it runs.

use serde::{Deserialize, Serialize};

/// How much a line matters, as `console` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// `console.debug`
    Debug,
    /// `console.log`, `console.info`, `ctx.log`
    Info,
    /// `console.warn`
    Warn,
    /// `console.error`
    Error,
}

/// One line of a tool's log. The text is the tool's own: whoever shows it escapes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// Time since the call began, in milliseconds.
    pub at_ms: u32,
    /// The text, cut at [`LogLine::MESSAGE_BYTES_MAX`].
    pub message: String,
}

impl LogLine {
    /// The tier bounds how many lines are kept; this bounds each of them.
    pub const MESSAGE_BYTES_MAX: usize = 8 * 1024;
}
