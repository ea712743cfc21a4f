//! What a version may do outside: the hosts it was granted, the secrets it may use there, as much as its customer's tier allows (SEC-11).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{CustomerId, EnvName, Grants, HostPattern, LimitExceeded, LimitName, Precedence, Tier};
use egress::{Bounds, GrantedSecret, Outbound, Permission};

use crate::{App, CallerSecrets, catalogue::ServedTool, secrets::OpenSecret};

/// What `grants` let a version of `customer` do, with the secrets that there are. One that has no value yet is missing here, and the tool is
/// told so when it asks for it.
pub(crate) fn permission(customer: CustomerId, grants: &Grants, secrets: &BTreeMap<EnvName, OpenSecret>) -> Permission {
    let granted = grants.secrets.iter().filter_map(|(name, hosts)| {
        let secret = secrets.get(name)?;
        Some((name.clone(), GrantedSecret { value: secret.value.clone(), hosts: narrow(hosts, &secret.hosts) }))
    });
    Permission::new(customer.as_uuid().as_u128(), grants.hosts.clone(), granted.collect())
        .with_names_from_caller(grants.from_caller.keys().cloned().collect())
}

/// The secrets that callers may bring for a version, each with the hosts that may receive it: not those that its owner has set, unless the version
/// says that the caller's counts before the owner's.
pub(crate) fn from_callers(grants: &Grants, secrets: &BTreeMap<EnvName, OpenSecret>) -> BTreeMap<EnvName, Vec<HostPattern>> {
    let counts = |name: &EnvName, precedence: Precedence| precedence == Precedence::Caller || !secrets.contains_key(name);
    let counting = grants.from_caller.iter().filter(|(name, precedence)| counts(name, **precedence));
    counting.filter_map(|(name, _)| Some((name.clone(), grants.secrets.get(name)?.clone()))).collect()
}

/// What one call of a version may do outside: with what its caller brought, it is the call's own, and goes with it.
pub(crate) fn of_call(tool: &ServedTool, secrets: &CallerSecrets) -> Arc<Permission> {
    if secrets.is_empty() {
        return Arc::clone(&tool.permission);
    }
    let brought = tool.from_callers.iter().filter_map(|(name, hosts)| {
        let value = secrets.find(name)?.clone();
        Some((name.clone(), GrantedSecret { value, hosts: hosts.clone() }))
    });
    let brought: BTreeMap<_, _> = brought.collect();
    if brought.is_empty() { Arc::clone(&tool.permission) } else { Arc::new(tool.permission.for_caller(brought)) }
}

/// The names of what a call uses of what its caller brought.
pub(crate) fn names_brought(tool: &ServedTool, secrets: &CallerSecrets) -> BTreeSet<EnvName> {
    tool.from_callers.keys().filter(|name| secrets.find(name).is_some()).cloned().collect()
}

/// One call's way out; none for a version that was granted nothing of the outside. A tier that allows fewer hosts than it did when the version
/// was put is believed now (TIER-1).
pub(crate) fn open(
    app: &App,
    tool: &ServedTool,
    permission: &Arc<Permission>,
    tier: &Tier,
) -> Result<Option<Outbound>, LimitExceeded> {
    let limits = &tier.limits;
    if tool.granted_hosts == 0 {
        // There is no secret without a host.
        return Ok(None);
    }
    if tool.granted_hosts > limits.granted_hosts_max as usize {
        let value = limits.granted_hosts_max.into();
        return Err(LimitExceeded { limit: LimitName::GrantedHostsMax, value, tier: tier.name.clone() });
    }
    // The call may still wait for a slot of the node; its own deadline counts from there, and ends it.
    let longest_ms = u64::from(limits.wall_ms_max) + u64::from(limits.queue_wait_ms_max);
    let deadline = Instant::now() + Duration::from_millis(longest_ms);
    let bounds = Bounds { egress_bytes_max: limits.egress_bytes_max, deadline };
    Ok(Some(app.egress.open(Arc::clone(permission), bounds)))
}

/// The hosts that both the grant and the secret's own bound mean; a secret without a bound goes wherever the grant says.
fn narrow(granted: &[HostPattern], bound: &[HostPattern]) -> Vec<HostPattern> {
    if bound.is_empty() {
        return granted.to_vec();
    }
    let common = |one: &HostPattern, other: &HostPattern| {
        if other.covers(one) {
            Some(one.clone())
        } else if one.covers(other) {
            Some(other.clone())
        } else {
            None
        }
    };
    granted.iter().flat_map(|one| bound.iter().filter_map(move |other| common(one, other))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(texts: &[&str]) -> Vec<HostPattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_secret_goes_where_its_grant_and_its_own_bound_agree() {
        for (granted, bound, both) in [
            (["a.test.com"].as_slice(), [].as_slice(), ["a.test.com"].as_slice()),
            (&["*.test.com"], &["a.test.com"], &["a.test.com"]),
            (&["a.test.com"], &["*.test.com"], &["a.test.com"]),
            (&["a.test.com", "b.test.com"], &["b.test.com", "c.test.com"], &["b.test.com"]),
            (&["a.test.com"], &["b.test.com"], &[]),
            (&["*.test.com"], &["test.com"], &[]),
        ] {
            assert_eq!(narrow(&hosts(granted), &hosts(bound)), hosts(both), "{granted:?} {bound:?}");
        }
    }
}
