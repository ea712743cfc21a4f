//! A server's own words, pinned as the definitions of its tools are: they change without a release, and models read them.

use chrono::{DateTime, Utc};
use domain::{Digest, ServerWords, Slug};
use store::{
    pins::{PinHolder, PinOwner},
    server_pins::{self, ServerPin},
};

use super::{Acceptance, Difference, LookedAt, difference, find_key, load};
use crate::{
    App, AppError, Caller,
    access::{self, Operation},
    audit::{About, Deed},
    catalogue::{self, ServedServer},
};

/// Words that were pinned, of a server that says something else by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedWords {
    /// What the client read.
    pub words: ServerWords,
    /// Their digest.
    pub digest: Digest,
    /// The digest of what the server says now.
    pub now: Digest,
}

/// The pin of a server's own words, and what became of what it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerPinView {
    /// The digest of what the client read.
    pub pinned: Digest,
    /// When it was read first, or accepted.
    pub pinned_at: DateTime<Utc>,
    /// The digest of what the server says now.
    pub now: Digest,
    /// What changed; nothing where the digests are the same.
    pub differences: Vec<Difference>,
}

/// What the caller's client read of `server` itself, if that is something else than what it says now; what is read for the first time is pinned.
/// Nothing where nobody asks for it.
pub async fn read_words(app: &App, caller: &Caller, server: &ServedServer) -> Result<Option<PinnedWords>, AppError> {
    access::require_use(caller, Operation::ReadWords)?;
    let Some(holder) = caller.pin_holder() else { return Ok(None) };
    let mut pins = load(app, holder, server.server_id).await?;
    if pins.server.is_none() {
        let mut connection = app.pool.acquire().await?;
        server_pins::insert(&mut connection, holder, server.server_id, &server.words, app.clock.now()).await?;
        drop(connection);
        app.memory.pins.drop_one(&(holder, server.server_id));
        // Somebody else may have read something else first, at the same time.
        pins = load(app, holder, server.server_id).await?;
    }
    let changed = pins.server.as_ref().map(|pin| &pin.words).filter(|words| **words != server.words);
    Ok(changed.map(|words| PinnedWords { words: words.clone(), digest: words.digest(), now: server.words.digest() }))
}

/// Pins what a server says now in place of what was pinned. Refused if that is not what was looked at.
pub async fn accept_words(app: &App, caller: &Caller, slug: &Slug, acceptance: Acceptance) -> Result<ServerPinView, AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::AcceptWords)?;
    let server = catalogue::load_own(app, customer, slug).await?;
    let api_key = find_key(app, customer, acceptance.api_key, caller).await?;
    let looked_at =
        LookedAt { owner: PinOwner::Customer(customer), holder: PinHolder::ApiKey(api_key), digest: acceptance.digest };
    let about = About::a("pin").id(api_key.as_uuid()).named(slug);
    accept(app, intent.begin(app).await?, &server, looked_at, about).await
}

/// Pins what the server says in place of what was pinned, if that is what was looked at.
pub(super) async fn accept(
    app: &App,
    mut deed: Deed,
    server: &ServedServer,
    looked_at: LookedAt,
    about: About,
) -> Result<ServerPinView, AppError> {
    let LookedAt { owner, holder, digest } = looked_at;
    let (slug, now) = (&server.slug, server.words.digest());
    if digest != now {
        return Err(AppError::Conflict {
            message: format!(
                "what `{slug}` says of itself has the digest {now} now: look at the difference again before you accept it"
            ),
        });
    }
    let pin = ServerPin { words: server.words.clone(), pinned_at: app.clock.now() };
    if !server_pins::accept(&mut deed, owner, holder, server.server_id, &pin).await? {
        return Err(AppError::not_found("pin", slug));
    }
    deed.commit(about.detail("words_digest", now.to_string())).await?;
    app.memory.pins.drop_one(&(holder, server.server_id));
    Ok(view(server, &pin))
}

pub(super) fn view(server: &ServedServer, pin: &ServerPin) -> ServerPinView {
    let differences = difference::between(&pin.words.definition(), &server.words.definition());
    ServerPinView { pinned: pin.words.digest(), pinned_at: pin.pinned_at, now: server.words.digest(), differences }
}
