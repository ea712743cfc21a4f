//! `toolwright serve`

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::Arc,
    time::Duration,
};

use app::App;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use telemetry::logging::{self, Logging, LostLines};
use tokio::{runtime::Runtime, task::JoinHandle, time::timeout};
use tracing::{error, info, warn};
use url::Url;
use web::{CookieForm, WebSettings};

use super::CommandError;
use crate::{
    banner,
    configuration::{Bounds, Configuration, Flags, Keys, MetricsReaders, Profile, Surroundings},
    data_dir::DataDir,
    database::Migration,
    examples,
    listener::{Listener, Stop},
    memory,
    node::{Doors, Node},
    signals::Signals,
};

/// How long the runtime's own threads may take to end when everything else has.
const THREADS_END_MAX: Duration = Duration::from_secs(1);

/// Between two looks at how many lines of the log were lost.
const LOST_LINES_TOLD_EVERY: Duration = Duration::from_secs(5);

/// Serves until a signal.
pub(super) fn run(flags: &Flags, migrate: bool) -> Result<(), CommandError> {
    let (mut configuration, _) = Configuration::load(flags, &Surroundings::of_process())?;
    let logging = start_logging(&configuration)?;
    log_panics();
    raise_descriptors();
    let connections_max = configuration.http.connections_max as u64;
    configuration.sandbox.fit(&Bounds::of_process(connections_max));
    let runtime = runtime()?;
    let migration = Migration::of(configuration.profile, migrate);
    runtime.spawn(tell_of_lost_lines(logging.lost()));
    let result = runtime.block_on(serve(configuration, migration, logging.lost()));
    runtime.shutdown_timeout(THREADS_END_MAX);
    result
}

/// Sends the log to stderr, as far as that takes it and while the guard lives.
pub(super) fn start_logging(configuration: &Configuration) -> Result<Logging, CommandError> {
    Ok(logging::start(&configuration.log.settings(io::stderr().is_terminal()))?)
}

/// The runtime of everything but the guests, who have their own.
pub(super) fn runtime() -> Result<Runtime, CommandError> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

async fn serve(configuration: Configuration, migration: Migration, log: LostLines) -> Result<(), CommandError> {
    memory::give_back_unused();
    let mut signals = Signals::listen()?;
    let mut node = Node::new();
    let started = tokio::select! {
        started = timeout(configuration.start_timeout, start(&mut node, &configuration, migration)) => started,
        signal = signals.next() => {
            info!(signal, "stopping in the middle of the start");
            signals.exit_at_the_next();
            node.stop().await;
            return Ok(());
        },
    };
    let Ok(started) = started else {
        let (seconds, step) = (configuration.start_timeout.as_secs(), node.step);
        node.stop().await;
        return Err(format!("the start took longer than {seconds} s (TOOLWRIGHT_START_TIMEOUT_S); it was {step}").into());
    };
    let result = match started {
        Ok(open) => {
            open.app.metrics().observe_log(log);
            serve_until_signal(open, signals, &configuration).await
        }
        Err(error) => Err(error),
    };
    node.stop().await;
    if result.is_ok() {
        info!("stopped");
    }
    result
}

/// The doors, open.
struct Open {
    app: Arc<App>,
    stop: Stop,
    serving: JoinHandle<()>,
}

async fn start(node: &mut Node, configuration: &Configuration, migration: Migration) -> Result<Open, CommandError> {
    node.step = "taking the data directory and making the keys";
    let data_dir = DataDir::take(&configuration.data_dir).await?;
    let keys = configuration.keys.load()?;
    for path in &keys.made {
        info!(path = %path.display(), "made a key");
    }
    // The port is taken first: a port that is in use is told at once. Whoever connects before the end of the start waits.
    let listener = bind(configuration).await?;
    let public_url = public_url(configuration, &listener)?;
    let doors = Doors { listens: listener.address(), public_url: public_url.clone() };
    let app = node.start(data_dir, configuration, &keys, &doors, migration).await?;
    node.step = "deploying the example server";
    let examples = match configuration.profile {
        Profile::Local => deploy_examples(&app, configuration).await,
        Profile::Production => None,
    };
    let address = listener.address();
    let stop = Stop::default();
    let router = web::router(Arc::clone(&app), web_settings(configuration, public_url.clone()));
    let serving = tokio::spawn(listener.serve(router, configuration.http.clone(), Arc::clone(app.metrics()), stop.clone()));
    info!(%address, %public_url, version = env!("CARGO_PKG_VERSION"), "ready");
    if configuration.profile == Profile::Local {
        print_banner(&public_url, &keys, examples.as_ref());
        if !address.ip().is_loopback() {
            warn!(%address, "profile local is meant for loopback, and listens where others can reach it");
        }
    }
    Ok(Open { app, stop, serving })
}

async fn serve_until_signal(open: Open, mut signals: Signals, configuration: &Configuration) -> Result<(), CommandError> {
    let Open { app, stop, mut serving } = open;
    tokio::select! {
        signal = signals.next() => info!(signal, "stopping: requests that run may end"),
        ended = &mut serving => return Err(ended.err().map_or_else(|| "the listener ended".into(), CommandError::from)),
    }
    signals.exit_at_the_next();
    stop.drain.cancel();
    app.end_watches();
    if timeout(configuration.stop_timeout, &mut serving).await.is_err() {
        warn!("requests still run after {} s and are cut off", configuration.stop_timeout.as_secs());
        stop.cut.cancel();
        serving.await?;
    }
    Ok(())
}

async fn bind(configuration: &Configuration) -> Result<Listener, CommandError> {
    let address = configuration.http.listen;
    let bound = Listener::bind(address).await;
    bound.map_err(|error| format!("cannot listen on {address} (TOOLWRIGHT_LISTEN): {error}").into())
}

/// In profile local, the address that is listened on; an address of all interfaces is shown as loopback, where it answers as well.
fn public_url(configuration: &Configuration, listener: &Listener) -> Result<Url, CommandError> {
    if let Some(url) = &configuration.http.public_url {
        return Ok(url.clone());
    }
    let mut address = listener.address();
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(format!("http://{address}").parse()?)
}

fn web_settings(configuration: &Configuration, public_url: Url) -> WebSettings {
    let cookies = match (configuration.profile, public_url.scheme()) {
        (Profile::Local, "http") => CookieForm::Plain,
        _ => CookieForm::Secure,
    };
    WebSettings {
        public_url,
        metrics: match configuration.http.metrics {
            MetricsReaders::Anyone => web::MetricsReaders::Anyone,
            MetricsReaders::Admin => web::MetricsReaders::Admin,
        },
        types: compiler::TYPES,
        version: env!("CARGO_PKG_VERSION"),
        hosts: configuration.visitors.hosts.clone(),
        origins: configuration.visitors.origins.clone(),
        cookies,
        trusted_proxies: configuration.http.trusted_proxies.clone(),
        body_wait: configuration.http.body_timeout,
    }
}

/// The platform does its work without the examples as well.
async fn deploy_examples(app: &App, configuration: &Configuration) -> Option<examples::Examples> {
    match examples::deploy(app, &configuration.data_dir).await {
        Ok(examples) => examples,
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            warn!(%error, source, "the example server is not there");
            None
        }
    }
}

fn print_banner(public_url: &Url, keys: &Keys, examples: Option<&examples::Examples>) {
    let text = banner::text(public_url, keys.admin_file.as_deref(), examples);
    // Nobody reads it where standard output is closed.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// As many descriptors as the system lets this process have. Each connection takes one, and so does each tool whose native code is in memory.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!(%error, "cannot raise the number of descriptors (RLIMIT_NOFILE)");
    }
}

/// Says in the log that lines of it were lost, when none were for a while; for ever.
async fn tell_of_lost_lines(lost: LostLines) {
    let (mut told, mut before) = (0, 0);
    loop {
        tokio::time::sleep(LOST_LINES_TOLD_EVERY).await;
        let now = lost.count();
        if now > told && now == before {
            warn!(lines = now - told, "lines of the log were lost: it was full, or nobody read it");
            told = now;
        }
        before = now;
    }
}

/// A panic is a fault of ours, and belongs into the log in its form.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let message = panic.payload_as_str();
        error!(place, reason = message, thread = std::thread::current().name(), "a part of the program panicked");
    }));
}
