//! `toolwright audit`: what becomes of the audit log.

use std::{io::Write as _, path::PathBuf};

use child::Launcher;
use chrono::{NaiveDate, NaiveTime};
use clap::Subcommand;
use domain::{Clock as _, SystemClock};

use super::{CommandError, serve};
use crate::{
    configuration::{Configuration, Flags, Surroundings},
    database::{Migration, StateDatabase},
};

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Deletes the oldest entries, as the owner of the database's tables, and leaves an entry that says so.
    ///
    /// Nothing else shortens the log. Entries of the last 90 days stay, and those about deletions stay for ever: copy what you must keep before.
    Prune {
        /// The day (UTC), such as 2026-01-31, before which entries were made that go
        #[arg(long, value_name = "DATE")]
        before: NaiveDate,
    },
}

/// Does it. A private cluster is started for it and stopped again, if no node of it runs.
pub(super) fn run(flags: &Flags, command: &AuditCommand) -> Result<(), CommandError> {
    let (configuration, _) = Configuration::load(flags, &Surroundings::of_process())?;
    let _logging = serve::start_logging(&configuration)?;
    let AuditCommand::Prune { before } = command;
    serve::runtime()?.block_on(async {
        let launcher = Launcher::new(PathBuf::from("/proc/self/exe"));
        let database = StateDatabase::open(&configuration, launcher).await?;
        let deleted = prune(&database, *before).await;
        database.stop().await;
        Ok(writeln!(std::io::stdout(), "deleted {} entries that were made before {before}", deleted?)?)
    })
}

async fn prune(database: &StateDatabase, before: NaiveDate) -> Result<u64, CommandError> {
    database.prepare(Migration::Refuse).await?;
    Ok(app::audit::prune(database.database(), before.and_time(NaiveTime::MIN).and_utc(), SystemClock.now()).await?)
}
