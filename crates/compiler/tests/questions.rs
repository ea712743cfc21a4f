//! Tools in JavaScript that ask their clients, built by a worker and run in the sandbox: recorded, and run again over their journals.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test's helper cannot do fails the test")]

#[path = "questions/lab.rs"]
mod lab;
#[path = "questions/upstream.rs"]
mod upstream;

use std::time::Duration;

use domain::{Outcome, Question, QuestionAnswer};
use sandbox::{Asked, Invoked};
use serde_json::{Value, json};

use crate::{lab::Lab, upstream::Upstream};

/// What each question of these tests is, but for its message.
const CONFIRM: &str = r#"const confirm = (message) => ctx.elicit({ message, schema: { type: "object", properties: { yes: { type: "boolean" } }, required: ["yes"] } });"#;

fn yes(question: &Question) -> QuestionAnswer {
    QuestionAnswer::read(question, &json!({"action": "accept", "content": {"yes": true}})).unwrap()
}

fn result_of(invoked: &Invoked) -> Value {
    match &invoked.outcome {
        Outcome::Success(answer) => answer.structured().unwrap().to_value(),
        other => panic!("{other:?}, {:?}", invoked.log),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_before_a_question_is_sent_exactly_once() {
    let (lab, upstream) = (Lab::start(), Upstream::start().await);
    let tool = lab
        .build(&format!(
            r#"{CONFIRM}
            const order = await fetch("{0}/order", {{ method: "POST", body: JSON.stringify({{ item: 7, at: Date.now(), id: crypto.randomUUID() }}) }});
            const {{ number }} = await order.json();
            const {{ action, content }} = await confirm(`Pay for order ${{number}}?`);
            const paid = content?.yes ? await (await fetch("{0}/pay", {{ method: "POST", body: `${{number}}` }})).json() : null;
            return {{ number, action, paid }};"#,
            upstream.url()
        ))
        .await;

    let (runs, invoked) = lab.run_to_the_end(&tool, &upstream, yes).await;

    assert_eq!(result_of(&invoked), json!({"number": 1, "action": "accept", "paid": {"number": 2}}));
    assert_eq!(runs, 2);
    let paths: Vec<_> = upstream.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/order", "/pay"], "each exactly once over all runs");
    lab.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn side_effects_beside_and_between_questions_happen_exactly_once() {
    let (lab, upstream) = (Lab::start(), Upstream::start().await);
    let tool = lab
        .build(&format!(
            r#"{CONFIRM}
            const send = async (name) => (await (await fetch(`{0}/${{name}}`, {{ method: "POST", body: name }})).json()).number;
            const seen = [];
            for (const round of ["a", "b", "c"]) {{
              const [first, answer, second] = await Promise.all([send(`${{round}}1`), confirm(round), send(`${{round}}2`)]);
              seen.push(typeof first, answer.action, typeof second);
            }}
            const both = await Promise.all([confirm("d"), ctx.roots(), confirm("e")]);
            await send("end");
            return [seen.join(), both.length];"#,
            upstream.url()
        ))
        .await;

    let (runs, invoked) = lab
        .run_to_the_end(&tool, &upstream, |question| match question.kind() {
            domain::QuestionKind::Roots => QuestionAnswer::read(question, &json!({"roots": []})).unwrap(),
            _ => yes(question),
        })
        .await;

    assert_eq!(result_of(&invoked), json!(["number,accept,number,number,accept,number,number,accept,number", 3]));
    assert_eq!(runs, 5, "three questions one after the other, then three at once");
    let mut paths: Vec<_> = upstream.requests().into_iter().map(|request| request.path).collect();
    paths.sort();
    assert_eq!(paths, ["/a1", "/a2", "/b1", "/b2", "/c1", "/c2", "/end"]);
    lab.end().await;
}

/// Each is a JavaScript expression that would differ from run to run.
const UNSTEADY: &[&str] = &[
    "Date.now()",
    "new Date().toISOString()",
    "performance.now()",
    "Math.random()",
    "crypto.randomUUID()",
    "Array.from(crypto.getRandomValues(new Uint8Array(16))).join()",
    "ctx.env('CITY')",
    "ctx.secret('KEY')",
    "Array.from(await ctx.hmac('SHA-256', 'KEY', 'data')).join()",
    "Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array([1])))).join()",
    // Which of several timers and requests is first.
    "await (async () => { const order = []; const wait = (ms) => new Promise((done) => setTimeout(done, ms)).then(() => order.push(ms));
      await Promise.all([wait(9), wait(3), wait(6), wait(0), Promise.resolve().then(() => order.push('job'))]); return order.join(); })()",
    "await (async () => { const order = []; const get = async (name) => { const r = await fetch(`${base}/race/${name}`); order.push(name, (await r.json()).number); };
      await Promise.all(['a', 'b', 'c', 'd', 'e'].map(get)); return order.join(); })()",
    // What the collector of cycles does, and when: bodies that nobody reads are closed by it.
    "await (async () => { const gone = []; const registry = new FinalizationRegistry((name) => gone.push(name)); let weak = [];
      for (let round = 0; round < 30; round += 1) { if (round % 10 === 0) await fetch(`${base}/unread/${round}`);
        const cycle = { fill: new Array(20000).fill(round) }; cycle.self = cycle; registry.register(cycle, round); weak.push(new WeakRef(cycle)); await null; }
      return [gone.join('.'), weak.filter((ref) => ref.deref() === undefined).length].join(); })()",
    "new Error('x').stack.length",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_could_differ_between_runs_does_not() {
    let (lab, upstream) = (Lab::start(), Upstream::start().await);
    let all = UNSTEADY.join(",\n");
    // The first run tells the upstream what it saw, and all further ones see the same; after the question things are new.
    let tool = lab
        .build(&format!(
            r#"{CONFIRM}
            const base = "{}";
            const look = async () => [{all}];
            const before = await look();
            await fetch(`${{base}}/before`, {{ method: "POST", headers: {{ "content-type": "application/json" }}, body: JSON.stringify(before) }});
            await confirm("one");
            await confirm("two");
            const after = [Date.now(), Math.random(), crypto.randomUUID()];
            return {{ before, after }};"#,
            upstream.url()
        ))
        .await;

    let (runs, invoked) = lab.run_to_the_end(&tool, &upstream, yes).await;

    let result = result_of(&invoked);
    assert_eq!(runs, 3);
    let told = upstream.requests().into_iter().filter(|request| request.path == "/before").map(|request| request.body);
    let [told] = told.collect::<Vec<_>>().try_into().unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    for (number, expression) in UNSTEADY.iter().enumerate() {
        // The upstream got the secret in the place of its word.
        if *expression != "ctx.secret('KEY')" {
            assert_eq!(result["before"][number], told[number], "{expression}");
        }
        assert!(!told[number].is_null(), "{expression}");
    }
    let collected = UNSTEADY.iter().position(|expression| expression.contains("FinalizationRegistry")).unwrap();
    let collected = result["before"][collected].as_str().unwrap();
    assert!(!collected.starts_with(',') && !collected.ends_with(",0"), "the collector ran: {collected}");
    assert!(result["after"][0].as_f64() > result["before"][0].as_f64(), "the time after the question is its own");
    assert_ne!(result["after"][1], result["before"][3]);
    lab.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_beside_a_question_does_not_keep_it_from_being_asked() {
    let (lab, upstream) = (Lab::start(), Upstream::start().await);
    let tool = lab
        .build(&format!(
            r#"{CONFIRM}
            let ticks = 0;
            const timer = setInterval(() => {{ ticks += 1; }}, 200);
            const late = new Promise((done) => setTimeout(() => done("late"), 60000));
            const answer = await Promise.race([confirm("now"), late]);
            clearInterval(timer);
            return [answer.action, ticks];"#
        ))
        .await;

    let (runs, invoked) = lab.run_to_the_end(&tool, &upstream, yes).await;

    assert_eq!((runs, result_of(&invoked)), (2, json!(["accept", 0])));
    lab.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_can_be_caught_and_lines_are_logged_once() {
    let (lab, upstream) = (Lab::start(), Upstream::start().await);
    let tool = lab
        .build(&format!(
            r#"{CONFIRM}
            console.log("first");
            const said = await ctx.sample({{ messages: "hi", maxTokens: 5 }}).catch((error) => `${{error.name}}: ${{error.message}}`);
            await confirm("really");
            console.log("second");
            return said;"#
        ))
        .await;
    let can = domain::Abilities::default().with(domain::Ability::Form);

    let (runs, invoked) = lab.run_with(&tool, &upstream, can, yes).await;

    assert_eq!(runs, 2);
    assert_eq!(
        result_of(&invoked),
        json!("ToolError: the client cannot be asked this: it has not declared the capability `sampling`")
    );
    let lines: Vec<_> = invoked.log.iter().map(|line| line.message.as_str()).collect();
    assert_eq!((lines, invoked.receipt.log_lines), (vec!["second"], 2));
    lab.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_question_stops_the_clock_for_the_tool_and_for_its_requests() {
    let (lab, upstream) = (Lab::start(), Upstream::start().await);
    let tool = lab
        .build(&format!(
            r#"{CONFIRM}
            const one = await (await fetch("{0}/one")).json();
            const {{ action }} = await confirm("go on?");
            const two = await (await fetch("{0}/two")).json();
            return [one.number, action, two.number];"#,
            upstream.url()
        ))
        .await;

    let (invoked, asked) = lab
        .run_live(&tool, &upstream, Duration::from_millis(700), async |asked: Asked| {
            // Longer than the call may take.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let answer = yes(&asked.question);
            asked.answer.send(Ok(answer)).unwrap();
        })
        .await;

    assert_eq!((result_of(&invoked), asked), (json!([1, "accept", 2]), 1));
    assert!(invoked.receipt.wall_us < 700_000, "{}", invoked.receipt.wall_us);
    lab.end().await;
}
