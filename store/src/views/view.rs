//! What a view is: rows that are derived from the log by folding it in order.

use crate::ledger::decide::WorkspaceKeys;
use crate::record::{ContactId, Entry, Seq};

use super::columns::Column;
use super::engagement::Sought;
use super::numbers::Numbers;
use super::rows::Rows;
use super::runs::Runs;
use super::segments::Catalogues;

/// What one view's file is made of, and what its rows mean.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Its file is `views-NAME.redb`.
    pub(crate) name: &'static str,
    /// Raised with every change of what its fold writes: rows of another version are built anew.
    pub(crate) version: u64,
    /// Its numbers, see [`super::numbers`].
    pub(crate) numbers: &'static [&'static str],
    /// Its rows by number, see [`super::pages`].
    pub(crate) pages: &'static [&'static str],
    /// Its rows by key, see [`super::ordered`].
    pub(crate) tables: &'static [&'static str],
    /// How many columns are worked out of its rows, see [`super::columns`].
    pub(crate) columns: usize,
    /// What the file's pages may take in memory, in bytes. What of a checkpoint goes beyond half of it is written twice.
    pub(crate) cache: usize,
    /// Its rows by number may take the memory for views by so much while they are read from the file; from then on all
    /// views share it, see [`super::memory`].
    pub(crate) share: usize,
    pub(crate) derive: Derive,
}

/// Works out the columns of a row that was read from the file: place of its book, its number, the row, which is
/// not empty.
pub(crate) type Derive = fn(&mut [Column], usize, u32, &[u8]) -> Result<(), redb::Error>;

/// What [`Plan::derive`] is where there are no columns.
pub(crate) fn nothing(_: &mut [Column], _: usize, _: u32, _: &[u8]) -> Result<(), redb::Error> {
    Ok(())
}

/// A view: a plan, and the rule by which a record changes rows. What is done to all views alike (opening,
/// checkpoints, dumps, building anew) is done by `shelf` and `Views`.
pub(crate) trait View {
    const PLAN: Plan;

    /// A digest of what its rows depend on beside the log: what was folded under another is folded anew. Views of
    /// another store are never these. Settings of one workspace are better kept with its rows, see
    /// `engagement::windows`.
    fn settings(keys: &dyn WorkspaceKeys) -> u64 {
        keys.store_digest()
    }

    /// Folds what follows on what was folded before. Time is a part of the input: before each record the
    /// clock stands at the latest `receivedAt` so far ([`Happening::now`]), live as in a replay, and no other
    /// clock may be asked.
    ///
    /// # Errors
    /// Where rows cannot be read. Rows may be half changed then, and are thrown away.
    fn fold(
        rows: &mut Rows,
        around: &Around<'_>,
        happenings: &[Happening<'_>],
    ) -> Result<(), redb::Error>;
}

/// What folds may look up beside their rows.
pub(crate) struct Around<'a> {
    pub(crate) keys: &'a dyn WorkspaceKeys,
    /// The numbers of contacts.
    pub(crate) contacts: &'a Numbers,
    /// Where events are found.
    pub(crate) runs: &'a Runs,
    /// Definitions of segments, as they were put together last.
    pub(crate) catalogues: &'a Catalogues,
    /// What erasures among these records take out of rows of before.
    pub(crate) sought: &'a Sought,
}

/// A record, with what was worked out of it before any rows were locked: this is all that folds see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Happening<'a> {
    pub(crate) seq: Seq,
    pub(crate) entry: &'a Entry,
    /// The clock of the fold, in milliseconds since 1970: the latest `receivedAt` of this record and all before.
    pub(crate) now: i64,
    /// Whom it is about. Of an erasure the contact, under the number that is the person's from then on; `None` where
    /// there is nothing of it.
    pub(crate) contact: Option<Numbered<ContactId>>,
    pub(crate) name: u32,
    pub(crate) message: Option<u32>,
    /// Nothing before it named that message.
    pub(crate) is_first_of_message: bool,
    /// The browser, where what follows depends on it: of an `identify`, of what names nobody by address, and of what
    /// names a message.
    pub(crate) browser: Option<u32>,
}

/// So many records ahead folds have their rows brought near from memory, where they wait for all of them together and
/// not for one after another: few enough that nothing of it is driven out again.
pub(crate) const NEAR: usize = 64;

/// Something with its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbered<T> {
    pub(crate) number: u32,
    pub(crate) id: T,
}
