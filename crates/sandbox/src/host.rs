//! The host functions of `toolwright:tool/host@0.1.0`. Each takes fuel for its work before it does it, reads its arguments where they
//! are in the guest's memory, and copies no more of them than its bound.

mod bodies;
mod configuration;
mod digest;
mod log;
mod operations;
mod questions;
mod requests;
mod secrets;
mod values;

use domain::{EnvName, HostCall};
use wasmtime::{
    StoreContextMut, Trap,
    component::{Linker, WasmStr},
};

pub(crate) use bodies::{Bodies, OpenBody};
pub(crate) use configuration::{configuration, configuration_names};
pub(crate) use log::Log;
pub(crate) use operations::Operations;
pub(crate) use questions::Client;
pub(crate) use requests::{RECEIVED_BYTE_FUEL, SENT_BYTE_FUEL, missing_grant};
pub(crate) use values::RANDOM_BYTE_FUEL;

use crate::state::GuestState;

/// The name that guests import.
const INTERFACE: &str = "toolwright:tool/host@0.1.0";

/// Fuel of any call of the host: about what the way there and back, and an allocation, cost in instructions.
pub(crate) const CALL_FUEL: u64 = 2_000;
/// Fuel of a byte that is checked and copied.
pub(crate) const BYTE_FUEL: u64 = 4;

/// Bytes of a reason.
const REFUSAL_BYTES_MAX: usize = 1024;

/// Why the host ends a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("more operations were asked of the host than the tier allows")]
    HostCalls,
    #[error("the call sent and received more bytes than the tier allows")]
    EgressBytes,
    #[error("the call used up its handles")]
    Handles,
    #[error("more than {} random bytes were asked for at once", values::RANDOM_BYTES_MAX)]
    RandomLength,
    /// No fault of anybody's.
    #[error("the guest waits for answers of its client")]
    Asks,
    #[error(
        "the tool was run again to go on after its question, and did not do what it had done before: it called the host's `{}` where it had not, \
         or with something else",
        .0.as_str()
    )]
    Diverged(HostCall),
    #[error("the tool was run again to go on after its question, and ended before it came to it")]
    EndedEarly,
    #[error("the guest waits, but no operation of it is under way")]
    NothingToWaitFor,
    #[error("the machine gives no random bytes")]
    Random(#[source] getrandom::Error),
}

/// Defines all host functions.
pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut host = linker.instance(INTERFACE)?;
    host.func_wrap("log", log::log)?;
    host.func_wrap("progress", values::progress)?;
    host.func_wrap("config", values::config)?;
    host.func_wrap("now", values::now)?;
    host.func_wrap("random", values::random)?;
    host.func_wrap("memory-limit", values::memory_limit)?;
    host.func_wrap_async("digest", |guest, arguments| Box::new(digest::digest(guest, arguments)))?;
    host.func_wrap("start", operations::start)?;
    host.func_wrap("cancel", operations::cancel)?;
    host.func_wrap("secret", secrets::secret)?;
    host.func_wrap("basic-auth", secrets::basic_auth)?;
    host.func_wrap("hmac", secrets::hmac)?;
    host.func_wrap("fetch", requests::fetch)?;
    host.func_wrap("read", bodies::read)?;
    host.func_wrap("take", bodies::take)?;
    host.func_wrap("close", bodies::close)?;
    host.func_wrap_async("wait", |guest, ()| Box::new(operations::wait(guest)))
}

/// Takes fuel for one call and `bytes` of work at `byte_fuel` each.
fn charge(guest: &mut StoreContextMut<'_, GuestState>, bytes: usize, byte_fuel: u64) -> wasmtime::Result<()> {
    take_fuel(guest, (bytes as u64).saturating_mul(byte_fuel).saturating_add(CALL_FUEL))
}

/// Takes fuel for `bytes` of further work at `byte_fuel` each.
fn burn(guest: &mut StoreContextMut<'_, GuestState>, bytes: usize, byte_fuel: u64) -> wasmtime::Result<()> {
    take_fuel(guest, (bytes as u64).saturating_mul(byte_fuel))
}

fn take_fuel(guest: &mut StoreContextMut<'_, GuestState>, fuel: u64) -> wasmtime::Result<()> {
    let left = guest.get_fuel()?;
    guest.set_fuel(left.saturating_sub(fuel))?;
    if left < fuel { Err(Trap::OutOfFuel.into()) } else { Ok(()) }
}

/// Takes fuel for the bytes of an answer, which go into the guest's memory.
fn charge_answer(guest: &mut StoreContextMut<'_, GuestState>, answer: &Result<impl AsRef<[u8]>, String>) -> wasmtime::Result<()> {
    let bytes = match answer {
        Ok(answer) => answer.as_ref().len(),
        Err(reason) => reason.len(),
    };
    burn(guest, bytes, BYTE_FUEL)
}

/// As [`charge_answer`], where the answer is a handle or a reason.
fn charge_refusal(guest: &mut StoreContextMut<'_, GuestState>, answer: &Result<u32, String>) -> wasmtime::Result<()> {
    burn(guest, answer.as_ref().err().map_or(0, String::len), BYTE_FUEL)
}

/// Copies the beginning of a text of the guest, and takes fuel for the whole of it: it was checked to be UTF-8.
fn take_text(guest: &mut StoreContextMut<'_, GuestState>, text: &WasmStr, bytes_max: usize) -> wasmtime::Result<String> {
    let whole = text.to_str(&*guest)?;
    let (bytes, taken) = (whole.len(), cut(&whole, bytes_max).to_owned());
    charge(guest, bytes, BYTE_FUEL)?;
    Ok(taken)
}

/// A name of the environment, or of a secret. One byte more than it may have is taken, so that a longer one is not taken for its beginning.
pub(crate) fn take_name(guest: &mut StoreContextMut<'_, GuestState>, name: &WasmStr) -> wasmtime::Result<String> {
    take_text(guest, name, EnvName::CHARS_MAX + 1)
}

/// As [`take_text`], for what others will read: values of secrets are masked.
fn take_shown(guest: &mut StoreContextMut<'_, GuestState>, text: &WasmStr, bytes_max: usize) -> wasmtime::Result<String> {
    let whole = text.to_str(&*guest)?;
    let (bytes, taken) = (whole.len(), guest.data().outside.mask_beginning(&whole, bytes_max));
    charge(guest, bytes, BYTE_FUEL)?;
    Ok(taken)
}

/// Why the host refuses something, as the guest is told: what is wrong may be as long as the guest made it.
fn refusal(reason: &str) -> String {
    cut(reason, REFUSAL_BYTES_MAX).to_owned()
}

/// Counts an operation against `host_calls_max`.
fn count(guest: &mut StoreContextMut<'_, GuestState>) -> wasmtime::Result<()> {
    let state = guest.data_mut();
    if state.host_calls >= state.limits.host_calls_max {
        return Err(Fault::HostCalls.into());
    }
    state.host_calls += 1;
    Ok(())
}

/// The longest beginning of `text` that has `bytes_max` bytes at most and ends between two characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_falls_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("aé", 9), "aé");
        assert_eq!(cut("é", 0), "");
    }
}
