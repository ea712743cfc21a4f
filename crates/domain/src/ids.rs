//! Ids: UUIDs of version 7 (RFC 9562, section 5.7), made here, so that rows sort by their age.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
