//! `fetch` and what belongs to it, against the upstream that the tests play.

use serde_json::{Value, json};

use super::{
    machine::{Failure, Machine},
    upstream::Reply,
};

/// A machine whose tool has this body, and whose upstream has these answers ready.
fn machine(body: &str, replies: Vec<Reply>) -> Machine {
    let mut machine = Machine::with_body(body);
    machine.host().upstream.replies = replies.into();
    machine
}

/// What a tool with this body answers, given these answers of the upstream. What it throws is the test's failure.
fn answer(body: &str, replies: Vec<Reply>) -> Value {
    machine(body, replies).call(&json!({})).unwrap()
}

fn failure(body: &str, replies: Vec<Reply>) -> Failure {
    machine(body, replies).call(&json!({})).unwrap_err()
}

#[test]
fn a_page_is_fetched_as_on_the_web() {
    let mut machine = machine(
        "const r = await fetch('https://API.test:443/a/../b?q=1#top', { headers: { 'X-A': 'b', authorization: `Bearer ${ctx.secret('KEY')}` } });
         return [r.status, r.ok, r.statusText, r.url, r.redirected, r.type, r.headers.get('Content-Type'), r.bodyUsed, await r.text(), r.bodyUsed];",
        vec![Reply::pieces(&["gr", "ü\u{df}e"]).with(json!({"url": "https://api.test/b?q=1"}))],
    );

    let answer = machine.call(&json!({})).unwrap();

    assert_eq!(
        answer,
        json!([200, true, "OK", "https://api.test/b?q=1", false, "basic", "text/plain", false, "grü\u{df}e", true])
    );
    let (request, body) = machine.host().upstream.requests.remove(0);
    assert_eq!(
        request,
        json!({
            "url": "https://api.test/b?q=1#top", "method": "GET", "redirect": "follow",
            "headers": [["x-a", "b"], ["authorization", "Bearer <KEY>"], ["accept", "*/*"]],
        })
    );
    assert!(body.is_empty());
}

#[test]
fn a_request_is_sent_as_it_was_made() {
    let mut machine = machine(
        "await fetch('https://api.test/a', { method: 'post', body: 'gr\u{fc}n' });
         await fetch(new URL('https://api.test/b'), { method: 'PUT', body: new URLSearchParams({ a: '1 2' }), redirect: 'manual' });
         await fetch(new Request('https://api.test/c', { method: 'PATCH', body: new Uint8Array([0, 255]), headers: { accept: 'x/y' } }));
         await fetch('https://api.test/d', { method: 'POST', body: new Blob(['z'], { type: 'a/b' }), redirect: 'error' });
         await fetch('https://api.test/e', { method: 'POST', body: new ReadableStream({ start(c) { c.enqueue(new Uint8Array([1])); c.enqueue(new Uint8Array([2])); c.close(); } }), duplex: 'half' });
         await fetch('https://api.test/f', { method: 'DELETE' });",
        (0..6).map(|_| Reply::ok("")).collect(),
    );

    machine.call(&json!({})).unwrap();

    let sent: Vec<(Value, Vec<u8>)> = machine.host().upstream.requests.drain(..).collect();
    let expected = [
        (
            "/a",
            "POST",
            "follow",
            json!([["content-type", "text/plain;charset=UTF-8"], ["accept", "*/*"]]),
            "gr\u{fc}n".as_bytes(),
        ),
        (
            "/b",
            "PUT",
            "manual",
            json!([["content-type", "application/x-www-form-urlencoded;charset=UTF-8"], ["accept", "*/*"]]),
            b"a=1+2".as_slice(),
        ),
        ("/c", "PATCH", "follow", json!([["accept", "x/y"]]), &[0, 255]),
        ("/d", "POST", "error", json!([["content-type", "a/b"], ["accept", "*/*"]]), b"z"),
        ("/e", "POST", "follow", json!([["accept", "*/*"]]), &[1, 2]),
        ("/f", "DELETE", "follow", json!([["accept", "*/*"]]), b""),
    ];
    for ((request, body), (path, method, redirect, headers, bytes)) in sent.iter().zip(&expected) {
        let url = format!("https://api.test{path}");
        assert_eq!(request, &json!({"url": url, "method": method, "redirect": redirect, "headers": headers}));
        assert_eq!(body, bytes, "{path}");
    }
    assert_eq!(sent.len(), expected.len());
}

#[test]
fn a_form_with_a_file_is_sent_as_multipart() {
    let mut machine = machine(
        "const form = new FormData(); form.append('note', 'a'); form.append('file', new Blob(['bytes'], { type: 'image/png' }), 'p.png');
         await fetch('https://api.test/', { method: 'POST', body: form });",
        vec![Reply::ok("")],
    );

    machine.call(&json!({})).unwrap();

    let (request, body) = machine.host().upstream.requests.remove(0);
    let kind = request["headers"][0][1].as_str().unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\na\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; \
         filename=\"p.png\"\r\nContent-Type: image/png\r\n\r\nbytes\r\n--{boundary}--\r\n"
    );
    assert_eq!(String::from_utf8(body).unwrap(), expected);
}

#[test]
fn what_the_host_refuses_is_a_type_error_with_its_words_and_the_place_of_the_call() {
    for replies in [vec![], vec![Reply::failed("the host `nowhere.test` was not granted to this tool")]] {
        let failure = failure("\nawait fetch('https://nowhere.test/');", replies);
        assert_eq!(
            (failure.name.as_str(), failure.message.as_str()),
            ("TypeError", "the host `nowhere.test` was not granted to this tool")
        );
        assert_eq!(failure.line, 5, "{failure:?}");
    }
    let broken = Reply { pieces: Some(vec![Ok(b"a".to_vec()), Err("the upstream broke off".into())]), ..Reply::ok("") };
    let failure = failure("const r = await fetch('https://api.test/'); await r.text();", vec![broken]);
    assert_eq!((failure.name.as_str(), failure.message.as_str()), ("TypeError", "the upstream broke off"));
}

#[test]
fn a_wrong_call_is_a_rejection_and_asks_nothing_of_the_host() {
    for call in [
        "fetch()",
        "fetch('/a')",
        "fetch('ftp://a.test')",
        "fetch('https://a.test', { body: 'x' })",
        "fetch('https://a.test', { headers: { 'a b': 'c' } })",
        "fetch('https://a.test', 7)",
    ] {
        let mut machine = machine(&format!("const p = {call}; return p.then(() => 'sent', (e) => e.name);"), vec![]);
        assert_eq!(machine.call(&json!({})), Ok(json!("TypeError")), "{call}");
        assert!(machine.host().upstream.requests.is_empty(), "{call}");
    }
}

#[test]
fn a_tool_that_is_built_fetches_nothing() {
    for (statement, what) in [
        ("await fetch('https://a.test/')", "fetch is not available while the tool is built"),
        (
            "fetch('https://a.test/', { method: 'POST', body: 'x' }); await 1; await fetch('https://a.test/')",
            "fetch is not available while the tool is built",
        ),
    ] {
        let failure = Machine::new().init(&format!("\n{statement};")).unwrap_err();
        assert!(failure.message.starts_with(what), "{failure:?}");
    }
}

#[test]
fn requests_wait_side_by_side() {
    let mut machine = machine(
        "const begun = performance.now();
         const texts = await Promise.all(['a', 'b', 'c'].map(async (name) => (await fetch(`https://api.test/${name}`)).text()));
         return [texts, Math.round(performance.now() - begun)];",
        vec![Reply::ok("1").after_ms(100), Reply::ok("2").after_ms(50), Reply::ok("3").after_ms(100)],
    );

    assert_eq!(machine.call(&json!({})), Ok(json!([["1", "2", "3"], 100])));
}

#[test]
fn pieces_are_asked_for_when_they_are_read() {
    let mut machine = machine(
        "const { body } = await fetch('https://api.test/');
         await new Promise((r) => setTimeout(r, 5));
         const reader = body.getReader();
         const first = await reader.read();
         await new Promise((r) => setTimeout(r, 5));
         ctx.log(first.value.length);
         const second = await reader.read();
         ctx.log(second.value.length);
         await reader.cancel();",
        vec![Reply::pieces(&["abc", "de", "f", "g"])],
    );

    machine.call(&json!({})).unwrap();

    assert_eq!(machine.log_lines(), ["info 3", "info 2"]);
    assert_eq!(machine.host().calls["read"], 2, "nothing is asked for ahead");
    assert_eq!(machine.host().upstream.closed.len(), 1);
}

#[test]
fn a_body_is_a_stream_that_can_be_gone_through() {
    assert_eq!(
        answer(
            "const lines = []; let rest = '';
             for await (const text of (await fetch('https://api.test/')).body.pipeThrough(new TextDecoderStream())) {
               const parts = (rest + text).split('\\n'); rest = parts.pop(); lines.push(...parts);
             }
             return [lines, rest];",
            vec![Reply::pieces(&["data: 1\nda", "ta: 2\n", "data: \u{fc}"])]
        ),
        json!([["data: 1", "data: 2"], "data: \u{fc}"])
    );
    assert_eq!(
        answer(
            "const r = await fetch('https://api.test/'); const c = r.clone(); return [await c.text(), await r.text()];",
            vec![Reply::pieces(&["a", "b"])]
        ),
        json!(["ab", "ab"])
    );
    assert_eq!(
        answer(
            "const r = await fetch('https://api.test/'); return [r.body, await r.text(), r.status, r.ok];",
            vec![Reply { pieces: None, ..Reply::ok("") }.with(json!({"status": 204}))]
        ),
        json!([null, "", 204, true])
    );
}

#[test]
fn bodies_that_nobody_reads_are_given_back() {
    let mut machine = machine(
        "for (let at = 0; at < 3; at += 1) { const { status } = await fetch('https://api.test/'); ctx.log(status); }
         globalThis.kept = await fetch('https://api.test/');
         await new Promise((r) => setTimeout(r, 1));
         return globalThis.kept.status;",
        (0..4).map(|_| Reply::ok("never read")).collect(),
    );

    machine.call(&json!({})).unwrap();

    assert_eq!(machine.host().upstream.closed.len(), 3);
    assert!(!machine.host().calls.contains_key("read"));
}

#[test]
fn a_fetch_is_aborted_before_during_and_after() {
    let abort = |body: &str| {
        let mut machine = machine(
            &format!(
                "const c = new AbortController(); const {{ signal }} = c; const names = []; const note = (e) => {{ names.push(e.name ?? e); }}; {body} return names;"
            ),
            vec![Reply::pieces(&["a", "b"]).after_ms(50), Reply::ok("")],
        );
        let names = machine.call(&json!({})).unwrap();
        (names, machine)
    };

    let (names, mut before) = abort("c.abort(); await fetch('https://api.test/', { signal }).catch(note);");
    assert_eq!(names, json!(["AbortError"]));
    assert!(before.host().upstream.requests.is_empty());

    let (names, mut during) = abort(
        "setTimeout(() => c.abort('mine'), 10); await fetch('https://api.test/', { signal }).catch(note); names.push(Math.round(performance.now()));",
    );
    assert_eq!(names, json!(["mine", 0]));
    assert_eq!(during.host().calls["cancel"], 1);

    let (names, mut timeout) = abort("await fetch('https://api.test/', { signal: AbortSignal.timeout(10) }).catch(note);");
    assert_eq!(names, json!(["TimeoutError"]));
    assert_eq!(timeout.host().calls["cancel"], 1);

    let (names, mut reading) = abort(
        "const r = await fetch('https://api.test/', { signal: AbortSignal.any([signal]) }); await r.body.getReader().read(); c.abort(); await r.text().catch(note);",
    );
    assert_eq!(names, json!(["TypeError"]), "the stream has a reader");
    assert_eq!(reading.host().upstream.closed.len(), 1);

    let (names, mut read) = abort(
        "const r = await fetch('https://api.test/', { signal }); const text = r.text(); c.abort(); await text.catch(note); await r.text().catch(note);",
    );
    assert_eq!(names, json!(["AbortError", "TypeError"]));
    assert_eq!(read.host().upstream.closed.len(), 1);

    let (names, mut late) =
        abort("const r = await fetch('https://api.test/', { signal }); names.push(await r.text()); c.abort();");
    assert_eq!(names, json!(["ab"]));
    assert!(late.host().upstream.closed.is_empty(), "what has ended is not ended again");
}

#[test]
fn a_large_body_fits_where_its_pieces_do() {
    let piece = "x".repeat(64 * 1024);
    let pieces = vec![piece.as_str(); 64];

    assert_eq!(
        answer("const r = await fetch('https://api.test/'); return (await r.bytes()).length;", vec![Reply::pieces(&pieces)]),
        json!(4 * 1024 * 1024)
    );
    assert_eq!(
        answer(
            "let sum = 0; for await (const piece of (await fetch('https://api.test/')).body) sum += piece.length; return sum;",
            vec![Reply::pieces(&vec![piece.as_str(); 1024])]
        ),
        json!(64 * 1024 * 1024),
        "more than the tool's whole memory goes through it"
    );
    let large = answer(
        "const r = await fetch('https://api.test/', { method: 'POST', body: new Uint8Array(4 * 1024 * 1024) }); return r.status;",
        vec![Reply::ok("")],
    );
    assert_eq!(large, json!(200));
}

#[test]
fn a_body_that_does_not_fit_is_an_error_that_can_be_caught() {
    let piece = "x".repeat(1024 * 1024);

    let name = answer(
        "try { return (await (await fetch('https://api.test/')).bytes()).length; } catch (error) { return error.message; }",
        vec![Reply::pieces(&vec![piece.as_str(); 40])],
    );

    assert_eq!(name, json!("out of memory"));
}

#[test]
fn what_the_host_says_of_a_response_cannot_be_changed() {
    assert_eq!(
        answer(
            "const r = await fetch('https://api.test/'); try { r.headers.set('a', 'b'); } catch (e) { return [e.name, new Headers(r.headers).get('content-type')]; }",
            vec![Reply::ok("").with(json!({"headers": [["content-type", "a/b"], ["set-cookie", "x=1"], ["set-cookie", "y=2"]]}))]
        ),
        json!(["TypeError", "a/b"])
    );
}

/// Heads without escapes are read by the engine's own C, the others by the language's function: nobody sees which.
#[test]
fn a_head_is_what_the_host_said_whatever_is_in_it() {
    let many: Vec<_> = (0..300).map(|at| json!([format!("x-{at}"), format!("value {at}, and more")])).collect();
    for (status, status_text, url, redirected, headers) in [
        (200, "OK", "https://api.test/", false, json!([])),
        (204, "", "https://api.test/?q=%22", true, json!([["a", ""]])),
        (599, "gr\u{fc}\u{df}e", "https://api.test/", false, json!([["a", "\u{fc}, [\u{df}], null"], ["b", "{}"]])),
        (418, "a \"quoted\" \\ text", "https://api.test/", true, json!([["a", "b\tc"], ["d", "\"e\\\""]])),
        (200, "]", "https://api.test/", false, json!(many)),
    ] {
        let head = json!({"status": status, "statusText": status_text, "url": url, "redirected": redirected, "headers": headers});
        for source in
            ["", "JSON.parse = () => 'mine'; Object.setPrototypeOf(Array.prototype, { set 1(value) { throw value; } });"]
        {
            let source = format!(
                "{source} const r = await fetch('https://api.test/'); return [r.status, r.statusText, r.url, r.redirected, [...r.headers]];"
            );
            let mut sorted = headers.as_array().unwrap().clone();
            sorted.sort_by(|one, other| one[0].as_str().cmp(&other[0].as_str()));

            let told = answer(&source, vec![Reply::ok("").with(head.clone())]);

            assert_eq!(told, json!([status, status_text, url, redirected, sorted]), "{source}");
        }
    }
}

/// However a body comes, a tool sees the same of it.
#[test]
fn a_body_that_comes_with_its_head_is_read_as_any_other() {
    for body in [
        "return await r.text();",
        "return [r.headers.get('content-type'), r.headers === r.headers, await r.json().catch((e) => e.name), r.bodyUsed];",
        "const bytes = await r.bytes(); bytes[0] = 0; return [bytes.length, [...new Uint8Array(await new Response(bytes).arrayBuffer())]];",
        "const blob = await r.blob(); return [blob.type, blob.size];",
        "const texts = []; for await (const piece of r.body) texts.push(...piece); return [texts, r.bodyUsed];",
        "const c = r.clone(); return [await c.text(), await r.text(), c.status, c.url, [...c.headers]];",
        "const reader = r.body.getReader(); const first = await reader.read(); await reader.cancel(); return [first.done, r.bodyUsed];",
        "await r.text(); return Promise.all([r.text(), r.json(), r.bytes()].map((p) => p.catch((e) => e.message)));",
        "stop.abort(); return r.text().catch((e) => e.name);",
        "const text = r.text(); stop.abort(); return text.then((t) => t, (e) => e.name);",
    ] {
        for init in ["undefined", "{ signal: stop.signal }"] {
            let source =
                format!("const stop = new AbortController(); const r = await fetch('https://api.test/', {init}); {body}");
            for pieces in [&[][..], &["{\"a\":1}"], &["\u{feff}{\"a\"", ":1}"], &["gr\u{fc}\u{df}e"]] {
                let late = answer(&source, vec![Reply::pieces(pieces)]);
                let at_once = answer(&source, vec![Reply::pieces(pieces).at_once()]);
                let in_time = body.contains("const text");
                assert!(late == at_once || (in_time && late == "AbortError"), "{init} {body} {pieces:?}: {late} {at_once}");
            }
        }
    }
}

#[test]
fn a_short_body_costs_no_read() {
    let mut machine = machine(
        "const r = await fetch('https://api.test/'); const first = await r.json(); const s = await fetch('https://api.test/'); return [first, await s.text()];",
        vec![Reply::ok("[1]").at_once(), Reply::pieces(&["a", "b"]).at_once()],
    );

    assert_eq!(machine.call(&json!({})), Ok(json!([[1], "ab"])));
    let calls = &machine.host().calls;
    assert_eq!(
        (calls["fetch"], calls["wait"], calls["read"]),
        (2, 3, 1),
        "the second piece is asked for, and is known to be the last"
    );
}

/// Steps of the guest, what the host does for them aside: nearly all of what a request costs more than the host's own client.
#[test]
fn a_fetch_takes_little_fuel() {
    let fuel_of = |body: &str| {
        let mut machine = Machine::with_body(body).snapshot();
        machine.host().upstream.replies = [Reply::ok("{\"sum\":42}").at_once()].into();
        let before = machine.fuel();
        machine.call(&json!({})).unwrap();
        before - machine.fuel()
    };

    let fetch = fuel_of("return (await (await fetch('http://api.test:8080/quick')).json());") - fuel_of("return 1;");

    assert!(fetch < 180_000, "a fetch took {fetch} fuel");
}
