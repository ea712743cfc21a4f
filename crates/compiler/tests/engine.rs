//! The checked-in JavaScript engine as a core module, with the host's side of it played by the tests: what the web's functions do,
//! how tools are read and called, and how whatever goes wrong comes out.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test's helper cannot do fails the test")]

#[path = "../engine/prelude.rs"]
mod prelude;

mod engine {
    mod bodies;
    mod calls;
    mod console;
    mod content;
    mod contracts;
    mod declarations;
    mod errors;
    mod fetch;
    mod globals;
    mod host;
    mod libraries;
    mod limits;
    mod machine;
    mod offers;
    mod questions;
    mod streams;
    mod tampering;
    mod tools;
    mod truths;
    mod upstream;
    mod url;
    mod web;
}
