//! What every statement of this crate keeps to, read off its sources.

use std::{fs, path::Path};

/// A column that is added later must not shift what an INSERT says (HIST-4).
#[test]
fn every_insert_names_its_columns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inserts = 0;

    for (path, text) in texts(&root.join("src")).into_iter().chain(texts(&root.join("../../migrations"))) {
        for rest in text.split("INSERT INTO ").skip(1) {
            let table = rest.trim_start_matches(|letter: char| letter.is_ascii_lowercase() || letter == '_');
            let names = table.trim_start().strip_prefix('(').map(str::trim_start);

            let begins_with_a_name = names.is_some_and(|names| names.starts_with(|letter: char| letter.is_ascii_lowercase()));
            assert!(begins_with_a_name, "{path}: INSERT INTO {}", rest.lines().next().unwrap_or_default());
            inserts += 1;
        }
    }

    assert!(inserts >= 10, "only {inserts} were found");
}

/// The sources in a folder and those below it, but for this one, which only speaks of statements.
fn texts(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(texts(&path));
        } else if !path.ends_with("statements.rs") {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}
