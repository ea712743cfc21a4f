//! The library modules: bundled packages that a source imports as `toolwright:NAME` (TIER-4). `modules/catalogue.json` lists them, and
//! `scripts/bundle-modules` makes everything else in that folder of it.

#[path = "../modules/library.rs"]
mod library;

use std::collections::{BTreeMap, BTreeSet};

use domain::{Digest, LibraryModules, ModuleName, TierName};
use serde::{Deserialize, Serialize};

pub use library::{LIBRARY, TYPES};

/// What stands before a module's name in an import.
pub(crate) const SCHEME: &str = "toolwright:";

/// A module, as the catalogue has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LibraryModule {
    /// Imported as `toolwright:` and this: a [`ModuleName`].
    pub name: &'static str,
    /// The tiers that have it: [`LibraryModules::Basic`] is every tier, [`LibraryModules::All`] those with all modules.
    pub class: LibraryModules,
    /// What it is for: one line.
    pub purpose: &'static str,
    /// A source that uses it: some lines.
    pub example: &'static str,
    /// The packages it is made of, the one that names it first.
    pub packages: &'static [LibraryPackage],
    /// Its declaration for TypeScript.
    pub types: &'static str,
    /// The licences of its packages, in full.
    pub licenses: &'static str,
    /// It: one ECMAScript module without imports.
    pub source: &'static str,
}

/// An npm package inside a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LibraryPackage {
    /// Its name on npm.
    pub name: &'static str,
    /// Its exact version.
    pub version: &'static str,
    /// Its licence, as an SPDX expression.
    pub license: &'static str,
}

/// Which modules a source may import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleBounds {
    /// What the customer's tier has.
    pub library: LibraryModules,
    /// Which tier that is; absent where nothing is refused for its sake.
    pub tier: Option<TierName>,
    /// The tiers that have more: for the refusal of a module that this one lacks.
    pub richer_tiers: Vec<TierName>,
    /// What the customer grants; empty: whatever the tier has.
    pub granted: BTreeSet<ModuleName>,
}

/// Why a module may not be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleRefusal {
    /// There is none of the name.
    #[error("there is no module \"toolwright:{name}\"{}; there are {}", guess(*.nearest), list_all())]
    Unknown {
        /// What was asked for, cut to a length that can be shown.
        name: String,
        /// The module whose name is the most like it, if one is.
        nearest: Option<&'static str>,
    },
    /// The tier lacks it.
    #[error(
        "\"toolwright:{name}\" is not among the modules of {} (its library_modules are `{}`): {} {}",
        this(.tier.as_ref()), library.as_str(), tiers(.richer_tiers), own(.richer_tiers)
    )]
    Tier {
        /// The module.
        name: &'static str,
        /// The tier.
        tier: Option<TierName>,
        /// What it has.
        library: LibraryModules,
        /// The tiers that have it.
        richer_tiers: Vec<TierName>,
    },
    /// It is not granted.
    #[error(
        "\"toolwright:{name}\" is not among the modules that `grants.modules` names: add \"{name}\" there, or leave it out of the source"
    )]
    NotGranted {
        /// The module.
        name: &'static str,
    },
}

impl LibraryModule {
    /// What it is imported as.
    #[must_use]
    pub fn specifier(&self) -> String {
        format!("{SCHEME}{}", self.name)
    }

    /// Its name, checked. Every name of the catalogue is one.
    pub(crate) fn checked_name(&self) -> Option<ModuleName> {
        self.name.parse().ok()
    }

    /// Whether a tier with `library` has it.
    #[must_use]
    pub fn is_in(&self, library: LibraryModules) -> bool {
        library == LibraryModules::All || self.class == LibraryModules::Basic
    }
}

impl ModuleBounds {
    /// Every module there is: for a source that was taken before.
    #[must_use]
    pub const fn none() -> Self {
        Self { library: LibraryModules::All, tier: None, richer_tiers: Vec::new(), granted: BTreeSet::new() }
    }

    /// The module that is imported as `toolwright:` and `name`, if it may be.
    pub fn admit(&self, name: &str) -> Result<&'static LibraryModule, ModuleRefusal> {
        let module = find(name).ok_or_else(|| ModuleRefusal::Unknown { name: shown(name), nearest: nearest(name) })?;
        let name = module.name;
        if !module.is_in(self.library) {
            let Self { library, tier, richer_tiers, .. } = self.clone();
            return Err(ModuleRefusal::Tier { name, tier, library, richer_tiers });
        }
        if !self.granted.is_empty() && !self.granted.iter().any(|granted| granted.as_str() == name) {
            return Err(ModuleRefusal::NotGranted { name });
        }
        Ok(module)
    }
}

/// The module of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static LibraryModule> {
    LIBRARY.iter().find(|module| module.name == name)
}

/// All of the library: artifacts hold what a module was when they were made, so that a changed one makes them anew (RUN-11).
pub(crate) fn digest() -> Digest {
    digest_of(LIBRARY)
}

fn digest_of(library: &[LibraryModule]) -> Digest {
    Digest::of_parts(library.iter().flat_map(|module| [module.name.as_bytes(), module.source.as_bytes()]))
}

/// The sources of modules by name, as the engine takes them. Names of no module are left out.
pub(crate) fn sources(names: &BTreeSet<ModuleName>) -> BTreeMap<String, &'static str> {
    let found = names.iter().filter_map(|name| find(name.as_str()));
    found.map(|module| (module.specifier(), module.source)).collect()
}

/// Names can be as long as the source: this much of one is shown.
const NAME_CHARS_MAX: usize = 100;

fn shown(name: &str) -> String {
    name.chars().take(NAME_CHARS_MAX).collect()
}

/// Two changes in a short name make it another word.
const CHANGES_MAX: usize = 2;

/// The name that is most like `name`: one begins with the other, or few changes of a letter lead there.
fn nearest(name: &str) -> Option<&'static str> {
    let wanted = name.to_ascii_lowercase();
    if wanted.len() > NAME_CHARS_MAX {
        return None;
    }
    let distance = |module: &&LibraryModule| {
        let flat = |text: &str| text.replace(['-', '_', '.', '/'], "");
        let (a, b) = (flat(&wanted), flat(module.name));
        if a.len() >= 2 && (a.starts_with(&b) || b.starts_with(&a)) { 1 } else { strsim::osa_distance(&a, &b) }
    };
    // Of two that are as near, the one that begins as what was asked for.
    let key =
        |(module, changes): &(&LibraryModule, usize)| (*changes, !module.name.starts_with(wanted.get(..1).unwrap_or_default()));
    let (module, changes) = LIBRARY.iter().map(|module| (module, distance(&module))).min_by_key(key)?;
    (changes <= CHANGES_MAX && changes < wanted.len()).then_some(module.name)
}

fn guess(nearest: Option<&'static str>) -> String {
    nearest.map(|name| format!(": did you mean \"{SCHEME}{name}\"?")).unwrap_or_default()
}

/// All modules, for a refusal: `csv, yaml, ...`.
pub(crate) fn list_all() -> String {
    let names: Vec<&str> = LIBRARY.iter().map(|module| module.name).collect();
    names.join(", ")
}

fn this(tier: Option<&TierName>) -> String {
    tier.map_or_else(|| "this tier".to_owned(), |tier| format!("tier `{tier}`"))
}

fn tiers(richer: &[TierName]) -> String {
    let names: Vec<&str> = richer.iter().map(TierName::as_str).collect();
    match names.as_slice() {
        [] => "no tier".to_owned(),
        [one] => format!("tier `{one}`"),
        many => format!("the tiers `{}`", many.join("`, `")),
    }
}

const fn own(richer: &[TierName]) -> &'static str {
    if richer.len() == 1 || richer.is_empty() { "has it" } else { "have it" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_module_is_another_engine() {
        let mut changed = LIBRARY.to_vec();
        changed[3].source = "export const nothing = 0;";

        assert_ne!(digest_of(LIBRARY), digest_of(&changed));
        assert_ne!(digest_of(LIBRARY), digest_of(&LIBRARY[1..]));
    }

    #[test]
    fn a_name_is_near_to_another_by_few_letters_or_as_its_beginning() {
        for (wanted, near) in
            [("cvs", Some("csv")), ("json_path", Some("json-path")), ("markdwon", Some("markdown")), ("md", None), ("", None)]
        {
            assert_eq!(nearest(wanted), near, "{wanted}");
        }
        assert_eq!(nearest(&"csv".repeat(1000)), None);
    }

    #[test]
    fn the_sources_of_what_is_imported_go_to_the_engine_and_no_others() {
        let names = ["csv", "jwt"].map(|name| name.parse().unwrap()).into();

        assert_eq!(sources(&names).into_keys().collect::<Vec<_>>(), ["toolwright:csv", "toolwright:jwt"]);
    }
}
