//! Who may use a server.

use serde::{Deserialize, Serialize};

/// Who, besides its customer's API keys, may use a server. Whoever it is, calls count to the server's customer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessPolicy {
    /// Owners of its customer, by clients that they let in.
    Owner,
    /// Members of its customer, by clients that they let in.
    #[default]
    Members,
    /// Anyone who has an account and lets a client in.
    Consent,
    /// Anyone, without a token.
    Public,
}

impl AccessPolicy {
    /// The word that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Members => "members",
            Self::Consent => "consent",
            Self::Public => "public",
        }
    }

    /// The policy that [`AccessPolicy::as_str`] named.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        [Self::Owner, Self::Members, Self::Consent, Self::Public].into_iter().find(|policy| policy.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_is_found_by_its_word() {
        for policy in [AccessPolicy::Owner, AccessPolicy::Members, AccessPolicy::Consent, AccessPolicy::Public] {
            assert_eq!(AccessPolicy::find(policy.as_str()), Some(policy));
        }
    }
}
