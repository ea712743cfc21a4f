//! Components that ask their clients: with our own functions alone as tools in JavaScript do; what has used WASI is not run again.

use std::{collections::BTreeMap, time::Duration};

use compiler::{BuildRequest, ModuleBounds};
use domain::{Abilities, CustomerId, Digest, Journal, Language, Outcome, QuestionAnswer, VersionId};
use sandbox::{Invoked, LiveQuestions, Questions, Recording, Replay};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::plant::{Plant, Uploaded};

const SOURCE: &str = r#"
import { tool } from "toolwright";

export default tool({
  name: "asks",
  description: "Asks for the roots",
  input: { type: "object" },
  async run(input, ctx) {
    const before = [Math.random(), Date.now(), crypto.randomUUID()].join();
    console.log(before);
    const roots = await ctx.roots();
    return { before, roots };
  },
});
"#;

/// Asks for the roots, and looks at WASI's clock: with 1 before the question, with 2 while it waits, with 3 after its answer, otherwise never.
const WITH_WASI: &str = r#"(component
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
  (import "toolwright:tool/host@0.1.0" (instance $host
    (export "start" (func (param "operation" string) (result (result u32 (error string)))))
    (export "wait" (func (result (tuple u32 (result string (error string))))))))
  (core module $Memory
    (memory (export "memory") 4)
    (data (i32.const 1024) "{\"op\":\"ask\",\"kind\":\"roots\",\"params\":{}}")
    (global $next (mut i32) (i32.const 32768))
    (func (export "realloc") (param i32 i32 i32) (param $bytes i32) (result i32)
      (global.get $next)
      (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get $bytes)) (i32.const 7)) (i32.const -8)))))
  (core instance $memory (instantiate $Memory))
  (alias core export $memory "memory" (core memory $bytes))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $now (canon lower (func $clock "now")))
  (core func $start (canon lower (func $host "start") (memory $bytes) (realloc $realloc)))
  (core func $wait (canon lower (func $host "wait") (memory $bytes) (realloc $realloc)))
  (core module $Main
    (import "" "now" (func $now (result i64)))
    (import "" "start" (func $start (param i32 i32 i32)))
    (import "" "wait" (func $wait (param i32)))
    (func (export "ask") (param $when i32) (result i32)
      (if (i32.eq (local.get $when) (i32.const 1)) (then (drop (call $now))))
      (call $start (i32.const 1024) (i32.const 39) (i32.const 256))
      (if (i32.eq (local.get $when) (i32.const 2)) (then (drop (call $now))))
      (call $wait (i32.const 300))
      (if (i32.eq (local.get $when) (i32.const 3)) (then (drop (call $now))))
      (i32.const 304)))
  (core instance $main (instantiate $Main (with "" (instance
    (export "now" (func $now)) (export "start" (func $start)) (export "wait" (func $wait))))))
  (func $ask (param "when" u32) (result (result string (error string)))
    (canon lift (core func $main "ask") (memory $bytes) (realloc $realloc)))
  (export "ask" (func $ask)))"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_our_world_asks_as_a_tool_in_javascript_does() {
    let plant = Plant::start();
    let request = BuildRequest {
        customer: CustomerId::new(),
        language: Language::JavaScript,
        source: SOURCE.to_owned(),
        artifact_bytes_max: 8 << 20,
        modules: ModuleBounds::none(),
    };
    let built = plant.workers.build(request).await.unwrap();
    let uploaded = plant.upload(plant.workers.portable(CustomerId::new(), built.artifact).await.unwrap()).await;

    let first = recorded(&plant, &uploaded, "asks", &json!({}), None).await;
    let journal = first.journal.clone().unwrap();
    let second = recorded(&plant, &uploaded, "asks", &json!({}), Some(&journal)).await;
    let lived = live(&plant, &uploaded, "asks", &json!({})).await;

    let before = &first.log[0].message;
    assert_eq!(value_of(&second), json!({"before": before, "roots": [{"uri": "file:///a"}]}));
    assert!(second.log.is_empty(), "{:?}", second.log);
    assert_eq!(value_of(&lived)["roots"], json!([{"uri": "file:///a"}]));
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_has_used_wasi_cannot_be_run_again() {
    let plant = Plant::start();
    let uploaded = plant.upload_text(WITH_WASI).await;
    let asked = json!({"result": json!({"roots": [{"uri": "file:///a"}]}).to_string()});

    for when in [1, 2] {
        let invoked = recorded(&plant, &uploaded, "ask", &json!({ "when": when }), None).await;
        let Outcome::ToolError(failure) = &invoked.outcome else { panic!("{when}: {:?}", invoked.outcome) };
        assert!(failure.message.starts_with("a component that has used WASI cannot ask this client"), "{when}: {failure:?}");
    }
    for when in [0, 3] {
        let arguments = json!({ "when": when });
        let first = recorded(&plant, &uploaded, "ask", &arguments, None).await;
        let second = recorded(&plant, &uploaded, "ask", &arguments, first.journal.as_deref()).await;
        assert_eq!(value_of(&second), asked, "{when}");
    }
    for when in 0..4 {
        let invoked = live(&plant, &uploaded, "ask", &json!({ "when": when })).await;
        assert_eq!(value_of(&invoked), asked, "a client that is asked while the component waits: {when}");
    }
    plant.end().await;
}

fn answer(question: &domain::Question) -> QuestionAnswer {
    QuestionAnswer::read(question, &json!({"roots": [{"uri": "file:///a"}]})).unwrap()
}

fn value_of(invoked: &Invoked) -> Value {
    let Outcome::Success(answer) = &invoked.outcome else { panic!("{:?}", invoked.outcome) };
    answer.structured().unwrap().to_value()
}

/// Runs a tool of the component from its beginning, or over a journal, whose questions are answered.
async fn recorded(plant: &Plant, uploaded: &Uploaded, name: &str, arguments: &Value, over: Option<&Journal>) -> Invoked {
    let replay = over.map(|journal| {
        let answers = journal.suspended.questions.iter().map(|open| (open.key.clone(), answer(&open.question))).collect();
        Replay { journal: journal.clone(), answers }
    });
    let version = VersionId::from_uuid("018f0000-0000-7000-8000-000000000001".parse().unwrap());
    let recording = Recording { version, environment: Digest::of(b""), can: Abilities::all(), ahead: BTreeMap::new(), replay };
    plant.invoke_within(uploaded, name, arguments, |call| call.questions = Questions::Recorded(Box::new(recording))).await
}

async fn live(plant: &Plant, uploaded: &Uploaded, name: &str, arguments: &Value) -> Invoked {
    let (asked, mut questions) = mpsc::channel(1);
    let live = LiveQuestions { asked, can: Abilities::all(), wait_max: Duration::from_secs(10) };
    let calling = plant.invoke_within(uploaded, name, arguments, |call| call.questions = Questions::Live(live));
    let (invoked, ()) = tokio::join!(calling, async {
        while let Some(asked) = questions.recv().await {
            let answer = answer(&asked.question);
            asked.answer.send(Ok(answer)).unwrap();
        }
    });
    invoked
}
