//! The functions of the web but `URL`.

use serde_json::json;

use super::{
    machine::{evaluate, failure},
    truths::all_true,
};

#[test]
fn text_is_encoded_as_utf8() {
    all_true(&[
        "same([...new TextEncoder().encode('aé€\u{1F600}')], [97, 195, 169, 226, 130, 172, 240, 159, 152, 128])",
        "same([...new TextEncoder().encode('\\uD800x\\uDC00')], [239, 191, 189, 120, 239, 191, 189])",
        "new TextEncoder().encode() instanceof Uint8Array && new TextEncoder().encode(undefined).length === 0",
        "new TextEncoder().encoding === 'utf-8'",
        "same(new TextEncoder().encodeInto('aé€', new Uint8Array(10)), { read: 3, written: 6 })",
        "same(new TextEncoder().encodeInto('aé€', new Uint8Array(5)), { read: 2, written: 3 })",
        "same(new TextEncoder().encodeInto('\u{1F600}a', new Uint8Array(3)), { read: 0, written: 0 })",
        "same(new TextEncoder().encodeInto('a\u{1F600}', new Uint8Array(4)), { read: 1, written: 1 })",
        "same(new TextEncoder().encodeInto('a\u{1F600}b', new Uint8Array(5)), { read: 3, written: 5 })",
        "same(new TextEncoder().encodeInto('abc', new Uint8Array(0)), { read: 0, written: 0 })",
        "same(new TextEncoder().encodeInto('x'.repeat(100), new Uint8Array(7)), { read: 7, written: 7 })",
        "name(() => new TextEncoder().encodeInto('a', [])) === 'TypeError'",
        "new TextEncoder().encode('x'.repeat(1e6)).length === 1e6",
    ]);
}

#[test]
fn utf8_is_decoded_as_the_standard_says() {
    all_true(&[
        "new TextDecoder().decode(bytes(97, 195, 169, 226, 130, 172, 240, 159, 152, 128)) === 'aé€\u{1F600}'",
        "new TextDecoder().decode() === ''",
        "new TextDecoder().decode(bytes(0xff, 97, 0xc3)) === '\\uFFFDa\\uFFFD'",
        // A maximal part of a character is one replacement: RFC 3629 allows no overlong form, no surrogate, nothing above U+10FFFF.
        "new TextDecoder().decode(bytes(0xf0, 0x9f, 0x98, 97)) === '\\uFFFDa'",
        "new TextDecoder().decode(bytes(0xe0, 0x80, 0x80)) === '\\uFFFD\\uFFFD\\uFFFD'",
        "new TextDecoder().decode(bytes(0xed, 0xa0, 0x80)) === '\\uFFFD\\uFFFD\\uFFFD'",
        "new TextDecoder().decode(bytes(0xf4, 0x90, 0x80, 0x80)) === '\\uFFFD\\uFFFD\\uFFFD\\uFFFD'",
        "new TextDecoder().decode(bytes(0xc0, 0xaf)) === '\\uFFFD\\uFFFD'",
        "name(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes(0xff))) === 'TypeError'",
        "new TextDecoder('utf-8', { fatal: true }).decode(bytes(0xc3, 0xa9)) === 'é'",
        "new TextDecoder().decode(bytes(0xef, 0xbb, 0xbf, 97)) === 'a'",
        "new TextDecoder('utf8', { ignoreBOM: true }).decode(bytes(0xef, 0xbb, 0xbf, 97)) === '\\uFEFFa'",
        "new TextDecoder().decode(bytes(0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf)) === '\\uFEFF'",
        "new TextDecoder(' UTF-8 ').encoding === 'utf-8' && new TextDecoder().fatal === false && new TextDecoder().ignoreBOM === false",
        "name(() => new TextDecoder('latin1')) === 'RangeError'",
        "new TextDecoder().decode(new Uint8Array([97, 98, 99]).buffer) === 'abc'",
        "new TextDecoder().decode(new DataView(new Uint8Array([97, 98, 99]).buffer, 1, 1)) === 'b'",
        "new TextDecoder().decode(new Uint8Array([97, 98, 99]).subarray(1)) === 'bc'",
        "name(() => new TextDecoder().decode('text')) === 'TypeError'",
        "(() => { const d = new TextDecoder(); return [[0xf0, 0x9f], [0x98], [0x80, 97]].map((b) => d.decode(bytes(...b), { stream: true })).join('|') + d.decode() === '||\u{1F600}a'; })()",
        "(() => { const d = new TextDecoder(); return d.decode(bytes(0xc3), { stream: true }) + d.decode() === '\\uFFFD'; })()",
        "(() => { const d = new TextDecoder(); return d.decode(bytes(0xef), { stream: true }) + d.decode(bytes(0xbb, 0xbf, 97), { stream: true }) + d.decode() === 'a'; })()",
    ]);
}

#[test]
fn base64_goes_both_ways() {
    all_true(&[
        "btoa('') === '' && btoa('a') === 'YQ==' && btoa('ab') === 'YWI=' && btoa('abc') === 'YWJj' && btoa('\\xff\\0') === '/wA='",
        "atob('YQ==') === 'a' && atob('YQ') === 'a' && atob(' Y W J j \\n') === 'abc' && atob('') === ''",
        "name(() => btoa('€')) === 'InvalidCharacterError'",
        "name(() => atob('a')) === 'InvalidCharacterError' && name(() => atob('YQ=')) === 'InvalidCharacterError' && name(() => atob('Y*==')) === 'InvalidCharacterError'",
        "name(() => atob('YQ===')) === 'InvalidCharacterError' && name(() => atob('-_')) === 'InvalidCharacterError'",
        "(() => { try { atob('*'); } catch (e) { return e instanceof DOMException && e instanceof Error && e.code === 5; } })()",
    ]);
}

#[test]
fn structured_clone_keeps_what_can_be_cloned() {
    all_true(&[
        "same(structuredClone({ a: [1, 'x', null, undefined, { b: true }] }), { a: [1, 'x', null, undefined, { b: true }] })",
        "(() => { const a = { n: 1 }; a.self = a; const c = structuredClone(a); return c !== a && c.self === c; })()",
        "(() => { const shared = {}; const c = structuredClone([shared, shared]); return c[0] === c[1] && c[0] !== shared; })()",
        "(() => { const c = structuredClone(new Map([[{ k: 1 }, new Set([1, [2]])]])); const [k, v] = [...c][0]; return c instanceof Map && k.k === 1 && v instanceof Set && v.size === 2; })()",
        "(() => { const m = new Map(); m.set('m', m); const c = structuredClone(m); return c.get('m') === c; })()",
        "structuredClone(new Date(5)).getTime() === 5 && structuredClone(/a/gi).flags === 'gi' && structuredClone(/a/gi).source === 'a'",
        "(() => { const e = new RangeError('m', { cause: new Date(1) }); const c = structuredClone(e); return c instanceof RangeError && c.message === 'm' && c.stack === e.stack && c.cause.getTime() === 1; })()",
        "(() => { class Own extends Error {} const e = new Own('m'); e.name = 'Own'; const c = structuredClone(e); return c.constructor === Error && c.name === 'Error'; })()",
        "(() => { const u = new Uint16Array([1, 2, 3]).subarray(1); const c = structuredClone(u); return c instanceof Uint16Array && same([...c], [2, 3]) && c.buffer !== u.buffer; })()",
        "(() => { const b = new ArrayBuffer(8); const c = structuredClone({ a: new Uint8Array(b), b, v: new DataView(b, 2, 3) }); return c.a.buffer === c.b && c.v.buffer === c.b && c.v.byteLength === 3 && c.v.byteOffset === 2; })()",
        "(() => { const b = new ArrayBuffer(8); const c = structuredClone(b, { transfer: [b] }); return b.byteLength === 0 && b.detached && c.byteLength === 8; })()",
        "(() => { const a = [1, , 3]; a.extra = 'x'; const c = structuredClone(a); return c.length === 3 && !(1 in c) && c.extra === 'x'; })()",
        "(() => { class P { x = 1; get y() { return 2; } } const c = structuredClone(new P()); return c.constructor === Object && c.x === 1 && c.y === undefined; })()",
        "(() => { const o = { get v() { return 7; }, [Symbol('s')]: 1 }; Object.defineProperty(o, 'hidden', { value: 1 }); return same(structuredClone(o), { v: 7 }); })()",
        "structuredClone(Object('s')) instanceof String && structuredClone(Object(1n)) == 1n && structuredClone(-0) === 0 && Object.is(structuredClone(-0), -0)",
        "name(() => structuredClone(() => {})) === 'DataCloneError' && name(() => structuredClone({ f() {} })) === 'DataCloneError'",
        "name(() => structuredClone(Symbol('s'))) === 'DataCloneError' && name(() => structuredClone(new WeakMap())) === 'DataCloneError' && name(() => structuredClone(Promise.resolve())) === 'DataCloneError'",
        "name(() => structuredClone(new URL('http://a'))) === 'DataCloneError' && name(() => structuredClone(new Proxy({}, {}))) === 'DataCloneError'",
        "name(() => structuredClone({}, { transfer: [{}] })) === 'DataCloneError'",
        "(() => { const b = new ArrayBuffer(8); try { structuredClone({ b, f() {} }, { transfer: [b] }); } catch { return b.byteLength === 8; } })()",
        "structuredClone(JSON.parse('{\"__proto__\": 1}')).__proto__ === 1",
    ]);
}

#[test]
fn signals_abort_once_and_tell_why() {
    all_true(&[
        "(() => { const c = new AbortController(); let n = 0; c.signal.addEventListener('abort', (e) => { n += e.type === 'abort' && e.target === c.signal ? 1 : 10; }); c.signal.onabort = () => { n += 1; }; c.abort(); c.abort('again'); return n === 2 && c.signal.aborted && c.signal.reason.name === 'AbortError' && c.signal.reason instanceof DOMException; })()",
        "(() => { const c = new AbortController(); c.abort('why'); return c.signal.reason === 'why' && (() => { try { c.signal.throwIfAborted(); } catch (e) { return e === 'why'; } })(); })()",
        "AbortSignal.abort().aborted && AbortSignal.abort(7).reason === 7 && new AbortController().signal.aborted === false",
        "(() => { const a = new AbortController(), b = new AbortController(); const any = AbortSignal.any([a.signal, AbortSignal.any([b.signal])]); let seen; any.onabort = () => { seen = any.reason; }; b.abort('b'); a.abort('a'); return any.aborted && any.reason === 'b' && seen === 'b'; })()",
        "AbortSignal.any([AbortSignal.abort(1), AbortSignal.abort(2)]).reason === 1 && AbortSignal.any([]).aborted === false",
        "name(() => new AbortSignal()) === 'TypeError' && name(() => AbortSignal.any([{}])) === 'TypeError'",
        "(async () => { const s = AbortSignal.timeout(10); await new Promise((r) => s.addEventListener('abort', r)); return s.reason.name === 'TimeoutError'; })()",
        "(() => { const c = new AbortController(); const t = new EventTarget(); let n = 0; t.addEventListener('x', () => n++, { signal: c.signal }); t.dispatchEvent(new Event('x')); c.abort(); t.dispatchEvent(new Event('x')); return n === 1; })()",
        "(() => { new AbortController().signal.throwIfAborted(); return true; })()",
    ]);
}

#[test]
fn events_reach_their_listeners() {
    all_true(&[
        "(() => { const t = new EventTarget(), seen = []; t.addEventListener('x', function (e) { seen.push(this === t, e.currentTarget === t, e.eventPhase); }); t.addEventListener('x', { handleEvent(e) { seen.push(e.type); } }, { once: true }); t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('x')); return same(seen, [true, true, 2, 'x', true, true, 2]); })()",
        "(() => { const t = new EventTarget(); t.addEventListener('x', (e) => e.preventDefault()); return t.dispatchEvent(new Event('x', { cancelable: true })) === false && t.dispatchEvent(new Event('x')) === true; })()",
        "(() => { const t = new EventTarget(); t.addEventListener('x', (e) => e.preventDefault(), { passive: true }); return t.dispatchEvent(new Event('x', { cancelable: true })); })()",
        "(() => { const t = new EventTarget(); let n = 0; const f = () => n++; t.addEventListener('x', f); t.addEventListener('x', f); t.addEventListener('x', f, true); t.dispatchEvent(new Event('x')); t.removeEventListener('x', f); t.dispatchEvent(new Event('x')); return n === 3; })()",
        "(() => { const t = new EventTarget(); let n = 0; t.addEventListener('x', (e) => { n++; e.stopImmediatePropagation(); }); t.addEventListener('x', () => n++); t.dispatchEvent(new Event('x')); return n === 1; })()",
        "(() => { const t = new EventTarget(); let n = 0; t.addEventListener('x', () => { throw new Error('in a listener'); }); t.addEventListener('x', () => n++); t.dispatchEvent(new Event('x')); return n === 1; })()",
        "name(() => new EventTarget().dispatchEvent({ type: 'x' })) === 'TypeError' && name(() => new Event()) === 'TypeError'",
        "(() => { const t = new EventTarget(), e = new Event('x'); let inner; t.addEventListener('x', () => { inner = name(() => t.dispatchEvent(e)); }); t.dispatchEvent(e); return inner === 'InvalidStateError'; })()",
        "(() => { class Mine extends EventTarget {} const m = new Mine(); let n = 0; m.addEventListener('x', null); m.addEventListener('x', () => n++); m.dispatchEvent(new (class extends Event { constructor() { super('x'); } })()); return n === 1; })()",
        "Event.AT_TARGET === 2 && new Event('x').BUBBLING_PHASE === 3 && Object.prototype.toString.call(new Event('x')) === '[object Event]'",
        "(() => { const e = new DOMException('m', 'AbortError'); return e.code === 20 && e.name === 'AbortError' && e.message === 'm' && e instanceof Error && DOMException.ABORT_ERR === 20; })()",
    ]);
}

#[test]
fn randomness_and_digests_come_from_the_host() {
    all_true(&[
        "(() => { const a = new Uint8Array(32); return crypto.getRandomValues(a) === a && new Set(a).size > 8; })()",
        "crypto.getRandomValues(new BigUint64Array(2))[0] !== crypto.getRandomValues(new BigUint64Array(2))[0]",
        "crypto.getRandomValues(new Uint32Array(16384)).length === 16384 && crypto.getRandomValues(new Uint8Array(0)).length === 0",
        "(() => { const b = new Uint8Array(8); crypto.getRandomValues(b.subarray(4)); return same([...b.subarray(0, 4)], [0, 0, 0, 0]) && b[4] + b[5] + b[6] + b[7] > 0; })()",
        "name(() => crypto.getRandomValues(new Uint8Array(65537))) === 'QuotaExceededError'",
        "name(() => crypto.getRandomValues(new Float32Array(1))) === 'TypeMismatchError' && name(() => crypto.getRandomValues([])) === 'TypeMismatchError'",
        "/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()) && crypto.randomUUID() !== crypto.randomUUID()",
        "new Uint8Array(await crypto.subtle.digest('sha-256', new TextEncoder().encode('abc'))).toHex() === 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'",
        "(await crypto.subtle.digest({ name: 'SHA-512' }, new ArrayBuffer(0))).byteLength === 64 && (await crypto.subtle.digest('SHA-384', new DataView(new ArrayBuffer(1)))).byteLength === 48",
        "(await crypto.subtle.digest('MD5', new Uint8Array()).catch((e) => e.name)) === 'NotSupportedError'",
        "(await crypto.subtle.digest('SHA-1', new Uint8Array()).catch((e) => e.message)) === 'this host has no such digest'",
        "(await crypto.subtle.digest('SHA-256', 'text').catch((e) => e.name)) === 'TypeError'",
        "(() => { const n = Math.random(); return n >= 0 && n < 1 && n !== Math.random(); })()",
    ]);
}

#[test]
fn time_is_the_hosts() {
    all_true(&[
        "Math.abs(Date.now() - 1735689600000) < 1000 && new Date().getTimezoneOffset() === 0",
        "new Date(2025, 0, 1).toISOString() === '2025-01-01T00:00:00.000Z'",
        "performance.now() < 1000 && performance.now() > 0",
    ]);
}

#[test]
fn scheduling_functions_refuse_what_is_no_function() {
    for body in ["setTimeout('code')", "setInterval(null, 5)", "queueMicrotask('code')"] {
        assert_eq!(failure(body).name, "TypeError", "{body}");
    }
    assert_eq!(
        evaluate("clearTimeout(undefined); clearTimeout(12345); clearInterval('x'); return typeof setTimeout(() => {}, 1);"),
        json!("number")
    );
}
