//! Contacts in other orders than that of their scores: all of a workspace's are gone through for each page, some
//! hundred nanoseconds each, on a snapshot of their rows.

use super::contacts::First;
use super::engagement;
use crate::record::WorkspaceId;
use crate::views::engagement as engaged;
use crate::views::engagement::contact::Contact;
use crate::views::{ViewError, Views};

/// What contacts are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOrder {
    FirstSeen,
    LastSeen,
    /// Without regard to upper and lower case.
    Email,
}

/// What stands in the place of a contact in such an order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKey {
    /// Milliseconds since 1970; the least there is of those who were never seen.
    Time(i64),
    /// In lower case.
    Email(String),
}

/// A contact's place in such an order.
#[derive(Clone, PartialEq, Eq)]
pub struct RowPlace {
    pub key: RowKey,
    /// The contact's number within its workspace.
    pub ordinal: u32,
}

/// Hides whom it names.
impl std::fmt::Debug for RowPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowPlace")
            .field("ordinal", &self.ordinal)
            .finish_non_exhaustive()
    }
}

impl Views {
    /// At most `limit` contacts behind this place in an order, each with its place: of all, or of the members of a
    /// segment (by its number). Those who are being erased are told of as contacts of whom nothing is known. They are
    /// as they were at one cursor.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn contacts_by(
        &self,
        workspace: WorkspaceId,
        segment: Option<u32>,
        order: RowOrder,
        descending: bool,
        behind: Option<&RowPlace>,
        limit: usize,
    ) -> Result<Vec<(RowPlace, Contact)>, ViewError> {
        self.unless_replaced(|edition| {
            let (rows, standing) = self.look_at(edition, |shelves| {
                let shelf = &shelves.engagement;
                Ok((shelf.rows.clone(), super::standing(shelf)))
            })?;
            // Equal ones come in the order of their numbers.
            let mut first = First::new(limit, |one: &Keyed, other: &Keyed| {
                let by_key = one.0.cmp(&other.0);
                let by_key = if descending { by_key.reverse() } else { by_key };
                by_key.then(one.1.cmp(&other.1))
            });
            let behind = behind.map(|place| (place.key.clone(), place.ordinal, 0));
            self.each_among(edition, workspace, segment, |_, ordinal, number| {
                let Some(key) = key_of(&rows, number, order)? else {
                    return Ok(());
                };
                let one = (key, ordinal, number);
                let is_behind = behind
                    .as_ref()
                    .is_none_or(|place| first.compare(place, &one).is_lt());
                if is_behind && first.takes(&one) {
                    first.offer(one);
                }
                Ok(())
            })?;
            let with_contact = |(key, ordinal, number): Keyed| {
                let contact = engaged::contact(&rows, number)?;
                Ok((RowPlace { key, ordinal }, number, contact))
            };
            let found: Result<Vec<_>, redb::Error> =
                first.take().into_iter().map(with_contact).collect();
            let found = self.believed(&standing, found.map_err(super::reading()))?;
            // Of those who have been erased since nothing is told.
            self.look_at(edition, |shelves| {
                let rows = &shelves.engagement.rows;
                let told = |(place, number, contact): (RowPlace, u32, Option<Contact>)| {
                    let is_told =
                        engaged::is_known(rows, number)? && !self.is_number_hidden(shelves, number);
                    Ok((place, contact.filter(|_| is_told).unwrap_or_default()))
                };
                found.into_iter().map(told).collect()
            })
        })
    }

    /// What holds of the traits of each of these contacts, by their places within their workspace: nothing of those
    /// who are being erased.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn has_trait(
        &self,
        workspace: WorkspaceId,
        ordinal: u32,
        is: impl Fn(&str) -> bool,
    ) -> Result<bool, ViewError> {
        self.look(engagement, |shelves| {
            let contacts = &shelves.terms.numbers[crate::views::terms::CONTACTS];
            let number = contacts.of_workspace(workspace).at(ordinal);
            match number.filter(|number| !self.is_number_hidden(shelves, *number)) {
                Some(number) => {
                    let traits = engaged::traits(&shelves.engagement.rows, number)?;
                    Ok(traits.values().any(|held| is(&held.value)))
                }
                None => Ok(false),
            }
        })
    }
}

/// Key, ordinal and number of a contact.
type Keyed = (RowKey, u32, u32);

/// `None` of those who have no place in the order.
fn key_of(
    rows: &crate::views::rows::Rows,
    number: u32,
    order: RowOrder,
) -> Result<Option<RowKey>, redb::Error> {
    if order == RowOrder::Email {
        let address = engaged::address(rows, number)?;
        return Ok(address.map(|address| RowKey::Email(address.to_lowercase())));
    }
    let seen = engaged::seen(rows, number)?;
    Ok(seen.map(|seen| {
        let (first, last) = seen.unwrap_or((i64::MIN, i64::MIN));
        RowKey::Time(match order {
            RowOrder::FirstSeen => first,
            RowOrder::LastSeen | RowOrder::Email => last,
        })
    }))
}
