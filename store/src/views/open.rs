//! The files of the views in a data folder: their names, opening those that can be used, beginning the others anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files;
use crate::journal::local::segment::sync_folder_of;
use crate::journal::local::{LOG_FOLDER, floor_of};
use crate::ledger::LogError;
use crate::ledger::decide::WorkspaceKeys;
use crate::record::Seq;

use super::Shelves;
use super::engagement::Engagement;
use super::error::ViewError;
use super::events::Events;
use super::memory::Room;
use super::retained::Retained;
use super::runs::{self, Runs, RunsError};
use super::segments::{self, Catalogues, Segments};
use super::shelf::{Identity, Shelf, copy_fresh, cursor_of, edition_of, remove};
use super::terms;
use super::view::{Plan, View};

/// Every view's name, the one that the others stand on first.
const NAMES: [&str; 4] = [
    terms::PLAN.name,
    Events::PLAN.name,
    Engagement::PLAN.name,
    Segments::PLAN.name,
];
static TERMS: Plan = terms::PLAN;
static EVENTS: Plan = Events::PLAN;
static ENGAGEMENT: Plan = Engagement::PLAN;
static SEGMENTS: Plan = Segments::PLAN;
/// What older versions kept the views in.
const FORMER: [&str; 2] = ["views.redb", "views.redb.draft"];

/// Where views lie.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) data: PathBuf,
    /// The data folder of the log that they are of: mostly the same.
    pub(super) root: PathBuf,
    suffix: &'static str,
    room: Room,
}

impl Place {
    pub(super) fn of(data: &Path, cache: usize) -> Self {
        Self::with(data, "", cache)
    }

    /// Where a rebuild's lie until they take the place of the others.
    pub(super) fn draft(data: &Path, cache: usize) -> Self {
        Self::with(data, ".draft", cache)
    }

    fn with(data: &Path, suffix: &'static str, cache: usize) -> Self {
        Self {
            data: data.to_owned(),
            root: data.to_owned(),
            suffix,
            room: Room::of(data, suffix, cache),
        }
    }

    /// Where those of a retention checkpoint lie, of the log in `root`.
    pub(super) fn retained(root: &Path, folder: &Path, cache: usize) -> Self {
        Self {
            root: root.to_owned(),
            ..Self::of(folder, cache)
        }
    }

    /// Writes every file anew, so that what was in freed pages is in none. They must not be open.
    pub(super) fn write_anew(&self) -> Result<(), ViewError> {
        let plans = [&TERMS, &EVENTS, &ENGAGEMENT, &SEGMENTS];
        for (path, plan) in self.paths().iter().zip(plans) {
            let draft = files::draft_of(path);
            copy_fresh(path, &draft, plan)?;
            files::rename_synced(&draft, path).map_err(storage("writing a view anew"))?;
        }
        Ok(())
    }

    /// The files of all of them, in the order of their names.
    pub(super) fn paths(&self) -> [PathBuf; 4] {
        NAMES.map(|name| self.path(name))
    }

    /// What the rows may take.
    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data.join(format!("views-{name}.redb{}", self.suffix))
    }

    /// How many bytes the files have.
    pub(super) fn size(&self) -> u64 {
        let lengths = NAMES
            .iter()
            .map(|name| std::fs::metadata(self.path(name)).map_or(0, |about| about.len()));
        lengths.sum()
    }

    /// Looks whether every file that is there can be opened at all.
    pub(super) fn check(&self) -> Result<(), ViewError> {
        let paths = NAMES.iter().map(|name| self.path(name));
        for path in paths.filter(|path| files::is_taken(path)) {
            files::open(&path).map_err(storage("opening"))?;
        }
        Ok(())
    }

    /// Opens every view; one that cannot be used is begun anew. Where the log has been dropped up to a retention
    /// checkpoint, and any is behind that, all of them begin with it.
    pub(super) fn open(&self, keys: &dyn WorkspaceKeys) -> Result<Shelves, ViewError> {
        let shelves = self.open_what_is_there(keys)?;
        let Some(retained) = Retained::of(&self.root)? else {
            return Ok(shelves);
        };
        let is_behind = |shelves: &Shelves| {
            let mut all = shelves.all().into_iter();
            all.any(|shelf| shelf.cursor() < retained.upto)
        };
        if !is_behind(&shelves) {
            return Ok(shelves);
        }
        drop(shelves);
        self.remove()?;
        retained.copy_to(self)?;
        let mut shelves = self.open_what_is_there(keys)?;
        if shelves.segments.cursor() < retained.upto {
            // Its rows are of another version, or damaged: segments begin here, and say since when they know.
            let now = shelves.engagement.now();
            shelves.segments.advance(retained.upto, now);
            shelves.segments.join(retained.upto);
        }
        if is_behind(&shelves) {
            // Begun anew they would know nothing of what the log has dropped.
            return Err(ViewError::Storage(
                "the retention checkpoint cannot be used: restore the folder `retained` from a backup, or use the \
                 version of misar that wrote it"
                    .into(),
            ));
        }
        Ok(shelves)
    }

    fn open_what_is_there(&self, keys: &dyn WorkspaceKeys) -> Result<Shelves, ViewError> {
        let identity = Identity {
            settings: keys.store_digest(),
            edition: None,
        };
        // Reading them takes as long as there are rows, so that each has a thread where it is known before what numbers
        // they must be of.
        let abreast = edition_of(&self.path(TERMS.name)).map(|edition| {
            let of = |settings| Identity {
                settings,
                edition: Some(edition),
            };
            std::thread::scope(|scope| {
                let events = || self.try_one(&EVENTS, of(Events::settings(keys)));
                let engagement = || self.try_one(&ENGAGEMENT, of(Engagement::settings(keys)));
                let segments = || self.try_one(&SEGMENTS, of(Segments::settings(keys)));
                let (events, engagement) = (scope.spawn(events), scope.spawn(engagement));
                let segments = scope.spawn(segments);
                let terms = self.try_one(&TERMS, identity);
                (terms, joined(events), joined(engagement), joined(segments))
            })
        });
        let (terms, others) = match abreast {
            Some((terms, events, engagement, segments)) => {
                (terms, Some((events, engagement, segments)))
            }
            None => (self.try_one(&TERMS, identity), None),
        };
        let (terms, others) = match terms {
            // Nothing else can be used then either: it is of other numbers.
            Err(ViewError::Damaged(reason)) => {
                drop(others);
                (self.begin(&TERMS, identity, &reason)?, None)
            }
            terms => (terms?, others),
        };
        let edition = terms.identity().edition;
        let of = |settings| Identity { settings, edition };
        let of_events = of(Events::settings(keys));
        let of_engagement = of(Engagement::settings(keys));
        let of_segments = of(Segments::settings(keys));
        let (events, engagement, segments) = others.unwrap_or_else(|| {
            let events = self.try_one(&EVENTS, of_events);
            let engagement = self.try_one(&ENGAGEMENT, of_engagement);
            (events, engagement, self.try_one(&SEGMENTS, of_segments))
        });
        let mut shelves = self.together(
            terms,
            (events, of_events),
            (engagement, of_engagement),
            (segments, of_segments),
        )?;
        let reached = shelves.terms.cursor();
        if shelves.segments.cursor() == Seq::START && reached > Seq::START {
            let others = [&shelves.events, &shelves.engagement];
            let furthest = others.into_iter().max_by_key(|shelf| shelf.cursor());
            let furthest = furthest.map_or((Seq::START, i64::MIN), |shelf| {
                (shelf.cursor(), shelf.now())
            });
            if keys.segments().of_workspace.is_empty() && furthest.0 > Seq::START {
                // Nothing was ever kept for them: it need not be built.
                shelves.segments.advance(furthest.0, furthest.1);
            } else {
                shelves.segments.set_beside(reached);
            }
        }
        Ok(shelves)
    }

    /// What has been opened, with anew what could not be.
    fn together(
        &self,
        terms: Shelf,
        (events, of_events): (Result<Shelf, ViewError>, Identity),
        (engagement, of_engagement): (Result<Shelf, ViewError>, Identity),
        (segments, of_segments): (Result<Shelf, ViewError>, Identity),
    ) -> Result<Shelves, ViewError> {
        let reached = terms.cursor();
        let usable = |shelf: Result<Shelf, ViewError>, plan, identity| match shelf {
            // None that is ahead of its numbers has any.
            Ok(shelf) if shelf.cursor() > reached => {
                drop(shelf);
                self.begin(plan, identity, "it is ahead of the numbers of its rows")
            }
            Err(ViewError::Damaged(reason)) => self.begin(plan, identity, &reason),
            shelf => shelf,
        };
        let catalogues = Catalogues::default();
        let segments = segments.and_then(|shelf| {
            let prepared = segments::prepare(&shelf.rows, &catalogues);
            let damaged = |error: redb::Error| ViewError::Damaged(error.to_string());
            prepared.map_err(damaged).map(|()| shelf)
        });
        let events = usable(events, &EVENTS, of_events)?;
        let (events, runs) = self.with_runs(events, of_events)?;
        let mut shelves = Shelves {
            terms,
            events,
            engagement: usable(engagement, &ENGAGEMENT, of_engagement)?,
            segments: usable(segments, &SEGMENTS, of_segments)?,
            catalogues,
            runs: Arc::new(runs),
        };
        if reached > Seq::START {
            for shelf in [&mut shelves.events, &mut shelves.engagement] {
                if shelf.cursor() == Seq::START {
                    shelf.set_beside(reached);
                }
            }
        }
        shelves.shrink(&self.room);
        Ok(shelves)
    }

    fn try_one(&self, plan: &'static Plan, identity: Identity) -> Result<Shelf, ViewError> {
        let path = self.path(plan.name);
        // A damaged file can make redb panic rather than fail.
        let open = || Shelf::open(&path, plan, identity, &self.room);
        catch_unwind(AssertUnwindSafe(open))
            .unwrap_or_else(|_| Err(ViewError::Damaged("opening: redb panicked".into())))
    }

    /// Begins one anew that cannot be used.
    fn begin(
        &self,
        plan: &'static Plan,
        identity: Identity,
        reason: &str,
    ) -> Result<Shelf, ViewError> {
        tracing::warn!(
            view = plan.name,
            reason,
            "a view cannot be used: building it anew"
        );
        let path = self.path(plan.name);
        remove(&path)?;
        Shelf::open(&path, plan, identity, &self.room)
    }

    /// Begins views anew, beside the others, in whose files readers have met damage. Returns what they were.
    pub(super) fn renew(&self, shelves: &mut Shelves) -> Result<Vec<Shelf>, ViewError> {
        let reached = shelves.cursor();
        let mut former = Vec::new();
        for shelf in [
            &mut shelves.engagement,
            &mut shelves.events,
            &mut shelves.segments,
        ] {
            if shelf.is_spoilt() {
                let path = self.path(shelf.name());
                former.push(shelf.begin_anew(&path, reached, &self.room)?);
            }
        }
        if former.iter().any(|shelf| shelf.name() == EVENTS.name) {
            let edition = shelves.events.identity().edition;
            let options = runs::Options::new(edition.unwrap_or_default());
            let runs = Runs::open(&self.runs(), options, Seq::START, self.floor()?)?;
            shelves.runs = Arc::new(runs);
        }
        Ok(former)
    }

    /// The view of events with its runs, which are of no use without each other.
    fn with_runs(&self, shelf: Shelf, identity: Identity) -> Result<(Shelf, Runs), ViewError> {
        let options = runs::Options::new(identity.edition.unwrap_or_default());
        let floor = self.floor()?;
        let reason = match Runs::open(&self.runs(), options, shelf.cursor(), floor) {
            Ok(runs) => return Ok((shelf, runs)),
            Err(RunsError::Damaged(reason)) => reason,
            Err(error) => return Err(error.into()),
        };
        drop(shelf);
        let shelf = self.begin(&EVENTS, identity, &reason)?;
        let runs = Runs::open(&self.runs(), options, Seq::START, floor)?;
        Ok((shelf, runs))
    }

    /// Where the log begins, as is recorded there: below that no view holds anything.
    pub(super) fn floor(&self) -> Result<Seq, ViewError> {
        let floor = floor_of(&self.root.join(LOG_FOLDER));
        floor.map_err(|error| LogError::from(error).into())
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

    /// Removes the files of these views; all of them with those of the numbers, on which the others stand.
    pub(super) fn remove_views(&self, names: &[&str]) -> Result<(), ViewError> {
        if names.contains(&TERMS.name) {
            return self.remove();
        }
        names.iter().try_for_each(|name| remove(&self.path(name)))
    }

    /// Deletes what an older version kept its views in.
    pub(super) fn remove_former(&self) -> Result<(), ViewError> {
        FORMER
            .iter()
            .try_for_each(|name| remove(&self.data.join(name)))
    }
}

fn joined(
    opening: std::thread::ScopedJoinHandle<'_, Result<Shelf, ViewError>>,
) -> Result<Shelf, ViewError> {
    let failed = |_| Err(ViewError::Damaged("opening: the thread panicked".into()));
    opening.join().unwrap_or_else(failed)
}

/// The cursor of the views at rest: what was folded and written before the server stopped or fell.
/// At the start where there are none or they cannot be read, also because they are open. Repairs
/// files after a crash, as opening them would; changes nothing else.
pub fn durable_cursor(data: &Path) -> Seq {
    let place = Place::of(data, 0);
    let paths = NAMES.map(|name| place.path(name));
    let cursors = paths.iter().map(|path| cursor_of(path));
    cursors.max().unwrap_or(Seq::START)
}

/// Deletes the views of a data folder, which must not be open: the next start builds them.
///
/// # Errors
/// [`ViewError::Storage`].
pub(crate) fn delete(data: &Path) -> Result<(), ViewError> {
    let place = Place::of(data, 0);
    place.remove()?;
    place.remove_former()
}

/// Deletes a folder where there is one.
pub(super) fn remove_folder(path: &Path) -> Result<(), ViewError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(storage("deleting an old folder")(error))
        }
        _ => Ok(()),
    }
}

pub(super) fn storage(doing: &'static str) -> impl Fn(std::io::Error) -> ViewError {
    move |error| ViewError::Storage(format!("{doing}: {error}"))
}
