//! One person: the address to show, when seen, whether unsubscribed, and how engaged.

use twox_hash::XxHash3_64;

use super::order::TouchKind;
use super::score::{CLICK, CUSTOM_EVENT, OPEN, PAGE_VIEW, PURCHASE, Score, Weight};
use super::tally::is_genuine;
use crate::ledger::suppression::{Cause, Change, change_of};
use crate::record::{Class, Entry, Fact, Source};

/// The snippet's name for a page view.
const PAGE_VIEWED: &str = "page_viewed";

/// What is known of a person.
#[derive(Clone, Default, PartialEq)]
pub struct Contact {
    /// As a server last spelled it, and normalised where only pages have named the contact; `None`
    /// where only tokens have. It lies beside the row, which changes much more often; in a row that was
    /// read for a fold it is what is to be written there.
    pub address: Option<String>,
    /// Tells that spelling from others.
    pub(super) spelling: Option<Spelling>,
    /// Of their genuine events, in milliseconds since 1970.
    pub first_seen: Option<i64>,
    pub last_seen: Option<i64>,
    /// When they asked for no more mail, the first time since it was last lifted.
    pub unsubscribed_at: Option<i64>,
    pub score: Score,
    /// The first and the last of their genuine events that can never be taken back: of all but opens and clicks,
    /// and what browsers did without their address. Within the span of all.
    pub(super) seen_elsewhere: Option<(i64, i64)>,
}

impl Contact {
    /// Takes an event of theirs in.
    pub(super) fn see(&mut self, entry: &Entry, class: Class, time: i64) {
        match &entry.address {
            Some(address) if entry.source() == Source::Server => {
                self.spell(address.spelled_for_contact());
            }
            // Anybody can write into a page: the spelling is not theirs to choose.
            Some(address) if self.spelling.is_none() => self.spell(&address.normalised.0),
            Some(_) | None => {}
        }
        match change_of(&entry.fact) {
            Some(Change::Add(Cause::Unsubscribed)) => {
                let first = self.unsubscribed_at.unwrap_or(time);
                self.unsubscribed_at = Some(first.min(time));
            }
            Some(Change::Lift(None | Some(Cause::Unsubscribed))) => self.unsubscribed_at = None,
            _ => {}
        }
        // A send is what we did, and a refund or a machine is nobody's doing.
        let is_ours = matches!(
            entry.fact,
            Fact::Send { .. }
                | Fact::Told { .. }
                | Fact::Delivery { .. }
                | Fact::Suppress { .. }
                | Fact::Lift { .. }
                | Fact::Amend { .. }
                | Fact::Refund { .. }
                | Fact::Erase { .. }
        );
        if is_ours || !is_genuine(class) {
            return;
        }
        self.set_seen(widen(self.seen(), (time, time)));
        if !matches!(entry.fact, Fact::Open { .. } | Fact::Click { .. }) {
            self.seen_elsewhere = widen(self.seen_elsewhere, (time, time));
        }
        match weight(entry) {
            Some(weight) if entry.source() == Source::Browser => self.score.add_page(weight, time),
            Some(weight) => self.score.add(weight, time),
            None => {}
        }
    }

    /// What an event of theirs adds to their score at a moment (milliseconds since 1970), in points; `class` is its
    /// class by now, `None` of what servers tell.
    #[must_use]
    pub fn points(&self, entry: &Entry, class: Option<Class>, at: i64) -> f64 {
        let is_page = entry.source() == Source::Browser;
        let weight = weight(entry).filter(|_| class.is_none_or(is_genuine) && !entry.redacted);
        let time = super::happened_at(entry);
        weight.map_or(0.0, |weight| self.score.share(weight, is_page, time, at))
    }

    fn spell(&mut self, address: &str) {
        let spelling = Some(Spelling::of(address));
        if self.spelling != spelling {
            self.spelling = spelling;
            self.address = Some(address.to_owned());
        }
    }

    /// Takes in what a browser of theirs did without their address: a genuine event, what it is worth, and whether a
    /// page says so.
    pub(super) fn take_in(&mut self, weight: Option<Weight>, is_page: bool, time: i64) {
        self.set_seen(widen(self.seen(), (time, time)));
        match weight {
            Some(weight) if is_page => self.score.add_page(weight, time),
            Some(weight) => self.score.add(weight, time),
            None => {}
        }
    }

    /// Takes that back, each with its time; `left` as in [`Self::unsee_clicks`].
    pub(super) fn give_away(
        &mut self,
        deeds: impl Iterator<Item = (Option<Weight>, bool, i64)>,
        left: Option<(i64, i64)>,
    ) {
        for (weight, is_page, time) in deeds {
            match weight {
                Some(weight) if is_page => self.score.take_back_page(weight, time),
                Some(weight) => self.score.take_back(weight, time),
                None => {}
            }
        }
        self.set_seen_beside(left);
    }

    /// Takes back clicks that were none of theirs, at these times; `left` are the first and the last of what
    /// can be taken back and is not: opens, clicks, and what their browsers did without their address.
    pub(super) fn unsee_clicks(
        &mut self,
        times: impl Iterator<Item = i64>,
        left: Option<(i64, i64)>,
    ) {
        for time in times {
            self.score.take_back(CLICK, time);
        }
        self.set_seen_beside(left);
    }

    /// Puts right what opens and clicks, each with its time, count for by now and no longer; `left` as in
    /// [`Self::unsee_clicks`].
    pub(super) fn turn(
        &mut self,
        gained: impl Iterator<Item = (TouchKind, i64)>,
        lost: impl Iterator<Item = (TouchKind, i64)>,
        left: Option<(i64, i64)>,
    ) {
        let weight = |kind| match kind {
            TouchKind::Open => OPEN,
            TouchKind::Click => CLICK,
        };
        for (kind, time) in gained {
            self.score.add(weight(kind), time);
        }
        for (kind, time) in lost {
            self.score.take_back(weight(kind), time);
        }
        self.set_seen_beside(left);
    }

    fn set_seen_beside(&mut self, left: Option<(i64, i64)>) {
        self.set_seen(match left {
            Some(left) => widen(self.seen_elsewhere, left),
            None => self.seen_elsewhere,
        });
    }

    /// Of their genuine events the times of the first and the last.
    pub(super) fn seen(&self) -> Option<(i64, i64)> {
        self.first_seen.zip(self.last_seen)
    }

    fn set_seen(&mut self, span: Option<(i64, i64)>) {
        (self.first_seen, self.last_seen) = span.unzip();
    }
}

/// A digest of 32 bits: enough to tell the spellings of one address apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Spelling(pub(super) [u8; 4]);

impl Spelling {
    fn of(address: &str) -> Self {
        let [a, b, c, d, ..] = XxHash3_64::oneshot(address.as_bytes()).to_le_bytes();
        Self([a, b, c, d])
    }
}

/// The span from the first to the last of both.
pub(super) fn widen(span: Option<(i64, i64)>, (first, last): (i64, i64)) -> Option<(i64, i64)> {
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

/// What an event is worth where it is genuine; nothing of those that are nobody's doing.
pub(super) fn weight(entry: &Entry) -> Option<Weight> {
    match &entry.fact {
        Fact::Open { .. } => Some(OPEN),
        Fact::Click { .. } => Some(CLICK),
        Fact::Track { name, .. } if name == PAGE_VIEWED => Some(PAGE_VIEW),
        Fact::Track { .. } => Some(CUSTOM_EVENT),
        // What a page says of money is not believed.
        Fact::Purchase { .. } if entry.is_verified() => Some(PURCHASE),
        _ => None,
    }
}
