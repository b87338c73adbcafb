//! Who shares a limit by address: the network that a client's address lies in, and whose address says
//! nothing about who sends. Not how the address is found (`client_address`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderMap;
use http::request::Parts;
use ipnet::IpNet;

use crate::client_address::{Peer, client_address, names_a_client};

/// The network of a client: the first 24 bits of an IPv4 address, the first 48 of an IPv6 one. Who has a
/// /48 has every /56 and /64 in it, so that what it may take is what each of them may; and a single
/// IPv6 address says nothing, since each customer of a provider has 2^64 of them or more.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(u128);

impl Network {
    const NONE: Self = Self(0);

    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            // As the IPv6 address that it is mapped to.
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits() >> 8 << 8,
            IpAddr::V6(v6) => v6.to_bits() >> 80 << 80,
        })
    }
}

/// Hides the address: it is somebody's.
impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network[redacted]")
    }
}

/// Who sends a request, as far as limits by address go.
#[derive(Clone, Copy, Debug)]
pub struct Payer {
    network: Network,
    is_private: bool,
    forwards: bool,
}

impl Payer {
    /// Whom no limit by address is for.
    pub const NOBODY: Self = Self {
        network: Network::NONE,
        is_private: true,
        forwards: false,
    };

    pub fn of(parts: &Parts, trusted: &[IpNet]) -> Self {
        // The server puts the peer into every request.
        let peer = parts
            .extensions
            .get::<Peer>()
            .map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0.ip());
        Self::behind(peer, &parts.headers, trusted)
    }

    fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let address = client_address(peer, headers, trusted);
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
        Self {
            network: Network::of(address),
            // A proxy that does not say for whom it speaks stands for many, too.
            is_private: is_private(address) || is_trusted(address),
            forwards: !is_trusted(peer.to_canonical()) && names_a_client(headers),
        }
    }

    /// The network whose share of a rate this request takes; `None` where one address stands for many
    /// people: on this machine, in a private network, or behind a proxy that nobody has named with
    /// `--trusted-proxy`.
    pub fn for_rates(&self) -> Option<Network> {
        (!self.is_private && !self.forwards).then_some(self.network)
    }

    /// The network whose share of memory a body takes. A header that anybody can send frees nobody
    /// here.
    pub fn for_memory(&self) -> Option<Network> {
        (!self.is_private).then_some(self.network)
    }
}

/// Addresses that many may stand behind and that no stranger on the internet has: loopback, private
/// and link-local ones, and those between a provider and its customers (RFC 6598).
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_unspecified()
                || is_shared
        }
        IpAddr::V6(v6) => {
            v6 == Ipv6Addr::LOCALHOST
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_unspecified()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Network {
        Network::of(address.parse().unwrap())
    }

    fn payer(peer: &str, forwarded: Option<&str>) -> Payer {
        let mut headers = HeaderMap::new();
        if let Some(value) = forwarded {
            headers.insert("x-forwarded-for", value.parse().unwrap());
        }
        let trusted = [
            "10.0.0.0/8".parse().unwrap(),
            "192.0.2.0/24".parse().unwrap(),
        ];
        Payer::behind(peer.parse().unwrap(), &headers, &trusted)
    }

    #[test]
    fn neighbours_of_a_24_are_one_network_and_the_next_24_is_another() {
        assert_eq!(network("203.0.113.7"), network("203.0.113.200"));
        assert_eq!(network("203.0.113.7"), network("::ffff:203.0.113.9"));
        assert_ne!(network("203.0.113.7"), network("203.0.114.7"));
    }

    #[test]
    fn all_of_a_48_is_one_network() {
        let one = network("2001:db8:1:ab12::1");
        for other in [
            "2001:db8:1:ab12:ffff::2",
            "2001:db8:1:ab13::1",
            "2001:db8:1::",
        ] {
            assert_eq!(one, network(other));
        }
        assert_ne!(one, network("2001:db8:2:ab12::1"));
    }

    #[test]
    fn who_stands_for_many_has_no_share_of_a_rate() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(payer(address, None).for_rates().is_none(), "{address}");
            assert!(payer(address, None).for_memory().is_none(), "{address}");
        }
        assert!(payer("203.0.113.7", None).for_rates().is_some());
        assert!(payer("2001:db8::1", None).for_rates().is_some());
    }

    #[test]
    fn behind_a_trusted_proxy_the_client_counts_and_behind_another_nobody_does() {
        let trusted = payer("10.0.0.1", Some("203.0.113.7"));
        assert_eq!(trusted.for_rates(), Some(network("203.0.113.7")));
        assert_eq!(payer("192.0.2.1", None).for_memory(), None);
        let stranger = payer("198.51.100.1", Some("203.0.113.7"));
        assert_eq!(stranger.for_rates(), None);
        // The memory of bodies knows no such way out.
        let share = Some(network("198.51.100.1"));
        assert_eq!(stranger.for_memory(), share);
    }

    #[test]
    fn debug_shows_no_address() {
        let shown = format!("{:?}", network("203.0.113.7"));
        assert!(!shown.contains("203"), "{shown}");
    }
}
