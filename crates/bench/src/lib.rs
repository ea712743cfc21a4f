//! What programs share that start Toolwright as a process of its own and load it: the benchmarks of this crate, and the abuse suite.
#![expect(clippy::cast_precision_loss, reason = "figures are shown with three digits")]

pub mod connection;
pub mod crowd;
pub mod customer;
pub mod load;
pub mod message;
pub mod person;
pub mod server;
pub mod usage;
