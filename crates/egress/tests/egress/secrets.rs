//! Secrets go to their hosts and nowhere else, and do not come back (SEC-16).

use base64::{Engine, engine::general_purpose::STANDARD};
use egress::{FetchError, FetchRequest, Outbound, SecretError, Waits};

use crate::{
    upstream::{Step, Upstream, answer, chunk, chunked, ok, redirect},
    world::{World, at, get, post, read, text},
};

const VALUE: &str = "s3cret/Value+1";

fn key() -> domain::EnvName {
    "KEY".parse().unwrap()
}

/// A call that may reach `a.test` and `b.test` on `upstream`, and send the secret to `a.test`.
fn call(world: &World, upstream: &Upstream) -> Outbound {
    world.call_of(1, &[at("a.test", upstream), at("b.test", upstream)], &[("KEY", VALUE, "a.test")])
}

fn with_header(url: &str, name: &str, value: &str) -> FetchRequest {
    FetchRequest { headers: vec![(name.to_owned(), value.to_owned())], ..get(url) }
}

#[tokio::test]
async fn headers_and_bodies_get_the_value() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let call = call(&world, &upstream);
    let url = at("a.test", &upstream);
    let (placeholder, basic) = (call.secret(&key()).unwrap(), call.basic_auth("me", &key()).unwrap());
    assert!(!placeholder.contains(VALUE) && !basic.contains(VALUE));

    call.fetch(with_header(&url, "Authorization", &format!("Bearer {placeholder}"))).await.unwrap();
    call.fetch(with_header(&url, "Authorization", &basic)).await.unwrap();
    call.fetch(post(&url, &[("content-type", "application/json")], &format!(r#"{{"key":"{placeholder}"}}"#))).await.unwrap();
    call.fetch(post(&url, &[("content-type", "application/x-www-form-urlencoded")], &format!("key={placeholder}")))
        .await
        .unwrap();

    let seen = upstream.seen();
    assert_eq!(seen[0].header("authorization"), Some("Bearer s3cret/Value+1"));
    assert_eq!(seen[1].header("authorization"), Some(format!("Basic {}", STANDARD.encode(format!("me:{VALUE}"))).as_str()));
    assert_eq!(seen[2].body, br#"{"key":"s3cret/Value+1"}"#);
    assert_eq!(seen[3].body, b"key=s3cret%2FValue%2B1");
}

/// A value of 8 KiB, as long as there are any, stands where a word of some tens of bytes stood, in each of a hundred fields.
#[tokio::test]
async fn the_values_of_all_headers_together_have_a_bound() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let value = "x".repeat(8 << 10);
    let call = world.call_of(1, &[at("a.test", &upstream)], &[("KEY", &value, "a.test")]);
    let placeholder = call.secret(&key()).unwrap();
    let fields = |count: usize| FetchRequest {
        headers: (0..count).map(|number| (format!("x-{number}"), placeholder.clone())).collect(),
        ..get(&at("a.test", &upstream))
    };

    call.fetch(fields(32)).await.unwrap();
    let refused = call.fetch(fields(33)).await.unwrap_err();

    assert_eq!(
        refused,
        FetchError::Secret(SecretError::Size { place: "the head", bytes: 33 * (8 << 10), max: 256 << 10 }),
        "{refused}"
    );
    assert_eq!(upstream.seen().len(), 1, "nothing of it was sent");
}

#[tokio::test]
async fn another_host_is_not_asked_at_all() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let call = call(&world, &upstream);
    let placeholder = call.secret(&key()).unwrap();

    for request in [
        with_header(&at("b.test", &upstream), "X-Key", &placeholder),
        post(&at("b.test", &upstream), &[("content-type", "application/json")], &placeholder),
    ] {
        let error = call.fetch(request).await.unwrap_err();
        assert_eq!(error, FetchError::Secret(SecretError::Host { name: key(), host: "b.test".to_owned() }));
        assert!(error.to_string().contains("`KEY` may not be sent to `b.test`"), "{error}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_url_gets_no_value_but_in_its_query() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let call = call(&world, &upstream);
    let placeholder = call.secret(&key()).unwrap();

    for url in [
        format!("{}/?{placeholder}", at("a.test", &upstream)),
        format!("{}/?{placeholder}=1", at("a.test", &upstream)),
        format!("{}/?key={placeholder}#{placeholder}", at("a.test", &upstream)),
        format!("http://{placeholder}.a.test:{}/", upstream.port),
        format!("{}/{placeholder}", at("a.test", &upstream)),
        format!("{}/#{placeholder}", at("a.test", &upstream)),
    ] {
        let refused = call.fetch(get(&url)).await.unwrap_err();
        assert!(
            matches!(refused, FetchError::Secret(SecretError::Place { .. }) | FetchError::NotGranted { .. }),
            "{url}: {refused}"
        );
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_query_gets_the_value_and_shows_it_to_the_host_alone() {
    let upstream = Upstream::start(|seen, _| vec![ok(seen.line())]).await;
    let world = World::with(&[&upstream]).await;
    let call = call(&world, &upstream);
    let placeholder = call.secret(&key()).unwrap();
    let url = format!("{}/p?x=1&key={placeholder}&y", at("a.test", &upstream));

    let response = call.fetch(get(&url)).await.unwrap();
    assert_eq!(response.url, url);
    assert_eq!(text(response).await, "GET /p?x=1&key=***&y HTTP/1.1", "an echo is masked");
    let request = http::Request::get(&url).body(http_body_util::Empty::new()).unwrap();
    drop(call.send(request, Waits::default()).await.unwrap());
    let elsewhere = call.fetch(get(&url.replace("a.test", "b.test"))).await.unwrap_err();
    let basic = call.basic_auth("me", &key()).unwrap();
    let as_basic = call.fetch(get(&format!("{}/?key={basic}", at("a.test", &upstream)))).await.unwrap_err();

    let lines: Vec<String> = upstream.seen().iter().map(|seen| seen.line().to_owned()).collect();
    assert_eq!(lines, ["GET /p?x=1&key=s3cret%2FValue%2B1&y HTTP/1.1"; 2]);
    assert_eq!(elsewhere, FetchError::Secret(SecretError::Host { name: key(), host: "b.test".to_owned() }));
    assert!(matches!(as_basic, FetchError::Secret(SecretError::Place { .. })), "{as_basic}");
}

#[tokio::test]
async fn a_query_that_a_host_wrote_gets_no_value() {
    let upstream = Upstream::start(|seen, _| {
        let path = seen.line().split(' ').nth(1).unwrap().to_owned();
        let location = match path.get(..3).unwrap() {
            "/ag" => "#part".to_owned(),
            "/lo" => "/login?next=%2Fp%3Fkey%3Ds3cret%252FValue%252B1".to_owned(),
            "/to" => format!("/next?key={}{}", seen.header("x-one").unwrap(), seen.header("x-two").unwrap()),
            _ => path,
        };
        vec![redirect(302, &location)]
    })
    .await;
    let world = World::with(&[&upstream]).await;
    let (call, base) = (call(&world, &upstream), at("a.test", &upstream));
    let placeholder = call.secret(&key()).unwrap();

    for path in ["/again", "/login", "/echo"] {
        let error = call.fetch(get(&format!("{base}{path}?key={placeholder}"))).await.unwrap_err();
        let is_expected = match path {
            "/again" => matches!(error, FetchError::Secret(SecretError::Place { .. })),
            _ => matches!(error, FetchError::Redirect { .. }),
        };
        assert!(is_expected, "{path}: {error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    // A tool can tell a host of a placeholder in pieces.
    let (one, two) = placeholder.split_at(10);
    let headers = [("x-one", one), ("x-two", two)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let told = FetchRequest { headers: headers.to_vec(), ..get(&format!("{base}/told")) };
    let error = call.fetch(told).await.unwrap_err();

    assert!(matches!(error, FetchError::Secret(SecretError::Place { .. })), "{error}");
    assert_eq!(upstream.seen().len(), 4, "nothing was followed");
}

#[tokio::test]
async fn another_calls_placeholder_means_nothing() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let placeholder = call(&world, &upstream).secret(&key()).unwrap();
    let other = call(&world, &upstream);
    other.secret(&key()).unwrap();

    other.fetch(with_header(&at("a.test", &upstream), "X-Key", &placeholder)).await.unwrap();

    assert_eq!(upstream.seen()[0].header("x-key"), Some(placeholder.as_str()));
}

#[tokio::test]
async fn an_echo_is_masked_however_it_is_cut_and_encoded() {
    let echoes = [
        VALUE.to_owned(),
        VALUE.to_uppercase(),
        STANDARD.encode(VALUE),
        STANDARD.encode(format!("me:{VALUE}")),
        "s3cret%2FValue%2B1".to_owned(),
        r"s3cret\/Value+1".to_owned(),
        "7333637265742f56616c75652b31".to_owned(),
    ];
    let upstream = Upstream::start(|seen, _| {
        let cut: usize = seen.header("x-cut").unwrap().parse().unwrap();
        let pieces: Vec<Step> = seen.body.chunks(cut).map(chunk).collect();
        [vec![chunked("")], pieces, vec![chunk(b"")]].concat()
    })
    .await;
    let world = World::with(&[&upstream]).await;
    let call = call(&world, &upstream);

    for echo in &echoes {
        for cut in [1, 2, 3, 5, 7, 1000] {
            let sent = format!("before {echo} after s3cret/Valu");
            let response = call.fetch(post(&at("a.test", &upstream), &[("x-cut", &cut.to_string())], &sent)).await.unwrap();
            let got = text(response).await;
            assert!(!got.contains(echo.as_str()) && got.contains("***"), "{echo} cut by {cut}: {got}");
            assert!(got.starts_with("before ") && got.ends_with(" after s3cret/Valu"), "{echo} cut by {cut}: {got}");
        }
    }
}

#[tokio::test]
async fn an_echo_in_the_head_is_masked() {
    let upstream = Upstream::start(|_, _| vec![answer(&format!("200 {VALUE}"), &[&format!("x-echo: a {VALUE} b")], b"")]).await;
    let world = World::with(&[&upstream]).await;
    let call = call(&world, &upstream);

    let response = call.fetch(get(&at("a.test", &upstream))).await.unwrap();

    assert_eq!(response.status_text, "***");
    assert!(response.headers.contains(&("x-echo".to_owned(), "a *** b".to_owned())));
    assert!(!response.headers.iter().any(|(name, _)| name == "content-length"), "the length would be another");
}

#[tokio::test]
async fn a_header_that_is_named_after_a_secret_is_not_shown() {
    let upstream = Upstream::start(|_, _| vec![answer("200 OK", &["x-tops3cret: 1", "x-other: 2"], b"")]).await;
    let world = World::with(&[&upstream]).await;
    let call = world.call_of(1, &[at("a.test", &upstream)], &[("KEY", "topS3cret", "a.test")]);

    let response = call.fetch(get(&at("a.test", &upstream))).await.unwrap();

    assert_eq!(response.headers, [("x-other".to_owned(), "2".to_owned())]);
}

#[tokio::test]
async fn an_echo_in_a_compressed_body_is_masked() {
    use tokio::io::AsyncWriteExt;
    let mut encoder = async_compression::tokio::write::GzipEncoder::new(Vec::new());
    encoder.write_all(format!("before {VALUE} after").as_bytes()).await.unwrap();
    encoder.shutdown().await.unwrap();
    let body = encoder.into_inner();
    let upstream = Upstream::start(move |_, _| vec![answer("200 OK", &["content-encoding: gzip"], &body)]).await;
    let world = World::with(&[&upstream]).await;
    let call = call(&world, &upstream);

    assert_eq!(text(call.fetch(get(&at("a.test", &upstream))).await.unwrap()).await, "before *** after");
}

#[tokio::test]
async fn a_redirect_does_not_carry_a_secret_along() {
    let upstream = Upstream::start(|seen, _| {
        vec![redirect(
            302,
            &if seen.line().contains("/host") { format!("http://s3cret{}.test/", "-host") } else { format!("/next?key={VALUE}") },
        )]
    })
    .await;
    let world = World::with(&[&upstream]).await;
    let call = call(&world, &upstream);

    let error = call.fetch(get(&at("a.test", &upstream))).await.unwrap_err();

    assert!(matches!(error, FetchError::Redirect { .. }) && error.to_string().contains("secret in it"), "{error}");
    assert!(!error.to_string().contains(VALUE));
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn errors_and_logs_are_masked() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call_of(1, &[], &[("KEY", "tops3cret", "a.test")]);

    let error = call.fetch(get("https://topS3cret.b.test/")).await.unwrap_err().to_string();

    assert_eq!(error, "the tool is not granted GET https://***.b.test: add it to the `hosts` that the tool asks for");
    let upstream_call = world.call_of(1, &[at("a.test", &upstream)], &[("KEY", "tops3cret", "a.test")]);
    let response = upstream_call.fetch(get(&format!("{}/?q=tops3cret", at("a.test", &upstream)))).await.unwrap();
    assert_eq!(response.url, format!("{}/?q=***", at("a.test", &upstream)));
    assert_eq!(call.mask("TypeError: tops3cret is bad"), "TypeError: *** is bad");
    assert_eq!(call.mask("nothing"), "nothing");
}

#[tokio::test]
async fn nothing_of_it_is_shown_by_debug_texts() {
    let world = World::with(&[]).await;
    let call = world.call_of(1, &[], &[("KEY", "tops3cret", "a.test")]);
    call.secret(&key()).unwrap();

    let shown = format!("{call:?} {:?}", world.egress);

    assert!(!shown.contains("tops3cret"), "{shown}");
}

#[tokio::test]
async fn a_hash_is_made_here() {
    let world = World::with(&[]).await;
    let call = world.call_of(1, &[], &[("KEY", "Jefe", "a.test")]);

    let hash = call.hmac("SHA-256", &key(), b"what do ya want for nothing?").unwrap();

    assert_eq!(hash[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    assert!(matches!(call.hmac("SHA-256", &"OTHER".parse().unwrap(), b""), Err(SecretError::Unknown(_))));
    assert!(matches!(call.secret(&"OTHER".parse().unwrap()), Err(SecretError::Unknown(_))));
}

#[tokio::test]
async fn without_secrets_nothing_is_changed() {
    let upstream = Upstream::saying("yes *** s3cret").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);

    let response = call.fetch(get(&at("a.test", &upstream))).await.unwrap();

    assert!(response.headers.iter().any(|(name, value)| name == "content-length" && value == "14"));
    assert_eq!(read(response.body).await.unwrap(), b"yes *** s3cret");
}
