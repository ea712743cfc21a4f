//! Secrets that a caller brings along for one request (SEC-7): for tools that act for whoever calls them, not for their owner.
//!
//! They go from the door to the call's own way out, and nowhere else: no row, no snapshot, no journal and no other call ever has them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use domain::EnvName;
use secrecy::SecretString;

/// The secrets of one request, by the names that its server's tools take them under.
#[derive(Debug, Clone, Default)]
pub struct CallerSecrets(Option<Arc<BTreeMap<EnvName, SecretString>>>);

impl CallerSecrets {
    /// Of one request: as many as one tool may have.
    pub const COUNT_MAX: usize = domain::Grants::SECRETS_MAX;
    /// Of one value: a long token fits, and all of them stay below what a head may have.
    pub const VALUE_BYTES_MAX: usize = 8 * 1024;

    /// Those of a request; the door has checked their names, number and size.
    #[must_use]
    pub fn new(values: BTreeMap<EnvName, SecretString>) -> Self {
        Self(Some(values).filter(|values| !values.is_empty()).map(Arc::new))
    }

    /// The value that was brought under a name.
    pub(crate) fn find(&self, name: &EnvName) -> Option<&SecretString> {
        self.0.as_ref()?.get(name)
    }

    /// Whether there are none, as in most requests.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The first of `names` that was not brought.
    pub(crate) fn find_missing<'a>(&self, names: &'a BTreeSet<EnvName>) -> Option<&'a EnvName> {
        names.iter().find(|name| self.find(name).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_no_text_of_them() {
        let secrets = CallerSecrets::new([("KEY".parse().unwrap(), "s3cret".into())].into());

        let text = format!("{secrets:?}");

        assert!(text.contains("KEY") && !text.contains("s3cret"), "{text}");
    }
}
