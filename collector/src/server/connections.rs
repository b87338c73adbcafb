//! Open connections, and who holds how many: above half of all, one network has no more than a tenth.
//! As with rates, loopback, private networks and trusted proxies are exempt: many stand behind them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use ipnet::IpNet;

use crate::limits::network::{Network, is_private};
use store::locks::lock;

/// Above so many of all the part of a network counts.
const HALF: usize = 2;
const PART: usize = 10;

pub(super) struct Connections {
    most: usize,
    trusted: Vec<IpNet>,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    all: usize,
    /// Of networks that are not exempt; none that has none.
    networks: HashMap<Network, usize>,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TurnedAway {
    Full,
    Network,
}

impl Connections {
    pub(super) fn new(most: usize, trusted: Vec<IpNet>) -> Self {
        Self {
            most,
            trusted,
            open: Arc::default(),
        }
    }

    /// A permit for a connection of this peer.
    pub(super) fn take(&self, peer: IpAddr) -> Result<ConnectionPermit, TurnedAway> {
        let peer = peer.to_canonical();
        let is_exempt =
            is_private(peer) || self.trusted.iter().any(|network| network.contains(&peer));
        let network = (!is_exempt).then(|| Network::of(peer));
        let mut open = lock(&self.open);
        if open.all >= self.most {
            return Err(TurnedAway::Full);
        }
        if let Some(network) = network {
            let held = open.networks.get(&network).copied().unwrap_or(0);
            if open.all >= self.most / HALF && held >= self.most / PART {
                return Err(TurnedAway::Network);
            }
            open.networks.insert(network, held + 1);
        }
        open.all += 1;
        Ok(ConnectionPermit {
            network,
            open: Arc::clone(&self.open),
        })
    }
}

/// The permit of one connection; given back when it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    network: Option<Network>,
    open: Arc<Mutex<Open>>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open")
            .field("all", &self.all)
            .finish_non_exhaustive()
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.all -= 1;
        if let Some(network) = self.network
            && let Some(held) = open.networks.get_mut(&network)
        {
            *held -= 1;
            if *held == 0 {
                open.networks.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> Connections {
        Connections::new(100, vec!["198.51.100.0/24".parse().unwrap()])
    }

    /// Opens connections until one is refused.
    fn fill(connections: &Connections, peer: &str) -> (Vec<ConnectionPermit>, TurnedAway) {
        let mut permits = Vec::new();
        loop {
            match connections.take(peer.parse().unwrap()) {
                Ok(permit) => permits.push(permit),
                Err(refused) => return (permits, refused),
            }
        }
    }

    #[test]
    fn one_network_takes_half_and_the_next_ones_a_tenth() {
        let connections = connections();
        let (first, refused) = fill(&connections, "203.0.113.7");
        assert_eq!((first.len(), refused), (50, TurnedAway::Network));
        let (second, refused) = fill(&connections, "203.0.114.7");
        assert_eq!((second.len(), refused), (10, TurnedAway::Network));
        let (third, _) = fill(&connections, "2001:db8::1");
        assert_eq!(third.len(), 10);
        drop(first);
        let (again, _) = fill(&connections, "203.0.113.9");
        assert_eq!(again.len(), 30);
    }

    #[test]
    fn who_stands_for_many_may_take_all() {
        for peer in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3", "198.51.100.9"] {
            let connections = connections();
            let (permits, refused) = fill(&connections, peer);
            assert_eq!((permits.len(), refused), (100, TurnedAway::Full), "{peer}");
        }
    }

    #[test]
    fn nothing_is_remembered_of_who_has_gone() {
        let connections = connections();
        drop(fill(&connections, "203.0.113.7"));
        let open = lock(&connections.open);
        assert!(open.all == 0 && open.networks.is_empty());
    }
}
