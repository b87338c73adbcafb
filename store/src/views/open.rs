//! The files of the views in a data folder: their names, opening those that can be used, beginning the others anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files;
use crate::journal::local::segment::sync_folder_of;
use crate::ledger::decide::WorkspaceKeys;
use crate::record::Seq;

use super::Shelves;
use super::engagement::Engagement;
use super::error::ViewError;
use super::events::Events;
use super::runs::{self, Runs, RunsError};
use super::shelf::{Identity, Shelf, cursor_of, remove};
use super::terms;
use super::view::{Plan, View};

/// Every view's name, the one that the others stand on first.
const NAMES: [&str; 3] = [terms::PLAN.name, Events::PLAN.name, Engagement::PLAN.name];
/// What older versions kept the views in.
const FORMER: [&str; 2] = ["views.redb", "views.redb.draft"];

/// Where views lie.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) data: PathBuf,
    suffix: &'static str,
}

impl Place {
    pub(super) fn of(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            suffix: "",
        }
    }

    /// Where a rebuild's lie until they take the place of the others.
    pub(super) fn draft(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            suffix: ".draft",
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data.join(format!("views-{name}.redb{}", self.suffix))
    }

    /// Opens every view; one that cannot be used is begun anew.
    pub(super) fn open(&self, keys: &dyn WorkspaceKeys) -> Result<Shelves, ViewError> {
        static TERMS: Plan = terms::PLAN;
        static EVENTS: Plan = Events::PLAN;
        static ENGAGEMENT: Plan = Engagement::PLAN;
        let identity = Identity {
            settings: keys.store_digest(),
            edition: None,
        };
        let terms = self.open_one(&TERMS, identity, |_| true)?;
        let reached = terms.cursor();
        let edition = terms.identity().edition;
        // None that is ahead of its numbers has any.
        let fits = |shelf: &Shelf| shelf.cursor() <= reached;
        let of = |settings| Identity { settings, edition };
        let events = of(Events::settings(keys));
        let engagement = of(Engagement::settings(keys));
        let (events, runs) = self.open_events(&EVENTS, events, fits)?;
        let mut shelves = Shelves {
            terms,
            events,
            engagement: self.open_one(&ENGAGEMENT, engagement, fits)?,
            runs: Arc::new(runs),
        };
        let derived = Engagement::derive(&mut shelves.engagement.rows);
        derived.map_err(ViewError::while_doing("opening"))?;
        if reached > Seq::START {
            for shelf in [&mut shelves.events, &mut shelves.engagement] {
                if shelf.cursor() == Seq::START {
                    shelf.set_beside(reached);
                }
            }
        }
        Ok(shelves)
    }

    fn open_one(
        &self,
        plan: &'static Plan,
        identity: Identity,
        fits: impl Fn(&Shelf) -> bool,
    ) -> Result<Shelf, ViewError> {
        let path = self.path(plan.name);
        // A damaged file can make redb panic rather than fail.
        let opened = catch_unwind(AssertUnwindSafe(|| Shelf::open(&path, plan, identity)))
            .unwrap_or_else(|_| Err(ViewError::Damaged("opening: redb panicked".into())));
        let reason = match opened {
            Ok(shelf) if fits(&shelf) => return Ok(shelf),
            Ok(_) => "it is ahead of the numbers of its rows".into(),
            Err(ViewError::Damaged(reason)) => reason,
            Err(error) => return Err(error),
        };
        tracing::warn!(
            view = plan.name,
            reason,
            "a view cannot be used: building it anew"
        );
        remove(&path)?;
        Shelf::open(&path, plan, identity)
    }

    /// The view of events with its runs, which are of no use without each other.
    fn open_events(
        &self,
        plan: &'static Plan,
        identity: Identity,
        fits: impl Fn(&Shelf) -> bool,
    ) -> Result<(Shelf, Runs), ViewError> {
        let options = runs::Options::new(identity.edition.unwrap_or_default());
        let shelf = self.open_one(plan, identity, fits)?;
        match Runs::open(&self.runs(), options, shelf.cursor(), Seq::START) {
            Ok(runs) => return Ok((shelf, runs)),
            Err(RunsError::Damaged(reason)) => {
                tracing::warn!(
                    reason,
                    "events cannot be found by their indexes: building them anew"
                );
            }
            Err(error) => return Err(error.into()),
        }
        drop(shelf);
        let path = self.path(plan.name);
        remove(&path)?;
        let shelf = Shelf::open(&path, plan, identity)?;
        let runs = Runs::open(&self.runs(), options, Seq::START, Seq::START)?;
        Ok((shelf, runs))
    }

    /// Whether there are any.
    pub(super) fn is_taken(&self) -> bool {
        NAMES.iter().any(|name| files::is_taken(&self.path(name)))
    }

    /// The folder of [`super::runs`].
    pub(super) fn runs(&self) -> PathBuf {
        self.data.join(format!("views-runs{}", self.suffix))
    }

    /// Puts another place's files into this one.
    pub(super) fn replace(&self, by: &Self) -> Result<(), ViewError> {
        for name in NAMES {
            std::fs::rename(by.path(name), self.path(name))
                .map_err(storage("renaming the draft"))?;
        }
        remove_folder(&self.runs())?;
        std::fs::rename(by.runs(), self.runs()).map_err(storage("renaming the draft"))?;
        sync_folder_of(&self.path(NAMES[0])).map_err(storage("syncing the data folder"))
    }

    pub(super) fn remove(&self) -> Result<(), ViewError> {
        NAMES.iter().try_for_each(|name| remove(&self.path(name)))?;
        remove_folder(&self.runs())
    }

    /// Deletes what an older version kept its views in.
    pub(super) fn remove_former(&self) -> Result<(), ViewError> {
        FORMER
            .iter()
            .try_for_each(|name| remove(&self.data.join(name)))
    }
}

/// The cursor of the views at rest: what was folded and written before the server stopped or fell.
/// At the start where there are none or they cannot be read, also because they are open. Repairs
/// files after a crash, as opening them would; changes nothing else.
pub fn durable_cursor(data: &Path) -> Seq {
    let place = Place::of(data);
    let paths = NAMES.map(|name| place.path(name));
    let cursors = paths.iter().map(|path| cursor_of(path));
    cursors.max().unwrap_or(Seq::START)
}

/// Deletes the views of a data folder, which must not be open: the next start builds them.
///
/// # Errors
/// [`ViewError::Storage`].
pub(crate) fn delete(data: &Path) -> Result<(), ViewError> {
    let place = Place::of(data);
    place.remove()?;
    place.remove_former()
}

/// Deletes a folder where there is one.
fn remove_folder(path: &Path) -> Result<(), ViewError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(storage("deleting an old folder")(error))
        }
        _ => Ok(()),
    }
}

fn storage(doing: &'static str) -> impl Fn(std::io::Error) -> ViewError {
    move |error| ViewError::Storage(format!("{doing}: {error}"))
}
