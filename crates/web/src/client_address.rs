//! From where a request came: what tries are counted by.

use std::{
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

use http::{HeaderMap, request::Parts};

/// The address at the other end of a request's connection. The listener puts it into the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

/// A network of proxies, such as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// Leading bits that count.
    prefix: u8,
}

/// Why a text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a network is an address, or an address, a slash and the number of its leading bits that count")]
pub struct ParseNetworkError;

/// Addresses of `X-Forwarded-For` that are looked at: a client can write as many as it likes in front of them.
const HOPS_MAX: usize = 16;

/// The address of whoever sent a request: the other end of its connection, or, where that is a proxy of ours, the last address that a proxy
/// of ours wrote down. What stands before that was written by the client, who may write anything.
pub(crate) fn of(parts: &Parts, trusted: &[Network]) -> IpAddr {
    let peer = parts.extensions.get::<PeerAddress>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0).to_canonical();
    let is_ours = |address: &IpAddr| trusted.iter().any(|network| network.has(*address));
    let mut nearest = peer;
    for hop in forwarded_for(&parts.headers).take(HOPS_MAX) {
        let (true, Some(hop)) = (is_ours(&nearest), hop) else { break };
        nearest = hop;
    }
    nearest
}

/// The addresses of `X-Forwarded-For`, the last one first; what is no address ends them.
fn forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let fields = headers.get_all("x-forwarded-for").into_iter().filter_map(|field| field.to_str().ok()).collect::<Vec<_>>();
    fields
        .into_iter()
        .rev()
        .flat_map(|field| field.rsplit(','))
        .map(|hop| hop.trim().parse().ok().map(|hop: IpAddr| hop.to_canonical()))
}

impl Network {
    /// Whether an address is one of it.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        let same = |ours: &[u8], theirs: &[u8]| {
            ours.iter().zip(theirs).enumerate().all(|(index, (one, other))| {
                let bits = usize::from(self.prefix).saturating_sub(index * 8).min(8);
                let mask = u8::try_from(0xff00_u16 >> bits & 0xff).unwrap_or(0xff);
                one & mask == other & mask
            })
        };
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => same(&ours.octets(), &theirs.octets()),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => same(&ours.octets(), &theirs.octets()),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, ParseNetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| ParseNetworkError)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), str::parse).map_err(|_| ParseNetworkError)?;
        if prefix <= bits { Ok(Self { address, prefix }) } else { Err(ParseNetworkError) }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn from(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut request = Request::new(());
        request.extensions_mut().insert(PeerAddress(peer.parse().unwrap()));
        for field in forwarded {
            request.headers_mut().append("x-forwarded-for", field.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        of(&request.into_parts().0, &trusted).to_string()
    }

    #[test]
    fn only_a_proxy_of_ours_is_believed() {
        assert_eq!(from("192.0.2.1", &["198.51.100.7"], &[]), "192.0.2.1");
        assert_eq!(from("192.0.2.1", &["198.51.100.7"], &["10.0.0.0/8"]), "192.0.2.1");
        assert_eq!(from("10.1.2.3", &["198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
        assert_eq!(from("::ffff:10.1.2.3", &["198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
    }

    #[test]
    fn what_a_client_writes_itself_does_not_count() {
        assert_eq!(from("10.1.2.3", &["203.0.113.9, 198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
        assert_eq!(from("10.1.2.3", &["203.0.113.9", "198.51.100.7, 10.9.9.9"], &["10.0.0.0/8"]), "198.51.100.7");
        assert_eq!(from("10.1.2.3", &["203.0.113.9, nonsense"], &["10.0.0.0/8"]), "10.1.2.3");
        assert_eq!(from("2001:db8::1", &["2001:db8:ff::2"], &["2001:db8::/64"]), "2001:db8:ff::2");
    }

    #[test]
    fn a_network_is_cut_at_any_bit() {
        let network: Network = "192.0.2.64/26".parse().unwrap();

        for (address, inside) in [("192.0.2.64", true), ("192.0.2.127", true), ("192.0.2.128", false), ("192.0.2.63", false)] {
            assert_eq!(network.has(address.parse().unwrap()), inside, "{address}");
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0.0/", "x/8", "::/129"] {
            assert_eq!(wrong.parse::<Network>(), Err(ParseNetworkError), "{wrong}");
        }
        assert_eq!("0.0.0.0/0".parse::<Network>().map(|all| all.has("203.0.113.9".parse().unwrap())), Ok(true));
    }
}
