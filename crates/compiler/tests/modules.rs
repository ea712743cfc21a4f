//! The library modules as they are checked in: licences, no code from text, the page about them. What they do, inside the real sandbox, is
//! in `tests/workers`.
#![expect(clippy::unwrap_used, reason = "what a test's helper cannot read fails the test")]

#[path = "modules/page.rs"]
mod page;

use std::{collections::BTreeSet, fs, path::Path};

use compiler::{LIBRARY, TYPES};
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/modules");

#[test]
fn the_page_about_the_modules_is_current() {
    let written = fs::read_to_string(Path::new(FOLDER).join("../../../docs/modules.md")).unwrap();

    assert!(written == page::write(), "docs/modules.md is not what the catalogue says: run scripts/bundle-modules");
}

#[test]
fn the_library_is_what_the_catalogue_lists() {
    let listed = catalogue();

    let names: Vec<&str> = LIBRARY.iter().map(|module| module.name).collect();
    assert_eq!(names, listed.iter().map(|entry| entry["name"].as_str().unwrap()).collect::<Vec<_>>());
    assert!(names.is_sorted());
    for (module, entry) in LIBRARY.iter().zip(&listed) {
        assert_eq!(module.purpose, entry["purpose"], "{}: run scripts/bundle-modules", module.name);
        assert_eq!(module.example, entry["example"], "{}: run scripts/bundle-modules", module.name);
        assert_eq!(module.packages[0].name, entry["package"], "{}: run scripts/bundle-modules", module.name);
        assert_eq!(format!("{:?}", module.class).to_lowercase(), entry["tiers"], "{}: run scripts/bundle-modules", module.name);
        assert!(module.name.parse::<domain::ModuleName>().is_ok(), "{}", module.name);
    }
}

#[test]
fn every_package_is_pinned_by_version_and_hash() {
    let lock: Value = serde_json::from_str(&read("package-lock.json")).unwrap();
    let packages = lock["packages"].as_object().unwrap();

    for package in LIBRARY.iter().flat_map(|module| module.packages) {
        let found = packages.iter().any(|(path, entry)| {
            path.ends_with(&format!("node_modules/{}", package.name))
                && entry["version"] == package.version
                && entry["integrity"].as_str().is_some_and(|hash| hash.starts_with("sha512-"))
        });
        assert!(found, "{} {} is not in package-lock.json with its hash", package.name, package.version);
    }
    let wanted: Value = serde_json::from_str(&read("package.json")).unwrap();
    for (name, version) in wanted["dependencies"].as_object().unwrap() {
        assert!(
            version.as_str().unwrap().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'),
            "{name} is not of an exact version"
        );
    }
}

#[test]
fn every_package_has_a_permissive_licence_whose_text_is_there() {
    const PERMISSIVE: [&str; 6] = ["MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "0BSD"];

    for module in LIBRARY {
        for package in module.packages {
            let heading = format!("{} {}: {}\n", package.name, package.version, package.license);
            assert!(PERMISSIVE.contains(&package.license), "{heading}");
            assert!(module.licenses.contains(&heading), "{} has no licence of {heading}", module.name);
        }
        let texts = ["without fee", "free of charge", "Redistribution and use", "Apache License"];
        let count: usize = texts.iter().map(|text| module.licenses.matches(text).count()).sum();
        assert!(count >= module.packages.len(), "{} lacks the text of a licence", module.name);
    }
}

#[test]
fn no_module_makes_code_from_text_or_imports() {
    for module in LIBRARY {
        let flat: String = module.source.split_whitespace().collect::<Vec<_>>().join(" ");
        for forbidden in ["eval(", "eval (", "new Function", "import(", "require(", "import{"] {
            assert!(!contains_word(&flat, forbidden), "{} has {forbidden}", module.name);
        }
    }
}

#[test]
fn every_module_is_declared_for_typescript() {
    for module in LIBRARY {
        assert!(TYPES.contains(&format!("declare module \"{}\" {{", module.specifier())), "{}", module.name);
        assert!(module.example.contains(&format!("from \"{}\"", module.specifier())), "{}", module.name);
    }
}

#[test]
fn there_is_no_folder_that_the_catalogue_does_not_name() {
    let folders =
        fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap()).filter(|entry| entry.path().join("module.js").exists());
    let folders: BTreeSet<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();

    assert_eq!(folders, LIBRARY.iter().map(|module| module.name.to_owned()).collect());
}

/// Whether `word` is in `text` and not the end of a longer name, as in `retrieval(`.
fn contains_word(text: &str, word: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.');
    text.match_indices(word).any(|(at, _)| !text.as_bytes().get(..at).and_then(<[u8]>::last).copied().is_some_and(is_part))
}

fn catalogue() -> Vec<Value> {
    serde_json::from_str(&read("catalogue.json")).unwrap()
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(FOLDER).join(file)).unwrap()
}
