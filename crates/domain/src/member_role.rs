//! What a member of a customer may do.

use serde::{Deserialize, Serialize};

/// What a member of a customer may do; each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Reads: servers, tools, releases, executions.
    Viewer,
    /// Builds, tries and releases.
    Editor,
    /// Everything, members and access included. A customer has one at least.
    Owner,
}

impl MemberRole {
    /// The word that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Owner => "owner",
        }
    }

    /// The role that [`MemberRole::as_str`] named.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        [Self::Viewer, Self::Editor, Self::Owner].into_iter().find(|role| role.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_may_what_an_editor_may_and_an_editor_what_a_viewer_may() {
        assert!(MemberRole::Owner > MemberRole::Editor && MemberRole::Editor > MemberRole::Viewer);
        for role in [MemberRole::Viewer, MemberRole::Editor, MemberRole::Owner] {
            assert_eq!(MemberRole::find(role.as_str()), Some(role));
        }
    }
}
