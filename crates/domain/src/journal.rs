//! The journal of a call: all that its host answered to the guest, in the order in which the guest was told. A guest that is run again
//! over it does the same again, without anything being done outside a second time.

mod bytes_text;
mod entry;

use serde::{Deserialize, Serialize};

pub use entry::{HostAnswer, HostCall, JournalEntry};

use crate::{Digest, OpenQuestion, Receipt, VersionId};

/// What is asked of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// To run.
    #[default]
    Call,
    /// Values for an argument that is being filled in. The outcome is an [`crate::Answer::Json`] that is a [`crate::Completion`].
    Complete,
}

/// A journal, up to where its guest ended. Secrets are not in it, and all else that the guest saw is: it is kept sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// Which call it is of. Another guest would do something else with these answers.
    pub pins: JournalPins,
    /// What all runs so far used together.
    pub used: Receipt,
    /// What the guest was told, in this order.
    pub entries: Vec<JournalEntry>,
    /// What was under way when the guest ended.
    pub suspended: Suspended,
}

/// What makes a call the same call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalPins {
    /// The version that ran.
    pub version: VersionId,
    /// Its artifact.
    pub artifact: Digest,
    /// The JavaScript engine, which decides what a source does with an answer.
    pub engine: Digest,
    /// What it was granted, and its environment's values.
    pub environment: Digest,
    /// What was asked of it.
    pub entry: Entry,
    /// The arguments, as the guest got them.
    pub arguments: Digest,
}

/// A call that is another one than the journal's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call cannot go on, because {0} changed since it asked its question")]
pub struct JournalMismatch(&'static str);

/// What was under way when a guest ended with a question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspended {
    /// The questions that wait for answers, in the order in which they were asked.
    pub questions: Vec<OpenQuestion>,
    /// Sleeps that had not ended.
    pub sleeps: Vec<SuspendedSleep>,
    /// Bodies that the guest held open.
    pub bodies: Vec<SuspendedBody>,
    /// The last handle that was given out.
    pub handle_last: u32,
}

/// A sleep that goes on when the guest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspendedSleep {
    /// Its handle.
    pub operation: u32,
    /// How much of it was left, in microseconds.
    pub left_us: u64,
}

/// The rest of a body, read from its host before the guest ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspendedBody {
    /// Its handle.
    pub body: u32,
    /// The operation that read it last; before the first, the request.
    pub last_read: u32,
    /// Whether that is the request.
    #[serde(default)]
    pub is_begun: bool,
    /// The piece that this brought, if the guest had not taken it yet.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "bytes_text::optional")]
    pub piece: Option<Vec<u8>>,
    /// What had not been read.
    #[serde(with = "bytes_text")]
    pub rest: Vec<u8>,
    /// Why no more of it came; absent if that was all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

impl Journal {
    /// Bytes of a journal: it is in memory while its call runs, and in the database while its client is asked.
    pub const BYTES_MAX: u64 = 8 * 1024 * 1024;

    /// Whether a call is the one that the journal is of.
    pub fn check(&self, pins: &JournalPins) -> Result<(), JournalMismatch> {
        let JournalPins { version, artifact, engine, environment, entry, arguments } = self.pins;
        let what = if version != pins.version {
            "the version that is served"
        } else if artifact != pins.artifact {
            "the tool's code"
        } else if engine != pins.engine {
            "the platform's JavaScript engine"
        } else if environment != pins.environment {
            "the tool's environment or what it is granted"
        } else if entry != pins.entry {
            "what is asked of the tool"
        } else if arguments != pins.arguments {
            "what its arguments are"
        } else {
            return Ok(());
        };
        Err(JournalMismatch(what))
    }

    /// Bytes that it takes in memory, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(JournalEntry::bytes).sum::<u64>().saturating_add(self.suspended.bytes())
    }
}

impl Suspended {
    fn bytes(&self) -> u64 {
        let bodies = self.bodies.iter().map(|body| body.rest.len() + body.piece.as_ref().map_or(0, Vec::len)).sum::<usize>();
        let questions = self.questions.iter().map(|open| open.question.params().get().len()).sum::<usize>();
        (bodies as u64).saturating_add(questions as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Question, QuestionKey, QuestionKind};

    fn pins() -> JournalPins {
        let digest = Digest::of(b"");
        JournalPins {
            version: VersionId::new(),
            artifact: digest,
            engine: digest,
            environment: digest,
            entry: Entry::Call,
            arguments: digest,
        }
    }

    fn journal() -> Journal {
        let answers = [
            HostAnswer::Number(7),
            HostAnswer::Nothing,
            HostAnswer::Text("é".to_owned()),
            HostAnswer::Bytes(vec![0, 255]),
            HostAnswer::Handle(1),
            HostAnswer::Refused("no".to_owned()),
            HostAnswer::Ended { operation: 1, told: Ok("yes".to_owned()) },
            HostAnswer::Ended { operation: 2, told: Err("no".to_owned()) },
        ];
        let entries = answers.map(|answer| JournalEntry { call: HostCall::Fetch, parameters: Some(Digest::of(b"")), answer });
        let question = Question::parse(QuestionKind::Roots, "{}").unwrap();
        let body = SuspendedBody {
            body: 3,
            last_read: 4,
            is_begun: false,
            piece: Some(vec![1]),
            rest: vec![2],
            broken: Some("late".to_owned()),
        };
        Journal {
            pins: pins(),
            used: Receipt::empty(Digest::of(b"")),
            entries: entries.into(),
            suspended: Suspended {
                questions: vec![OpenQuestion { key: QuestionKey::of_operation(5), operation: 5, question }],
                sleeps: vec![SuspendedSleep { operation: 6, left_us: 9 }],
                bodies: vec![body],
                handle_last: 6,
            },
        }
    }

    #[test]
    fn a_journal_reads_back_as_it_was_written() {
        let journal = journal();

        let written = serde_json::to_vec(&journal).unwrap();

        assert_eq!(serde_json::from_slice::<Journal>(&written).unwrap(), journal);
    }

    #[test]
    fn a_journal_knows_its_size() {
        let (whole, without) = (journal(), Journal { entries: Vec::new(), ..journal() });

        assert_eq!(without.bytes(), 4, "a byte of a piece, one of a rest, and the question");
        assert_eq!(whole.bytes() - without.bytes(), 8 * JournalEntry::BYTES + 2 + 2 + 2 + 3 + 2);
    }

    #[test]
    fn a_journal_is_of_one_call_alone() {
        let journal = journal();
        let other = Digest::of(b"other");

        assert_eq!(journal.check(&journal.pins), Ok(()));
        for changed in [
            JournalPins { version: VersionId::new(), ..journal.pins },
            JournalPins { artifact: other, ..journal.pins },
            JournalPins { engine: other, ..journal.pins },
            JournalPins { environment: other, ..journal.pins },
            JournalPins { entry: Entry::Complete, ..journal.pins },
            JournalPins { arguments: other, ..journal.pins },
        ] {
            let error = journal.check(&changed).unwrap_err().to_string();
            assert!(error.ends_with("changed since it asked its question"), "{error}");
        }
    }
}
