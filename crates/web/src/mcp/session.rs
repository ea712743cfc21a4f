//! What a client of 2025-11-25 has said once and for all: how much it wants to hear of logs, and which resources it watches.
//!
//! A session is an id, which says what its client can be asked, and nothing else until something is said in it, so any node answers any request
//! of any session, known here or not. What was said stays on the node that heard it: another one logs nothing to the client, as if nothing
//! had been said.

use std::{collections::BTreeSet, sync::Arc};

use app::{
    App, AppError, Caller, CallerIdentity,
    seals::{self, SealedFor},
};
use chrono::TimeDelta;
use domain::{Abilities, ServerId};
use http::{HeaderMap, HeaderName, HeaderValue};
use moka::sync::Cache;

use super::{log_level::Severity, refusal::Refusal};

/// The header that carries the id (MCP 2025-11-25, "Session Management").
pub(super) const MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// Bytes of all sessions of callers with a key on this node; those that were not used for longest are forgotten first.
const KEPT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The same of callers without one, who push out nobody but each other.
const STRANGERS_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Bytes of a session beside its URIs.
const OVERHEAD_BYTES: usize = 512;

/// URIs that one client watches.
const SUBSCRIPTIONS_MAX: usize = 64;

/// Bytes of a URI that is watched; no resource has a longer one.
const URI_BYTES_MAX: usize = 2048;

/// Characters of an id; our own have 66.
const ID_CHARS_MAX: usize = 128;

/// How long a client can be asked before it must initialize again: longer than a program runs.
const LIFETIME: TimeDelta = TimeDelta::days(30);

/// Of the caller's identity and the server's id.
const OWNER_BYTES: usize = 17 + 16;

/// A forgotten client has gone away.
const IDLE_MAX: std::time::Duration = std::time::Duration::from_hours(24);

/// The sessions in which something was said.
#[derive(Debug)]
pub(super) struct Sessions {
    known: Cache<SessionKey, Arc<Said>>,
    strangers: Cache<SessionKey, Arc<Said>>,
}

/// A session. Whose it is, and of which server, is part of it: an id that somebody else found out is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SessionKey {
    caller: CallerIdentity,
    server: ServerId,
    id: Box<str>,
}

/// What was said in a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    /// Lines from here on are sent; none if nothing was said.
    pub(super) log_level: Option<Severity>,
    /// Changes of these resources are told.
    pub(super) subscriptions: BTreeSet<String>,
}

impl SessionKey {
    /// The session that a request says it belongs to.
    pub(super) fn of(headers: &HeaderMap, caller: CallerIdentity, server: ServerId) -> Option<Self> {
        let id = headers.get(MCP_SESSION_ID)?.to_str().ok()?;
        let is_right = (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        is_right.then(|| Self { caller, server, id: id.into() })
    }

    /// The id alone.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

/// The id of a new session: sealed, for this caller and server alone, so that any node knows what the client declared that it can be asked. No two
/// are alike, since each is sealed with random bits of its own.
pub(super) fn new_id(app: &App, caller: &Caller, server: ServerId, can: Abilities) -> Result<HeaderValue, AppError> {
    let id = seals::seal(app, sealed_for(&owner(caller, server)), app.now() + LIFETIME, &[can.to_bits()])?;
    // These are letters and digits: they can stand in a header.
    Ok(HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("none")))
}

/// What the client of a session can be asked; nothing is known of it if the id is none that this caller was given, or one that is too old.
pub(super) fn abilities(app: &App, session: &SessionKey, caller: &Caller) -> Option<Abilities> {
    let opened = seals::open(app, sealed_for(&owner(caller, session.server)), &session.id)?;
    opened.first().copied().map(Abilities::from_bits)
}

fn owner(caller: &Caller, server: ServerId) -> [u8; OWNER_BYTES] {
    let mut owner = [0; OWNER_BYTES];
    let bytes = caller.identity().to_bytes().into_iter().chain(*server.as_uuid().as_bytes());
    owner.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    owner
}

const fn sealed_for(owner: &[u8]) -> SealedFor<'_> {
    SealedFor { purpose: "an MCP session", bound_to: owner }
}

/// Refuses to watch a URI that is longer than any resource's.
pub(super) fn check_uri(uri: &str) -> Result<(), Refusal> {
    if uri.len() > URI_BYTES_MAX {
        return Err(Refusal::invalid_params(format!("a URI that is watched has {URI_BYTES_MAX} bytes at most")));
    }
    Ok(())
}

impl Sessions {
    pub(super) fn new() -> Self {
        let weigh = |_: &SessionKey, said: &Arc<Said>| u32::try_from(said.bytes()).unwrap_or(u32::MAX);
        let within = |bytes_max| Cache::builder().max_capacity(bytes_max).weigher(weigh).time_to_idle(IDLE_MAX).build();
        Self { known: within(KEPT_BYTES_MAX), strangers: within(STRANGERS_BYTES_MAX) }
    }

    /// Where a session is kept.
    const fn of(&self, session: &SessionKey) -> &Cache<SessionKey, Arc<Said>> {
        match session.caller {
            CallerIdentity::Anyone => &self.strangers,
            _ => &self.known,
        }
    }

    /// What was said in a session.
    pub(super) fn said(&self, session: &SessionKey) -> Arc<Said> {
        self.of(session).get(session).unwrap_or_default()
    }

    /// Hears how much the client wants to hear of logs.
    pub(super) fn set_log_level(&self, session: SessionKey, level: Severity) {
        let said = Said { log_level: Some(level), ..Said::clone(&self.said(&session)) };
        self.of(&session).insert(session, Arc::new(said));
    }

    /// Hears that the client watches a resource.
    pub(super) fn subscribe(&self, session: SessionKey, uri: String) -> Result<(), Refusal> {
        let mut said = Said::clone(&self.said(&session));
        check_uri(&uri)?;
        said.subscriptions.insert(uri);
        if said.subscriptions.len() > SUBSCRIPTIONS_MAX {
            return Err(Refusal::invalid_params(format!("one client watches {SUBSCRIPTIONS_MAX} resources at most")));
        }
        self.of(&session).insert(session, Arc::new(said));
        Ok(())
    }

    /// Hears that it does not any more.
    pub(super) fn unsubscribe(&self, session: SessionKey, uri: &str) {
        let mut said = Said::clone(&self.said(&session));
        if said.subscriptions.remove(uri) {
            self.of(&session).insert(session, Arc::new(said));
        }
    }
}

impl Said {
    fn bytes(&self) -> usize {
        OVERHEAD_BYTES + self.subscriptions.iter().map(|uri| uri.len() + size_of::<String>()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use domain::ApiKeyId;

    use super::*;

    #[test]
    fn what_is_said_in_one_session_is_not_heard_in_another() {
        let (sessions, server) = (Sessions::new(), ServerId::new());
        let caller = || CallerIdentity::Key(ApiKeyId::new());
        let (mine, theirs) = (caller(), caller());
        let key = |caller, server, id| SessionKey::of(&headers(id), caller, server).unwrap();

        sessions.set_log_level(key(mine, server, "a"), Severity::Info);
        sessions.subscribe(key(mine, server, "a"), "test://a".to_owned()).unwrap();

        let said = sessions.said(&key(mine, server, "a"));
        assert_eq!((said.log_level, said.subscriptions.len()), (Some(Severity::Info), 1));
        for other in [key(mine, server, "b"), key(theirs, server, "a"), key(mine, ServerId::new(), "a")] {
            assert_eq!(sessions.said(&other).log_level, None, "{other:?}");
        }
        sessions.unsubscribe(key(mine, server, "a"), "test://a");
        assert!(sessions.said(&key(mine, server, "a")).subscriptions.is_empty());
    }

    #[test]
    fn a_client_watches_so_many_resources_and_no_more() {
        let (sessions, session) = (Sessions::new(), some_session());
        for number in 0..SUBSCRIPTIONS_MAX {
            sessions.subscribe(session.clone(), format!("test://{number}")).unwrap();
        }

        assert!(sessions.subscribe(session.clone(), "test://more".to_owned()).is_err());
        assert!(sessions.subscribe(session.clone(), "test://0".to_owned()).is_ok());
        assert!(sessions.subscribe(some_session(), "a".repeat(URI_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn the_memory_of_sessions_is_bounded() {
        let sessions = Sessions::new();
        let uris = (0..SUBSCRIPTIONS_MAX).map(|number| format!("test://{number}/{}", "a".repeat(2000))).collect();
        let said = Arc::new(Said { log_level: None, subscriptions: uris });

        let mine = some_session();
        sessions.set_log_level(mine.clone(), Severity::Info);
        for number in 0..500 {
            let stranger = SessionKey::of(&headers(&number.to_string()), CallerIdentity::Anyone, ServerId::new()).unwrap();
            sessions.of(&stranger).insert(stranger, Arc::clone(&said));
        }
        sessions.strangers.run_pending_tasks();
        assert!(
            (1..=STRANGERS_BYTES_MAX).contains(&sessions.strangers.weighted_size()),
            "{}",
            sessions.strangers.weighted_size()
        );
        sessions.known.run_pending_tasks();
        assert_eq!(sessions.said(&mine).log_level, Some(Severity::Info), "strangers push out none of those who have a key");
        for _ in 0..500 {
            sessions.known.insert(some_session(), Arc::clone(&said));
        }
        sessions.known.run_pending_tasks();

        assert!(sessions.known.weighted_size() <= KEPT_BYTES_MAX, "{}", sessions.known.weighted_size());
    }

    #[test]
    fn an_id_is_of_visible_characters() {
        let key = |id: &str| SessionKey::of(&headers(id), CallerIdentity::Admin, ServerId::new());

        assert!(key("a").is_some());
        assert!(key("").is_none() && key("a b").is_none() && key(&"a".repeat(ID_CHARS_MAX + 1)).is_none());
    }

    fn some_session() -> SessionKey {
        let caller = CallerIdentity::Key(ApiKeyId::new());
        SessionKey::of(&headers("a"), caller, ServerId::new()).unwrap()
    }

    fn headers(id: &str) -> HeaderMap {
        HeaderMap::from_iter([(MCP_SESSION_ID, HeaderValue::from_str(id).unwrap())])
    }
}
