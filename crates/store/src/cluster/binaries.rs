//! Where PostgreSQL's programs are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{ClusterError, ClusterSettings, Folders, at};

/// Where Debian keeps them, a folder a major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder of `initdb` and `postgres`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries(PathBuf);

impl Binaries {
    /// The folder that was named, else one on the search path, else Debian's newest.
    pub(super) fn locate(settings: &ClusterSettings) -> Result<Self, ClusterError> {
        if let Some(named) = &settings.binaries {
            return Self::in_folder(named).ok_or_else(|| ClusterError::WrongBinaries(named.clone()));
        }
        let search_path = settings.search_path.as_deref().unwrap_or_default();
        // A link is followed, so that initdb finds its share folder beside its own.
        std::env::split_paths(search_path)
            .filter_map(|folder| fs::canonicalize(folder.join("postgres")).ok())
            .find_map(|program| Self::in_folder(program.parent()?))
            .or_else(|| Self::newest_in(Path::new(DEBIAN)))
            .ok_or(ClusterError::NoBinaries)
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.0.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.0.join("postgres")
    }

    /// A cluster can be run by binaries of its own major version only.
    pub(super) async fn check_version(&self, folders: &Folders) -> Result<(), ClusterError> {
        let file = folders.data.join("PG_VERSION");
        let cluster = fs::read_to_string(&file).map_err(at(&file))?.trim().to_owned();
        let program = self.postgres();
        let output = tokio::task::spawn_blocking(move || Command::new(program).arg("--version").env_clear().output())
            .await
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(ClusterError::Spawn)?;
        // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_whitespace().nth(2).unwrap_or_default();
        let major = version.split('.').next().unwrap_or_default();
        if major == cluster {
            Ok(())
        } else {
            Err(ClusterError::OtherVersion { folder: folders.data.clone(), cluster, binaries: major.to_owned() })
        }
    }

    fn in_folder(folder: &Path) -> Option<Self> {
        let has_both = folder.join("initdb").is_file() && folder.join("postgres").is_file();
        has_both.then(|| Self(folder.to_owned()))
    }

    fn newest_in(versions: &Path) -> Option<Self> {
        let folders = fs::read_dir(versions).ok()?.flatten();
        let numbered = folders.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())));
        numbered
            .filter_map(|(version, folder)| Some((version, Self::in_folder(&folder.join("bin"))?)))
            .max_by_key(|(version, _)| *version)
            .map(|(_, binaries)| binaries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["9", "15", "16", "17"] {
            let bin = folder.path().join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            for program in ["initdb", "postgres"].into_iter().filter(|_| version != "17") {
                fs::write(bin.join(program), "").unwrap();
            }
        }

        let found = Binaries::newest_in(folder.path()).unwrap();

        assert_eq!(found.postgres(), folder.path().join("16/bin/postgres"));
    }
}
