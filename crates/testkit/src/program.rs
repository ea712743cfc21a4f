//! The built `toolwright`, for tests that need real worker processes.

use std::path::PathBuf;

/// The path of the built `toolwright` in the target folder and profile of the test that runs.
///
/// # Panics
/// If it is not there: Cargo builds the binary of another package only when asked.
#[must_use]
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    // A test is `<target>/<profile>/deps/<name>-<hash>`; an example or a bench lies beside that folder or in it.
    let program = test.ancestors().skip(1).take(3).map(|folder| folder.join("toolwright")).find(|path| path.is_file());
    program.unwrap_or_else(|| panic!("there is no `toolwright` beside {}: run `cargo build` first", test.display()))
}
