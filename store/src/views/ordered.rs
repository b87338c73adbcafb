//! A table of rows in the order of their keys that is written behind: what has changed is in memory, the rest
//! in the file. Readers see all of it; a checkpoint writes what has changed since the last one.
//!
//! Three layers lie over the file's table, the newest first: what has changed since the last checkpoint,
//! what a checkpoint is writing, and what checkpoints have written as deltas and not into the table yet. So
//! a row that changes often is written in full, page and all, once in many checkpoints.

use std::borrow::Cow;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use redb::{Database, ReadOnlyTable};

use super::layer::{Bytes, Change, Layer};

/// The file's table as the last checkpoint left it. It holds the file, which another may have replaced.
pub(crate) struct Base {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
    _file: Arc<Database>,
}

impl Base {
    pub(crate) fn new(
        table: ReadOnlyTable<&'static [u8], &'static [u8]>,
        file: Arc<Database>,
    ) -> Self {
        Self { table, _file: file }
    }
}

impl Deref for Base {
    type Target = ReadOnlyTable<&'static [u8], &'static [u8]>;

    fn deref(&self) -> &Self::Target {
        &self.table
    }
}

/// A key and its row.
pub(crate) type Row<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The same as the file has it.
type InFile<'a> = (
    redb::AccessGuard<'a, &'static [u8]>,
    redb::AccessGuard<'a, &'static [u8]>,
);

/// In which order rows are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// See above. A copy is a snapshot.
#[derive(Clone, Default)]
pub(crate) struct Ordered {
    fresh: Layer,
    pending: Layer,
    changed: Layer,
    base: Option<Arc<Base>>,
}

/// What a checkpoint writes of a table.
pub(crate) struct CapturedTable {
    /// What has changed since the last checkpoint.
    pub(crate) pending: Layer,
    /// What is in deltas alone.
    pub(crate) changed: Layer,
}

impl Ordered {
    /// What is in the file: its table, and over it what is in its deltas.
    pub(crate) fn opened(base: Arc<Base>, changed: Layer) -> Self {
        Self {
            changed,
            base: Some(base),
            ..Self::default()
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, redb::Error> {
        for layer in [&self.fresh, &self.pending, &self.changed] {
            if let Some(change) = layer.get(key) {
                return Ok(change.clone());
            }
        }
        let Some(base) = &self.base else {
            return Ok(None);
        };
        from_file(|| Ok(base.get(key)?.map(|row| row.value().into())))
    }

    pub(crate) fn insert(&mut self, key: &[u8], row: &[u8]) {
        self.fresh.insert(key, Some(row.into()));
    }

    /// Returns what stood there.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Result<Option<Bytes>, redb::Error> {
        let before = self.get(key)?;
        if before.is_some() {
            self.fresh.insert(key, None);
        }
        Ok(before)
    }

    /// About how many bytes of memory the changed rows take.
    pub(crate) fn memory(&self) -> usize {
        let layers = [&self.fresh, &self.pending, &self.changed];
        layers.into_iter().map(Layer::memory).sum()
    }

    /// How many keys have changed since the last checkpoint.
    pub(crate) fn fresh(&self) -> usize {
        self.fresh.rows()
    }

    /// The rows from `first` on and before `end`, in this order.
    pub(crate) fn range<'a>(
        &'a self,
        first: &[u8],
        end: Option<&[u8]>,
        way: Way,
    ) -> Result<Merged<'a>, redb::Error> {
        let mut sources: Vec<Source<'a>> = Vec::with_capacity(4);
        for layer in [&self.fresh, &self.pending, &self.changed] {
            if layer.rows() > 0 {
                sources.push(of_layer(layer, first, end, way));
            }
        }
        if let Some(base) = &self.base {
            let rows = match end {
                Some(end) if end <= first => None,
                Some(end) => Some(from_file(|| Ok(base.range::<&[u8]>(first..end)?))?),
                None => Some(from_file(|| Ok(base.range::<&[u8]>(first..)?))?),
            };
            if let Some(mut rows) = rows {
                let own = |row: Result<InFile<'_>, _>| {
                    let (key, row) = row?;
                    let (key, row) = (key.value().to_vec(), row.value().to_vec());
                    Ok((Cow::Owned(key), Some(Cow::Owned(row))))
                };
                let next = move || {
                    let row = match way {
                        Way::Up => rows.next(),
                        Way::Down => rows.next_back(),
                    };
                    row.map(own).transpose()
                };
                let mut next = AssertUnwindSafe(next);
                let all = std::iter::from_fn(move || from_file(|| (next.0)()).transpose());
                sources.push(Box::new(all));
            }
        }
        Merged::new(sources, way)
    }

    /// Those whose keys begin so, ascending.
    pub(crate) fn beginning_with<'a>(&'a self, prefix: &[u8]) -> Result<Merged<'a>, redb::Error> {
        self.range(prefix, successor(prefix).as_deref(), Way::Up)
    }

    /// What is to be written. It stays readable, and is no longer what has changed since.
    pub(crate) fn capture(&mut self) -> CapturedTable {
        debug_assert!(self.pending.rows() == 0, "one checkpoint at a time");
        self.pending = std::mem::take(&mut self.fresh);
        CapturedTable {
            pending: self.pending.clone(),
            changed: self.changed.clone(),
        }
    }

    /// What was captured is in the file: `changed` is what its deltas hold and its table does not.
    pub(crate) fn written(&mut self, changed: Layer, base: Arc<Base>) {
        self.pending = Layer::default();
        self.changed = changed;
        self.base = Some(base);
    }
}

/// A damaged file can make redb panic rather than fail.
fn from_file<T>(read: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    let read = catch_unwind(AssertUnwindSafe(read));
    read.unwrap_or_else(|_| Err(redb::Error::Corrupted("reading panicked".into())))
}

/// The first key that begins otherwise and lies behind all that begin so; `None` where there is none.
pub(crate) fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

type Found<'a> = (Cow<'a, [u8]>, Option<Cow<'a, [u8]>>);
type Source<'a> = Box<dyn Iterator<Item = Result<Found<'a>, redb::Error>> + 'a>;

fn of_layer<'a>(layer: &'a Layer, first: &[u8], end: Option<&[u8]>, way: Way) -> Source<'a> {
    fn borrowed<'a>((key, change): (&'a Bytes, &'a Change)) -> Result<Found<'a>, redb::Error> {
        Ok((Cow::Borrowed(&**key), change.as_deref().map(Cow::Borrowed)))
    }
    let rows = layer.range(first, end);
    match way {
        Way::Up => Box::new(rows.map(borrowed)),
        Way::Down => Box::new(rows.rev().map(borrowed)),
    }
}

/// Rows of all layers as one.
pub(crate) struct Merged<'a> {
    /// The newest first.
    sources: Vec<(Option<Found<'a>>, Source<'a>)>,
    way: Way,
}

impl<'a> Merged<'a> {
    fn new(sources: Vec<Source<'a>>, way: Way) -> Result<Self, redb::Error> {
        let begin = |mut source: Source<'a>| Ok((source.next().transpose()?, source));
        Ok(Self {
            sources: sources
                .into_iter()
                .map(begin)
                .collect::<Result<_, redb::Error>>()?,
            way,
        })
    }

    fn step(&mut self) -> Result<Option<Row<'a>>, redb::Error> {
        loop {
            let heads = self.sources.iter().enumerate();
            let heads = heads.filter_map(|(at, (head, _))| Some((at, &head.as_ref()?.0)));
            // The first of equal ones is the newest.
            let nearest = heads.reduce(|best, other| {
                let is_nearer = match self.way {
                    Way::Up => other.1 < best.1,
                    Way::Down => other.1 > best.1,
                };
                if is_nearer { other } else { best }
            });
            let Some((at, _)) = nearest else {
                return Ok(None);
            };
            let (newest, older) = self.sources.split_at_mut(at + 1);
            let (head, source) = &mut newest[at];
            let Some((key, row)) = std::mem::replace(head, source.next().transpose()?) else {
                return Ok(None);
            };
            for (head, source) in older {
                if head.as_ref().is_some_and(|(other, _)| *other == key) {
                    *head = source.next().transpose()?;
                }
            }
            if let Some(row) = row {
                return Ok(Some((key, row)));
            }
        }
    }
}

impl<'a> Iterator for Merged<'a> {
    type Item = Result<Row<'a>, redb::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_of_what_begins_so_is_the_next_that_does_not() {
        for (prefix, end) in [
            (&b"ab"[..], Some(&b"ac"[..])),
            (b"a\xff", Some(b"b")),
            (b"\xff\xff", None),
            (b"", None),
        ] {
            assert_eq!(successor(prefix).as_deref(), end);
        }
    }

    proptest! {
        #[test]
        fn layers_read_as_one_table(
            changes in prop::collection::vec((any::<u8>(), prop::option::of(any::<u8>()), 0..9_u8), 0..300),
            (first, end) in (any::<u8>(), prop::option::of(any::<u8>())),
        ) {
            let (mut table, mut expected) = (Ordered::default(), BTreeMap::new());
            for (key, row, act) in changes {
                match row {
                    Some(row) => {
                        table.insert(&[key], &[row]);
                        expected.insert(key, row);
                    }
                    None => {
                        let removed = table.remove(&[key]).unwrap().map(|row| row[0]);
                        prop_assert_eq!(removed, expected.remove(&key));
                    }
                }
                match act {
                    0 if table.pending.rows() == 0 => drop(table.capture()),
                    1 => {
                        let mut changed = table.changed.clone();
                        changed.cover(&table.pending);
                        (table.changed, table.pending) = (changed, Layer::default());
                    }
                    _ => {}
                }
            }
            let wanted: Vec<_> = expected
                .iter()
                .filter(|(key, _)| **key >= first && end.is_none_or(|end| **key < end))
                .map(|(key, row)| (vec![*key], vec![*row]))
                .collect();
            for way in [Way::Up, Way::Down] {
                let end = end.map(|end| [end]);
                let (first, end) = ([first], end.as_ref().map(|end| &end[..]));
                let found = table.range(&first, end, way).unwrap();
                let mut found: Vec<_> = found
                    .map(|row| row.map(|(key, row)| (key.into_owned(), row.into_owned())).unwrap())
                    .collect();
                if way == Way::Down {
                    found.reverse();
                }
                prop_assert_eq!(&found, &wanted);
            }
            for (key, row) in &expected {
                let found = table.get(&[*key]).unwrap();
                prop_assert_eq!(found.as_deref(), Some(&[*row][..]));
            }
        }
    }
}
