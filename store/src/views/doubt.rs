//! What happens to a view whose file is found damaged while it is read: nobody reads it any more, and it is begun
//! anew beside the others. Without that its readers would be refused for ever, until somebody starts the server
//! again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::runs::{Options, Runs};
use super::shelf::Shelf;
use super::{Building, Seq, Shelves, ViewError, Views};
use crate::locks::{lock, write};

/// One that is found damaged again so soon is not begun anew again, but refused: either the disk takes no more, or
/// what is written can never be read, and readers would make the server build for ever.
const AGAIN: Duration = Duration::from_secs(60 * 60);

/// Whether a view's file is still believed. Whoever reads keeps that of the file that is read, so that one who is
/// late condemns none that has taken its place since.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    raised: AtomicBool,
    /// The file was begun then because the one before could not be read.
    anew: Option<Instant>,
}

impl Doubt {
    /// Of a file that takes the place of one that could not be read.
    pub(super) fn anew() -> Self {
        Self {
            anew: Some(Instant::now()),
            ..Self::default()
        }
    }

    pub(super) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    /// False where the file is to be left as it is.
    fn may_be_raised(&self) -> bool {
        self.anew.is_none_or(|then| then.elapsed() >= AGAIN)
    }

    /// Whether nobody has raised it before.
    fn raise(&self) -> bool {
        !self.raised.swap(true, Ordering::AcqRel)
    }
}

impl Views {
    /// Reads what may turn out to be damaged: then the view is not read any more, and begun anew by whoever folds.
    pub(super) fn doubting<T>(
        &self,
        doubt: &Doubt,
        work: impl FnOnce() -> Result<T, ViewError>,
    ) -> Result<T, ViewError> {
        match work() {
            Err(ViewError::Damaged(reason)) if doubt.may_be_raised() => {
                if doubt.raise() {
                    tracing::warn!(reason, "a view cannot be read: building it anew");
                    self.doubted.notify_one();
                }
                let total = self.cursor().0.max(1);
                Err(ViewError::Building(Building { done: 0, total }))
            }
            worked => worked,
        }
    }

    /// Waits until a view is found damaged while it is read.
    pub(crate) async fn doubted(&self) {
        self.doubted.notified().await;
    }

    /// Begins those anew that were found damaged while they were read, beside the others.
    ///
    /// # Errors
    /// [`ViewError::Damaged`] where all the others stand on one of them, [`ViewError::Storage`]: the views are
    /// closed then, and have to be opened again.
    pub(crate) fn begin_doubted_anew(&self) -> Result<(), ViewError> {
        let _turn = (lock(&self.folding), lock(&self.writing));
        let mut open = write(&self.shelves);
        let Some(shelves) = open.as_mut() else {
            return Ok(());
        };
        match self.anew(shelves) {
            Ok(former) => {
                drop(open);
                // Letting go of their memory takes time that no reader need wait for.
                drop(former);
                Ok(())
            }
            Err(error) => {
                *open = None;
                Err(error)
            }
        }
    }

    /// Returns what they were.
    fn anew(&self, shelves: &mut Shelves) -> Result<Vec<Former>, ViewError> {
        if shelves.terms.is_doubted() {
            let reason = "the numbers of all rows cannot be read".into();
            return Err(ViewError::Damaged(reason));
        }
        let reached = shelves.terms.cursor();
        let mut former = Vec::new();
        if shelves.events.is_doubted() {
            let events = self.place.begin_anew(&shelves.events, reached)?;
            let options = Options::new(events.identity().edition.unwrap_or_default());
            let folder = self.place.runs();
            let floor = self.place.floor()?;
            let runs = Runs::open(&folder, options, Seq::START, floor)?;
            let runs = std::mem::replace(&mut shelves.runs, Arc::new(runs));
            let events = std::mem::replace(&mut shelves.events, events);
            former.push((events, Some(runs)));
        }
        if shelves.engagement.is_doubted() {
            let engagement = self.place.begin_anew(&shelves.engagement, reached)?;
            let engagement = std::mem::replace(&mut shelves.engagement, engagement);
            former.push((engagement, None));
        }
        Ok(former)
    }
}

/// A view that another has taken the place of, and the runs that were a part of it.
type Former = (Shelf, Option<Arc<Runs>>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_begun_anew_is_not_condemned_again_at_once() {
        let doubt = Doubt::default();
        assert!(doubt.may_be_raised() && doubt.raise() && !doubt.raise());
        assert!(doubt.is_raised() && doubt.may_be_raised());
        assert!(!Doubt::anew().may_be_raised());
    }
}
