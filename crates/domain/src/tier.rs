//! Tiers: what a customer pays for.

use serde::{Deserialize, Serialize};

use crate::{Limits, names};

names::checked_name! {
    /// The name of a tier, such as `free`: 1 to 32 of `a-z`, `0-9`, `_` and `-`, beginning with a letter.
    TierName, "tier name", 32, names::is_lower_identifier,
    "1 to 32 of a-z, 0-9, _ and -, beginning with a letter"
}

/// A tier and its limits: one row of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// Its name.
    pub name: TierName,
    /// What its customers may use.
    pub limits: Limits,
}
