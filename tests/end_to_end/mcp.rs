//! A slow request that the server must finish or stop.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::{api::sleeper, program::Home};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_is_answered_before_the_program_ends() {
    let home = Home::new();
    let program = home.serve().await;
    let customer = program.customer("pro").await;
    customer.create_server("slow").await;
    customer.put_tool("slow", "nap", &sleeper("nap", 1500)).await;
    customer.release("slow").await;

    let call = tokio::spawn({
        let customer = customer.clone();
        async move { customer.call("slow", "nap", json!({})).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let status = program.stop(Signal::TERM).await;

    let answer = call.await.unwrap().unwrap().expect(200);
    assert_eq!(answer["result"]["structuredContent"], json!({"waited": 1500}), "{answer}");
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_stops_its_tool() {
    let home = Home::new();
    let program = home.serve().await;
    let customer = program.customer("enterprise").await;
    customer.create_server("abandoned").await;
    customer.put_tool("abandoned", "nap", &sleeper("nap", 60_000)).await;
    customer.release("abandoned").await;

    let left = tokio::time::timeout(Duration::from_millis(1500), customer.call("abandoned", "nap", json!({}))).await;

    assert!(left.is_err(), "the tool answered before its client went away");
    let path = "/api/v1/executions?server=abandoned";
    for _ in 0..100 {
        let items = customer.get(path).await.expect(200)["items"].clone();
        if items[0]["status"] == "cancelled" {
            assert!(items[0]["completed_at"].is_string(), "{items}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the call was not cancelled: {}", customer.get(path).await.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_changes_ends_with_the_program_and_does_not_hold_it_up() {
    let home = Home::new();
    let program = home.serve().await;
    let customer = program.customer("pro").await;
    customer.create_server("watched").await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("{}/mcp/watched", customer.base)).bearer_auth(&customer.key);
    let mut stream = request.header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(stream.status(), 200);

    let begun = Instant::now();
    let status = program.stop(Signal::TERM).await;

    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
    assert_eq!(stream.chunk().await.unwrap(), None);
}
