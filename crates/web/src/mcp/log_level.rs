//! How much of what tools write a client wants to hear of (MCP, "Logging"; RFC 5424, section 6.2.1).

use domain::LogLevel;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::refusal::Refusal;

/// From the least to the most that must have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl Severity {
    /// Reads what a client named.
    pub(super) fn read(given: Option<&RawValue>) -> Result<Self, Refusal> {
        given.and_then(|given| serde_json::from_str(given.get()).ok()).ok_or_else(|| {
            Refusal::invalid_params(
                "the log level must be one of debug, info, notice, warning, error, critical, alert and emergency",
            )
        })
    }
}

impl From<LogLevel> for Severity {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Debug => Self::Debug,
            LogLevel::Info => Self::Info,
            LogLevel::Warn => Self::Warning,
            LogLevel::Error => Self::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_lets_through_what_is_as_bad_or_worse() {
        let heard = |wanted: &str| {
            let raw = RawValue::from_string(format!("{wanted:?}")).unwrap();
            let wanted = Severity::read(Some(&raw)).unwrap();
            let levels = [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];
            levels.into_iter().filter(|level| Severity::from(*level) >= wanted).count()
        };

        assert_eq!(
            ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"].map(heard),
            [4, 3, 2, 2, 1, 0, 0, 0]
        );
    }

    #[test]
    fn a_level_that_is_none_is_refused() {
        for text in ["\"warn\"", "\"Info\"", "7", "null"] {
            assert!(Severity::read(Some(&RawValue::from_string(text.to_owned()).unwrap())).is_err(), "{text}");
        }
        assert!(Severity::read(None).is_err());
    }
}
