//! What a tool can answer besides JSON, and what `ctx` has for the outside.

use serde_json::{Value, json};

use super::machine::{Kind, Machine, evaluate, failure};

/// The content that a tool with this body answers.
fn content(body: &str) -> Value {
    let (kind, value) = Machine::with_body(body).call_for_answer("{}").unwrap().unwrap();
    assert_eq!(kind, Kind::Content, "{value}");
    value
}

#[test]
fn a_block_and_a_list_of_blocks_are_content() {
    assert_eq!(content("return ctx.text('a');"), json!({"content": [{"type": "text", "text": "a"}]}));
    assert_eq!(
        content(
            "return [ctx.text('a', { audience: ['user'], priority: 0.5 }), ctx.image(new Uint8Array([1, 2, 3]), 'image/png')];"
        ),
        json!({"content": [
            {"type": "text", "text": "a", "annotations": {"audience": ["user"], "priority": 0.5}},
            {"type": "image", "data": "AQID", "mimeType": "image/png"},
        ]})
    );
}

#[test]
fn every_kind_of_content_can_be_made() {
    let made = content(
        "return ctx.content(['plain', ctx.audio('AQID', 'audio/wav'), ctx.resource({ uri: 'file:///a', mimeType: 'text/plain', text: 'x' }),
           ctx.resource({ uri: 'file:///b', blob: new Blob(['\u{fc}']) }, { priority: 1 }), ctx.image(new Uint8Array([255]).buffer, 'image/svg+xml'),
           ctx.link({ uri: 'https://a.test/', name: 'a', title: 'A', size: 7, icons: [{ src: 'https://a.test/i.png' }], annotations: { lastModified: '2025-01-31T12:00:00Z' } })],
           { structured: { sum: 3 }, isError: true });",
    );

    let expected = json!({
        "content": [
            {"type": "text", "text": "plain"},
            {"type": "audio", "data": "AQID", "mimeType": "audio/wav"},
            {"type": "resource", "resource": {"uri": "file:///a", "mimeType": "text/plain", "text": "x"}},
            {"type": "resource", "resource": {"uri": "file:///b", "blob": "w7w="}, "annotations": {"priority": 1}},
            {"type": "image", "data": "/w==", "mimeType": "image/svg+xml"},
            {"type": "resource_link", "uri": "https://a.test/", "name": "a", "title": "A", "size": 7, "icons": [{"src": "https://a.test/i.png"}],
             "annotations": {"lastModified": "2025-01-31T12:00:00Z"}},
        ],
        "structuredContent": {"sum": 3}, "isError": true,
    });
    assert_eq!(made, expected);
    let read: domain::ContentAnswer = serde_json::from_value(expected).unwrap();
    assert_eq!(read.check(), Ok(()));
}

#[test]
fn what_only_looks_like_content_is_json() {
    for body in [
        "return { type: 'text', text: 'a' };",
        "return [{ type: 'text', text: 'a' }];",
        "return { content: [{ type: 'text', text: 'a' }] };",
        "return { ...ctx.text('a') };",
        "return [];",
    ] {
        let (kind, _) = Machine::with_body(body).call_for_answer("{}").unwrap().unwrap();
        assert_eq!(kind, Kind::Json, "{body}");
    }
    assert_eq!(evaluate("return { inner: ctx.text('a') };"), json!({"inner": {"type": "text", "text": "a"}}));
}

#[test]
fn a_tool_says_what_it_shows_and_what_programs_get_apart() {
    assert_eq!(content("return ctx.content([], { structured: {} });"), json!({"content": [], "structuredContent": {}}));
    assert_eq!(content("return ctx.content('a');"), json!({"content": [{"type": "text", "text": "a"}]}));
    let failure = failure("return [ctx.text('a'), { sum: 3 }];");
    assert!(failure.message.contains("a list that has content must have nothing else in it"), "{failure:?}");
}

#[test]
fn content_that_is_not_right_is_told_what_would_be() {
    for (made, says) in [
        ("ctx.text(7)", "ctx.text(text, annotations?) needs a text, not 7"),
        ("ctx.text('a', { colour: 1 })", "the annotations of ctx.text must be an object like"),
        ("ctx.image('AQID')", "ctx.image(data, mimeType, annotations?) needs a media type like image/png"),
        ("ctx.audio('AQID', 'sound')", "ctx.audio(data, mimeType, annotations?) needs a media type like audio/wav"),
        ("ctx.image('no base64!', 'image/png')", "the data of ctx.image must be bytes"),
        ("ctx.image('AQI', 'image/png')", "the data of ctx.image must be bytes"),
        ("ctx.image(7, 'image/png')", "the data of ctx.image must be bytes"),
        ("ctx.resource({ uri: 'a:b' })", "ctx.resource needs an object like"),
        ("ctx.resource({ uri: 'a:b', text: 'a', blob: '' })", "ctx.resource needs an object like"),
        ("ctx.resource({ text: 'a' })", "ctx.resource needs an object like"),
        ("ctx.resource({ uri: 'a:b', text: 'a', more: 1 })", "ctx.resource needs an object like"),
        ("ctx.link({ uri: 'a:b' })", "ctx.link needs an object like"),
        ("ctx.link({ uri: 'a:b', name: 'a', href: 1 })", "known are uri, name, title"),
        ("ctx.content([7])", "7 is not content made by ctx.text"),
        ("ctx.content('a', { structured: 7 })", "`structured` of ctx.content must be an object"),
        ("ctx.content('a', { error: true })", "must be an object with `structured`, `isError` or both"),
    ] {
        let failure = failure(&format!("return {made};"));
        assert!(failure.message.contains(says), "{made}: {failure:?}");
        assert_eq!((failure.name.as_str(), failure.line), ("TypeError", 4), "{made}");
    }
}

#[test]
fn secrets_are_placeholders_of_the_host() {
    let given = evaluate(
        "return [ctx.secret('KEY'), ctx.basicAuth('me:you', 'KEY'), new TextDecoder().decode(await ctx.hmac('sha-256', 'KEY', 'gr\u{fc}n')),
           (await ctx.hmac({ name: 'SHA-1' }, 'KEY', new Uint8Array([97]).buffer)) instanceof Uint8Array];",
    );

    assert_eq!(given, json!(["<KEY>", "<Basic me:you KEY>", "SHA-256 KEY gr\u{fc}n", true]));
    for (made, says) in [
        ("ctx.secret('NONE')", "the secret `NONE` was not granted"),
        ("ctx.basicAuth('me', 'NONE')", "the secret `NONE` was not granted"),
        ("await ctx.hmac('SHA-1', 'NONE', '')", "the secret `NONE` was not granted"),
        ("ctx.secret()", "ctx.secret needs the name of a secret, a text"),
        ("ctx.basicAuth(undefined, 'KEY')", "ctx.basicAuth(user, name) needs the user, a text"),
        ("await ctx.hmac('MD5', 'KEY', '')", "the digest 'MD5' is not known"),
        ("await ctx.hmac('SHA-1', 'KEY', 7)", "the data of ctx.hmac"),
    ] {
        let failure = failure(&format!("{made};"));
        assert!(failure.message.contains(says), "{made}: {failure:?}");
        assert_eq!(failure.line, 4, "{made}: {failure:?}");
    }
}

#[test]
fn the_log_of_the_context_has_levels() {
    let mut machine =
        Machine::with_body("ctx.log('a', 1); ctx.log.debug('b'); ctx.log.info('c'); ctx.log.warn('d'); ctx.log.error('e');");

    machine.call(&json!({})).unwrap();

    assert_eq!(machine.log_lines(), ["info a 1", "debug b", "info c", "warn d", "error e"]);
}
