//! The library modules that tools import: which a tier has, and which a source may use (TIER-4).

use std::collections::BTreeSet;

use compiler::ModuleBounds;
use domain::{LibraryModules, ModuleName, Tier};

use crate::{App, AppError};

/// What a source of a customer of `tier` may import, if `granted` are the modules that the customer names; none named: all of the tier.
pub(crate) async fn bounds(app: &App, tier: &Tier, granted: &BTreeSet<ModuleName>) -> Result<ModuleBounds, AppError> {
    let library = tier.limits.library_modules;
    let richer_tiers = match library {
        LibraryModules::All => Vec::new(),
        LibraryModules::Basic => {
            let tiers = store::tiers::list(&mut *app.pool.acquire().await?).await?;
            let richer = tiers.into_iter().filter(|tier| tier.limits.library_modules == LibraryModules::All);
            richer.map(|tier| tier.name).collect()
        }
    };
    Ok(ModuleBounds { library, richer_tiers, granted: granted.clone() })
}
