//! Which of a name's addresses may be connected to (SEC-12).

use std::net::{IpAddr, SocketAddr};

use crate::{EgressConfig, HostAndPort, address::special_use};

/// The operator's exceptions, and the platform's own addresses.
#[derive(Debug)]
pub(crate) struct Guard {
    allow_private: Vec<HostAndPort>,
    own_addresses: Vec<SocketAddr>,
}

impl Guard {
    pub(crate) fn new(config: &EgressConfig) -> Self {
        let own_addresses = config.own_addresses.iter().map(|own| SocketAddr::new(own.ip().to_canonical(), own.port()));
        Self { allow_private: config.allow_private.clone(), own_addresses: own_addresses.collect() }
    }

    /// Whether the operator named exactly this destination.
    pub(crate) fn is_allowed(&self, host: &str, port: u16) -> bool {
        self.allow_private.iter().any(|allowed| allowed.host() == host && allowed.port() == port)
    }

    /// Refuses the name if one of its addresses is refused: a name that mixes public and private ones is an attack or a mistake, and the
    /// next answer could be in another order.
    pub(crate) fn check(&self, host: &str, port: u16, addresses: &[IpAddr]) -> Result<(), String> {
        if self.is_allowed(host, port) {
            return Ok(());
        }
        for address in addresses {
            if let Some(what) = special_use(*address) {
                return Err(format!("its name has a special-use address ({what})"));
            }
            if self.is_own(SocketAddr::new(address.to_canonical(), port)) {
                return Err(OWN.to_owned());
            }
        }
        Ok(())
    }

    /// Refuses a connection that came out at this machine: its two ends have one address, whichever that is.
    pub(crate) fn check_ends(&self, host: &str, port: u16, local: IpAddr, remote: IpAddr) -> Result<(), String> {
        if local.to_canonical() == remote.to_canonical() && !self.is_allowed(host, port) { Err(OWN.to_owned()) } else { Ok(()) }
    }

    fn is_own(&self, address: SocketAddr) -> bool {
        self.own_addresses.contains(&address)
    }
}

const OWN: &str = "its name has an address of this platform";

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::new(&EgressConfig {
            allow_private: vec!["home.test:8080".parse().unwrap()],
            own_addresses: vec!["8.8.4.4:443".parse().unwrap()],
            ..EgressConfig::default()
        })
    }

    fn check(host: &str, port: u16, addresses: &[&str]) -> Result<(), String> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        guard().check(host, port, &addresses)
    }

    #[test]
    fn one_special_address_among_public_ones_refuses_the_name() {
        assert_eq!(check("a.test", 443, &["8.8.8.8", "2606:4700:4700::1111"]), Ok(()));
        assert!(check("a.test", 443, &["8.8.8.8", "10.0.0.1"]).is_err());
        assert!(check("a.test", 443, &["2606:4700:4700::1111", "::ffff:127.0.0.1"]).is_err());
    }

    #[test]
    fn an_exception_is_for_one_host_and_one_port() {
        assert_eq!(check("home.test", 8080, &["127.0.0.1"]), Ok(()));
        assert!(check("home.test", 8081, &["127.0.0.1"]).is_err());
        assert!(check("other.home.test", 8080, &["127.0.0.1"]).is_err());
    }

    #[test]
    fn the_platform_itself_is_refused_by_address_and_port() {
        assert!(check("a.test", 443, &["8.8.4.4"]).unwrap_err().contains("platform"));
        assert!(check("a.test", 443, &["::ffff:8.8.4.4"]).unwrap_err().contains("platform"));
        assert_eq!(check("a.test", 8443, &["8.8.4.4"]), Ok(()));
    }

    #[test]
    fn a_connection_from_this_machine_to_itself_is_refused() {
        let (here, there) = ("9.9.9.9".parse().unwrap(), "8.8.8.8".parse().unwrap());

        assert!(guard().check_ends("a.test", 443, here, here).is_err());
        assert_eq!(guard().check_ends("a.test", 443, here, there), Ok(()));
        assert_eq!(guard().check_ends("home.test", 8080, here, here), Ok(()));
    }
}
