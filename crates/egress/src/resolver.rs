//! Names to addresses.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    Resolver as Hickory, TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
};

use crate::StartError;

/// A name with more addresses than this is cut: nobody tries them all.
const ADDRESSES_MAX: usize = 16;
/// Answers kept, for as long as they say, and no longer than this.
const CACHE_ENTRIES_MAX: u64 = 8192;
const CACHE_TTL_MAX: Duration = Duration::from_mins(5);
const THIS_MACHINE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);
const TRY_FOR: Duration = Duration::from_secs(3);

/// Asks the operator's name servers, or the system's.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    hickory: TokioResolver,
}

impl Resolver {
    pub(crate) fn new(nameservers: &[SocketAddr]) -> Result<Self, StartError> {
        let provider = TokioRuntimeProvider::default();
        let with = |servers: &[SocketAddr]| {
            let servers = servers.iter().map(name_server).collect();
            Hickory::builder_with_config(ResolverConfig::from_name_servers(servers), provider.clone())
        };
        let mut builder = if nameservers.is_empty() {
            // Without the system's settings this machine itself is asked, as libc does (resolv.conf(5)).
            Hickory::builder(provider.clone()).unwrap_or_else(|_| with(&[THIS_MACHINE]))
        } else {
            let mut builder = with(nameservers);
            builder.options_mut().use_hosts_file = ResolveHosts::Never;
            builder
        };
        bound(builder.options_mut());
        Ok(Self { hickory: builder.build().map_err(|error| StartError::Resolver(error.to_string()))? })
    }

    /// All addresses of `host`, of both families; never none.
    pub(crate) async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        // With a dot at its end, so that no search domain is tried: what was granted is this name.
        let found = self.hickory.lookup_ip(format!("{host}.")).await.map_err(|error| reason(&error))?;
        let addresses: Vec<IpAddr> = found.iter().collect();
        if addresses.is_empty() { Err("it has no address".to_owned()) } else { Ok(addresses) }
    }
}

/// The first of each family in turn (RFC 8305, section 4), so that a family that does not work costs one attempt.
pub(crate) fn in_order(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let mut ordered = Vec::new();
    while ordered.len() < ADDRESSES_MAX {
        let (one, two) = (v6.next(), v4.next());
        if one.is_none() && two.is_none() {
            break;
        }
        ordered.extend(one.into_iter().chain(two));
    }
    ordered
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = vec![with_port(ConnectionConfig::udp()), with_port(ConnectionConfig::tcp())];
    NameServerConfig::new(address.ip(), true, connections)
}

fn bound(options: &mut ResolverOpts) {
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.cache_size = CACHE_ENTRIES_MAX;
    options.positive_max_ttl = Some(CACHE_TTL_MAX);
    options.negative_max_ttl = Some(Duration::from_secs(10));
    options.timeout = options.timeout.min(TRY_FOR);
    options.attempts = options.attempts.min(2);
}

fn reason(error: &NetError) -> String {
    if error.is_no_records_found() || error.is_nx_domain() {
        "there is no such name, or it has no address".to_owned()
    } else {
        match error {
            NetError::Timeout => "the name servers do not answer".to_owned(),
            _ => "the name servers give no usable answer".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let addresses = ["1.1.1.1", "1.1.1.2", "1.1.1.3", "2606::1"].map(|text| text.parse().unwrap()).to_vec();

        let ordered: Vec<String> = in_order(addresses).iter().map(ToString::to_string).collect();

        assert_eq!(ordered, ["2606::1", "1.1.1.1", "1.1.1.2", "1.1.1.3"]);
        assert!(in_order(vec!["1.1.1.1".parse().unwrap(); 100]).len() <= ADDRESSES_MAX);
    }
}
