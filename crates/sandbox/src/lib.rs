//! Runs tools: WebAssembly guests, each in a fresh instance from a pool, bounded in fuel, memory, tables, wall time, output, log
//! and host calls, and all of them together by a budget of the node.
//!
//! [`Sandbox::start`] lays out the pool and loads the JavaScript engine, [`Sandbox::load`] finds or makes a tool's native code,
//! [`Sandbox::invoke`] runs one call of it. [`native`] is what the worker processes that compile share with this process.

mod artifacts;
mod budget;
mod call;
mod component;
mod disk;
mod engine;
mod footprint;
mod host;
pub mod inspection;
mod invocable;
mod invocation;
mod journal;
mod js_engine;
mod meter;
pub mod native;
mod outcome;
mod outside;
mod preparation;
mod questions;
mod report;
mod result_memory;
mod sandbox;
mod share;
mod slice;
mod slots;
mod state;
mod ticker;
mod turns;
mod wall;

pub use artifacts::LoadError;
pub use disk::{KeepError, NativeCache, NativeCacheConfig, NativeCacheError};
pub use domain::Entry;
pub use engine::MEMORY_BYTES_MAX;
pub use invocable::{Invocable, ToolForm};
pub use invocation::{CallLimits, Invocation, InvokeError, Invoked};
pub use js_engine::{BASE_NAME_PREFIX, Boot, JsEngine, WRAPPER, base_label, find_base_name, functions_label};
pub use native::CacheKey;
pub use preparation::PreparationError;
pub use questions::{Asked, LiveQuestions, QuestionFault, Questions, Recording, Replay};
pub use report::{Progress, Report};
pub use result_memory::ResultMemory;
pub use sandbox::{Sandbox, SandboxConfig, StartError, Usage};
