//! The use cases, over a database of each test's own, with a real sandbox and real worker processes. Run by
//! `scripts/with-postgres cargo test -p app`, after `cargo build -p toolwright`.

#![cfg(test)]

mod api_keys;
mod artifacts;
mod audit;
mod calls;
mod catalogue;
mod charging;
mod client_documents;
mod client_keys;
mod clients;
mod components;
mod contents;
mod customers;
mod deployments;
mod environment;
mod every_limit;
mod executions;
mod invitations;
mod kinds;
mod limits;
mod other_base;
mod outage;
mod outside;
mod outside_examples;
mod passkeys;
mod pins;
mod releases;
mod schemas;
mod secrets;
mod seeded_tiers;
mod servers;
mod shutdown;
mod sources;
mod tenants;
mod tiers;
mod tokens;
mod tools;
mod tries;
mod waiting;
