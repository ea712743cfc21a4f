//! An entry: what was done, to what, and by whom.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use domain::{AuditEntryId, AuthorizationId, CustomerId, Digest, RequestId, SignInId, UserId, VersionId};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Bytes of an entry's details, as JSON without spaces: the database takes no more than twice as many, since it writes spaces.
pub const DETAILS_BYTES_MAX: usize = 4096;
/// Characters of the name of a thing that are kept.
pub const NAME_CHARS_MAX: usize = 400;

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its id; later ones sort after earlier ones of the same node.
    pub id: AuditEntryId,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// What was done, in snake case, such as `set_tier`.
    pub operation: String,
    /// Who did it.
    pub actor: Actor,
    /// Whose things were changed; absent where it was the platform's own, or a person's.
    pub customer: Option<CustomerId>,
    /// Whose account it is about, whoever did it; absent where it is about nobody's.
    pub account: Option<UserId>,
    /// What was changed.
    pub thing: Thing,
    /// The version that came of it.
    pub version: Option<VersionId>,
    /// The digest of that.
    pub digest: Option<Digest>,
    /// The request that asked for it; absent where the program did it by itself.
    pub request: Option<RequestId>,
    /// The address of whoever sent that.
    pub address: Option<IpAddr>,
    /// What else there is to say, [`DETAILS_BYTES_MAX`] bytes at most; never a secret.
    pub details: Map<String, Value>,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// What they showed of themselves.
    pub kind: ActorKind,
    /// The key; the person, or who let the client in; or the authorization of a client that acts for itself.
    pub id: Option<Uuid>,
    /// The person's sign-in.
    pub sign_in: Option<SignInId>,
    /// What the client's token came from.
    pub authorization: Option<AuthorizationId>,
    /// The client's `client_id`.
    pub client: Option<String>,
}

/// What somebody showed of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// The admin key.
    Admin,
    /// An API key.
    ApiKey,
    /// A sign-in, for a customer.
    Member,
    /// A sign-in, for themselves.
    Person,
    /// A token, or what a client proves to be itself by.
    Client,
    /// Nothing.
    Anyone,
    /// The program itself: a command, or a task of its own.
    Program,
}

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    /// What it is, such as `server`.
    pub kind: String,
    /// Its id, if it has one.
    pub id: Option<Uuid>,
    /// Its name, if it has one, [`NAME_CHARS_MAX`] characters at most.
    pub name: Option<String>,
}

impl ActorKind {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Admin, Self::ApiKey, Self::Member, Self::Person, Self::Client, Self::Anyone, Self::Program];

    /// Its word, in rows and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::ApiKey => "api_key",
            Self::Member => "member",
            Self::Person => "person",
            Self::Client => "client",
            Self::Anyone => "anyone",
            Self::Program => "program",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}
