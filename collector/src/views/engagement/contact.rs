//! One person: the address to show, when seen, whether unsubscribed, and how engaged.

use serde::{Deserialize, Serialize};

use super::counts;
use crate::log::record::{Class, Entry, Fact};

/// After so many milliseconds an event counts half: 30 days (design, section 7).
const HALF_LIFE_MS: f64 = 30.0 * 24.0 * 60.0 * 60.0 * 1000.0;
/// What events are worth (design, section 7).
const OPEN: f64 = 1.0;
const CLICK: f64 = 3.0;
const PAGE_VIEW: f64 = 0.5;
const CUSTOM_EVENT: f64 = 2.0;
const PURCHASE: f64 = 10.0;
/// The snippet's name for a page view.
const PAGE_VIEWED: &str = "page_viewed";

/// What is known of a person.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Contact {
    /// As it was last spelled; `None` where only tokens have named the contact.
    pub(crate) address: Option<String>,
    /// Of their genuine events, in milliseconds since 1970.
    pub(crate) first_seen: Option<i64>,
    pub(crate) last_seen: Option<i64>,
    /// When they asked for no more mail, the first time.
    pub(crate) unsubscribed_at: Option<i64>,
    pub(crate) score: Score,
    /// The first and the last of their genuine events that can never be taken back: of all but opens
    /// and clicks.
    seen_elsewhere: Option<(i64, i64)>,
}

impl Contact {
    /// Takes an event of theirs in.
    pub(super) fn see(&mut self, entry: &Entry, class: Class, time: i64) {
        if let Some(address) = &entry.address {
            let spelled = address.original.as_ref().unwrap_or(&address.normalised);
            self.address = Some(spelled.0.clone());
        }
        if matches!(entry.fact, Fact::Unsubscribe { .. }) {
            let first = self.unsubscribed_at.unwrap_or(time);
            self.unsubscribed_at = Some(first.min(time));
        }
        // A send is what we did, and a refund or a machine is nobody's doing.
        if matches!(entry.fact, Fact::Send { .. } | Fact::Refund { .. }) || !counts(entry, class) {
            return;
        }
        self.seen(widen(self.first_seen.zip(self.last_seen), (time, time)));
        if !matches!(entry.fact, Fact::Open { .. } | Fact::Click { .. }) {
            self.seen_elsewhere = widen(self.seen_elsewhere, (time, time));
        }
        if let Some(weight) = weight(entry) {
            self.score.add(weight, time);
        }
    }

    /// Takes back clicks that were none of theirs, at these times; `touches` are the first and the
    /// last of the opens and clicks that are left.
    pub(super) fn unsee_clicks(
        &mut self,
        times: impl Iterator<Item = i64>,
        touches: Option<(i64, i64)>,
    ) {
        for time in times {
            self.score.add(-CLICK, time);
        }
        self.seen(match touches {
            Some(touches) => widen(self.seen_elsewhere, touches),
            None => self.seen_elsewhere,
        });
    }

    fn seen(&mut self, span: Option<(i64, i64)>) {
        (self.first_seen, self.last_seen) = span.unzip();
    }
}

/// The span from the first to the last of both.
fn widen(span: Option<(i64, i64)>, (first, last): (i64, i64)) -> Option<(i64, i64)> {
    let (from, to) = span.unwrap_or((first, last));
    Some((from.min(first), to.max(last)))
}

/// Hides who it is.
impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contact")
            .field("score", &self.score)
            .finish_non_exhaustive()
    }
}

fn weight(entry: &Entry) -> Option<f64> {
    match &entry.fact {
        Fact::Open { .. } => Some(OPEN),
        Fact::Click { .. } => Some(CLICK),
        Fact::Track { name, .. } if name == PAGE_VIEWED => Some(PAGE_VIEW),
        Fact::Track { .. } => Some(CUSTOM_EVENT),
        // What a page says of money is not believed.
        Fact::Purchase { .. } if entry.verified => Some(PURCHASE),
        _ => None,
    }
}

/// How engaged somebody is: Σ weight · 2^(−age / half-life), as it was at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Score {
    value: f64,
    /// Milliseconds since 1970; the latest event's.
    at: i64,
}

impl Score {
    /// Adds what happened at `time`; a negative weight takes it back.
    pub(crate) fn add(&mut self, weight: f64, time: i64) {
        if time > self.at {
            self.value = self.value_at(time);
            self.at = time;
        }
        self.value += weight * decay(self.at, time);
    }

    /// When its value is what is stored.
    #[cfg(test)]
    pub(crate) fn at(&self) -> i64 {
        self.at
    }

    /// At a moment no earlier than the latest event.
    pub(crate) fn value_at(&self, time: i64) -> f64 {
        self.value * decay(time, self.at)
    }
}

/// What is left at `now` of 1 at `then`.
fn decay(now: i64, then: i64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "differences of times are far below 2^52 ms"
    )]
    let age = now.saturating_sub(then) as f64;
    (-age / HALF_LIFE_MS).exp2()
}
