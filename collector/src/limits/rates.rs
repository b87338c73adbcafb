//! How much a caller may send: requests, events and bytes of a key, the part of it that one address may
//! take, requests of a session, and what refusals cost. Not who a caller is (`auth`), nor how much memory
//! bodies may hold (`memory`).
//!
//! Each key has buckets of its own, so nobody's flood takes anything from another key. A request is
//! counted when it begins ([`Rates::begin`]); what it turns out to hold is counted once that is known
//! ([`Ticket::take`]), and an overdraft is refused before anything is recorded, and costs nothing. What
//! a public key's request was refused for in its form is given back to the key ([`Ticket`]) and costs
//! the address that sent it ([`Rates::blame`]): everybody has that key.

mod addresses;
mod bucket;
mod charge;
mod gauge;
mod of_key;

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
pub use of_key::Cost;
use of_key::KeyRates;
use store::locks::{lock, read, write};
use store::meta::{Key, Session, TokenDigest};

/// Requests per second of a session: pages that a person looks at.
const SESSION_REQUESTS: (u32, u32) = (100, 1_000);
/// Requests of one address that are refused for their form or their key, per second. Past them it is
/// told 429, and no large body of it is read.
const REFUSALS: (u32, u32) = (100, 500);
/// The code under which the metric counts what could be read and was refused for what it said.
const MALFORMED: &str = "malformed";
/// Addresses whose refusals are remembered, over all keys.
const MAX_BLAMED: usize = 16_384;
/// Sessions that are remembered; those whose bucket is full again make room. The store keeps fewer.
const MAX_SESSIONS: usize = 8_192;

/// The limits of one key, and the `--rate` that they were made for: it can be changed.
#[derive(Clone)]
struct KeyLimits {
    rate: Option<NonZeroU32>,
    rates: Arc<Mutex<KeyRates>>,
}

/// All limits that are counted: one entry for each key that has one, and bounded maps of sessions and
/// addresses.
pub struct Rates {
    /// By the key's id.
    keys: RwLock<HashMap<String, KeyLimits>>,
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
        let made = KeyLimits {
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
        let taken = self.try_take(more);
        taken.map_err(|(limit, wait)| self.limited(limit, wait))
    }

    /// Takes a portion of what goes on for long, as if it were a request of its own, or nothing: then answers how long
    /// to wait for it.
    ///
    /// # Errors
    /// 429 where that is longer than `patience`.
    pub fn take_portion(
        &mut self,
        portion: Cost,
        patience: Duration,
    ) -> Result<Option<Duration>, ApiError> {
        let before = std::mem::take(&mut self.taken);
        match self.try_take(portion) {
            Ok(()) => Ok(None),
            Err((_, wait)) if wait <= patience => {
                self.taken = before;
                Ok(Some(wait))
            }
            Err((limit, wait)) => Err(self.limited(limit, wait)),
        }
    }

    /// Takes more, or nothing: then which limit holds it back, and how long.
    fn try_take(&mut self, more: Cost) -> Result<(), (Limit, Duration)> {
        let mut rates = lock(&self.rates);
        rates.take(&self.payer, self.taken, more, Instant::now())?;
        self.taken.requests += more.requests;
        self.taken.events = self.taken.events.saturating_add(more.events);
        self.taken.bytes = self.taken.bytes.saturating_add(more.bytes);
        Ok(())
    }

    fn limited(&self, limit: Limit, wait: Duration) -> ApiError {
        limited(&self.metrics, limit, wait, self.state().limit)
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
