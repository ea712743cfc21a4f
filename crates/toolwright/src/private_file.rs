//! Files with one secret, or another short text, for their owner alone.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Such a file is one line; this is more than the longest key.
const BYTES_MAX: u64 = 4_096;

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
    let unfinished = path.with_extension(format!("new-{}", std::process::id()));
    let result = write_through(&unfinished, text).and_then(|()| fs::hard_link(&unfinished, path));
    // The name is of this process; nothing is lost if it stays.
    let _ = fs::remove_file(&unfinished);
    result
}

fn write_through(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}
