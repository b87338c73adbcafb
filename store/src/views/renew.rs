//! Views whose file turns out, while it is read, to hold something else than was written: readers are told that the
//! view is being built, and it is begun anew beside the others. And the opening itself, behind the start of a server:
//! it takes as long as there are rows, and readers are told the same until then.

use std::sync::atomic::Ordering;

use super::error::ViewError;
use super::open::Place;
use super::owed::Building;
use super::retained::Retained;
use super::rows::State;
use super::shelf::Shelf;
use super::{Shelves, Views};
use crate::locks::{lock, read, write};
use crate::record::Seq;

impl Views {
    /// Opens them where that has been put off, see [`Self::open_or_put_off`]. They are not read before that is done.
    ///
    /// # Errors
    /// That of [`Self::open`]; it may be tried again.
    pub(crate) fn open_now(&self) -> Result<(), ViewError> {
        if !self.is_unopened() {
            return Ok(());
        }
        {
            let _turn = (lock(&self.folding), lock(&self.writing));
            if read(&self.shelves).is_none() {
                let shelves = self.place.open(&*self.keys)?;
                let owed = Seq(self.owed.load(Ordering::Acquire));
                shelves.all().into_iter().for_each(|shelf| shelf.owe(owed));
                self.cursor.store(shelves.cursor().0, Ordering::Release);
                *write(&self.shelves) = Some(shelves);
            }
        }
        let begun = self.begin_behind_retained();
        if let Err(error) = begun.and_then(|()| self.apply_settings()) {
            // A file that has once failed takes no more: the next try opens it again.
            drop(write(&self.shelves).take());
            return Err(error);
        }
        self.unopened.store(false, Ordering::Release);
        Ok(())
    }

    pub(crate) fn is_unopened(&self) -> bool {
        self.unopened.load(Ordering::Acquire)
    }

    /// What readers are told until they are open.
    pub(super) fn opening(&self) -> Option<Building> {
        let owed = Seq(self.owed.load(Ordering::Acquire));
        self.is_unopened().then(|| Building::of_nothing(owed))
    }

    /// What a reader is told of an error that it met. Damage shows itself to whoever reads it first: from then on the
    /// view is being built.
    pub(super) fn met(&self, error: ViewError, state: &State, cursor: Seq) -> ViewError {
        match error {
            ViewError::Damaged(reason) if state.may_be_given_up() => {
                if !state.is_spoilt() {
                    tracing::error!(reason, "a view's file is damaged: building it anew");
                    state.spoil();
                    self.damage.notify_one();
                }
                ViewError::Building(Building::of_nothing(cursor))
            }
            // Once a read has failed redb refuses all others.
            ViewError::Storage(_) if state.is_spoilt() => {
                ViewError::Building(Building::of_nothing(cursor))
            }
            other => other,
        }
    }

    /// As a reader that meets damage would.
    #[cfg(test)]
    pub(crate) fn spoil_engagement(&self) {
        let damage = ViewError::Damaged("a test".into());
        if let Some(shelves) = &*read(&self.shelves) {
            let (shelf, cursor) = (&shelves.engagement, shelves.engagement.cursor());
            self.met(damage, &shelf.rows.state, cursor);
        }
    }

    /// Comes back once a reader has met damage.
    pub(crate) async fn damaged(&self) {
        self.damage.notified().await;
    }

    /// Whether there is one that is to be begun anew.
    pub(crate) fn is_spoilt(&self) -> bool {
        let shelves = read(&self.shelves);
        let all = shelves.iter().flat_map(Shelves::all);
        all.into_iter().any(Shelf::is_spoilt)
    }

    /// Begins those views anew, beside the others, in which readers have met damage.
    ///
    /// # Errors
    /// [`ViewError::Storage`]; the views are closed then, and have to be opened again.
    pub(crate) fn renew(&self) -> Result<(), ViewError> {
        let _turn = (lock(&self.folding), lock(&self.writing));
        let mut open = write(&self.shelves);
        let Some(shelves) = open.as_mut() else {
            return Ok(());
        };
        if Retained::of(&self.place.root)?.is_some() {
            // The log does not hold all that it would be begun anew with.
            self.give_up(&mut open);
            return Err(ViewError::Damaged("a view's file is damaged".into()));
        }
        match self.place.renew(shelves) {
            Ok(former) => {
                drop(open);
                // No reader need wait for that.
                drop(former);
                Ok(())
            }
            Err(error) => {
                self.give_up(&mut open);
                Err(error)
            }
        }
    }

    /// Closes them after a failure, and remembers whose file was at fault.
    pub(super) fn give_up(&self, open: &mut Option<Shelves>) {
        let Some(shelves) = open.take() else {
            return;
        };
        let spoilt = shelves.all().into_iter().filter(|shelf| shelf.is_spoilt());
        lock(&self.spoilt).extend(spoilt.map(|shelf| shelf.name()));
    }

    /// Whether it is known whose file was at fault when they were closed.
    pub(crate) fn knows_what_is_spoilt(&self) -> bool {
        !lock(&self.spoilt).is_empty()
    }

    /// Removes the files that were at fault.
    pub(super) fn remove_spoilt(&self, place: &Place) -> Result<(), ViewError> {
        let mut spoilt = lock(&self.spoilt);
        place.remove_views(&spoilt)?;
        spoilt.clear();
        Ok(())
    }
}
