//! Whose an address is: networks of mail filters, and Google's image proxy. The data file says
//! where each comes from, and which were left out on purpose.

use std::net::IpAddr;
use std::sync::LazyLock;

use ipnet::IpNet;

use super::ranges::{Ranges, RangesBuilder};

/// Who is behind an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KnownNetwork {
    /// Filters mail, and no mailbox is read from there.
    Scanner,
    /// Filters mail, but isolated browsers of people are there too.
    ProbableScanner,
    /// Google's image proxy: readers and prefetch alike.
    GmailProxy,
}

const NETWORKS: &str = include_str!("../../data/networks.txt");

/// In the order in which they count.
static TABLES: LazyLock<[(KnownNetwork, Ranges); 3]> = LazyLock::new(|| {
    [
        (KnownNetwork::Scanner, "certain"),
        (KnownNetwork::ProbableScanner, "probable"),
        (KnownNetwork::GmailProxy, "gmail"),
    ]
    .map(|(network, certainty)| (network, read(certainty)))
});

/// The network that an address is in; an IPv4 address in IPv6 clothes is the IPv4 address.
pub(super) fn find(address: IpAddr) -> Option<KnownNetwork> {
    TABLES
        .iter()
        .find(|(_, ranges)| ranges.contains(address))
        .map(|(network, _)| *network)
}

fn read(certainty: &str) -> Ranges {
    let mut ranges = RangesBuilder::default();
    for line in NETWORKS.lines() {
        let mut cells = line.split(' ');
        if cells.next() == Some(certainty) {
            let network: IpNet = cells
                .next()
                .and_then(|cell| cell.parse().ok())
                .unwrap_or_else(|| panic!("data/networks.txt: not a network: {line}"));
            ranges.add(network);
        }
    }
    ranges.build()
}
