//! A host that fails is left alone (RES-1..8).

use std::time::Duration;

use egress::{BreakerConfig, BreakerState, EgressConfig, ErrorCategory, FetchError, Forced};

use crate::{
    upstream::{Step, Upstream, answer, ok, wait},
    world::{World, at, get, text},
};

fn quick(config: &mut EgressConfig) {
    config.breaker = BreakerConfig { failures_max: 3, wait_ms_min: 200, trials: 2, ..BreakerConfig::default() };
}

#[tokio::test]
async fn it_opens_and_closes_again() {
    let upstream = Upstream::start(|_, before| if before < 4 { vec![Step::Close] } else { vec![ok("yes")] }).await;
    let world = World::configured(&[&upstream], quick).await;
    let call = world.call(&[at("a.test", &upstream)]);
    let url = at("a.test", &upstream);
    let again = || call.fetch(get(&url));

    for _ in 0..3 {
        assert!(matches!(again().await, Err(FetchError::Protocol { .. })));
    }
    let error = again().await.unwrap_err();
    assert!(matches!(error, FetchError::Open { retry_after_ms: 1..=220, .. }), "{error}");
    assert!(error.to_string().starts_with("the circuit breaker of `a.test` is open"), "{error}");
    assert_eq!(upstream.connections(), 3, "nothing goes there");
    assert_eq!(world.egress.usage().breakers_open, 1);

    // The first trial fails as well: it stays open twice as long.
    tokio::time::sleep(Duration::from_millis(240)).await;
    assert!(matches!(again().await, Err(FetchError::Protocol { .. })));
    tokio::time::sleep(Duration::from_millis(240)).await;
    assert!(matches!(again().await, Err(FetchError::Open { .. })));
    tokio::time::sleep(Duration::from_millis(240)).await;
    for _ in 0..3 {
        assert_eq!(text(again().await.unwrap()).await, "yes");
    }

    let view = world.egress.breakers().remove(0);
    assert_eq!((view.owner, view.host.as_str(), view.state), (Some(1), "a.test", BreakerState::Closed));
    assert_eq!((view.failures, view.successes, view.refused), (4, 3, 2));
}

#[tokio::test]
async fn a_host_that_is_away_counts_and_a_broken_program_does_not() {
    for (status, opens) in [
        ("500 Oops", false),
        ("404 No", false),
        ("429 Slowly", false),
        ("502 Gateway", true),
        ("503 Away", true),
        ("504 Late", true),
    ] {
        let upstream = Upstream::start(move |_, _| vec![answer(status, &[], b"")]).await;
        let world = World::configured(&[&upstream], quick).await;
        let call = world.call(&[at("a.test", &upstream)]);
        for _ in 0..3 {
            assert!(call.fetch(get(&at("a.test", &upstream))).await.is_ok(), "{status}: an answer all the same");
        }

        assert_eq!(matches!(call.fetch(get(&at("a.test", &upstream))).await, Err(FetchError::Open { .. })), opens, "{status}");
        assert_eq!(
            world.egress.usage().errors.get(&ErrorCategory::ServerError).copied().unwrap_or_default(),
            if opens { 3 } else { 0 }
        );
    }
}

#[tokio::test]
async fn our_own_rules_do_not_count() {
    let upstream = Upstream::saying("yes").await;
    let world = World::configured(&[&upstream], quick).await;
    let call = world.call(&[at("a.test", &upstream), at("c.test", &upstream)]);
    for _ in 0..5 {
        assert!(matches!(call.fetch(get(&at("c.test", &upstream))).await, Err(FetchError::Address { .. })));
        assert!(matches!(call.fetch(get(&at("b.test", &upstream))).await, Err(FetchError::NotGranted { .. })));
    }

    assert_eq!(world.egress.usage().breakers_open, 0);
    assert_eq!(world.egress.usage().errors[&ErrorCategory::Refused], 10);
}

#[tokio::test]
async fn time_outs_count() {
    let upstream = Upstream::start(|_, _| vec![wait(5000)]).await;
    let world = World::configured(&[&upstream], |config| {
        quick(config);
        config.first_byte_ms_max = 50;
    })
    .await;
    let call = world.call(&[at("a.test", &upstream)]);
    for _ in 0..3 {
        assert!(matches!(call.fetch(get(&at("a.test", &upstream))).await, Err(FetchError::TimeOut { .. })));
    }

    assert!(matches!(call.fetch(get(&at("a.test", &upstream))).await, Err(FetchError::Open { .. })));
    assert_eq!(world.egress.usage().errors[&ErrorCategory::TimeOut], 3);
}

#[tokio::test]
async fn one_customers_failures_are_not_anothers() {
    let upstream =
        Upstream::start(|seen, _| if seen.line().contains("/bad") { vec![Step::Close] } else { vec![ok("yes")] }).await;
    let world = World::configured(&[&upstream], quick).await;
    let hosts = [at("a.test", &upstream)];
    let (one, two) = (world.call_of(1, &hosts, &[]), world.call_of(2, &hosts, &[]));
    for _ in 0..3 {
        assert!(one.fetch(get(&format!("{}/bad", hosts[0]))).await.is_err());
    }

    assert!(matches!(one.fetch(get(&hosts[0])).await, Err(FetchError::Open { .. })));
    assert!(two.fetch(get(&hosts[0])).await.is_ok());
}

#[tokio::test]
async fn an_operator_decides_over_all() {
    let upstream = Upstream::saying("yes").await;
    let world = World::configured(&[&upstream], quick).await;
    let call = world.call(&[at("a.test", &upstream)]);
    let url = at("a.test", &upstream);

    world.egress.force("A.test", Forced::Open);
    assert!(matches!(call.fetch(get(&url)).await, Err(FetchError::Open { .. })));
    assert_eq!(world.egress.breakers()[0].state, BreakerState::ForcedOpen);
    world.egress.force("a.test", Forced::Free);

    assert!(call.fetch(get(&url)).await.is_ok());
}

#[tokio::test]
async fn errors_say_where_which_and_when() {
    let upstream = Upstream::start(|_, before| if before == 0 { vec![ok("yes")] } else { vec![wait(30), Step::Close] }).await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);
    let url = at("a.test", &upstream);
    call.fetch(get(&url)).await.unwrap();

    let error = call.fetch(crate::world::post(&url, &[], "x")).await.unwrap_err();

    let FetchError::Protocol { attempt, .. } = &error else { panic!("{error}") };
    assert_eq!((attempt.origin.as_str(), attempt.number), (url.as_str(), 2));
    assert!(attempt.elapsed_ms >= 25, "{error}");
    assert!(error.to_string().starts_with(&format!("`{url}` (request 2 of this call, after ")), "{error}");
}
