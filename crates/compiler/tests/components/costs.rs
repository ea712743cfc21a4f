//! What the host does for a component is on the component's account, and ends with it.

use std::{fmt::Write as _, time::Duration};

use domain::Outcome;
use sandbox::Invoked;
use serde_json::{Value, json};

use crate::plant::{Plant, Uploaded};

/// Enough that no machine turns it into values within a millisecond.
const VALUES: usize = 60_000;

#[tokio::test(flavor = "multi_thread")]
async fn turning_arguments_into_values_takes_fuel() {
    let plant = Plant::start();
    let take = chooser(&plant).await;
    let arguments = json!({"colours": vec!["c999"; VALUES]});

    let taken = plant.invoke(&take, "take", &arguments).await;
    let ended = within_fuel(&plant, &take, &arguments, 1_000_000).await;

    assert_eq!(taken.outcome, Outcome::Success(json!({"result": VALUES}).into()));
    assert!(taken.receipt.fuel > 400 * VALUES as u64, "{:?}", taken.receipt);
    assert_eq!(limit(&ended), "fuel_per_call_max");
    assert!(ended.receipt.cpu_us * 2 < taken.receipt.cpu_us, "{:?} of {:?}", ended.receipt, taken.receipt);
    plant.end().await;
}

/// The last of them is wrong: it is found where nothing hears of the deadline before.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_heard_while_arguments_become_values() {
    let plant = Plant::start();
    let take = chooser(&plant).await;
    let mut colours = vec!["c999"; VALUES];
    colours.push("zzz");
    let arguments = json!({ "colours": colours });

    let wrong = plant.invoke(&take, "take", &arguments).await;
    let ended = plant.invoke_within(&take, "take", &arguments, |call| call.limits.wall_ms_max = 1).await;

    assert!(matches!(wrong.outcome, Outcome::ToolError(_)), "{:?}", wrong.outcome);
    assert_eq!(limit(&ended), "wall_ms_max");
    plant.end().await;
}

/// The first of many names is as quick to find as the last, and as one of few.
#[tokio::test(flavor = "multi_thread")]
async fn many_cases_make_a_value_no_dearer() {
    let plant = Plant::start();
    let take = chooser(&plant).await;
    let time = async |name: &str| {
        let arguments = json!({"colours": vec![name; VALUES]});
        let mut shortest = Duration::MAX;
        for _ in 0..3 {
            shortest = shortest.min(Duration::from_micros(plant.invoke(&take, "take", &arguments).await.receipt.cpu_us));
        }
        shortest
    };

    let (first, last) = (time("c000").await, time("c999").await);

    assert!(last < first * 3, "{last:?} for the last of 1 000 cases, {first:?} for the first");
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn turning_a_result_into_text_takes_fuel_and_hears_of_a_deadline() {
    let plant = Plant::start();
    let give = plant
        .upload_text(&format!(
            r#"(component
              (core module $Module
                (memory (export "memory") 4)
                (func (export "give") (result i32)
                  (i32.store (i32.const 0) (i32.const 16))
                  (i32.store (i32.const 4) (i32.const {VALUES}))
                  (i32.const 0)))
              (core instance $core (instantiate $Module))
              (alias core export $core "memory" (core memory $memory))
              (func (export "give") (result (list bool)) (canon lift (core func $core "give") (memory $memory))))"#
        ))
        .await;
    let call = async |fuel: u64, wall_ms: u32| {
        plant
            .invoke_within(&give, "give", &json!({}), |call| {
                call.limits.fuel_per_call_max = fuel;
                call.limits.wall_ms_max = wall_ms;
                call.limits.output_bytes_max = 1_000_000;
            })
            .await
    };

    let given = call(1_000_000_000, 30_000).await;
    assert!(matches!(given.outcome, Outcome::Success(_)), "{:?}", given.outcome);
    assert!(given.receipt.fuel > 400 * VALUES as u64, "{:?}", given.receipt);
    assert_eq!(limit(&call(10_000_000, 30_000).await), "fuel_per_call_max");
    assert_eq!(limit(&call(1_000_000_000, 1).await), "wall_ms_max");
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn types_with_too_many_cases_are_refused() {
    let plant = Plant::start();

    let reasons = plant.refuse(&choosing(1_001)).await;

    assert_eq!(
        reasons,
        [
            "the function `take` cannot be a tool: its parameter `colours`: its enums, variants and flags, written out, have more than 1000 \
             cases"
        ]
    );
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_wasi_take_fuel() {
    let plant = Plant::start();
    let random = |interface: &str, function: &str| {
        wasi(
            &format!(
                r#"(import "wasi:random/{interface}@0.2.0" (instance $wasi (export "{function}" (func (param "len" u64) (result (list u8))))))"#
            ),
            &format!(r#"(core func $work (canon lower (func $wasi "{function}") (memory $memory) (realloc $realloc)))"#),
            "(param i64 i32)",
            "(call $work (i64.const 65536) (i32.const 0))",
        )
    };
    let clock = wasi(
        r#"(import "wasi:clocks/monotonic-clock@0.2.0" (instance $wasi (export "now" (func (result u64)))))"#,
        r#"(core func $work (canon lower (func $wasi "now")))"#,
        "(result i64)",
        "(drop (call $work))",
    );

    for (text, what) in [
        (random("random", "get-random-bytes"), "random bytes"),
        (random("insecure", "get-insecure-random-bytes"), "insecure random bytes"),
        (printing(4096), "print"),
        (clock, "clock"),
    ] {
        let works = plant.upload_text(&text).await;
        let once = plant.invoke(&works, "work", &json!({"times": 1})).await;
        let more = plant.invoke(&works, "work", &json!({"times": 11})).await;
        let ended = within_fuel(&plant, &works, &json!({"times": 4_000_000_000_u32}), 500_000_000).await;
        let late = within_fuel(&plant, &works, &json!({"times": 11}), more.receipt.fuel - 1).await;

        assert!(matches!(once.outcome, Outcome::Success(_)), "{what}: {:?}", once.outcome);
        let fuel = (more.receipt.fuel - once.receipt.fuel) / 10;
        let at_least = match what {
            "clock" => 2_000,
            "print" => 4_096 * 2_004,
            _ => 65_536 * 64,
        };
        assert!(fuel >= at_least, "{what}: {fuel} fuel");
        assert_eq!(limit(&ended), "fuel_per_call_max", "{what}");
        assert_eq!(limit(&late), "fuel_per_call_max", "{what}");
    }
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_printed_at_once_than_has_its_bound() {
    let plant = Plant::start();

    for (bytes, is_taken) in [(4096, true), (4097, false)] {
        let print = plant.upload_text(&printing(bytes)).await;
        let outcome = plant.call(&print, &json!({"times": 1})).await;
        assert_eq!(matches!(outcome, Outcome::Success(_)), is_taken, "{bytes}: {outcome:?}");
        assert!(is_taken || matches!(outcome, Outcome::Trap(_)), "{outcome:?}");
    }
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_entry_of_a_list_to_poll_takes_fuel_and_a_huge_list_ends_the_guest() {
    let plant = Plant::start();
    let poll = plant.upload_text(POLLING).await;
    let call = async |entries: u32, times: u32| {
        let arguments = json!({"entries": entries, "times": times});
        plant.invoke_within(&poll, "work", &arguments, |call| call.limits.fuel_per_call_max = 1_000_000_000).await
    };

    let (few, many) = (call(1, 11).await, call(512, 11).await);
    let for_ever = call(512, u32::MAX).await;
    let (long, longer, huge) = (call(513, 1).await, call(50_000, 1).await, call(3_900_000, 1).await);

    assert!(matches!(few.outcome, Outcome::Success(_)), "{:?}", few.outcome);
    assert!(matches!(many.outcome, Outcome::Success(_)), "{:?}", many.outcome);
    assert!((many.receipt.fuel - few.receipt.fuel) / (11 * 511) >= 500, "{:?}, {:?}", few.receipt, many.receipt);
    assert_eq!(limit(&for_ever), "fuel_per_call_max");
    for (what, ended) in [("long", &long), ("longer", &longer)] {
        assert!(matches!(ended.outcome, Outcome::Trap(_)), "{what}: {:?}", ended.outcome);
    }
    assert!(longer.receipt.fuel >= 25_000_000, "it was read, and is paid for: {:?}", longer.receipt);
    assert!(!matches!(huge.outcome, Outcome::Success(_)), "not even read: {:?}", huge.outcome);
    plant.end().await;
}

/// Polls a list that has the same pollable so many times, so many times.
const POLLING: &str = r#"(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable'))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable' (type $pollable''))
    (export "pollable" (type $pollable (eq $pollable'')))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
  (core module $Memory
    (memory (export "memory") 256)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536)))
  (core instance $memory' (instantiate $Memory))
  (alias core export $memory' "memory" (core memory $memory))
  (alias core export $memory' "realloc" (core func $realloc))
  (core func $wait (canon lower (func $clock "subscribe-duration")))
  (core func $work (canon lower (func $poll "poll") (memory $memory) (realloc $realloc)))
  (core module $Module
    (import "" "memory" (memory 256))
    (import "" "wait" (func $wait (param i64) (result i32)))
    (import "" "work" (func $work (param i32 i32 i32)))
    (func (export "work") (param $entries i32) (param $times i32) (local $handle i32) (local $place i32)
      (local.set $handle (call $wait (i64.const 0)))
      (loop $next
        (i32.store (i32.add (i32.const 131072) (i32.mul (local.get $place) (i32.const 4))) (local.get $handle))
        (local.set $place (i32.add (local.get $place) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $place) (local.get $entries))))
      (loop $again
        (call $work (i32.const 131072) (local.get $entries) (i32.const 0))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (local.get $times)))))
  (core instance $core (instantiate $Module (with "" (instance
    (export "memory" (memory $memory)) (export "wait" (func $wait)) (export "work" (func $work))))))
  (func (export "work") (param "entries" u32) (param "times" u32) (canon lift (core func $core "work"))))"#;

/// Calls a function of WASI as often as it is asked to. `import` is of `$wasi`, `lower` makes `$work` of it, `shape` is its type as a core
/// function, and `call` calls it.
fn wasi(import: &str, lower: &str, shape: &str, call: &str) -> String {
    let prints = lower.contains("$stdout");
    let (import_handle, take_handle, with_handle) = if prints {
        (
            r#"(import "" "stdout" (func $stdout (result i32)))"#,
            "(global.set $handle (call $stdout))",
            r#"(export "stdout" (func $stdout))"#,
        )
    } else {
        ("", "", "")
    };
    let newlines = "\\n".repeat(4096);
    format!(
        r#"(component {import}
          (core module $Memory
            (memory (export "memory") 3)
            (data (i32.const 4096) "{newlines}")
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536)))
          (core instance $memory' (instantiate $Memory))
          (alias core export $memory' "memory" (core memory $memory))
          (alias core export $memory' "realloc" (core func $realloc))
          {lower}
          (core module $Module
            (import "" "work" (func $work {shape}))
            {import_handle}
            (global $handle (mut i32) (i32.const 0))
            (func (export "work") (param $times i32)
              {take_handle}
              (loop $again
                {call}
                (local.set $times (i32.sub (local.get $times) (i32.const 1)))
                (br_if $again (local.get $times)))))
          (core instance $core (instantiate $Module (with "" (instance (export "work" (func $work)) {with_handle}))))
          (func (export "work") (param "times" u32) (canon lift (core func $core "work"))))"#
    )
}

/// Writes so many bytes, newlines first, to standard output.
fn printing(bytes: u32) -> String {
    wasi(
        r#"(import "wasi:io/error@0.2.0" (instance $errors (export "error" (type (sub resource)))))
           (alias export $errors "error" (type $error'))
           (import "wasi:io/streams@0.2.0" (instance $wasi
             (alias outer 1 $error' (type $error''))
             (export "error" (type $error (eq $error'')))
             (export "output-stream" (type $stream (sub resource)))
             (type $stream-error' (variant (case "last-operation-failed" (own $error)) (case "closed")))
             (export "stream-error" (type $stream-error (eq $stream-error')))
             (export "[method]output-stream.write"
               (func (param "self" (borrow $stream)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
           (alias export $wasi "output-stream" (type $stream'))
           (import "wasi:cli/stdout@0.2.0" (instance $stdout
             (alias outer 1 $stream' (type $stream''))
             (export "output-stream" (type $stream (eq $stream'')))
             (export "get-stdout" (func (result (own $stream))))))"#,
        r#"(core func $work (canon lower (func $wasi "[method]output-stream.write") (memory $memory)))
           (core func $stdout (canon lower (func $stdout "get-stdout")))"#,
        "(param i32 i32 i32 i32)",
        &format!("(call $work (global.get $handle) (i32.const 4096) (i32.const {bytes}) (i32.const 0))"),
    )
}

async fn chooser(plant: &Plant) -> Uploaded {
    plant.upload_text(&choosing(1_000)).await
}

/// Takes a list of one of so many colours, and tells its length.
fn choosing(cases: usize) -> String {
    let mut names = String::new();
    for case in 0..cases {
        write!(names, " \"c{case:03}\"").unwrap();
    }
    format!(
        r#"(component
          (core module $Module
            (memory (export "memory") 16)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16))
            (func (export "take") (param i32 i32) (result i32) (local.get 1)))
          (core instance $core (instantiate $Module))
          (alias core export $core "memory" (core memory $memory))
          (alias core export $core "realloc" (core func $realloc))
          (type $colour' (enum {names}))
          (import "colour" (type $colour (eq $colour')))
          (func (export "take") (param "colours" (list $colour)) (result u32)
            (canon lift (core func $core "take") (memory $memory) (realloc $realloc))))"#
    )
}

async fn within_fuel(plant: &Plant, uploaded: &Uploaded, arguments: &Value, fuel: u64) -> Invoked {
    let name = uploaded.first().interface.name.as_str();
    plant.invoke_within(uploaded, name, arguments, |call| call.limits.fuel_per_call_max = fuel).await
}

fn limit(invoked: &Invoked) -> &'static str {
    let Outcome::LimitExceeded(limit) = &invoked.outcome else { panic!("{:?}", invoked.outcome) };
    limit.limit.as_str()
}
