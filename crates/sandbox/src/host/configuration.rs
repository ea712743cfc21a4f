//! What a tool is set up with, for interfaces that do not tell the environment from secrets.

use domain::EnvName;
use egress::Outbound;
use wasmtime::StoreContextMut;

use super::{secrets, values};
use crate::state::GuestState;

/// The value of this name in the environment, else the placeholder of the secret that was granted by that name, or why it cannot be used.
pub(crate) fn configuration(
    guest: &mut StoreContextMut<'_, GuestState>,
    name: &str,
) -> wasmtime::Result<Result<Option<String>, String>> {
    if is_secret(guest, name) {
        return secrets::tell(guest, name).map(|placeholder| placeholder.map(Some));
    }
    values::tell(guest, name).map(Ok)
}

/// Every name that there is something of, in order.
pub(crate) fn configuration_names(guest: &StoreContextMut<'_, GuestState>) -> Vec<String> {
    let secrets = guest.data().outside.outbound.as_ref().map(Outbound::secret_names).unwrap_or_default();
    let mut names: Vec<_> = guest.data().environment.keys().cloned().chain(secrets).map(String::from).collect();
    names.sort();
    names.dedup();
    names
}

fn is_secret(guest: &StoreContextMut<'_, GuestState>, name: &str) -> bool {
    let Ok(name) = name.parse::<EnvName>() else { return false };
    let is_plain = guest.data().environment.contains_key(&name);
    !is_plain && guest.data().outside.outbound.as_ref().is_some_and(|outbound| outbound.secret_names().contains(&name))
}
