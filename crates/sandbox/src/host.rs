//! The host functions of `toolwright:tool/host@0.1.0`. Each takes fuel for its work before it does it, reads its arguments where they
//! are in the guest's memory, and copies no more of them than its bound.

mod digest;
mod log;
mod operations;
mod outbound;
mod values;

use wasmtime::{
    StoreContextMut, Trap,
    component::{Linker, WasmStr},
};

pub(crate) use log::Log;
pub(crate) use operations::Operations;

use crate::state::GuestState;

/// The name that guests import.
const INTERFACE: &str = "toolwright:tool/host@0.1.0";

/// Fuel of any call of the host: about what the way there and back, and an allocation, cost in instructions.
const CALL_FUEL: u64 = 2_000;
/// Fuel of a byte that is checked and copied.
const BYTE_FUEL: u64 = 4;

/// Why the host ends a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("more operations were asked of the host than the tier allows")]
    HostCalls,
    #[error("more than {} random bytes were asked for at once", values::RANDOM_BYTES_MAX)]
    RandomLength,
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
    host.func_wrap("secret", outbound::secret)?;
    host.func_wrap("basic-auth", outbound::basic_auth)?;
    host.func_wrap("hmac", outbound::hmac)?;
    host.func_wrap("fetch", outbound::fetch)?;
    host.func_wrap("read", outbound::read)?;
    host.func_wrap("take", outbound::take)?;
    host.func_wrap("close", outbound::close)?;
    host.func_wrap_async("wait", |guest, ()| Box::new(operations::wait(guest)))
}

/// Takes fuel for one call and `bytes` of work at `byte_fuel` each.
fn charge(guest: &mut StoreContextMut<'_, GuestState>, bytes: usize, byte_fuel: u64) -> wasmtime::Result<()> {
    let fuel = (bytes as u64).saturating_mul(byte_fuel).saturating_add(CALL_FUEL);
    let left = guest.get_fuel()?;
    guest.set_fuel(left.saturating_sub(fuel))?;
    if left < fuel { Err(Trap::OutOfFuel.into()) } else { Ok(()) }
}

/// Copies the beginning of a text of the guest, and takes fuel for the whole of it: it was checked to be UTF-8.
fn take_text(guest: &mut StoreContextMut<'_, GuestState>, text: &WasmStr, bytes_max: usize) -> wasmtime::Result<String> {
    let whole = text.to_str(&*guest)?;
    let (bytes, taken) = (whole.len(), cut(&whole, bytes_max).to_owned());
    charge(guest, bytes, BYTE_FUEL)?;
    Ok(taken)
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
