//! What whoever runs the platform decides: `toolwright.toml` (optional) < environment < flags. This is the one place that reads the
//! environment. Every setting is read once, checked, and remembered with where it came from; what is wrong is told all at once.

mod accounts;
mod admin_key;
mod builds;
mod database;
mod egress;
mod file;
mod http;
mod keys;
mod limits;
mod log;
mod machine;
mod oauth;
mod profile;
mod reader;
mod sandbox;
mod setting;
mod switch;
mod upstream;
mod value;
mod visitors;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use app::{
    OauthSettings,
    accounts::{AccountSettings, upstream::UpstreamSettings},
    limits::LimitSettings,
};

pub(crate) use self::{
    builds::Builds,
    database::{Database, UrlFileError},
    egress::{CaFileError, Egress},
    http::{Http, LISTEN, MetricsReaders, PUBLIC_URL},
    keys::{FOLDER as KEYS_FOLDER, Keys, KeysSource},
    log::Log,
    profile::Profile,
    reader::{ConfigurationError, Flags},
    sandbox::{Bounds, Sandbox},
    setting::{Effective, Origin, Setting, Shown},
    visitors::Visitors,
};
use self::{file::File, machine::Machine, reader::Reader};

/// Who the program runs for.
pub(crate) const PROFILE: Setting = Setting::new(
    "profile",
    "TOOLWRIGHT_PROFILE",
    "local (makes its own keys and database) or production (is told everything, or does not start)",
);
/// The only folder that the program writes to.
pub(crate) const DATA_DIR: Setting = Setting::new(
    "data_dir",
    "TOOLWRIGHT_DATA_DIR",
    "the only folder the program writes to; /var/lib/toolwright for root, else in the user's data directory (XDG)",
);
const START_TIMEOUT_S: Setting =
    Setting::new("start_timeout_s", "TOOLWRIGHT_START_TIMEOUT_S", "how long a start may take before it is given up");
const STOP_TIMEOUT_S: Setting =
    Setting::new("stop_timeout_s", "TOOLWRIGHT_STOP_TIMEOUT_S", "how long a stop waits for requests and calls that still run");

/// Everything that can be set, checked.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// Who it is for.
    pub(crate) profile: Profile,
    /// The only folder that the program writes to (SEC-2).
    pub(crate) data_dir: PathBuf,
    /// How long a start may take before it is given up (PRC-3).
    pub(crate) start_timeout: Duration,
    /// How long a stop waits for requests and calls that still run (PRC-4).
    pub(crate) stop_timeout: Duration,
    /// The listener.
    pub(crate) http: Http,
    /// Under which names it answers, and to which pages.
    pub(crate) visitors: Visitors,
    /// How people sign up and in.
    pub(crate) accounts: AccountSettings,
    /// The issuers elsewhere by which people sign in.
    pub(crate) upstreams: Vec<UpstreamSettings>,
    /// The authorization server.
    pub(crate) oauth: OauthSettings,
    /// How often something may be asked.
    pub(crate) limits: LimitSettings,
    /// Where the keys come from.
    pub(crate) keys: KeysSource,
    /// Postgres.
    pub(crate) database: Database,
    /// Guests.
    pub(crate) sandbox: Sandbox,
    /// The way out of tools.
    pub(crate) egress: Egress,
    /// The compile workers.
    pub(crate) builds: Builds,
    /// Logs.
    pub(crate) log: Log,
}

/// What the process was started with, besides its flags.
#[derive(Debug, Default, Clone)]
pub(crate) struct Surroundings {
    /// The environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// Whether the process runs as root.
    pub(crate) root: bool,
}

impl Surroundings {
    /// Reads them off the process. Bytes that are not UTF-8 are replaced, so that a setting of ours that has some is refused by its value.
    pub(crate) fn of_process() -> Self {
        let environment = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        Self { environment, root: rustix::process::geteuid().is_root() }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// `/var/lib/toolwright` for root, else a folder in the XDG data home (XDG Base Directory Specification 0.8).
    fn data_dir(&self) -> Option<PathBuf> {
        if self.root {
            return Some(PathBuf::from("/var/lib/toolwright"));
        }
        let data_home = self.variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let data_home = data_home.or_else(|| self.variable("HOME").map(|home| Path::new(home).join(".local/share")));
        data_home.map(|data_home| data_home.join("toolwright"))
    }
}

impl Configuration {
    /// Reads and checks everything. The second part is every setting with its value and where it came from.
    pub(crate) fn load(flags: &Flags, surroundings: &Surroundings) -> Result<(Self, Vec<Effective>), ConfigurationError> {
        let file = File::read(flags, surroundings)?;
        let mut reader = Reader::new(&file, &surroundings.environment, flags);
        let configuration = Self::read(&mut reader, surroundings);
        let effective = reader.finish()?;
        Ok((configuration, effective))
    }

    /// Every setting there is, with the default that it has here.
    pub(crate) fn defaults() -> Vec<Effective> {
        let (file, flags) = (File::default(), Flags::default());
        let surroundings = Surroundings { environment: BTreeMap::new(), root: true };
        let mut reader = Reader::new(&file, &surroundings.environment, &flags);
        Self::read(&mut reader, &surroundings);
        upstream::describe(&mut reader);
        reader.into_effective()
    }

    fn read(reader: &mut Reader<'_>, surroundings: &Surroundings) -> Self {
        let machine = Machine::this();
        let profile = reader.read(&PROFILE, || Profile::Local);
        let data_dir = match surroundings.data_dir() {
            Some(default) => reader.read(&DATA_DIR, || default),
            None => reader.require(&DATA_DIR, "this user has no home directory that could hold it").unwrap_or_default(),
        };
        let mut configuration = Self {
            profile,
            start_timeout: Duration::from_secs(reader.number(&START_TIMEOUT_S, 1..=3_600, 120)),
            // Docker kills what is not gone after 10 s; the records want the rest.
            stop_timeout: Duration::from_secs(reader.number(&STOP_TIMEOUT_S, 0..=3_600, 8)),
            http: Http::read(reader, profile),
            visitors: Visitors::read(reader, profile),
            accounts: accounts::read(reader, profile, machine),
            upstreams: Vec::new(),
            oauth: oauth::read(reader, profile),
            limits: limits::read(reader),
            keys: KeysSource::read(reader, profile, &data_dir),
            database: Database::read(reader, surroundings, profile),
            sandbox: Sandbox::read(reader, machine, &data_dir),
            egress: Egress::read(reader),
            builds: Builds::read(reader, profile, machine),
            log: Log::read(reader, profile),
            data_dir,
        };
        // They follow what other sections say.
        configuration.upstreams = upstream::read(reader, &configuration);
        configuration
    }
}

#[cfg(test)]
mod tests;
