//! As whom the server runs.

use std::{fs, os::unix::fs::MetadataExt, process::Command};

use super::{ClusterError, Folders, at};

/// A user that the server runs as because it refuses to run as root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) name: String,
}

impl Account {
    /// Whom to become: nobody else unless this is root; then the owner of the cluster that is there, `postgres`, or `nobody`.
    pub(super) fn find(folders: &Folders) -> Result<Option<Self>, ClusterError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").map_err(at("/etc/passwd"))?;
        if folders.has_cluster() {
            let owner = fs::metadata(&folders.data).map_err(at(&folders.data))?;
            if owner.uid() != 0 {
                let name = Self::entries(&passwd).find(|entry| entry.uid == owner.uid()).map(|entry| entry.name);
                let name = name.unwrap_or_else(|| owner.uid().to_string());
                return Ok(Some(Self { uid: owner.uid(), gid: owner.gid(), name }));
            }
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Self::entries(&passwd).find(|entry| entry.name == name))
            .map(Some)
            .ok_or(ClusterError::NoAccount)
    }

    /// The lines of passwd(5).
    fn entries(passwd: &str) -> impl Iterator<Item = Self> + '_ {
        passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let (name, _password, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
            Some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()?, name: name.to_owned() })
        })
    }
}

/// Has the command run as the account; std drops the other groups with it.
pub(super) fn run_as(command: &mut Command, account: Option<&Account>) {
    if let Some(account) = account {
        std::os::unix::process::CommandExt::uid(command, account.uid);
        std::os::unix::process::CommandExt::gid(command, account.gid);
    }
}
