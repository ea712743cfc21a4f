//! `toolwright secrets`

use std::path::PathBuf;

use app::{
    MasterKeys,
    secrets::rotation::{self, Rotated},
};
use child::Launcher;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use domain::{Clock as _, SystemClock};
use store::{Pool, PoolSettings};
use tracing::info;

use super::{CommandError, serve};
use crate::{
    configuration::{Configuration, Flags, Surroundings},
    database::{Migration, StateDatabase},
};

/// What can be done to sealed secrets.
#[derive(Debug, Subcommand)]
pub(super) enum SecretsCommand {
    /// Seals all data keys under the first key of `TOOLWRIGHT_MASTER_KEY`.
    ///
    /// Nodes may run meanwhile. In this order: 1. every node gets `OLD,NEW`; 2. every node gets `NEW,OLD`; 3. this command, with `NEW,OLD`; 4. every node
    /// gets `NEW`. If it is interrupted, run it again: what is done stays done.
    RotateMaster,
    /// Gives each customer a new data key and seals its secrets with it.
    ///
    /// Nodes may run meanwhile. If it is interrupted, run it again with the `--made-before` that it told at its start: customers that have a younger
    /// key already are left as they are.
    Rotate {
        /// Only data keys made before this moment (RFC 3339) [default: now]
        #[arg(long, value_name = "TIME")]
        made_before: Option<DateTime<Utc>>,
    },
}

/// Does it. A private cluster is started for it and stopped again.
pub(super) fn run(flags: &Flags, command: SecretsCommand) -> Result<(), CommandError> {
    let (configuration, _) = Configuration::load(flags, &Surroundings::of_process())?;
    let _logging = serve::start_logging(&configuration)?;
    let masters = configuration.keys.find_master()?;
    let masters = masters.ok_or("there is no master key yet, and so nothing that is sealed under one")?;
    serve::runtime()?.block_on(async {
        let launcher = Launcher::new(PathBuf::from("/proc/self/exe"));
        let database = StateDatabase::open(&configuration, launcher).await?;
        let rotated = rotate(&database, &masters, command).await;
        database.stop().await;
        let Rotated { data_keys, secrets } = rotated?;
        info!(data_keys, secrets, "sealed anew");
        Ok(())
    })
}

async fn rotate(database: &StateDatabase, masters: &MasterKeys, command: SecretsCommand) -> Result<Rotated, CommandError> {
    database.prepare(Migration::Refuse).await?;
    let pool = Pool::connect(database.database(), &PoolSettings { connections_max: 2, connections_min: 0 }).await?;
    let rotated = match command {
        SecretsCommand::RotateMaster => rotation::rotate_master(&pool, masters, SystemClock.now()).await,
        SecretsCommand::Rotate { made_before } => {
            let now = SystemClock.now();
            let made_before = made_before.unwrap_or(now);
            let moment = made_before.to_rfc3339();
            info!(made_before = moment, "if this is interrupted, go on with `toolwright secrets rotate --made-before {moment}`");
            rotation::rotate_data_keys(&pool, masters, made_before, now).await
        }
    };
    pool.close().await;
    Ok(rotated?)
}
