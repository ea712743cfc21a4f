//! Clients that describe themselves at an address of theirs (draft-ietf-oauth-client-id-metadata-document): what is fetched, kept and refused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use app::{
    AppError,
    client_documents::{self, ClientDocumentError},
    clients,
    tokens::TokenFault,
};
use chrono::TimeDelta;
use domain::{Clock as _, SetClock, SystemClock};
use egress::EgressConfig;
use futures_util::future::join_all;
use http::StatusCode;
use oauth::{ClientAuthentication, ClientId, DocumentUrl, Parameters};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{SeenRequest, TestApp, TestOptions, Upstream, UpstreamAnswer};
use tokio::net::TcpListener;

/// An application, and a client's host that it can reach.
struct World {
    app: TestApp,
    clock: Arc<SetClock>,
    host: Upstream,
}

impl World {
    async fn open(pool: &PgPool, answer: impl Fn(&SeenRequest) -> UpstreamAnswer + Clone + Send + Sync + 'static) -> Self {
        let host = Upstream::start_tls(answer).await;
        let clock = Arc::new(SetClock::at(SystemClock.now()));
        let options = TestOptions { egress: host.egress(), clock: clock.clone(), ..TestOptions::default() };
        Self { app: TestApp::start_with(pool, options).await, clock, host }
    }

    fn url(&self, path: &str) -> DocumentUrl {
        DocumentUrl::parse(&self.host.url(path)).unwrap()
    }

    /// The name that the document at `path` gives.
    async fn fetch(&self, path: &str) -> Result<String, ClientDocumentError> {
        let document = client_documents::fetch(self.app.app(), &self.url(path)).await?;
        Ok(document.metadata.name.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default())
    }
}

/// The document of the request's own address.
fn document(request: &SeenRequest) -> Value {
    json!({
        "client_id": format!("https://{}{}", request.header("host"), request.path),
        "client_name": "Example client",
        "redirect_uris": ["http://127.0.0.1/callback"],
    })
}

fn good(request: &SeenRequest) -> UpstreamAnswer {
    UpstreamAnswer::json(&document(request))
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_document_is_believed_as_long_as_its_host_says_and_then_asked_about(pool: PgPool) {
    let world = World::open(&pool, |request| {
        if request.header("if-none-match") == "\"one\"" {
            return UpstreamAnswer::status(StatusCode::NOT_MODIFIED);
        }
        let mut answer = good(request);
        answer.headers.extend([("etag", "\"one\"".to_owned()), ("cache-control", "max-age=600".to_owned())]);
        answer
    })
    .await;

    for _ in 0..2 {
        assert_eq!(world.fetch("/client.json").await.unwrap(), "Example client");
    }
    world.clock.advance(TimeDelta::seconds(599));
    world.fetch("/client.json").await.unwrap();
    assert_eq!(world.host.seen().len(), 1);
    world.clock.advance(TimeDelta::seconds(1));
    assert_eq!(world.fetch("/client.json").await.unwrap(), "Example client");

    let seen = world.host.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[1].header("if-none-match"), seen[1].header("accept")), ("\"one\"", "application/json"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn those_who_wait_for_one_document_share_one_fetch(pool: PgPool) {
    let world = World::open(&pool, good).await;

    let fetched = join_all((0..20).map(|_| world.fetch("/client.json"))).await;

    assert!(fetched.iter().all(Result::is_ok), "{fetched:?}");
    assert_eq!(world.host.seen().len(), 1);
}

#[sqlx::test(migrations = "../../migrations")]
async fn section_5_2_neither_errors_nor_wrong_documents_are_kept(pool: PgPool) {
    let asked = Arc::new(AtomicUsize::new(0));
    let world = World::open(&pool, move |request| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => UpstreamAnswer::status(StatusCode::SERVICE_UNAVAILABLE),
        1 => UpstreamAnswer::json(&json!({ "client_id": "https://other.test/client.json", "redirect_uris": [] })),
        _ => good(request),
    })
    .await;

    assert_eq!(world.fetch("/client.json").await, Err(ClientDocumentError::Status(503)));
    assert!(matches!(world.fetch("/client.json").await, Err(ClientDocumentError::Invalid(_))));
    assert!(world.fetch("/client.json").await.is_ok());
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_document_that_breaks_a_rule_is_refused(pool: PgPool) {
    let world = World::open(&pool, |request| {
        let mut body = document(request);
        let mut headers = vec![("content-type", "application/json".to_owned())];
        match request.path.as_str() {
            // One character further on than the address that it was fetched from.
            "/another" => body["client_id"] = json!(format!("{}x", body["client_id"].as_str().unwrap())),
            "/secret" => body["client_secret"] = json!("s3cr3t"),
            "/method" => body["token_endpoint_auth_method"] = json!("client_secret_basic"),
            "/large" => body["software_id"] = json!("x".repeat(5 * 1024)),
            "/html" => headers = vec![("content-type", "text/html".to_owned())],
            "/array" => body = json!([body]),
            "/redirect" => {
                let headers = vec![("location", "/client.json".to_owned())];
                return UpstreamAnswer { status: StatusCode::FOUND, headers, body: Vec::new() };
            }
            _ => {}
        }
        UpstreamAnswer { status: StatusCode::OK, headers, body: body.to_string().into_bytes() }
    })
    .await;

    for path in ["/another", "/secret", "/method", "/array"] {
        assert!(matches!(world.fetch(path).await, Err(ClientDocumentError::Invalid(_))), "{path}");
    }
    assert_eq!(world.fetch("/large").await, Err(ClientDocumentError::TooLarge));
    assert_eq!(world.fetch("/html").await, Err(ClientDocumentError::MediaType));
    assert_eq!(world.fetch("/redirect").await, Err(ClientDocumentError::Status(302)));
    assert!(world.host.seen().iter().all(|request| request.path != "/client.json"), "no redirect is followed");
    assert!(world.fetch("/client.json").await.is_ok());
}

#[sqlx::test(migrations = "../../migrations")]
async fn special_use_addresses_are_not_asked(pool: PgPool) {
    let host = Upstream::start_tls(good).await;
    // The same host, which no operator has allowed.
    let egress = EgressConfig { allow_private: Vec::new(), ..host.egress() };
    let app = TestApp::start_with(&pool, TestOptions { egress, ..TestOptions::default() }).await;
    let port = host.address().port();

    for url in [
        host.url("/client.json"),
        format!("https://127.0.0.1:{port}/client.json"),
        format!("https://[::1]:{port}/client.json"),
        format!("https://localhost:{port}/client.json"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://10.0.0.1/client.json".to_owned(),
    ] {
        let url = DocumentUrl::parse(&url).unwrap();
        assert_eq!(
            client_documents::fetch(app.app(), &url).await.err(),
            Some(ClientDocumentError::Unreachable),
            "{}",
            url.as_str()
        );
    }
    assert!(host.seen().is_empty());
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_host_that_says_nothing_is_left_after_five_seconds(pool: PgPool) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("upstream.localhost:{}", listener.local_addr().unwrap().port());
    let egress = EgressConfig { allow_private: vec![address.parse().unwrap()], ..EgressConfig::default() };
    let app = TestApp::start_with(&pool, TestOptions { egress, ..TestOptions::default() }).await;
    let url = DocumentUrl::parse(&format!("https://{address}/client.json")).unwrap();
    let begun = Instant::now();

    let fetched = client_documents::fetch(app.app(), &url).await;

    assert_eq!(fetched.err(), Some(ClientDocumentError::TooSlow));
    assert!((Duration::from_secs(4)..Duration::from_secs(8)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[sqlx::test(migrations = "../../migrations")]
async fn one_host_is_asked_thirty_times_a_minute_at_most(pool: PgPool) {
    let world = World::open(&pool, good).await;

    let mut refused = 0;
    for number in 0..40 {
        refused += usize::from(matches!(world.fetch(&format!("/{number}.json")).await, Err(ClientDocumentError::Busy { .. })));
    }

    assert!((8..=10).contains(&refused), "{refused} of 40");
    assert_eq!(world.host.seen().len(), 40 - refused);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_host_that_is_away_for_a_day_logs_nobody_out_and_one_that_says_no_does(pool: PgPool) {
    let status = Arc::new(AtomicUsize::new(200));
    let answered = Arc::clone(&status);
    let world = World::open(&pool, move |request| match answered.load(Ordering::Relaxed) {
        200 => {
            let mut answer = good(request);
            answer.headers.push(("cache-control", "max-age=60".to_owned()));
            answer
        }
        status => UpstreamAnswer::status(StatusCode::from_u16(u16::try_from(status).unwrap()).unwrap()),
    })
    .await;
    world.fetch("/client.json").await.unwrap();

    status.store(503, Ordering::Relaxed);
    world.clock.advance(TimeDelta::seconds(60));
    for _ in 0..3 {
        assert_eq!(world.fetch("/client.json").await.unwrap(), "Example client");
    }
    assert_eq!(world.host.seen().len(), 2, "it is not asked each time");
    world.clock.advance(TimeDelta::hours(23));
    assert_eq!(world.fetch("/client.json").await.unwrap(), "Example client");
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(world.fetch("/client.json").await, Err(ClientDocumentError::Status(503)));
    let form = Parameters::parse(&format!("client_id={}", world.host.url("/client.json"))).unwrap();
    let shown = ClientAuthentication::parse(None, &form).unwrap();
    let told = clients::authenticate(world.app.app(), &shown).await.err();
    assert!(matches!(told, Some(TokenFault::App(AppError::Later { .. }))), "it is to come back: {told:?}");

    status.store(200, Ordering::Relaxed);
    world.fetch("/client.json").await.unwrap();
    status.store(404, Ordering::Relaxed);
    world.clock.advance(TimeDelta::seconds(60));
    assert_eq!(world.fetch("/client.json").await, Err(ClientDocumentError::Status(404)));
    status.store(503, Ordering::Relaxed);
    assert_eq!(world.fetch("/client.json").await, Err(ClientDocumentError::Status(503)), "nothing is left of it");
    let told = clients::authenticate(world.app.app(), &shown).await.err();
    assert!(matches!(told, Some(TokenFault::App(AppError::Later { .. }))), "{told:?}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn documents_that_nobody_knows_shut_no_known_client_out(pool: PgPool) {
    let world = World::open(&pool, |request| match request.path.as_str() {
        "/client.json" => {
            let mut answer = good(request);
            answer.headers.push(("cache-control", "max-age=60".to_owned()));
            answer
        }
        _ => UpstreamAnswer::status(StatusCode::SERVICE_UNAVAILABLE),
    })
    .await;
    world.fetch("/client.json").await.unwrap();

    let mut answers = Vec::new();
    for number in 0..40 {
        answers.push(world.fetch(&format!("/{number}.json")).await.err());
    }
    world.clock.advance(TimeDelta::seconds(60));
    world.fetch("/client.json").await.unwrap();

    assert!(answers[..25].iter().all(|error| *error == Some(ClientDocumentError::Status(503))), "no breaker opens: {answers:?}");
    assert!(matches!(answers[39], Some(ClientDocumentError::Busy { .. })), "{answers:?}");
    let asked = world.host.seen().iter().filter(|request| request.path == "/client.json").count();
    assert_eq!(asked, 2, "the known one is asked for all the same");
}

#[sqlx::test(migrations = "../../migrations")]
async fn whoever_names_documents_that_nobody_knows_is_counted_by_network(pool: PgPool) {
    let world = World::open(&pool, good).await;
    world.fetch("/client.json").await.unwrap();
    let [known, unknown] = ["/client.json", "/unknown.json"].map(|path| ClientId::Document(world.url(path)));
    let admit = |id, from: &str| client_documents::admit(world.app.app(), id, from.parse().unwrap());

    for host in 0..10 {
        admit(&unknown, &format!("2001:db8::{host}")).unwrap();
    }

    assert!(matches!(admit(&unknown, "2001:db8::ffff"), Err(ClientDocumentError::Busy { .. })));
    assert_eq!(admit(&known, "2001:db8::ffff"), Ok(()));
    assert_eq!(admit(&unknown, "2001:db8:0:1::1"), Ok(()));
}
