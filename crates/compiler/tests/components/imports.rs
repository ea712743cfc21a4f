//! What a component may import and export, and what is refused by name.

use std::fmt::Write as _;

use serde_json::json;

use crate::plant::Plant;

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_there_is_not_is_refused_by_name() {
    let plant = Plant::start();

    for (import, reason) in [
        (
            r#"(import "wasi:sockets/tcp@0.2.0" (instance (export "start" (func))))"#,
            "the component imports `wasi:sockets/tcp@0.2.0`: tools have no sockets",
        ),
        (
            r#"(import "wasi:keyvalue/store@0.2.0-draft" (instance (export "open" (func))))"#,
            "the component imports `wasi:keyvalue/store@0.2.0-draft`: this part of WASI is not there for tools",
        ),
        (
            r#"(import "wasi:clocks/monotonic-clock@0.3.0" (instance (export "now" (func (result u64)))))"#,
            "the component imports `wasi:clocks/monotonic-clock@0.3.0`: of WASI there is version 0.2, and no other",
        ),
        (
            r#"(import "acme:db/query@1.0.0" (instance (export "run" (func))))"#,
            "the component imports `acme:db/query@1.0.0`: a component may import",
        ),
        (
            r#"(import "acme:db/query/rows@1.0.0" (instance (export "run" (func))))"#,
            "the component cannot be read: import name `acme:db/query/rows@1.0.0` is not a valid extern name",
        ),
        (r#"(import "file" (type (sub resource)))"#, "the component imports the resource `file`: there is nobody to give it"),
        (r#"(import "shell" (func))"#, "the component imports the function `shell`: there is nobody to give it"),
        (
            r#"(import "toolwright:tool/host@9.0.0" (instance (export "now" (func (result u64)))))"#,
            "the component imports `toolwright:tool/host@9.0.0`: a component may import",
        ),
        (
            r#"(import "toolwright:tool/host@0.1.0" (instance (export "now" (func (result u32)))))"#,
            "the component's imports are not what there is",
        ),
        (
            r#"(import "toolwright:tool/host@0.1.0" (instance (export "shell" (func (result u32)))))"#,
            "the component's imports are not what there is",
        ),
    ] {
        let reasons = plant.refuse(&format!("(component {import} {ONE})")).await;
        assert!(reasons.len() == 1 && reasons[0].starts_with(reason), "{reasons:?}");
    }
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_json_cannot_call_is_refused_with_its_type() {
    let plant = Plant::start();

    let resource = plant
        .refuse(
            r#"(component
              (type $file (resource (rep i32)))
              (core module $Module (func (export "open") (result i32) (i32.const 1)) (func (export "read") (param i32)))
              (core instance $core (instantiate $Module))
              (func $open (result (own $file)) (canon lift (core func $core "open")))
              (func $read (param "file" (borrow $file)) (canon lift (core func $core "read")))
              (component $Files
                (import "file" (type $file (sub resource)))
                (import "open" (func $open (result (own $file))))
                (import "read" (func $read (param "file" (borrow $file))))
                (export $out "file" (type $file))
                (export "open" (func $open) (func (result (own $out))))
                (export "read" (func $read) (func (param "file" (borrow $out)))))
              (instance $files (instantiate $Files (with "file" (type $file)) (with "open" (func $open)) (with "read" (func $read))))
              (export "acme:fs/files@1.0.0" (instance $files)))"#,
        )
        .await;

    assert_eq!(
        resource,
        [
            "the function `acme:fs/files@1.0.0#open` cannot be a tool: its result: it has the resource `file`: it lives in the component's \
             instance, which ends with the call",
            "the function `acme:fs/files@1.0.0#read` cannot be a tool: its parameter `file`: it has the resource `file`: it lives in the \
             component's instance, which ends with the call",
        ]
    );
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn types_that_are_too_deep_or_too_many_are_refused() {
    let plant = Plant::start();
    let deep = format!("{}u8{}", "(option ".repeat(40), ")".repeat(40));
    let wide = {
        let mut types = "(type $t0 (tuple u8 u8))".to_owned();
        for index in 1..16 {
            let before = index - 1;
            write!(types, "(type $t{index} (tuple $t{before} $t{before}))").unwrap();
        }
        types
    };
    let component = |types: &str, kind: &str| {
        format!(
            r#"(component {types}
              (core module $Module (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0)) (func (export "take") (param i32)))
              (core instance $core (instantiate $Module))
              (alias core export $core "memory" (core memory $memory))
              (alias core export $core "realloc" (core func $realloc))
              (func (export "take") (param "value" (list {kind})) (param "more" (list u8)) (param "a" (tuple u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64))
                (canon lift (core func $core "take") (memory $memory) (realloc $realloc))))"#
        )
    };

    let reasons = plant.refuse(&component("", &deep)).await;
    assert!(reasons[0].contains("nested more than 24 deep"), "{reasons:?}");
    let reasons = plant.refuse(&component(&wide, "$t15")).await;
    assert!(reasons[0].contains("have more than 2000 parts"), "{reasons:?}");
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_component_are_refused() {
    let plant = Plant::start();

    assert_eq!(
        plant.refuse("(module)").await,
        ["this is a core module; `wasm-tools component new` makes a component of one that was built for the component model"]
    );
    assert_eq!(plant.refuse("(component)").await, ["the component exports no function, so that there is nothing to call"]);
    for junk in [Vec::new(), b"\x7fELF".to_vec(), b"\0asm\x0d\0\x01\0\xff\xff\xff\xff".to_vec()] {
        assert!(plant.inspect(junk).await.is_err());
    }
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_at_which_its_decoder_breaks_off_is_refused_in_words() {
    let plant = Plant::start();

    let reasons = plant
        .refuse(
            r#"(component
              (type $run (func))
              (instance $runs (export "run" (type $run)))
              (export "acme:runs/types" (instance $runs)))"#,
        )
        .await;

    assert_eq!(reasons.len(), 1);
    assert!(reasons[0].starts_with("the component cannot be read: its types are put together as nothing"), "{reasons:?}");
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_does_not_start_is_refused() {
    let plant = Plant::start();

    for (core, reason) in [
        ("(func $start unreachable) (start $start)", "the component does not start: wasm trap: wasm `unreachable`"),
        (
            "(func $start (loop $again (br $again))) (start $start)",
            "the component does not start: it burned more than 2000000000 fuel",
        ),
        ("(memory 8193)", "the component does not start: "),
        ("(table 70000 funcref)", "the component does not start: "),
    ] {
        let text =
            format!(r#"(component (core module $M {core} (func (export "f"))) (core instance $m (instantiate $M)) {ONE})"#);
        let reasons = plant.refuse(&text).await;
        assert!(reasons.len() == 1 && reasons[0].starts_with(reason), "{core}: {reasons:?}");
    }
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_interfaces_are_tools_and_share_no_name() {
    let plant = Plant::start();
    let uploaded = plant
        .upload_text(
            r#"(component
              (core module $Module (func (export "f") (result i32) (i32.const 1)) (func (export "g") (result i32) (i32.const 2)))
              (core instance $core (instantiate $Module))
              (func $one (result u32) (canon lift (core func $core "f")))
              (func $two (result u32) (canon lift (core func $core "g")))
              (instance $clock (export "now" (func $one)) (export "zone" (func $one)))
              (instance $watch (export "now" (func $two)))
              (export "acme:time/clock@1.0.0" (instance $clock))
              (export "acme:time/watch@1.0.0" (instance $watch)))"#,
        )
        .await;

    let offers: Vec<_> =
        uploaded.inspected.offers.iter().map(|offer| (offer.export.as_deref().unwrap(), offer.interface.name.as_str())).collect();

    assert_eq!(
        offers,
        [
            ("acme:time/clock@1.0.0#now", "clock_now"),
            ("acme:time/clock@1.0.0#zone", "zone"),
            ("acme:time/watch@1.0.0#now", "watch_now")
        ]
    );
    let call = async |name: &str| plant.invoke(&uploaded, name, &json!({})).await.outcome;
    assert_eq!(call("clock_now").await, domain::Outcome::Success(json!({"result": 1}).into()));
    assert_eq!(call("watch_now").await, domain::Outcome::Success(json!({"result": 2}).into()));
    assert_eq!(plant.sandbox.usage().cached_tools, 1, "the tools of a component share its code");
    plant.end().await;
}

/// One function that is a tool.
const ONE: &str = r#"
  (core module $One (func (export "one") (result i32) (i32.const 1)))
  (core instance $one (instantiate $One))
  (func (export "one") (result u32) (canon lift (core func $one "one")))"#;
