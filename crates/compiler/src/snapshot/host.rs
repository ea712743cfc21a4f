//! The interface `toolwright:tool/host` (`wit/tool.wit`) as it is while a tool is built: there is a clock and there is chance, and
//! nothing that reaches outside. What a source keeps of either is frozen in its snapshot.

use std::time::{SystemTime, UNIX_EPOCH};

use wasmtime::{Caller, Extern, Linker, Memory};

use super::guest::{Phase, State};

const INTERFACE: &str = "toolwright:tool/host@0.1.0";

/// As many bytes as one call may ask for (Web Cryptography, 10.1.1).
const RANDOM_BYTES_MAX: u32 = 65_536;

/// What the clock shows while the prelude is read: any time, as long as it is always the same.
const BOOT_TIME_US: u64 = 1_000_000_000_000_000;

/// The level of a line of the log that tells of an error.
const LEVEL_ERROR: u32 = 3;
/// Longer lines are cut.
const ERROR_BYTES_MAX: u32 = 4_096;

/// What a source gets that asks for what only a call has.
const ONLY_IN_A_CALL: &str = "this is not available while the tool is built: use it inside `run`";
const WAITS_AT_TOP_LEVEL: &str = "the top level of the source waits for something that only happens in a call (a timer, a promise that \
                                  nobody settles): do it inside `run`";

pub(super) fn add(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(INTERFACE, "log", log)?;
    linker.func_wrap(INTERFACE, "progress", |_progress: f64, _: u32, _total: f64, _: u32, _message: u32, _length: u32| {})?;
    linker.func_wrap(INTERFACE, "config", |mut caller: Caller<'_, State>, _name: u32, _length: u32, result: u32| {
        put(&mut caller, result, &[0])
    })?;
    linker.func_wrap(INTERFACE, "now", |caller: Caller<'_, State>| match caller.data().phase {
        Phase::Boot => BOOT_TIME_US,
        // Until the year 586912 there are few enough microseconds.
        Phase::Build => {
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
        }
    })?;
    linker.func_wrap(INTERFACE, "random", random)?;
    linker.func_wrap(
        INTERFACE,
        "digest",
        |mut caller: Caller<'_, State>, _algorithm: u32, _length: u32, _data: u32, _data_length: u32, result: u32| {
            refuse(&mut caller, result)
        },
    )?;
    linker.func_wrap(INTERFACE, "memory-limit", |caller: Caller<'_, State>| caller.data().memory_bytes_max)?;
    linker.func_wrap(INTERFACE, "start", |mut caller: Caller<'_, State>, _operation: u32, _length: u32, result: u32| {
        refuse(&mut caller, result)
    })?;
    linker.func_wrap(INTERFACE, "cancel", |_handle: u32| {})?;
    add_outbound(linker)?;
    linker.func_wrap(INTERFACE, "wait", |mut caller: Caller<'_, State>, _result: u32| -> wasmtime::Result<()> {
        caller.data_mut().refused_operation = Some(WAITS_AT_TOP_LEVEL);
        Err(wasmtime::Error::msg(WAITS_AT_TOP_LEVEL))
    })?;
    Ok(())
}

/// There is no way out while a tool is built: no secret, no network.
fn add_outbound(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Ran = wasmtime::Result<()>;
    linker.func_wrap(INTERFACE, "secret", |mut caller: Caller<'_, State>, _name: u32, _length: u32, result: u32| {
        refuse(&mut caller, result)
    })?;
    linker.func_wrap(
        INTERFACE,
        "basic-auth",
        |mut caller: Caller<'_, State>, _user: u32, _user_length: u32, _name: u32, _length: u32, result: u32| -> Ran {
            refuse(&mut caller, result)
        },
    )?;
    linker.func_wrap(
        INTERFACE,
        "hmac",
        |mut caller: Caller<'_, State>,
         _algorithm: u32,
         _algorithm_length: u32,
         _name: u32,
         _length: u32,
         _data: u32,
         _data_length: u32,
         result: u32|
         -> Ran { refuse(&mut caller, result) },
    )?;
    linker.func_wrap(
        INTERFACE,
        "fetch",
        |mut caller: Caller<'_, State>, _request: u32, _length: u32, _body: u32, _body_length: u32, result: u32| -> Ran {
            refuse(&mut caller, result)
        },
    )?;
    linker.func_wrap(INTERFACE, "read", |mut caller: Caller<'_, State>, _body: u32, result: u32| refuse(&mut caller, result))?;
    // An empty list.
    linker.func_wrap(INTERFACE, "take", |mut caller: Caller<'_, State>, _operation: u32, result: u32| {
        put(&mut caller, result, &[0; 8])
    })?;
    linker.func_wrap(INTERFACE, "close", |_body: u32| {})?;
    Ok(())
}

/// Nobody reads the log of a build; the engine's own last words are kept for when it stops.
fn log(mut caller: Caller<'_, State>, level: u32, message: u32, length: u32) -> wasmtime::Result<()> {
    if level == LEVEL_ERROR {
        let memory = memory(&mut caller)?;
        let start = message as usize;
        let end = start.saturating_add(length.min(ERROR_BYTES_MAX) as usize);
        let text = memory.data(&caller).get(start..end).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        caller.data_mut().last_error = text;
    }
    Ok(())
}

fn random(mut caller: Caller<'_, State>, length: u32, result: u32) -> wasmtime::Result<()> {
    if caller.data().phase == Phase::Boot {
        return Err(wasmtime::Error::msg("the prelude asked for chance while it was read, which every tool would share"));
    }
    if length > RANDOM_BYTES_MAX {
        return Err(wasmtime::Error::msg("more than 65536 random bytes were asked for at once"));
    }
    let mut bytes = vec![0; length as usize];
    getrandom::fill(&mut bytes).map_err(|error| wasmtime::Error::msg(error.to_string()))?;
    let address = give(&mut caller, &bytes)?;
    put(&mut caller, result, &[address.to_le_bytes(), length.to_le_bytes()].concat())
}

/// `result<_, string>` with an error in it.
fn refuse(caller: &mut Caller<'_, State>, result: u32) -> wasmtime::Result<()> {
    let address = give(caller, ONLY_IN_A_CALL.as_bytes())?;
    let length = u32::try_from(ONLY_IN_A_CALL.len())?;
    put(caller, result, &[[1, 0, 0, 0], address.to_le_bytes(), length.to_le_bytes()].concat())
}

/// Copies `bytes` to memory that the engine makes room for.
fn give(caller: &mut Caller<'_, State>, bytes: &[u8]) -> wasmtime::Result<u32> {
    let Some(Extern::Func(realloc)) = caller.get_export("cabi_realloc") else {
        return Err(wasmtime::Error::msg("the engine has no `cabi_realloc`"));
    };
    let realloc = realloc.typed::<(u32, u32, u32, u32), u32>(&caller)?;
    let address = realloc.call(&mut *caller, (0, 0, 1, u32::try_from(bytes.len())?))?;
    put(caller, address, bytes)?;
    Ok(address)
}

fn put(caller: &mut Caller<'_, State>, address: u32, bytes: &[u8]) -> wasmtime::Result<()> {
    let memory = memory(caller)?;
    memory.write(caller, address as usize, bytes)?;
    Ok(())
}

fn memory(caller: &mut Caller<'_, State>) -> wasmtime::Result<Memory> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    memory.ok_or_else(|| wasmtime::Error::msg("the engine has no `memory`"))
}
