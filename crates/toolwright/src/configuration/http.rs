//! `[http]`: the listener and its bounds.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use url::{Host, Url};
use web::Network;

use super::{Profile, Reader, Setting, value::Value};

/// Where the program listens.
pub(crate) const LISTEN: Setting =
    Setting::new("http.listen", "TOOLWRIGHT_LISTEN", "address and port to listen on; port 0 takes a free one");
/// Where clients reach it.
pub(crate) const PUBLIC_URL: Setting = Setting::new(
    "http.public_url",
    "TOOLWRIGHT_PUBLIC_URL",
    "where clients reach it, such as https://tools.example.com; production needs it, local takes the address it listens on",
);
const METRICS: Setting = Setting::new(
    "http.metrics",
    "TOOLWRIGHT_METRICS",
    "who may read /metrics: `anyone`, or `admin` (with the admin key); anyone only in profile local on loopback",
);
const TRUSTED_PROXIES: Setting = Setting::new(
    "http.trusted_proxies",
    "TOOLWRIGHT_TRUSTED_PROXIES",
    "addresses or networks of proxies whose X-Forwarded-For says where a request came from, separated by commas",
);
const CONNECTIONS_MAX: Setting = Setting::new(
    "http.connections_max",
    "TOOLWRIGHT_CONNECTIONS_MAX",
    "connections at one time; one more is answered 503 and closed",
);
const NETWORK_CONNECTIONS_MAX: Setting = Setting::new(
    "http.network_connections_max",
    "TOOLWRIGHT_NETWORK_CONNECTIONS_MAX",
    "connections at one time from one address (IPv6: one /64), trusted proxies apart; one more is answered 429 and closed",
);
const HEADER_TIMEOUT_MS: Setting = Setting::new(
    "http.header_timeout_ms",
    "TOOLWRIGHT_HEADER_TIMEOUT_MS",
    "time for the head of a request, from its first byte (of a connection's first request: from the connection)",
);
const BODY_TIMEOUT_S: Setting = Setting::new(
    "http.body_timeout_s",
    "TOOLWRIGHT_BODY_TIMEOUT_S",
    "time for the body of a request, to its last byte; more is answered 408. Components have a minute at most, by their size",
);
const IDLE_TIMEOUT_S: Setting =
    Setting::new("http.idle_timeout_s", "TOOLWRIGHT_IDLE_TIMEOUT_S", "how long a connection may wait for its next request");
const WRITE_TIMEOUT_S: Setting = Setting::new(
    "http.write_timeout_s",
    "TOOLWRIGHT_WRITE_TIMEOUT_S",
    "how long a client may take no byte of an answer that waits for it",
);
const HEAD_BYTES_MAX: Setting =
    Setting::new("http.head_bytes_max", "TOOLWRIGHT_HEAD_BYTES_MAX", "bytes of a request's head; more is answered 431");
const STREAMS_MAX: Setting =
    Setting::new("http.streams_max", "TOOLWRIGHT_STREAMS_MAX", "requests at one time on one HTTP/2 connection");

/// The listener and its bounds.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Where clients reach the platform; the listener's own address if unset.
    pub(crate) public_url: Option<Url>,
    /// Who may read `/metrics`.
    pub(crate) metrics: MetricsReaders,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<Network>,
    /// Connections at one time.
    pub(crate) connections_max: usize,
    /// Those of one network among them.
    pub(crate) network_connections_max: usize,
    /// Time for the head of a request.
    pub(crate) header_timeout: Duration,
    /// Time for the body of a request, components apart.
    pub(crate) body_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub(crate) idle_timeout: Duration,
    /// How long a client may take no byte of an answer that waits for it.
    pub(crate) write_timeout: Duration,
    /// Bytes of a request's head.
    pub(crate) head_bytes_max: u32,
    /// Requests at one time on one HTTP/2 connection.
    pub(crate) streams_max: u32,
}

/// Who may read `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricsReaders {
    /// Whoever reaches the port.
    Anyone,
    /// Whoever has the admin key.
    Admin,
}

impl Http {
    pub(super) fn read(reader: &mut Reader<'_>, profile: Profile) -> Self {
        let listen = reader.read(&LISTEN, || SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
        let apart = profile == Profile::Local && listen.ip().is_loopback();
        Self {
            listen,
            public_url: read_public_url(reader, profile),
            metrics: reader.read(&METRICS, || if apart { MetricsReaders::Anyone } else { MetricsReaders::Admin }),
            trusted_proxies: reader.read(&TRUSTED_PROXIES, Proxies::default).0,
            // Two descriptors a connection at most, well below the descriptors that a start asks for.
            connections_max: reader.number(&CONNECTIONS_MAX, 1..=100_000, 10_000),
            // An office behind one address fits; ten of them leave room for others.
            network_connections_max: reader.number(&NETWORK_CONNECTIONS_MAX, 1..=100_000, 1_000),
            header_timeout: Duration::from_millis(reader.number(&HEADER_TIMEOUT_MS, 100..=600_000, 10_000)),
            // The largest body of JSON, 2 MiB, over a line of 1 Mbit/s takes 17 s.
            body_timeout: Duration::from_secs(reader.number(&BODY_TIMEOUT_S, 1..=600, 30)),
            // Longer than the minute that proxies keep their own connections: they are to close first.
            idle_timeout: Duration::from_secs(reader.number(&IDLE_TIMEOUT_S, 1..=3_600, 75)),
            write_timeout: Duration::from_secs(reader.number(&WRITE_TIMEOUT_S, 1..=3_600, 60)),
            // hyper takes no buffer below 8 KiB.
            head_bytes_max: reader.number(&HEAD_BYTES_MAX, 8_192..=1_048_576, 32_768),
            streams_max: reader.number(&STREAMS_MAX, 1..=10_000, 128),
        }
    }
}

fn read_public_url(reader: &mut Reader<'_>, profile: Profile) -> Option<Url> {
    if profile == Profile::Local {
        return reader.read_optional(&PUBLIC_URL);
    }
    let url: Url = reader.require(&PUBLIC_URL, "production must know where clients reach it")?;
    if url.scheme() == "http" && !is_loopback(&url) {
        reader.refuse(format!(
            "`{}` is {url}: in production it must be https, because keys and tokens cross the network",
            PUBLIC_URL.key
        ));
    }
    Some(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[derive(Debug, Default)]
struct Proxies(Vec<Network>);

impl Value for Proxies {
    const FORM: &'static str = "addresses or networks separated by commas, such as 10.0.0.0/8";

    fn parse(text: &str) -> Option<Self> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(|item| item.parse().ok()).collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

impl Value for MetricsReaders {
    const FORM: &'static str = "`anyone` or `admin`";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "anyone" => Some(Self::Anyone),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Anyone => "anyone".to_owned(),
            Self::Admin => "admin".to_owned(),
        }
    }
}
