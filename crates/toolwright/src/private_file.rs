//! Files with one secret, or another short text, for their owner alone.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    time::SystemTime,
};

/// Such a file is one line; this is more than the longest key.
const BYTES_MAX: u64 = 4_096;

/// The extension of a file that is being written begins so, and goes on with the process.
const UNFINISHED: &str = "new-";

/// The text in a file, without the line's end.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

/// Whether nobody but its owner may read the file.
pub(crate) fn is_private(path: &Path) -> io::Result<bool> {
    const OTHERS: u32 = 0o077;
    let mode = fs::metadata(path)?.permissions().mode();
    Ok(mode & OTHERS == 0)
}

/// Writes a file with mode 0600, whole or not at all, and makes its folder with mode 0700. An existing file is left as it is, and is an error
/// of the kind `AlreadyExists`.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let unfinished = path.with_extension(format!("{UNFINISHED}{}", std::process::id()));
    let result = write_through(&unfinished, text).and_then(|()| fs::hard_link(&unfinished, path));
    // The name is of this process; nothing is lost if it stays.
    let _ = fs::remove_file(&unfinished);
    result
}

/// Deletes what was being written in `folder` before `began` by processes that died of it; gives how many files.
pub(crate) fn remove_unfinished(folder: &Path, began: SystemTime) -> io::Result<u64> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        let is_unfinished =
            entry.path().extension().is_some_and(|name| name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes()));
        if is_unfinished && entry.metadata()?.modified()? < began {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn write_through(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_dead_process_was_writing_goes_and_what_is_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["admin-key", "admin-key.new-1", "admin-key.old"].map(|name| folder.path().join(name));
        for path in &names {
            fs::write(path, "key").unwrap();
        }

        let before = remove_unfinished(folder.path(), SystemTime::now() - Duration::from_mins(1)).unwrap();
        let after = remove_unfinished(folder.path(), SystemTime::now() + Duration::from_mins(1)).unwrap();

        assert_eq!((before, after), (0, 1), "that of somebody who writes now stays");
        assert_eq!(names.map(|path| path.exists()), [true, false, true]);
    }
}
