//! `[database]`: Postgres.

use std::{ffi::OsString, path::PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::{Profile, Reader, Setting, Surroundings};

const URL: Setting = Setting::secret(
    "database.url",
    "DATABASE_URL",
    "postgres://user:password@host/database; production needs it, local runs a database of its own without it",
);
const POSTGRES_DIR: Setting = Setting::new(
    "database.postgres_dir",
    "PG_BIN",
    "folder of the postgres and initdb programs for the database of our own; default: PATH, then /usr/lib/postgresql",
);
const CONNECTIONS_MAX: Setting =
    Setting::new("database.connections_max", "TOOLWRIGHT_DATABASE_CONNECTIONS_MAX", "database connections at one time");

/// Postgres.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// Where it is; `None` runs a private cluster in the data directory.
    pub(crate) url: Option<SecretString>,
    /// Where the programs of the private cluster are, if somebody says so.
    pub(crate) postgres_dir: Option<PathBuf>,
    /// Where those programs are looked for otherwise: `PATH`.
    pub(crate) search_path: Option<OsString>,
    /// A folder with a short path, for the private cluster's socket if the data directory's is too long: `TMPDIR`, or `/tmp`.
    pub(crate) runtime_dir: PathBuf,
    /// Connections at one time.
    pub(crate) connections_max: u32,
}

impl Database {
    pub(super) fn read(reader: &mut Reader<'_>, surroundings: &Surroundings, profile: Profile) -> Self {
        Self {
            url: read_url(reader, profile),
            postgres_dir: reader.read_optional(&POSTGRES_DIR),
            search_path: surroundings.variable("PATH").map(OsString::from),
            runtime_dir: surroundings.variable("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from),
            connections_max: reader.number(&CONNECTIONS_MAX, 4..=1_000, 16),
        }
    }
}

fn read_url(reader: &mut Reader<'_>, profile: Profile) -> Option<SecretString> {
    let url: Option<SecretString> = match profile {
        Profile::Production => reader.require(&URL, "production keeps its state in a database that is run and backed up apart"),
        Profile::Local => reader.read_optional(&URL),
    };
    let is_postgres =
        |url: &SecretString| ["postgres://", "postgresql://"].iter().any(|start| url.expose_secret().starts_with(start));
    if url.as_ref().is_some_and(|url| !is_postgres(url)) {
        reader.refuse(format!("`{}` ({}) is not a URL that begins with postgres://", URL.key, reader.origin(&URL)));
    }
    url
}
