//! `wasi:config/store`, by which components that were written for other hosts ask for their keys.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{EnvName, EnvValue, Outcome};
use egress::{Bounds, Egress, EgressConfig, GrantedSecret, Outbound, Permission};
use serde_json::{Value, json};

use crate::plant::{Plant, Uploaded};

const SECRET: &str = "key-of-the-service";

#[tokio::test(flavor = "multi_thread")]
async fn a_component_reads_its_environment_and_holds_placeholders_for_its_secrets() {
    let plant = Plant::start();

    for interface in ["wasi:config/store@0.2.0-draft", "wasi:config/store@0.2.0-rc.1"] {
        let reader = plant.upload_text(&component(interface)).await;

        assert_eq!(read(&plant, &reader, "read", json!({"key": "CITY"})).await, json!({"result": "Oslo"}));
        assert_eq!(read(&plant, &reader, "read", json!({"key": "NONE"})).await, json!({"result": null}));
        assert_eq!(read(&plant, &reader, "read", json!({"key": "not a name"})).await, json!({"result": null}));
        assert_eq!(read(&plant, &reader, "read", json!({"key": "C".repeat(10_000)})).await, json!({"result": null}));
        let held = read(&plant, &reader, "read", json!({"key": "API_KEY"})).await;
        let held = held["result"].as_str().unwrap();
        assert!(held.len() > 16 && !held.contains(SECRET), "{held}");
        let all = read(&plant, &reader, "read-all", json!({})).await;
        let names: Vec<_> = all["result"].as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap()).collect();
        assert_eq!(names, ["API_KEY", "CITY"]);
        assert!(!all.to_string().contains(SECRET), "{all}");
    }
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_asked_for_counts_as_a_host_call() {
    let plant = Plant::start();
    let reader = plant.upload_text(&component("wasi:config/store@0.2.0-draft")).await;

    let Outcome::LimitExceeded(limit) = invoke(&plant, &reader, "read", json!({"key": "API_KEY"}), 0).await else { panic!() };

    assert_eq!(limit.limit.as_str(), "host_calls_max");
    assert!(matches!(invoke(&plant, &reader, "read", json!({"key": "CITY"}), 0).await, Outcome::Success(_)));
    plant.end().await;
}

async fn read(plant: &Plant, reader: &Uploaded, function: &str, arguments: Value) -> Value {
    match invoke(plant, reader, function, arguments, 10).await {
        Outcome::Success(answer) => answer.structured().unwrap().to_value(),
        other => panic!("{other:?}"),
    }
}

async fn invoke(plant: &Plant, reader: &Uploaded, function: &str, arguments: Value, host_calls_max: u32) -> Outcome {
    let egress = Egress::start(EgressConfig::default()).unwrap();
    let environment: BTreeMap<EnvName, EnvValue> = serde_json::from_value(json!({"CITY": "Oslo"})).unwrap();
    let invoked = plant
        .invoke_within(reader, function, &arguments, |call| {
            call.environment = Arc::new(environment);
            call.outbound = Some(with_secret(&egress));
            call.limits.host_calls_max = host_calls_max;
        })
        .await;
    invoked.outcome
}

fn with_secret(egress: &Arc<Egress>) -> Outbound {
    let secret = GrantedSecret { value: SECRET.into(), hosts: vec!["api.test".parse().unwrap()] };
    let permission = Permission::new(1, Vec::new(), BTreeMap::from([("API_KEY".parse().unwrap(), secret)]));
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    egress.open(Arc::new(permission), Bounds { egress_bytes_max: 1_000, deadline })
}

/// A component that gives what `interface` tells it: the host writes `result<option<string>, error>` to address 64, whose option is at 68, and
/// `result<list<tuple<string, string>>, error>` so that the list is at 68.
fn component(interface: &str) -> String {
    format!(
        r#"(component
          (import "{interface}" (instance $store
            (type $of-error (variant (case "upstream" string) (case "io" string)))
            (export "error" (type $error (eq $of-error)))
            (export "get" (func (param "key" string) (result (result (option string) (error $error)))))
            (export "get-all" (func (result (result (list (tuple string string)) (error $error)))))))
          (core module $Memory
            (memory (export "memory") 2)
            (global $free (mut i32) (i32.const 1024))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32)
              (local $start i32)
              (local.set $start (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
              (global.set $free (i32.add (local.get $start) (local.get 3)))
              (local.get $start)))
          (core instance $memory (instantiate $Memory))
          (alias core export $memory "memory" (core memory $bytes))
          (alias core export $memory "realloc" (core func $realloc))
          (core func $get (canon lower (func $store "get") (memory $bytes) (realloc $realloc)))
          (core func $get-all (canon lower (func $store "get-all") (memory $bytes) (realloc $realloc)))
          (core module $Module
            (import "store" "get" (func $get (param i32 i32 i32)))
            (import "store" "get-all" (func $get-all (param i32)))
            (func (export "read") (param i32 i32) (result i32)
              (call $get (local.get 0) (local.get 1) (i32.const 64))
              (i32.const 68))
            (func (export "read-all") (result i32)
              (call $get-all (i32.const 64))
              (i32.const 68)))
          (core instance $core (instantiate $Module
            (with "store" (instance (export "get" (func $get)) (export "get-all" (func $get-all))))))
          (func (export "read") (param "key" string) (result (option string))
            (canon lift (core func $core "read") (memory $bytes) (realloc $realloc)))
          (func (export "read-all") (result (list (tuple string string)))
            (canon lift (core func $core "read-all") (memory $bytes) (realloc $realloc))))"#
    )
}
