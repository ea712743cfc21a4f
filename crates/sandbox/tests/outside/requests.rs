//! What a guest may ask of a host.

use std::time::Duration;

use domain::{LimitName, Outcome};
use serde_json::json;

use super::{FETCH, Outside, guest};
use crate::room::{Room, invocation, limit};

fn value_of(outcome: Outcome) -> serde_json::Value {
    match outcome {
        Outcome::Success(answer) => answer.structured().unwrap().to_value(),
        other => panic!("{other:?}"),
    }
}

fn failure_of(outcome: Outcome) -> String {
    match outcome {
        Outcome::ToolError(failure) => failure.message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_has_its_head_and_its_body() {
    let outside = Outside::start().await;
    let request = outside.request("/json");
    let head = guest(&request, &format!("{FETCH} (call $said)")).await;
    let body = guest(&request, &format!("{FETCH} (call $get)")).await;

    let head = head.try_call(outside.invocation()).await.unwrap();
    let body = body.try_call(outside.invocation()).await.unwrap();

    let said = value_of(head.outcome);
    assert_eq!((&said[0], &said[1], &said[3]), (&json!(200), &json!("OK"), &json!(false)));
    assert!(said[2].as_str().unwrap().ends_with("/json"), "{said}");
    assert_eq!(said[4], 2, "the handle after the request's own");
    assert_eq!(said[6], json!(["content-type", "application/json"]));
    assert_eq!(value_of(body.outcome), json!({"said": "hello"}));
    assert_eq!(body.receipt.host_calls, 1, "reading is no host call");
    assert!((100..2000).contains(&body.receipt.egress_bytes), "{}", body.receipt.egress_bytes);
    outside.is_quiet_soon().await;
}

#[tokio::test]
async fn an_answer_without_a_body_has_no_handle_for_one() {
    let outside = Outside::start().await;
    let room = guest(&outside.request("/nothing"), &format!("{FETCH} (call $said)")).await;

    let said = value_of(room.try_call(outside.invocation()).await.unwrap().outcome);

    assert_eq!((&said[0], &said[4], &said[5]), (&json!(204), &json!(null), &json!("none")));
}

#[tokio::test]
async fn a_body_is_sent_as_it_is() {
    let outside = Outside::start().await;
    let request = outside.request("/json").replace('{', r#"{"method":"POST","#);
    let body = format!(
        "(call $fetch (i32.const 1024) (i32.const {}) (i32.const 4096) (i32.const 5000) (i32.const 256))
         (if (i32.load8_u (i32.const 256)) (then (return (call $refused))))
         (if (i32.eqz (call $end)) (then (return (call $failed)))) (call $get)",
        request.len()
    );
    let room = guest(&request, &body).await;

    let invoked = room.try_call(outside.invocation()).await.unwrap();

    assert_eq!(value_of(invoked.outcome), json!({"said": "hello"}));
    assert_eq!(outside.upstream.counts.body_bytes.load(std::sync::atomic::Ordering::Relaxed), 5000);
    assert!(invoked.receipt.egress_bytes > 5000);
}

#[tokio::test]
async fn a_call_without_grants_is_told_which_it_would_need() {
    let room = guest(r#"{"url":"https://api.example.com:8443/a?b","method":"post"}"#, &format!("{FETCH} (unreachable)")).await;
    let secret = guest("KEY", "(call $secret (i32.const 1024) (i32.const 3) (i32.const 256)) (call $refused)").await;

    let request = failure_of(room.call().await.outcome);
    let secret = failure_of(secret.call().await.outcome);

    assert_eq!(
        request,
        r#"the tool is granted no hosts: to let it POST there, add {"host":"api.example.com","port":8443,"methods":["POST"]} to the `hosts` that the tool asks for"#
    );
    assert!(secret.contains("add it to the `secrets` that the tool asks for"), "{secret}");
}

#[tokio::test]
async fn a_host_that_was_not_granted_is_named_in_the_refusal() {
    let outside = Outside::start().await;
    let request = outside.request("/json").replace("api.upstream.test", "other.upstream.test");
    let room = guest(&request, &format!("{FETCH} (unreachable)")).await;

    let message = failure_of(room.try_call(outside.invocation()).await.unwrap().outcome);

    assert!(message.contains("not granted GET http://other.upstream.test:"), "{message}");
    assert_eq!(outside.upstream.requests(), 0);
}

#[tokio::test]
async fn a_request_that_is_none_is_refused_in_few_words() {
    let outside = Outside::start().await;
    let unknown = format!(r#"{{"url":"https://a.test","{}":1}}"#, "x".repeat(10_000));
    for request in ["", "[]", r#"{"url":1}"#, r#"{"url":"https://a.test","redirect":"often"}"#, &unknown] {
        let room = guest(request, &format!("{FETCH} (unreachable)")).await;

        let message = failure_of(room.try_call(outside.invocation()).await.unwrap().outcome);

        assert!(message.contains("the host cannot read this request"), "{message}");
        assert!(message.len() <= 1024, "{} bytes", message.len());
    }
}

#[tokio::test]
async fn a_request_of_many_kilobytes_is_refused() {
    let outside = Outside::start().await;
    let request = outside.request("/json");
    let message_of = async |bytes: usize| {
        // Spaces after the request, as far as `bytes`.
        let body = format!(
            "(drop (memory.grow (i32.const 6))) (memory.copy (i32.const 65536) (i32.const 1024) (i32.const {length}))
             (memory.fill (i32.add (i32.const 65536) (i32.const {length})) (i32.const 32) (i32.const 300000))
             (i32.store8 (i32.const {last}) (i32.const 125)) (i32.store8 (i32.const {end}) (i32.const 32))
             (call $fetch (i32.const 65536) (i32.const {bytes}) (i32.const 0) (i32.const 0) (i32.const 256))
             (if (i32.load8_u (i32.const 256)) (then (return (call $refused)))) (call $number (i64.const 1))",
            length = request.len(),
            end = 65_536 + request.len() - 1,
            last = 65_536 + bytes - 1,
        );
        guest(&request, &body).await.try_call(outside.invocation()).await.unwrap().outcome
    };

    let fits = message_of(256 * 1024).await;
    let is_over = message_of(256 * 1024 + 1).await;

    assert_eq!(value_of(fits), json!(1));
    assert!(failure_of(is_over).contains("of 262144 bytes at most"));
}

#[tokio::test]
async fn a_body_that_is_not_under_way_any_more_counts_no_longer() {
    let outside = Outside::start().await;
    let request =
        outside.request("/json").replace("api.upstream.test", "other.upstream.test").replace('{', r#"{"method":"POST","#);
    let sends = format!(
        "(call $fetch (i32.const 1024) (i32.const {}) (i32.const 65536) (i32.const 600000) (i32.const 256))
         (if (i32.load8_u (i32.const 256)) (then (return (call $refused)))) (drop (call $end))",
        request.len()
    );
    let room = guest(&request, &format!("(drop (memory.grow (i32.const 12))) {sends} {sends} {sends} (call $failed)")).await;

    let outcome = room.try_call(outside.invocation()).await.unwrap().outcome;

    assert!(failure_of(outcome).contains("not granted"), "nothing was sent");
}

#[tokio::test]
async fn requests_count_as_host_calls() {
    let outside = Outside::start().await;
    let room = guest(&outside.request("/json"), "(loop $again (drop (call $begin)) (br $again)) (unreachable)").await;

    let invoked = room.try_call(outside.invocation()).await.unwrap();

    assert_eq!(invoked.outcome, limit(LimitName::HostCallsMax, 50));
    outside.is_quiet_soon().await;
}

#[tokio::test]
async fn bytes_that_are_sent_and_received_take_fuel() {
    let outside = Outside::start().await;
    let mut call = outside.invocation();
    call.limits.memory_bytes_max = 64 << 20;
    let request = outside.request("/bytes?100000");
    let received = guest(
        &request,
        &format!(
            "{FETCH} (loop $again (call $read (i32.const 2) (i32.const 256)) (drop (call $end))
               (call $take (i32.load (i32.const 300)) (i32.const 320)) (global.set $next (i32.const 32768))
               (br_if $again (i32.load (i32.const 324)))) (call $number (i64.const 1))"
        ),
    )
    .await;
    let request = outside.request("/json").replace('{', r#"{"method":"POST","#);
    let sent = format!(
        "(call $fetch (i32.const 1024) (i32.const {}) (i32.const 0) (i32.const 100000) (i32.const 256)) (call $number (i64.const 1))",
        request.len()
    );
    let sent = guest(&request, &sent).await;

    let received = received.try_call(call).await.unwrap();
    let sent = sent.try_call(outside.invocation()).await.unwrap();

    assert_eq!(value_of(received.outcome), json!(1));
    assert!(received.receipt.fuel > 100_000 * 20, "{}", received.receipt.fuel);
    assert!(sent.receipt.fuel > 100_000 * 8, "{}", sent.receipt.fuel);
}

#[tokio::test]
async fn the_head_of_an_answer_takes_fuel() {
    let outside = Outside::start().await;
    let fuel_of = async |path| {
        let room = guest(&outside.request(path), &format!("{FETCH} (call $number (i64.const 1))")).await;
        room.try_call(outside.invocation()).await.unwrap().receipt.fuel
    };

    let (short, long) = (fuel_of("/headers?1").await, fuel_of("/headers?10001").await);

    assert!(long - short > 10_000 * 19, "{short} {long}");
}

#[tokio::test]
async fn a_call_ends_where_its_bytes_end() {
    let outside = Outside::start().await;
    let get = format!("{FETCH} (call $get)");
    let room = guest(&outside.request("/bytes?500000"), &get).await;
    let with = |bytes| {
        let mut call = invocation();
        call.limits.egress_bytes_max = bytes;
        call.outbound = Some(outside.open(bytes));
        call
    };

    let over = room.try_call(with(20_000)).await.unwrap();

    assert_eq!(over.outcome, limit(LimitName::EgressBytesMax, 20_000));
    assert!(over.receipt.egress_bytes >= 20_000 && over.receipt.egress_bytes < 1_000_000, "{}", over.receipt.egress_bytes);
    outside.is_quiet_soon().await;
}

#[tokio::test]
async fn bodies_that_wait_to_be_sent_are_no_more_than_may_be_sent() {
    let outside = Outside::start().await;
    let request = outside.request("/never").replace('{', r#"{"method":"POST","#);
    let body = format!(
        "(loop $again (call $fetch (i32.const 1024) (i32.const {}) (i32.const 0) (i32.const 100000) (i32.const 256)) (br $again)) (unreachable)",
        request.len()
    );
    let room = guest(&request, &body).await;

    let invoked = room.try_call(outside.invocation()).await.unwrap();

    assert_eq!(invoked.outcome, limit(LimitName::EgressBytesMax, 1_000_000));
    assert_eq!(invoked.receipt.host_calls, 11, "ten bodies of 100 kB, and the one that is too many");
    outside.is_quiet_soon().await;
}

#[tokio::test]
async fn bodies_that_are_under_way_have_a_bound_whatever_the_tier_lets_a_call_send() {
    const MIB: u32 = 1 << 20;
    let outside = Outside::start().await;
    let request = outside.request("/never").replace('{', r#"{"method":"POST","#);
    let send = |bytes: u32| {
        format!(
            "(call $fetch (i32.const 1024) (i32.const {}) (i32.const 65536) (i32.const {bytes}) (i32.const 256))
             (if (i32.load8_u (i32.const 256)) (then (return (call $refused))))",
            request.len()
        )
    };
    let outcome_of = async |sends: String| {
        let code =
            super::code(request.len(), &format!("(drop (memory.grow (i32.const 640))) {sends} (call $number (i64.const 1))"));
        let room = Room::with(&code, &crate::room::as_data(&request), |config| config.memory_bytes_max = 64 << 20).await;
        let mut call = outside.invocation();
        (call.limits.memory_bytes_max, call.limits.egress_bytes_max) = (64 << 20, u64::MAX);
        room.try_call(call).await.unwrap().outcome
    };

    let fits = outcome_of(format!("{} {}", send(16 * MIB), send(16 * MIB))).await;
    let is_over = outcome_of(format!("{} {}", send(16 * MIB), send(16 * MIB + 1))).await;

    assert_eq!(value_of(fits), json!(1));
    assert!(failure_of(is_over).contains("bodies of 33554432 bytes: wait for some to end"));
}

/// Starts as many requests, and takes each back at once.
async fn taken_back(outside: &Outside, request: &str, times: u32) -> Outcome {
    let body = format!(
        "(local.set $n (i32.const {times}))
         (loop $again (call $fetch (i32.const 1024) (i32.const {}) (i32.const 0) (i32.const 0) (i32.const 256))
           (if (i32.load8_u (i32.const 256)) (then (return (call $refused))))
           (call $cancel (i32.load (i32.const 260)))
           (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
         (call $number (i64.const 1))",
        request.len(),
    );
    let mut call = outside.invocation();
    call.limits.host_calls_max = 2000;
    guest(request, &body).await.try_call(call).await.unwrap().outcome
}

#[tokio::test]
async fn texts_of_requests_that_are_under_way_have_a_bound() {
    const KIB: usize = 1024;
    let outside = Outside::start().await;
    let request = outside.request("/never");
    // Spaces after the request, which count as the URL would that could stand there.
    let outcome_of = async |bytes: usize, times: u32| {
        let body = format!(
            "(drop (memory.grow (i32.const 6))) (memory.fill (i32.const 65536) (i32.const 32) (i32.const 300000))
             (memory.copy (i32.const 65536) (i32.const 1024) (i32.const {length})) (local.set $n (i32.const {times}))
             (loop $again (call $fetch (i32.const 65536) (i32.const {bytes}) (i32.const 0) (i32.const 0) (i32.const 256))
               (if (i32.load8_u (i32.const 256)) (then (return (call $refused))))
               (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
             (call $number (i64.const 1))",
            length = request.len(),
        );
        let mut call = outside.invocation();
        call.limits.host_calls_max = 2000;
        guest(&request, &body).await.try_call(call).await.unwrap().outcome
    };

    let large = (outcome_of(252 * KIB, 16).await, outcome_of(252 * KIB, 17).await);
    let small = (outcome_of(KIB, 819).await, outcome_of(KIB, 820).await);

    assert_eq!(value_of(taken_back(&outside, &request, 1100).await), json!(1), "what was taken back counts no longer");
    for (fits, is_over) in [large, small] {
        assert_eq!(value_of(fits), json!(1));
        assert!(failure_of(is_over).contains("URLs and headers of 4194304 bytes"));
    }
    outside.is_quiet_soon().await;
}

#[tokio::test]
async fn a_request_that_is_taken_back_ends_at_once() {
    let outside = Outside::start().await;
    // It computes for the rest of the call, and never waits again.
    let body = "(drop (call $begin)) (call $start (i32.const 3000) (i32.const 23) (i32.const 256)) (drop (call $end))
        (call $cancel (i32.const 1)) (loop $for-ever (br $for-ever)) (unreachable)";
    let request = outside.request("/never");
    let sleep = r#"{\"op\":\"sleep\",\"ms\":200}"#;
    let data = format!("{}{}{sleep}", crate::room::as_data(&request), " ".repeat(3000 - 1024 - request.len()));
    let room = Room::new(&super::code(request.len(), body), &data).await;
    let call = outside.invocation();
    let cancelled = call.cancelled.clone();

    let looks = async {
        while outside.upstream.requests() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(outside.egress.usage().requests_in_flight, 1);
        outside.is_quiet_soon().await;
        cancelled.cancel();
    };
    let (invoked, ()) = tokio::join!(room.try_call(call), looks);

    assert_eq!(invoked.unwrap().outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_request_goes_on_while_the_guest_computes() {
    let outside = Outside::start().await;
    let body = "(drop (call $begin)) (loop $for-ever (br $for-ever)) (unreachable)";
    let room = guest(&outside.request("/json"), body).await;
    let call = outside.invocation();
    let cancelled = call.cancelled.clone();

    let looks = async {
        while outside.upstream.requests() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancelled.cancel();
    };
    let (invoked, ()) = tokio::join!(room.try_call(call), looks);

    assert_eq!(invoked.unwrap().outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_request_ends_with_its_call() {
    let outside = Outside::start().await;
    let room = guest(&outside.request("/never"), &format!("{FETCH} (unreachable)")).await;
    let mut call = outside.invocation();
    call.limits.wall_ms_max = 100;

    let ended = room.try_call(call).await.unwrap();
    let left = tokio::time::timeout(Duration::from_millis(100), room.try_call(outside.invocation())).await;

    assert_eq!(ended.outcome, limit(LimitName::WallMsMax, 100));
    assert!(left.is_err());
    outside.is_quiet_soon().await;
    room.is_empty_soon().await;
}
