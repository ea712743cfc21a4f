//! One thing that a guest was told.

use serde::{Deserialize, Serialize};

use super::bytes_text;
use crate::Digest;

/// A function of the host whose answer a guest cannot know beforehand (`wit/tool.wit`). What has no answer, or follows from the
/// parameters alone, is not written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is the function of the same name")]
pub enum HostCall {
    Now,
    Random,
    Config,
    MemoryLimit,
    Secret,
    BasicAuth,
    Hmac,
    Start,
    Fetch,
    Read,
    Take,
    Wait,
}

impl HostCall {
    /// Its name in the interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Random => "random",
            Self::Config => "config",
            Self::MemoryLimit => "memory-limit",
            Self::Secret => "secret",
            Self::BasicAuth => "basic-auth",
            Self::Hmac => "hmac",
            Self::Start => "start",
            Self::Fetch => "fetch",
            Self::Read => "read",
            Self::Take => "take",
            Self::Wait => "wait",
        }
    }
}

/// One thing that a guest was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalEntry {
    /// What it asked.
    pub call: HostCall,
    /// Of what it asked it with; absent where there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Digest>,
    /// What it was told.
    pub answer: HostAnswer,
}

/// What a function of the host answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostAnswer {
    /// That there is nothing.
    Nothing,
    /// A number: the time, a bound.
    Number(u64),
    /// A text: a value, a placeholder.
    Text(String),
    /// Bytes: random ones, an HMAC, a piece of a body.
    Bytes(#[serde(with = "bytes_text")] Vec<u8>),
    /// The handle of an operation that was started.
    Handle(u32),
    /// Why it was not done.
    Refused(String),
    /// Which operation ended, and with what.
    Ended {
        /// Its handle.
        operation: u32,
        /// What came of it, or why it failed.
        told: Result<String, String>,
    },
}

impl JournalEntry {
    /// Bytes of an entry with nothing in it.
    pub const BYTES: u64 = 96;

    /// Bytes that it takes in memory, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let contents = match &self.answer {
            HostAnswer::Nothing | HostAnswer::Number(_) | HostAnswer::Handle(_) => 0,
            HostAnswer::Text(text) | HostAnswer::Refused(text) | HostAnswer::Ended { told: Ok(text) | Err(text), .. } => {
                text.len()
            }
            HostAnswer::Bytes(bytes) => bytes.len(),
        };
        Self::BYTES.saturating_add(contents as u64)
    }
}
