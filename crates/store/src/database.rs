//! Where the database is.

use std::{error::Error, fmt, path::Path};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Where the database is and as whom to connect: as its owner, who migrates and whose rights the program then gives up.
#[derive(Clone)]
pub struct Database(PgConnectOptions);

/// A text that is not the URL of a PostgreSQL database.
#[derive(Debug, thiserror::Error)]
#[error("the database URL must look like postgres://user:password@host:5432/name, or postgres:///name?host=/folder/of/socket")]
pub struct DatabaseUrlError(#[source] Box<dyn Error + Send + Sync>);

impl Database {
    /// The database that a URL names (libpq's form). The URL may hold a password; nothing of it is shown.
    pub fn from_url(url: &str) -> Result<Self, DatabaseUrlError> {
        url.parse::<PgConnectOptions>().map(Self::named).map_err(|error| DatabaseUrlError(error.into()))
    }

    /// The database `postgres` of the cluster whose socket is in `folder`, as `user`.
    pub(crate) fn at_socket(folder: &Path, user: &str) -> Self {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(folder)
            .port(5432)
            .username(user)
            .database("postgres")
            .ssl_mode(PgSslMode::Disable);
        Self::named(options)
    }

    fn named(options: PgConnectOptions) -> Self {
        Self(options.application_name("toolwright"))
    }

    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.0
    }
}

#[cfg(test)]
impl From<PgConnectOptions> for Database {
    fn from(options: PgConnectOptions) -> Self {
        Self(options)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Database").field("name", &self.0.get_database()).finish_non_exhaustive()
    }
}
