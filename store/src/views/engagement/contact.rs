//! One person: the address to show, when seen, whether unsubscribed, and how engaged.

use twox_hash::XxHash3_64;

use super::order::TouchKind;
use super::score::{Kind, Score};
use super::tally::is_genuine;
use crate::ledger::suppression::{Cause, Change, change_of};
use crate::record::{Class, Entry, Fact, Scoring, Source, WorkspaceId};

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
    /// By which the score goes: not in the row, but the workspace's.
    pub scoring: Scoring,
    /// The workspace, where that has other rules of scoring than the usual ones; and by what contacts are sorted
    /// then, which the row says by itself under the usual ones alone.
    pub(super) own_rules: Option<(WorkspaceId, f64)>,
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
        match kind_of(entry) {
            Some(kind) if entry.source() == Source::Browser => self.score.add_page(kind, time),
            Some(kind) => self.score.add(kind, time, &self.scoring),
            None => {}
        }
    }

    /// What an event of theirs adds to their score at a moment (milliseconds since 1970), in points; `class` is its
    /// class by now, `None` of what servers tell.
    #[must_use]
    pub fn points(&self, entry: &Entry, class: Option<Class>, at: i64) -> f64 {
        let is_page = entry.source() == Source::Browser;
        let kind = kind_of(entry).filter(|_| class.is_none_or(is_genuine) && !entry.redacted);
        let time = super::happened_at(entry);
        kind.map_or(0.0, |kind| {
            self.score.share(kind, is_page, time, at, &self.scoring)
        })
    }

    /// The score at a moment no earlier than the latest event (milliseconds since 1970), in points.
    #[must_use]
    pub fn score_at(&self, at: i64) -> f64 {
        self.score.value_at(at, &self.scoring)
    }

    /// Has the score go by these rules, and the row say so.
    pub(super) fn go_by(&mut self, workspace: WorkspaceId, scoring: Scoring) {
        self.scoring = scoring;
        self.own_rules = (scoring != Scoring::USUAL).then_some((workspace, f64::NEG_INFINITY));
    }

    /// What contacts of a workspace are sorted by; see [`Score::height`].
    pub(super) fn height(&self) -> f64 {
        self.score.height(&self.scoring)
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
    pub(super) fn take_in(&mut self, kind: Option<Kind>, is_page: bool, time: i64) {
        self.set_seen(widen(self.seen(), (time, time)));
        match kind {
            Some(kind) if is_page => self.score.add_page(kind, time),
            Some(kind) => self.score.add(kind, time, &self.scoring),
            None => {}
        }
    }

    /// Takes that back, each with its time; `left` as in [`Self::unsee_clicks`].
    pub(super) fn give_away(
        &mut self,
        deeds: impl Iterator<Item = (Option<Kind>, bool, i64)>,
        left: Option<(i64, i64)>,
    ) {
        for (kind, is_page, time) in deeds {
            match kind {
                Some(kind) if is_page => self.score.take_back_page(kind, time),
                Some(kind) => self.score.take_back(kind, time, &self.scoring),
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
            self.score.take_back(Kind::Click, time, &self.scoring);
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
        let kind_of = |kind| match kind {
            TouchKind::Open => Kind::Open,
            TouchKind::Click => Kind::Click,
        };
        for (kind, time) in gained {
            self.score.add(kind_of(kind), time, &self.scoring);
        }
        for (kind, time) in lost {
            self.score.take_back(kind_of(kind), time, &self.scoring);
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

/// As what an event is weighed where it is genuine; nothing of those that are nobody's doing.
pub(super) fn kind_of(entry: &Entry) -> Option<Kind> {
    match &entry.fact {
        Fact::Open { .. } => Some(Kind::Open),
        Fact::Click { .. } => Some(Kind::Click),
        Fact::Track { name, .. } if name == PAGE_VIEWED => Some(Kind::PageView),
        Fact::Track { .. } => Some(Kind::Custom),
        // What a page says of money is not believed.
        Fact::Purchase { .. } if entry.is_verified() => Some(Kind::Purchase),
        _ => None,
    }
}
