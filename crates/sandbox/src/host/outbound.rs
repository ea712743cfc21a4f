//! A call's way out: secrets, requests to the hosts that a version was granted, and the bodies of their answers.

use wasmtime::{
    StoreContextMut,
    component::{WasmList, WasmStr},
};

use super::{charge, count, take_text};
use crate::state::GuestState;

/// Bytes of a name that are looked at.
const NAME_BYTES_MAX: usize = 256;
/// What a call is told that was given no way out.
const NO_WAY_OUT: &str = "this call has no way out: it is run without secrets and without network";

type Guest<'a> = StoreContextMut<'a, GuestState>;

/// `secret: func(name: string) -> result<string, string>`
pub(super) fn secret(mut guest: Guest<'_>, (name,): (WasmStr,)) -> wasmtime::Result<(Result<String, String>,)> {
    count(&mut guest)?;
    take_text(&mut guest, &name, NAME_BYTES_MAX)?;
    Ok((Err(NO_WAY_OUT.to_owned()),))
}

/// `basic-auth: func(user: string, name: string) -> result<string, string>`
pub(super) fn basic_auth(mut guest: Guest<'_>, (user, name): (WasmStr, WasmStr)) -> wasmtime::Result<(Result<String, String>,)> {
    take_text(&mut guest, &user, NAME_BYTES_MAX)?;
    secret(guest, (name,))
}

/// `hmac: func(algorithm: string, name: string, data: list<u8>) -> result<list<u8>, string>`
pub(super) fn hmac(
    mut guest: Guest<'_>,
    (algorithm, name, data): (WasmStr, WasmStr, WasmList<u8>),
) -> wasmtime::Result<(Result<Vec<u8>, String>,)> {
    count(&mut guest)?;
    charge(&mut guest, data.len(), 1)?;
    take_text(&mut guest, &algorithm, NAME_BYTES_MAX)?;
    take_text(&mut guest, &name, NAME_BYTES_MAX)?;
    Ok((Err(NO_WAY_OUT.to_owned()),))
}

/// `fetch: func(request: string, body: list<u8>) -> result<u32, string>`
pub(super) fn fetch(mut guest: Guest<'_>, (request, body): (WasmStr, WasmList<u8>)) -> wasmtime::Result<(Result<u32, String>,)> {
    count(&mut guest)?;
    charge(&mut guest, body.len(), 1)?;
    take_text(&mut guest, &request, NAME_BYTES_MAX)?;
    Ok((Err(NO_WAY_OUT.to_owned()),))
}

/// `read: func(body: u32) -> result<u32, string>`
pub(super) fn read(mut guest: Guest<'_>, (_body,): (u32,)) -> wasmtime::Result<(Result<u32, String>,)> {
    charge(&mut guest, 0, 0)?;
    Ok((Err("the host does not know this body".to_owned()),))
}

/// `take: func(operation: u32) -> list<u8>`
pub(super) fn take(mut guest: Guest<'_>, (_operation,): (u32,)) -> wasmtime::Result<(Vec<u8>,)> {
    charge(&mut guest, 0, 0)?;
    Ok((Vec::new(),))
}

/// `close: func(body: u32)`; a handle that is not in use is none of anyone's business.
pub(super) fn close(mut guest: Guest<'_>, (_body,): (u32,)) -> wasmtime::Result<()> {
    charge(&mut guest, 0, 0)
}
