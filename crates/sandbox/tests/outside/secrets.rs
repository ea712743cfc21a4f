//! Secrets: used by the guest, never held by it, never shown by the host (SEC-16).

use domain::{LimitName, Outcome, ToolFailure};
use sandbox::{Progress, Report};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Outside, SECRET, guest};
use crate::room::limit;

/// Answers with what a function left at byte 256: a text, as a JSON string.
const AS_JSON: &str = "
  (if (i32.load8_u (i32.const 256)) (then (return (call $refused))))
  (memory.copy (i32.const 65537) (i32.load (i32.const 260)) (i32.load (i32.const 264)))
  (i32.store8 (i32.const 65536) (i32.const 34))
  (i32.store8 (i32.add (i32.const 65537) (i32.load (i32.const 264))) (i32.const 34))
  (call $ok (i32.const 65536) (i32.add (i32.load (i32.const 264)) (i32.const 2)))";

async fn outcome_of(outside: &Outside, text: &str, body: &str) -> Outcome {
    guest(text, body).await.try_call(outside.invocation()).await.unwrap().outcome
}

fn text_of(outcome: Outcome) -> String {
    match outcome {
        Outcome::Success(answer) => answer.structured().unwrap().as_text().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_guest_gets_a_placeholder_and_the_host_gets_the_secret() {
    let outside = Outside::start().await;
    let request = outside.request("/authorization").replace('}', r#","headers":[["authorization","#);
    // The request with the placeholder in it is written after the text: `{...,"headers":[["authorization","` and `PLACEHOLDER"]]}`.
    let text = format!("{request}\"\"]]}}KEY");
    let (front, back) = (request.len() + 1, 4);
    let body = format!(
        "(call $secret (i32.const {key}) (i32.const 3) (i32.const 256))
         (if (i32.load8_u (i32.const 256)) (then (return (call $refused))))
         (local.set $n (i32.load (i32.const 264)))
         (memory.copy (i32.const 8192) (i32.const 1024) (i32.const {front}))
         (memory.copy (i32.const {middle}) (i32.load (i32.const 260)) (local.get $n))
         (memory.copy (i32.add (i32.const {middle}) (local.get $n)) (i32.const {end}) (i32.const {back}))
         (call $fetch (i32.const 8192) (i32.add (local.get $n) (i32.const {total})) (i32.const 0) (i32.const 0) (i32.const 256))
         (if (i32.load8_u (i32.const 256)) (then (return (call $refused))))
         (if (i32.eqz (call $end)) (then (return (call $failed)))) (call $get)",
        key = 1024 + front + back,
        middle = 8192 + front,
        end = 1024 + front,
        total = front + back,
    );

    let outcome = outcome_of(&outside, &text, &body).await;
    let placeholder = text_of(
        outcome_of(&outside, "KEY", &format!("(call $secret (i32.const 1024) (i32.const 3) (i32.const 256)) {AS_JSON}")).await,
    );

    let Outcome::Success(answer) = outcome else { panic!("{outcome:?}") };
    let said = answer.structured().unwrap().to_value();
    assert_eq!(said["length"], SECRET.len(), "the upstream had the secret itself: {said}");
    assert!(!said["is"].as_str().unwrap().contains(SECRET), "and what it said back is masked: {said}");
    assert!(!placeholder.contains(SECRET), "{placeholder}");
}

#[tokio::test]
async fn basic_credentials_and_hashes_are_made_by_the_host() {
    let outside = Outside::start().await;

    let basic = outcome_of(
        &outside,
        "userKEY",
        &format!("(call $basic-auth (i32.const 1024) (i32.const 4) (i32.const 1028) (i32.const 3) (i32.const 256)) {AS_JSON}"),
    )
    .await;
    let made = "(call $hmac (i32.const 1024) (i32.const 7) (i32.const 1031) (i32.const 3) (i32.const 1034) (i32.const 3) (i32.const 256))
        (if (i32.load8_u (i32.const 256)) (then (return (call $refused))))
        (call $number (i64.extend_i32_u (i32.load8_u (i32.load (i32.const 260)))))";
    let hash = outcome_of(&outside, "SHA-256KEYabc", made).await;

    assert!(!text_of(basic).is_empty());
    let expected = outside.open(0).hmac("SHA-256", &"KEY".parse().unwrap(), b"abc").unwrap()[0];
    assert_eq!(hash, Outcome::Success(json!(expected).into()));
}

#[tokio::test]
async fn what_is_no_secret_of_the_tool_is_refused_in_words() {
    let outside = Outside::start().await;
    let secret = |bytes: usize| format!("(call $secret (i32.const 1024) (i32.const {bytes}) (i32.const 256)) {AS_JSON}");
    let hmac = |bytes: u32| {
        format!(
            "(drop (memory.grow (i32.const 20)))
             (call $hmac (i32.const 1024) (i32.const 3) (i32.const 1027) (i32.const 3) (i32.const 0) (i32.const {bytes}) (i32.const 256))
             (call $refused)"
        )
    };
    for (text, body, expected) in [
        ("OTHER", secret(5), "the tool has no secret `OTHER`"),
        ("not a name", secret(10), "is no name of a secret"),
        ("MD5KEY", hmac(3), "is no hash algorithm"),
        ("MD5KEY", hmac(1024 * 1024 + 1), "1048576 bytes at most"),
    ] {
        let Outcome::ToolError(ToolFailure { message, .. }) = outcome_of(&outside, text, &body).await else { panic!("{text}") };

        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn using_secrets_counts_as_host_calls_and_takes_fuel() {
    let outside = Outside::start().await;
    for body in [
        "(call $secret (i32.const 1024) (i32.const 3) (i32.const 256))",
        "(call $basic-auth (i32.const 1024) (i32.const 1) (i32.const 1024) (i32.const 3) (i32.const 256))",
        "(call $hmac (i32.const 1024) (i32.const 1) (i32.const 1024) (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 256))",
    ] {
        let room =
            guest("KEY", &format!("(loop $again {body} (global.set $next (i32.const 32768)) (br $again)) (unreachable)")).await;
        let mut by_fuel = outside.invocation();
        (by_fuel.limits.host_calls_max, by_fuel.limits.fuel_per_call_max) = (u32::MAX, 20_000_000);

        let by_count = room.try_call(outside.invocation()).await.unwrap();
        let by_fuel = room.try_call(by_fuel).await.unwrap();

        assert_eq!(by_count.outcome, limit(LimitName::HostCallsMax, 50), "{body}");
        assert_eq!(by_fuel.outcome, limit(LimitName::FuelPerCallMax, 20_000_000), "{body}");
    }
    let hmac = "(call $hmac (i32.const 1024) (i32.const 7) (i32.const 1031) (i32.const 3) (i32.const 0) (i32.const 100000) (i32.const 256))
        (call $number (i64.const 1))";
    let hmac = guest("SHA-256KEY", hmac).await.try_call(outside.invocation()).await.unwrap();
    assert!(hmac.receipt.fuel > 100_000 * 64, "{}", hmac.receipt.fuel);
}

#[tokio::test]
async fn a_secret_that_the_guest_came_by_is_shown_to_nobody() {
    let outside = Outside::start().await;
    let text = format!("{SECRET}\"{SECRET}\"");
    let (bytes, quoted) = (SECRET.len(), 1024 + SECRET.len());
    let telling = format!(
        "(call $log (i32.const 1) (i32.const 1024) (i32.const {bytes}))
         (call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 1) (i32.const 1024) (i32.const {bytes}))"
    );
    let answers = guest(&text, &format!("{telling} (call $ok (i32.const {quoted}) (i32.const {}))", bytes + 2)).await;
    let fails = format!("(call $fail (i32.const 1024) (i32.const {bytes}) (i32.const 1024) (i32.const {bytes}))");
    let fails = guest(&text, &fails).await;
    let (sender, mut reports) = mpsc::channel(8);
    let mut call = outside.invocation();
    call.reports = Some(sender);

    let answered = answers.try_call(call).await.unwrap();
    let failed = fails.try_call(outside.invocation()).await.unwrap();

    let mut told = vec![format!("{answered:?}"), format!("{failed:?}")];
    while let Some(report) = reports.recv().await {
        assert!(matches!(&report, Report::Log(_) | Report::Progress(Progress { message: Some(_), .. })));
        told.push(format!("{report:?}"));
    }
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|text| !text.contains(SECRET)), "{told:?}");
}

#[tokio::test]
async fn a_secret_across_the_cut_of_a_line_leaves_no_beginning() {
    let outside = Outside::start().await;
    // Where a line is cut, half of the secret stands before the cut.
    let at = 4096;
    let secret_at = at + domain::LogLine::MESSAGE_BYTES_MAX - 10;
    let body = format!(
        "(memory.fill (i32.const {at}) (i32.const 120) (i32.const 60000))
         (memory.copy (i32.const {secret_at}) (i32.const 1024) (i32.const {}))
         (call $log (i32.const 1) (i32.const {at}) (i32.const 60000)) (call $number (i64.const 1))",
        SECRET.len()
    );
    let room = guest(SECRET, &body).await;

    let invoked = room.try_call(outside.invocation()).await.unwrap();

    let line = &invoked.log[0].message;
    assert!(line.len() > 8000 && !line.contains(&SECRET[..5]), "{}", &line[line.len() - 40..]);
}

#[tokio::test]
async fn a_secret_at_the_end_of_what_is_looked_at_leaves_no_beginning() {
    // Masks are shorter than this secret: what is left of a long line moves to the front, with the half of a secret at its end.
    let secret = format!("0123456789{}", "z".repeat(280));
    let outside = Outside::with_secret(&secret).await;
    let (bytes, times) = (secret.len(), 200);
    let body = format!(
        "(loop $again (memory.copy (i32.add (i32.const 65536) (i32.mul (local.get $n) (i32.const {bytes}))) (i32.const 1024) (i32.const {bytes}))
           (local.set $n (i32.add (local.get $n) (i32.const 1))) (br_if $again (i32.lt_u (local.get $n) (i32.const {times}))))
         (call $log (i32.const 1) (i32.const 65536) (i32.const {})) (call $number (i64.const 1))",
        bytes * times
    );
    let room = guest(&secret, &body).await;

    let invoked = room.try_call(outside.invocation()).await.unwrap();

    assert!(!invoked.log[0].message.contains("0123456789"), "{}", invoked.log[0].message);
}

#[tokio::test]
async fn an_answer_that_is_broken_by_its_mask_says_so() {
    let outside = Outside::start().await;
    let room = guest(SECRET, &format!("(call $ok (i32.const 1024) (i32.const {}))", SECRET.len())).await;

    let outcome = room.try_call(outside.invocation()).await.unwrap().outcome;

    let Outcome::ToolError(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.message.contains("after a secret in it was masked"), "{}", failure.message);
    assert_ne!(Value::from(failure.message.as_str()), json!(SECRET));
}
