//! Questions that are passed on while the guest waits.

use std::time::Duration;

use domain::{Abilities, Ability, Outcome, Question, ToolFailure};
use sandbox::{Asked, Invocation, LiveQuestions, QuestionFault, Questions};
use tokio::sync::mpsc;

use super::{ASK, answer, guest::guest, plain, question, success, told};
use crate::room::Room;

const ASKS: &str = "(drop (call $begin {0})) (drop (call $end)) (call $said)";

/// A call whose questions come out of the channel.
fn live(call: Invocation) -> (Invocation, mpsc::Receiver<Asked>) {
    live_with(call, Abilities::all(), Duration::from_secs(10))
}

fn live_with(call: Invocation, can: Abilities, wait_max: Duration) -> (Invocation, mpsc::Receiver<Asked>) {
    let (asked, questions) = mpsc::channel(4);
    (Invocation { questions: Questions::Live(LiveQuestions { asked, can, wait_max }), ..call }, questions)
}

fn failure(outcome: Outcome) -> String {
    let Outcome::ToolError(ToolFailure { message, .. }) = outcome else { panic!("{outcome:?}") };
    message
}

#[tokio::test]
async fn a_question_reaches_the_client_and_its_answer_the_guest() {
    let room = guest(&[r#"{"op":"ask","kind":"roots","key":"where","params":{}}"#], ASKS).await;
    let (call, mut questions) = live(plain());

    let (invoked, asked) = tokio::join!(room.try_call(call), async {
        let Asked { key, question, answer: reply } = questions.recv().await.unwrap();
        reply.send(Ok(answer("yes"))).unwrap();
        (key, question)
    });

    assert_eq!(invoked.unwrap().outcome, success(told("yes")));
    assert_eq!((asked.0.as_str(), asked.1), ("where", question()));
}

#[tokio::test]
async fn the_clock_stands_still_while_the_client_is_waited_for() {
    let room = guest(&[ASK], ASKS).await;
    let (mut call, mut questions) = live(plain());
    call.limits.wall_ms_max = 1_000;

    let (invoked, ()) = tokio::join!(room.try_call(call), async {
        let asked = questions.recv().await.unwrap();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        asked.answer.send(Ok(answer("late"))).unwrap();
    });

    let invoked = invoked.unwrap();
    assert_eq!(invoked.outcome, success(told("late")));
    assert!(invoked.receipt.wall_us < 1_000_000, "{}", invoked.receipt.wall_us);
}

#[tokio::test]
async fn a_guest_that_was_answered_has_the_rest_of_its_time_and_no_more() {
    let room = guest(&[ASK], "(drop (call $begin {0})) (drop (call $end)) (call $spin (i64.const 0)) (call $said)").await;
    let (mut call, mut questions) = live(plain());
    call.limits.wall_ms_max = 150;

    let (invoked, ()) = tokio::join!(room.try_call(call), async {
        let asked = questions.recv().await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        asked.answer.send(Ok(answer("late"))).unwrap();
    });

    let invoked = invoked.unwrap();
    assert_eq!(invoked.outcome, crate::room::limit(domain::LimitName::WallMsMax, 150));
    assert!((150_000..3_000_000).contains(&invoked.receipt.wall_us), "{}", invoked.receipt.wall_us);
}

#[tokio::test]
async fn a_guest_that_waits_holds_no_thread_and_its_memory_counts() {
    let room = Room::with(&super::guest::code(&[ASK], ASKS), &crate::room::as_data(ASK), |config| config.guest_threads = 1).await;
    let (call, mut questions) = live(plain());
    let (other, mut others) = live(plain());

    let (invoked, ()) = tokio::join!(room.try_call(call), async {
        let waiting = questions.recv().await.unwrap();
        let usage = room.sandbox.usage();
        assert!(usage.slots_taken == 1 && usage.memory_bytes >= 2 * crate::room::PAGE_BYTES, "{usage:?}");
        let (invoked, ()) = tokio::join!(room.try_call(other), async {
            others.recv().await.unwrap().answer.send(Ok(answer("other"))).unwrap();
        });
        assert_eq!(invoked.unwrap().outcome, success(told("other")));
        waiting.answer.send(Ok(answer("first"))).unwrap();
    });

    assert_eq!(invoked.unwrap().outcome, success(told("first")));
    room.is_empty_soon().await;
}

#[tokio::test]
async fn a_call_that_is_taken_back_takes_its_question_back() {
    let room = guest(&[ASK], ASKS).await;
    let (call, mut questions) = live(plain());
    let cancelled = call.cancelled.clone();

    let (invoked, mut asked) = tokio::join!(room.try_call(call), async {
        let asked = questions.recv().await.unwrap();
        cancelled.cancel();
        asked
    });
    let (call, mut questions) = live(plain());
    let left = tokio::time::timeout(Duration::from_millis(50), room.try_call(call)).await;

    assert_eq!(invoked.unwrap().outcome, Outcome::Cancelled);
    tokio::time::timeout(Duration::from_secs(5), asked.answer.closed()).await.unwrap();
    assert!(left.is_err());
    let mut asked = questions.recv().await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), asked.answer.closed()).await.unwrap();
    room.is_empty_soon().await;
}

#[tokio::test]
async fn a_question_without_an_answer_is_an_error_that_says_why() {
    let room = guest(&[ASK], ASKS).await;
    let told_of = async |reply: Option<QuestionFault>| {
        let (call, mut questions) = live(plain());
        let (invoked, ()) = tokio::join!(room.try_call(call), async {
            let asked = questions.recv().await.unwrap();
            if let Some(fault) = reply {
                asked.answer.send(Err(fault)).unwrap();
            }
        });
        failure(invoked.unwrap().outcome)
    };

    assert_eq!(told_of(None).await, "the client that could answer is gone");
    assert_eq!(told_of(Some(QuestionFault::Client("not now".into()))).await, "the client could not answer: not now");
    let busy = "10 calls wait for answers of their clients already, and no more may: try again later";
    assert_eq!(told_of(Some(QuestionFault::Busy(10))).await, busy);
    let (call, questions) = live(plain());
    drop(questions);
    assert_eq!(failure(room.try_call(call).await.unwrap().outcome), "the client that could answer is gone");
    let (call, _questions) = live_with(plain(), Abilities::all(), Duration::from_millis(20));
    assert_eq!(failure(room.try_call(call).await.unwrap().outcome), "the client has not answered within 0 seconds");
    let nobody = room.call().await;
    assert_eq!(failure(nobody.outcome), "this call has no client that could be asked");
}

#[tokio::test]
async fn what_the_client_has_not_declared_is_not_asked_of_it() {
    let room = guest(&[ASK], ASKS).await;
    let (call, mut questions) = live_with(plain(), Abilities::default().with(Ability::Form), Duration::from_secs(9));

    let invoked = room.try_call(call).await.unwrap();

    assert_eq!(failure(invoked.outcome), "the client cannot be asked this: it has not declared the capability `roots`");
    assert_eq!(invoked.lacked, Abilities::default().with(Ability::Roots));
    assert!(questions.try_recv().is_err());
}

#[tokio::test]
async fn a_question_that_is_not_as_it_must_be_is_refused_at_once() {
    for (wrong, reason) in [
        (r#"{"op":"ask","kind":"roots","params":[]}"#, "a question for the roots takes nothing"),
        (r#"{"op":"ask","kind":"roots"}"#, "missing field `params`"),
        (r#"{"op":"ask","kind":"order","params":{}}"#, "unknown variant `order`"),
        (r#"{"op":"ask","kind":"roots","params":{},"x":1}"#, "unknown field `x`"),
        (r#"{"op":"ask","kind":"roots","params":{},"key":"q1"}"#, "the key `q1` could be another question's"),
    ] {
        let body = "(call $start {0} (i32.const 256)) (call $fail (i32.const 0) (i32.const 0) (i32.load (i32.const 260)) (i32.load (i32.const 264)))";
        let room = guest(&[wrong], body).await;
        let (call, _questions) = live(plain());

        let message = failure(room.try_call(call).await.unwrap().outcome);

        assert!(message.contains(reason), "{wrong}: {message}");
    }
}

#[tokio::test]
async fn a_call_asks_a_bounded_number_of_questions() {
    let times = Question::PER_CALL_MAX + 1;
    let body = format!(
        "(loop $again (drop (call $begin {{0}})) (drop (call $end)) (local.set $n (i32.add (local.get $n) (i32.const 1)))
         (br_if $again (i32.lt_u (local.get $n) (i32.const {times})))) (call $said)"
    );
    let room = guest(&[ASK], &body).await;
    let (call, mut questions) = live(plain());

    let (invoked, asked) = tokio::join!(room.try_call(call), async {
        let mut asked = 0;
        while let Some(question) = questions.recv().await {
            question.answer.send(Ok(answer("yes"))).unwrap();
            asked += 1;
        }
        asked
    });

    assert_eq!(failure(invoked.unwrap().outcome), "a call may ask its client 32 questions, and this was one more");
    assert_eq!(asked, Question::PER_CALL_MAX);
}

#[tokio::test]
async fn guests_that_wait_cannot_take_all_places_of_a_node() {
    // 16 slots: 4 of them may wait.
    let room = guest(&[ASK], ASKS).await;
    let calls: Vec<_> = (0..4).map(|_| live(plain())).collect();
    let (more, mut unasked) = live(plain());
    let (calls, questions): (Vec<_>, Vec<_>) = calls.into_iter().unzip();

    let waiting = futures_util::future::join_all(calls.into_iter().map(|call| room.try_call(call)));
    let (ended, ()) = tokio::join!(waiting, async {
        let mut asked = Vec::new();
        for mut question in questions {
            asked.push(question.recv().await.unwrap());
        }
        let refused = failure(room.try_call(more).await.unwrap().outcome);
        assert_eq!(refused, "as many calls of this node wait for their clients as may: try again later");
        assert!(unasked.try_recv().is_err());
        for asked in asked {
            asked.answer.send(Ok(answer("yes"))).unwrap();
        }
    });

    assert!(ended.into_iter().all(|invoked| invoked.unwrap().outcome == success(told("yes"))));
}
