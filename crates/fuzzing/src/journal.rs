//! The journal of a call that goes on: what comes back out of the database.

use domain::{Journal, OpenQuestion, Question, QuestionKind};

use crate::written::{check_error, check_json};

pub(crate) const WORDS: &[&str] = &[
    "\"pins\":",
    "\"used\":",
    "\"entries\":[",
    "\"suspended\":",
    "\"questions\":[",
    "\"sleeps\":[",
    "\"bodies\":[",
    "\"left_us\":18446744073709551615",
    "\"handle_last\":4294967295",
    "\"operation\":",
    "\"number\"",
    "\"text\"",
    "\"bytes\"",
    "\"nothing\"",
    "AA==",
    "null",
    ",",
    "{",
    "}",
];

pub(crate) fn check(bytes: &[u8]) {
    if let Ok(journal) = serde_json::from_slice::<Journal>(bytes) {
        check_json(&journal);
        assert!(journal.bytes() <= 1024 * (bytes.len() as u64 + 1), "{} bytes of {}", journal.bytes(), bytes.len());
        assert_eq!(journal.check(&journal.pins), Ok(()));
    }
    if let Ok(question) = serde_json::from_slice::<OpenQuestion>(bytes) {
        check_json(&question);
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    for kind in [QuestionKind::Elicitation, QuestionKind::Sampling, QuestionKind::Roots] {
        match Question::parse(kind, text) {
            Ok(question) => {
                let again = Question::parse(kind, question.params().get());
                assert!(
                    again.is_ok_and(|again| again.params().get() == question.params().get()),
                    "it asks for something else: {text}"
                );
            }
            Err(error) => check_error(&error.to_string()),
        }
    }
}
