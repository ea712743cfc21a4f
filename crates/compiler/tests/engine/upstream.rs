//! The way out of a guest, played by the tests: secrets, requests that are kept, and answers that a test has laid ready.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use wasmtime::{Caller, Linker, Result};

use super::host::{HOST, Host, count, give, give_at, take, take_text, write};

/// What the outside saw of a guest, and what it will answer.
#[derive(Default)]
pub(crate) struct Upstream {
    /// The request as JSON, and its body.
    pub(crate) requests: Vec<(Value, Vec<u8>)>,
    /// The answers to requests, in their order. A request beyond them is refused.
    pub(crate) replies: VecDeque<Reply>,
    /// Bodies that were closed.
    pub(crate) closed: Vec<u32>,
    /// Bodies of which more can be read, and those that ended by themselves.
    bodies: BTreeMap<u32, (AtOnce, VecDeque<Piece>)>,
    arrived: BTreeMap<u32, Vec<u8>>,
}

/// A piece of a body, or why there is none.
pub(crate) type Piece = std::result::Result<Vec<u8>, String>;

/// The answer to one request.
pub(crate) struct Reply {
    /// How long it takes, in milliseconds.
    pub(crate) after_ms: u64,
    /// The head, `body` aside; or why there is no answer.
    pub(crate) head: std::result::Result<Value, String>,
    /// None: a response without a body.
    pub(crate) pieces: Option<Vec<Piece>>,
    /// What of them is there with the head.
    pub(crate) at_once: AtOnce,
}

/// How much of a body comes with the head of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtOnce {
    /// Nothing, and then each piece by itself, the end as well.
    Nothing,
    /// The first piece; the last one says that it is the last.
    First,
}

impl Reply {
    /// An answer with status 200 and this body in one piece.
    pub(crate) fn ok(body: &str) -> Self {
        Self::pieces(&[body])
    }

    /// An answer with status 200 and a body in these pieces.
    pub(crate) fn pieces(pieces: &[&str]) -> Self {
        let pieces = pieces.iter().map(|piece| Ok(piece.as_bytes().to_vec())).collect();
        Self { after_ms: 0, head: Ok(head()), pieces: Some(pieces), at_once: AtOnce::Nothing }
    }

    /// No answer: the host says why.
    pub(crate) fn failed(error: &str) -> Self {
        Self { after_ms: 0, head: Err(error.to_owned()), pieces: None, at_once: AtOnce::Nothing }
    }

    /// The same, with its first piece at once.
    pub(crate) fn at_once(mut self) -> Self {
        self.at_once = AtOnce::First;
        self
    }

    /// The same with other members of the head.
    pub(crate) fn with(mut self, members: Value) -> Self {
        let Value::Object(members) = members else { panic!("{members}") };
        self.head.as_mut().unwrap().as_object_mut().unwrap().extend(members);
        self
    }

    /// The same, later.
    pub(crate) fn after_ms(mut self, after_ms: u64) -> Self {
        self.after_ms = after_ms;
        self
    }
}

fn head() -> Value {
    json!({"url": "https://api.test/", "status": 200, "statusText": "OK", "redirected": false, "headers": [["content-type", "text/plain"]]})
}

pub(crate) fn add(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(HOST, "secret", |mut caller: Caller<'_, Host>, at: u32, length: u32, result: u32| {
        let name = take_text(&mut caller, at, length)?;
        placeholder(&mut caller, &name, &format!("<{name}>"), result)
    })?;
    linker.func_wrap(HOST, "basic-auth", basic_auth)?;
    linker.func_wrap(HOST, "hmac", hmac)?;
    linker.func_wrap(HOST, "fetch", fetch)?;
    linker.func_wrap(HOST, "read", read)?;
    linker.func_wrap(HOST, "take", |mut caller: Caller<'_, Host>, operation: u32, result: u32| {
        let bytes = caller.data_mut().upstream.arrived.remove(&operation).unwrap_or_default();
        give_at(&mut caller, result, &bytes)
    })?;
    linker.func_wrap(HOST, "close", |mut caller: Caller<'_, Host>, body: u32| {
        caller.data_mut().upstream.closed.push(body);
        caller.data_mut().upstream.bodies.remove(&body);
    })?;
    Ok(())
}

/// A secret that is called anything but `NONE` was granted.
fn placeholder(caller: &mut Caller<'_, Host>, name: &str, text: &str, result: u32) -> Result<()> {
    match name {
        "NONE" => give(caller, result, 1, b"the secret `NONE` was not granted"),
        _ => give(caller, result, 0, text.as_bytes()),
    }
}

fn basic_auth(mut caller: Caller<'_, Host>, user: u32, user_length: u32, name: u32, length: u32, result: u32) -> Result<()> {
    let user = take_text(&mut caller, user, user_length)?;
    let name = take_text(&mut caller, name, length)?;
    placeholder(&mut caller, &name, &format!("<Basic {user} {name}>"), result)
}

#[expect(clippy::too_many_arguments, reason = "three lists and the place of the result, as the canonical ABI has them")]
fn hmac(
    mut caller: Caller<'_, Host>,
    algorithm: u32,
    algorithm_length: u32,
    name: u32,
    length: u32,
    data: u32,
    data_length: u32,
    result: u32,
) -> Result<()> {
    let algorithm = take_text(&mut caller, algorithm, algorithm_length)?;
    let name = take_text(&mut caller, name, length)?;
    let data = take(&mut caller, data, data_length)?;
    let text = format!("{algorithm} {name} {}", String::from_utf8_lossy(&data));
    placeholder(&mut caller, &name, &text, result)
}

fn fetch(mut caller: Caller<'_, Host>, at: u32, length: u32, body: u32, body_length: u32, result: u32) -> Result<()> {
    count(&mut caller, "fetch");
    let request = serde_json::from_str(&take_text(&mut caller, at, length)?)?;
    let body = take(&mut caller, body, body_length)?;
    let host = caller.data_mut();
    host.upstream.requests.push((request, body));
    let Some(reply) = host.upstream.replies.pop_front() else {
        return give(&mut caller, result, 1, b"the host `nowhere.test` was not granted to this tool");
    };
    let handle = host.next_handle();
    let told = reply.head.map(|head| {
        let (mut body, mut begun) = (Value::Null, "none");
        if let Some(pieces) = reply.pieces {
            let id = host.next_handle();
            let mut pieces = VecDeque::from(pieces);
            if reply.at_once == AtOnce::First {
                let first = pieces.pop_front().unwrap_or_else(|| Ok(Vec::new())).unwrap();
                begun = if pieces.is_empty() { "all" } else { "some" };
                host.upstream.arrived.insert(handle, first);
            }
            host.upstream.bodies.insert(id, (reply.at_once, pieces));
            body = id.into();
        }
        let headers: Vec<&Value> = head["headers"].as_array().unwrap().iter().flat_map(|pair| pair.as_array().unwrap()).collect();
        json!([head["status"], head["statusText"], head["url"], head["redirected"], body, begun, headers]).to_string()
    });
    host.begin(handle, reply.after_ms * 1000, told);
    write(&mut caller, result, &[0])?;
    write(&mut caller, result + 4, &handle.to_le_bytes())
}

fn read(mut caller: Caller<'_, Host>, body: u32, result: u32) -> Result<()> {
    count(&mut caller, "read");
    let host = caller.data_mut();
    let handle = host.next_handle();
    let Some((at_once, pieces)) = host.upstream.bodies.get_mut(&body) else {
        return give(&mut caller, result, 1, b"this body is not open");
    };
    let told = pieces.pop_front().unwrap_or_else(|| Ok(Vec::new())).map(|bytes| {
        let is_end = bytes.is_empty() || (*at_once == AtOnce::First && pieces.is_empty());
        host.upstream.arrived.insert(handle, bytes);
        if is_end { "end" } else { "more" }.to_owned()
    });
    host.begin(handle, 0, told);
    write(&mut caller, result, &[0])?;
    write(&mut caller, result + 4, &handle.to_le_bytes())
}
