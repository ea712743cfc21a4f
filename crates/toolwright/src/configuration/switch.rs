//! What is open to anyone, or closed.

use super::value::Value;

/// Whether anyone may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    Open,
    Closed,
}

impl Value for Switch {
    const FORM: &'static str = "`open` or `closed`";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "open" => Some(Self::Open),
            "closed" => Some(Self::Closed),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Open => "open".to_owned(),
            Self::Closed => "closed".to_owned(),
        }
    }
}
