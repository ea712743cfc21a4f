//! What is in the folders of a program, and what should not be.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Every file below `folder` with its bytes, by its path from there.
pub(super) fn files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut folders = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            // One that is being written may be gone already.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                found.push((entry.path().strip_prefix(folder).unwrap().to_owned(), metadata.len()));
            }
        }
    }
    found
}

/// The files of a data directory that have no place there: half-written ones, copies, what nobody knows.
pub(super) fn unknown(data: &Path) -> BTreeSet<PathBuf> {
    let all = files(data).into_iter().map(|(path, _)| path);
    all.filter(|path| !is_known(path.to_str().unwrap())).collect()
}

/// The same, of files that were last written before `moment`.
pub(super) fn unknown_before(data: &Path, moment: SystemTime) -> BTreeSet<PathBuf> {
    let is_older = |path: &PathBuf| fs::symlink_metadata(data.join(path)).is_ok_and(|found| found.modified().unwrap() < moment);
    unknown(data).into_iter().filter(is_older).collect()
}

/// The digests of the blobs that are kept.
pub(super) fn blobs(data: &Path) -> BTreeSet<String> {
    let all = files(&data.join("artifacts")).into_iter();
    all.map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn is_known(path: &str) -> bool {
    let is_hex = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match path.split('/').collect::<Vec<_>>()[..] {
        ["lock" | "node-id" | "program.log"] | ["keys", "admin-key" | "cache-key" | "master-key" | "example-api-key"] => true,
        ["artifacts", folder, blob] => is_hex(folder, 2) && is_hex(blob, 64),
        ["cache", name] => name.rsplit_once('-').is_some_and(|(_, digest)| is_hex(digest, 64)),
        _ => false,
    }
}
