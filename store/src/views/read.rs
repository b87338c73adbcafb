//! What is asked of the views. Point reads hold the rows for as long as they take; whoever goes through many
//! takes a snapshot, which the fold goes on beside.

use std::sync::Arc;

use super::engagement as engaged;
use super::engagement::contact::Contact;
use super::engagement::message::Message;
use super::engagement::order::{self, Order};
use super::engagement::spans::{self, Happened, Whose};
use super::engagement::tally::Totals;
use super::error::ViewError;
use super::filter::EventFilter;
use super::rows::{Rows, State};
use super::runs::RunsError;
use super::shelf::Shelf;
use super::{Shelves, Views, events, received, terms};
use crate::locks::read;
use crate::record::{Class, ContactId, Personal, Record, Seq, WorkspaceId};

/// Seqs of events that may match a filter, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    pub seqs: Vec<Seq>,
    /// Nothing behind them is left to look at.
    pub complete: bool,
}

/// What the views know of a record that the log does not say.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// Of the contact that a token names.
    pub address: Option<Personal>,
    /// A click that was taken for a person's and has shown itself to be a machine's.
    pub is_relabelled: bool,
    /// Its class and the reason, where the time that was told of its message gives others than those on
    /// record.
    pub rejudged: Option<(Class, String)>,
}

/// A contact's place in the order of scores, which does not change as time passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScorePlace {
    /// The logarithm of the score, as of 1970.
    pub height: f64,
    /// The contact's number within its workspace.
    pub ordinal: u32,
}

/// The file behind rows that were read, and how far they reflected the log.
pub(super) type Standing = (Arc<State>, Seq);

impl Views {
    /// The events of a workspace that may match the filter, in its order, at most `filter.limit`.
    /// Name, contact and message are matched but for what has since been erased; of the times,
    /// stretches of the log that lie wholly outside are skipped.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn events(
        &self,
        workspace: WorkspaceId,
        filter: &EventFilter,
    ) -> Result<EventPage, ViewError> {
        // Without a key the workspace has no events.
        let Some(key) = self.keys.key_of(workspace) else {
            return Ok(EventPage {
                seqs: Vec::new(),
                complete: true,
            });
        };
        let (reader, standing, wanted) = self.look(of_events, |shelves| {
            let rows = &shelves.events.rows;
            let wanted = events::wanted(&shelves.terms.numbers, rows, &key, filter)?;
            let cursor = shelves.events.cursor();
            let standing = (Arc::clone(&rows.state), cursor);
            Ok((shelves.runs.read(cursor), standing, wanted))
        })?;
        match wanted {
            Some(wanted) => self.of_runs(&standing, reader.events(workspace, &wanted, filter)),
            None => Ok(EventPage {
                seqs: Vec::new(),
                complete: true,
            }),
        }
    }

    /// Whether an event that came with this key is on record.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn received(&self, workspace: WorkspaceId, key_id: &str) -> Result<bool, ViewError> {
        self.look(of_events, |shelves| {
            received::is_received(&shelves.events.rows, workspace, key_id)
        })
    }

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

    /// What is known of a send.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn message(
        &self,
        workspace: WorkspaceId,
        message_id: &str,
    ) -> Result<Option<Message>, ViewError> {
        self.ask(|rows| engaged::message(rows, workspace, message_id))
    }

    /// The messages of a campaign behind the id `after` (empty: from the first), in the order of their
    /// ids, at most `limit`.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn messages_of_campaign(
        &self,
        workspace: WorkspaceId,
        campaign_id: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, Message)>, ViewError> {
        self.ask(|rows| engaged::messages_of_campaign(rows, workspace, campaign_id, after, limit))
    }

    /// The messages behind the id `after` (empty: from the first), in the order of their ids, at most
    /// `limit`.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn messages(
        &self,
        workspace: WorkspaceId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, Message)>, ViewError> {
        self.ask(|rows| spans::messages(rows, workspace, after, limit))
    }

    /// The campaigns likewise, as of `now` in milliseconds since 1970.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn campaigns(
        &self,
        workspace: WorkspaceId,
        after: &str,
        limit: usize,
        now: i64,
    ) -> Result<Vec<(String, Totals)>, ViewError> {
        self.ask(|rows| spans::campaigns(rows, workspace, after, limit, now))
    }

    /// What all messages of a workspace come to, as of `now` in milliseconds since 1970.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn workspace(&self, workspace: WorkspaceId, now: i64) -> Result<Totals, ViewError> {
        self.ask(|rows| engaged::workspace(rows, workspace, now))
    }

    /// Hands over messages with everything that happened to them, in the order of their ids.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn each_message(
        &self,
        workspace: WorkspaceId,
        whose: &Whose,
        each: impl FnMut(&str, &Message, &[Happened]),
    ) -> Result<(), ViewError> {
        self.ask(|rows| spans::for_each(rows, workspace, whose, each))
    }

    /// What is known of a campaign, as of `now` in milliseconds since 1970.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn campaign(
        &self,
        workspace: WorkspaceId,
        campaign_id: &str,
        now: i64,
    ) -> Result<Option<Totals>, ViewError> {
        self.ask(|rows| engaged::campaign(rows, workspace, campaign_id, now))
    }

    /// An order as it stands, and the record that counts for it; verified ones and those that pages told
    /// stand apart.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn order(
        &self,
        workspace: WorkspaceId,
        verified: bool,
        order_id: &str,
    ) -> Result<Option<(Seq, Order)>, ViewError> {
        self.ask(|rows| engaged::single::order(rows, workspace, verified, order_id))
    }

    /// At most `limit` contacts behind this one, in order of their ids. Goes through all contacts of the workspace, a
    /// few nanoseconds each.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn contacts_behind(
        &self,
        workspace: WorkspaceId,
        after: Option<ContactId>,
        limit: usize,
    ) -> Result<Vec<(ContactId, Contact)>, ViewError> {
        self.look(engagement, |shelves| {
            let (book, rows) = (
                &shelves.terms.numbers[terms::CONTACTS],
                &shelves.engagement.rows,
            );
            let mut nearest: Vec<([u8; 16], u32)> = Vec::new();
            let mut furthest = None;
            for number in book.of_workspace(workspace).iter() {
                let Some(id) = book.digest(number) else {
                    continue;
                };
                let is_before = after.is_some_and(|after| *id <= after.0);
                let is_too_far = furthest.is_some_and(|furthest| *id > furthest);
                if is_before || is_too_far || !engaged::is_known(rows, number)? {
                    continue;
                }
                nearest.push((*id, number));
                if nearest.len() >= 2 * limit {
                    nearest.sort_unstable();
                    nearest.truncate(limit);
                    furthest = nearest.last().map(|(id, _)| *id);
                }
            }
            nearest.sort_unstable();
            nearest.truncate(limit);
            let mut found = Vec::with_capacity(nearest.len());
            for (id, number) in nearest {
                let contact = self.unless_hidden(shelves, number)?;
                found.push((ContactId(id), contact.unwrap_or_default()));
            }
            Ok(found)
        })
    }

    /// At most `limit` contacts behind this place, those with the highest scores first, or last: each with its place.
    /// Goes through all contacts of the workspace, a few nanoseconds each.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn contacts_by_score(
        &self,
        workspace: WorkspaceId,
        descending: bool,
        behind: Option<ScorePlace>,
        limit: usize,
    ) -> Result<Vec<(ScorePlace, Contact)>, ViewError> {
        self.look(engagement, |shelves| {
            let rows = &shelves.engagement.rows;
            let numbers = shelves.terms.numbers[terms::CONTACTS].of_workspace(workspace);
            // A place behind the last is that of nobody, and behind all with its score.
            let number = |ordinal: u32| numbers.at(ordinal).unwrap_or(u32::MAX);
            let behind = behind.map(|place| (place.height, number(place.ordinal)));
            let found = engaged::by_score(rows, numbers.iter(), descending, behind, limit)?;
            let with_place = |(height, number): (f64, u32)| -> Result<_, redb::Error> {
                let place = ScorePlace {
                    height,
                    ordinal: numbers.below(number),
                };
                let contact = self.unless_hidden(shelves, number)?;
                Ok((place, contact.unwrap_or_default()))
            };
            found.into_iter().map(with_place).collect()
        })
    }

    /// What is known beside these records, in their order: for showing them.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn beside(&self, records: &[Record]) -> Result<Vec<Beside>, ViewError> {
        self.look(engagement, |shelves| {
            let rows = &shelves.engagement.rows;
            let of = |Record { seq, entry, .. }: &Record| {
                let Some(send) = entry.fact.send() else {
                    return Ok(Beside::default());
                };
                let contact = match send.contact {
                    Some(named) => {
                        self.known(shelves, self.keys.contact_today(entry.workspace, named))?
                    }
                    None => None,
                };
                Ok(Beside {
                    address: contact.and_then(|contact| contact.address).map(Personal),
                    is_relabelled: engaged::is_relabelled(rows, seq.0)?,
                    rejudged: engaged::rejudged(rows, seq.0)?,
                })
            };
            records.iter().map(of).collect()
        })
    }

    /// A workspace's orders with a time from `from` and before `to`, in milliseconds since 1970, the
    /// oldest first, each with its time and a way to look messages up in the same snapshot.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn orders(
        &self,
        workspace: WorkspaceId,
        span: std::ops::Range<i64>,
        mut each: impl FnMut(
            i64,
            Order,
            &dyn Fn(&str) -> Result<Option<Message>, redb::Error>,
        ) -> Result<(), redb::Error>,
    ) -> Result<(), ViewError> {
        self.ask(|rows| {
            let message = |id: &str| engaged::message(rows, workspace, id);
            order::for_each(rows, workspace, span.start, span.end, |time, order| {
                each(time, order, &message)
            })
        })
    }

    /// Asks something of a view that is quickly found.
    pub(super) fn look<T>(
        &self,
        view: fn(&Shelves) -> &Shelf,
        work: impl FnOnce(&Shelves) -> Result<T, redb::Error>,
    ) -> Result<T, ViewError> {
        if let Some(opening) = self.opening() {
            return Err(ViewError::Building(opening));
        }
        let open = read(&self.shelves);
        let shelves = open.as_ref().ok_or(ViewError::Closed)?;
        let shelf = view(shelves);
        match shelf.building() {
            Some(building) => Err(ViewError::Building(building)),
            None => work(shelves)
                .map_err(reading())
                .map_err(|error| self.met(error, &shelf.rows.state, shelf.cursor())),
        }
    }

    /// Asks something of a snapshot of the engagement.
    fn ask<T>(&self, work: impl FnOnce(&Rows) -> Result<T, redb::Error>) -> Result<T, ViewError> {
        let (rows, cursor) = self.look(engagement, |shelves| {
            Ok((shelves.engagement.rows.clone(), shelves.engagement.cursor()))
        })?;
        work(&rows)
            .map_err(reading())
            .map_err(|error| self.met(error, &rows.state, cursor))
    }

    /// What was found in runs, that belong to the rows of this standing.
    pub(super) fn of_runs<T>(
        &self,
        (state, cursor): &Standing,
        found: Result<T, RunsError>,
    ) -> Result<T, ViewError> {
        let found = found.map_err(|error| error.to_view_error());
        found.map_err(|error| self.met(error, state, *cursor))
    }

    fn known(&self, shelves: &Shelves, contact: ContactId) -> Result<Option<Contact>, redb::Error> {
        match shelves.terms.numbers[terms::CONTACTS].find(&contact.0) {
            Some(number) => self.unless_hidden(shelves, number),
            None => Ok(None),
        }
    }

    /// What is known of the contact with this number. Of one that was erased nothing; its place in lists stays
    /// until the rows reflect that, so that whoever reads on knows where.
    fn unless_hidden(
        &self,
        shelves: &Shelves,
        number: u32,
    ) -> Result<Option<Contact>, redb::Error> {
        let id = shelves.terms.numbers[terms::CONTACTS].digest(number);
        if id.is_some_and(|id| self.is_hidden(shelves, ContactId(*id))) {
            return Ok(None);
        }
        engaged::contact(&shelves.engagement.rows, number)
    }

    #[cfg(test)]
    pub(super) fn engagement_rows(&self) -> Rows {
        self.ask(|rows| Ok(rows.clone())).unwrap()
    }
}

fn reading() -> impl Fn(redb::Error) -> ViewError {
    ViewError::while_doing("reading")
}

pub(super) fn of_events(shelves: &Shelves) -> &Shelf {
    &shelves.events
}

fn engagement(shelves: &Shelves) -> &Shelf {
    &shelves.engagement
}
