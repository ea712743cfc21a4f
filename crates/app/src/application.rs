//! The application: everything the use cases work with, started and stopped as one.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use compiler::Workers;
use domain::{Clock, Digest};
use egress::Egress;
use oauth::Issuer;
use sandbox::Sandbox;
use secrecy::{ExposeSecret as _, SecretString};
use store::{Pool, blobs::Blobs};
use telemetry::{Metrics, Readings};
use tokio::sync::Semaphore;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use url::Url;
use uuid::Uuid;

use crate::{
    AppError, OauthSettings,
    accounts::{AccountSettings, Attempts, Passwords, RelyingParty, Upstreams, upstream::UpstreamSettings},
    audit::RefusedSignIns,
    background,
    client_documents::ClientDocuments,
    clients::{AssertionRates, RegistrationChanges},
    components::Uploads,
    disk::{self, Disk},
    limits::{Arrivals, LimitSettings, Lists, Outage, Permits, Quotas, Rates, Requests},
    memory::Memory,
    preparations::Preparations,
    questions::Pauses,
    records::Records,
    schemas::{KeptSchemas, Schema},
    sealing::{DataKey, MasterKeys, Owner, SealError},
    seals::Seals,
    signing::Signer,
    signing_keys,
    tokens::devices::{CodeTries, DeviceAsks},
    uses::{self, Uses},
};

/// What is said of the file of calls that are owed.
const UNUSABLE_OWED_CALLS: &str = "cannot use the file of calls that are owed (owed-calls in the data directory)";

/// Calls that are interrupted have nothing more to wait for: this is for a machine that is slow.
const INTERRUPT_MAX: Duration = Duration::from_secs(2);

/// What an application is made of; the program makes the parts, and closes the pool after [`App::shut_down`].
pub struct AppParts {
    /// The database, migrated.
    pub pool: Pool,
    /// What changes in it.
    pub changes: store::changes::Listener,
    /// Where artifacts are.
    pub blobs: Blobs,
    /// Where guests run.
    pub sandbox: Arc<Sandbox>,
    /// Where sources are built.
    pub workers: Arc<Workers>,
    /// The way out of tools.
    pub egress: Arc<Egress>,
    /// What secrets are sealed under, in the end.
    pub masters: MasterKeys,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where things are counted.
    pub metrics: Arc<Metrics>,
    /// The rest.
    pub settings: Settings,
}

/// What whoever runs the platform decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This node: the same after a restart, so that it closes its own open records, and another on every node of one database.
    pub node: Uuid,
    /// Where clients reach the platform, such as `https://tools.example.com`, without a slash at its end.
    pub public_url: String,
    /// What the admin shows.
    pub admin_key: SecretString,
    /// Records that may wait for the database; then calls are refused.
    pub records_waiting_max: usize,
    /// The file in which calls are written down that were made while the database was away, until they are charged: this node's alone. Without
    /// one, a node that is killed then forgets them.
    pub owed_calls: Option<PathBuf>,
    /// How long a running call waits for an answer of its client.
    pub question_wait_max: Duration,
    /// How long a call waits for its native code to be found or made. What nobody waits for any longer is not made.
    pub making_wait_max: Duration,
    /// How long a shutdown waits for running calls, and then again for their records to be written.
    pub drain_max: Duration,
    /// How people sign up and in.
    pub accounts: AccountSettings,
    /// The issuers elsewhere by which people sign in, in the order in which they are shown; no two of one id or of one issuer.
    pub upstreams: Vec<UpstreamSettings>,
    /// The authorization server.
    pub oauth: OauthSettings,
    /// How often something may be asked.
    pub limits: LimitSettings,
}

/// The application.
pub struct App {
    pub(crate) pool: Pool,
    pub(crate) blobs: Blobs,
    pub(crate) disk: Disk,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) egress: Arc<Egress>,
    pub(crate) masters: MasterKeys,
    pub(crate) signer: Arc<Signer>,
    pub(crate) seals: Seals,
    /// What the private halves of signing keys are sealed with.
    pub(crate) signing_seal: DataKey,
    /// What refresh tokens are made of.
    pub(crate) refresh_key: DataKey,
    /// This authorization server.
    pub(crate) issuer: Issuer,
    /// What is kept of calls that wait for their clients is sealed by it.
    pub(crate) row_key: DataKey,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) settings: Settings,
    /// The digest of the admin key, made once.
    pub(crate) admin_key: Digest,
    /// The JavaScript engine that artifacts must be of.
    pub(crate) engine: Digest,
    pub(crate) memory: Arc<Memory>,
    pub(crate) arrivals: Arrivals,
    pub(crate) requests: Requests,
    pub(crate) call_rates: Rates,
    /// Places for large results that are held against their schemas.
    pub(crate) large_results: Arc<Semaphore>,
    pub(crate) build_rates: Rates,
    /// Schemas of tools that were called lately.
    pub(crate) schemas: KeptSchemas,
    pub(crate) preparations: Preparations,
    pub(crate) permits: Permits,
    pub(crate) lists: Lists,
    pub(crate) pauses: Pauses,
    pub(crate) uploads: Uploads,
    pub(crate) client_documents: ClientDocuments,
    pub(crate) assertion_rates: AssertionRates,
    pub(crate) registration_changes: RegistrationChanges,
    pub(crate) refused_sign_ins: RefusedSignIns,
    pub(crate) quotas: Quotas,
    pub(crate) outage: Arc<Outage>,
    pub(crate) uses: Uses,
    pub(crate) records: Records,
    pub(crate) passwords: Passwords,
    pub(crate) attempts: Attempts,
    /// Whom passkeys are made for; none where browsers have none.
    pub(crate) relying_party: Option<RelyingParty>,
    pub(crate) upstreams: Upstreams,
    pub(crate) code_tries: CodeTries,
    pub(crate) device_asks: DeviceAsks,
    /// Calls and builds that run.
    work: TaskTracker,
    background: TaskTracker,
    /// Whoever waits for changes is sent away: such a wait has no end of its own.
    end_watches: CancellationToken,
    /// No new work is taken, and what runs in the background ends.
    stop: CancellationToken,
    /// Work that still runs is given up.
    interrupt: CancellationToken,
    /// The last record has come.
    stop_records: CancellationToken,
}

impl Settings {
    /// Records that may wait for the database if nobody says otherwise: about 50 MB, and a minute of a busy node.
    pub const RECORDS_WAITING_MAX: usize = 100_000;
    /// How long a running call waits for its client if nobody says otherwise: people read before they answer.
    pub const QUESTION_WAIT_MAX: Duration = Duration::from_mins(5);
    /// How long a call waits for native code if nobody says otherwise: the largest component takes some ten seconds, and may have to
    /// wait until others are made.
    pub const MAKING_WAIT_MAX: Duration = Duration::from_mins(2);
    /// How long a shutdown waits if nobody says otherwise.
    pub const DRAIN_MAX: Duration = Duration::from_secs(15);
}

impl App {
    /// Starts the application and what it does of its own accord: writing records, hearing of changes, sweeping. Records that an earlier run
    /// of this node left open are closed first. Refused if the database has keys under a master key that is not here.
    pub async fn start(parts: AppParts) -> Result<Arc<Self>, AppError> {
        let AppParts { pool, changes, blobs, sandbox, workers, egress, masters, clock, metrics, settings } = parts;
        let platform_key = open_platform_key(&pool, &masters, clock.as_ref()).await?;
        let signing_seal = signing_keys::sealing_key(&platform_key);
        signing_keys::prepare(&pool, &signing_seal, clock.now(), settings.oauth.missing_key).await?;
        let issuer = Issuer::parse(&settings.public_url)
            .map_err(|error| AppError::internal("the public URL cannot be that of an authorization server", error))?;
        close_records(&pool, settings.node, clock.now()).await?;
        let stop_records = CancellationToken::new();
        let (records, writing) =
            Records::start(pool.clone(), settings.node, Arc::clone(&clock), settings.records_waiting_max, stop_records.clone());
        let outage = Arc::new(Outage::new(pool.presence().clone(), settings.limits.database_away_calls));
        let quotas = Quotas::open(pool.clone(), Arc::clone(&outage), settings.owed_calls.as_deref(), clock.now());
        let quotas = quotas.map_err(|error| AppError::internal(UNUSABLE_OWED_CALLS, error))?;
        let app = Arc::new(Self {
            quotas,
            uses: Uses::default(),
            admin_key: Digest::of(settings.admin_key.expose_secret().as_bytes()),
            engine: compiler::engine::digest(),
            memory: Arc::new(Memory::new(&outage)),
            outage,
            arrivals: Arrivals::new(),
            requests: Requests::new(),
            call_rates: Rates::per(Duration::from_mins(1)),
            large_results: Arc::new(Semaphore::new(Schema::LARGE_RESULTS_MAX)),
            build_rates: Rates::per(Duration::from_hours(1)),
            schemas: KeptSchemas::new(),
            preparations: Preparations::default(),
            permits: Permits::default(),
            lists: Lists::default(),
            pauses: Pauses::default(),
            uploads: Uploads::new(),
            client_documents: ClientDocuments::new(),
            assertion_rates: AssertionRates::new(),
            registration_changes: RegistrationChanges::new(),
            refused_sign_ins: RefusedSignIns::new(),
            passwords: Passwords::new(settings.accounts.password_threads),
            attempts: Attempts::new(),
            relying_party: RelyingParty::of(&settings.public_url),
            upstreams: Upstreams::new(settings.upstreams.clone()),
            code_tries: CodeTries::new(),
            device_asks: DeviceAsks::new(),
            records,
            work: TaskTracker::new(),
            background: TaskTracker::new(),
            end_watches: CancellationToken::new(),
            stop: CancellationToken::new(),
            interrupt: CancellationToken::new(),
            stop_records,
            pool,
            blobs,
            disk: Disk::default(),
            sandbox,
            workers,
            egress,
            masters,
            signer: Arc::new(Signer::new(&platform_key)),
            seals: Seals::new(&platform_key),
            refresh_key: platform_key.derive("refresh tokens"),
            signing_seal,
            issuer,
            row_key: platform_key.derive("rows of calls that wait"),
            clock,
            metrics,
            settings,
        });
        app.background.spawn(writing);
        app.spawn_background(changes);
        Ok(app)
    }

    /// Begins what the application does of its own accord, besides writing records.
    fn spawn_background(self: &Arc<Self>, changes: store::changes::Listener) {
        self.spawn_until_stop(background::hear_of_changes(Arc::clone(self), changes));
        self.background.spawn(self.clone().until_records_end(background::watch_database(Arc::clone(self))));
        self.spawn_until_stop(background::charge_debts(Arc::clone(self)));
        self.spawn_until_stop(disk::watch(Arc::clone(self)));
        self.spawn_until_stop(background::sweep(Arc::clone(self)));
        self.spawn_until_stop(uses::write_for_ever(Arc::clone(self)));
    }

    /// Ends every [`crate::Watch`], so that a stop need not wait for those who would wait for ever. [`Self::shut_down`] does so, too.
    pub fn end_watches(&self) {
        self.end_watches.cancel();
    }

    /// Takes no more work, lets what runs end, and writes every record, each within [`Settings::drain_max`]; then stops the guests and the
    /// workers. The pool stays open.
    pub async fn shut_down(&self) {
        self.end_watches();
        self.stop.cancel();
        self.work.close();
        let drain_max = self.settings.drain_max;
        if tokio::time::timeout(drain_max, self.work.wait()).await.is_err() {
            tracing::warn!(calls = self.work.len(), "calls that did not end in time are interrupted");
            self.interrupt.cancel();
            // They only have to let go.
            let _ = tokio::time::timeout(INTERRUPT_MAX, self.work.wait()).await;
        }
        self.sandbox.shut_down().await;
        self.workers.shut_down().await;
        if let Err(error) = self.quotas.give_back_all(self.clock.now()).await {
            tracing::warn!(%error, "leased calls of this month were not given back");
        }
        uses::write_last(self).await;
        self.stop_records.cancel();
        self.background.close();
        if tokio::time::timeout(drain_max, self.background.wait()).await.is_err() {
            tracing::error!(records = self.records.waiting(), "records were not written in time and are lost");
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Where things are counted.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The metrics as text, with the levels of this moment.
    #[must_use]
    pub fn encode_metrics(&self) -> String {
        self.metrics.encode(&self.readings())
    }

    /// Where browsers have passkeys of people here: they know them by the name of a host, and only where nobody can listen. Absent if nowhere.
    #[must_use]
    pub fn passkeys_origin(&self) -> Option<&Url> {
        self.relying_party.as_ref().map(RelyingParty::origin)
    }

    /// This authorization server, as its documents and tokens name it.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// What whoever runs the platform decided.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Counts a call or a build as running until the token is dropped; refused when the node stops.
    pub(crate) fn begin_work(&self) -> Result<TaskTrackerToken, AppError> {
        // The token first: a shutdown that begins now waits for it.
        let token = self.work.token();
        if self.is_stopping() {
            return Err(AppError::Unavailable { message: "this node is shutting down".to_owned() });
        }
        Ok(token)
    }

    /// Counts the end of work that began before as running, until the token is dropped.
    pub(crate) fn go_on(&self) -> TaskTrackerToken {
        self.work.token()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// What `asking` gives, unless the database goes away before that, which may be without a word: [`AppError::Unavailable`] then. Nothing of it
    /// is half done: what was begun is undone with its transaction.
    pub async fn while_database_is_there<T>(&self, asking: impl Future<Output = T>) -> Result<T, AppError> {
        self.outage.while_there(async { Ok(asking.await) }).await
    }

    /// Comes back when nobody may wait for changes any more.
    pub(crate) async fn watches_ended(&self) {
        self.end_watches.cancelled().await;
    }

    /// Comes back when work that still runs is to be given up.
    pub(crate) async fn interrupted(&self) {
        self.interrupt.cancelled().await;
    }

    /// Whether the database is there is asked to the very end: records are written, and leases given back.
    async fn until_records_end(self: Arc<Self>, task: impl Future<Output = ()> + Send) {
        tokio::select! {
            () = task => {}
            () = self.stop_records.cancelled() => {}
        }
    }

    fn spawn_until_stop(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stopped = self.stop.clone();
        self.background.spawn(async move {
            tokio::select! {
                () = task => {}
                () = stopped.cancelled() => {}
            }
        });
    }

    fn readings(&self) -> Readings {
        let guests = self.sandbox.usage();
        let database = self.pool.usage();
        let outside = self.egress.usage();
        Readings {
            egress_requests: outside.requests,
            egress_requests_in_flight: outside.requests_in_flight,
            egress_bytes_sent: outside.bytes_sent,
            egress_bytes_received: outside.bytes_received,
            egress_connections_opened: outside.connections_opened,
            egress_connections_reused: outside.connections_reused,
            egress_connections_idle: outside.connections_idle,
            egress_breakers_open: outside.breakers_open,
            egress_errors: outside.errors.into_iter().map(|(category, count)| (category.as_str(), count)).collect(),
            password_digests: self.passwords.digested(),
            guests_running: guests.slots_taken.into(),
            guest_slots: guests.slots_max.into(),
            guest_memory_bytes: guests.memory_bytes,
            guest_memory_bytes_max: guests.memory_bytes_max,
            artifact_hits: guests.memory_hits_total,
            artifact_misses: guests.disk_hits_total + guests.made_total,
            artifact_evictions: guests.evicted_total,
            artifact_bytes: guests.cached_bytes,
            artifact_entries: guests.cached_tools,
            schemas_compiled: self.schemas.compiled(),
            records_queued: self.records.waiting(),
            records_dropped: self.records.lost(),
            database_connections: database.connections.into(),
            database_connections_idle: database.idle as u64,
            database_connections_max: database.connections_max.into(),
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("App").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Closes the records of calls that an earlier run of this node left open.
async fn close_records(pool: &Pool, node: Uuid, now: DateTime<Utc>) -> Result<(), AppError> {
    let closed = store::executions::close_open(&mut *pool.acquire().await?, node, now).await?;
    if closed > 0 {
        tracing::warn!(calls = closed, "closed the records of calls that an earlier run of this node left open");
    }
    Ok(())
}

/// The platform's own key, made by whichever node is the first on its database.
pub(crate) async fn open_platform_key(pool: &Pool, masters: &MasterKeys, clock: &dyn Clock) -> Result<DataKey, AppError> {
    let failed = |error| AppError::internal("cannot open the keys that the database keeps sealed", error);
    let mut connection = pool.acquire().await?;
    let known: Vec<&str> = masters.ids().collect();
    let needed = store::data_keys::list_masters(&mut connection).await?;
    if let Some(unknown) = needed.into_iter().find(|id| !known.contains(&id.as_str())) {
        return Err(failed(SealError::UnknownMaster(unknown)));
    }
    let sealed = if let Some(sealed) = store::data_keys::find_of_platform(&mut connection).await? {
        sealed
    } else {
        let (_, sealed) = masters.make(Owner::Platform, clock.now()).map_err(failed)?;
        store::data_keys::insert(&mut connection, &sealed).await?;
        // Another node may have been faster: what is kept counts.
        store::data_keys::find_of_platform(&mut connection).await?.unwrap_or(sealed)
    };
    masters.open(&sealed).map_err(failed)
}
