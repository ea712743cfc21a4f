//! What stays: Postgres, and the bytes of artifacts.
//!
//! Functions are named with their module, `store::tools::find`, and take a connection (a [`Transaction`] is one, too), then the
//! customer where the row is somebody's, then the subject. What is another customer's is absent: `None` or `false`, exactly as
//! if it did not exist (SEC-17). SQL is written out, checked against the schema when it is compiled (`scripts/prepare-queries`),
//! and only this crate speaks it.
//!
//! Lists come in pages by key: `after` is the id or name of the last item that was seen, `limit` the most items to give.

pub mod api_keys;
pub mod artifacts;
pub mod audit;
pub mod authorizations;
pub mod blobs;
pub mod changes;
pub mod clients;
pub mod cluster;
pub mod codes;
pub mod consents;
pub mod customers;
pub mod data_keys;
mod database;
pub mod device_grants;
pub mod environment;
mod error;
pub mod executions;
pub mod identities;
pub mod interfaces;
pub mod invitations;
pub mod journals;
pub mod machine_clients;
pub mod members;
pub mod migrate;
pub mod monthly_calls;
mod number;
pub mod passkeys;
pub mod pins;
mod pool;
pub mod presence;
pub mod question_answers;
pub mod refresh_tokens;
pub mod releases;
pub mod roles;
pub mod secrets;
pub mod server_access;
pub mod server_pins;
pub mod servers;
pub mod serving;
pub mod sign_ins;
pub mod signatures;
pub mod signing_keys;
pub mod tiers;
pub mod tools;
pub mod users;
pub mod versions;
mod watcher;

pub use database::{Database, DatabaseUrlError};
pub use error::StoreError;
pub use pool::{Connection, Pool, PoolSettings, PoolUsage, Transaction};
/// What every function works on.
pub use sqlx::PgConnection;
pub use watcher::{Sight, Watcher};

#[cfg(test)]
mod fixtures;

#[cfg(test)]
mod statements;
