//! Headers, requests, responses, forms and files, without a network.

use serde_json::{Value, json};

use super::{
    machine::{evaluate, failure},
    truths::all_true,
};

#[test]
fn headers_are_what_the_standard_says() {
    all_true(&[
        "same([...new Headers({ B: ' 2\\t', a: 1 })], [['a', '1'], ['b', '2']])",
        "same([...new Headers([['a', 'x'], ['A', 'y']])], [['a', 'x, y']])",
        "new Headers(new Headers({ a: 'b' })).get('A') === 'b' && new Headers().get('a') === null",
        "(() => { const h = new Headers({ a: '1' }); h.append('a', '2'); h.set('b', 3); h.delete('missing'); return h.get('a') === '1, 2' && h.has('B') && !h.has('c'); })()",
        "(() => { const h = new Headers([['a', '1'], ['b', '2'], ['A', '3']]); h.set('a', 'new'); return same([...h.entries()], [['a', 'new'], ['b', '2']]); })()",
        "(() => { const h = new Headers([['set-cookie', 'a=1'], ['Set-Cookie', 'b=2']]); return same(h.getSetCookie(), ['a=1', 'b=2']) && same([...h], [['set-cookie', 'a=1'], ['set-cookie', 'b=2']]); })()",
        "(() => { const seen = []; new Headers({ a: 1 }).forEach(function (value, name, all) { seen.push(value, name, all instanceof Headers, this.x); }, { x: 7 }); return same(seen, ['1', 'a', true, 7]); })()",
        "same([...new Headers({ b: 1, a: 2 }).keys()], ['a', 'b']) && same([...new Headers({ b: 1, a: 2 }).values()], ['2', '1'])",
        "new Headers({ a: '\u{e9}\u{ff}' }).get('a') === '\u{e9}\u{ff}' && new Headers({ a: '' }).get('a') === ''",
        "['', 'a b', 'a:', 'ä', 'a\\n'].every((n) => name(() => new Headers().append(n, 'x')) === 'TypeError')",
        "['a\\nb', 'a\\rb', 'a\\0b', '\u{100}', '\u{20ac}'].every((v) => name(() => new Headers().set('a', v)) === 'TypeError')",
        "name(() => new Headers([['a']])) === 'TypeError' && name(() => new Headers('a')) === 'TypeError' && name(() => new Headers(null)) === 'TypeError'",
        "name(() => new Headers().append('a')) === 'TypeError'",
    ]);
}

#[test]
fn requests_are_checked_when_they_are_made() {
    all_true(&[
        "(() => { const r = new Request('https://a.test'); return r.url === 'https://a.test/' && r.method === 'GET' && r.redirect === 'follow' && r.body === null && !r.bodyUsed && r.signal instanceof AbortSignal && !r.signal.aborted; })()",
        "new Request(new URL('https://a.test/b')).url === 'https://a.test/b' && new Request('https://a.test', { method: 'patch' }).method === 'PATCH'",
        "new Request('https://a.test', { method: 'Own' }).method === 'Own'",
        "new Request(new Request('https://a.test', { method: 'PUT', headers: { a: 'b' } })).headers.get('a') === 'b'",
        "new Request(new Request('https://a.test', { method: 'PUT', headers: { a: 'b' } }), { headers: {} }).headers.has('a') === false",
        "(await new Request(new Request('https://a.test', { method: 'PUT', body: 'x' }), { body: 'y' }).text()) === 'y'",
        "(() => { const a = new Request('https://a.test', { method: 'PUT', body: 'x' }); const b = new Request(a); return a.bodyUsed && !b.bodyUsed && name(() => new Request(a)) === 'TypeError'; })()",
        "(await (async () => { const a = new Request('https://a.test', { method: 'PUT', body: 'x', headers: { b: 'c' } }); const b = a.clone(); return same([await a.text(), await b.text(), b.method, b.headers.get('b'), b.headers.get('content-type')], ['x', 'x', 'PUT', 'c', 'text/plain;charset=UTF-8']); })())",
        "(() => { const c = new AbortController(); return new Request('https://a.test', { signal: c.signal }).signal === c.signal; })()",
        "['/relative', 'a.test', 'http://', ''].every((u) => name(() => new Request(u)) === 'TypeError')",
        "['ftp://a.test', 'data:,x', 'file:///etc/passwd', 'javascript:1', 'blob:https://a.test/1'].every((u) => name(() => new Request(u)) === 'TypeError')",
        "name(() => new Request('https://user@a.test')) === 'TypeError' && name(() => new Request('https://user:pass@a.test')) === 'TypeError'",
        "['CONNECT', 'trace', 'TRACK', 'a b', ''].every((m) => name(() => new Request('https://a.test', { method: m })) === 'TypeError')",
        "name(() => new Request('https://a.test', { body: 'x' })) === 'TypeError' && name(() => new Request('https://a.test', { method: 'HEAD', body: '' })) === 'TypeError'",
        "name(() => new Request('https://a.test', { redirect: 'maybe' })) === 'TypeError' && name(() => new Request('https://a.test', { signal: {} })) === 'TypeError' && name(() => new Request()) === 'TypeError'",
    ]);
}

#[test]
fn a_url_that_is_plain_is_the_url_that_a_parser_gives() {
    let urls = json!([
        "https://a.test/",
        "http://a.test/b/c.d?e=f&g=%20h",
        "https://a-b.c0.test:8080/x/y~z/(1)*;,=:@!$&+?q[]=1|2^`{}\\",
        "https://a.test:443/",
        "http://a.test:80/",
        "https://a.test:80/",
        "https://a.test/./b",
        "https://a.test/../b",
        "https://a.test/b/..",
        "https://a.test/b/.%2e/c",
        "https://a.test/%2e%2e/c",
        "https://a.test/b?..",
        "https://A.test/",
        "https://a.test",
        "https://a.test?b",
        "https://a.test/b'c?d'e",
        "https://a.test/b c",
        "https://a.test/b\\c",
        "https://a.test/b^c|d",
        "https://a.test/ü?ü",
        "https://a.test/#f",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://1a.test/",
        "https://xn--a-ecp.test/",
        "https://a_b.test/",
        "https://a.test./",
        "https://a..test/",
        "https://localhost:3000/",
        "https://a.test:0/",
        "https://a.test:00443/",
        "https://a.test:65535/",
        "https://a.test:65536/",
        "https://[::1]/",
        "https://a.test//b///",
        "https://a.test/b/%zz%",
        "https:a.test/",
        "https:///a.test/",
        "https://a.test/b\tc",
        " https://a.test/ ",
        "https://a.test/b\"<>c",
        "https://a.test/?a<b>\"c#d"
    ]);

    let pairs = evaluate(&format!(
        "const tell = (f) => {{ try {{ return f(); }} catch (e) {{ return e.name; }} }};
         return {urls}.map((url) => [url, tell(() => new Request(url).url), tell(() => new URL(url).href)]);"
    ));

    for pair in pairs.as_array().unwrap() {
        assert_eq!(pair[1], pair[2], "{}", pair[0]);
    }
}

#[test]
fn responses_are_what_the_standard_says() {
    all_true(&[
        "(() => { const r = new Response(); return r.status === 200 && r.ok && r.statusText === '' && r.body === null && r.type === 'default' && r.url === '' && !r.redirected; })()",
        "(() => { const r = new Response('x', { status: 404, statusText: 'No', headers: { a: 'b' } }); return r.status === 404 && !r.ok && r.statusText === 'No' && r.headers.get('a') === 'b' && r.headers.get('content-type') === 'text/plain;charset=UTF-8'; })()",
        "(() => { const r = Response.json({ a: [1] }, { status: 201 }); return r.status === 201 && r.headers.get('content-type') === 'application/json'; })()",
        "same(await Response.json({ a: [1] }).json(), { a: [1] }) && name(() => Response.json(undefined)) === 'TypeError'",
        "(() => { const r = Response.redirect('https://a.test/b', 307); return r.status === 307 && r.headers.get('location') === 'https://a.test/b' && name(() => r.headers.set('a', 'b')) === 'TypeError'; })()",
        "Response.error().type === 'error' && Response.error().status === 0 && name(() => Response.redirect('https://a.test', 200)) === 'RangeError'",
        "[199, 600, 101, NaN, 200.5].every((status) => name(() => new Response(null, { status })) === 'RangeError')",
        "[204, 205, 304].every((status) => name(() => new Response('x', { status })) === 'TypeError' && new Response(null, { status }).status === status)",
        "name(() => new Response('x', { statusText: 'a\\nb' })) === 'TypeError'",
        "(await new Response('\u{feff}gr\u{fc}n').text()) === 'gr\u{fc}n' && (await new Response(bytes(0xef, 0xbb, 0xbf, 0x7b, 0x7d)).json()) instanceof Object",
        "same([...await new Response('a\u{e9}').bytes()], [97, 195, 169]) && (await new Response('abc').arrayBuffer()).byteLength === 3",
        "(await new Response(new Blob(['x'], { type: 'image/png' })).blob()).type === 'image/png' && (await new Response('x').blob()).type === 'text/plain;charset=utf-8'",
        "(await new Response().text()) === '' && (await nameLater(() => new Response().json())) === 'SyntaxError' && (await nameLater(() => new Response('{').json())) === 'SyntaxError'",
        "(await new Response(new ReadableStream({ start(c) { c.enqueue(bytes(97)); c.enqueue(bytes(98)); c.close(); } })).text()) === 'ab'",
        "(await nameLater(() => new Response(new ReadableStream({ start(c) { c.enqueue('text'); } })).text())) === 'TypeError'",
        "(() => { const s = new ReadableStream(); s.getReader(); return name(() => new Response(s)) === 'TypeError'; })()",
        "(await (async () => { const b = bytes(1, 2); const r = new Response(b); b[0] = 9; return (await r.bytes())[0] === 1; })())",
    ]);
}

#[test]
fn a_body_is_read_once() {
    all_true(&[
        "(await (async () => { const r = new Response('x'); await r.text(); return r.bodyUsed && (await nameLater(() => r.text())) === 'TypeError' && name(() => r.clone()) === 'TypeError'; })())",
        "(await (async () => { const r = new Response('x'); r.body.getReader(); return !r.bodyUsed && (await nameLater(() => r.text())) === 'TypeError'; })())",
        "(await (async () => { const r = new Response('xy'); const { value } = await r.body.getReader().read(); return value.length === 2 && r.bodyUsed && r.body === r.body; })())",
        "(await (async () => { const r = new Response('x'); const c = r.clone(); return (await r.text()) + (await c.text()) === 'xx'; })())",
        "(await (async () => { const r = new Response(new Blob(['xy']).stream()); const c = r.clone(); return (await c.text()) + (await r.text()) === 'xyxy' && r.bodyUsed && c.bodyUsed; })())",
        "(await (async () => { const r = new Response('x'); await r.text(); return (await all(r.body)).length === 0 || r.body.locked; })())",
    ]);
    let failure = failure("const r = new Response('x'); await r.text(); await r.text();");
    assert!(failure.message.contains("a body can be read once"), "{failure:?}");
}

#[test]
fn blobs_and_files_hold_bytes() {
    all_true(&[
        "(await new Blob(['a\u{e9}', bytes(1), new Blob(['z']), bytes(7, 8).buffer, 5]).bytes()).length === 8",
        "new Blob(['ab'], { type: 'Image/PNG' }).type === 'image/png' && new Blob([], { type: 'b\u{e4}d' }).type === '' && new Blob().size === 0",
        "(await new Blob(['abcdef']).slice(1, 3).text()) === 'bc' && (await new Blob(['abcdef']).slice(-2).text()) === 'ef' && (await new Blob(['abcdef']).slice(0, -2, 'a/b').text()) === 'abcd'",
        "new Blob(['abcdef']).slice(4, 2).size === 0 && new Blob(['abc']).slice(0, 2, 'a/b').type === 'a/b' && (await new Blob(['abc']).slice(1, Infinity).text()) === 'bc'",
        "(await new Blob(['a\\r\\nb\\rc'], { endings: 'native' }).text()) === 'a\\nb\\nc' && (await new Blob(['a\\r\\n']).text()) === 'a\\r\\n'",
        "(await (async () => { const b = new Blob(['abc']); (await b.bytes())[0] = 0; return (await b.text()) === 'abc'; })())",
        "same((await all(new Blob(['abc']).stream())).map((piece) => [...piece]), [[97, 98, 99]])",
        "(() => { const f = new File(['x'], 'a.txt', { type: 'text/plain', lastModified: 7 }); return f.name === 'a.txt' && f.lastModified === 7 && f instanceof Blob && f.size === 1; })()",
        "name(() => new File(['x'])) === 'TypeError' && name(() => new Blob('x')) === 'TypeError' && name(() => new Blob([], { endings: 'x' })) === 'TypeError'",
    ]);
}

#[test]
fn forms_are_lists_of_texts_and_files() {
    all_true(&[
        "(() => { const f = new FormData(); f.append('a', 1); f.append('a', 'x'); f.set('b', new Blob(['y'])); return same([f.get('a'), f.getAll('a'), f.has('c'), f.get('c'), f.get('b').name, [...f.keys()]], ['1', ['1', 'x'], false, null, 'blob', ['a', 'a', 'b']]); })()",
        "(() => { const f = new FormData(); f.append('a', 1); f.append('b', 2); f.append('a', 3); f.set('a', 4); f.delete('b'); return same([...f], [['a', '4']]); })()",
        "(() => { const f = new FormData(); f.append('a', new File(['x'], 'x.txt'), 'y.txt'); return f.get('a').name === 'y.txt' && f.get('a') instanceof File; })()",
        "(() => { const f = new FormData(); const file = new File(['x'], 'x.txt'); f.append('a', file); return f.get('a') === file; })()",
        "name(() => new FormData({})) === 'TypeError' && name(() => new FormData().append('a')) === 'TypeError' && name(() => new FormData().append('a', 'b', 'c')) === 'TypeError'",
        "(() => { const f = new FormData(); f.append('a', 'b'); const seen = []; f.forEach((v, n) => seen.push(n, v)); return same(seen, ['a', 'b']) && same([...f.values()], ['b']); })()",
    ]);
}

#[test]
fn a_form_goes_through_multipart_and_back() {
    let form = evaluate(
        "const form = new FormData();
         form.append('text', 'one\\ntwo'); form.append('quo\"te\\r\\n', 'ü'); form.append('empty', '');
         form.append('file', new File([new Uint8Array([0, 13, 10, 45, 45, 255])], 'a \"b\".bin', { type: 'x/y' }));
         form.append('empty file', new Blob([]), 'e');
         const response = new Response(form);
         const type = response.headers.get('content-type');
         const text = new TextDecoder().decode(await response.clone().bytes());
         const back = await response.formData();
         const shown = [];
         for (const [name, value] of back) shown.push([name, typeof value === 'string' ? value : [value.name, value.type, [...await value.bytes()]]]);
         return { type, text, shown };",
    );

    let boundary = form["type"].as_str().unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    assert!(boundary.len() > 30 && boundary.len() <= 70, "{boundary}");
    let text = form["text"].as_str().unwrap();
    assert!(text.starts_with(&format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\none\r\ntwo\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"quo%22te%0D%0A\"\r\n\r\nü\r\n"
    )));
    assert!(text.ends_with(&format!("\r\n--{boundary}--\r\n")));
    assert_eq!(
        form["shown"],
        json!([
            ["text", "one\r\ntwo"],
            ["quo\"te\r\n", "ü"],
            ["empty", ""],
            ["file", ["a \"b\".bin", "x/y", [0, 13, 10, 45, 45, 255]]],
            ["empty file", ["e", "application/octet-stream", []]],
        ])
    );
}

#[test]
fn forms_of_others_are_read_and_what_is_none_is_refused() {
    let read = |body: &str, kind: &str| {
        evaluate(&format!(
            "try {{ const form = await new Response({}, {{ headers: {{ 'content-type': {} }} }}).formData();
               const shown = []; for (const [name, value] of form) shown.push([name, typeof value === 'string' ? value : value.name]); return shown;
             }} catch (error) {{ return error.name; }}",
            json!(body),
            json!(kind)
        ))
    };

    assert_eq!(read("a=1&b=x+y%26", "application/x-www-form-urlencoded; charset=utf-8"), json!([["a", "1"], ["b", "x y&"]]));
    let part = "Content-Disposition: form-data; name=a\r\n\r\n1";
    assert_eq!(
        read(&format!("preamble\r\n--B\r\n{part}\r\n--B--\r\nepilogue"), "multipart/form-data; boundary=B"),
        json!([["a", "1"]])
    );
    assert_eq!(read("--B--\r\n", "Multipart/Form-Data; charset=x; boundary=\"B\""), json!([]));
    for (body, kind) in [
        ("a", "text/plain"),
        ("a", "multipart/form-data"),
        ("nothing", "multipart/form-data; boundary=B"),
        ("--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1", "multipart/form-data; boundary=B"),
        ("--B\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--B--", "multipart/form-data; boundary=B"),
        ("--B\r\nContent-Disposition: form-data\r\n\r\n1\r\n--B--", "multipart/form-data; boundary=B"),
    ] {
        assert_eq!(read(body, kind), Value::from("TypeError"), "{body} {kind}");
    }
}
