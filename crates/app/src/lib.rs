//! The use cases of Toolwright, one module a noun. Every function of theirs takes the application and the caller, and begins by asking
//! the table in `access` whether that caller may do this at all. Doors (`web`) shape what they answer; rooms below (`store`, `sandbox`, `compiler`)
//! do not know each other and meet here.

mod access;
pub mod api_keys;
mod application;
mod artifacts;
mod background;
mod builds;
pub mod calls;
pub mod catalogue;
pub mod customers;
pub mod environment;
mod error;
mod examples;
pub mod executions;
mod guests;
pub mod health;
mod limits;
mod memory;
mod page;
mod records;
pub mod releases;
mod schemas;
pub mod servers;
mod snapshots;
pub mod tiers;
pub mod tokens;
pub mod tools;
pub mod versions;

pub use access::Caller;
pub use application::{App, AppParts, Settings};
pub use error::AppError;
pub use page::{Page, PageRequest};
/// How far a tool says that it has come.
pub use sandbox::Progress;
