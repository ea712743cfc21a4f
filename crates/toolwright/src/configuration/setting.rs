//! One setting: its names, and the value it ended with.

use std::{borrow::Cow, fmt, path::PathBuf};

/// The names of a setting and what it is for.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// Its place in the file: `http.listen` is `listen` in the section `[http]`.
    pub(crate) key: Cow<'static, str>,
    /// Its name in the environment.
    pub(crate) variable: Cow<'static, str>,
    /// What it decides.
    pub(crate) about: &'static str,
    secret: bool,
}

impl Setting {
    pub(crate) const fn new(key: &'static str, variable: &'static str, about: &'static str) -> Self {
        Self { key: Cow::Borrowed(key), variable: Cow::Borrowed(variable), about, secret: false }
    }

    /// A setting whose value is never shown.
    pub(crate) const fn secret(key: &'static str, variable: &'static str, about: &'static str) -> Self {
        Self { key: Cow::Borrowed(key), variable: Cow::Borrowed(variable), about, secret: true }
    }

    /// A setting of one row of a section that has several.
    pub(crate) const fn of_row(key: String, variable: String, about: &'static str, secret: bool) -> Self {
        Self { key: Cow::Owned(key), variable: Cow::Owned(variable), about, secret }
    }

    /// Whether its value is never shown.
    pub(crate) const fn is_secret(&self) -> bool {
        self.secret
    }

    /// What may be shown of a value.
    pub(crate) fn shown(&self, value: &str) -> Shown {
        if self.secret { Shown::Hidden } else { Shown::Value(value.to_owned()) }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// The file.
    File(PathBuf),
    /// A variable of the environment.
    Environment(Cow<'static, str>),
    /// The command line.
    Flag,
}

/// What is shown of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    /// All of it.
    Value(String),
    /// That there is one.
    Hidden,
    /// That there is none.
    Unset,
}

/// A setting as it ended.
#[derive(Debug, Clone)]
pub(crate) struct Effective {
    /// Which.
    pub(crate) setting: Setting,
    /// Its value, as far as it may be shown.
    pub(crate) value: Shown,
    /// Where the value came from.
    pub(crate) origin: Origin,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Environment(name) => write!(out, "environment, {name}"),
            Self::Flag => out.write_str("command line"),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) if value.is_empty() => out.write_str("(none)"),
            Self::Value(value) => out.write_str(value),
            Self::Hidden => out.write_str("(hidden)"),
            Self::Unset => out.write_str("(not set)"),
        }
    }
}
