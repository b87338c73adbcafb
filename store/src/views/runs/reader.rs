//! All runs as they are for one reader, whatever is pushed or sealed meanwhile.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::block::{Kind, Part};
use super::list::Source;
use super::{RunsError, Shown, walk};
use crate::locks::read;
use crate::record::{Seq, WorkspaceId};
use crate::views::filter::EventFilter;
use crate::views::{Dump, EventPage};

/// A contact or message that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    pub number: u32,
    /// Its last event, or a later one: readers begin there.
    pub newest: Seq,
}

/// What the events of a page have in common; all of a workspace's where it names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    pub name: Option<u32>,
    pub contact: Option<Newest>,
    pub message: Option<Newest>,
}

/// Under this name they are in a dump.
pub(crate) const DUMPED: &str = "runs_v1";

/// The contact whose events a row of a [dump](Reader::dump) holds, by its key; `None` where it is of another term.
pub(crate) fn contact_of(key: &[u8]) -> Option<u32> {
    let (kind, rest) = key.split_first()?;
    let number = rest.last_chunk().copied()?;
    (*kind == Kind::Contact.byte()).then_some(u32::from_be_bytes(number))
}

/// The runs as they are for one reader.
#[derive(Debug)]
pub struct Reader {
    pub(super) shown: Shown,
    pub(super) size: u32,
    pub(super) cursor: Seq,
}

impl Reader {
    /// The events of a workspace that may match the filter, in its order, at most `filter.limit`. Of the
    /// filter itself only its times, order, cursor, `until` and limit are looked at, and of the times only
    /// that stretches which lie wholly outside are passed over. Blocks on disk.
    ///
    /// # Errors
    /// [`RunsError`].
    pub fn events(
        &self,
        workspace: WorkspaceId,
        wanted: &Wanted,
        filter: &EventFilter,
    ) -> Result<EventPage, RunsError> {
        walk::walk(self, workspace, wanted, filter)
    }

    /// Of everything that events are found by the seqs: equal for equal logs, whatever is sealed. Blocks
    /// on disk.
    ///
    /// # Errors
    /// [`RunsError`].
    pub fn dump(&self, dump: &mut Dump) -> Result<(), RunsError> {
        let mut rows: BTreeMap<Vec<u8>, Vec<[u8; 8]>> = BTreeMap::new();
        let mut add = |index: u32, part: &Part| {
            let base = u64::from(index) * u64::from(self.size);
            let mut key = vec![part.term.kind.byte()];
            key.extend_from_slice(&part.term.workspace.to_be_bytes());
            key.extend_from_slice(&part.term.number.to_be_bytes());
            let seqs = part.offsets.iter().map(|offset| base + u64::from(*offset));
            let row = rows.entry(key).or_default();
            row.extend(seqs.map(|seq| seq.to_be_bytes()));
        };
        for run in &*self.shown.sealed {
            run.each(&mut |part| add(run.head.index, part))?;
        }
        for columns in &self.shown.columns {
            let columns = read(columns);
            columns.each_part(&mut |part| {
                add(columns.head.index, part);
                Ok::<_, RunsError>(())
            })?;
        }
        let rows = rows.into_iter().map(|(key, mut seqs)| {
            seqs.sort_unstable();
            (key, seqs.concat())
        });
        dump.insert(DUMPED, rows.collect());
        Ok(())
    }

    /// The newest run that is not above this one.
    pub(super) fn at_or_below(&self, index: u32) -> Option<Source<'_>> {
        let columns = self.shown.columns.iter().rev();
        let found = columns
            .map(|columns| Source::Columns(columns))
            .find(|source| source.index() <= index);
        found.or_else(|| {
            let sealed = &self.shown.sealed;
            let behind = sealed.partition_point(|run| run.head.index <= index);
            Some(Source::Sealed(sealed.get(behind.checked_sub(1)?)?))
        })
    }

    /// The runs there are, ascending.
    pub(super) fn indexes(&self, within: RangeInclusive<u32>) -> Vec<u32> {
        let sealed = self.shown.sealed.iter().map(|run| run.head.index);
        let columns = self
            .shown
            .columns
            .iter()
            .map(|columns| read(columns).head.index);
        sealed
            .chain(columns)
            .filter(|index| within.contains(index))
            .collect()
    }
}
