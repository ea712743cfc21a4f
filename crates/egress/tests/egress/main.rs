//! The way out against an upstream and name servers that mean no good.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what a test's helper cannot do fails the test"
)]

mod addresses;
mod bounds;
mod breaker;
mod compression;
mod connections;
mod grants;
mod names;
mod redirects;
mod secrets;
mod send;
mod tls;
mod upstream;
mod world;
