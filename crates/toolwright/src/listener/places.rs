//! Places for connections: so many on the node, and so many from one network, so that one address cannot take them all.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use app::network::Network;

use crate::configuration::Http;

/// The connections that are open.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max: usize,
    of_network_max: usize,
    /// Proxies stand for many: their connections count for the node alone.
    proxies: Vec<web::Network>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    /// Networks with a connection: never more than there are places.
    networks: HashMap<Network, usize>,
}

/// A connection's place; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    network: Option<Network>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// As many are open as may be.
    Node,
    /// As many of this network are open as may be.
    Network,
}

impl Places {
    pub(super) fn new(settings: &Http) -> Self {
        Self(Arc::new(Shared {
            max: settings.connections_max,
            of_network_max: settings.network_connections_max,
            proxies: settings.trusted_proxies.clone(),
            open: Mutex::default(),
        }))
    }

    /// Takes a place for a connection from `peer`.
    pub(super) fn take(&self, peer: IpAddr) -> Result<Place, Full> {
        let peer = peer.to_canonical();
        let is_proxy = self.0.proxies.iter().any(|proxies| proxies.has(peer));
        let network = (!is_proxy).then(|| Network::of(peer));
        let mut open = self.lock();
        if open.total >= self.0.max {
            return Err(Full::Node);
        }
        if let Some(network) = network {
            let of_network = open.networks.entry(network).or_default();
            if *of_network >= self.0.of_network_max {
                return Err(Full::Network);
            }
            *of_network += 1;
        }
        open.total += 1;
        drop(open);
        Ok(Place { places: self.clone(), network })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.lock();
        open.total = open.total.saturating_sub(1);
        let Some(network) = self.network else { return };
        if let Some(of_network) = open.networks.get_mut(&network) {
            *of_network -= 1;
            if *of_network == 0 {
                open.networks.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::tests::settings;

    fn places(connections_max: usize, network_connections_max: usize) -> Places {
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        Places::new(&Http { trusted_proxies, connections_max, network_connections_max, ..settings() })
    }

    fn take(places: &Places, peer: &str) -> Result<Place, Full> {
        places.take(peer.parse().unwrap())
    }

    #[test]
    fn one_network_cannot_take_all_places() {
        let places = places(5, 2);
        let taken: Vec<_> = ["192.0.2.1", "::ffff:192.0.2.1"].map(|peer| take(&places, peer).unwrap()).into();

        assert_eq!(take(&places, "192.0.2.1").unwrap_err(), Full::Network);
        let others: Vec<_> = ["2001:db8::1", "2001:db8::2"].map(|peer| take(&places, peer).unwrap()).into();
        assert_eq!(take(&places, "2001:db8::3").unwrap_err(), Full::Network, "one subscriber has all of a /64");
        let last = take(&places, "192.0.2.2").unwrap();
        assert_eq!(take(&places, "192.0.2.3").unwrap_err(), Full::Node);

        drop((taken, others, last));
        assert!(places.lock().networks.is_empty() && places.lock().total == 0);
    }

    #[test]
    fn a_proxy_of_ours_stands_for_many() {
        let places = places(4, 1);
        let taken: Vec<_> = (0..4).map(|_| take(&places, "10.1.2.3").unwrap()).collect();

        assert_eq!(take(&places, "10.1.2.3").unwrap_err(), Full::Node);
        drop(taken);
    }
}
