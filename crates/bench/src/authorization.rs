//! What authorization costs: the check of a token, a call with one, and people who sign in while others call.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;

use crate::{
    Effort,
    connection::{BenchError, Connection},
    customer::Customer,
    endpoint::row,
    load::{self, Load},
    message::{ADD, call_request, mcp_request},
    person::Person,
    server::{Server, directory},
};

const GUARDED: &str = "guarded";
const PUBLIC: &str = "public";

/// Calls at the same time.
const CONNECTIONS: usize = 4;
/// Rounds of each kind, which take turns, so that the machine's moods are in both.
const ROUNDS: u32 = 5;
/// Between two sign-ins: 200 a second.
const SIGN_IN_EVERY: Duration = Duration::from_millis(5);

/// Prints all three.
pub(crate) async fn print(effort: Effort) -> Result<(), BenchError> {
    let data = directory()?;
    let server = Server::start(data.path()).await?;
    let key = server.create_customer().await?;
    deploy(&server, &key).await?;
    let mut person = Person::sign_up(server.address).await?;
    let token = person.token(GUARDED).await?;
    println!("authorization: {CONNECTIONS} connections");
    print_check(&server, &token, effort).await?;
    print_calls(&server, &key, &token, effort).await?;
    print_sign_ins(&server, &token, &person, effort).await
}

/// A ping that a token opens, against one that needs none: the difference is the check.
async fn print_check(server: &Server, token: &str, effort: Effort) -> Result<(), BenchError> {
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let with = mcp_request(GUARDED, token, &ping);
    let mut without = mcp_request(PUBLIC, token, &ping);
    without.headers_mut().remove("authorization");
    let (with, without) = take_turns(server, with, without, effort).await?;
    row("ping with a token", CONNECTIONS, &with);
    row("ping without", CONNECTIONS, &without);
    let check = with.cpu_us_per_request() - without.cpu_us_per_request();
    println!("  the check of a token: {check:.1} us CPU (wanted: 30 us at most)");
    Ok(())
}

async fn print_calls(server: &Server, key: &str, token: &str, effort: Effort) -> Result<(), BenchError> {
    let requests = (call_request(GUARDED, "add", token), call_request(GUARDED, "add", key));
    let (by_token, by_key) = take_turns(server, requests.0, requests.1, effort).await?;
    row("call by a token", CONNECTIONS, &by_token);
    row("call by a key", CONNECTIONS, &by_key);
    let ratio = by_token.cpu_us_per_request() / by_key.cpu_us_per_request();
    println!("  a call with a token costs {ratio:.2} times one with an API key (wanted: 1.1 times at most)");
    Ok(())
}

async fn print_sign_ins(server: &Server, token: &str, person: &Person, effort: Effort) -> Result<(), BenchError> {
    let request = call_request(GUARDED, "add", token);
    let quiet = load(server, &request, effort.load).await?;
    let form = person.sign_in_form().await?;
    let until = Instant::now() + effort.load;
    let people = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(SIGN_IN_EVERY);
        let mut under_way = Vec::new();
        while Instant::now() < until {
            ticks.tick().await;
            under_way.push(tokio::spawn(form.clone().send()));
        }
        let begun = under_way.len();
        let mut succeeded = 0;
        for one in under_way {
            succeeded += usize::from(matches!(one.await, Ok(Ok(true))));
        }
        (begun, succeeded)
    });
    let beside = load(server, &request, effort.load).await?;
    let (begun, succeeded) = people.await.map_err(|error| BenchError::Failed(format!("the people stopped early: {error}")))?;
    row("call, nobody else", CONNECTIONS, &quiet);
    row("call beside sign-ins", CONNECTIONS, &beside);
    let rate = begun as f64 / effort.load.as_secs_f64();
    let ratio = beside.percentile(0.99).as_secs_f64() / quiet.percentile(0.99).as_secs_f64();
    println!(
        "  {rate:.0} sign-ins a second ({succeeded} of {begun} had a place): p99 of calls {ratio:.2} times (wanted: 2 times at most)"
    );
    Ok(())
}

async fn take_turns(
    server: &Server,
    one: Request<Full<Bytes>>,
    other: Request<Full<Bytes>>,
    effort: Effort,
) -> Result<(Load, Load), BenchError> {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ones.push(load(server, &one, effort.load / ROUNDS).await?);
        others.push(load(server, &other, effort.load / ROUNDS).await?);
    }
    Ok((Load::together(ones), Load::together(others)))
}

async fn load(server: &Server, request: &Request<Full<Bytes>>, duration: Duration) -> Result<Load, BenchError> {
    let request = request.clone();
    load::run(server.id(), server.address, CONNECTIONS, duration, move || request.clone()).await
}

/// The same tool behind two doors: one that anybody with an account can be let through, one that is open.
async fn deploy(server: &Server, key: &str) -> Result<(), BenchError> {
    let mut customer = Customer::new(Connection::open(server.address).await?, key);
    for (slug, access) in [(GUARDED, "consent"), (PUBLIC, "public")] {
        customer.create_server(slug).await?;
        customer.put(slug, "add", ADD, json!({})).await?;
        customer.release(slug).await?;
        let body = json!({"access": access});
        Connection::open(server.address).await?.call("PATCH", &format!("/api/v1/servers/{slug}"), key, &body).await?;
    }
    Ok(())
}
