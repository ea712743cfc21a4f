//! What one served version of a tool may do outside, and how much of it one call may do.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, OnceLock},
    time::Instant,
};

use domain::{EnvName, GrantedHost, HostPattern};
use secrecy::SecretString;

use crate::{SecretError, secrets::Masker};

/// What a version was granted, with the values of its secrets. Made once per served version and shared by its calls.
pub struct Permission {
    owner: u128,
    hosts: Vec<GrantedHost>,
    secrets: BTreeMap<EnvName, GrantedSecret>,
    masker: OnceLock<Option<Arc<Masker>>>,
    has_breaker: bool,
    /// Names of secrets that callers may bring, for the text of an error.
    from_caller: BTreeSet<EnvName>,
    /// Whether connections that it used may be used by others of the owner.
    shares_connections: bool,
}

/// One secret of a version.
#[derive(Clone)]
pub struct GrantedSecret {
    /// Its value.
    pub value: SecretString,
    /// The hosts that may receive it, whichever port and scheme of theirs is granted.
    pub hosts: Vec<HostPattern>,
}

/// How far one call may go.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes sent and received together, at most: see [`crate::Outbound::bytes`] for what is counted.
    pub egress_bytes_max: u64,
    /// When everything of the call ends.
    pub deadline: Instant,
}

impl Permission {
    /// `owner` is the customer, as any number that is no other's: breakers, connections and places are kept apart by it.
    #[must_use]
    pub const fn new(owner: u128, hosts: Vec<GrantedHost>, secrets: BTreeMap<EnvName, GrantedSecret>) -> Self {
        Self {
            owner,
            hosts,
            secrets,
            masker: OnceLock::new(),
            has_breaker: true,
            from_caller: BTreeSet::new(),
            shares_connections: true,
        }
    }

    /// Callers may bring the secrets of these names: whoever asks for one that nobody has set is told so.
    #[must_use]
    pub fn with_names_from_caller(self, names: BTreeSet<EnvName>) -> Self {
        Self { from_caller: names, ..self }
    }

    /// The same for one call, with secrets that its caller brought; they count before those of their names. What was connected for it is used by
    /// no other call: a host may take a connection for the one whose credential came over it.
    #[must_use]
    pub fn for_caller(&self, brought: BTreeMap<EnvName, GrantedSecret>) -> Self {
        let mut secrets = self.secrets.clone();
        secrets.extend(brought);
        Self {
            owner: self.owner,
            hosts: self.hosts.clone(),
            secrets,
            masker: OnceLock::new(),
            has_breaker: self.has_breaker,
            from_caller: self.from_caller.clone(),
            shares_connections: false,
        }
    }

    /// Nothing may be reached, no secret is there.
    #[must_use]
    pub const fn none(owner: u128) -> Self {
        Self::new(owner, Vec::new(), BTreeMap::new())
    }

    /// No breaker stands before its hosts, but for what the operator says: for requests that anybody can cause to any address, with whose failures
    /// they could shut a host for everybody. Whoever makes it bounds them itself.
    #[must_use]
    pub fn without_breaker(self) -> Self {
        Self { has_breaker: false, ..self }
    }

    /// `text` without values of its secrets.
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.masker().map_or(Cow::Borrowed(text), |masker| Cow::Owned(masker.mask_text(text).into_owned()))
    }

    pub(crate) const fn has_breaker(&self) -> bool {
        self.has_breaker
    }

    pub(crate) const fn shares_connections(&self) -> bool {
        self.shares_connections
    }

    pub(crate) const fn owner(&self) -> u128 {
        self.owner
    }

    pub(crate) fn hosts(&self) -> &[GrantedHost] {
        &self.hosts
    }

    /// The secret of a name that the tool was granted and that has a value.
    pub(crate) fn secret(&self, name: &EnvName) -> Result<&GrantedSecret, SecretError> {
        self.secrets.get(name).ok_or_else(|| {
            if self.from_caller.contains(name) {
                SecretError::NotBrought(name.clone())
            } else {
                SecretError::Unknown(name.clone())
            }
        })
    }

    pub(crate) fn secret_names(&self) -> Vec<EnvName> {
        self.secrets.keys().cloned().collect()
    }

    /// What finds the values of all secrets; made at the first use, since many versions never answer with anything.
    pub(crate) fn masker(&self) -> Option<Arc<Masker>> {
        self.masker.get_or_init(|| Masker::of_secrets(&self.secrets).map(Arc::new)).clone()
    }
}

impl GrantedSecret {
    pub(crate) fn may_go_to(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Permission").field("hosts", &self.hosts).field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

impl fmt::Debug for GrantedSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("GrantedSecret").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}
