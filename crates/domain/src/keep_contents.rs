//! Whether records of calls keep what went in and out (HIST-12).

use serde::{Deserialize, Serialize};

use crate::Status;

/// Of which calls of a server the inputs and results are kept with their records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeepContents {
    /// Of none.
    #[default]
    None,
    /// Of those that did not end well.
    Errors,
    /// Of all.
    All,
}

impl KeepContents {
    /// The word that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Errors => "errors",
            Self::All => "all",
        }
    }

    /// The setting that [`KeepContents::as_str`] named.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        [Self::None, Self::Errors, Self::All].into_iter().find(|setting| setting.as_str() == word)
    }

    /// Whether the contents of a call that ended so are kept.
    #[must_use]
    pub fn covers(self, status: Status) -> bool {
        match self {
            Self::None => false,
            Self::Errors => status != Status::Success,
            Self::All => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_follows_from_how_a_call_ended() {
        for (setting, of_success, of_error) in
            [(KeepContents::None, false, false), (KeepContents::Errors, false, true), (KeepContents::All, true, true)]
        {
            assert_eq!((setting.covers(Status::Success), setting.covers(Status::ToolError)), (of_success, of_error));
            assert_eq!(KeepContents::find(setting.as_str()), Some(setting));
        }
    }
}
