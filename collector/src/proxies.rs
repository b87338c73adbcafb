//! Peers that forward requests for others without being trusted: noticed, counted, and told once.
//! Behind a proxy that nobody has named, all visitors come from one address, and nothing else says so.
//! Whose word counts is `client_address`'s.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError, TryLockError};

use http::HeaderMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::client_address::names_a_client;

/// Networks that are remembered. Anybody may write such a header, so that there could be many.
const MAX_NETWORKS: usize = 64;
/// Networks that the log names.
const MAX_TOLD: usize = 16;

/// The untrusted peers that have forwarded requests since the start of the process.
#[derive(Debug, Default)]
pub struct ProxiesSeen(Mutex<BTreeMap<IpNet, u64>>);

impl ProxiesSeen {
    /// Looks whether the peer of this request speaks for somebody else, and is not trusted to.
    pub fn notice(&self, peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) {
        if !names_a_client(headers) {
            return;
        }
        let peer = peer.to_canonical();
        if trusted.iter().any(|network| network.contains(&peer)) {
            return;
        }
        let network = network_of(peer);
        // Counting is not worth waiting for: every request of a proxy comes here.
        let mut seen = match self.0.try_lock() {
            Ok(seen) => seen,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if let Some(requests) = seen.get_mut(&network) {
            *requests += 1;
            return;
        }
        if seen.len() >= MAX_NETWORKS {
            return;
        }
        seen.insert(network, 1);
        let known = seen.len();
        drop(seen);
        if known <= MAX_TOLD {
            tell(network, known == MAX_TOLD);
        }
    }

    /// Each network, and about how many requests it has forwarded: an address of this machine or of a
    /// private network stands alone, others as their /24 or /64.
    pub fn networks(&self) -> Vec<(IpNet, u64)> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .map(|(net, requests)| (*net, *requests))
            .collect()
    }

    /// How many networks there are.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// The peer itself, where its address says nothing about a person; else its network.
fn network_of(peer: IpAddr) -> IpNet {
    let is_ours = match peer {
        IpAddr::V4(peer) => peer.is_loopback() || peer.is_private() || peer.is_link_local(),
        IpAddr::V6(peer) => {
            peer.is_loopback() || peer.is_unique_local() || peer.is_unicast_link_local()
        }
    };
    let whole = match peer {
        _ if is_ours => IpNet::from(peer),
        IpAddr::V4(peer) => Ipv4Net::new_assert(peer, 24).into(),
        IpAddr::V6(peer) => Ipv6Net::new_assert(peer, 64).into(),
    };
    whole.trunc()
}

fn tell(network: IpNet, is_last: bool) {
    let network = if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    };
    tracing::warn!(
        proxy.network = %network,
        "requests from {network} name other clients in X-Forwarded-For or the like, and are not believed: all of them \
         count as one visitor's address, and every scanner among them as a person. If your proxy is there, start \
         with --trusted-proxy {network} and let it set X-Forwarded-For"
    );
    if is_last {
        tracing::warn!(
            "further networks that do so are not named here: misar_untrusted_proxies counts them"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(seen: &ProxiesSeen, peer: &str, header: &'static str) {
        let mut headers = HeaderMap::new();
        headers.insert(header, "203.0.113.9".parse().unwrap());
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        seen.notice(peer.parse().unwrap(), &headers, &trusted);
    }

    #[test]
    fn untrusted_peers_are_counted_by_network_and_trusted_ones_are_not() {
        let seen = ProxiesSeen::default();
        for (peer, header) in [
            ("127.0.0.1", "x-forwarded-for"),
            ("::ffff:127.0.0.1", "x-real-ip"),
            ("192.168.1.7", "forwarded"),
            ("198.51.100.7", "x-forwarded-for"),
            ("198.51.100.8", "x-forwarded-for"),
            ("2001:db8::1:2:3:4", "x-forwarded-for"),
            ("10.1.2.3", "x-forwarded-for"),
            ("198.51.101.1", "user-agent"),
        ] {
            notice(&seen, peer, header);
        }
        let networks = seen.networks();
        let networks: Vec<_> = networks
            .iter()
            .map(|(network, requests)| (network.to_string(), *requests))
            .collect();
        let expected = [
            ("127.0.0.1/32", 2),
            ("192.168.1.7/32", 1),
            ("198.51.100.0/24", 2),
            ("2001:db8::/64", 1),
        ];
        assert_eq!(
            networks,
            expected.map(|(network, count)| (network.to_owned(), count))
        );
    }

    #[test]
    fn strangers_make_no_list_that_grows_for_ever() {
        let seen = ProxiesSeen::default();
        for network in 0..=255 {
            notice(&seen, &format!("198.51.{network}.1"), "x-forwarded-for");
        }
        assert_eq!(seen.count(), MAX_NETWORKS);
    }
}
