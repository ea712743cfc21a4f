//! `wasi:config/store`: how components of other hosts ask for what they are set up with. Here that is the tool's environment, and for a
//! secret that the tool was granted the placeholder that stands for it.

use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Linker, Lower, WasmStr},
};

use crate::{host, state::GuestState};

/// Names under which toolchains import the same interface: it has been a proposal all the time.
const INTERFACES: [&str; 2] = ["wasi:config/store@0.2.0-draft", "wasi:config/store@0.2.0-rc.1"];

/// The interface's `error`.
#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
enum StoreError {
    /// Why a secret cannot be used. That there is nothing of a name is no error.
    #[component(name = "upstream")]
    Upstream(String),
    #[expect(dead_code, reason = "the interface has it; nothing is read or written here")]
    #[component(name = "io")]
    Io(String),
}

type Got<T> = wasmtime::Result<(Result<T, StoreError>,)>;

/// Defines it under all its names.
pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    for interface in INTERFACES {
        let mut store = linker.instance(interface)?;
        store.func_wrap("get", get)?;
        store.func_wrap("get-all", get_all)?;
    }
    Ok(())
}

/// `get: func(key: string) -> result<option<string>, error>`
fn get(mut guest: StoreContextMut<'_, GuestState>, (key,): (WasmStr,)) -> Got<Option<String>> {
    let key = host::take_name(&mut guest, &key)?;
    Ok((host::configuration(&mut guest, &key)?.map_err(StoreError::Upstream),))
}

/// `get-all: func() -> result<list<tuple<string, string>>, error>`
fn get_all(mut guest: StoreContextMut<'_, GuestState>, (): ()) -> Got<Vec<(String, String)>> {
    let mut all = Vec::new();
    for key in host::configuration_names(&guest) {
        match host::configuration(&mut guest, &key)? {
            Ok(value) => all.extend(value.map(|value| (key, value))),
            Err(reason) => return Ok((Err(StoreError::Upstream(reason)),)),
        }
    }
    Ok((Ok(all),))
}
