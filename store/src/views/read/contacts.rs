//! Contacts, as they are asked of the views: one by one, by their ids and by their scores. What goes through all
//! contacts of a workspace goes in slices, so that neither the fold nor any other reader waits for more than one.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::engagement;
use crate::record::{ContactId, WorkspaceId};
use crate::views::engagement as engaged;
use crate::views::engagement::contact::Contact;
use crate::views::rows::State;
use crate::views::{Shelves, Trait, ViewError, Views, terms};

/// Contacts that are looked at while the rows are held: some tens of microseconds. Few where this tests itself.
const SLICE: usize = if cfg!(test) { 64 } else { 16_384 };

/// A contact's place in the order of scores, which does not change as time passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScorePlace {
    /// The logarithm of the score, as of 1970.
    pub height: f64,
    /// The contact's number within its workspace.
    pub ordinal: u32,
}

impl Views {
    /// The contact with this normalised address; `None` where the workspace does not exist.
    pub fn contact_id(&self, workspace: WorkspaceId, normalised: &str) -> Option<ContactId> {
        let key = self.keys.key_of(workspace)?;
        Some(key.contact(normalised))
    }

    /// The id that a contact has today which a token names.
    pub fn contact_today(&self, workspace: WorkspaceId, named: ContactId) -> ContactId {
        self.keys.contact_today(workspace, named)
    }

    /// What is known of a contact.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn contact(&self, contact: ContactId) -> Result<Option<Contact>, ViewError> {
        self.look(engagement, |shelves| self.known(shelves, contact))
    }

    /// What is known of each of these contacts, in their order; nothing of those who are not there, and of those
    /// who are being erased.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn contacts(&self, contacts: &[ContactId]) -> Result<Vec<Option<Contact>>, ViewError> {
        self.look(engagement, |shelves| {
            let known = contacts.iter().map(|contact| self.known(shelves, *contact));
            known.collect()
        })
    }

    /// At most `limit` contacts behind this one, in the order of their ids; those who are being erased are among
    /// them. Goes through all contacts of the workspace, a few nanoseconds each.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn contact_ids_behind(
        &self,
        workspace: WorkspaceId,
        after: Option<ContactId>,
        limit: usize,
    ) -> Result<Vec<ContactId>, ViewError> {
        self.unless_replaced(|edition| {
            let mut nearest = First::new(limit, Ord::cmp);
            self.each_number(edition, workspace, |shelves, _, number| {
                let Some(id) = shelves.terms.numbers[terms::CONTACTS].digest(number) else {
                    return Ok(());
                };
                let is_before = after.is_some_and(|after| *id <= after.0);
                let rows = &shelves.engagement.rows;
                if !is_before && nearest.takes(id) && engaged::is_known(rows, number)? {
                    nearest.offer(*id);
                }
                Ok(())
            })?;
            Ok(nearest.take().into_iter().map(ContactId).collect())
        })
    }

    /// At most `limit` contacts behind this place, those with the highest scores first, or last: each with its place;
    /// of all contacts, or of the members of a segment (by its number). They are as they were at one cursor. Goes
    /// through all of those, a few nanoseconds each, members some hundred.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn contacts_by_score(
        &self,
        workspace: WorkspaceId,
        segment: Option<u32>,
        descending: bool,
        behind: Option<ScorePlace>,
        limit: usize,
    ) -> Result<Vec<(ScorePlace, Contact)>, ViewError> {
        self.unless_replaced(|edition| {
            let found =
                self.first_by_score(edition, workspace, segment, descending, behind, limit)?;
            // Of those who have been erased since nothing is told.
            self.look_at(edition, |shelves| {
                let rows = &shelves.engagement.rows;
                let told = |(place, number, contact): (ScorePlace, u32, Option<Contact>)| {
                    let is_told =
                        engaged::is_known(rows, number)? && !self.is_number_hidden(shelves, number);
                    Ok((place, contact.filter(|_| is_told).unwrap_or_default()))
                };
                found.into_iter().map(told).collect()
            })
        })
    }

    /// The first in that order, each with its place, its number, and what is known of it, at one cursor.
    fn first_by_score(
        &self,
        edition: &Edition,
        workspace: WorkspaceId,
        segment: Option<u32>,
        descending: bool,
        behind: Option<ScorePlace>,
        limit: usize,
    ) -> Result<Vec<(ScorePlace, u32, Option<Contact>)>, Pass> {
        let (rows, standing) = self.look_at(edition, |shelves| {
            let shelf = &shelves.engagement;
            Ok((shelf.rows.clone(), super::standing(shelf)))
        })?;
        let scores = engaged::scores(&rows);
        // Equal ones come in the order of their numbers.
        let mut first = First::new(limit, |one: &Scored, other: &Scored| {
            let by_score = one.0.total_cmp(&other.0);
            let by_score = if descending {
                by_score.reverse()
            } else {
                by_score
            };
            by_score.then(one.1.cmp(&other.1))
        });
        let behind = behind.map(|place| (place.height, place.ordinal, 0));
        self.each_among(edition, workspace, segment, |_, ordinal, number| {
            let one = (scores.get(number), ordinal, number);
            let is_behind = behind.is_none_or(|place| (first.order)(&place, &one).is_lt());
            if is_behind && first.takes(&one) && engaged::is_known(&rows, number)? {
                first.offer(one);
            }
            Ok(())
        })?;
        let with_contact = |(height, ordinal, number): Scored| {
            let contact = engaged::contact(&rows, number)?;
            Ok((ScorePlace { height, ordinal }, number, contact))
        };
        let found: Result<_, redb::Error> = first.take().into_iter().map(with_contact).collect();
        Ok(self.believed(&standing, found.map_err(super::reading()))?)
    }

    /// Hands over the numbers of a workspace's contacts in order, each with its ordinal and the rows as they are then.
    /// The rows are held for [`SLICE`] of them at the most.
    pub(super) fn each_number(
        &self,
        edition: &Edition,
        workspace: WorkspaceId,
        mut each: impl FnMut(&Shelves, u32, u32) -> Result<(), redb::Error>,
    ) -> Result<(), Pass> {
        let mut ordinal = 0;
        loop {
            let from = ordinal;
            self.look_at(edition, |shelves| {
                let numbers = shelves.terms.numbers[terms::CONTACTS].of_workspace(workspace);
                for number in numbers.behind(from).take(SLICE) {
                    each(shelves, ordinal, number)?;
                    ordinal += 1;
                }
                Ok(())
            })?;
            if ordinal == from {
                return Ok(());
            }
        }
    }

    /// The same of the members of a segment (by its number), or of all.
    pub(super) fn each_among(
        &self,
        edition: &Edition,
        workspace: WorkspaceId,
        segment: Option<u32>,
        mut each: impl FnMut(&Shelves, u32, u32) -> Result<(), redb::Error>,
    ) -> Result<(), Pass> {
        let Some(segment) = segment else {
            return self.each_number(edition, workspace, each);
        };
        let mut behind = None;
        loop {
            let members = self.member_numbers(workspace, segment, behind, SLICE)?;
            let Some(last) = members.last() else {
                return Ok(());
            };
            behind = Some(*last);
            self.look_at(edition, |shelves| {
                let numbers = shelves.terms.numbers[terms::CONTACTS].of_workspace(workspace);
                for number in members {
                    each(shelves, numbers.below(number), number)?;
                }
                Ok(())
            })?;
        }
    }

    /// Looks at the rows several times, at those of one edition: where others take their place meanwhile, whose
    /// numbers may be others, from the beginning.
    pub(super) fn unless_replaced<T>(
        &self,
        mut look: impl FnMut(&Edition) -> Result<T, Pass>,
    ) -> Result<T, ViewError> {
        loop {
            let edition = self.look(engagement, |shelves| {
                Ok(Arc::clone(&shelves.terms.rows.state))
            })?;
            match look(&edition) {
                Ok(found) => return Ok(found),
                // They were built for as long as that takes.
                Err(Pass::Replaced) => {}
                Err(Pass::Failed(error)) => return Err(error),
            }
        }
    }

    pub(super) fn look_at<T>(
        &self,
        edition: &Edition,
        work: impl FnOnce(&Shelves) -> Result<T, redb::Error>,
    ) -> Result<T, Pass> {
        let looked = self.look(engagement, |shelves| {
            let is_same = Arc::ptr_eq(edition, &shelves.terms.rows.state);
            is_same.then(|| work(shelves)).transpose()
        })?;
        looked.ok_or(Pass::Replaced)
    }

    /// What holds of a contact's traits, by key; nothing of those that are not there, and of those who are being
    /// erased.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn traits(&self, contact: ContactId) -> Result<BTreeMap<String, Trait>, ViewError> {
        self.look(engagement, |shelves| {
            match shelves.terms.numbers[terms::CONTACTS].find(&contact.0) {
                Some(number) if !self.is_number_hidden(shelves, number) => {
                    engaged::traits(&shelves.engagement.rows, number)
                }
                _ => Ok(BTreeMap::new()),
            }
        })
    }

    pub(super) fn known(
        &self,
        shelves: &Shelves,
        contact: ContactId,
    ) -> Result<Option<Contact>, redb::Error> {
        match shelves.terms.numbers[terms::CONTACTS].find(&contact.0) {
            Some(number) if !self.is_number_hidden(shelves, number) => {
                engaged::contact(&shelves.engagement.rows, number)
            }
            _ => Ok(None),
        }
    }

    /// Whether nothing is to be told of the contact with this number, who was erased. The place in lists stays until
    /// the rows reflect that, so that whoever reads on knows where.
    pub(super) fn is_number_hidden(&self, shelves: &Shelves, number: u32) -> bool {
        let id = shelves.terms.numbers[terms::CONTACTS].digest(number);
        id.is_some_and(|id| self.is_hidden(shelves, ContactId(*id)))
    }
}

/// Tells rows from those that take their place.
pub(super) type Edition = Arc<State>;

/// Why a pass over all contacts came to nothing.
pub(super) enum Pass {
    Replaced,
    Failed(ViewError),
}

impl From<ViewError> for Pass {
    fn from(error: ViewError) -> Self {
        Self::Failed(error)
    }
}

/// Height, ordinal and number of a contact.
type Scored = (f64, u32, u32);

/// The first of what is offered, in an order in which no two are equal.
pub(super) struct First<T, F> {
    limit: usize,
    order: F,
    kept: Vec<T>,
    /// None that comes behind this one is among the first.
    last: Option<T>,
}

impl<T: Clone, F: Fn(&T, &T) -> Ordering> First<T, F> {
    pub(super) fn new(limit: usize, order: F) -> Self {
        Self {
            limit,
            order,
            kept: Vec::with_capacity(2 * limit),
            last: None,
        }
    }

    pub(super) fn compare(&self, one: &T, other: &T) -> Ordering {
        (self.order)(one, other)
    }

    /// Whether it may be among the first.
    pub(super) fn takes(&self, one: &T) -> bool {
        let last = self.last.as_ref();
        last.is_none_or(|last| (self.order)(one, last).is_lt())
    }

    pub(super) fn offer(&mut self, one: T) {
        self.kept.push(one);
        if self.kept.len() >= 2 * self.limit {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.kept.sort_unstable_by(&self.order);
        self.kept.truncate(self.limit);
        if self.kept.len() == self.limit {
            self.last = self.kept.last().cloned();
        }
    }

    pub(super) fn take(mut self) -> Vec<T> {
        self.cut();
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_are_those_that_sorting_puts_first(
            all in prop::collection::btree_set(any::<u16>(), 0..300),
            limit in 1..40_usize,
            seed in any::<u16>(),
        ) {
            let mut all: Vec<u16> = all.into_iter().collect();
            all.sort_by_key(|one| one.wrapping_mul(40_503) ^ seed);
            let mut first = First::new(limit, Ord::cmp);
            for one in &all {
                if first.takes(one) {
                    first.offer(*one);
                }
            }
            all.sort_unstable();
            all.truncate(limit);
            prop_assert_eq!(first.take(), all);
        }
    }
}
