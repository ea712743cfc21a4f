//! The sandbox against hostile guests. Each guest is a small "engine" written by hand, which takes the place of the JavaScript engine,
//! so that these tests need no compiler and a guest can do what JavaScript cannot.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up has failed")]

mod bases;
mod cache;
mod cpu;
mod fairness;
mod host;
mod memory;
mod output;
mod outside;
mod questions;
mod room;
mod slots;
