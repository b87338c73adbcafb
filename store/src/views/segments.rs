//! Who is in which segment, exactly at every instant: what is kept of contacts, who is a member, when that changes
//! by time alone, and every move in or out.
//!
//! A contact is looked at when something comes that a definition reads, and when time changes what it says:
//! never all of them, save once where a definition is new. What a definition means is said in one place
//! (`shared::segment`); this asks it about the facts of one contact.
//!
//! Time is a part of the input. Before each record whatever is due until then has happened, in the order in
//! which it was due, so that a replay gives the same moves as what was live, with the same keys.
//!
//! - `kept`: what is kept of a record, and the facts that come of it
//! - `people`: whose facts are whose; erasing
//! - `catalogue`: the definitions that hold; `index`: by what a record finds those that it may concern; `concern`: what
//!   of a record does
//! - `compiled`: definitions as they are asked of a `digest`, which is worked out of a contact's facts; `windows`: which
//!   instants lie in one; `asking`: a contact that is asked
//! - `remembered`: what is held beside rows; `digests`: digests of before
//! - `moves`: moves, and the keys by which they are told on
//! - `standing`: who is in, who is not, and when that changes; `stands`: the row of that; `timers`: whose turn is next
//! - `holding`: a definition that holds from now on
//! - `read`: what is asked of all this; `listed`: by lists of contacts; `preview`: of definitions that nobody keeps
//! - `uncertain`: of whom it cannot be said, since the log had dropped what they did

mod asking;
mod catalogue;
mod compiled;
mod concern;
mod digest;
mod digests;
mod holding;
mod index;
mod kept;
mod listed;
mod moves;
mod people;
mod preview;
pub(super) mod read;
mod remembered;
mod standing;
mod stands;
#[cfg(test)]
mod tests;
mod timers;
mod uncertain;
mod windows;

use std::sync::{Arc, MutexGuard};

use serde::{Deserialize, Serialize};
use shared::time::Timestamp;

use super::engagement::rows::{encode, key, read as row_of};
use super::rows::Rows;
use super::view::{Around, Happening, Plan, View, nothing};
use crate::ledger::decide::WorkspaceKeys;
use crate::record::{Fact, SegmentBooks, Seq, Since, WorkspaceId};

use catalogue::Catalogue;
pub(super) use catalogue::Catalogues;
use holding::Changing;
use moves::Counts;
pub use moves::{Cause, Move, MoveKey};
pub use preview::{Difference, Preview};
pub use read::{Explained, Filling, Member, Moved, Standing};
use remembered::Remembered;

/// See above.
pub(super) struct Segments;

impl View for Segments {
    const PLAN: Plan = Plan {
        name: "segments",
        version: 3,
        numbers: &[],
        pages: &["contacts_v1"],
        tables: &TABLES,
        columns: 0,
        cache: 12 * 1024 * 1024,
        share: 64,
        derive: nothing,
    };

    fn fold(
        rows: &mut Rows,
        around: &Around<'_>,
        happenings: &[Happening<'_>],
    ) -> Result<(), redb::Error> {
        let Some(first) = happenings.first() else {
            return Ok(());
        };
        if around.keys.segments().of_workspace.is_empty() {
            return Ok(());
        }
        let mut engine = Engine::of(rows, around.keys, around.catalogues)?;
        engine.begin_keeping(Seq(first.seq.0.saturating_sub(1)))?;
        for happening in happenings {
            let before = Seq(happening.seq.0.saturating_sub(1));
            while let Some(since) = engine.next_to_hold().filter(|since| since.seq <= before) {
                if engine.may_go_on_beside(before) {
                    break;
                }
                engine.pass(since.at, before, usize::MAX)?;
                engine.hold(since, usize::MAX)?;
            }
            engine.pass(happening.now, before, usize::MAX)?;
            engine.record(happening)?;
        }
        engine.add_counts()
    }
}

/// In the order of their places, which stand below.
const TABLES: [&str; 10] = [
    "facts_v1",
    "facts_of_browsers_v1",
    "identified_v1",
    "browsers_v1",
    "segments_v1",
    "moves_v2",
    "days_v1",
    "about_v1",
    "orders_of_contacts_v1",
    "facts_of_orders_v1",
];

/// Rows by the number of a contact: see [`stands`].
const CONTACTS: usize = 0;

// Numbers in keys are big-endian; contacts stand there by their numbers.

/// Key: workspace (u32), contact (u32), seq (u64). Value: postcard of [`kept::Kept`].
const FACTS: usize = 0;
/// Key: workspace (u32), browser (16 bytes), seq (u64). Value: postcard of [`kept::Kept`].
const OF_BROWSERS: usize = 1;
/// Key: workspace (u32), browser (16 bytes), seq (u64) of the identify. Value: postcard of [`people::Identify`].
const IDENTIFIED: usize = 2;
/// Key: workspace (u32), contact (u32), browser (16 bytes). Value: nothing.
const BROWSERS: usize = 3;
/// Key: workspace (u32), segment (u32). Value: postcard of [`standing::Totals`].
const SEGMENTS: usize = 4;
/// Key: workspace (u32), [`MoveKey`] without the segment. Value: see [`moves::Group`].
const MOVES: usize = 5;
/// Key: workspace (u32), segment (u32), UTC day since 1970 (sortable). Value: postcard of how many entered and left
/// (u64 each).
const DAYS: usize = 6;
/// Key: [`HELD`], or workspace (u32), or that and [`SINCE`]. Value: postcard of [`Held`], of [`Filled`], and of the
/// arrival from which on there are all facts (milliseconds since 1970), where the log had none of before any more.
const ABOUT: usize = 7;

/// Of orders that a server told. Key: workspace (u32), length of the orderId (u16), orderId. Value: whose it is (u32).
const ORDERS: usize = 8;
/// What became of orders, which names no contact. Key: workspace (u32), length of the orderId (u16), orderId, seq (u64).
/// Value: postcard of [`kept::Kept`].
const OF_ORDERS: usize = 9;

/// Of [`ABOUT`].
const HELD: &[u8] = b"held";
/// The same, with workspace (u32) and contact (u32) behind it: for whom what is being made to hold does so already.
const BROUGHT: &[u8] = b"brought";
const SINCE: &[u8] = b"since";

/// How far definitions hold.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Held {
    /// Everything that holds from up to here does.
    done: Since,
    /// What is being made to hold: from where, and the workspace and contact with whom it goes on.
    current: Option<(Since, u32, u32)>,
}

/// How far the facts of a workspace reach that began to use segments when there was something already.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
struct Filled {
    /// What lies before is read out of the log once.
    upto: Seq,
    reached: Seq,
}

/// A workspace that has all its facts.
const WHOLE: Filled = Filled {
    upto: Seq::START,
    reached: Seq::START,
};

/// What is another thing where something is being made to hold: of that place, and of a workspace.
type LastChanging = ((Since, WorkspaceId), Option<Arc<Changing>>);

/// The rows, and what holds.
struct Engine<'a> {
    rows: &'a mut Rows,
    books: Arc<SegmentBooks>,
    keys: &'a dyn WorkspaceKeys,
    held: Held,
    catalogues: &'a Catalogues,
    remembered: MutexGuard<'a, Remembered>,
    counts: Counts,
    changing: Option<LastChanging>,
}

impl<'a> Engine<'a> {
    fn of(
        rows: &'a mut Rows,
        keys: &'a dyn WorkspaceKeys,
        catalogues: &'a Catalogues,
    ) -> Result<Self, redb::Error> {
        let held = held(rows)?;
        let remembered = catalogues.remembered(rows)?;
        Ok(Self {
            rows,
            books: keys.segments(),
            keys,
            held,
            catalogues,
            remembered,
            counts: Counts::default(),
            changing: None,
        })
    }

    /// How far definitions hold, with those that are being made to.
    fn reached(&self) -> Since {
        self.held
            .current
            .map_or(self.held.done, |(since, ..)| since)
    }

    /// Whether what is being made to hold may go on doing so while records behind this one come.
    fn may_go_on_beside(&self, before: Seq) -> bool {
        self.held.current.is_some_and(|(since, ..)| {
            let next = self.books.next_behind(since);
            next.is_none_or(|next| next.seq > before)
        })
    }

    /// Notes which workspaces have come to use segments, where everything up to `before` is folded.
    fn begin_keeping(&mut self, before: Seq) -> Result<(), redb::Error> {
        for workspace in self.books.of_workspace.keys() {
            let row = key(*workspace, &[]);
            if self.rows.tables[ABOUT].get(&row)?.is_none() {
                let filled = Filled {
                    upto: before,
                    reached: Seq::START,
                };
                self.rows.tables[ABOUT].insert(&row, &encode(&filled)?);
            }
        }
        Ok(())
    }

    /// The definitions of a workspace that hold; nothing is remembered by others from then on.
    fn catalogue(&mut self, workspace: WorkspaceId) -> Arc<Catalogue> {
        let catalogue = match self.books.of_workspace.get(&workspace) {
            Some(book) => self.catalogues.get(workspace, book, self.reached()),
            None => Arc::default(),
        };
        self.remembered.digests.keep_by(workspace, &catalogue);
        catalogue
    }

    /// Takes a record in.
    fn record(&mut self, happening: &Happening<'_>) -> Result<(), redb::Error> {
        let entry = happening.entry;
        if !self.books.of_workspace.contains_key(&entry.workspace) {
            return Ok(());
        }
        if self.held.current.is_some() {
            let contacts = self.whose_it_may_be(happening)?;
            self.bring(entry.workspace, contacts)?;
            // By what has come to hold for them something may have been due by now.
            let before = Seq(happening.seq.0.saturating_sub(1));
            self.pass(happening.now, before, usize::MAX)?;
        }
        if let Fact::Erase { .. } = entry.fact {
            return match happening.contact {
                Some(contact) => self.erase(entry.workspace, contact.number),
                None => Ok(()),
            };
        }
        let concerned = self.keep(happening)?;
        self.look_at(entry.workspace, concerned, happening)
    }
}

fn held(rows: &Rows) -> Result<Held, redb::Error> {
    let held = row_of(&rows.tables[ABOUT], HELD)?;
    Ok(held.unwrap_or(Held {
        done: Since::NEVER,
        current: None,
    }))
}

/// From when on the facts of a workspace are whole, by arrival; `None` where they are from the start.
pub(super) fn since_of(
    rows: &Rows,
    workspace: WorkspaceId,
) -> Result<Option<Timestamp>, redb::Error> {
    let since: Option<i64> = row_of(&rows.tables[ABOUT], &key(workspace, &[SINCE]))?;
    Ok(since.map(Timestamp::from_millis))
}

/// How far the facts of a workspace reach; `None` where none are kept.
fn filled(rows: &Rows, workspace: WorkspaceId) -> Result<Option<Filled>, redb::Error> {
    row_of(&rows.tables[ABOUT], &key(workspace, &[]))
}

/// See [`super::Views::advance`]: for `most` contacts; returns whether nothing is due any more.
pub(super) fn pass(
    rows: &mut Rows,
    keys: &dyn WorkspaceKeys,
    catalogues: &Catalogues,
    until: i64,
    cursor: Seq,
    most: usize,
) -> Result<bool, redb::Error> {
    let mut engine = Engine::of(rows, keys, catalogues)?;
    let is_all = engine.pass(until, cursor, most)?;
    engine.add_counts()?;
    Ok(is_all)
}

/// See [`super::Views::hold`]: for `most` contacts; returns until when the clock has been moved, and how far it is.
pub(super) fn hold(
    rows: &mut Rows,
    keys: &dyn WorkspaceKeys,
    catalogues: &Catalogues,
    cursor: Seq,
    most: usize,
) -> Result<(i64, Step), redb::Error> {
    let mut engine = Engine::of(rows, keys, catalogues)?;
    let Some(since) = engine.next_to_hold().filter(|since| since.seq <= cursor) else {
        return Ok((i64::MIN, Step::Done));
    };
    // What was due before comes first; once it has begun time goes its own way.
    if engine.held.current.is_some() || engine.pass(since.at, since.seq, most)? {
        engine.hold(since, most)?;
    }
    engine.add_counts()?;
    let step = match engine.may_go_on_beside(cursor) {
        true => Step::Beside,
        false => Step::First,
    };
    Ok((since.at, step))
}

/// Whether a definition is half way to holding.
pub(super) fn is_holding(rows: &Rows) -> Result<bool, redb::Error> {
    Ok(held(rows)?.current.is_some())
}

/// How far it is that definitions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// All do that should.
    Done,
    /// Nothing else may happen before more is done.
    First,
    /// Records may come, and time may pass, before more is done.
    Beside,
}

/// Works out what is held beside rows, before anybody asks for it.
pub(super) fn prepare(rows: &Rows, catalogues: &Catalogues) -> Result<(), redb::Error> {
    catalogues.remembered(rows).map(drop)
}

/// When something is due next, or before that nothing is; `None` where nothing is waited for.
pub(super) fn next_due(rows: &Rows, catalogues: &Catalogues) -> Result<Option<i64>, redb::Error> {
    Ok(catalogues.remembered(rows)?.timers.first())
}

/// Whether [`fill_from`] has something to say or to note.
pub(super) fn lacks_facts(rows: &Rows, books: &SegmentBooks) -> Result<bool, redb::Error> {
    for workspace in books.of_workspace.keys() {
        if filled(rows, *workspace)? != Some(WHOLE) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether [`hold`] has something to do.
pub(super) fn lags(rows: &Rows, books: &SegmentBooks, cursor: Seq) -> Result<bool, redb::Error> {
    let held = held(rows)?;
    let next = held.current.map(|(since, ..)| since);
    let next = next.or_else(|| books.next_behind(held.done));
    Ok(next.is_some_and(|since| since.seq <= cursor))
}

/// Takes out what is kept of a contact, by its number.
pub(super) fn forget(
    rows: &mut Rows,
    keys: &dyn WorkspaceKeys,
    catalogues: &Catalogues,
    workspace: WorkspaceId,
    contact: u32,
) -> Result<(), redb::Error> {
    let mut engine = Engine::of(rows, keys, catalogues)?;
    if engine.books.of_workspace.contains_key(&workspace) {
        engine.erase(workspace, contact)?;
        engine.add_counts()?;
    }
    Ok(())
}

/// See [`super::Views::fill_from`].
pub(super) fn fill_from(
    rows: &mut Rows,
    keys: &dyn WorkspaceKeys,
    catalogues: &Catalogues,
    cursor: Seq,
) -> Result<Option<Seq>, redb::Error> {
    let mut engine = Engine::of(rows, keys, catalogues)?;
    engine.begin_keeping(cursor)?;
    let books = Arc::clone(&engine.books);
    let mut first = None;
    for workspace in books.of_workspace.keys() {
        let filled = filled(engine.rows, *workspace)?;
        let missing = filled.filter(|filled| *filled != WHOLE);
        let from = missing.map(|missing| missing.reached);
        first = match (first, from) {
            (Some(first), Some(from)) => Some(from.min(first)),
            (first, from) => first.or(from),
        };
    }
    Ok(first)
}

/// See [`super::Views::fill`].
pub(super) fn fill(
    rows: &mut Rows,
    keys: &dyn WorkspaceKeys,
    catalogues: &Catalogues,
    happenings: &[Happening<'_>],
    from: Seq,
    (reached, since): (Option<Seq>, Option<Timestamp>),
) -> Result<(), redb::Error> {
    Engine::of(rows, keys, catalogues)?.fill(happenings, from, reached, since)
}
