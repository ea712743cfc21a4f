//! `fetch` and what belongs to it, against the upstream that the tests play.

use serde_json::{Value, json};

use super::{
    machine::{Failure, Machine},
    upstream::Reply,
};

/// A machine whose tool has this body, and whose upstream has these answers ready.
fn machine(body: &str, replies: Vec<Reply>) -> Machine {
    let mut machine = Machine::with_body(body);
    machine.host().upstream.replies = replies.into();
    machine
}

/// What a tool with this body answers, given these answers of the upstream. What it throws is the test's failure.
fn answer(body: &str, replies: Vec<Reply>) -> Value {
    machine(body, replies).call(&json!({})).unwrap()
}

fn failure(body: &str, replies: Vec<Reply>) -> Failure {
    machine(body, replies).call(&json!({})).unwrap_err()
}

#[test]
fn a_page_is_fetched_as_on_the_web() {
    let mut machine = machine(
        "const r = await fetch('https://API.test:443/a/../b?q=1#top', { headers: { 'X-A': 'b', authorization: `Bearer ${ctx.secret('KEY')}` } });
         return [r.status, r.ok, r.statusText, r.url, r.redirected, r.type, r.headers.get('Content-Type'), r.bodyUsed, await r.text(), r.bodyUsed];",
        vec![Reply::pieces(&["gr", "ü\u{df}e"]).with(json!({"url": "https://api.test/b?q=1#top"}))],
    );

    let answer = machine.call(&json!({})).unwrap();

    assert_eq!(
        answer,
        json!([200, true, "OK", "https://api.test/b?q=1", false, "basic", "text/plain", false, "grü\u{df}e", true])
    );
    let (request, body) = machine.host().upstream.requests.remove(0);
    assert_eq!(
        request,
        json!({
            "url": "https://api.test/b?q=1#top", "method": "GET", "redirect": "follow",
            "headers": [["x-a", "b"], ["authorization", "Bearer <KEY>"], ["accept", "*/*"]],
        })
    );
    assert!(body.is_empty());
}
