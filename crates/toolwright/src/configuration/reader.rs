//! Reads settings one by one, keeps where each came from, and collects what is wrong, so that all of it is told at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::PathBuf,
};

use super::{
    Effective, Origin, Setting, Shown,
    file::{FILE_VARIABLE, File},
    value::Value,
};

/// Variables of the environment that begin so are ours, and a misspelt one is refused.
const PREFIX: &str = "TOOLWRIGHT_";

/// Names further apart than this are not taken for each other (0 = nothing alike, 1 = the same).
const LIKENESS_MIN: f64 = 0.6;

/// What the command line says.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// The file to read.
    pub(crate) file: Option<PathBuf>,
    /// Values by key.
    pub(crate) values: BTreeMap<String, String>,
}

impl Flags {
    /// Sets what was given.
    pub(crate) fn set(&mut self, setting: &Setting, value: Option<String>) {
        if let Some(value) = value {
            self.values.insert(setting.key.to_string(), value);
        }
    }
}

/// Why the program cannot run as it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigurationError {
    /// The file that was named is not there, or not readable.
    #[error("cannot read the configuration file {path}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} is not TOML", path = path.display())]
    Parse {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// Settings are missing, unknown or not what they should be.
    #[error("the configuration is not usable:\n  - {}", problems.join("\n  - "))]
    Settings {
        /// A sentence for each.
        problems: Vec<String>,
    },
}

/// The three layers, and what was found in them so far.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    file: &'a File,
    environment: &'a BTreeMap<String, String>,
    flags: &'a Flags,
    effective: Vec<Effective>,
    problems: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a File, environment: &'a BTreeMap<String, String>, flags: &'a Flags) -> Self {
        Self { file, environment, flags, effective: Vec::new(), problems: Vec::new() }
    }

    /// The value, or its default.
    pub(super) fn read<T: Value>(&mut self, setting: &Setting, default: impl FnOnce() -> T) -> T {
        if let Some((text, origin)) = self.find(setting) {
            let value = self.parse(setting, &text, &origin);
            self.keep(setting, setting.shown(&text), origin);
            return value.unwrap_or_else(default);
        }
        let value = default();
        self.keep(setting, setting.shown(&value.show()), Origin::Default);
        value
    }

    /// The value, if there is one.
    pub(super) fn read_optional<T: Value>(&mut self, setting: &Setting) -> Option<T> {
        let Some((text, origin)) = self.find(setting) else {
            self.keep(setting, Shown::Unset, Origin::Default);
            return None;
        };
        let value = self.parse(setting, &text, &origin);
        self.keep(setting, setting.shown(&text), origin);
        value
    }

    /// The value; that there is none is a problem, with the reason that it must be there.
    pub(super) fn require<T: Value>(&mut self, setting: &Setting, reason: &str) -> Option<T> {
        if self.find(setting).is_none() {
            self.refuse(format!("{} is not set (in the file: `{}`): {reason}", setting.variable, setting.key));
        }
        self.read_optional(setting)
    }

    /// A whole number within `bounds`.
    pub(super) fn number<N: TryFrom<u64>>(&mut self, setting: &Setting, bounds: RangeInclusive<u64>, default: u64) -> N {
        let number = self.read(setting, || default);
        let kept = if bounds.contains(&number) {
            number
        } else {
            let (least, most) = (bounds.start(), bounds.end());
            let origin = self.origin(setting);
            self.refuse(format!("`{}` ({origin}) is {number}: it must be from {least} to {most}", setting.key));
            default
        };
        match N::try_from(kept) {
            Ok(number) => number,
            Err(_) => unreachable!("the bounds of `{}` fit its type", setting.key),
        }
    }

    /// Says what is wrong; the start fails once everything is read.
    pub(super) fn refuse(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// The names of the rows that the file has, in their order.
    pub(super) fn row_names(&self) -> &'a [String] {
        &self.file.row_names
    }

    /// The names of the environment's variables that are not empty.
    pub(super) fn variables(&self) -> impl Iterator<Item = &'a str> {
        self.environment.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.as_str())
    }

    /// Lists a setting that is in no layer.
    pub(super) fn describe(&mut self, setting: &Setting) {
        self.keep(setting, Shown::Unset, Origin::Default);
    }

    /// Whether anybody set it.
    pub(super) fn is_set(&self, setting: &Setting) -> bool {
        self.find(setting).is_some()
    }

    /// Where a setting that was read came from.
    pub(super) fn origin(&self, setting: &Setting) -> Origin {
        self.find(setting).map_or(Origin::Default, |(_, origin)| origin)
    }

    /// Everything that was read, or everything that is wrong.
    pub(super) fn finish(mut self) -> Result<Vec<Effective>, ConfigurationError> {
        self.refuse_unknown_keys();
        self.refuse_unknown_variables();
        if self.problems.is_empty() { Ok(self.effective) } else { Err(ConfigurationError::Settings { problems: self.problems }) }
    }

    /// Everything that was read, right or wrong.
    pub(super) fn into_effective(self) -> Vec<Effective> {
        self.effective
    }

    /// The strongest layer that has it. An empty variable counts as none: that is how compose files and unit files leave one out. Only a
    /// secret must not be left out so: more likely, the place that it comes from had none.
    fn find(&self, setting: &Setting) -> Option<(String, Origin)> {
        if let Some(text) = self.flags.values.get(setting.key.as_ref()) {
            return Some((text.clone(), Origin::Flag));
        }
        if let Some(text) = self.environment.get(setting.variable.as_ref()).filter(|text| !text.is_empty()) {
            return Some((text.clone(), Origin::Environment(setting.variable.clone())));
        }
        let text = self.file.values.get(setting.key.as_ref())?;
        Some((text.clone(), Origin::File(self.file.path.clone())))
    }

    fn parse<T: Value>(&mut self, setting: &Setting, text: &str, origin: &Origin) -> Option<T> {
        let value = T::parse(text);
        if value.is_none() {
            let given = match setting.shown(text) {
                Shown::Value(text) => format!("`{}`", text.escape_debug()),
                Shown::Hidden | Shown::Unset => "not usable".to_owned(),
            };
            self.refuse(format!("`{}` ({origin}) is {given}: it must be {}", setting.key, T::FORM));
        }
        value
    }

    fn keep(&mut self, setting: &Setting, value: Shown, origin: Origin) {
        if setting.is_secret() && self.environment.get(setting.variable.as_ref()).is_some_and(String::is_empty) {
            self.refuse(format!("the environment's {} is set and empty: give it a value, or unset it", setting.variable));
        }
        self.effective.push(Effective { setting: setting.clone(), value, origin });
    }

    fn refuse_unknown_keys(&mut self) {
        let known: BTreeSet<_> = self.effective.iter().map(|effective| effective.setting.key.as_ref()).collect();
        let path = self.file.path.display();
        let mut problems = Vec::new();
        for key in self.file.values.keys().filter(|key| !known.contains(key.as_str())) {
            problems.push(format!("`{key}` in {path} is not a setting{}", suggestion(key, &known)));
        }
        if self.file.has_nameless_row {
            problems.push(format!("an [[upstream]] in {path} has no `id`: each needs one, such as `id = \"google\"`"));
        }
        for key in &self.file.misshapen {
            problems.push(format!(
                "`{key}` in {path} has a value of another kind: settings are texts, whole numbers and true or false"
            ));
        }
        self.problems.append(&mut problems);
    }

    fn refuse_unknown_variables(&mut self) {
        let known: BTreeSet<_> =
            self.effective.iter().map(|effective| effective.setting.variable.as_ref()).chain([FILE_VARIABLE]).collect();
        let ours = self.environment.keys().filter(|name| name.starts_with(PREFIX));
        let unknown: Vec<_> = ours.filter(|name| !known.contains(name.as_str())).collect();
        let mut problems: Vec<_> =
            unknown.iter().map(|name| format!("the environment's {name} is not a setting{}", suggestion(name, &known))).collect();
        self.problems.append(&mut problems);
    }
}

/// The known name that looks most like it.
fn suggestion(name: &str, known: &BTreeSet<&str>) -> String {
    // What all variables begin with would make them all alike.
    let bare = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
    let likeness = |other: &&str| strsim::normalized_damerau_levenshtein(&bare(name), &bare(other));
    let nearest = known.iter().copied().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match nearest.filter(|nearest| likeness(nearest) >= LIKENESS_MIN) {
        Some(nearest) => format!(": did you mean `{nearest}`?"),
        None => ": `toolwright --help` lists them all".to_owned(),
    }
}
