//! Which addresses are no part of the public Internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of IPv4 addresses, and what it is for.
type Block4 = (Ipv4Addr, u32, &'static str);
/// A block of IPv6 addresses, and what it is for.
type Block6 = (Ipv6Addr, u32, &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

/// The address that starts with these groups and goes on with noughts.
const fn v6([first, second, third, fourth]: [u16; 4]) -> Ipv6Addr {
    Ipv6Addr::new(first, second, third, fourth, 0, 0, 0, 0)
}

/// IANA's registry of special-purpose addresses of IPv4 (RFC 6890), multicast (RFC 5771), and what clouds use inside public space.
const BLOCKS_V4: [Block4; 20] = [
    (v4(0, 0, 0, 0), 8, "this network"),
    (v4(10, 0, 0, 0), 8, "a private network"),
    (v4(100, 64, 0, 0), 10, "shared by a provider's customers"),
    (v4(127, 0, 0, 0), 8, "this machine"),
    // The machine that answers on 169.254.169.254 knows a cloud's credentials.
    (v4(169, 254, 0, 0), 16, "link-local"),
    (v4(172, 16, 0, 0), 12, "a private network"),
    (v4(192, 0, 0, 0), 24, "protocol assignments"),
    (v4(192, 0, 2, 0), 24, "documentation"),
    (v4(192, 31, 196, 0), 24, "a sink of name queries"),
    (v4(192, 52, 193, 0), 24, "multicast tunnels"),
    (v4(192, 88, 99, 0), 24, "6to4 relays"),
    (v4(192, 168, 0, 0), 16, "a private network"),
    (v4(192, 175, 48, 0), 24, "a sink of name queries"),
    (v4(198, 18, 0, 0), 15, "benchmarks"),
    (v4(198, 51, 100, 0), 24, "documentation"),
    (v4(203, 0, 113, 0), 24, "documentation"),
    (v4(224, 0, 0, 0), 4, "multicast"),
    (v4(240, 0, 0, 0), 4, "reserved"),
    (v4(255, 255, 255, 255), 32, "broadcast"),
    // Public by its number, but Azure's machines find their host there.
    (v4(168, 63, 129, 16), 32, "a cloud's own service"),
];

/// IANA's registry of special-purpose addresses of IPv6, without those that hold an IPv4 address.
const BLOCKS_V6: [Block6; 14] = [
    (v6([0x64, 0xff9b, 1, 0]), 48, "local translation to IPv4"),
    (v6([0x100, 0, 0, 0]), 64, "discard only"),
    (v6([0x100, 0, 0, 1]), 64, "a dummy prefix"),
    (v6([0x2001, 0, 0, 0]), 32, "Teredo tunnels"),
    (v6([0x2001, 0, 0, 0]), 23, "protocol assignments"),
    (v6([0x2001, 0xdb8, 0, 0]), 32, "documentation"),
    (v6([0x2002, 0, 0, 0]), 16, "6to4 tunnels"),
    (v6([0x2620, 0x4f, 0x8000, 0]), 48, "a sink of name queries"),
    (v6([0x3fff, 0, 0, 0]), 20, "documentation"),
    (v6([0x5f00, 0, 0, 0]), 16, "segment routing"),
    (v6([0xfc00, 0, 0, 0]), 7, "a private network"),
    (v6([0xfe80, 0, 0, 0]), 10, "link-local"),
    (v6([0xfec0, 0, 0, 0]), 10, "site-local"),
    (v6([0xff00, 0, 0, 0]), 8, "multicast"),
];

/// What is special about `address`; `None` if it is an ordinary public one. An IPv4 address inside an IPv6 one is judged by itself where the
/// network would take the packet to it, and refused where only a tunnel would.
pub(crate) fn special_use(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_use_v4(address),
        IpAddr::V6(address) => special_use_v6(address),
    }
}

fn special_use_v4(address: Ipv4Addr) -> Option<&'static str> {
    let within = |(start, length, _): &&Block4| (address.to_bits() ^ start.to_bits()).checked_shr(32 - length).unwrap_or(0) == 0;
    BLOCKS_V4.iter().find(within).map(|(_, _, what)| *what)
}

fn special_use_v6(address: Ipv6Addr) -> Option<&'static str> {
    let within = |(start, length, _): &&Block6| (address.to_bits() ^ start.to_bits()).checked_shr(128 - length).unwrap_or(0) == 0;
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => return Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => return Some("this machine"),
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => return special_use_v4(embedded(high, low)),
        [0, ..] => return Some("reserved"),
        // ISATAP (RFC 5214, section 6.1): the interface's half says which IPv4 host gets the packet.
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] if special_use_v4(embedded(high, low)).is_some() => {
            return Some("a tunnel to a special IPv4 address");
        }
        _ => {}
    }
    // Beyond 2000::/3 nothing is given out for general use (RFC 4291, section 2.4).
    let is_global_unicast = address.segments()[0] >> 13 == 1;
    BLOCKS_V6.iter().find(within).map(|(_, _, what)| *what).or((!is_global_unicast).then_some("reserved"))
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_last_of_each_special_block_are_known() {
        for (start, length, what) in BLOCKS_V4 {
            let last = Ipv4Addr::from_bits(start.to_bits() | u32::MAX.checked_shr(length).unwrap_or(0));
            assert!(special_use(start.into()).is_some() && special_use(last.into()).is_some(), "{what}");
        }
        for (start, length, what) in BLOCKS_V6 {
            let last = Ipv6Addr::from_bits(start.to_bits() | u128::MAX.checked_shr(length).unwrap_or(0));
            assert!(special_use(start.into()).is_some() && special_use(last.into()).is_some(), "{what}");
        }
    }

    #[test]
    fn every_special_address_is_known() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "100:0:0:1::1",
            "200::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:0808:0808::1",
            "2620:4f:8000::1",
            "2a00:1450::5efe:a00:1",
            "2a00:1450::200:5efe:127.0.0.1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(special_use(text.parse().unwrap()).is_some(), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_ordinary() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00:1450::5efe:8.8.8.8",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(special_use(text.parse().unwrap()), None, "{text}");
        }
    }
}
