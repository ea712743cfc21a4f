//! `toolwright.toml`, flattened: `listen` in the section `[http]` is `http.listen`; `[[upstream]]` is a section of several rows.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{ConfigurationError, Flags, Surroundings, upstream};

/// The file that is read, if it is there, when nobody names one.
const DEFAULT_PATH: &str = "toolwright.toml";

/// Names the file where no flag does.
pub(crate) const FILE_VARIABLE: &str = "TOOLWRIGHT_CONFIG";

/// The settings of a file, each as text.
#[derive(Debug, Default)]
pub(super) struct File {
    /// Where it is; empty if there is none.
    pub(super) path: PathBuf,
    /// Values by key.
    pub(super) values: BTreeMap<String, String>,
    /// The names of the rows of the section that has several, in their order.
    pub(super) row_names: Vec<String>,
    /// Whether one of them has none.
    pub(super) has_nameless_row: bool,
    /// Keys whose value is a list, a date or another thing that no setting is.
    pub(super) misshapen: Vec<String>,
}

impl File {
    /// Reads the file that was named, or the default one if it is there.
    pub(super) fn read(flags: &Flags, surroundings: &Surroundings) -> Result<Self, ConfigurationError> {
        let named = flags.file.clone().or_else(|| surroundings.variable(FILE_VARIABLE).map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_PATH));
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(source) if named.is_none() && source.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigurationError::Read { path, source }),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigurationError> {
        let table: toml::Table =
            text.parse().map_err(|source| ConfigurationError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        let mut file = Self { path: path.to_owned(), ..Self::default() };
        for (key, value) in table {
            match value {
                toml::Value::Table(section) => {
                    for (name, value) in section {
                        file.keep(format!("{key}.{name}"), value);
                    }
                }
                toml::Value::Array(rows) if key == upstream::SECTION => file.keep_rows(rows),
                value => file.keep(key, value),
            }
        }
        Ok(file)
    }

    /// `issuer` in the row whose `id` is `google` is `upstream.google.issuer`.
    fn keep_rows(&mut self, rows: Vec<toml::Value>) {
        for row in rows {
            let toml::Value::Table(mut row) = row else {
                self.misshapen.push(upstream::SECTION.to_owned());
                continue;
            };
            let Some(toml::Value::String(id)) = row.remove("id") else {
                self.has_nameless_row = true;
                continue;
            };
            // The second of one name is told of, and does not mix with the first.
            if !self.row_names.contains(&id) {
                for (name, value) in row {
                    self.keep(format!("{}.{id}.{name}", upstream::SECTION), value);
                }
            }
            self.row_names.push(id);
        }
    }

    fn keep(&mut self, key: String, value: toml::Value) {
        match value {
            toml::Value::String(text) => drop(self.values.insert(key, text)),
            toml::Value::Integer(number) => drop(self.values.insert(key, number.to_string())),
            toml::Value::Boolean(flag) => drop(self.values.insert(key, flag.to_string())),
            _ => self.misshapen.push(key),
        }
    }
}
