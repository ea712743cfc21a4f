//! Pinned definitions (SEC-18): what a client read of each tool, and of the server itself, through a key that asks for it, or what there was when a
//! person let it in and asked for that, stays what it is served, until somebody has accepted something else.

mod consents;
mod difference;
mod words;

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use chrono::{DateTime, Utc};
use domain::{ApiKeyId, CustomerId, Digest, ServerId, Slug, ToolInterface, ToolName, VersionId};
use store::{
    pins::{NewPin, Pin, PinHolder, PinOwner},
    server_pins::ServerPin,
};

pub(crate) use self::consents::{count_held_back, pin_for_consent};
pub use self::{
    consents::{
        ConsentPins, PinsDefinitions, WantedPins, accept_consent_words, accept_for_consent, list_of_consent, set_for_consent,
    },
    difference::Difference,
    words::{PinnedWords, ServerPinView, accept_words, read_words},
};
use crate::{
    AcceptAt, App, AppError, Caller, Page, PageRequest, Who,
    access::{self, Operation},
    audit::{About, Deed},
    catalogue::{self, ServedServer, ServedTool},
    offers::Listed,
};

/// The pins of a holder on a server.
#[derive(Debug)]
pub(crate) struct Pins {
    tools: BTreeMap<ToolName, Pin>,
    /// Absent until a client has read what the server says of itself.
    server: Option<ServerPin>,
}

/// A definition that was pinned, of a tool that says something else by now.
#[derive(Debug, Clone, PartialEq)]
pub struct PinnedDefinition {
    /// What the client read.
    pub interface: Arc<ToolInterface>,
    /// Its digest.
    pub digest: Digest,
    /// The digest of what the tool says now.
    pub now: Digest,
}

/// A pin, and what became of what it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct PinView {
    /// The tool.
    pub name: ToolName,
    /// The digest of what the client read.
    pub pinned: Digest,
    /// The version that said it.
    pub version_id: VersionId,
    /// When it was read first, or accepted.
    pub pinned_at: DateTime<Utc>,
    /// The digest of what the tool says now; absent if the server does not serve it.
    pub now: Option<Digest>,
    /// What changed, [`Difference::MAX`] places at most; nothing where the digests are the same.
    pub differences: Vec<Difference>,
}

/// What a key or a consent has pinned on a server.
#[derive(Debug, Clone, PartialEq)]
pub struct PinnedServer {
    /// Of the server itself; absent if nothing was pinned of it yet.
    pub server: Option<ServerPinView>,
    /// Of its tools, by their names.
    pub tools: Page<PinView>,
}

/// What somebody agrees to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acceptance {
    /// The key whose pin it is; the caller's own if none is named, and it shows one.
    pub api_key: Option<ApiKeyId>,
    /// The digest of the definition that was looked at.
    pub digest: Digest,
}

/// What was looked at, and who accepts it for what.
struct LookedAt {
    owner: PinOwner,
    holder: PinHolder,
    digest: Digest,
}

/// Compares what `server` offers with what the caller's client read of it before, and pins what it reads for the first time. Gives those that
/// changed; none where nobody asks for it. What the caller's token is not for, it does not read.
pub async fn compare(
    app: &App,
    caller: &Caller,
    server: &ServedServer,
) -> Result<BTreeMap<ToolName, PinnedDefinition>, AppError> {
    access::require_use(caller, Operation::ComparePinned)?;
    let Some(holder) = caller.pin_holder() else { return Ok(BTreeMap::new()) };
    let offered = server.offers.all().map(|(_, tool)| &**tool).filter(|tool| caller.sees(&tool.interface));
    let offered: Vec<&ServedTool> = offered.collect();
    let pins = pin(app, holder, server.server_id, &offered).await?;
    let changed: Vec<(&ServedTool, &Pin)> = offered
        .into_iter()
        .filter_map(|tool| pins.tools.get(&tool.interface.name).map(|pin| (tool, pin)))
        .filter(|(tool, pin)| pin.digest != tool.definition_digest)
        .collect();
    let mut interfaces = load_interfaces(app, server.customer, changed.iter().map(|(_, pin)| pin.version)).await?;
    let pinned = changed.into_iter().filter_map(|(tool, pin)| {
        let interface = interfaces.remove(&pin.version)?;
        let (name, now) = (tool.interface.name.clone(), tool.definition_digest);
        Some((name, PinnedDefinition { interface: Arc::new(interface), digest: pin.digest, now }))
    });
    Ok(pinned.collect())
}

/// What a key has pinned on a server: the caller's own key if none is named.
pub async fn list(
    app: &App,
    caller: &Caller,
    slug: &Slug,
    api_key: Option<ApiKeyId>,
    page: &PageRequest,
) -> Result<PinnedServer, AppError> {
    let customer = access::require_customer(caller, Operation::ListPins)?;
    let server = catalogue::load_own(app, customer, slug).await?;
    let api_key = find_key(app, customer, api_key, caller).await?;
    let pins = read(app, PinHolder::ApiKey(api_key), server.server_id).await?;
    show(app, &server, &pins, page, |_, _| true).await
}

/// Pins what a tool says now in place of what was pinned. Refused if that is not what was looked at.
pub async fn accept(
    app: &App,
    caller: &Caller,
    slug: &Slug,
    name: &ToolName,
    acceptance: Acceptance,
) -> Result<PinView, AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::AcceptDefinition)?;
    let server = catalogue::load_own(app, customer, slug).await?;
    let tool = server.offers.find(name).ok_or_else(|| AppError::not_found("tool", name))?;
    let api_key = find_key(app, customer, acceptance.api_key, caller).await?;
    let looked_at =
        LookedAt { owner: PinOwner::Customer(customer), holder: PinHolder::ApiKey(api_key), digest: acceptance.digest };
    let about = About::a("pin").id(api_key.as_uuid()).named(&format!("{slug}/{name}"));
    accept_tool(app, intent.begin(app).await?, &server, tool, looked_at, about).await
}

/// Lets a call through if its tool says what the caller's client read, or is read for the first time.
pub(crate) async fn check(app: &App, caller: &Caller, server: &ServedServer, tool: &ServedTool) -> Result<(), AppError> {
    let Some(holder) = caller.pin_holder() else { return Ok(()) };
    let pins = pin(app, holder, server.server_id, &[tool]).await?;
    let name = &tool.interface.name;
    match pins.tools.get(name) {
        Some(pin) if pin.digest != tool.definition_digest => Err(AppError::DefinitionChanged {
            accept_at: match holder {
                PinHolder::ApiKey(_) => AcceptAt::Server(server.slug.clone()),
                PinHolder::Consent(consent) => AcceptAt::Page(app.issuer.address(&format!("/account/access/{consent}"))),
            },
            name: name.clone(),
            pinned: pin.digest,
            now: tool.definition_digest,
        }),
        _ => Ok(()),
    }
}

/// The caller as its key or its consent is now: whether that holds back what changes may be another thing than when it was shown.
pub(crate) async fn as_it_is_now(app: &App, caller: &Caller) -> Result<Caller, AppError> {
    let pins_definitions = match (&caller.who, caller.consent()) {
        (_, Some(consent)) => store::consents::pins_definitions(&mut *app.pool.acquire().await?, consent).await?,
        (Who::Key(key), _) => {
            let found = store::api_keys::find(&mut *app.pool.acquire().await?, key.customer, key.api_key).await?;
            found.is_some_and(|found| found.pins_definitions)
        }
        _ => return Ok(caller.clone()),
    };
    Ok(caller.clone().holding_back(pins_definitions))
}

/// What the server's lists say to the caller, who is shown what changed as it was until somebody has accepted it.
pub(crate) async fn listed(app: &App, caller: &Caller, server: &ServedServer) -> Result<Listed, AppError> {
    let Some(holder) = caller.pin_holder() else { return Ok(server.offers.listed(|tool| tool.definition_digest)) };
    let pins = load(app, holder, server.server_id).await?;
    Ok(server.offers.listed(|tool| pins.tools.get(&tool.interface.name).map_or(tool.definition_digest, |pin| pin.digest)))
}

/// The holder's pins on the server, once each of `read` has one.
async fn pin(app: &App, holder: PinHolder, server: ServerId, read: &[&ServedTool]) -> Result<Arc<Pins>, AppError> {
    let pins = load(app, holder, server).await?;
    let missing: Vec<NewPin> =
        read.iter().filter(|tool| !pins.tools.contains_key(&tool.interface.name)).map(|tool| new_pin(tool)).collect();
    if missing.is_empty() {
        return Ok(pins);
    }
    let now = app.clock.now();
    let inserting = async { store::pins::insert(&mut *app.pool.acquire().await?, holder, server, &missing, now).await };
    let fits = app.outage.while_there(inserting).await?;
    app.memory.pins.drop_one(&(holder, server));
    if !fits {
        return Err(full());
    }
    // Somebody else may have read something else first, at the same time.
    load(app, holder, server).await
}

fn new_pin(tool: &ServedTool) -> NewPin {
    NewPin { name: tool.interface.name.clone(), digest: tool.definition_digest, version: tool.version_id }
}

fn full() -> AppError {
    AppError::Conflict {
        message: format!(
            "as many definitions are pinned as may be for one key or one consent ({}): take another key for other servers",
            store::pins::OF_HOLDER_MAX
        ),
    }
}

async fn load(app: &App, holder: PinHolder, server: ServerId) -> Result<Arc<Pins>, AppError> {
    let read = || async { Ok(Arc::new(read(app, holder, server).await?)) };
    app.memory.pins.get(&(holder, server), read).await
}

async fn read(app: &App, holder: PinHolder, server: ServerId) -> Result<Pins, AppError> {
    let mut connection = app.pool.acquire().await?;
    let tools = store::pins::list(&mut connection, holder, server).await?;
    Ok(Pins { tools, server: store::server_pins::find(&mut connection, holder, server).await? })
}

/// A page of those pins that are wanted, beside what became of what they hold.
async fn show(
    app: &App,
    server: &ServedServer,
    pins: &Pins,
    page: &PageRequest,
    is_wanted: impl Fn(&ToolName, &Pin) -> bool,
) -> Result<PinnedServer, AppError> {
    let after = page.after::<ToolName>()?;
    let begin = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let count = usize::try_from(page.fetch_max()).unwrap_or(usize::MAX);
    let wanted: Vec<(ToolName, Pin)> = pins
        .tools
        .range::<ToolName, _>((begin, Bound::Unbounded))
        .filter(|(name, pin)| is_wanted(name, pin))
        .take(count)
        .map(|(name, pin)| (name.clone(), pin.clone()))
        .collect();
    let page = page.page(wanted, |(name, _)| name.clone());
    let interfaces = load_interfaces(app, server.customer, page.items.iter().map(|(_, pin)| pin.version)).await?;
    let tools = page.map(|(name, pin)| {
        let read = interfaces.get(&pin.version);
        view(server, name, &pin, read)
    });
    Ok(PinnedServer { server: pins.server.as_ref().map(|pin| words::view(server, pin)), tools })
}

/// Pins what the tool says in place of what was pinned, if that is what was looked at.
async fn accept_tool(
    app: &App,
    mut deed: Deed,
    server: &ServedServer,
    tool: &ServedTool,
    looked_at: LookedAt,
    about: About,
) -> Result<PinView, AppError> {
    let LookedAt { owner, holder, digest } = looked_at;
    let name = &tool.interface.name;
    if digest != tool.definition_digest {
        return Err(AppError::Conflict {
            message: format!(
                "the definition of `{name}` has the digest {} now: look at the difference again before you accept it",
                tool.definition_digest
            ),
        });
    }
    let (new, at) = (new_pin(tool), app.clock.now());
    if !store::pins::accept(&mut deed, owner, holder, server.server_id, &new, at).await? {
        return Err(AppError::not_found("pin", name));
    }
    deed.commit(about.version(new.version, new.digest)).await?;
    app.memory.pins.drop_one(&(holder, server.server_id));
    let pin = Pin { digest: new.digest, version: new.version, pinned_at: at };
    Ok(view(server, name.clone(), &pin, None))
}

async fn load_interfaces(
    app: &App,
    customer: CustomerId,
    versions: impl Iterator<Item = VersionId>,
) -> Result<BTreeMap<VersionId, ToolInterface>, AppError> {
    let versions: Vec<VersionId> = versions.collect();
    if versions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = store::versions::list_by_ids(&mut *app.pool.acquire().await?, customer, &versions).await?;
    Ok(found.into_iter().map(|version| (version.id, version.interface)).collect())
}

/// The key that is meant, which must be the customer's. Whoever comes without a key of their own names it.
async fn find_key(app: &App, customer: CustomerId, named: Option<ApiKeyId>, caller: &Caller) -> Result<ApiKeyId, AppError> {
    let own = caller.api_key();
    let named = named.or(own).ok_or_else(|| AppError::invalid("`api_key_id` must name one of your keys: pins are a key's"))?;
    if Some(named) == own {
        return Ok(named);
    }
    let found = store::api_keys::find(&mut *app.pool.acquire().await?, customer, named).await?;
    found.map(|key| key.id).ok_or_else(|| AppError::not_found("API key", named))
}

fn view(server: &ServedServer, name: ToolName, pin: &Pin, read: Option<&ToolInterface>) -> PinView {
    let offered = server.offers.find(&name);
    let now = offered.map(|tool| tool.definition_digest);
    let differences = match (read, offered) {
        (Some(read), Some(tool)) if pin.digest != tool.definition_digest => {
            difference::between(&read.definition(), &tool.interface.definition())
        }
        _ => Vec::new(),
    };
    PinView { name, pinned: pin.digest, version_id: pin.version, pinned_at: pin.pinned_at, now, differences }
}
