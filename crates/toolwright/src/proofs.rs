//! What the documents name as proof is there: every test and every file of `docs/requirements.md` and `docs/security.md`. That a test proves what its
//! row says, only people can tell; that it has not been renamed or taken away, this does.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const DOCUMENTS: [&str; 2] = ["docs/requirements.md", "docs/security.md"];
/// How the documents explain what a name looks like.
const EXAMPLES: [&str; 3] = ["crate::module::test", "end_to_end::file::test", "abuse::file"];
/// Tests that are cases of a program, and no functions with an attribute.
const CASES: &str = "abuse";
/// What is a file by its name.
const FILES: [&str; 12] = [".rs", ".sql", ".md", ".json", ".js", ".mjs", ".ts", ".toml", ".wit", ".html", ".css", "/"];

/// A file of sources.
struct Source {
    /// The crate, or `end_to_end`.
    room: String,
    /// The modules that lead to it, and those within it.
    modules: Vec<String>,
    tests: BTreeSet<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources() -> Vec<Source> {
    let mut found = of_folder("end_to_end", &root().join("tests/end_to_end"));
    for folder in fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()) {
        let room = folder.file_name().unwrap().to_str().unwrap();
        found.extend(["src", "tests"].iter().flat_map(|part| of_folder(room, &folder.join(part))));
    }
    found
}

fn of_folder(room: &str, folder: &Path) -> Vec<Source> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(next) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(Source::read(room, path.strip_prefix(folder).unwrap(), &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

impl Source {
    fn read(room: &str, path: &Path, text: &str) -> Self {
        let of_path = path.with_extension("");
        let of_path = of_path.iter().map(|part| part.to_str().unwrap().to_owned());
        let mut modules: Vec<String> = of_path.filter(|part| !["lib", "main", "mod"].contains(&part.as_str())).collect();
        let (mut tests, mut is_test) = (BTreeSet::new(), false);
        for line in text.lines().map(str::trim) {
            let visible = line.trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ").trim_start_matches("async ");
            if let Some(name) = visible.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
                modules.push(name.to_owned());
            } else if ["#[test]", "#[tokio::test", "#[sqlx::test"].iter().any(|attribute| line.starts_with(attribute)) {
                is_test = true;
            } else if let Some(name) = visible.strip_prefix("fn ").and_then(|rest| rest.split(['(', '<']).next())
                && std::mem::take(&mut is_test)
            {
                tests.insert(name.to_owned());
            }
        }
        Self { room: room.to_owned(), modules, tests }
    }

    /// Whether these modules lead to it, or into it; those that are left out in between are not looked for.
    fn is_at(&self, room: &str, modules: &[&str]) -> bool {
        let mut own = self.modules.iter();
        self.room == room && modules.iter().all(|wanted| own.any(|module| module == wanted))
    }
}

/// Tests on the real program are compiled with a crate that some write before their names.
fn unqualified(name: &str) -> &str {
    name.strip_prefix("toolwright::").filter(|rest| rest.starts_with("end_to_end::")).unwrap_or(name)
}

/// Whether there is a test of this name, or a module of tests. A name that begins with `::` goes on from the one before it.
fn is_there(sources: &[Source], name: &str, before: Option<&str>) -> bool {
    let (name, before) = (unqualified(name), before.map(unqualified));
    let parts: Vec<&str> = name.trim_start_matches("::").split("::").collect();
    let (room, modules) = match (name.strip_prefix("::"), before) {
        (None, _) => (parts.first().copied().unwrap_or_default(), parts.get(1..).unwrap_or_default()),
        (Some(_), Some(before)) => (before.split("::").next().unwrap_or_default(), parts.as_slice()),
        (Some(_), None) => return false,
    };
    let is_test = |source: &Source| {
        let (test, path) = modules.split_last().unwrap();
        source.tests.contains(*test) && source.is_at(room, path)
    };
    let is_module = |source: &Source| (room == CASES || !source.tests.is_empty()) && source.is_at(room, modules);
    !modules.is_empty() && sources.iter().any(|source| is_test(source) || is_module(source))
}

/// What stands between back quotes, line by line.
fn quoted(document: &str) -> Vec<(usize, Vec<String>)> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let of_line = |line: &str| line.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    text.lines().enumerate().map(|(index, line)| (index + 1, of_line(line))).collect()
}

fn is_name(text: &str) -> bool {
    text.contains("::")
        && text.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_:".contains(letter))
}

/// The paths that a text with braces stands for, as a shell has it.
fn expand(text: &str) -> Vec<String> {
    let parts = text.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?)));
    let Some((head, (choices, tail))) = parts else { return vec![text.to_owned()] };
    choices.split(',').flat_map(|choice| expand(&format!("{head}{choice}{tail}"))).collect()
}

fn is_path(text: &str) -> bool {
    let is_plain = text.chars().all(|letter| letter.is_ascii_alphanumeric() || "_./{},-".contains(letter));
    is_plain && text.contains('/') && !text.starts_with('/')
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let sources = sources();
    assert!(sources.iter().map(|source| source.tests.len()).sum::<usize>() > 1_000, "the tests are not found");
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        for (line, texts) in quoted(document) {
            let mut before = None;
            for name in texts.into_iter().filter(|text| is_name(text) && !EXAMPLES.contains(&text.as_str())) {
                if !is_there(&sources, &name, before.as_deref()) {
                    missing.push(format!("{document}:{line}: {name}"));
                }
                if !name.starts_with("::") {
                    before = Some(name);
                }
            }
        }
    }

    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let is_there = |path: &str| root().join("crates").join(path).exists() || root().join(path).exists();
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        for (line, texts) in quoted(document) {
            let paths = texts.iter().filter(|text| is_path(text)).flat_map(|text| expand(text));
            let files = paths.filter(|path| FILES.iter().any(|end| path.ends_with(end)));
            missing.extend(files.filter(|path| !is_there(path)).map(|path| format!("{document}:{line}: {path}")));
        }
    }

    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn what_is_not_there_is_found_missing() {
    let sources = sources();
    let this = "toolwright::proofs::every_test_that_a_document_names_is_there";

    assert!(is_there(&sources, this, None) && is_there(&sources, "toolwright::proofs", None));
    assert!(is_there(&sources, "::every_test_that_a_document_names_is_there", Some("toolwright::layers::x")));
    for name in
        ["toolwright::proofs::every_test", "toolwright::layers::every_test_that_a_document_names_is_there", "toolwright::nowhere"]
    {
        assert!(!is_there(&sources, name, None), "{name}");
    }
    assert!(!is_there(&sources, "::every_test_that_a_document_names_is_there", Some("web::x")));
    assert_eq!(expand("a/{b,c}/{d,e}.rs"), ["a/b/d.rs", "a/b/e.rs", "a/c/d.rs", "a/c/e.rs"]);
}
