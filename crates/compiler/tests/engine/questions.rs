//! `ctx.elicit`, `ctx.sample`, `ctx.roots`: what they make of a question, and of its answer.

use domain::QuestionKind;
use serde_json::{Value, json};

use super::machine::{Failure, Machine};

/// What a tool with this body answers if its client answers so, and what that was asked.
fn asking(
    body: &str,
    answers: impl IntoIterator<Item = Result<Value, &'static str>>,
) -> (Result<Value, Failure>, Vec<(QuestionKind, Value)>) {
    let mut machine = Machine::with_body(body);
    machine.host().answers = answers.into_iter().collect();
    let answer = machine.call(&json!({}));
    (answer, machine.host().asked.clone())
}

#[test]
fn a_form_goes_out_as_mcp_has_it_and_its_answer_comes_back() {
    let accepted = json!({"action": "accept", "content": {"city": "Oslo"}});

    let (answer, asked) = asking(
        r#"return ctx.elicit({ message: "Which city?", schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } });"#,
        [Ok(accepted.clone())],
    );

    assert_eq!(answer, Ok(accepted));
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    assert_eq!(
        asked,
        [(QuestionKind::Elicitation, json!({"mode": "form", "message": "Which city?", "requestedSchema": schema}))]
    );
}

#[test]
fn a_page_goes_out_with_its_url() {
    let (answer, asked) = asking(
        r#"return (await ctx.elicit({ message: "Sign in", url: new URL("https://a.test/in?x=1") })).action;"#,
        [Ok(json!({"action": "accept"}))],
    );

    assert_eq!(answer, Ok(json!("accept")));
    assert_eq!(
        asked,
        [(QuestionKind::Elicitation, json!({"mode": "url", "message": "Sign in", "url": "https://a.test/in?x=1"}))]
    );
}

#[test]
fn decline_and_cancel_are_answers() {
    let (answer, _) = asking(
        r#"const question = { message: "Really?", schema: { type: "object", properties: {} } };
        return [await ctx.elicit(question), await ctx.elicit(question)];"#,
        [Ok(json!({"action": "decline"})), Ok(json!({"action": "cancel"}))],
    );

    assert_eq!(answer, Ok(json!([{"action": "decline"}, {"action": "cancel"}])));
}

#[test]
fn a_model_is_asked_with_whatever_content_there_is() {
    let said = json!({"role": "assistant", "content": {"type": "text", "text": "Hello"}, "model": "m"});

    let (answer, asked) = asking(
        r#"const first = await ctx.sample({ messages: "Hi", maxTokens: 5 });
        await ctx.sample({ maxTokens: 9, systemPrompt: "Be brief", temperature: 0, stopSequences: ["."], toolChoice: { mode: "none" },
          tools: [{ name: "t", inputSchema: { type: "object" } }], modelPreferences: { hints: [{ name: "small" }], speedPriority: 1 }, metadata: { a: 1 },
          messages: [
            { role: "user", content: ["See", ctx.image(new Uint8Array([0]), "image/png"), ctx.text("this")] },
            { role: "assistant", content: { type: "tool_use", id: "1", name: "t", input: {} } },
            { role: "user", content: ctx.audio(new Uint8Array([1]), "audio/wav") },
          ] });
        return first;"#,
        [Ok(said.clone()), Ok(said.clone())],
    );

    assert_eq!(answer, Ok(said));
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(asked[0].1, json!({"messages": [{"role": "user", "content": text("Hi")}], "maxTokens": 5}));
    let expected = json!([
        {"role": "user", "content": [text("See"), {"type": "image", "data": "AA==", "mimeType": "image/png"}, text("this")]},
        {"role": "assistant", "content": {"type": "tool_use", "id": "1", "name": "t", "input": {}}},
        {"role": "user", "content": {"type": "audio", "data": "AQ==", "mimeType": "audio/wav"}}
    ]);
    assert_eq!(asked[1].1["messages"], expected);
    assert_eq!((&asked[1].1["systemPrompt"], &asked[1].1["tools"][0]["name"]), (&json!("Be brief"), &json!("t")));
}

#[test]
fn roots_come_as_a_list() {
    let (answer, asked) =
        asking("return ctx.roots({ key: 'where' });", [Ok(json!({"roots": [{"uri": "file:///a", "name": "a"}]}))]);

    assert_eq!(answer, Ok(json!([{"uri": "file:///a", "name": "a"}])));
    assert_eq!(asked, [(QuestionKind::Roots, json!({}))]);
}

#[test]
fn a_wrong_question_is_a_type_error_that_says_what_is_right() {
    let schema = "schema: { type: 'object', properties: {} }";
    for (question, reason) in [
        ("ctx.elicit()".to_owned(), "ctx.elicit needs an object like { message"),
        ("ctx.elicit('Which?')".to_owned(), "it was given 'Which?'"),
        ("ctx.elicit({ message: 'm' })".to_owned(), "ctx.elicit needs an object like"),
        ("ctx.elicit({ message: '', schema: {} })".to_owned(), "ctx.elicit needs an object like"),
        (format!("ctx.elicit({{ message: 'm', url: 'https://a.test', {schema} }})"), "ctx.elicit needs an object like"),
        (format!("ctx.elicit({{ message: 'm', {schema}, title: 't' }})"), "ctx.elicit needs an object like"),
        ("ctx.elicit({ message: 'm', schema: 'x' })".to_owned(), "the `schema` of ctx.elicit must be an object"),
        ("ctx.elicit({ message: 'm', schema: { type: 'object' } })".to_owned(), "the schema of a form must be a flat object"),
        (
            "ctx.elicit({ message: 'm', schema: { type: 'object', properties: { x: { type: 'object' } } } })".to_owned(),
            "the property `x` of the schema is not one that a form can have",
        ),
        ("ctx.elicit({ message: 'm', url: 'http://a.test' })".to_owned(), "`url` must be absolute, with https"),
        ("ctx.sample({ messages: 'm' })".to_owned(), "ctx.sample needs an object like { messages"),
        ("ctx.sample({ messages: 'm', maxTokens: '5' })".to_owned(), "ctx.sample needs an object like"),
        ("ctx.sample({ messages: 'm', maxTokens: 5, prompt: 'p' })".to_owned(), "ctx.sample knows key, messages, maxTokens"),
        ("ctx.sample({ messages: 5, maxTokens: 5 })".to_owned(), "the `messages` of ctx.sample must be a text, or a list"),
        ("ctx.sample({ messages: ['m'], maxTokens: 5 })".to_owned(), "the `messages` of ctx.sample must be a text, or a list"),
        ("ctx.sample({ messages: [{ role: 'system', content: 'm' }], maxTokens: 5 })".to_owned(), "unknown variant `system`"),
        ("ctx.sample({ messages: [{ role: 'user', content: 5 }], maxTokens: 5 })".to_owned(), "the content of message 1"),
        ("ctx.sample({ messages: 'm', maxTokens: -5 })".to_owned(), "a question to the client's model is not as it must be"),
    ] {
        let (answer, asked) = asking(&format!("return {question};"), []);

        let failure = answer.unwrap_err();
        assert_eq!(failure.name, "TypeError", "{question}: {failure:?}");
        assert!(failure.message.contains(reason), "{question}: {}", failure.message);
        assert_eq!(failure.line, 4, "{question}: {failure:?}");
        assert_eq!(asked, [], "{question}");
    }
}

#[test]
fn a_question_that_nobody_answers_is_a_tool_error_which_can_be_caught() {
    let question = "ctx.elicit({ message: 'm', schema: { type: 'object', properties: {} } })";

    let (failed, _) = asking(&format!("return {question};"), [Err("the client is gone")]);
    let (caught, _) = asking(
        &format!("try {{ await {question}; }} catch (error) {{ return [error instanceof ToolError, error.message]; }}"),
        [Err("the client is gone")],
    );

    let failed = failed.unwrap_err();
    assert_eq!((failed.name.as_str(), failed.message.as_str(), failed.line), ("ToolError", "the client is gone", 4));
    assert_eq!(caught, Ok(json!([true, "the client is gone"])));
}

#[test]
fn several_questions_are_asked_at_once() {
    let body = "const question = { message: 'm', schema: { type: 'object', properties: {} } };
        return Promise.all([ctx.elicit(question), ctx.roots(), ctx.elicit(question)]);";
    let mut machine = Machine::with_body(body);
    machine.host().answers =
        [Ok(json!({"action": "cancel"})), Ok(json!({"roots": []})), Ok(json!({"action": "decline"}))].into_iter().collect();

    let answer = machine.call(&json!({}));

    assert_eq!(answer, Ok(json!([{"action": "cancel"}, [], {"action": "decline"}])));
    let passed_us = machine.host().now_us - super::host::START_US;
    assert!((1_000_000..1_500_000).contains(&passed_us), "{passed_us}");
}
