//! `toolwright keys`: what access tokens are signed with.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
};

use app::{
    MasterKeys,
    signing_keys::{self, Rotation, SigningKeyState, SigningKeyView},
};
use child::Launcher;
use clap::Subcommand;
use domain::SystemClock;
use secrecy::SecretString;
use store::{Pool, PoolSettings};
use tracing::info;

use super::{CommandError, serve};
use crate::{
    configuration::{Configuration, Flags, Surroundings},
    database::{Migration, StateDatabase},
    private_file,
};

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Lets another key sign access tokens from now on, on every node that runs; in profile production, this makes the first.
    ///
    /// Nobody is logged out: the key before it verifies until the last token that it signed has expired. The private half is sealed in the database,
    /// under the master keys.
    Rotate {
        /// The key, a P-256 private key as PEM (PKCS #8), in a file that only its owner can read [default: a new one is drawn]
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// Lists the keys: which signs, which verify and until when.
    List,
    /// Ends a key that was replaced, at once, on every node: for one that somebody else has got hold of. Its tokens open nothing any more; clients
    /// that hold refresh tokens get new ones by themselves.
    Retire {
        /// The key's name, as `keys list` prints it
        #[arg(value_name = "KID", allow_hyphen_values = true)]
        kid: String,
    },
}

/// Does it. A private cluster is started for it and stopped again, if no node of it runs.
pub(super) fn run(flags: &Flags, command: KeysCommand) -> Result<(), CommandError> {
    let (configuration, _) = Configuration::load(flags, &Surroundings::of_process())?;
    let _logging = serve::start_logging(&configuration)?;
    let masters = configuration.keys.find_master()?;
    let masters = masters
        .ok_or("there is no master key yet, under which a signing key could be sealed: start the program once, or supply one")?;
    serve::runtime()?.block_on(async {
        let launcher = Launcher::new(PathBuf::from("/proc/self/exe"));
        let database = StateDatabase::open(&configuration, launcher).await?;
        let done = act(&database, &masters, &configuration, command).await;
        database.stop().await;
        Ok(std::io::stdout().write_all(done?.as_bytes())?)
    })
}

/// Does it, and gives what is to be printed.
async fn act(
    database: &StateDatabase,
    masters: &MasterKeys,
    configuration: &Configuration,
    command: KeysCommand,
) -> Result<String, CommandError> {
    database.prepare(Migration::Refuse).await?;
    let pool = Pool::connect(database.database(), &PoolSettings { connections_max: 2, connections_min: 0 }).await?;
    let clock = SystemClock;
    let done = async {
        match command {
            KeysCommand::Rotate { key_file } => {
                let supplied = key_file.as_deref().map(read_key).transpose()?;
                let rotation = Rotation { access_token: configuration.oauth.access_token, supplied };
                let key = signing_keys::rotate(&pool, masters, &clock, &rotation).await?;
                info!(kid = key.kid, "another key signs access tokens");
            }
            KeysCommand::Retire { kid } => {
                signing_keys::retire(&pool, &clock, &kid).await?;
                info!(kid, "a key verifies access tokens no more");
            }
            KeysCommand::List => {}
        }
        Ok::<_, CommandError>(table(&signing_keys::list(&pool, &clock).await?))
    };
    let done = done.await;
    pool.close().await;
    done
}

fn read_key(path: &Path) -> Result<SecretString, CommandError> {
    let text = private_file::read(path).map_err(|error| format!("cannot read the key file {}: {error}", path.display()))?;
    Ok(SecretString::from(text))
}

fn table(keys: &[SigningKeyView]) -> String {
    let mut text = String::new();
    for SigningKeyView { kid, created_at, state } in keys {
        let state = match state {
            SigningKeyState::Signs => "signs".to_owned(),
            SigningKeyState::Verifies(until) => format!("verifies until {}", until.to_rfc3339()),
            SigningKeyState::Ended(since) => format!("ended {}", since.to_rfc3339()),
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{kid}  made {}  {state}", created_at.to_rfc3339());
    }
    text
}
