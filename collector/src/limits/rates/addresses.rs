//! What is remembered of addresses: one value for each network, and never more networks than there is
//! room for.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::limits::network::Network;

/// Values that nobody has asked for so long are forgotten where room is needed: every bucket is full
/// again by then.
const IDLE: Duration = Duration::from_secs(10);
/// Looking for idle ones goes through all of them, and is not worth doing more often.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// A bounded map. When it is full, all newcomers share one value.
pub(super) struct Addresses<T> {
    known: HashMap<Network, (T, Instant)>,
    others: Option<T>,
    capacity: usize,
    swept: Option<Instant>,
}

impl<T> Addresses<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            known: HashMap::new(),
            others: None,
            capacity,
            swept: None,
        }
    }

    /// The value of this network; a new one is made where there is none yet.
    pub(super) fn get(
        &mut self,
        network: Network,
        now: Instant,
        make: impl FnOnce() -> T,
    ) -> &mut T {
        if !self.known.contains_key(&network) && !self.has_room(now) {
            return self.others.get_or_insert_with(make);
        }
        let (value, used) = self.known.entry(network).or_insert_with(|| (make(), now));
        *used = now;
        value
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if self.known.len() < self.capacity {
            return true;
        }
        if self.swept.is_some_and(|swept| now < swept + SWEEP_PAUSE) {
            return false;
        }
        self.swept = Some(now);
        self.known
            .retain(|_, (_, used)| now.saturating_duration_since(*used) < IDLE);
        self.known.len() < self.capacity
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn network(number: u32) -> Network {
        Network::of(Ipv4Addr::from_bits(0x0500_0000 + (number << 8)).into())
    }

    #[test]
    fn each_network_has_a_value_of_its_own() {
        let now = Instant::now();
        let mut addresses = Addresses::new(100);
        *addresses.get(network(1), now, || 0) += 5;
        assert_eq!(*addresses.get(network(1), now, || 0), 5);
        assert_eq!(*addresses.get(network(2), now, || 0), 0);
    }

    #[test]
    fn the_map_is_bounded_and_newcomers_share() {
        let now = Instant::now();
        let mut addresses = Addresses::new(100);
        for number in 0..10_000 {
            *addresses.get(network(number), now, || 0) += 1;
        }
        assert_eq!(addresses.known.len(), 100);
        let first = *addresses.get(network(0), now, || 0);
        assert_eq!(first, 1, "who was here stays");
        assert_eq!(*addresses.get(network(20_000), now, || 0), 9_900);
        // Once the others have gone there is room again.
        let later = now + IDLE;
        assert_eq!(*addresses.get(network(20_000), later, || 0), 0);
        assert_eq!(addresses.known.len(), 1);
    }
}
