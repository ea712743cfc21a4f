//! Secrets, which a guest uses and never holds.

use domain::{EnvName, HostCall};
use egress::{Outbound, SecretError};
use wasmtime::{
    StoreContextMut,
    component::{WasmList, WasmStr},
};

use super::{Fault, burn, charge_answer, count, digest::DIGEST_BYTE_FUEL, take_name, take_text};
use crate::{journal, state::GuestState};

/// Bytes of an algorithm's name, and of a user's: one more than is taken, so that a longer one is not taken for its beginning.
const WORD_BYTES_MAX: usize = 257;
/// Bytes of one HMAC's data: it is made in one go, while other guests wait. About 4 ms.
const HMAC_BYTES_MAX: usize = 1024 * 1024;

/// `secret: func(name: string) -> result<string, string>`
pub(super) fn secret(
    mut guest: StoreContextMut<'_, GuestState>,
    (name,): (WasmStr,),
) -> wasmtime::Result<(Result<String, String>,)> {
    let name = take_name(&mut guest, &name)?;
    Ok((tell(&mut guest, &name)?,))
}

/// The placeholder of the secret of this name, or why there is none.
pub(super) fn tell(guest: &mut StoreContextMut<'_, GuestState>, name: &str) -> wasmtime::Result<Result<String, String>> {
    count(guest)?;
    let parameters = |_: &_| Some(journal::parameters([name.as_bytes()]));
    let placeholder = journal::tell(guest, HostCall::Secret, parameters, |guest| Ok(with_secret(guest, name, Outbound::secret)))?;
    restore(guest, HostCall::Secret, name, &placeholder, Outbound::restore_secret)?;
    charge_answer(guest, &placeholder)?;
    Ok(placeholder)
}

/// `basic-auth: func(user: string, name: string) -> result<string, string>`
pub(super) fn basic_auth(
    mut guest: StoreContextMut<'_, GuestState>,
    (user, name): (WasmStr, WasmStr),
) -> wasmtime::Result<(Result<String, String>,)> {
    count(&mut guest)?;
    let user = take_text(&mut guest, &user, WORD_BYTES_MAX)?;
    let name = take_name(&mut guest, &name)?;
    let parameters = |_: &_| Some(journal::parameters([user.as_bytes(), name.as_bytes()]));
    let placeholder = journal::tell(&mut guest, HostCall::BasicAuth, parameters, |guest| {
        Ok(with_secret(guest, &name, |outbound, name| outbound.basic_auth(&user, name)))
    })?;
    restore(&guest, HostCall::BasicAuth, &name, &placeholder, |outbound, name, word| {
        outbound.restore_basic_auth(&user, name, word)
    })?;
    charge_answer(&mut guest, &placeholder)?;
    Ok((placeholder,))
}

/// `hmac: func(algorithm: string, name: string, data: list<u8>) -> result<list<u8>, string>`
pub(super) fn hmac(
    mut guest: StoreContextMut<'_, GuestState>,
    (algorithm, name, data): (WasmStr, WasmStr, WasmList<u8>),
) -> wasmtime::Result<(Result<Vec<u8>, String>,)> {
    count(&mut guest)?;
    let algorithm = take_text(&mut guest, &algorithm, WORD_BYTES_MAX)?;
    let name = take_name(&mut guest, &name)?;
    let made = if data.len() > HMAC_BYTES_MAX {
        Err(format!("an HMAC is made of {HMAC_BYTES_MAX} bytes at most: take the digest of what is longer"))
    } else {
        burn(&mut guest, data.len(), DIGEST_BYTE_FUEL)?;
        let parameters = |guest: &StoreContextMut<'_, _>| {
            Some(journal::parameters([algorithm.as_bytes(), name.as_bytes(), data.as_le_slice(guest)]))
        };
        journal::tell(&mut guest, HostCall::Hmac, parameters, |guest| {
            Ok(with_secret(guest, &name, |outbound, name| outbound.hmac(&algorithm, name, data.as_le_slice(&*guest))))
        })?
    };
    charge_answer(&mut guest, &made)?;
    Ok((made,))
}

/// While a guest is replayed, makes the placeholder that it was given in an earlier run mean the same again.
fn restore(
    guest: &StoreContextMut<'_, GuestState>,
    call: HostCall,
    name: &str,
    placeholder: &Result<String, String>,
    restore: impl FnOnce(&Outbound, &EnvName, &str) -> Result<(), SecretError>,
) -> Result<(), Fault> {
    let (true, Ok(word)) = (guest.data().is_replaying(), placeholder) else { return Ok(()) };
    let restored = with_secret(guest, name, |outbound, name| restore(outbound, name, word));
    restored.map_err(|_| Fault::Diverged(call))
}

fn with_secret<T>(
    guest: &StoreContextMut<'_, GuestState>,
    name: &str,
    make: impl FnOnce(&Outbound, &EnvName) -> Result<T, SecretError>,
) -> Result<T, String> {
    let name: EnvName = name.parse().map_err(|error| format!("`{name}` is no name of a secret: {error}"))?;
    match &guest.data().outside.outbound {
        Some(outbound) => make(outbound, &name).map_err(|error| error.to_string()),
        None => Err(format!(
            "the tool is granted no secrets: to let it use `{name}`, add it to the `secrets` that the tool asks for, with the hosts that \
             may receive it"
        )),
    }
}
