//! How much a caller may send: requests, events and bytes of a key, the part of it that one address may
//! take, requests of a session, and what refusals cost. See design.md 4.2, Limits. Not who a caller is
//! (`auth`), nor how much memory bodies may hold (`memory`).
//!
//! Each key has buckets of its own, so nobody's flood takes anything from another key. A request is
//! counted when it begins ([`Rates::begin`]); what it turns out to hold is counted once that is known
//! ([`Ticket::take`]), and an overdraft is refused before anything is recorded, and costs nothing. What
//! a public key's request was refused for in its form is given back to the key ([`Ticket`]) and costs
//! the address that sent it ([`Rates::blame`]): everybody has that key.

mod addresses;
mod bucket;
mod charge;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use shared::api_key::KeyKind;

use crate::error::ApiError;
use crate::error::limit::{Limit, RateState};
use crate::limits::network::{Network, Payer};
use crate::metrics::Metrics;
use addresses::Addresses;
use bucket::{Bucket, Quota};
pub use charge::Charge;
use store::locks::{lock, read, write};
use store::meta::{Key, Session, TokenDigest};

/// Requests per second of a public key, and how many may come at once, unless it was made with
/// `--rate`.
const PUBLIC_REQUESTS: (u32, u32) = (1_000, 5_000);
/// Events per second of a public key, likewise.
const PUBLIC_EVENTS: (u32, u32) = (10_000, 50_000);
/// Bytes per second of a public key's bodies, inflated, whatever it was made with.
const PUBLIC_BYTES: (u32, u32) = (8_000_000, 40_000_000);
/// Requests per second of a session: pages that a person looks at.
const SESSION_REQUESTS: (u32, u32) = (100, 1_000);
/// Requests of one address that are refused for their form or their key, per second. Past them it is
/// told 429, and no large body of it is read.
const REFUSALS: (u32, u32) = (100, 500);
/// The code under which the metric counts what could be read and was refused for what it said.
const MALFORMED: &str = "malformed";
/// Above this part of a key's rate, an address has no more than that part of it.
const HALF: f64 = 2.0;
const ADDRESS_PART: f64 = 10.0;

/// Addresses that are remembered for each public key: about 300 KB. More share one part.
const MAX_ADDRESSES: usize = 2_048;
/// Addresses whose refusals are remembered, over all keys.
const MAX_BLAMED: usize = 16_384;
/// Sessions that are remembered; those whose bucket is full again make room. The store keeps fewer.
const MAX_SESSIONS: usize = 8_192;

/// What a request takes. A request with a `--rate` costs its events, and at least one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    pub requests: u32,
    pub events: u32,
    pub bytes: u32,
}

impl Cost {
    const REQUEST: Self = Self {
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

/// One limit of a key: all of it, half of it to tell when it runs short, and a part for each address.
struct Gauge {
    limit: Limit,
    quota: Quota,
    bucket: Bucket,
    half: Bucket,
}

impl Gauge {
    fn new(limit: Limit, (per_second, burst): (u32, u32), now: Instant) -> Self {
        let quota = Quota::new(per_second, burst);
        Self {
            limit,
            quota,
            bucket: Bucket::full(quota, now),
            half: Bucket::full(quota.part(HALF), now),
        }
    }

    /// Refused with what ran out and how long to wait. `share` is the address' bucket.
    fn check(
        &mut self,
        share: Option<&mut Bucket>,
        taken: f64,
        cost: f64,
        now: Instant,
    ) -> Result<(), (Limit, Duration)> {
        let wait = self.bucket.wait(self.quota, now, taken, cost);
        if !wait.is_zero() {
            return Err((self.limit, wait));
        }
        let half = self.quota.part(HALF);
        let runs_short = !self.half.wait(half, now, taken, cost).is_zero();
        if let Some(share) = share
            && runs_short
        {
            let wait = share.wait(self.quota.part(ADDRESS_PART), now, taken, cost);
            if !wait.is_zero() {
                return Err((Limit::Address, wait));
            }
        }
        Ok(())
    }

    fn take(&mut self, share: Option<&mut Bucket>, cost: f64, now: Instant) {
        self.bucket.take(cost);
        self.half.drain(self.quota.part(HALF), now, cost);
        if let Some(share) = share {
            share.drain(self.quota.part(ADDRESS_PART), now, cost);
        }
    }
}

/// The limits of one key.
struct KeyRates {
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
    fn of(key: &Key, now: Instant) -> Option<Self> {
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

    fn take(
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

    fn give_back(&mut self, taken: Cost, back: Cost) {
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

    fn state(&self) -> RateState {
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

/// The limits of one key, and the `--rate` that they were made for: it can be changed.
#[derive(Clone)]
struct Known {
    rate: Option<NonZeroU32>,
    rates: Arc<Mutex<KeyRates>>,
}

/// All limits that are counted: one entry for each key that has one, and bounded maps of sessions and
/// addresses.
pub struct Rates {
    /// By the key's id.
    keys: RwLock<HashMap<String, Known>>,
    sessions: Mutex<HashMap<TokenDigest, Bucket>>,
    refusals: Mutex<Addresses<Bucket>>,
    metrics: Arc<Metrics>,
}

impl Rates {
    pub fn new(metrics: Metrics) -> Self {
        Self {
            keys: RwLock::default(),
            sessions: Mutex::default(),
            refusals: Mutex::new(Addresses::new(MAX_BLAMED)),
            metrics: Arc::new(metrics),
        }
    }

    /// Counts a request of a key as it begins; `None` where the key has no limit.
    ///
    /// # Errors
    /// 429.
    pub fn begin(&self, key: &Key, payer: Payer) -> Result<Option<Ticket>, ApiError> {
        let Some(rates) = self.of(key) else {
            return Ok(None);
        };
        let mut ticket = Ticket {
            rates,
            payer,
            taken: Cost::default(),
            returns: key.kind == KeyKind::Public,
            metrics: Arc::clone(&self.metrics),
        };
        ticket.take(Cost::REQUEST)?;
        Ok(Some(ticket))
    }

    /// Counts a request that is over with that, such as a read.
    ///
    /// # Errors
    /// 429.
    pub fn count(&self, key: &Key) -> Result<(), ApiError> {
        if let Some(ticket) = self.begin(key, Payer::NOBODY)? {
            ticket.keep();
        }
        Ok(())
    }

    /// Counts a request that shows a session's cookie: against the session's rate, and against the key's
    /// that opened it.
    ///
    /// # Errors
    /// 429.
    pub fn count_session(&self, digest: &TokenDigest, session: &Session) -> Result<(), ApiError> {
        if let Some(key) = &session.key {
            self.count(key)?;
        }
        self.count_session_at(digest, Instant::now())
    }

    fn count_session_at(&self, session: &TokenDigest, now: Instant) -> Result<(), ApiError> {
        let quota = Quota::new(SESSION_REQUESTS.0, SESSION_REQUESTS.1);
        let mut sessions = lock(&self.sessions);
        if sessions.len() >= MAX_SESSIONS && !sessions.contains_key(session) {
            sessions.retain(|_, bucket| {
                bucket.drain(quota, now, 0.0);
                bucket.state(quota).0 < SESSION_REQUESTS.1
            });
            if sessions.len() >= MAX_SESSIONS {
                // No store keeps so many sessions: these are of sessions that have ended.
                sessions.clear();
            }
        }
        let bucket = sessions
            .entry(*session)
            .or_insert_with(|| Bucket::full(quota, now));
        let wait = bucket.wait(quota, now, 0.0, 1.0);
        if wait.is_zero() {
            bucket.take(1.0);
            return Ok(());
        }
        Err(limited(
            &self.metrics,
            Limit::Session,
            wait,
            SESSION_REQUESTS.1,
        ))
    }

    /// Lets an address pay for a request that was refused for its form or its key, and says 429 instead
    /// of the reason where it has had too many.
    pub fn blame(&self, payer: &Payer, reason: ApiError) -> ApiError {
        if !reason.is_senders_fault() {
            return reason;
        }
        self.metrics.count_refused_request(reason.code());
        match payer.for_rates() {
            Some(network) => {
                let wait = self.blame_at(network, Instant::now());
                if wait.is_zero() {
                    reason
                } else {
                    limited(&self.metrics, Limit::Refusals, wait, REFUSALS.1)
                }
            }
            None => reason,
        }
    }

    /// The same of a request whose body may not all have come.
    pub fn blame_unread(&self, payer: &Payer, reason: ApiError) -> ApiError {
        match reason {
            ApiError::Unread(reason) => self.blame(payer, *reason).unread(),
            reason => self.blame(payer, reason),
        }
    }

    /// The same for a request that has been answered.
    fn note_refusal(&self, payer: &Payer) {
        self.metrics.count_refused_request(MALFORMED);
        if let Some(network) = payer.for_rates() {
            self.blame_at(network, Instant::now());
        }
    }

    fn blame_at(&self, network: Network, now: Instant) -> Duration {
        let quota = Quota::new(REFUSALS.0, REFUSALS.1);
        let mut refusals = lock(&self.refusals);
        let bucket = refusals.get(network, now, || Bucket::full(quota, now));
        let wait = bucket.wait(quota, now, 0.0, 1.0);
        bucket.drain(quota, now, 1.0);
        wait
    }

    /// Refuses to read a large body of an address that has had too much refused.
    ///
    /// # Errors
    /// 429.
    pub fn may_send_large(&self, payer: &Payer) -> Result<(), ApiError> {
        let Some(network) = payer.for_rates() else {
            return Ok(());
        };
        let (quota, now) = (Quota::new(REFUSALS.0, REFUSALS.1), Instant::now());
        let mut refusals = lock(&self.refusals);
        let bucket = refusals.get(network, now, || Bucket::full(quota, now));
        let wait = bucket.wait(quota, now, 0.0, 1.0);
        if wait.is_zero() {
            Ok(())
        } else {
            Err(limited(&self.metrics, Limit::Refusals, wait, REFUSALS.1))
        }
    }

    fn of(&self, key: &Key) -> Option<Arc<Mutex<KeyRates>>> {
        if let Some(known) = read(&self.keys).get(&key.id)
            && known.rate == key.rate
        {
            return Some(Arc::clone(&known.rates));
        }
        let rates = Arc::new(Mutex::new(KeyRates::of(key, Instant::now())?));
        let mut keys = write(&self.keys);
        let made = Known {
            rate: key.rate,
            rates,
        };
        let known = keys.entry(key.id.clone()).or_insert_with(|| made.clone());
        if known.rate != key.rate {
            *known = made;
        }
        Some(Arc::clone(&known.rates))
    }
}

/// One request of a limited key: what it has taken. Unless it is kept, a public key gets that back when
/// the ticket is dropped, because the request was refused.
pub struct Ticket {
    rates: Arc<Mutex<KeyRates>>,
    payer: Payer,
    taken: Cost,
    /// Whether a refusal costs the key nothing.
    returns: bool,
    metrics: Arc<Metrics>,
}

impl Ticket {
    /// Takes more, or nothing.
    ///
    /// # Errors
    /// 429.
    pub fn take(&mut self, more: Cost) -> Result<(), ApiError> {
        let mut rates = lock(&self.rates);
        let taken = rates.take(&self.payer, self.taken, more, Instant::now());
        match taken {
            Ok(_) => {
                self.taken.requests += more.requests;
                self.taken.events = self.taken.events.saturating_add(more.events);
                self.taken.bytes = self.taken.bytes.saturating_add(more.bytes);
                Ok(())
            }
            Err((limit, wait)) => {
                let burst = rates.state().limit;
                Err(limited(&self.metrics, limit, wait, burst))
            }
        }
    }

    /// Gives the key back what refused events of it had taken, where that is not its holder's fault.
    pub fn give_back_events(&mut self, count: usize) {
        let back = Cost {
            events: Cost::events(count).events.min(self.taken.events),
            ..Cost::default()
        };
        if self.returns && back.events > 0 {
            lock(&self.rates).give_back(self.taken, back);
            self.taken.events -= back.events;
        }
    }

    pub fn state(&self) -> RateState {
        lock(&self.rates).state()
    }

    /// The request is well-formed: what it took stays taken.
    pub fn keep(mut self) {
        self.returns = false;
    }

    /// The request was refused for its rate: who comes again must not find less than before.
    pub fn give_back(mut self) {
        self.returns = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.returns {
            lock(&self.rates).give_back(self.taken, self.taken);
        }
    }
}

fn limited(metrics: &Metrics, limit: Limit, wait: Duration, burst: u32) -> ApiError {
    metrics.count_rate_limited(limit);
    // Rounded up: who comes a moment too early is refused again.
    let seconds = u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX);
    ApiError::RateLimited {
        retry_after: seconds.max(1),
        limit: burst,
        what: limit,
    }
}

#[cfg(test)]
mod tests;
