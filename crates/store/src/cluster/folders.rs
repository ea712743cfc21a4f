//! The files of a cluster: `data`, `run` for the socket, `server.log`, and the lock that keeps a second instance out.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use domain::Digest;

use super::{Account, ClusterError, ClusterSettings, at};

/// `/.s.PGSQL.5432`
const SOCKET_NAME_BYTES: usize = 14;
/// unix(7): 108 bytes with the nought at the end.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Where the files of a cluster are.
#[derive(Debug)]
pub(super) struct Folders {
    /// The data directory of the program.
    data_dir: PathBuf,
    /// All that is the cluster's.
    root: PathBuf,
    /// The cluster itself.
    pub(super) data: PathBuf,
    /// A cluster that is being made, which becomes `data` in one step when it is whole.
    pub(super) unfinished: PathBuf,
    /// The folder of the socket.
    pub(super) socket: PathBuf,
    /// What the server writes.
    pub(super) log: PathBuf,
}

impl Folders {
    /// Finds and makes the folders but those that are the server's own.
    pub(super) fn prepare(settings: &ClusterSettings) -> Result<Self, ClusterError> {
        let root = settings.data_dir.join("postgres");
        fs::create_dir_all(&root).map_err(at(&root))?;
        // The server is given absolute paths, and the name of a short socket folder follows from the real one.
        let data_dir = fs::canonicalize(&settings.data_dir).map_err(at(&settings.data_dir))?;
        let root = data_dir.join("postgres");
        let socket = socket_folder(&root, &settings.runtime_dir)?;
        Ok(Self {
            data: root.join("data"),
            unfinished: root.join("data.unfinished"),
            log: root.join("server.log"),
            socket,
            root,
            data_dir,
        })
    }

    /// Whether there is a cluster; a half-made one does not count.
    pub(super) fn has_cluster(&self) -> bool {
        self.data.join("PG_VERSION").exists()
    }

    /// Keeps a second instance out for as long as the file is open.
    pub(super) fn lock(&self) -> Result<File, ClusterError> {
        let path = self.root.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(ClusterError::InUse(self.data_dir.clone())),
            Err(TryLockError::Error(error)) => Err(at(path)(error)),
        }
    }

    /// Makes the socket's folder, and sees to it that the account can come to its files. The data directory itself is the
    /// program's own, so that it is opened for passing through (not for looking into); what is above it is not touched.
    pub(super) fn open_to(&self, account: Option<&Account>) -> Result<(), ClusterError> {
        make_private(&self.socket, account)?;
        let Some(account) = account else { return Ok(()) };
        for ours in [&self.data_dir, &self.root] {
            let mode = fs::metadata(ours).map_err(at(ours))?.permissions().mode();
            fs::set_permissions(ours, fs::Permissions::from_mode(mode | 0o011)).map_err(at(ours))?;
        }
        match self.data_dir.ancestors().find(|folder| !can_pass(folder, account)) {
            None => Ok(()),
            Some(closed) => Err(ClusterError::Unreachable {
                user: account.name.clone(),
                data_dir: self.data_dir.clone(),
                closed: closed.to_owned(),
            }),
        }
    }

    /// Puts what a server wrote before it ended aside, in the place of what was put there before: the next one begins its own.
    pub(super) fn keep_log(&self) {
        // It is for people who look for the reason; there may be none.
        let _ = fs::rename(&self.log, self.log.with_extension("log.before"));
    }

    /// An empty folder for a cluster to be made in; what an earlier attempt left is thrown away.
    pub(super) fn begin(&self, account: Option<&Account>) -> Result<(), ClusterError> {
        for leftover in [&self.unfinished, &self.data] {
            match fs::remove_dir_all(leftover) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(leftover)(error)),
                _ => {}
            }
        }
        make_private(&self.unfinished, account)
    }

    /// The cluster is whole: from now on it is the cluster, also after a power cut.
    pub(super) fn finish(&self) -> Result<(), ClusterError> {
        fs::rename(&self.unfinished, &self.data).map_err(at(&self.data))?;
        File::open(&self.root).and_then(|folder| folder.sync_all()).map_err(at(&self.root))
    }
}

/// `run` beside the data, or where that is too long for a socket, a folder with a name of its own among the short-lived files.
fn socket_folder(root: &Path, runtime_dir: &Path) -> Result<PathBuf, ClusterError> {
    let fits = |folder: &Path| folder.as_os_str().len() + SOCKET_NAME_BYTES <= SOCKET_PATH_BYTES_MAX;
    let beside = root.join("run");
    if fits(&beside) {
        return Ok(beside);
    }
    let digest = Digest::of(root.as_os_str().as_encoded_bytes()).to_string();
    let short = runtime_dir.join(format!("toolwright-{}", digest.get(..16).unwrap_or_default()));
    if fits(&short) { Ok(short) } else { Err(ClusterError::SocketPath(runtime_dir.to_owned())) }
}

/// A folder that nobody but the account (or this user) can open. One that is there already must be just that: among the
/// short-lived files, somebody else may have made it to listen in.
fn make_private(folder: &Path, account: Option<&Account>) -> Result<(), ClusterError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {
            if let Some(account) = account {
                chown(folder, Some(account.uid), Some(account.gid)).map_err(at(folder))?;
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(folder).map_err(at(folder))?;
            let owner = account.map_or_else(|| rustix::process::geteuid().as_raw(), |account| account.uid);
            // The lowest six bits are the rights of group and others.
            let is_private = found.is_dir() && found.uid() == owner && found.permissions().mode().trailing_zeros() >= 6;
            if is_private { Ok(()) } else { Err(ClusterError::RuntimeFolder(folder.to_owned())) }
        }
        Err(error) => Err(at(folder)(error)),
    }
}

fn can_pass(folder: &Path, account: &Account) -> bool {
    let Ok(found) = fs::metadata(folder) else { return false };
    let bit = if found.uid() == account.uid {
        0o100
    } else if found.gid() == account.gid {
        0o010
    } else {
        0o001
    };
    found.mode() & bit != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_gets_a_short_socket() {
        let long = PathBuf::from(format!("/{}", "x".repeat(200)));

        assert_eq!(socket_folder(Path::new("/data/postgres"), Path::new("/tmp")).unwrap(), Path::new("/data/postgres/run"));
        let short = socket_folder(&long, Path::new("/tmp")).unwrap();
        assert!(short.starts_with("/tmp") && short.as_os_str().len() < 90, "{}", short.display());
        assert_ne!(short, socket_folder(&long.join("y"), Path::new("/tmp")).unwrap());
        assert!(matches!(socket_folder(&long, &long), Err(ClusterError::SocketPath(_))));
    }

    #[test]
    fn a_socket_folder_that_others_can_open_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        make_private(&run, None).unwrap();
        make_private(&run, None).unwrap();

        fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();

        assert!(matches!(make_private(&run, None), Err(ClusterError::RuntimeFolder(_))));
    }
}
