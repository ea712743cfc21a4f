//! Who the program runs for.

use super::value::Value;

/// Who the program runs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// One person on one machine: keys and a database are made on the first start, and an example server is deployed.
    Local,
    /// Others: everything is supplied, or the start fails.
    Production,
}

impl Value for Profile {
    const FORM: &'static str = "`local` or `production`";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "local" => Some(Self::Local),
            "production" => Some(Self::Production),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Local => "local".to_owned(),
            Self::Production => "production".to_owned(),
        }
    }
}
