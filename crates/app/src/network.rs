//! Whose requests are counted together, where nobody says who they are.

use std::net::IpAddr;

/// What one subscriber has: an address of IPv4, or a network of IPv6, of which they have all addresses (RFC 6177: /64 at least).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// An address of IPv4.
    V4([u8; 4]),
    /// The upper half of an address of IPv6.
    V6([u8; 8]),
}

impl Network {
    /// That of `address`. An address of IPv4 is the same in the form of IPv6.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            // The upper half fits.
            IpAddr::V6(address) => Self::V6(u64::try_from(address.to_bits() >> 64).unwrap_or_default().to_be_bytes()),
        }
    }

    /// What tells it from the others.
    pub(crate) const fn octets(&self) -> &[u8] {
        match self {
            Self::V4(octets) => octets,
            Self::V6(octets) => octets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_of_ipv6_has_one_network_and_many_addresses() {
        let network = |text: &str| Network::of(text.parse().unwrap());

        assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff::2"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
