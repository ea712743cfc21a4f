//! The program as its users meet it: a real process, a real database, real clients.

#![cfg(test)]

#[path = "end_to_end/api.rs"]
mod api;
#[path = "end_to_end/authorization.rs"]
mod authorization;
#[path = "end_to_end/browser.rs"]
mod browser;
#[path = "end_to_end/clients.rs"]
mod clients;
#[path = "end_to_end/conformance.rs"]
mod conformance;
#[path = "end_to_end/cross_origin.rs"]
mod cross_origin;
#[path = "end_to_end/durability.rs"]
mod durability;
#[path = "end_to_end/examples.rs"]
mod examples;
#[path = "end_to_end/faults.rs"]
mod faults;
#[path = "end_to_end/key_proxy.rs"]
mod key_proxy;
#[path = "end_to_end/keys.rs"]
mod keys;
#[path = "end_to_end/kills.rs"]
mod kills;
#[path = "end_to_end/lifecycle.rs"]
mod lifecycle;
#[path = "end_to_end/logs.rs"]
mod logs;
#[path = "end_to_end/master_keys.rs"]
mod master_keys;
#[path = "end_to_end/mcp.rs"]
mod mcp;
#[path = "end_to_end/oauth_clients.rs"]
mod oauth_clients;
#[path = "end_to_end/packaging.rs"]
mod packaging;
#[path = "end_to_end/pages.rs"]
mod pages;
#[path = "end_to_end/passkeys.rs"]
mod passkeys;
#[path = "end_to_end/processes.rs"]
mod processes;
#[path = "end_to_end/program.rs"]
mod program;
#[path = "end_to_end/results.rs"]
mod results;
#[path = "end_to_end/schemathesis.rs"]
mod schemathesis;
#[path = "end_to_end/secrets.rs"]
mod secrets;
#[path = "end_to_end/start_up.rs"]
mod start_up;
#[path = "end_to_end/uploads.rs"]
mod uploads;
#[path = "end_to_end/walkthrough.rs"]
mod walkthrough;
#[path = "end_to_end/wire.rs"]
mod wire;
