//! The limits of one key, and what a request takes of them.

use std::time::{Duration, Instant};

use shared::api_key::KeyKind;

use super::addresses::Addresses;
use super::bucket::Bucket;
use super::gauge::{ADDRESS_PART, Gauge, HALF};
use crate::error::limit::{Limit, RateState};
use crate::limits::network::Payer;
use store::meta::Key;

/// Requests per second of a public key, and how many may come at once, unless it was made with
/// `--rate`.
pub(super) const PUBLIC_REQUESTS: (u32, u32) = (1_000, 5_000);
/// Events per second of a public key, likewise.
pub(super) const PUBLIC_EVENTS: (u32, u32) = (10_000, 50_000);
/// Bytes per second of a public key's bodies, inflated, whatever it was made with.
pub(super) const PUBLIC_BYTES: (u32, u32) = (8_000_000, 40_000_000);
/// Addresses that are remembered for each public key: about 300 KB. More share one part.
pub(super) const MAX_ADDRESSES: usize = 2_048;

/// What a request takes. A request with a `--rate` costs its events, and at least one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    pub requests: u32,
    pub events: u32,
    pub bytes: u32,
}

impl Cost {
    pub(super) const REQUEST: Self = Self {
        requests: 1,
        events: 0,
        bytes: 0,
    };

    pub fn events(count: usize) -> Self {
        Self {
            events: u32::try_from(count).unwrap_or(u32::MAX),
            ..Self::default()
        }
    }

    pub fn bytes(count: usize) -> Self {
        Self {
            bytes: u32::try_from(count).unwrap_or(u32::MAX),
            ..Self::default()
        }
    }
}

/// The limits of one key.
pub(super) struct KeyRates {
    /// Whether each event counts against the first gauge, and a request as one at the least.
    counts_events: bool,
    /// Requests, or events of a key with a `--rate`; what the headers tell.
    first: Gauge,
    events: Option<Gauge>,
    bytes: Option<Gauge>,
    /// For each address its parts of these, in this order. Of public keys alone: a secret key is on
    /// few servers, which may use all of it.
    addresses: Option<Addresses<[Bucket; 3]>>,
}

impl KeyRates {
    /// `None` where the key has no limit.
    pub(super) fn of(key: &Key, now: Instant) -> Option<Self> {
        let is_public = key.kind == KeyKind::Public;
        let (first, counts_events) = match key.rate {
            Some(rate) => {
                let quota = (rate.get(), rate.get());
                (Gauge::new(Limit::Events, quota, now), true)
            }
            None if is_public => (Gauge::new(Limit::Requests, PUBLIC_REQUESTS, now), false),
            None => return None,
        };
        Some(Self {
            counts_events,
            first,
            events: (is_public && !counts_events)
                .then(|| Gauge::new(Limit::Events, PUBLIC_EVENTS, now)),
            bytes: is_public.then(|| Gauge::new(Limit::Bytes, PUBLIC_BYTES, now)),
            addresses: is_public.then(|| Addresses::new(MAX_ADDRESSES)),
        })
    }

    /// What a cost comes to on each gauge, given what the request has taken before.
    fn parts(&self, taken: Cost, more: Cost) -> [f64; 3] {
        let first = if self.counts_events {
            let price = |cost: Cost| {
                if cost.requests == 0 {
                    cost.events
                } else {
                    cost.events.max(1)
                }
            };
            let all = Cost {
                requests: taken.requests + more.requests,
                events: taken.events.saturating_add(more.events),
                bytes: 0,
            };
            price(all) - price(taken)
        } else {
            more.requests
        };
        [
            f64::from(first),
            f64::from(more.events),
            f64::from(more.bytes),
        ]
    }

    pub(super) fn take(
        &mut self,
        payer: &Payer,
        taken: Cost,
        more: Cost,
        now: Instant,
    ) -> Result<RateState, (Limit, Duration)> {
        let parts = self.parts(taken, more);
        let before = self.parts(Cost::default(), taken);
        let Self {
            first,
            events,
            bytes,
            addresses,
            ..
        } = self;
        let quotas = [Some(&*first), events.as_ref(), bytes.as_ref()].map(|gauge| {
            gauge
                .map_or(first.quota, |gauge| gauge.quota)
                .part(ADDRESS_PART)
        });
        let mut shares = match (addresses, payer.for_rates()) {
            (Some(addresses), Some(network)) => {
                let full = || quotas.map(|quota| Bucket::full(quota, now));
                addresses.get(network, now, full).each_mut().map(Some)
            }
            _ => [None, None, None],
        };
        let mut gauges = [Some(first), events.as_mut(), bytes.as_mut()];
        // All are asked before any is taken from: who is refused pays nothing.
        let costs = parts.into_iter().zip(before);
        for ((gauge, share), (cost, taken)) in gauges.iter_mut().zip(&mut shares).zip(costs) {
            if let Some(gauge) = gauge
                && cost > 0.0
            {
                gauge.check(share.as_deref_mut(), taken, cost, now)?;
            }
        }
        for ((gauge, share), cost) in gauges.iter_mut().zip(&mut shares).zip(parts) {
            if let Some(gauge) = gauge
                && cost > 0.0
            {
                gauge.take(share.as_deref_mut(), cost, now);
            }
        }
        Ok(self.state())
    }

    pub(super) fn give_back(&mut self, taken: Cost, back: Cost) {
        let left = Cost {
            requests: taken.requests - back.requests,
            events: taken.events - back.events,
            bytes: taken.bytes - back.bytes,
        };
        let parts = self.parts(left, back);
        let gauges = [
            Some(&mut self.first),
            self.events.as_mut(),
            self.bytes.as_mut(),
        ];
        for (gauge, cost) in gauges.into_iter().zip(parts) {
            if let Some(gauge) = gauge {
                gauge.bucket.give_back(gauge.quota, cost);
                gauge.half.give_back(gauge.quota.part(HALF), cost);
            }
        }
    }

    pub(super) fn state(&self) -> RateState {
        let (remaining, reset) = self.first.bucket.state(self.first.quota);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a burst is a u32"
        )]
        let limit = self.first.quota.burst as u32;
        RateState {
            limit,
            remaining,
            reset,
        }
    }
}
