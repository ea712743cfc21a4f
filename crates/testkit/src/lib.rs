//! What tests above the rooms share: the built program, and a whole application over a test's own database, with a real sandbox and real
//! worker processes.
//!
//! A test's database is that of `#[sqlx::test(migrations = "../../migrations")]`; `scripts/with-postgres` gives the cluster.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "what a test needs and does not get ends the test")]

mod authenticator;
mod customer;
mod issuer;
mod observer;
mod program;
mod request;
mod secure_listener;
mod test_app;
mod upstream;

pub use authenticator::SoftAuthenticator;
/// What the program serves as the types of the tool API.
pub use compiler::TYPES;
pub use customer::{TestCustomer, request};
pub use issuer::{IssuerState, TestIssuer};
pub use observer::DatabaseObserver;
pub use program::program;
pub use request::TestAnswer;
pub use test_app::{TestApp, TestOptions, cache_without_tools, unlimited};
pub use upstream::{SeenRequest, Upstream, UpstreamAnswer};
