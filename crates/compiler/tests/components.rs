//! Components that were built elsewhere: from the upload's bytes, through a worker process, to calls in a sandbox.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test's helper cannot do fails the test")]

#[path = "components/built.rs"]
mod built;
#[path = "components/configuration.rs"]
mod configuration;
#[path = "components/costs.rs"]
mod costs;
#[path = "components/imports.rs"]
mod imports;
#[path = "../../sandbox/tests/outside/name_server.rs"]
mod name_server;
#[path = "components/plant.rs"]
mod plant;
#[path = "components/portable.rs"]
mod portable;
#[path = "components/questions.rs"]
mod questions;
#[path = "components/types.rs"]
mod types;
