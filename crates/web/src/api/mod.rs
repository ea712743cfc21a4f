//! `/api/v1`: what a customer may do with its own things. Every operation needs one of the customer's API keys, or a
//! person who is signed in.

pub(crate) mod account;
pub(crate) mod activity;
pub(crate) mod audit;
pub(crate) mod challenge;
pub(crate) mod clients;
pub(crate) mod components;
pub(crate) mod consent_pins;
pub(crate) mod consents;
pub(crate) mod environment;
pub(crate) mod executions;
mod grants;
pub(crate) mod identities;
mod interface;
pub(crate) mod invitations;
pub(crate) mod members;
pub(crate) mod memberships;
pub(crate) mod modules;
pub(crate) mod passkeys;
mod paths;
pub(crate) mod pins;
mod receipt;
pub(crate) mod releases;
pub(crate) mod server_access;
pub(crate) mod servers;
pub(crate) mod tools;
pub(crate) mod tries;
pub(crate) mod versions;
