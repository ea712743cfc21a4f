//! An uploaded component, as far as it is read without being compiled.

use std::panic;

use domain::Diagnostic;

use crate::written::check_json;

pub(crate) const WORDS: &[&str] = &[
    "\0asm\x0d\0\x01\0",
    "wasi:",
    "toolwright:tool/host",
    "list<u8>",
    "run",
    "\x07\x01",
    "\x0b\x01",
    "\x04\x01",
    "\x7f\x7f\x7f\x7f\x0f",
];

/// What a build tells of a component that is refused.
const DIAGNOSTICS_MAX: usize = 20;
const REASON_CHARS_MAX: usize = 1_000;
/// Functions of a component that become tools.
const EXPORTS_MAX: usize = 64;

/// The library that decodes components, as the places of its panics name it.
const DECODER: &str = "/wit-parser-";

/// Lets a fuzzer go on where the library that decodes components breaks off: the compiler's front catches that, and refuses the component.
pub fn forgive_the_decoder() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |broken| {
        if !broken.location().is_some_and(|place| place.file().contains(DECODER)) {
            tell(broken);
        }
    }));
}

pub(crate) fn check(bytes: &[u8]) {
    let offers = match compiler::front::read_component(bytes) {
        Ok(offers) => offers,
        Err(diagnostics) => return check_refusal(&diagnostics),
    };

    assert!(offers.len() <= EXPORTS_MAX, "{} exports", offers.len());
    let mut names: Vec<&str> = offers.iter().map(|offer| offer.interface.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), offers.len(), "two tools of one name");
    for offer in &offers {
        assert!(offer.export.is_some(), "a function without a name");
        check_json(&offer.interface);
    }
}

fn check_refusal(diagnostics: &[Diagnostic]) {
    assert!((1..=DIAGNOSTICS_MAX).contains(&diagnostics.len()), "{} reasons", diagnostics.len());
    for diagnostic in diagnostics {
        let chars = diagnostic.message.chars().count();
        assert!((1..=REASON_CHARS_MAX).contains(&chars), "a reason of {chars} characters");
    }
}
