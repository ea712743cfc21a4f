//! Guests that ask their clients: live, and recorded and run again.

mod bodies;
mod clocks;
mod guest;
mod limits;
mod live;
mod recorded;
mod replay;

use std::collections::BTreeMap;

use domain::{Abilities, Digest, Journal, Outcome, Question, QuestionAnswer, QuestionKind, VersionId};
use sandbox::{Invocation, Invoked, Questions, Recording, Replay};
use serde_json::{Value, json};

use crate::{
    outside::Outside,
    room::{Room, invocation},
};

/// The question that guests ask, as they write it.
const ASK: &str = r#"{"op":"ask","kind":"roots","params":{}}"#;

fn question() -> Question {
    Question::parse(QuestionKind::Roots, "{}").unwrap()
}

/// What the client says to [`ASK`].
fn answer(name: &str) -> QuestionAnswer {
    QuestionAnswer::read(&question(), &json!({"roots": [{"uri": name}]})).unwrap()
}

fn told(name: &str) -> Value {
    json!({"roots": [{"uri": name}]})
}

fn recording(replay: Option<Replay>) -> Recording {
    let version = VersionId::from_uuid("018f0000-0000-7000-8000-000000000001".parse().unwrap());
    Recording { version, environment: Digest::of(b"environment"), can: Abilities::all(), ahead: BTreeMap::new(), replay }
}

/// A call that is recorded, from its beginning or over a journal.
fn recorded(call: Invocation, replay: Option<Replay>) -> Invocation {
    Invocation { questions: Questions::Recorded(Box::new(recording(replay))), ..call }
}

/// Answers all questions of a journal with `name`.
fn answered(journal: &Journal, name: &str) -> Replay {
    let answers = journal.suspended.questions.iter().map(|open| (open.key.clone(), answer(name))).collect();
    Replay { journal: journal.clone(), answers }
}

/// Runs until the guest asks; its journal, and the receipt so far in it.
async fn asks(room: &Room, call: Invocation) -> Journal {
    let invoked = room.try_call(call).await.unwrap();
    let Invoked { outcome: Outcome::Asks(questions), journal: Some(journal), .. } = invoked else { panic!("{invoked:?}") };
    assert_eq!(questions, journal.suspended.questions);
    *journal
}

/// Runs a call that asks once, and again with the answer `yes`.
async fn run_twice(room: &Room, call: impl Fn() -> Invocation) -> (Journal, Invoked) {
    let journal = asks(room, recorded(call(), None)).await;
    let again = recorded(call(), Some(answered(&journal, "yes")));
    let invoked = room.try_call(again).await.unwrap();
    (journal, invoked)
}

/// A POST; guests send the request as its own body.
fn post(outside: &Outside, path: &str) -> String {
    let mut request: Value = serde_json::from_str(&outside.request(path)).unwrap();
    request["method"] = "POST".into();
    request.to_string()
}

fn plain() -> Invocation {
    invocation()
}

fn success(value: Value) -> Outcome {
    Outcome::Success(value.into())
}
