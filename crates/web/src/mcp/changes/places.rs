//! How many streams are open, by whose they are and where they come from: an idle stream costs its client nothing.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use app::{CallerIdentity, network::Network};

/// Streams of one key on this node: so many people can share one, each with a client or two.
const OF_CALLER_MAX: u32 = 64;
/// Streams of one key that it has whatever others of its network do: a client holds one, and another while it comes again.
const OF_CALLER_SURE: u32 = 2;
/// Streams of one network: an office behind one address, each with a client or two.
const OF_NETWORK_MAX: u32 = 256;
/// Streams of this node, each with a watch and a connection or a part of one.
const OF_NODE_MAX: u32 = 8_192;
/// Of these, those of callers without a key, who can come from as many networks as they like: the rest is for those who have one.
const OF_STRANGERS_MAX: u32 = OF_NODE_MAX / 2;

/// The streams that are open on this node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    total: u32,
    strangers: u32,
    callers: HashMap<Holder, u32>,
    networks: HashMap<Network, u32>,
}

/// Who holds a stream. Whoever calls without a key is told from others by network: none of them takes the places of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    Known(CallerIdentity),
    Unknown(Option<Network>),
}

/// A stream that is open; its place is free when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    holder: Holder,
    network: Option<Network>,
}

/// Why there is no place. The newest stream is refused: those that are open did nothing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The caller has as many as may be.
    Caller,
    /// The network that it calls from has.
    Network,
    /// The server has, or what strangers and guests may have of it.
    Server,
    /// The node has, or what strangers may have of it.
    Node,
}

impl Places {
    /// Takes a place for a caller at an address.
    pub(crate) fn take(&self, caller: CallerIdentity, address: Option<IpAddr>) -> Result<Place, Full> {
        let network = address.map(Network::of);
        let holder = match caller {
            CallerIdentity::Anyone => Holder::Unknown(network),
            known => Holder::Known(known),
        };
        let mut open = self.lock();
        let of_caller = open.callers.get(&holder).copied().unwrap_or_default();
        let is_sure = matches!(holder, Holder::Known(_)) && of_caller < OF_CALLER_SURE;
        let of_network = network.and_then(|network| open.networks.get(&network)).copied().unwrap_or_default();
        let is_stranger = matches!(holder, Holder::Unknown(_));
        if open.total >= OF_NODE_MAX || (is_stranger && open.strangers >= OF_STRANGERS_MAX) {
            return Err(Full::Node);
        }
        if of_caller >= OF_CALLER_MAX {
            return Err(Full::Caller);
        }
        if of_network >= OF_NETWORK_MAX && !is_sure {
            return Err(Full::Network);
        }
        open.total += 1;
        open.strangers += u32::from(is_stranger);
        *open.callers.entry(holder).or_default() += 1;
        if let Some(network) = network {
            *open.networks.entry(network).or_default() += 1;
        }
        drop(open);
        Ok(Place { places: self.clone(), holder, network })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.lock();
        open.total = open.total.saturating_sub(1);
        if matches!(self.holder, Holder::Unknown(_)) {
            open.strangers = open.strangers.saturating_sub(1);
        }
        leave(&mut open.callers, &self.holder);
        if let Some(network) = &self.network {
            leave(&mut open.networks, network);
        }
    }
}

fn leave<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(streams) = counts.get_mut(key) {
        *streams -= 1;
        if *streams == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::ApiKeyId;

    use super::*;

    fn key() -> CallerIdentity {
        CallerIdentity::Key(ApiKeyId::new())
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn each_key_has_places_of_its_own_and_no_more() {
        let places = Places::default();
        let (one, other) = (key(), key());
        let mut taken: Vec<_> = (0..OF_CALLER_MAX).map(|_| places.take(one, None).unwrap()).collect();

        assert_eq!(places.take(one, None).unwrap_err(), Full::Caller);
        assert!(places.take(other, None).is_ok());
        taken.pop();
        assert!(places.take(one, None).is_ok());
        drop(taken);
        let open = places.lock();
        assert!(open.callers.is_empty() && open.networks.is_empty() && open.total == 0);
    }

    #[test]
    fn a_network_has_so_many_and_whoever_is_new_in_it_a_few_all_the_same() {
        let places = Places::default();
        let keys = [key(), key(), key(), key()];
        let mut taken: Vec<_> =
            (0..OF_NETWORK_MAX).map(|index| places.take(keys[index as usize % 4], Some(address(1))).unwrap()).collect();
        let latest = key();

        assert_eq!(places.take(CallerIdentity::Anyone, Some(address(1))).unwrap_err(), Full::Network);
        taken.extend((0..OF_CALLER_SURE).map(|_| places.take(latest, Some(address(1))).unwrap()));
        assert_eq!(places.take(latest, Some(address(1))).unwrap_err(), Full::Network);
        assert!(places.take(latest, Some(address(2))).is_ok());
        drop(taken);
        assert!(places.take(CallerIdentity::Anyone, Some(address(1))).is_ok());
    }

    #[test]
    fn a_node_has_so_many() {
        let places = Places::default();
        let taken: Vec<_> = (0..OF_NODE_MAX).map(|_| places.take(key(), None).unwrap()).collect();

        assert_eq!(places.take(key(), Some(address(1))).unwrap_err(), Full::Node);
        drop(taken);
    }

    #[test]
    fn strangers_leave_half_of_the_node_to_those_who_have_a_key() {
        let places = Places::default();
        let address = |number: u32| Some(IpAddr::from((0xC000_0000 + number / OF_CALLER_MAX).to_be_bytes()));
        let taken: Vec<_> =
            (0..OF_STRANGERS_MAX).map(|number| places.take(CallerIdentity::Anyone, address(number)).unwrap()).collect();

        assert_eq!(places.take(CallerIdentity::Anyone, address(OF_STRANGERS_MAX)).unwrap_err(), Full::Node);
        assert!(places.take(key(), address(0)).is_ok());
        drop(taken);
        assert_eq!(places.lock().strangers, 0);
        assert!(places.take(CallerIdentity::Anyone, address(0)).is_ok());
    }

    #[test]
    fn whoever_is_unknown_does_not_take_the_places_of_all_who_are() {
        let places = Places::default();
        let taken: Vec<_> = (0..OF_CALLER_MAX).map(|_| places.take(CallerIdentity::Anyone, Some(address(1))).unwrap()).collect();

        assert_eq!(places.take(CallerIdentity::Anyone, Some(address(1))).unwrap_err(), Full::Caller);
        assert!(places.take(CallerIdentity::Anyone, Some(address(2))).is_ok());
        drop(taken);
    }
}
