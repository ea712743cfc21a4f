//! What this node keeps in memory of the database, and when it is dropped (TIER-3): at once by this node's own writes, by notice when
//! another node writes. When notices may have been missed, all of it is read again.

use std::sync::Arc;

use domain::{
    ApiKeyId, AuthorizationId, ClientKey, ConsentId, CustomerId, Digest, ServerId, SignInId, Slug, Tier, TierName, UserId,
};
use store::{changes::Change, pins::PinHolder};

use crate::{
    Who,
    accounts::{KnownSignIn, Person},
    catalogue::ServedServer,
    clients::Client,
    limits::Outage,
    pins::Pins,
    questions::Desk,
    signing_keys::{KeySet, OnceASecond},
    snapshots::Snapshots,
    tokens::Verified,
    watches::Watches,
};

/// The node's memory of the database.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Whether the database is there: what is kept is used otherwise while it is not.
    outage: Arc<Outage>,
    /// Who shows an API key, by the key's digest.
    pub(crate) api_keys: Snapshots<Digest, Who>,
    /// Each customer's tier, by name.
    pub(crate) customer_tiers: Snapshots<CustomerId, TierName>,
    /// The tiers' limits.
    pub(crate) tiers: Snapshots<TierName, Arc<Tier>>,
    /// What each server serves.
    pub(crate) servers: Snapshots<Slug, Arc<ServedServer>>,
    /// Names that no server has and that somebody asked for: apart, so that who asks for thousands does not drive the servers out.
    pub(crate) absent_servers: Snapshots<Slug, ()>,
    /// What is held against definitions, for keys and consents that ask for it.
    pub(crate) pins: Snapshots<(PinHolder, ServerId), Arc<Pins>>,
    /// Who shows a sign-in's cookie, by the cookie's digest.
    pub(crate) sign_ins: Snapshots<Digest, KnownSignIn>,
    /// Who people are, and what they may do for whom.
    pub(crate) people: Snapshots<UserId, Arc<Person>>,
    /// Access tokens that were checked, by their digest.
    pub(crate) tokens: Snapshots<Digest, Verified>,
    /// Clients that registered.
    pub(crate) clients: Snapshots<ClientKey, Arc<Client>>,
    /// What access tokens are signed with: one entry.
    pub(crate) signing_keys: Snapshots<(), Arc<KeySet>>,
    /// When keys that are not known were looked for.
    pub(crate) signing_keys_looked_up: OnceASecond,
    /// Which questions to clients wait for answers here.
    pub(crate) questions: Arc<Desk>,
    /// Who waits for a server to change.
    pub(crate) watches: Arc<Watches>,
}

impl Memory {
    /// A hundred bytes each.
    const API_KEYS_MAX: u64 = 100_000;
    /// A hundred bytes each.
    const CUSTOMERS_MAX: u64 = 100_000;
    /// There are a handful.
    const TIERS_MAX: u64 = 1_000;
    /// Some tens of kilobytes each; those of one whose author means harm are a thousand times as large.
    const SERVERS_BYTES_MAX: u64 = 256 * 1024 * 1024;
    /// A hundred bytes each.
    const ABSENT_SERVERS_MAX: u64 = 100_000;

    /// A hundred bytes a tool, of which a server has tens: some kilobytes each, 200 KB at most, and the server's own words, 16 KB at most. Many people
    /// let clients use one server, and each has pins of their own.
    const PINS_MAX: u64 = 10_000;

    /// Two hundred bytes each.
    const SIGN_INS_MAX: u64 = 100_000;
    /// Some hundred bytes each, and a hundred more a customer.
    const PEOPLE_MAX: u64 = 50_000;
    /// Half a kilobyte each.
    const TOKENS_MAX: u64 = 100_000;
    /// A kilobyte or two each.
    const CLIENTS_MAX: u64 = 10_000;

    pub(crate) fn new(outage: &Arc<Outage>) -> Self {
        Self {
            outage: Arc::clone(outage),
            api_keys: Snapshots::with_room_for(Self::API_KEYS_MAX, outage),
            customer_tiers: Snapshots::with_room_for(Self::CUSTOMERS_MAX, outage),
            tiers: Snapshots::with_room_for(Self::TIERS_MAX, outage),
            servers: Snapshots::with_bytes(Self::SERVERS_BYTES_MAX, |server| server.bytes(), outage),
            absent_servers: Snapshots::with_room_for(Self::ABSENT_SERVERS_MAX, outage),
            pins: Snapshots::with_room_for(Self::PINS_MAX, outage),
            sign_ins: Snapshots::with_room_for(Self::SIGN_INS_MAX, outage),
            people: Snapshots::with_room_for(Self::PEOPLE_MAX, outage),
            tokens: Snapshots::with_room_for(Self::TOKENS_MAX, outage),
            clients: Snapshots::with_room_for(Self::CLIENTS_MAX, outage),
            signing_keys: Snapshots::with_room_for(1, outage),
            signing_keys_looked_up: OnceASecond::default(),
            questions: Arc::default(),
            watches: Arc::default(),
        }
    }

    /// Drops what `change` makes untrue, and wakes those who wait for it.
    pub(crate) fn forget(&self, change: &Change) {
        match change {
            Change::Tier(name) => self.tiers.drop_one(name),
            Change::Customer(customer) => self.customer_tiers.drop_one(customer),
            Change::ApiKey(key) => self.forget_api_key(*key),
            Change::Server { slug, .. } => self.forget_server(slug),
            Change::Pins { holder, server } => self.pins.drop_one(&(*holder, *server)),
            Change::Consent(consent) => self.forget_consent(*consent),
            // Whoever waits for it looks for itself.
            Change::Answer(_) => {}
            Change::User(user) => self.people.drop_one(user),
            Change::SignIn(sign_in) => self.forget_sign_ins(vec![*sign_in]),
            Change::Authorization(authorization) => self.forget_authorization(*authorization),
            Change::Client(client) => self.clients.drop_one(client),
            // What a key signed that was retired is read again, and found not to be signed.
            Change::SigningKeys => {
                self.signing_keys.drop_one(&());
                self.tokens.doubt_all();
            }
            Change::Lost => self.doubt_everything(),
        }
        self.questions.hear(change);
        self.watches.hear(change);
    }

    /// Drops what the server of this name serves, or that there is none.
    pub(crate) fn forget_server(&self, slug: &Slug) {
        self.servers.drop_one(slug);
        self.absent_servers.drop_one(slug);
    }

    /// Drops who shows this key: they are kept by the digest of the key, which nobody knows who deletes it.
    pub(crate) fn forget_api_key(&self, key: ApiKeyId) {
        self.api_keys.drop_where(move |who| who.api_key() == Some(key));
    }

    /// Drops sign-ins that ended: they are kept by the digest of the cookie, which nobody knows who ends them.
    pub(crate) fn forget_sign_ins(&self, ended: Vec<SignInId>) {
        if !ended.is_empty() {
            self.sign_ins.drop_where(move |known| ended.contains(&known.person.sign_in));
        }
    }

    /// Drops the tokens of an authorization: they are kept by their digests.
    pub(crate) fn forget_authorization(&self, id: AuthorizationId) {
        self.tokens.drop_where(move |verified| verified.caller.authorization == id);
    }

    /// Drops the tokens of a consent, which say whether it holds back what changes.
    pub(crate) fn forget_consent(&self, id: ConsentId) {
        self.tokens.drop_where(move |verified| verified.caller.consent == Some(id));
    }

    fn doubt_everything(&self) {
        self.outage.suspect();
        self.api_keys.doubt_all();
        self.customer_tiers.doubt_all();
        self.tiers.doubt_all();
        self.servers.doubt_all();
        self.absent_servers.doubt_all();
        self.pins.doubt_all();
        self.sign_ins.doubt_all();
        self.people.doubt_all();
        self.tokens.doubt_all();
        self.clients.doubt_all();
        self.signing_keys.doubt_all();
    }
}
