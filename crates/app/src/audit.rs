//! The audit log: one entry for each change, in the transaction of the change (SEC-14). A use case that changes something is let through with an
//! `Intent`, which begins its transaction; what that wants before it is committed is what the entry says.

mod about;
mod listing;
mod refused_sign_ins;
mod retention;

use std::ops::{Deref, DerefMut};

use chrono::{DateTime, Utc};
use domain::{AuditEntryId, CustomerId, SignInId, UserId};
pub use store::audit::{ActorKind, Entry, EntryFilter as AuditFilter, Thing};
use store::{
    PgConnection, StoreError, Transaction,
    audit::{Actor, PRUNE},
    authorizations::Authorization,
    consents::Subject,
};

pub use self::{
    listing::{list, list_own},
    retention::prune,
};

pub(crate) use self::{
    about::About,
    refused_sign_ins::{Refused, RefusedSignIns, record as record_refused_sign_in},
};
use crate::{
    App, AppError, Caller, PersonCaller, Whence, Who,
    access::{Needs, Operation},
};

/// That somebody is about to change something.
#[derive(Debug)]
#[must_use = "what is changed is written down: the change begins with this"]
pub(crate) struct Intent {
    operation: String,
    actor: Actor,
    from: Whence,
    customer: Option<CustomerId>,
    /// Whose account it is about.
    account: Option<UserId>,
}

/// A change in the making: a transaction that is committed with its entry, or undone when it is dropped.
#[derive(Debug)]
pub(crate) struct Deed {
    transaction: Transaction,
    intent: Intent,
    now: DateTime<Utc>,
}

macro_rules! acts {
    ($($(#[$doc:meta])* $act:ident = $name:literal,)+) => {
        /// What leaves an entry as well, and is no operation of the table: nobody asks for it at the doors, or nobody who has shown who they are.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Act {
            $($(#[$doc])* $act,)+
        }

        impl Act {
            const NAMES: &'static [&'static str] = &[$($name,)+];

            const fn name(self) -> &'static str {
                match self {
                    $(Self::$act => $name,)+
                }
            }
        }
    };
}

acts! {
    /// A sign-in went wrong; see [`RefusedSignIns`].
    RefuseSignIn = "refuse_sign_in",
    /// A person lets a client in.
    GiveConsent = "give_consent",
    /// A person does not.
    RefuseConsent = "refuse_consent",
    /// The first tokens of an authorization are given out.
    MakeAuthorization = "make_authorization",
    /// An authorization ends: its client gives it back, or something of it was shown twice.
    RevokeAuthorization = "revoke_authorization",
    /// A client registers (RFC 7591).
    RegisterClient = "register_client",
    /// A client changes what it registered (RFC 7592).
    ChangeRegistration = "change_registration",
    /// A client deletes it.
    DeleteRegistration = "delete_registration",
    /// A node makes the first key that signs access tokens.
    MakeSigningKey = "make_signing_key",
    /// A command lets another key sign.
    RotateSigningKey = "rotate_signing_key",
    /// A command ends a key that was replaced.
    RetireSigningKey = "retire_signing_key",
    /// A command seals the data keys under another master key.
    RotateMasterKey = "rotate_master_key",
    /// A command gives a customer another data key.
    RotateDataKey = "rotate_data_key",
}

/// The names of everything that leaves an entry, in their order.
#[must_use]
pub fn operations() -> Vec<String> {
    let asked = Operation::CHANGES.iter().map(|operation| operation.name());
    let mut names: Vec<String> = asked.chain(Act::NAMES.iter().chain(&[PRUNE]).map(|name| (*name).to_owned())).collect();
    names.sort_unstable();
    names
}

impl Intent {
    /// Of a caller, by an operation of the table.
    pub(crate) fn asked(caller: &Caller, operation: Operation) -> Self {
        // What takes no more than to be signed in is about oneself.
        let account = if operation.needs() == Needs::Person { caller.user() } else { None };
        Self { operation: operation.name(), actor: actor(&caller.who), from: caller.from, customer: None, account }
    }

    /// Of a caller, by something else that is about nobody's account.
    pub(crate) fn of_caller(caller: &Caller, act: Act) -> Self {
        Self { operation: act.name().to_owned(), actor: actor(&caller.who), from: caller.from, customer: None, account: None }
    }

    /// Of a person, about their own account.
    pub(crate) fn of_person(person: &PersonCaller, from: Whence, act: Act) -> Self {
        let intent = Self::of_caller(&Who::Person(*person).at(from), act);
        Self { account: Some(person.user), ..intent }
    }

    /// Of a client of the authorization server, which names itself so.
    pub(crate) fn of_client(client_id: String, from: Whence, act: Act) -> Self {
        let actor = Actor { client: Some(client_id), ..nobody(ActorKind::Client) };
        Self { operation: act.name().to_owned(), actor, from, customer: None, account: None }
    }

    /// Of the client that an authorization is of.
    pub(crate) fn of_authorization(authorization: &Authorization, from: Whence, act: Act) -> Self {
        let intent = Self::of_client(authorization.client_id.clone(), from, act);
        let given = authorization.given.map_or_else(|| authorization.id.as_uuid(), |given| given.user.as_uuid());
        let actor = Actor { id: Some(given), authorization: Some(authorization.id), ..intent.actor };
        let account = authorization.given.map(|given| given.user);
        Self { actor, account, ..intent }.about_subject(authorization.subject)
    }

    /// Of what somebody lets a client use. Of who uses a server its owner sees what becomes of the calls; what people consent to is theirs.
    pub(crate) fn about_subject(self, subject: Subject) -> Self {
        match subject {
            Subject::Customer(customer) => self.of(customer),
            Subject::Server(_) => self,
        }
    }

    /// Of the program itself: a command, or a task of its own.
    pub(crate) fn of_program(act: Act) -> Self {
        let (actor, from) = (nobody(ActorKind::Program), Whence::default());
        Self { operation: act.name().to_owned(), actor, from, customer: None, account: None }
    }

    /// About things of this customer.
    pub(crate) fn of(self, customer: CustomerId) -> Self {
        Self { customer: Some(customer), ..self }
    }

    /// By this person, who asked as somebody who is not known and showed in the doing who they are.
    pub(crate) fn by(self, user: UserId, sign_in: SignInId) -> Self {
        let actor = Actor { id: Some(user.as_uuid()), sign_in: Some(sign_in), ..nobody(ActorKind::Person) };
        Self { actor, account: Some(user), ..self }
    }

    /// Begins the change.
    pub(crate) async fn begin(self, app: &App) -> Result<Deed, AppError> {
        Ok(Deed { transaction: app.pool.begin().await?, intent: self, now: app.clock.now() })
    }

    /// Writes the entry into a transaction that has other reasons of its own to be committed.
    pub(crate) async fn record(self, connection: &mut PgConnection, about: About, now: DateTime<Utc>) -> Result<(), StoreError> {
        store::audit::insert(connection, &self.entry(about, now)).await
    }

    fn entry(self, about: About, now: DateTime<Utc>) -> Entry {
        let Self { operation, actor, from, customer, account } = self;
        let About { customer: named, account: concerned, thing, version, details } = about;
        let (version, digest) = version.unzip();
        Entry {
            id: AuditEntryId::new(),
            made_at: now,
            operation,
            actor,
            customer: named.or(customer),
            account: concerned.or(account),
            thing,
            version,
            digest,
            request: from.request,
            address: from.address,
            details: about::bounded(details),
        }
    }
}

impl Deed {
    /// Says who it was, once that is known.
    pub(crate) fn by(self, user: UserId, sign_in: SignInId) -> Self {
        Self { intent: self.intent.by(user, sign_in), ..self }
    }

    /// Makes the change lasting, and its entry.
    pub(crate) async fn commit(self, about: About) -> Result<(), AppError> {
        let Self { mut transaction, intent, now } = self;
        intent.record(&mut transaction, about, now).await?;
        Ok(transaction.commit().await?)
    }
}

impl Deref for Deed {
    type Target = Transaction;

    fn deref(&self) -> &Transaction {
        &self.transaction
    }
}

impl DerefMut for Deed {
    fn deref_mut(&mut self) -> &mut Transaction {
        &mut self.transaction
    }
}

const fn nobody(kind: ActorKind) -> Actor {
    Actor { kind, id: None, sign_in: None, authorization: None, client: None }
}

fn actor(who: &Who) -> Actor {
    match who {
        Who::Admin => nobody(ActorKind::Admin),
        Who::Key(key) => Actor { id: Some(key.api_key.as_uuid()), ..nobody(ActorKind::ApiKey) },
        Who::Member(member) => {
            Actor { id: Some(member.user.as_uuid()), sign_in: Some(member.sign_in), ..nobody(ActorKind::Member) }
        }
        Who::Person(person) => {
            Actor { id: Some(person.user.as_uuid()), sign_in: Some(person.sign_in), ..nobody(ActorKind::Person) }
        }
        Who::Token(token) => Actor {
            id: Some(token.user.map_or_else(|| token.authorization.as_uuid(), UserId::as_uuid)),
            authorization: Some(token.authorization),
            client: Some(token.client.clone()),
            ..nobody(ActorKind::Client)
        },
        Who::Anyone => nobody(ActorKind::Anyone),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let names = operations();

        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        assert!(names.contains(&"set_tier".to_owned()) && names.contains(&"create_api_key".to_owned()));
        assert!(
            names.iter().all(|name| name.len() <= 48 && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'))
        );
    }
}
