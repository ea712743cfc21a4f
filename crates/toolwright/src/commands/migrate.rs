//! `toolwright migrate`

use std::path::PathBuf;

use child::Launcher;
use tracing::info;

use super::{CommandError, serve};
use crate::{
    configuration::{Configuration, Flags, Surroundings},
    data_dir::DataDir,
    database::{Migration, StateDatabase},
};

/// Brings the database to this program's schema. A private cluster is started for it and stopped again.
pub(super) fn run(flags: &Flags) -> Result<(), CommandError> {
    let (configuration, _) = Configuration::load(flags, &Surroundings::of_process())?;
    let _logging = serve::start_logging(&configuration)?;
    serve::runtime()?.block_on(async {
        if configuration.database.url.is_none() {
            DataDir::make(&configuration.data_dir)?;
        }
        let launcher = Launcher::new(PathBuf::from("/proc/self/exe"));
        let database = StateDatabase::open(&configuration, launcher).await?;
        let migrated = database.prepare(Migration::Run).await;
        database.stop().await;
        migrated?;
        info!("the database has this program's schema");
        Ok(())
    })
}
