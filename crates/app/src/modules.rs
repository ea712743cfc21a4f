//! The library modules that tools import: which a tier has, and which a source may use (TIER-4).

use std::collections::BTreeSet;

use compiler::{LIBRARY, LibraryModule, ModuleBounds, ModuleRefusal};
use domain::{LibraryModules, ModuleName, Tier};

use crate::{
    App, AppError, Caller,
    access::{self, Operation},
    catalogue::ServedTool,
    tiers,
};

/// A module, as the caller has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleView {
    /// The module.
    pub module: &'static LibraryModule,
    /// Whether the caller's tier has it.
    pub is_available: bool,
}

/// Every library module, by name. There are few of them: no pages.
pub async fn list(app: &App, caller: &Caller) -> Result<Vec<ModuleView>, AppError> {
    let customer = access::require_customer(caller, Operation::ListModules)?;
    let tier = tiers::of_customer(app, customer).await?;
    let view = |module: &'static LibraryModule| ModuleView { module, is_available: module.is_in(tier.limits.library_modules) };
    Ok(LIBRARY.iter().map(view).collect())
}

/// One of `imported` that not every tier has.
pub(crate) fn find_richer(imported: &BTreeSet<ModuleName>) -> Option<&'static LibraryModule> {
    let mut found = imported.iter().filter_map(|name| compiler::modules::find(name.as_str()));
    found.find(|module| !module.is_in(LibraryModules::Basic))
}

/// That `tier` has what the tool imports. A tier that has less than it had when the version was put is believed now (TIER-1).
pub(crate) fn check(tool: &ServedTool, tier: &Tier) -> Result<(), AppError> {
    match tool.richer_module {
        Some(module) if !module.is_in(tier.limits.library_modules) => Err(AppError::invalid(format!(
            "the tool `{}` imports \"{}\", which tier `{}` does not have (its library_modules are `{}`): take a tier with all modules, or \
             put the tool without it",
            tool.interface.name,
            module.specifier(),
            tier.name,
            tier.limits.library_modules.as_str()
        ))),
        _ => Ok(()),
    }
}

/// What a source of a customer of `tier` may import, if `granted` are the modules that the customer names; none named: all of the tier.
pub(crate) async fn bounds(app: &App, tier: &Tier, granted: &BTreeSet<ModuleName>) -> Result<ModuleBounds, AppError> {
    for name in granted {
        // What the source imports is checked where it is read; a grant of what there is not helps nobody.
        if let Err(unknown @ ModuleRefusal::Unknown { .. }) = ModuleBounds::none().admit(name.as_str()) {
            return Err(AppError::invalid(format!("`grants.modules` cannot be given: {unknown}")));
        }
    }
    let library = tier.limits.library_modules;
    let richer_tiers = match library {
        LibraryModules::All => Vec::new(),
        LibraryModules::Basic => {
            let tiers = store::tiers::list(&mut *app.pool.acquire().await?).await?;
            let richer = tiers.into_iter().filter(|tier| tier.limits.library_modules == LibraryModules::All);
            richer.map(|tier| tier.name).collect()
        }
    };
    Ok(ModuleBounds { library, tier: Some(tier.name.clone()), richer_tiers, granted: granted.clone() })
}
