//! The REST doors, route by route, over a database of the test's own. Run by `scripts/with-postgres cargo test -p web`.

#![cfg(test)]

mod accounts;
mod api_keys;
mod arrivals;
mod audit;
mod bad_input;
mod breakers;
mod client;
mod components;
mod coverage;
mod cross_origin;
mod customers;
mod documents;
mod door;
mod each_door;
mod environment;
mod executions;
mod health;
mod mcp;
mod modules;
mod oauth;
mod pins;
mod releases;
mod servers;
mod tiers;
mod tools;
mod tries;
mod versions;
