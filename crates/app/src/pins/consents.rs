//! What consents pin (SEC-18): what a server said when a person let a client in, for that person to look at and to accept what it says now.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use domain::{ConsentId, Digest, Scopes, ServerTitle, Slug, ToolName, UserId};
pub use store::consents::PinsDefinitions;
use store::{
    PgConnection,
    consents::{Consent, ConsentUse, Place},
    pins::{NewPin, Pin, PinHolder, PinOwner},
    server_pins,
};

use super::{LookedAt, PinView, PinnedServer, ServerPinView, accept_tool, full, new_pin, read, show, words};
use crate::{
    App, AppError, Caller, PageRequest, PersonCaller,
    access::{self, Operation},
    audit::About,
    catalogue::ServedServer,
    policies,
};

/// What a consent has pinned on its server.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsentPins {
    /// What the client was called when it was let in.
    pub client_name: String,
    /// The server's public name.
    pub slug: Slug,
    /// What people call it now.
    pub title: ServerTitle,
    /// Whether what changes is held back at all; else nothing is pinned.
    pub pins_definitions: bool,
    /// What is pinned.
    pub pinned: PinnedServer,
}

/// Which pins are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedPins {
    /// All of them.
    All,
    /// What is held back: those of what says something else by now.
    Changed,
}

/// A consent and its server, which the person may still use.
struct Given {
    person: PersonCaller,
    consent: Consent,
    server: Arc<ServedServer>,
}

/// What a consent of the person has pinned, beside what the server says now.
pub async fn list_of_consent(
    app: &App,
    caller: &Caller,
    consent: ConsentId,
    wanted: WantedPins,
    page: &PageRequest,
) -> Result<ConsentPins, AppError> {
    let person = access::require_person(caller, Operation::ListConsentPins)?;
    load(app, person, consent).await?.show(app, wanted, page).await
}

/// Lets the client of a consent use what a tool has become. Refused if `digest` says that something else was looked at.
pub async fn accept_for_consent(
    app: &App,
    caller: &Caller,
    consent: ConsentId,
    name: &ToolName,
    digest: Digest,
) -> Result<PinView, AppError> {
    let (person, intent) = access::require_person_change(caller, Operation::AcceptConsentDefinition)?;
    let given = load(app, person, consent).await?;
    let tool = given.server.offers.find(name).ok_or_else(|| AppError::not_found("tool", name))?;
    let about = About::a("pin").id(consent.as_uuid()).named(&format!("{}/{name}", given.server.slug));
    accept_tool(app, intent.begin(app).await?, &given.server, tool, given.looked_at(digest), given.named(about)).await
}

/// Lets the client of a consent read what the server says of itself now. Refused if `digest` says that something else was looked at.
pub async fn accept_consent_words(
    app: &App,
    caller: &Caller,
    consent: ConsentId,
    digest: Digest,
) -> Result<ServerPinView, AppError> {
    let (person, intent) = access::require_person_change(caller, Operation::AcceptConsentWords)?;
    let given = load(app, person, consent).await?;
    let about = About::a("pin").id(consent.as_uuid()).named(&given.server.slug);
    words::accept(app, intent.begin(app).await?, &given.server, given.looked_at(digest), given.named(about)).await
}

/// Holds back from now on what changes on the server of a consent, or does not any more: then what was held back is accepted, all of it. A consent that
/// does so already stays as it is, with what it holds.
pub async fn set_for_consent(
    app: &App,
    caller: &Caller,
    consent: ConsentId,
    pins_definitions: PinsDefinitions,
) -> Result<(), AppError> {
    let (person, intent) = access::require_person_change(caller, Operation::ChangeConsent)?;
    let Given { consent, server, .. } = load(app, person, consent).await?;
    let mut deed = intent.begin(app).await?;
    if !store::consents::set_pins_definitions(&mut deed, person.user, consent.id, pins_definitions).await? {
        return Ok(());
    }
    if pins_definitions == PinsDefinitions::Yes {
        pin_for_consent(&mut deed, consent.id, &consent.scopes, &server, app.clock.now()).await?;
    }
    let about = About::a("consent").id(consent.id.as_uuid()).named(&server.slug);
    let about = about.detail("client_id", consent.client_id).detail("client_name", consent.client_name);
    deed.commit(about.detail("pins_definitions", pins_definitions == PinsDefinitions::Yes)).await?;
    app.memory.forget_consent(consent.id);
    app.memory.pins.drop_one(&(PinHolder::Consent(consent.id), server.server_id));
    Ok(())
}

/// Pins what `server` says in the scopes of a consent, in the transaction in which that is given: that is what the person agrees to. What it pinned
/// before stays, so that whoever lets a client in again accepts nothing by that.
pub(crate) async fn pin_for_consent(
    connection: &mut PgConnection,
    consent: ConsentId,
    scopes: &Scopes,
    server: &ServedServer,
    at: DateTime<Utc>,
) -> Result<(), AppError> {
    let holder = PinHolder::Consent(consent);
    let offered = server.offers.all().filter(|(_, tool)| access::are_for(scopes, &tool.interface));
    let pins: Vec<NewPin> = offered.map(|(_, tool)| new_pin(tool)).collect();
    if !store::pins::insert(connection, holder, server.server_id, &pins, at).await? {
        return Err(full());
    }
    Ok(server_pins::insert(connection, holder, server.server_id, &server.words, at).await?)
}

/// How much is held back by each of a person's consents: tools, resources and prompts, and one more for what the server says of itself. Two queries for
/// all of them, and servers as they are in memory.
pub(crate) async fn count_held_back(
    app: &App,
    user: UserId,
    consents: &[ConsentUse],
) -> Result<HashMap<ConsentId, u32>, AppError> {
    let pinning = consents.iter().filter(|used| used.consent.pins_definitions);
    let servers: BTreeMap<ConsentId, &Slug> = pinning
        .filter_map(|used| match &used.place {
            Place::Server { slug, .. } => Some((used.consent.id, slug)),
            Place::Customer(_) => None,
        })
        .collect();
    if servers.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<ConsentId> = servers.keys().copied().collect();
    let mut connection = app.pool.acquire().await?;
    let tools = store::pins::list_of_consents(&mut connection, &ids).await?;
    let words = server_pins::list_of_consents(&mut connection, &ids).await?;
    drop(connection);
    let mut usable: HashMap<ConsentId, Arc<ServedServer>> = HashMap::new();
    for (id, slug) in servers {
        if let Some(server) = policies::find_server(app, slug, user).await? {
            usable.insert(id, server);
        }
    }
    let changed_tools = tools.iter().filter(|(consent, name, pinned)| {
        let now = usable.get(consent).and_then(|server| server.offers.find(name));
        now.is_some_and(|tool| tool.definition_digest != *pinned)
    });
    let changed_words = words.iter().filter(|(id, words)| usable.get(id).is_some_and(|server| server.words != *words));
    let mut counts = HashMap::new();
    for id in changed_tools.map(|(id, ..)| *id).chain(changed_words.map(|(id, _)| *id)) {
        *counts.entry(id).or_default() += 1;
    }
    Ok(counts)
}

impl Given {
    async fn show(&self, app: &App, wanted: WantedPins, page: &PageRequest) -> Result<ConsentPins, AppError> {
        let Self { consent, server, .. } = self;
        let pins = read(app, PinHolder::Consent(consent.id), server.server_id).await?;
        let is_wanted = |name: &ToolName, pin: &Pin| {
            wanted == WantedPins::All || server.offers.find(name).is_some_and(|tool| tool.definition_digest != pin.digest)
        };
        let mut pinned = show(app, server, &pins, page, is_wanted).await?;
        pinned.server = pinned.server.filter(|pin| wanted == WantedPins::All || pin.now != pin.pinned);
        Ok(ConsentPins {
            client_name: consent.client_name.clone(),
            slug: server.slug.clone(),
            title: server.words.title.clone(),
            pins_definitions: consent.pins_definitions,
            pinned,
        })
    }

    /// The same with which client's consent it is.
    fn named(&self, about: About) -> About {
        about.detail("client_id", self.consent.client_id.as_str()).detail("client_name", self.consent.client_name.as_str())
    }

    fn looked_at(&self, digest: Digest) -> LookedAt {
        LookedAt { owner: PinOwner::User(self.person.user), holder: PinHolder::Consent(self.consent.id), digest }
    }
}

/// The person's consent for a server; one for the management, which pins nothing, is as one that there is not. A server that the person may not use any
/// more tells them nothing (SEC-17).
async fn load(app: &App, person: PersonCaller, id: ConsentId) -> Result<Given, AppError> {
    let missing = || AppError::not_found("consent", id);
    let found = store::consents::find_for_server(&mut *app.pool.acquire().await?, person.user, id).await?;
    let (consent, server_id, slug) = found.ok_or_else(missing)?;
    let server = policies::find_server(app, &slug, person.user).await?.filter(|server| server.server_id == server_id);
    Ok(Given { person, consent, server: server.ok_or_else(missing)? })
}
