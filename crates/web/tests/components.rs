//! `PUT /api/v1/servers/{slug}/tools` and `.../tools/{name}` with a component, and `.../tools/{name}/component`

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use insta::assert_snapshot;
use serde_json::json;
use sqlx::PgPool;

use crate::client::{Answer, Client, Doors, GREET};

const TOOLS: &str = "/api/v1/servers/weather/tools";

/// `double: func(n: u32) -> u32` and `is-odd: func(n: u32) -> bool`.
const NUMBERS: &str = r#"
(component
  (core module $code
    (func (export "double") (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))
    (func (export "odd") (param i32) (result i32) (i32.and (local.get 0) (i32.const 1))))
  (core instance $instance (instantiate $code))
  (func (export "double") (param "n" u32) (result u32) (canon lift (core func $instance "double")))
  (func (export "is-odd") (param "n" u32) (result bool) (canon lift (core func $instance "odd"))))
"#;

#[sqlx::test(migrations = "../../migrations")]
async fn a_component_becomes_a_tool_and_is_revised(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;

    let built = upload(&customer, &format!("{TOOLS}/twice?export=double&title=Twice"), NUMBERS).await;
    let revision = json!({ "language": "component", "interface": { "description": "Doubles." }, "grants": { "env": ["UNITS"] } });
    let revised = customer.put(&format!("{TOOLS}/twice"), revision).await;
    let tried = customer.post(&format!("{TOOLS}/twice/try"), json!({ "arguments": { "n": 4 } })).await.json();

    assert_snapshot!(built, @r#"
    201 Created
    {
      "build_ms": "[number]",
      "digest": "[digest]",
      "interface": {
        "description": "The function `double` of an uploaded component, which does not say what it does.",
        "input": {
          "additionalProperties": false,
          "properties": {
            "n": {
              "maximum": 4294967295,
              "minimum": 0,
              "type": "integer"
            }
          },
          "required": [
            "n"
          ],
          "type": "object"
        },
        "name": "twice",
        "offer": {
          "kind": "tool"
        },
        "output": {
          "additionalProperties": false,
          "properties": {
            "result": {
              "maximum": 4294967295,
              "minimum": 0,
              "type": "integer"
            }
          },
          "required": [
            "result"
          ],
          "type": "object"
        },
        "title": "Twice"
      },
      "version_id": "[id]"
    }
    "#);
    assert_eq!(revised.status, StatusCode::CREATED, "{revised}");
    assert_eq!(revised.json()["interface"]["description"], "Doubles.");
    assert_eq!((&tried["status"], &tried["result"]), (&json!("success"), &json!({ "result": 8 })));
    let version = format!("{TOOLS}/twice/versions/{}", revised.json()["version_id"].as_str().unwrap());
    let version = customer.get(&version).await.json();
    assert_eq!(
        (&version["language"], &version["export"], &version["source"]),
        (&json!("component"), &json!("double"), &json!(null))
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn each_function_of_a_component_becomes_a_tool(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;

    let built = upload(&customer, &format!("{TOOLS}?prefix=num_"), NUMBERS).await;

    assert_eq!(built.status, StatusCode::CREATED, "{built}");
    let versions = built.json()["versions"].as_array().unwrap().clone();
    let names: Vec<_> = versions.iter().map(|version| version["interface"]["name"].clone()).collect();
    assert_eq!(names, ["num_double", "num_is_odd"]);
    assert_eq!(customer.get(TOOLS).await.json()["items"].as_array().unwrap().len(), 2);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_tool_is_downloaded_as_a_component(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    customer.put_greet().await;
    let path = format!("{TOOLS}/greet/component");

    let response = customer.open(Request::get(&path).body(Body::empty()).unwrap()).await;
    let (parts, body) = response.into_parts();
    let component = body.collect().await.unwrap().to_bytes();
    let etag = parts.headers[header::ETAG].clone();
    let again =
        customer.send_request(Request::get(&path).header(header::IF_NONE_MATCH, &etag).body(Body::empty()).unwrap()).await;

    assert_eq!(parts.status, StatusCode::OK);
    assert_eq!(parts.headers[header::CONTENT_TYPE], "application/wasm");
    assert_eq!(parts.headers[header::CONTENT_DISPOSITION], "attachment; filename=\"greet.wasm\"");
    assert_eq!(component.get(..8), Some(&b"\0asm\x0d\0\x01\0"[..]));
    assert_eq!((again.status, again.text.as_str(), again.header("etag")), (StatusCode::NOT_MODIFIED, "", etag.to_str().unwrap()));
    let copy = upload_bytes(&customer, &format!("{TOOLS}/greet"), component.to_vec()).await;
    assert_eq!(copy.status, StatusCode::CREATED, "{copy}");
    let tried = customer.post(&format!("{TOOLS}/greet/try"), json!({ "arguments": { "name": "Ada" } })).await.json();
    assert_eq!(tried["result"], json!({ "text": "Hello, Ada!" }));
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_cannot_be_right_is_told(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let twice = format!("{TOOLS}/twice");

    let no_component = upload_bytes(&customer, &twice, b"hello".to_vec()).await;
    let no_grants = upload(&customer, &format!("{twice}?grants=none"), NUMBERS).await;
    let unknown = upload(&customer, &format!("{twice}?exports=double"), NUMBERS).await;
    let large = upload_bytes(&customer, &twice, vec![0; 2 * 1024 * 1024 + 1]).await;
    let json = customer.put(TOOLS, json!({})).await;
    let queried = customer.put(&format!("{twice}?export=double"), json!({ "language": "typescript", "source": GREET })).await;
    let sourceless = customer.put(&twice, json!({ "language": "typescript" })).await;
    let in_json = customer.put(&twice, json!({ "language": "component", "source": "AGFzbQ==" })).await;

    for (answer, status, code, message) in [
        (no_component, 422, "build_failed", "this is not a WebAssembly component"),
        (no_grants, 422, "invalid", "`grants` in the query are not right"),
        (unknown, 422, "invalid", "unknown field `exports`"),
        (large, 422, "limit_reached", "(artifact_bytes_max) of tier `free`"),
        (json, 415, "unsupported_media_type", "Content-Type: application/wasm"),
        (queried, 422, "invalid", "what is said of a source stands in its body"),
        (sourceless, 422, "invalid", "`source` is missing"),
        (in_json, 422, "invalid", "Content-Type: application/wasm"),
    ] {
        assert_eq!((answer.status.as_u16(), &answer.json()["error_code"]), (status, &json!(code)), "{answer}");
        assert!(answer.json()["message"].as_str().unwrap().contains(message), "{answer}");
    }
}

/// What the headers say is looked at before anything is taken or counted.
#[sqlx::test(migrations = "../../migrations")]
async fn what_is_declared_wrong_costs_no_build(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let customer = doors.customer_with_server().await;
    let of_nobody = "/api/v1/servers/unknown/tools";
    let declared = |bytes: usize| {
        let request = Request::put(TOOLS).header(header::CONTENT_TYPE, "application/wasm");
        request.header(header::CONTENT_LENGTH, bytes).body(Body::empty()).unwrap()
    };

    let json = customer.put(of_nobody, json!({})).await;
    // More than a customer of the tier may build in an hour.
    for _ in 0..200 {
        let large = customer.send_request(declared(2 * 1024 * 1024 + 1)).await;
        assert_eq!(large.json()["error_code"], "limit_reached", "{large}");
    }

    assert_eq!(json.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{json}");
}

async fn upload(customer: &Client, path: &str, text: &str) -> Answer {
    upload_bytes(customer, path, wat::parse_str(text).unwrap()).await
}

async fn upload_bytes(customer: &Client, path: &str, component: Vec<u8>) -> Answer {
    let request = Request::builder().method(Method::PUT).uri(path).header(header::CONTENT_TYPE, "application/wasm");
    customer.send_request(request.body(Body::from(component)).unwrap()).await
}
