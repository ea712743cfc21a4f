//! Resources, prompts, icons, and the completion of arguments.

use domain::ToolInterface;
use serde_json::{Value, json};

use super::machine::{Answer, Machine};

fn init(source: &str) -> (Machine, Answer) {
    let mut machine = Machine::new();
    let answer = machine.init(&format!("import {{ tool, resource, prompt }} from 'toolwright';\n{source}"));
    (machine, answer)
}

/// A machine with this module, whose interface the platform takes.
fn machine(source: &str) -> (Machine, Value) {
    let (machine, answer) = init(source);
    let interface = answer.unwrap();
    let read: ToolInterface = serde_json::from_value(interface.clone()).unwrap();
    assert_eq!(read.check(), Ok(()), "{interface}");
    (machine, interface)
}

const STATION: &str = "export default resource({ name: 'station', title: 'Station', description: 'A station', uri: 'weather://stations/{id}/{part}',
    mimeType: 'text/plain', annotations: { priority: 1 }, icons: [{ src: 'https://a.test/i.png', sizes: ['48x48'], theme: 'dark' }],
    complete: { id: (value, { arguments: { part } }) => ['oslo', 'bergen'].filter((id) => id.startsWith(value)).map((id) => part ? `${id}-${part}` : id) },
    read({ id, part }, ctx, { uri }) { return BODY; } });";

#[test]
fn a_resource_says_where_it_is_and_what_its_variables_are() {
    let (mut machine, interface) = machine(&STATION.replace("BODY", "''"));

    assert_eq!(
        interface,
        json!({
            "name": "station", "title": "Station", "description": "A station",
            "icons": [{"src": "https://a.test/i.png", "sizes": ["48x48"], "theme": "dark"}],
            "input": {"type": "object", "properties": {"id": {"type": "string"}, "part": {"type": "string"}}, "required": ["id", "part"], "additionalProperties": false},
            "offer": {"kind": "resource", "uri": "weather://stations/{id}/{part}", "mimeType": "text/plain", "annotations": {"priority": 1}},
            "completes": ["id"],
        })
    );
    assert_eq!(machine.describe(), interface);
}

#[test]
fn a_resource_gives_texts_and_bytes_at_its_uri() {
    let read = |body: &str| machine(&STATION.replace("BODY", body)).0.call(&json!({"id": "os lo", "part": "wind"}));
    let uri = "weather://stations/os%20lo/wind";

    for (body, contents) in [
        ("`${id} ${part} ${uri}`", json!([{"uri": uri, "mimeType": "text/plain", "text": format!("os lo wind {uri}")}])),
        ("new Uint8Array([1, 2, 3])", json!([{"uri": uri, "mimeType": "text/plain", "blob": "AQID"}])),
        ("Promise.resolve(new Blob(['a']))", json!([{"uri": uri, "mimeType": "text/plain", "blob": "YQ=="}])),
        ("({ mimeType: 'image/png', blob: 'AQID' })", json!([{"uri": uri, "mimeType": "image/png", "blob": "AQID"}])),
        (
            "['a', { uri: uri + '#b', text: 'b' }]",
            json!([{"uri": uri, "mimeType": "text/plain", "text": "a"}, {"uri": format!("{uri}#b"), "mimeType": "text/plain", "text": "b"}]),
        ),
        ("({ contents: [{ text: 'a' }] })", json!([{"uri": uri, "mimeType": "text/plain", "text": "a"}])),
    ] {
        let answer = read(body).unwrap();
        assert_eq!(answer, json!({"contents": contents}), "{body}");
        let taken: domain::ResourceAnswer = serde_json::from_value(answer).unwrap();
        assert_eq!(taken.check(), Ok(()), "{body}");
    }
    for body in ["7", "undefined", "({})", "({ text: 'a', blob: '' })", "({ text: 'a', other: 1 })", "[7]"] {
        let failure = read(body).unwrap_err();
        assert!(failure.message.contains("`read` must give a text, bytes"), "{body}: {failure:?}");
    }
}

#[test]
fn calls_that_overlap_nothing_of_another_keep_their_own_uri() {
    let (machine, _) = machine(&STATION.replace("BODY", "new Promise((resolve) => setTimeout(() => resolve(uri), 1))"));

    for id in ["a", "b"] {
        let answer = machine.snapshot().call(&json!({"id": id, "part": "p"})).unwrap();
        assert_eq!(answer["contents"][0]["text"], format!("weather://stations/{id}/p"));
    }
}

const REVIEW: &str = "export default prompt({ name: 'review', description: 'Reviews', arguments: [
      { name: 'language', title: 'Language', description: 'Of the code', required: true }, { name: 'tone' }],
    complete: { language: async (value) => ({ values: ['Rust', 'Ruby'], total: 7, hasMore: true }), tone: () => Array.from({ length: 150 }, (_, n) => `t${n}`) },
    run({ language, tone }, ctx) { return BODY; } });";

#[test]
fn a_prompt_says_what_it_asks_for() {
    let (_, interface) = machine(&REVIEW.replace("BODY", "''"));

    assert_eq!(
        interface,
        json!({
            "name": "review", "description": "Reviews",
            "input": {"type": "object", "properties": {"language": {"type": "string", "title": "Language", "description": "Of the code"}, "tone": {"type": "string"}},
                      "required": ["language"], "additionalProperties": false},
            "offer": {"kind": "prompt", "arguments": [{"name": "language", "title": "Language", "description": "Of the code", "required": true}, {"name": "tone"}]},
            "completes": ["language", "tone"],
        })
    );
    let (_, plain) = machine("export default prompt({ name: 'p', description: 'd', run: () => 'x' });");
    assert_eq!(plain["offer"], json!({"kind": "prompt", "arguments": []}));
}

#[test]
fn a_prompt_gives_messages() {
    let run = |body: &str| machine(&REVIEW.replace("BODY", body)).0.call(&json!({"language": "Rust"}));
    let text = |role: &str, text: &str| json!({"role": role, "content": {"type": "text", "text": text}});

    for (body, expected) in [
        ("`Review ${language}`", json!({"messages": [text("user", "Review Rust")]})),
        ("({ role: 'assistant', content: 'a' })", json!({"messages": [text("assistant", "a")]})),
        (
            "['a', { role: 'assistant', content: ctx.text('b') }, ctx.text('c')]",
            json!({"messages": [text("user", "a"), text("assistant", "b"), text("user", "c")]}),
        ),
        ("Promise.resolve({ description: 'd', messages: ['a'] })", json!({"description": "d", "messages": [text("user", "a")]})),
    ] {
        let answer = run(body).unwrap();
        assert_eq!(answer, expected, "{body}");
        let taken: domain::PromptAnswer = serde_json::from_value(answer).unwrap();
        assert_eq!(taken.check(), Ok(()), "{body}");
    }
    for body in ["7", "undefined", "({ role: 'system', content: 'a' })", "({ role: 'user', text: 'a' })", "[null]"] {
        let failure = run(body).unwrap_err();
        assert!(failure.message.contains("a prompt must give a text, a message like"), "{body}: {failure:?}");
    }
}

#[test]
fn arguments_are_completed() {
    let request = |name: &str, value: &str, rest: Value| json!({"argument": {"name": name, "value": value}, "context": {"arguments": rest}});
    let (station, _) = machine(&STATION.replace("BODY", "''"));
    let (review, _) = machine(&REVIEW.replace("BODY", "''"));

    assert_eq!(station.snapshot().complete(&request("id", "b", json!({}))), Ok(json!({"values": ["bergen"]})));
    assert_eq!(station.snapshot().complete(&request("id", "o", json!({"part": "x"}))), Ok(json!({"values": ["oslo-x"]})));
    assert_eq!(
        station.snapshot().complete(&json!({"argument": {"name": "id", "value": ""}})),
        Ok(json!({"values": ["oslo", "bergen"]}))
    );
    assert_eq!(station.snapshot().complete(&request("part", "", json!({}))), Ok(json!({"values": []})));
    assert_eq!(station.snapshot().complete(&request("toString", "", json!({}))), Ok(json!({"values": []})));
    let language = review.snapshot().complete(&request("language", "R", json!({})));
    assert_eq!(language, Ok(json!({"values": ["Rust", "Ruby"], "total": 7, "hasMore": true})));
    let tone = review.snapshot().complete(&request("tone", "", json!({}))).unwrap();
    assert_eq!((tone["values"].as_array().unwrap().len(), &tone["total"], &tone["hasMore"]), (100, &json!(150), &json!(true)));
    let taken: domain::Completion = serde_json::from_value(tone).unwrap();
    assert_eq!(taken.check(), Ok(()));
}

#[test]
fn a_completion_that_fails_or_gives_no_texts_says_so() {
    let with = |completer: &str| {
        let source = format!(
            "export default prompt({{ name: 'p', description: 'd', arguments: [{{ name: 'a' }}], run: () => 'x',\ncomplete: {{ a: {completer} }} }});"
        );
        machine(&source).0.complete(&json!({"argument": {"name": "a", "value": ""}})).unwrap_err()
    };

    let thrown = with("() => { throw new RangeError('no'); }");
    assert_eq!((thrown.name.as_str(), thrown.message.as_str(), thrown.line), ("RangeError", "no", 3));
    for completer in ["() => 'a'", "() => [1]", "() => null", "async () => ({ values: 'a' })"] {
        let failure = with(completer);
        assert!(failure.message.contains("`complete.a` must give a list of texts"), "{completer}: {failure:?}");
    }
}

#[test]
fn icons_of_a_tool_are_in_its_interface() {
    let (_, interface) = machine(
        "export default tool({ name: 'a', description: 'd', input: { type: 'object' }, icons: [{ src: 'data:image/png;base64,AQID', mimeType: 'image/png' }], run() {} });",
    );

    assert_eq!(interface["icons"], json!([{"src": "data:image/png;base64,AQID", "mimeType": "image/png"}]));
}

#[test]
fn an_offer_that_is_not_right_is_told_what_would_be() {
    for (source, says) in [
        ("resource(7)", "resource({...}) needs an object with name, description, uri, read"),
        ("resource({ name: 'a', description: 'd', uri: 'a:b' })", "resource({...}) needs `read`: a function like"),
        ("resource({ name: 'a', description: 'd', uri: 'no uri', read() {} })", "`uri` of resource({...}) must be a URI like"),
        ("resource({ name: 'a', description: 'd', uri: 'a:{b', read() {} })", "`uri` of resource({...}) must be a URI like"),
        ("resource({ name: 'a', description: 'd', uri: 'a:{b}/{b}', read() {} })", "must name each of its variables once"),
        (
            "resource({ name: 'a', description: 'd', url: 'a:b', read() {} })",
            "does not know `url`: `uri` is what it is called here",
        ),
        (
            "resource({ name: 'a', description: 'd', uri: 'a:b', run() {} })",
            "does not know `run`: `read` is what it is called here",
        ),
        (
            "resource({ name: 'a', description: 'd', uri: 'a:{b}', complete: { c: () => [] }, read() {} })",
            "`complete` of resource({...}) names `c`, which is not one of its arguments: it has b",
        ),
        (
            "resource({ name: 'a', description: 'd', uri: 'a:b', complete: { c: [] }, read() {} })",
            "`complete` of resource({...}) must be an object with a function",
        ),
        (
            "resource({ name: 'a', description: 'd', uri: 'a:b', annotations: { readOnlyHint: true }, read() {} })",
            "`annotations` of resource({...}) must be",
        ),
        (
            "prompt({ name: 'a', description: 'd', arguments: { a: 1 }, run() {} })",
            "`arguments` of prompt({...}) must be a list like",
        ),
        (
            "prompt({ name: 'a', description: 'd', arguments: [{ name: 'a b' }], run() {} })",
            "`arguments` of prompt({...}) must be a list like",
        ),
        (
            "prompt({ name: 'a', description: 'd', arguments: [{ name: 'a' }, { name: 'a' }], run() {} })",
            "`arguments` of prompt({...}) must be a list like",
        ),
        (
            "prompt({ name: 'a', description: 'd', arguments: [{ name: 'a', type: 'x' }], run() {} })",
            "`arguments` of prompt({...}) must be a list like",
        ),
        (
            "prompt({ name: 'a', description: 'd', input: {}, run() {} })",
            "does not know `input`: `arguments` is what it is called here",
        ),
        (
            "prompt({ name: 'a', description: 'd', complete: { c: () => [] }, run() {} })",
            "names `c`, which is not one of its arguments: it has none",
        ),
        (
            "tool({ name: 'a', description: 'd', input: {}, icons: [{ src: 'http://a.test' }], run() {} })",
            "`icons` of tool({...}) must be a list like",
        ),
        ("tool({ name: 'a', description: 'd', input: {}, complete: {}, run() {} })", "tool({...}) does not know `complete`"),
    ] {
        let failure = init(&format!("export default {source};")).1.unwrap_err();
        assert!(failure.message.contains(says), "{source}\n{failure:?}");
        assert_eq!((failure.name.as_str(), failure.line), ("TypeError", 2), "{source}");
    }
}

#[test]
fn the_default_export_may_be_any_of_the_three() {
    let failure = init("export default {};").1.unwrap_err();

    assert!(failure.message.contains("must be a tool, a resource or a prompt"), "{failure:?}");
}
