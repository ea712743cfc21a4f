//! Readers of a stranger's bytes, each as a function of bytes that panics if something does not hold: it must not panic itself, its errors must
//! be those that it names, short and in words, and what it takes must mean the same when it is written and read again. Bounds of time and memory are
//! for whoever runs them: `tests/mutations.rs` with seeds and fixed changes of them, `fuzz/` guided by coverage.

mod authorization;
mod client;
mod component;
mod environment;
mod grants;
mod journal;
mod message;
mod source;
mod token;
mod written;

pub use component::forgive_the_decoder;

/// One reader, and what must hold of it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Of the folder of its seeds, and of its program in `fuzz/`.
    pub name: &'static str,
    /// Panics if something does not hold of these bytes.
    pub check: fn(&[u8]),
    /// Words that its inputs are made of.
    pub words: &'static [&'static str],
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "authorization", check: authorization::check, words: authorization::WORDS },
    Target { name: "client", check: client::check, words: client::WORDS },
    Target { name: "component", check: component::check, words: component::WORDS },
    Target { name: "environment", check: environment::check, words: environment::WORDS },
    Target { name: "grants", check: grants::check, words: grants::WORDS },
    Target { name: "journal", check: journal::check, words: journal::WORDS },
    Target { name: "json_body", check: message::check_body, words: message::BODY_WORDS },
    Target { name: "message", check: message::check, words: message::WORDS },
    Target { name: "source", check: source::check, words: source::WORDS },
    Target { name: "token", check: token::check, words: token::WORDS },
];

/// Tries the target of that name, as the programs of `fuzz/` do.
///
/// # Panics
///
/// If something does not hold of these bytes, or there is no such target.
pub fn check(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("there is no target `{name}`"));
    (target.check)(bytes);
}
