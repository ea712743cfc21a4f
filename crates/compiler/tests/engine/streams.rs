//! Streams, without a network.

use super::truths::all_true;

#[test]
fn a_stream_gives_what_its_source_gives() {
    all_true(&[
        "same(await all(new ReadableStream({ start(c) { c.enqueue(1); c.enqueue(2); c.close(); } })), [1, 2])",
        "same(await all(new ReadableStream({ n: 0, pull(c) { this.n += 1; this.n > 3 ? c.close() : c.enqueue(this.n); } })), [1, 2, 3])",
        "same(await all(new ReadableStream({ async start() { await 1; }, async pull(c) { await 1; c.enqueue('a'); c.close(); } })), ['a'])",
        "same(await all(ReadableStream.from([1, Promise.resolve(2)])), [1, 2]) && same(await all(ReadableStream.from((async function* () { yield 3; })())), [3])",
        "(await nameLater(() => all(new ReadableStream({ start() { throw new RangeError('x'); } })))) === 'RangeError'",
        "(await nameLater(() => all(new ReadableStream({ async start() { throw new RangeError('x'); } })))) === 'RangeError'",
        "(await nameLater(() => all(new ReadableStream({ pull() { throw new RangeError('x'); } })))) === 'RangeError'",
        "(await nameLater(() => all(new ReadableStream({ start(c) { c.enqueue(1); c.error(new RangeError('x')); } })))) === 'RangeError'",
        "name(() => new ReadableStream(null)) === 'TypeError' && name(() => new ReadableStream({ type: 'bytes' })) === 'RangeError' && name(() => new ReadableStream({}, { highWaterMark: -1 })) === 'RangeError'",
        "name(() => new ReadableStream().getReader({ mode: 'byob' })) === 'TypeError' && name(() => new ReadableStreamDefaultController()) === 'TypeError'",
        "name(() => new ReadableStream({ start(c) { c.close(); c.enqueue(1); } })) === 'TypeError' && name(() => new ReadableStream({ start(c) { c.close(); c.close(); } })) === 'TypeError'",
        "(await nameLater(() => all(new ReadableStream({ start(c) { c.enqueue(1); } }, { size: () => NaN })))) === 'RangeError'",
    ]);
}

#[test]
fn a_source_is_asked_for_no_more_than_there_is_room_for() {
    all_true(&[
        "(await (async () => { let pulls = 0; new ReadableStream({ pull(c) { pulls += 1; c.enqueue(pulls); } }); await new Promise((r) => setTimeout(r, 5)); return pulls === 1; })())",
        "(await (async () => { let pulls = 0; new ReadableStream({ pull(c) { pulls += 1; c.enqueue(pulls); } }, { highWaterMark: 0 }); await new Promise((r) => setTimeout(r, 5)); return pulls === 0; })())",
        "(await (async () => { let pulls = 0; const s = new ReadableStream({ pull(c) { pulls += 1; c.enqueue(pulls); } }, { highWaterMark: 3 }); await new Promise((r) => setTimeout(r, 5)); const before = pulls; await s.getReader().read(); await new Promise((r) => setTimeout(r, 5)); return before === 3 && pulls === 4; })())",
        "(await (async () => { let sizes = []; new ReadableStream({ start(c) { sizes.push(c.desiredSize); c.enqueue('abc'); sizes.push(c.desiredSize); } }, { highWaterMark: 10, size: (v) => v.length }); return same(sizes, [10, 7]); })())",
        "(await (async () => { let at = 0, most = 0; const s = new ReadableStream({ async pull(c) { at += 1; most = Math.max(most, at); await new Promise((r) => setTimeout(r, 1)); at -= 1; c.enqueue(1); } }); const r = s.getReader(); await Promise.all([r.read(), r.read(), r.read()]); return most === 1; })())",
    ]);
}

#[test]
fn a_reader_holds_its_stream_until_it_lets_go() {
    all_true(&[
        "(() => { const s = new ReadableStream(); s.getReader(); return s.locked && name(() => s.getReader()) === 'TypeError' && name(() => s.tee()) === 'TypeError'; })()",
        "(await (async () => { const s = new ReadableStream(); s.getReader(); return (await nameLater(() => s.cancel())) === 'TypeError'; })())",
        "(await (async () => { const s = new ReadableStream(); const r = s.getReader(); const read = r.read(); r.releaseLock(); return !s.locked && (await nameLater(() => read)) === 'TypeError' && (await nameLater(() => r.read())) === 'TypeError' && (await nameLater(() => r.closed)) === 'TypeError'; })())",
        "(await (async () => { const s = new ReadableStream({ start(c) { c.close(); } }); const r = s.getReader(); await r.closed; return same(await r.read(), { done: true }); })())",
        "(await (async () => { let why; const s = new ReadableStream({ cancel(reason) { why = reason; } }); await s.cancel('enough'); return why === 'enough' && same(await s.getReader().read(), { done: true }); })())",
        "(await (async () => { let why = 0; const s = new ReadableStream({ pull(c) { c.enqueue(1); }, cancel() { why += 1; } }); for await (const value of s) { break; } return why === 1 && !s.locked; })())",
        "(await (async () => { let why = 0; const s = new ReadableStream({ pull(c) { c.enqueue(1); }, cancel() { why += 1; } }); for await (const value of s.values({ preventCancel: true })) { break; } return why === 0 && !s.locked && (await s.getReader().read()).value === 1; })())",
        "(await nameLater(() => new ReadableStream({ start(c) { c.error(new RangeError()); } }).cancel())) === 'RangeError'",
    ]);
}

#[test]
fn a_fork_gives_both_all_of_it() {
    all_true(&[
        "(await (async () => { const [a, b] = ReadableStream.from([1, 2, 3]).tee(); return same([await all(a), await all(b)], [[1, 2, 3], [1, 2, 3]]); })())",
        "(await (async () => { const [a, b] = ReadableStream.from([1, 2]).tee(); return same(await Promise.all([all(a), all(b)]), [[1, 2], [1, 2]]); })())",
        "(await (async () => { let why; const [a, b] = new ReadableStream({ pull(c) { c.enqueue(1); }, cancel(reason) { why = reason; } }).tee(); a.cancel('x'); const before = why; await b.cancel('y'); return before === undefined && same(why, ['x', 'y']); })())",
        "(await (async () => { const [a, b] = new ReadableStream({ pull() { throw new RangeError(); } }).tee(); return (await nameLater(() => all(a))) === 'RangeError' && (await nameLater(() => all(b))) === 'RangeError'; })())",
    ]);
}

#[test]
fn a_pipe_carries_to_the_end_and_fails_on_both_sides() {
    all_true(&[
        "(await (async () => { const got = []; let closed = false; await ReadableStream.from([1, 2]).pipeTo(new WritableStream({ write(v) { got.push(v); }, close() { closed = true; } })); return same(got, [1, 2]) && closed; })())",
        "(await (async () => { let closed = false; await ReadableStream.from([1]).pipeTo(new WritableStream({ close() { closed = true; } }), { preventClose: true }); return !closed; })())",
        "(await (async () => { let why; const s = new ReadableStream({ pull() { throw new RangeError('x'); } }); const n = await nameLater(() => s.pipeTo(new WritableStream({ abort(reason) { why = reason.message; } }))); return n === 'RangeError' && why === 'x'; })())",
        "(await (async () => { let why; const s = new ReadableStream({ pull(c) { c.enqueue(1); }, cancel(reason) { why = reason.message; } }); const n = await nameLater(() => s.pipeTo(new WritableStream({ write() { throw new RangeError('x'); } }))); return n === 'RangeError' && why === 'x' && !s.locked; })())",
        "(await (async () => { const c = new AbortController(); let why; const s = new ReadableStream({ cancel(reason) { why = reason.name; } }); setTimeout(() => c.abort(), 5); const n = await nameLater(() => s.pipeTo(new WritableStream(), { signal: c.signal })); return n === 'AbortError' && why === 'AbortError'; })())",
        "same(await all(ReadableStream.from(['a', 'b']).pipeThrough(new TransformStream({ transform(v, c) { c.enqueue(v + v); }, flush(c) { c.enqueue('end'); } }))), ['aa', 'bb', 'end'])",
        "same(await all(ReadableStream.from([1, 2]).pipeThrough(new TransformStream())), [1, 2])",
        "(await nameLater(() => all(ReadableStream.from([1]).pipeThrough(new TransformStream({ transform() { throw new RangeError(); } }))))) === 'RangeError'",
        "(await nameLater(() => all(new ReadableStream({ pull() { throw new RangeError(); } }).pipeThrough(new TransformStream())))) === 'RangeError'",
        "(await (async () => { let n = 0; const s = new ReadableStream({ pull(c) { n += 1; c.enqueue(n); } }, { highWaterMark: 0 }).pipeThrough(new TransformStream()); await s.getReader().read(); await new Promise((r) => setTimeout(r, 5)); return n <= 3; })())",
        "(await all(ReadableStream.from([bytes(0xc3), bytes(0xbc, 97), bytes(0xe2)]).pipeThrough(new TextDecoderStream()))).join('|') === '\u{fc}a|\\uFFFD'",
        "same((await all(ReadableStream.from(['\u{fc}']).pipeThrough(new TextEncoderStream()))).map((b) => [...b]), [[195, 188]])",
    ]);
}

#[test]
fn a_writer_writes_in_order_and_one_at_a_time() {
    all_true(&[
        "(await (async () => { const got = []; let at = 0, most = 0; const w = new WritableStream({ async write(v) { at += 1; most = Math.max(most, at); await new Promise((r) => setTimeout(r, 3 - v)); got.push(v); at -= 1; } }).getWriter(); w.write(1); w.write(2); await w.close(); await w.closed; return same(got, [1, 2]) && most === 1; })())",
        "(await (async () => { const w = new WritableStream({}, { highWaterMark: 2 }).getWriter(); const sizes = [w.desiredSize]; w.write(1); sizes.push(w.desiredSize); w.write(2); sizes.push(w.desiredSize); await w.ready; return same(sizes, [2, 1, 0]) && w.desiredSize > 0; })())",
        "(await (async () => { const s = new WritableStream(); const w = s.getWriter(); await w.close(); return s.locked && (await nameLater(() => w.write(1))) === 'TypeError' && name(() => s.getWriter()) === 'TypeError'; })())",
        "(await (async () => { const w = new WritableStream({ write() { throw new RangeError(); } }).getWriter(); const first = await nameLater(() => w.write(1)); return first === 'RangeError' && (await nameLater(() => w.write(2))) === 'RangeError' && (await nameLater(() => w.closed)) === 'RangeError' && w.desiredSize === null; })())",
        "(await (async () => { let why; const s = new WritableStream({ abort(reason) { why = reason; } }); await s.abort('x'); return why === 'x' && (await nameLater(() => s.getWriter().write(1))) !== 'nothing was thrown'; })())",
        "(await (async () => { let caught; const s = new WritableStream({ start(c) { caught = c; } }); caught.error(new RangeError()); return (await nameLater(() => s.close())) === 'RangeError'; })())",
        "(await (async () => { const s = new WritableStream(); const w = s.getWriter(); w.releaseLock(); return !s.locked && (await nameLater(() => w.write(1))) === 'TypeError'; })())",
    ]);
}
