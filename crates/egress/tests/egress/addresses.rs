//! Whatever a name says, only what the operator allows is reached (SEC-12).

use std::time::{Duration, Instant};

use egress::{Egress, EgressConfig, FetchError, Forced, Phase};

use crate::{
    upstream::Upstream,
    world::{World, at, bounds, get, permission, text},
};

#[tokio::test]
async fn a_name_with_a_special_address_is_refused_before_anything_is_connected() {
    let upstream = Upstream::saying("inside").await;
    let world = World::with(&[]).await;
    let call = world.call(&[at("evil.test", &upstream)]);

    for address in [
        "127.0.0.1",
        "127.0.0.2",
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "2001::1",
        "fe80::1",
        "fd00::1",
        "ff02::1",
    ] {
        world.names.set("evil.test", &[address]);
        let error = call.fetch(get(&at("evil.test", &upstream))).await.unwrap_err();
        assert!(matches!(error, FetchError::Address { .. }), "{address}: {error}");
        world.egress.force("evil.test", Forced::Free);
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn one_special_address_among_public_ones_refuses_the_name() {
    let upstream = Upstream::saying("inside").await;
    let world = World::with(&[]).await;
    let call = world.call(&[at("evil.test", &upstream)]);

    for addresses in [
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["2606:4700:4700::1111", "127.0.0.1"],
        ["8.8.8.8", "::ffff:127.0.0.1"],
    ] {
        world.names.set("evil.test", &addresses);
        let error = call.fetch(get(&at("evil.test", &upstream))).await.unwrap_err();
        assert!(matches!(error, FetchError::Address { .. }), "{addresses:?}: {error}");
        assert!(error.to_string().contains("special-use address"), "{error}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn an_exception_is_for_one_host_and_one_port() {
    let (one, two) = (Upstream::saying("one").await, Upstream::saying("two").await);
    let world = World::with(&[&one]).await;
    let call = world.call(&[at("a.test", &one), at("c.test", &one), at("a.test", &two)]);

    assert_eq!(text(call.fetch(get(&at("a.test", &one))).await.unwrap()).await, "one");
    for url in [at("c.test", &one), at("a.test", &two)] {
        assert!(matches!(call.fetch(get(&url)).await, Err(FetchError::Address { .. })), "{url}");
    }
    assert_eq!(two.connections(), 0);
}

#[tokio::test]
async fn a_name_is_resolved_once_for_a_connection_and_not_at_all_without_one() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);

    // A server that changes its mind between two questions would be asked the second time in vain.
    for _ in 0..3 {
        assert_eq!(text(call.fetch(get(&at("a.test", &upstream))).await.unwrap()).await, "yes");
    }

    assert_eq!((world.names.asked("a.test"), upstream.connections()), (1, 1));
}

#[tokio::test]
async fn a_connection_that_is_there_is_of_no_use_to_another_name() {
    let upstream = Upstream::saying("inside").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream), at("c.test", &upstream)]);

    // The same port of the same machine: what counts is the name that was asked for.
    assert_eq!(text(call.fetch(get(&at("a.test", &upstream))).await.unwrap()).await, "inside");
    let error = call.fetch(get(&at("c.test", &upstream))).await.unwrap_err();

    assert!(matches!(error, FetchError::Address { .. }), "{error}");
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn another_checked_address_is_tried_when_one_does_not_answer() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    world.names.set("a.test", &["127.0.0.9", "127.0.0.8", "127.0.0.1"]);

    let call = world.call(&[at("a.test", &upstream)]);
    let response = call.fetch(get(&at("a.test", &upstream))).await.unwrap();

    assert_eq!(text(response).await, "yes");
}

#[tokio::test]
async fn a_name_without_an_address_says_so() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    world.names.set("empty.test", &[]);
    let call = world.call(&[at("none.test", &upstream), at("empty.test", &upstream)]);

    for host in ["none.test", "empty.test"] {
        let error = call.fetch(get(&at(host, &upstream))).await.unwrap_err();
        assert!(matches!(error, FetchError::Resolve { .. }), "{error}");
        assert!(error.to_string().contains(host) && error.to_string().contains("request "), "{error}");
    }
}

#[tokio::test]
async fn a_silent_name_server_does_not_hold_a_request_for_ever() {
    let upstream = Upstream::saying("yes").await;
    let world = World::configured(&[&upstream], |config| config.connect_ms_max = 300).await;
    world.names.fall_silent();
    let started = Instant::now();

    let error = world.call(&[at("a.test", &upstream)]).fetch(get(&at("a.test", &upstream))).await.unwrap_err();

    assert!(matches!(error, FetchError::TimeOut { phase: Phase::Connection, .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_node_without_settings_asks_the_system_and_knows_itself() {
    let upstream = Upstream::saying("yes").await;
    let allow_private = vec![format!("upstream.localhost:{}", upstream.port).parse().unwrap()];
    let egress = Egress::start(EgressConfig { allow_private, ..EgressConfig::default() }).unwrap();
    let call = egress.open(permission(1, &[at("upstream.localhost", &upstream)], &[]), bounds(1 << 20, 20_000));

    let response = call.fetch(get(&at("upstream.localhost", &upstream))).await.unwrap();

    assert_eq!(text(response).await, "yes");
}
