//! A guest that does something else than before is ended, and nothing is done outside.

use domain::{Digest, Entry, HostAnswer, HostCall, Journal, JournalEntry, Outcome, VersionId};
use sandbox::{Invocation, InvokeError, Questions};

use super::{ASK, answered, asks, guest::guest, plain, post, recorded, recording};
use crate::{outside::Outside, room::Room};

const BODY: &str =
    "(drop (call $now)) (drop (call $send {1})) (drop (call $end)) (drop (call $begin {0})) (drop (call $end)) (call $said)";

async fn started(outside: &Outside) -> (Room, Journal) {
    let room = guest(&[ASK, &post(outside, "/json")], BODY).await;
    let journal = asks(&room, recorded(outside.invocation(), None)).await;
    (room, journal)
}

async fn run_over(room: &Room, outside: &Outside, journal: &Journal) -> Outcome {
    room.try_call(recorded(outside.invocation(), Some(answered(journal, "yes")))).await.unwrap().outcome
}

fn differs_at(call: &str) -> Outcome {
    Outcome::Trap(format!(
        "the tool was run again to go on after its question, and did not do what it had done before: it called the host's `{call}` where it \
         had not, or with something else"
    ))
}

#[tokio::test]
async fn a_guest_that_asks_the_host_for_something_else_is_ended() {
    let outside = Outside::start().await;
    let (room, journal) = started(&outside).await;
    let fetch_at = journal.entries.iter().position(|entry| entry.call == HostCall::Fetch).unwrap();
    let change = |change: &dyn Fn(&mut Vec<JournalEntry>)| {
        let mut changed = journal.clone();
        change(&mut changed.entries);
        changed
    };

    let other_parameters = change(&|entries| entries[fetch_at].parameters = Some(Digest::of(b"another request")));
    let other_call = change(&|entries| entries[fetch_at].call = HostCall::Read);
    let missing = change(&|entries| {
        entries.remove(0);
    });
    let too_few = change(&|entries| entries.truncate(fetch_at));
    let other_sort = change(&|entries| entries[fetch_at].answer = HostAnswer::Number(1));
    let question = change(&|entries| entries.last_mut().unwrap().parameters = Some(Digest::of(b"another question")));

    for changed in [other_parameters, other_call, too_few, other_sort] {
        assert_eq!(run_over(&room, &outside, &changed).await, differs_at("fetch"));
    }
    assert_eq!(run_over(&room, &outside, &missing).await, differs_at("now"));
    assert_eq!(run_over(&room, &outside, &question).await, differs_at("start"));
    assert_eq!(outside.upstream.requests(), 1, "none of them went out");
    assert!(matches!(run_over(&room, &outside, &journal).await, Outcome::Success(_)), "the journal itself is good");
}

#[tokio::test]
async fn a_guest_that_ends_before_its_question_is_not_believed() {
    let outside = Outside::start().await;
    let (room, mut journal) = started(&outside).await;
    // The guest asks at once, is told an answer by the journal, and ends; the journal has more.
    let wait = JournalEntry {
        call: HostCall::Wait,
        parameters: None,
        answer: HostAnswer::Ended { operation: 3, told: Ok("{}".to_owned()) },
    };
    journal.entries.push(wait);

    let outcome = run_over(&room, &outside, &journal).await;

    let text = "the tool was run again to go on after its question, and ended before it came to it";
    assert_eq!(outcome, Outcome::Trap(text.to_owned()));
}

#[tokio::test]
async fn a_journal_is_run_over_by_its_own_call_alone() {
    let outside = Outside::start().await;
    let (room, journal) = started(&outside).await;
    let call = || recorded(outside.invocation(), Some(answered(&journal, "yes")));
    let with = |version, environment| {
        let mut recording = recording(Some(answered(&journal, "yes")));
        recording.version = version;
        recording.environment = environment;
        Invocation { questions: Questions::Recorded(Box::new(recording)), ..outside.invocation() }
    };
    let known = journal.pins;

    for (other, what) in [
        (Invocation { arguments: "{ }".to_owned(), ..call() }, "what its arguments are"),
        (Invocation { digest: Digest::of(b"other"), ..call() }, "the tool's code"),
        (Invocation { entry: Entry::Complete, ..call() }, "what is asked of the tool"),
        (with(VersionId::new(), known.environment), "the version that is served"),
        (with(known.version, Digest::of(b"")), "the tool's environment or what it is granted"),
    ] {
        let refused = room.try_call(other).await;
        let Err(InvokeError::Journal(mismatch)) = refused else { panic!("{refused:?}") };
        assert_eq!(mismatch.to_string(), format!("the call cannot go on, because {what} changed since it asked its question"));
    }
    let mut elsewhere = journal.clone();
    elsewhere.pins.engine = Digest::of(b"another engine");
    let refused = room.try_call(recorded(plain(), Some(answered(&elsewhere, "yes")))).await;
    assert!(matches!(refused, Err(InvokeError::Journal(_))), "{refused:?}");
}
