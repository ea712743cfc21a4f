//! The doors of Toolwright: REST for administrators (`/admin/v1`) and customers (`/api/v1`), MCP for clients (`/mcp/{server}`),
//! health and metrics for whoever runs it.
//!
//! A handler extracts, calls one function of `app` and shapes the answer. No rule and no SQL lives here. Every answer that is not
//! a success, MCP's own aside, carries one envelope: `{error_code, message, details, request_id}` (API-1).

mod account;
mod admin;
mod api;
mod arrival;
mod audit;
mod caller;
mod client_address;
mod consent_words;
mod cors;
mod documents;
mod door;
mod entry;
mod env_headers;
mod envelope;
mod error;
mod extract;
mod health;
mod held;
mod mcp;
mod metrics;
mod oauth;
mod openapi;
mod page;
mod rate_fields;
pub mod reading;
mod router;
mod settings;
mod shape;
mod state;
mod visitors;
mod welcome;
mod whence;

pub use client_address::{Network, ParseNetworkError, PeerAddress};
pub use openapi::openapi;
pub use router::router;
pub use settings::{CookieForm, MetricsReaders, WebSettings};
