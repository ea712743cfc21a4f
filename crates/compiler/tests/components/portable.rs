//! A tool in JavaScript, given out as a component and taken again.

use std::{collections::BTreeMap, sync::Arc};

use compiler::{BuildRequest, Built};
use domain::{Answer, CustomerId, Digest, Language, Outcome};
use sandbox::{Entry, Invocation, Invoked, ToolForm};
use serde_json::{Value, json};

use crate::plant::{Plant, Uploaded, invocation};

const SOURCE: &str = r#"
import { tool, ToolError } from "toolwright";

const table = Array.from({ length: 50 }, (_, index) => index * index);

export default tool({
  name: "squares",
  title: "Squares",
  description: "Looks a square up",
  input: { type: "object", properties: { of: { type: "integer" } }, required: ["of"] },
  output: { type: "object", properties: { square: { type: "integer" } }, required: ["square"] },
  annotations: { readOnlyHint: true },
  async run({ of }, ctx) {
    console.log(`asked for ${of}`);
    if (of === 13) return [ctx.text("thirteen"), ctx.text("brings bad luck")];
    if (of === 14) return { square: await new Promise((settle) => setTimeout(() => settle(ctx.env("ANSWER") ?? 196), 5)) };
    if (of >= table.length) throw new ToolError("too large");
    return { square: table[of] };
  },
});
"#;

const PROMPT: &str = r#"
import { prompt } from "toolwright";

export default prompt({
  name: "paint",
  description: "Paints a wall",
  arguments: [{ name: "colour", required: true }],
  complete: { colour: (value: string) => ["red", "rose", "blue"].filter((name) => name.startsWith(value)) },
  run: ({ colour }) => `Paint the wall ${colour}.`,
});
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_was_given_out_behaves_as_it_did() {
    let plant = Plant::start();
    let built = build(&plant, SOURCE).await;

    let component = plant.workers.portable(CustomerId::new(), built.artifact.clone()).await.unwrap();
    let uploaded = plant.upload(component).await;

    assert_eq!(uploaded.inspected.offers.len(), 1);
    assert_eq!(uploaded.first().export, None);
    assert_eq!(uploaded.first().interface, built.interface);
    for of in [7, 13, 14, 99] {
        let (here, there) =
            (call(&plant, &built, &json!({ "of": of })).await, elsewhere(&plant, &uploaded, &json!({ "of": of })).await);
        assert_eq!(here.outcome, there.outcome, "{of}");
        let messages = |invoked: &Invoked| invoked.log.iter().map(|line| line.message.clone()).collect::<Vec<_>>();
        assert_eq!(messages(&here), messages(&there), "{of}");
    }
    let seven = elsewhere(&plant, &uploaded, &json!({"of": 7})).await.outcome;
    assert_eq!(seven, Outcome::Success(Answer::from(json!({"square": 49}))));
    let Outcome::ToolError(failure) = elsewhere(&plant, &uploaded, &json!({"of": 99})).await.outcome else { panic!() };
    assert_eq!((failure.message.as_str(), failure.line), ("too large", Some(17)));
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_was_given_out_completes_as_it_did() {
    let plant = Plant::start();
    let built = build(&plant, PROMPT).await;
    let component = plant.workers.portable(CustomerId::new(), built.artifact.clone()).await.unwrap();
    let uploaded = plant.upload(component).await;
    let request = json!({"argument": {"name": "colour", "value": "r"}, "context": {"arguments": {}}});

    let here = call_as(&plant, &built, Entry::Complete, &request).await.outcome;
    let there = plant.invoke_within(&uploaded, "paint", &request, |call| call.entry = Entry::Complete).await.outcome;

    let Outcome::Success(Answer::Json(values)) = &here else { panic!("{here:?}") };
    assert_eq!(values.to_value()["values"], json!(["red", "rose"]));
    assert_eq!(here, there);
    assert_eq!(uploaded.first().interface, built.interface);
    plant.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_artifact_of_ours_is_not_given_out() {
    let plant = Plant::start();

    let with_code =
        wat::parse_str("(module (memory (export \"memory\") 1) (data (i32.const 0) \"a\") (func (export \"run\")))").unwrap();
    for forged in [Vec::new(), b"\x7fELF".to_vec(), with_code] {
        assert!(plant.workers.portable(CustomerId::new(), forged).await.is_err());
    }
    plant.end().await;
}

async fn build(plant: &Plant, source: &str) -> Built {
    let request = BuildRequest {
        customer: CustomerId::new(),
        language: Language::TypeScript,
        source: source.to_owned(),
        artifact_bytes_max: 8 << 20,
        modules: compiler::ModuleBounds::none(),
    };
    plant.workers.build(request).await.unwrap()
}

async fn call(plant: &Plant, built: &Built, arguments: &Value) -> Invoked {
    call_as(plant, built, Entry::Call, arguments).await
}

async fn call_as(plant: &Plant, built: &Built, entry: Entry, arguments: &Value) -> Invoked {
    let digest = Digest::of(&built.artifact);
    let native = built.native.clone();
    let tool = plant
        .sandbox
        .load(CustomerId::new(), digest, &ToolForm::JavaScript, async { Ok::<_, std::io::Error>(native) })
        .await
        .unwrap();
    plant.sandbox.invoke(&tool, Invocation { entry, ..with_environment(invocation(digest, arguments)) }).await.unwrap()
}

async fn elsewhere(plant: &Plant, uploaded: &Uploaded, arguments: &Value) -> Invoked {
    plant.invoke_within(uploaded, "squares", arguments, |call| *call = with_environment(call.clone())).await
}

fn with_environment(call: Invocation) -> Invocation {
    let environment = BTreeMap::from([("ANSWER".parse().unwrap(), "42".parse().unwrap())]);
    Invocation { environment: Arc::new(environment), ..call }
}
