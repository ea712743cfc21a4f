//! `[egress]`: the way out of tools.

use std::{fs, io, net::SocketAddr, path::PathBuf};

use egress::{BreakerConfig, EgressConfig, HostAndPort};

use super::{Reader, Setting, value::Value};

const NAMESERVERS: Setting = Setting::new(
    "egress.nameservers",
    "TOOLWRIGHT_EGRESS_NAMESERVERS",
    "name servers that hosts of tools are looked up with, addresses and ports separated by commas; default: the system's",
);
const ALLOW_PRIVATE: Setting = Setting::new(
    "egress.allow_private",
    "TOOLWRIGHT_EGRESS_ALLOW_PRIVATE",
    "hosts that tools may reach at private addresses if they are granted them, exact host and port, separated by commas",
);
const OWN_ADDRESSES: Setting = Setting::new(
    "egress.own_addresses",
    "TOOLWRIGHT_EGRESS_OWN_ADDRESSES",
    "addresses and ports, separated by commas, at which this platform is reached besides the one it listens on: no tool reaches them",
);
const CA_FILE: Setting = Setting::new(
    "egress.ca_file",
    "TOOLWRIGHT_EGRESS_CA_FILE",
    "a file with certificates (PEM) of authorities that tools' connections trust besides the web's own",
);
const CONNECT_TIMEOUT_MS: Setting = Setting::new(
    "egress.connect_timeout_ms",
    "TOOLWRIGHT_EGRESS_CONNECT_TIMEOUT_MS",
    "the longest wait of a tool for a connection: name, TCP and TLS together",
);
const ANSWER_TIMEOUT_MS: Setting = Setting::new(
    "egress.answer_timeout_ms",
    "TOOLWRIGHT_EGRESS_ANSWER_TIMEOUT_MS",
    "the longest wait of a tool for the head of an answer; hosts that are usually fast get less",
);
const IDLE_TIMEOUT_MS: Setting = Setting::new(
    "egress.idle_timeout_ms",
    "TOOLWRIGHT_EGRESS_IDLE_TIMEOUT_MS",
    "the longest wait of a tool between two pieces of an answer",
);
const REQUESTS_MAX: Setting = Setting::new(
    "egress.requests_max",
    "TOOLWRIGHT_EGRESS_REQUESTS_MAX",
    "requests of all tools in flight at one time; more wait",
);
const REQUESTS_PER_CUSTOMER_MAX: Setting = Setting::new(
    "egress.requests_per_customer_max",
    "TOOLWRIGHT_EGRESS_REQUESTS_PER_CUSTOMER_MAX",
    "requests of one customer's tools in flight at one time; more wait",
);
const BREAKER_FAILURES_MAX: Setting = Setting::new(
    "egress.breaker_failures_max",
    "TOOLWRIGHT_EGRESS_BREAKER_FAILURES_MAX",
    "failures of a host in a row after which a customer's tools leave it alone",
);
const BREAKER_WAIT_MS_MIN: Setting = Setting::new(
    "egress.breaker_wait_ms_min",
    "TOOLWRIGHT_EGRESS_BREAKER_WAIT_MS_MIN",
    "how long such a host is left alone at first; twice as long each time that it fails again",
);
const BREAKER_WAIT_MS_MAX: Setting = Setting::new(
    "egress.breaker_wait_ms_max",
    "TOOLWRIGHT_EGRESS_BREAKER_WAIT_MS_MAX",
    "how long such a host is left alone at most",
);
const BREAKER_TRIALS: Setting = Setting::new(
    "egress.breaker_trials",
    "TOOLWRIGHT_EGRESS_BREAKER_TRIALS",
    "requests that must go well, and so many at one time at most, before such a host counts as well again",
);

/// The way out of tools.
#[derive(Debug, Clone)]
pub(crate) struct Egress {
    /// All but what is in a file, and where this node listens.
    settings: EgressConfig,
    /// More authorities.
    ca_file: Option<PathBuf>,
}

/// The file of authorities cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the file {path} (TOOLWRIGHT_EGRESS_CA_FILE)", path = path.display())]
pub(crate) struct CaFileError {
    path: PathBuf,
    source: io::Error,
}

/// Addresses and ports, separated by commas.
#[derive(Debug)]
struct Addresses(Vec<SocketAddr>);

/// Hosts and ports, separated by commas.
#[derive(Debug)]
struct Hosts(Vec<HostAndPort>);

impl Egress {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let default = EgressConfig::default();
        let (wait, requests) = (1..=600_000, 1..=100_000);
        let breaker = read_breaker(reader, &default.breaker);
        let number = |number: usize| number as u64;
        let settings = EgressConfig {
            nameservers: reader.read(&NAMESERVERS, || Addresses(Vec::new())).0,
            allow_private: reader.read(&ALLOW_PRIVATE, || Hosts(Vec::new())).0,
            own_addresses: reader.read(&OWN_ADDRESSES, || Addresses(Vec::new())).0,
            connect_ms_max: reader.number(&CONNECT_TIMEOUT_MS, wait.clone(), default.connect_ms_max.into()),
            first_byte_ms_max: reader.number(&ANSWER_TIMEOUT_MS, wait.clone(), default.first_byte_ms_max.into()),
            idle_ms_max: reader.number(&IDLE_TIMEOUT_MS, wait, default.idle_ms_max.into()),
            requests_max: reader.number(&REQUESTS_MAX, requests.clone(), number(default.requests_max)),
            requests_per_owner_max: reader.number(&REQUESTS_PER_CUSTOMER_MAX, requests, number(default.requests_per_owner_max)),
            breaker,
            ..default
        };
        Self { settings, ca_file: reader.read_optional(&CA_FILE) }
    }

    /// Everything, with the authorities read from their file, for a node that listens at `listens`.
    pub(crate) fn load(&self, listens: SocketAddr) -> Result<EgressConfig, CaFileError> {
        let mut settings = self.settings.clone();
        settings.own_addresses.push(listens);
        settings.extra_ca_pem = self.read_authorities()?;
        Ok(settings)
    }

    /// Whether this private host may be reached.
    pub(super) fn allows_private(&self, place: &HostAndPort) -> bool {
        self.settings.allow_private.contains(place)
    }

    /// Reads the file, if there is one.
    pub(crate) fn check(&self) -> Result<(), CaFileError> {
        self.read_authorities().map(drop)
    }

    fn read_authorities(&self) -> Result<Vec<u8>, CaFileError> {
        let Some(path) = &self.ca_file else { return Ok(Vec::new()) };
        fs::read(path).map_err(|source| CaFileError { path: path.clone(), source })
    }
}

fn read_breaker(reader: &mut Reader<'_>, default: &BreakerConfig) -> BreakerConfig {
    let wait = 1..=86_400_000;
    let breaker = BreakerConfig {
        failures_max: reader.number(&BREAKER_FAILURES_MAX, 1..=10_000, default.failures_max.into()),
        wait_ms_min: reader.number(&BREAKER_WAIT_MS_MIN, wait.clone(), default.wait_ms_min.into()),
        wait_ms_max: reader.number(&BREAKER_WAIT_MS_MAX, wait, default.wait_ms_max.into()),
        trials: reader.number(&BREAKER_TRIALS, 1..=1_000, default.trials.into()),
        ..*default
    };
    if breaker.wait_ms_min > breaker.wait_ms_max {
        reader.refuse(format!(
            "`{}` ({}) is {}, more than `{}`, which is {}",
            BREAKER_WAIT_MS_MIN.key,
            reader.origin(&BREAKER_WAIT_MS_MIN),
            breaker.wait_ms_min,
            BREAKER_WAIT_MS_MAX.key,
            breaker.wait_ms_max
        ));
    }
    breaker
}

impl Value for Addresses {
    const FORM: &'static str = "addresses and ports separated by commas, such as 192.0.2.53:53,[2001:db8::53]:53";

    fn parse(text: &str) -> Option<Self> {
        items(text).map(|item| item.parse().ok()).collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

impl Value for Hosts {
    const FORM: &'static str = "hosts and ports separated by commas, such as upstream.localhost:9000";

    fn parse(text: &str) -> Option<Self> {
        items(text).map(|item| item.parse().ok()).collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}
