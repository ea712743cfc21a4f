//! The use cases of Toolwright, one module a noun. Every function of theirs takes the application and the caller, and begins by asking
//! the table in `access` whether that caller may do this at all. Doors (`web`) shape what they answer; rooms below (`store`, `sandbox`, `compiler`)
//! do not know each other and meet here.

mod access;
pub mod accounts;
mod answers;
pub mod api_keys;
mod application;
mod artifacts;
mod background;
pub mod breakers;
mod builds;
pub mod calls;
mod candidates;
pub mod catalogue;
pub mod client_documents;
pub mod clients;
pub mod completions;
pub mod components;
pub mod consents;
pub mod customers;
pub mod environment;
mod error;
mod examples;
pub mod executions;
mod guests;
pub mod health;
pub mod invitations;
mod limits;
pub mod members;
mod memory;
pub mod modules;
mod oauth_settings;
pub mod offers;
mod outside;
mod page;
mod pending_requests;
pub mod pins;
mod policies;
pub mod prompts;
mod records;
pub mod releases;
pub mod resources;
mod schemas;
mod sealing;
pub mod seals;
pub mod secrets;
pub mod servers;
mod signing;
pub mod signing_keys;
mod snapshots;
pub mod tiers;
pub mod tokens;
pub mod tools;
pub mod versions;
mod watches;

pub use access::{Audience, Caller, CallerIdentity, KeyCaller, MemberCaller, PersonCaller, TokenCaller};
pub use answers::{Answered, Failed};
pub use application::{App, AppParts, Settings};
pub use error::AppError;
pub use oauth_settings::{ClientBounds, OauthSettings, Registration};
pub use page::{Page, PageRequest};
pub use pending_requests::PendingRequest;
/// What a tool says while it runs.
pub use sandbox::{Progress, Report};
pub use sealing::{MasterKeys, MasterKeysError, SealError};
pub use watches::Watch;
