//! From a customer's source to what the sandbox runs: TypeScript to JavaScript, JavaScript to a snapshot of the engine's memory, the
//! snapshot to native code. All that touches a customer's source happens in worker processes, which can be killed.

mod artifact;
mod build;
mod confinement;
mod data_module;
mod difference;
pub mod engine;
mod frame;
pub mod front;
mod inspection;
pub mod modules;
mod portable;
mod snapshot;
mod source;
mod worker;
mod workers;

pub use build::{BuildError, BuildRequest, Built, Inspected, InspectedExport, UploadRequest, Waiter, WorkerError};
pub use confinement::{ConfineError, Confinement, confine};
pub use modules::{LIBRARY, LibraryModule, LibraryPackage, ModuleBounds, ModuleRefusal, TYPES};
pub use snapshot::PreparationError;
pub use worker::run_worker;
pub use workers::{StartError, Workers, WorkersConfig, WorkersUsage};
