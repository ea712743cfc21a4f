//! Components that were built elsewhere: what they can import, and how they become tools.

mod answer;
mod arguments;
mod configuration;
mod function;
mod http;
mod kind;
mod poll;
mod print;
mod random;
mod results;
mod toll;
mod voice;
mod wasi;
mod work;
mod world;

use wasmtime::{
    Engine, Store,
    component::{Component, Instance, InstancePre, Linker},
};

use crate::{host, invocable::Broken, state::GuestState};

pub(crate) use answer::ComponentAnswer;
pub(crate) use function::Function;
pub(crate) use wasi::Wasi;
pub(crate) use world::World;

/// What every component is linked with: the functions of `toolwright:tool/host`, and WASI 0.2 with nothing behind it.
pub(crate) struct ComponentRuntime {
    linker: Linker<GuestState>,
}

impl ComponentRuntime {
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(engine);
        host::link(&mut linker)?;
        wasi::link(&mut linker)?;
        Ok(Self { linker })
    }

    /// Gives a component all that it imports.
    pub(crate) fn link(&self, component: &Component) -> wasmtime::Result<InstancePre<GuestState>> {
        self.linker.instantiate_pre(component)
    }
}

/// Bytes that the host copies out of a component's memory for one call of a function of WASI or of ours.
const HOSTCALL_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What wasmtime says when they, or those of a result, are more. Its type is not public.
pub(crate) const TOO_MUCH_COPIED: &str = "fuel allocated for hostcalls has been exhausted";

/// Makes an instance. A component's own code can run in this.
pub(crate) async fn start(instance: &InstancePre<GuestState>, store: &mut Store<GuestState>) -> Result<Instance, Broken> {
    store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
    instance.instantiate_async(&mut *store).await.map_err(Broken::Call)
}

/// A result that was not copied out of the component, because it is larger than the tier's output; or why the call broke.
fn explain_call(error: wasmtime::Error) -> Result<ComponentAnswer, Broken> {
    if error.root_cause().to_string().contains(TOO_MUCH_COPIED) { Ok(ComponentAnswer::TooLong) } else { Err(Broken::Call(error)) }
}
