//! What is asked of the views. Point reads hold the rows for as long as they take; whoever goes through many
//! takes a snapshot, or goes in slices, and the fold goes on beside.
//!
//! - `contacts`: who they are, and in which order
//! - `engaged`: messages, campaigns and orders
//! - `sorted`: contacts in other orders
//! - `theirs`: what a contact did, also in browsers

mod contacts;
mod engaged;
mod sorted;
mod theirs;

use std::sync::Arc;

use super::engagement as rows_of;
use super::error::ViewError;
use super::filter::EventFilter;
use super::rows::{Rows, State};
use super::runs::{Reader, RunsError, Wanted};
use super::shelf::Shelf;
use super::{Shelves, Views, events, received};
use crate::locks::read;
use crate::record::{Class, Personal, Record, Seq, WorkspaceId};

pub use contacts::ScorePlace;
pub use sorted::{RowKey, RowOrder, RowPlace};

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
    /// Of the contact that a token names, or to whom the browser belongs.
    pub address: Option<Personal>,
    /// A click that was taken for a person's and has shown itself to be a machine's.
    pub is_relabelled: bool,
    /// Its class and the reason, where the time that was told of its message gives others than those on
    /// record.
    pub rejudged: Option<(Class, String)>,
}

/// Of which file something was read, and at which cursor. Whoever is late with what it has found condemns none
/// that has taken the place of that file since.
pub(super) type Standing = (Arc<State>, Seq);

/// The runs at one cursor, for a look that may take long.
pub(super) struct Runs {
    reader: Reader,
    standing: Standing,
}

impl Runs {
    pub(super) fn of(shelves: &Shelves) -> Self {
        Self {
            reader: shelves.runs.read(shelves.events.cursor()),
            standing: standing(&shelves.events),
        }
    }

    /// Looks something up. Holds no lock.
    pub(super) fn ask<T>(
        &self,
        views: &Views,
        work: impl FnOnce(&Reader) -> Result<T, RunsError>,
    ) -> Result<T, ViewError> {
        let found = work(&self.reader).map_err(|error| error.to_view_error());
        views.believed(&self.standing, found)
    }
}

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
        let (reader, wanted) = self.look(of_events, |shelves| {
            let rows = &shelves.events.rows;
            let wanted = events::wanted(&shelves.terms.numbers, rows, &key, filter)?;
            Ok((Runs::of(shelves), wanted))
        })?;
        let browsers = match &filter.email {
            Some(email) => self.browsers_of(key.contact(email))?,
            None => Vec::new(),
        };
        let Some(wanted) = wanted else {
            return Ok(EventPage {
                seqs: Vec::new(),
                complete: true,
            });
        };
        if browsers.is_empty() {
            return reader.ask(self, |runs| runs.events(workspace, &wanted, filter));
        }
        let of_browsers = browsers.into_iter().map(|chain| Wanted {
            contact: Some(chain),
            ..wanted
        });
        let all: Vec<_> = [wanted].into_iter().chain(of_browsers).collect();
        self.merged(&reader, workspace, &all, filter)
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

    /// What is known beside these records, in their order: for showing them.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn beside(&self, records: &[Record]) -> Result<Vec<Beside>, ViewError> {
        self.look(engagement, |shelves| {
            let rows = &shelves.engagement.rows;
            let of = |record: &Record| {
                let Record { seq, entry, .. } = record;
                let Some(send) = entry.fact.send() else {
                    let owner = self.owner_in(shelves, record)?;
                    let owner = owner.map(|owner| self.known(shelves, owner)).transpose()?;
                    let address = owner.flatten().and_then(|owner| owner.address);
                    return Ok(Beside {
                        address: address.map(Personal),
                        ..Beside::default()
                    });
                };
                let contact = match send.contact {
                    Some(named) => {
                        self.known(shelves, self.keys.contact_today(entry.workspace, named))?
                    }
                    None => None,
                };
                Ok(Beside {
                    address: contact.and_then(|contact| contact.address).map(Personal),
                    is_relabelled: rows_of::is_relabelled(rows, seq.0)?,
                    rejudged: rows_of::rejudged(rows, seq.0)?,
                })
            };
            records.iter().map(of).collect()
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
            None => self.believed(&standing(shelf), work(shelves).map_err(reading())),
        }
    }

    /// Asks something of the rows of a view that may take long. They are as they are at one cursor; the fold goes on
    /// beside.
    pub(super) fn ask<T>(
        &self,
        view: fn(&Shelves) -> &Shelf,
        work: impl FnOnce(&Rows) -> Result<T, redb::Error>,
    ) -> Result<T, ViewError> {
        let (rows, standing) = self.look(view, |shelves| {
            let shelf = view(shelves);
            Ok((shelf.rows.clone(), standing(shelf)))
        })?;
        self.believed(&standing, work(&rows).map_err(reading()))
    }

    /// What was found in a file; where it shows that the file is damaged, its view is begun anew.
    pub(super) fn believed<T>(
        &self,
        (state, cursor): &Standing,
        found: Result<T, ViewError>,
    ) -> Result<T, ViewError> {
        found.map_err(|error| self.met(error, state, *cursor))
    }

    #[cfg(test)]
    pub(super) fn engagement_rows(&self) -> Rows {
        self.ask(engagement, |rows| Ok(rows.clone())).unwrap()
    }
}

pub(super) fn reading() -> impl Fn(redb::Error) -> ViewError {
    ViewError::while_doing("reading")
}

pub(super) fn standing(shelf: &Shelf) -> Standing {
    (Arc::clone(&shelf.rows.state), shelf.cursor())
}

pub(super) fn of_events(shelves: &Shelves) -> &Shelf {
    &shelves.events
}

pub(super) fn engagement(shelves: &Shelves) -> &Shelf {
    &shelves.engagement
}
