//! Values of every type, there and back, and what is refused on the way.

use domain::{Answer, Outcome};
use serde_json::{Value, json};

use crate::plant::{Plant, Uploaded};

/// Gives back what it is given. A value of more than 16 parts comes by a pointer, and goes by one, to the same layout in memory.
const ECHO: &str = r#"(component
  (core module $Module
    (memory (export "memory") 40)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32) (param $align i32) (param $bytes i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $next (i32.add (local.get $at) (local.get $bytes)))
      (local.get $at))
    (func (export "echo") (param i32) (result i32) (local.get 0)))
  (core instance $core (instantiate $Module))
  (alias core export $core "memory" (core memory $memory))
  (alias core export $core "realloc" (core func $realloc))
  (type $shape' (variant (case "nothing") (case "circle" f64) (case "named" string)))
  (import "shape" (type $shape (eq $shape')))
  (type $colour' (enum "red" "dark-green"))
  (import "colour" (type $colour (eq $colour')))
  (type $rights' (flags "read" "write"))
  (import "rights" (type $rights (eq $rights')))
  (type $everything' (record
    (field "yes" bool) (field "tiny" u8) (field "small" s16) (field "middle" s32) (field "large" u64) (field "signed" s64)
    (field "single" f32) (field "double" f64) (field "letter" char) (field "text" string) (field "bytes" (list u8))
    (field "numbers" (list u32)) (field "maybe" (option string)) (field "perhaps" (option (option u8)))
    (field "outcome" (result u32 (error string))) (field "done" (result)) (field "pair" (tuple string u8))
    (field "shape" $shape) (field "colour" $colour) (field "rights" $rights)))
  (import "everything" (type $everything (eq $everything')))
  (func (export "echo") (param "value" $everything) (result $everything)
    (canon lift (core func $core "echo") (memory $memory) (realloc $realloc))))"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_type_goes_there_and_back() {
    let plant = Plant::start();
    let echo = plant.upload_text(ECHO).await;

    let mut other = everything();
    other.as_object_mut().unwrap().extend(
        json!({
            "yes": false, "tiny": 255, "small": -32768, "large": "18446744073709551615", "signed": "-9223372036854775808",
            "single": -0.5, "double": 1e300, "letter": "🦀", "text": "quote \" and \u{0}", "bytes": "", "numbers": [], "maybe": null,
            "perhaps": {"some": null}, "outcome": {"err": "no"}, "done": {"err": null}, "shape": "nothing", "colour": "red",
            "rights": [],
        })
        .as_object()
        .unwrap()
        .clone(),
    );
    for value in [everything(), other] {
        assert_eq!(plant.call(&echo, &json!({ "value": value })).await, success(&value));
    }
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_can_be_written_in_more_than_one_way_and_is_given_back_in_one() {
    let plant = Plant::start();
    let echo = plant.upload_text(ECHO).await;
    let mut given = everything();
    let members = given.as_object_mut().unwrap();
    members.remove("maybe");
    members.extend(json!({"large": "7", "tiny": 7.0, "double": 1, "rights": ["write", "write"]}).as_object().unwrap().clone());

    let Outcome::Success(Answer::Json(answer)) = plant.call(&echo, &json!({ "value": given })).await else { panic!() };

    let answer = answer.to_value();
    assert_eq!(answer["maybe"], Value::Null);
    assert_eq!(answer["large"], json!(7));
    assert_eq!(answer["tiny"], json!(7));
    assert_eq!(answer["double"], json!(1.0));
    assert_eq!(answer["rights"], json!(["write"]));
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_argument_of_another_type_is_refused_with_its_place() {
    let plant = Plant::start();
    let echo = plant.upload_text(ECHO).await;

    for (member, wrong, reason) in [
        ("yes", json!("true"), "the argument at `/value/yes` must be true or false"),
        ("tiny", json!(256), "the argument at `/value/tiny` must be an integer of 8 bits that the type can hold"),
        ("tiny", json!(1.5), "the argument at `/value/tiny` must be an integer of 8 bits that the type can hold"),
        ("tiny", json!("7"), "the argument at `/value/tiny` must be an integer of 8 bits that the type can hold"),
        ("large", json!("18446744073709551616"), "must be an integer of 64 bits that the type can hold"),
        ("large", json!(-1), "must be an integer of 64 bits that the type can hold"),
        ("single", json!(1e300), "must be a number within the range of 32 bits"),
        ("letter", json!("ab"), "must be a string of one character"),
        ("letter", json!(""), "must be a string of one character"),
        ("bytes", json!("a"), "must be bytes in base64"),
        ("bytes", json!([1, 2]), "must be a string: bytes in base64"),
        ("numbers", json!([1, -1]), "the argument at `/value/numbers/1` must be an integer"),
        ("maybe", json!(1), "the argument at `/value/maybe` must be a string"),
        ("perhaps", json!(1), "must be null or an object with one member, `some`"),
        ("perhaps", json!({"some": 300}), "the argument at `/value/perhaps/some` must be an integer"),
        ("outcome", json!({"ok": 1, "err": "a"}), "must be an object with one member, `ok` or `err`"),
        ("outcome", json!({"fine": 1}), "must be an object with one member, `ok` or `err`"),
        ("done", json!({"ok": 1}), "the argument at `/value/done/ok` must be null"),
        ("pair", json!(["a"]), "must be an array of 2 items"),
        ("shape", json!("square"), "must be one of nothing, circle, named"),
        ("shape", json!("circle"), "names a case that has a value"),
        ("shape", json!({"nothing": null}), "names a case that has no value"),
        ("shape", json!({"circle": "a"}), "the argument at `/value/shape/circle` must be a number"),
        ("colour", json!("Red"), "must be one of red, dark-green"),
        ("rights", json!(["read", "own"]), "the argument at `/value/rights/1` must be one of read, write"),
        ("a/b~", json!(1), "the argument at `/value/a~1b~0` is not known"),
    ] {
        let mut value = everything();
        value.as_object_mut().unwrap().insert(member.to_owned(), wrong.clone());
        let message = failure(plant.call(&echo, &json!({ "value": value })).await, "InvalidArguments");
        assert!(message.contains(reason), "{wrong}: {message}");
    }
    let mut value = everything();
    value.as_object_mut().unwrap().remove("text");
    let message = failure(plant.call(&echo, &json!({ "value": value })).await, "InvalidArguments");
    assert_eq!(message, "the argument at `/value/text` is missing");
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_and_results_take_no_more_memory_than_they_may() {
    let plant = Plant::start();
    let echo = plant.upload_text(ECHO).await;
    let mut value = everything();

    // As values, a byte takes some forty bytes.
    value["bytes"] = "A".repeat(4 << 20).into();
    let message = failure(plant.call(&echo, &json!({ "value": value })).await, "InvalidArguments");
    assert!(message.contains("take more than 33554432 bytes of memory"), "{message}");

    // Every value is one byte of JSON at least: this many are too long a result before they are written.
    value["bytes"] = "".into();
    value["numbers"] = vec![1; 200_000].into();
    let outcome = plant.call(&echo, &json!({ "value": value })).await;
    let Outcome::LimitExceeded(limit) = outcome else { panic!("{outcome:?}") };
    assert_eq!(limit.limit.as_str(), "output_bytes_max");

    value["numbers"] = vec![100_000; 20_000].into();
    let outcome = plant.call(&echo, &json!({ "value": value })).await;
    let Outcome::LimitExceeded(limit) = outcome else { panic!("{outcome:?}") };
    assert_eq!((limit.limit.as_str(), limit.value), ("output_bytes_max", 100_000));
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_says_what_each_type_takes() {
    let plant = Plant::start();
    let echo = plant.upload_text(ECHO).await;

    let interface = &echo.first().interface;
    let input = Value::Object(interface.input.clone());
    let value = &input["properties"]["value"]["properties"];
    assert_eq!(echo.first().export.as_deref(), Some("echo"));
    assert_eq!(input["required"], json!(["value"]));
    assert_eq!(input["additionalProperties"], json!(false));
    assert_eq!(value["tiny"], json!({"type": "integer", "minimum": 0, "maximum": 255}));
    assert_eq!(
        value["large"],
        json!({"type": ["integer", "string"], "minimum": 0, "maximum": u64::MAX, "pattern": "^[0-9]{1,20}$"})
    );
    assert_eq!(value["double"], json!({"type": "number"}));
    assert_eq!(value["letter"], json!({"type": "string", "minLength": 1, "maxLength": 1}));
    assert_eq!(value["bytes"], json!({"type": "string", "contentEncoding": "base64"}));
    assert_eq!(value["maybe"], json!({"anyOf": [{"type": "string"}, {"type": "null"}]}));
    assert_eq!(value["colour"], json!({"enum": ["red", "dark-green"]}));
    assert_eq!(value["rights"], json!({"type": "array", "items": {"enum": ["read", "write"]}, "uniqueItems": true}));
    assert_eq!(value["shape"]["oneOf"][0], json!({"enum": ["nothing"]}));
    assert_eq!(value["shape"]["oneOf"][1]["required"], json!(["circle"]));
    assert_eq!(value["pair"]["prefixItems"][1]["maximum"], json!(255));
    let required = input["properties"]["value"]["required"].as_array().unwrap();
    assert!(required.contains(&json!("text")) && !required.contains(&json!("maybe")) && !required.contains(&json!("perhaps")));
    let output = Value::Object(interface.output.clone().unwrap());
    assert_eq!(output["type"], json!("object"));
    assert!(output["required"].as_array().unwrap().contains(&json!("maybe")));
    assert_eq!(output["properties"]["double"]["anyOf"][1], json!({"enum": ["NaN", "Infinity", "-Infinity"]}));
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_json_does_not_have_are_named() {
    let plant = Plant::start();
    let divide = plant
        .upload_text(
            r#"(component
              (core module $Module (func (export "divide") (param f64 f64) (result f64) (f64.div (local.get 0) (local.get 1))))
              (core instance $core (instantiate $Module))
              (func (export "divide") (param "a" f64) (param "b" f64) (result f64) (canon lift (core func $core "divide"))))"#,
        )
        .await;

    for (a, b, quotient) in [(1, 0, json!("Infinity")), (-1, 0, json!("-Infinity")), (0, 0, json!("NaN")), (1, 4, json!(0.25))] {
        assert_eq!(plant.call(&divide, &json!({"a": a, "b": b})).await, success(&json!({ "result": quotient })));
    }
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_of_a_result_is_the_tools_own_failure() {
    let plant = Plant::start();
    let check = fallible(&plant).await;

    assert_eq!(plant.call(&check, &json!({"good": true})).await, success(&json!({"result": 7})));
    assert_eq!(failure(plant.call(&check, &json!({"good": false})).await, "ToolError"), "no such thing");
    assert_eq!(Value::Object(check.first().interface.output.clone().unwrap())["required"], json!(["result"]));
    plant.end().await;
}

async fn fallible(plant: &Plant) -> Uploaded {
    plant
        .upload_text(
            r#"(component
              (core module $Module
                (memory (export "memory") 1)
                (data (i32.const 64) "no such thing")
                (func (export "check") (param $good i32) (result i32)
                  (i32.store8 (i32.const 16) (i32.eqz (local.get $good)))
                  (i32.store (i32.const 20) (select (i32.const 7) (i32.const 64) (local.get $good)))
                  (i32.store (i32.const 24) (i32.const 13))
                  (i32.const 16)))
              (core instance $core (instantiate $Module))
              (alias core export $core "memory" (core memory $memory))
              (func (export "check") (param "good" bool) (result (result u32 (error string)))
                (canon lift (core func $core "check") (memory $memory))))"#,
        )
        .await
}

fn everything() -> Value {
    json!({
        "yes": true, "tiny": 7, "small": -7, "middle": 70000, "large": 9_007_199_254_740_991_u64, "signed": -5, "single": 0.5,
        "double": 0.1, "letter": "é", "text": "Grüße", "bytes": "AAEC/w==", "numbers": [1, 4_294_967_295_u32], "maybe": "yes",
        "perhaps": {"some": 3}, "outcome": {"ok": 9}, "done": {"ok": null}, "pair": ["a", 1], "shape": {"circle": 1.5},
        "colour": "dark-green", "rights": ["read", "write"],
    })
}

fn success(value: &Value) -> Outcome {
    Outcome::Success(Answer::from(value.clone()))
}

fn failure(outcome: Outcome, name: &str) -> String {
    let Outcome::ToolError(failure) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.name, name, "{failure:?}");
    failure.message
}
