//! Prints the page about the library modules: `scripts/bundle-modules` writes it to docs/modules.md.
#![expect(clippy::print_stdout, reason = "it is what this program is for")]

#[path = "../tests/modules/page.rs"]
mod page;

fn main() {
    print!("{}", page::write());
}
