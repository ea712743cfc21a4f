//! `[log]`: what is logged, and how.

use telemetry::logging::{self, LogFormat, LogSettings};

use super::{Profile, Reader, Setting, value::Value};

const FORMAT: Setting = Setting::new(
    "log.format",
    "TOOLWRIGHT_LOG_FORMAT",
    "`json` (one object a line), `human`, or `auto`: human in profile local on a terminal, else json",
);
const FILTER: Setting =
    Setting::new("log.filter", "TOOLWRIGHT_LOG", "what is logged, in the form of RUST_LOG: info,sandbox=debug");

/// Everything that a person who runs this wants to know, but for what the database remarks on migrations that are there already.
const DEFAULT_FILTER: &str = "info,sqlx::postgres::notice=warn";

/// What is logged, and how.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    format: Format,
    filter: Filter,
    profile: Profile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Auto,
    Json,
    Human,
}

#[derive(Debug, Clone)]
struct Filter(String);

impl Log {
    pub(super) fn read(reader: &mut Reader<'_>, profile: Profile) -> Self {
        Self {
            format: reader.read(&FORMAT, || Format::Auto),
            filter: reader.read(&FILTER, || Filter(DEFAULT_FILTER.to_owned())),
            profile,
        }
    }

    /// What `telemetry` is told. `terminal` is whether the log goes to one.
    pub(crate) fn settings(&self, terminal: bool) -> LogSettings {
        let format = match self.format {
            Format::Human => LogFormat::Human,
            Format::Auto if terminal && self.profile == Profile::Local => LogFormat::Human,
            Format::Auto | Format::Json => LogFormat::Json,
        };
        LogSettings { format, filter: self.filter.0.clone() }
    }
}

impl Value for Format {
    const FORM: &'static str = "`auto`, `json` or `human`";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "json" => Some(Self::Json),
            "human" => Some(Self::Human),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Auto => "auto".to_owned(),
            Self::Json => "json".to_owned(),
            Self::Human => "human".to_owned(),
        }
    }
}

impl Value for Filter {
    const FORM: &'static str = "a log filter such as `info` or `info,sandbox=debug`";

    fn parse(text: &str) -> Option<Self> {
        logging::check_filter(text).ok().map(|()| Self(text.to_owned()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}
