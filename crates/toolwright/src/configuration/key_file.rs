//! Files with one key in them.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// A key file is one line; this is more than the longest key.
const BYTES_MAX: u64 = 4_096;

/// The key in a file, without the line's end.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

/// Whether nobody but its owner may read the file.
pub(super) fn is_private(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 == 0)
}

/// Writes a key file with mode 0600, whole or not at all. An existing file is left as it is, and is an error of the kind `AlreadyExists`.
pub(super) fn write(path: &Path, key: &str) -> io::Result<()> {
    let unfinished = path.with_extension(format!("new-{}", std::process::id()));
    let result = write_through(&unfinished, key).and_then(|()| fs::hard_link(&unfinished, path));
    // The name is of this process; nothing is lost if it stays.
    let _ = fs::remove_file(&unfinished);
    result
}

fn write_through(path: &Path, key: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{key}")?;
    file.sync_all()
}
