//! What a node has of the way out: one of these for all calls.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use http::HeaderValue;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Bounds, BreakerView, EgressConfig, Forced, Outbound, Permission, Usage, breakers::Breakers, call::Call, connector::Connector,
    guard::Guard, owner::Places, pool::Pool, resolver::Resolver, tls, usage::Tally,
};

/// How often idle connections and unused breakers are looked through.
const REAP_EVERY: Duration = Duration::from_secs(5);

/// The node's way out: resolver, trust, connections, breakers, places.
pub struct Egress {
    pub(crate) config: EgressConfig,
    pub(crate) connector: Connector,
    pub(crate) pool: Pool,
    pub(crate) breakers: Arc<Breakers>,
    pub(crate) places: Arc<Places>,
    pub(crate) tally: Tally,
    pub(crate) runtime: Handle,
    pub(crate) user_agent: HeaderValue,
    _reaper: AbortOnDropHandle<()>,
}

/// Why there is no way out.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Connections need a runtime that drives sockets.
    #[error("the way out must be started on a runtime")]
    Runtime,
    /// The name servers cannot be used.
    #[error("the name servers cannot be used: {0}")]
    Resolver(String),
    /// An authority's certificate cannot be used.
    #[error("the extra authority is no certificate in PEM: {0}")]
    Authority(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The user agent is no header value.
    #[error("the user agent cannot be sent in a header")]
    UserAgent,
}

impl Egress {
    /// Makes ready whatever all calls share. Sockets live on the runtime that this is called on.
    pub fn start(config: EgressConfig) -> Result<Arc<Self>, StartError> {
        let runtime = Handle::try_current().map_err(|_| StartError::Runtime)?;
        let connector = Connector {
            resolver: Resolver::new(&config.nameservers)?,
            guard: Guard::new(&config),
            tls: tls::client_config(&config.extra_ca_pem)?,
        };
        let user_agent = HeaderValue::from_str(&config.user_agent).map_err(|_| StartError::UserAgent)?;
        Ok(Arc::new_cyclic(|egress| Self {
            connector,
            pool: Pool::default(),
            breakers: Breakers::new(config.breaker),
            places: Places::new(config.requests_max, config.requests_per_owner_max),
            tally: Tally::default(),
            user_agent,
            _reaper: AbortOnDropHandle::new(runtime.spawn(reap(Weak::clone(egress)))),
            runtime,
            config,
        }))
    }

    /// A call's share of it.
    pub fn open(self: &Arc<Self>, permission: Arc<Permission>, bounds: Bounds) -> Outbound {
        Outbound::new(Call::new(Arc::clone(self), permission, bounds))
    }

    /// All breakers that were used of late, and what is forced, by customer and host.
    #[must_use]
    pub fn breakers(&self) -> Vec<BreakerView> {
        self.breakers.views()
    }

    /// Says for all customers what becomes of requests to `host`; so much for 1024 hosts at most.
    pub fn force(&self, host: &str, forced: Forced) {
        self.breakers.force(&host.to_ascii_lowercase(), forced);
    }

    /// Counts since the start, and how things stand. A call's bytes are added when it ends.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage { connections_idle: self.pool.len(), breakers_open: self.breakers.count_open(), ..self.tally.usage() }
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Egress").field("config", &self.config).finish_non_exhaustive()
    }
}

async fn reap(egress: Weak<Egress>) {
    loop {
        tokio::time::sleep(REAP_EVERY).await;
        let Some(egress) = egress.upgrade() else { return };
        let now = Instant::now();
        egress.pool.reap(now);
        egress.breakers.reap(now);
    }
}
