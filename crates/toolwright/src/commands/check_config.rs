//! `toolwright check-config`

use std::{fmt::Write as _, io::Write as _};

use super::CommandError;
use crate::configuration::{Configuration, Flags, Surroundings};

/// Checks all settings, and the key files that are there; makes and starts nothing.
pub(super) fn run(flags: &Flags) -> Result<(), CommandError> {
    let (configuration, effective) = Configuration::load(flags, &Surroundings::of_process())?;
    configuration.keys.check()?;
    configuration.database.check()?;
    configuration.egress.check()?;
    let width = effective.iter().map(|effective| effective.setting.key.len()).max().unwrap_or_default();
    let mut text = String::new();
    for effective in &effective {
        let line = format!("{:width$} = {}  # {}\n", effective.setting.key, effective.value, effective.origin);
        text.push_str(&line);
    }
    match configuration.keys.find_master()? {
        Some(keys) => {
            for (index, id) in keys.ids().enumerate() {
                let role = if index == 0 { "seals and opens" } else { "opens" };
                // Writing to a string does not fail.
                let _ = writeln!(text, "# master key {id}: {role}");
            }
        }
        None => text.push_str("# master key: made at the first start\n"),
    }
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
