//! What a guest reads of the outside, and its reports of progress.

use domain::{Clock as _, EnvName, HostCall, SystemClock};
use wasmtime::{StoreContextMut, component::WasmStr};

use super::{BYTE_FUEL, Fault, burn, charge, take_name, take_shown};
use crate::{Progress, Report, journal, state::GuestState};

/// As many as Web Crypto's `getRandomValues` gives at once.
pub(super) const RANDOM_BYTES_MAX: u32 = 65_536;
/// Fuel of a random byte, which the kernel makes.
pub(crate) const RANDOM_BYTE_FUEL: u64 = 64;

/// `progress: func(progress: f64, total: option<f64>, message: option<string>)`
pub(super) fn progress(
    mut guest: StoreContextMut<'_, GuestState>,
    (progress, total, message): (f64, Option<f64>, Option<WasmStr>),
) -> wasmtime::Result<()> {
    charge(&mut guest, 0, 0)?;
    let message = message.map(|text| take_shown(&mut guest, &text, Progress::MESSAGE_BYTES_MAX)).transpose()?;
    // What an earlier run has reported is known.
    if !progress.is_finite() || guest.data().is_replaying() {
        return Ok(());
    }
    if let Some(reports) = &guest.data().reports {
        // A full channel drops the report: the next one says more, and a flood of them costs the reader nothing.
        let progress = Progress { progress, total: total.filter(|total| total.is_finite()), message };
        let _ = reports.try_send(Report::Progress(progress));
    }
    Ok(())
}

/// `config: func(name: string) -> option<string>`
pub(super) fn config(mut guest: StoreContextMut<'_, GuestState>, (name,): (WasmStr,)) -> wasmtime::Result<(Option<String>,)> {
    let name = take_name(&mut guest, &name)?;
    Ok((tell(&mut guest, &name)?,))
}

/// What the environment has of this name.
pub(super) fn tell(guest: &mut StoreContextMut<'_, GuestState>, name: &str) -> wasmtime::Result<Option<String>> {
    let parameters = |_: &_| Some(journal::parameters([name.as_bytes()]));
    let value = journal::tell(guest, HostCall::Config, parameters, |guest| {
        let name = name.parse::<EnvName>().ok();
        Ok(name.and_then(|name| guest.data().environment.get(&name).cloned()).map(String::from))
    })?;
    burn(guest, value.as_ref().map_or(0, String::len), BYTE_FUEL)?;
    Ok(value)
}

/// `now: func() -> u64`, in microseconds since the epoch
pub(super) fn now(mut guest: StoreContextMut<'_, GuestState>, (): ()) -> wasmtime::Result<(u64,)> {
    charge(&mut guest, 0, 0)?;
    let us = journal::tell(
        &mut guest,
        HostCall::Now,
        |_| None,
        |_| Ok(u64::try_from(SystemClock.now().timestamp_micros()).unwrap_or_default()),
    )?;
    Ok((us,))
}

/// `random: func(length: u32) -> list<u8>`
pub(super) fn random(mut guest: StoreContextMut<'_, GuestState>, (length,): (u32,)) -> wasmtime::Result<(Vec<u8>,)> {
    if length > RANDOM_BYTES_MAX {
        return Err(Fault::RandomLength.into());
    }
    charge(&mut guest, length as usize, RANDOM_BYTE_FUEL)?;
    let bytes = journal::tell(
        &mut guest,
        HostCall::Random,
        |_| Some(journal::number(length)),
        |_| {
            let mut bytes = vec![0; length as usize];
            getrandom::fill(&mut bytes).map_err(Fault::Random)?;
            Ok(bytes)
        },
    )?;
    Ok((bytes,))
}

/// `memory-limit: func() -> u64`, in bytes
pub(super) fn memory_limit(mut guest: StoreContextMut<'_, GuestState>, (): ()) -> wasmtime::Result<(u64,)> {
    charge(&mut guest, 0, 0)?;
    let bytes =
        journal::tell(&mut guest, HostCall::MemoryLimit, |_| None, |guest| Ok(guest.data().footprint.memory_bytes_max()))?;
    Ok((bytes,))
}
