//! Ids: UUIDs of version 7 (RFC 9562, section 5.7), made here, so that rows sort by their age.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use uuid::Uuid;

use crate::NameError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id; later ones sort after earlier ones.
            #[must_use]
            #[expect(clippy::new_without_default, reason = "a default that differs each time would surprise")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// An id that was kept.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID itself, for the database.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(|_| D::Error::custom(NameError::new("id", "a UUID as it was given out", &text)))
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// A tenant.
    CustomerId
}
id! {
    /// The access that somebody or something has to a server: the id of a consent, or of a client that acts for itself.
    AccessId
}
id! {
    /// A customer's API key; the key itself is never kept.
    ApiKeyId
}
id! {
    /// What `/mcp/<server>` serves. A slug may find a new owner never; a token names this id in any case.
    ServerId
}
id! {
    /// A tool of a server, over all its versions.
    ToolId
}
id! {
    /// An immutable version of a tool.
    VersionId
}
id! {
    /// The set of versions that a server serves from one moment on.
    ReleaseId
}
id! {
    /// One tools/call.
    CallId
}
id! {
    /// One HTTP request, from the client through the call to its record.
    RequestId
}
id! {
    /// A person who can sign in.
    UserId
}
id! {
    /// One sign-in of a user: what a browser's cookie stands for.
    SignInId
}
id! {
    /// An invitation to become a member of a customer.
    InvitationId
}
id! {
    /// A client of the authorization server, as a row; what clients call `client_id` is a text (RFC 6749, section 2.2).
    ClientKey
}
id! {
    /// What a client may do for somebody: the family of all codes and tokens that come from one consent.
    AuthorizationId
}
id! {
    /// A user's word that a client may do something.
    ConsentId
}
id! {
    /// A passkey of a user.
    PasskeyId
}
id! {
    /// Somebody at an issuer elsewhere, by whom a user signs in.
    IdentityId
}
id! {
    /// The journal of a call that waits for an answer of its client.
    JournalId
}
id! {
    /// A question to the client of a call that waits for the answer on a node.
    QuestionId
}
id! {
    /// An entry of the audit log.
    AuditEntryId
}
