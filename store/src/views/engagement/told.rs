//! A message whose real time of sending is told: its opens and clicks are judged anew, from the class
//! that each window of time would give them, and whatever follows from those classes is put right.

use std::collections::{BTreeMap, BTreeSet};

use shared::ids::MessageId;

use super::Fold;
use super::hits::{Hit, What};
use super::message::Message;
use super::order::Touched;
use super::rows::{encode, key};
use super::tally::is_genuine;
use crate::record::{Class, ContactId, Entry, WorkspaceId};
use crate::views::view::Happening;

/// A class and its reason.
pub(super) type Judged = (Class, String);

/// What changes for one contact.
#[derive(Default)]
struct Turned {
    /// Kind and time of what counts now and did not.
    gained: Vec<Touched>,
    /// And of what counted and does not now.
    lost: Vec<Touched>,
}

impl Fold<'_> {
    /// The class of an event by what has been told so far.
    pub(super) fn judged(
        &mut self,
        happening: &Happening<'_>,
        first: Class,
        time: i64,
    ) -> Result<Class, redb::Error> {
        let Happening { seq, entry, .. } = *happening;
        let (Some(timing), Some(message_id)) = (entry.told_by.timing(), entry.fact.message_id())
        else {
            return Ok(first);
        };
        let row = key(entry.workspace, &[message_id.as_str().as_bytes()]);
        let Some(told_at) = self.messages.get(row)?.told_at else {
            return Ok(first);
        };
        let (class, reason) = timing.class_at(time.saturating_sub(told_at));
        self.note_judged(seq.0, entry, (class, reason.to_owned()))?;
        Ok(class)
    }

    /// Remembers a class that is not the one on record.
    fn note_judged(&mut self, seq: u64, entry: &Entry, judged: Judged) -> Result<(), redb::Error> {
        if entry.told_by.class() != Some(&judged) {
            self.rejudged.insert(&seq.to_be_bytes(), &encode(&judged)?);
        }
        Ok(())
    }

    /// It is told when a message left.
    pub(super) fn told(
        &mut self,
        happening: &Happening<'_>,
        contact: Option<ContactId>,
    ) -> Result<(), redb::Error> {
        let entry = happening.entry;
        let workspace = entry.workspace;
        let Some(message_id) = entry.fact.message_id().map(MessageId::as_str) else {
            return Ok(());
        };
        let row = key(workspace, &[message_id.as_bytes()]);
        if self.messages.get(row)?.told_at.is_some() {
            return Ok(());
        }
        let told_at = entry.time.as_millis();
        let hits = self.hits.of(workspace, message_id)?;
        let judged: Vec<Option<Judged>> = hits.iter().map(|(_, hit)| hit.judged(told_at)).collect();
        let mut in_burst = BTreeSet::new();
        self.message(workspace, message_id, |message| {
            message.learn(entry, contact);
            message.told_at = Some(told_at);
            message.note_ahead(entry.received_at.as_millis());
            in_burst = message.count_again(&hits, &judged);
        })?;
        let mut turned: BTreeMap<ContactId, Turned> = BTreeMap::new();
        for ((seq, mut hit), judged) in hits.into_iter().zip(judged) {
            let was_in_burst = self.relabelled.remove(&seq.to_be_bytes())?.is_some();
            let was = is_genuine(hit.class) && !was_in_burst;
            if let (Some(judged), Some((_, reason))) = (judged, hit.timing.take()) {
                if judged != (hit.class, reason) {
                    self.rejudged.insert(&seq.to_be_bytes(), &encode(&judged)?);
                }
                hit.class = judged.0;
            }
            if in_burst.contains(&seq) {
                self.relabelled.insert(&seq.to_be_bytes(), &[]);
            }
            let is = is_genuine(hit.class) && !in_burst.contains(&seq);
            self.hits.put(workspace, message_id, seq, &hit)?;
            let (Some(contact), Some(kind)) = (hit.contact.filter(|_| is != was), hit.kind())
            else {
                continue;
            };
            let touched = Touched {
                kind,
                time: hit.time,
                seq,
            };
            let turned = turned.entry(contact).or_default();
            if is {
                turned.gained.push(touched);
            } else {
                turned.lost.push(touched);
            }
        }
        for (contact, turned) in turned {
            self.turn(workspace, message_id, contact, &turned)?;
        }
        Ok(())
    }

    /// Puts right what follows for a contact: touches, credits, score, when seen.
    fn turn(
        &mut self,
        workspace: WorkspaceId,
        message_id: &str,
        contact: ContactId,
        Turned { gained, lost }: &Turned,
    ) -> Result<(), redb::Error> {
        let windows = self.windows(workspace)?;
        for touched in gained {
            let orders = &mut self.orders;
            let moves = orders.touch(workspace, contact, *touched, message_id, &windows)?;
            self.credit(workspace, &moves)?;
        }
        for touched in lost {
            let moves = self
                .orders
                .untouch(workspace, contact, *touched, &windows)?;
            self.credit(workspace, &moves)?;
        }
        let left = self.may_be_taken_back(workspace, contact)?;
        let of = |touched: &Touched| (touched.kind, touched.time);
        let (gained, lost) = (gained.iter().map(of), lost.iter().map(of));
        self.contact(workspace, contact, |row| row.turn(gained, lost, left))
    }
}

impl Hit {
    /// What it is where the message left then; `None` where that says nothing.
    pub(super) fn judged(&self, told_at: i64) -> Option<Judged> {
        let (timing, _) = self.timing.as_ref()?;
        let (class, reason) = timing.class_at(self.time.saturating_sub(told_at));
        Some((class, reason.to_owned()))
    }
}

impl Message {
    /// Counts all opens and clicks again, with the classes that they have now. Returns the seqs of the
    /// genuine clicks that a burst shows to be a machine's.
    pub(super) fn count_again(
        &mut self,
        hits: &[(u64, Hit)],
        judged: &[Option<Judged>],
    ) -> BTreeSet<u64> {
        self.start_counting();
        let mut in_burst = BTreeSet::new();
        for ((_, hit), judged) in hits.iter().zip(judged) {
            let class = judged.as_ref().map_or(hit.class, |(class, _)| *class);
            match &hit.what {
                What::Open => self.opens.add(class, 1),
                What::Unsubscribe | What::Delivery(_) => {}
                What::Click { click, .. } => {
                    let gone = self.click(click.of_class(class));
                    in_burst.extend(gone.iter().map(|click| click.seq));
                }
            }
        }
        in_burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::engagement::order::TouchKind;

    #[test]
    fn a_hit_without_a_timing_stays_what_it_is() {
        let hit = Hit {
            time: 5,
            class: Class::Bot,
            contact: None,
            what: What::Open,
            timing: None,
        };
        assert_eq!(hit.judged(0), None);
        assert_eq!(hit.kind(), Some(TouchKind::Open));
    }
}
