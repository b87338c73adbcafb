//! A sorted layer of changed rows in memory. A copy is a snapshot that costs next to nothing; what changes
//! afterwards is copied then, block by block. A layer is bounded by who uses it, so that its list of
//! blocks stays short.

use std::cmp::Ordering;
use std::sync::Arc;

/// Rows in a block at the most; a full one is cut in two.
const BLOCK: usize = 128;

/// What a row takes in memory beside its bytes and its key's: where they lie, their beginning once more, their counts,
/// what blocks have free, and what the allocator rounds up.
const BESIDE: usize = 112;

/// A key, or the bytes of a row.
pub(crate) type Bytes = Arc<[u8]>;
/// What a layer knows of a key: a row, or that it was removed.
pub(crate) type Change = Option<Bytes>;

/// The first 16 bytes of a key, as a number that compares as they do: nearly all keys are told apart by it, without a
/// look at where they lie. What is not there counts as zero.
type Beginning = u128;

fn beginning_of(key: &[u8]) -> Beginning {
    let mut bytes = [0; size_of::<Beginning>()];
    let length = key.len().min(bytes.len());
    bytes[..length].copy_from_slice(&key[..length]);
    Beginning::from_be_bytes(bytes)
}

/// A key that is looked for.
#[derive(Clone, Copy)]
struct Sought<'a>(Beginning, &'a [u8]);

impl<'a> Sought<'a> {
    fn of(key: &'a [u8]) -> Self {
        Self(beginning_of(key), key)
    }

    /// How a row stands to it.
    fn cmp(self, row: &Row) -> Ordering {
        row.0.cmp(&self.0).then_with(|| (*row.1).cmp(self.1))
    }
}

/// A key with its beginning, and what is known of it.
type Row = (Beginning, Bytes, Change);

/// Rows side by side, ascending. None is empty once it is in a layer.
type Block = Vec<Row>;

/// See above.
#[derive(Clone, Default)]
pub(crate) struct Layer {
    /// Ascending, each with the beginning of its first key.
    blocks: Arc<Vec<(Beginning, Arc<Block>)>>,
    rows: usize,
    bytes: usize,
}

impl Layer {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// About as many bytes as its keys and rows have.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes + self.rows * BESIDE
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Change> {
        let sought = Sought::of(key);
        let (_, block) = self.blocks.get(self.block_of(sought))?;
        let at = block.binary_search_by(|row| sought.cmp(row)).ok()?;
        Some(&block[at].2)
    }

    pub(crate) fn insert(&mut self, key: &[u8], change: Change) {
        let sought = Sought::of(key);
        let at = self.block_of(sought);
        self.bytes += key.len() + change.as_ref().map_or(0, |row| row.len());
        let blocks = Arc::make_mut(&mut self.blocks);
        if blocks.is_empty() {
            blocks.push((sought.0, Arc::default()));
        }
        let (first, block) = &mut blocks[at];
        let block = Arc::make_mut(block);
        match block.binary_search_by(|row| sought.cmp(row)) {
            Ok(known) => {
                let before = std::mem::replace(&mut block[known].2, change);
                self.bytes -= key.len() + before.map_or(0, |row| row.len());
            }
            Err(new) => {
                block.insert(new, (sought.0, key.into(), change));
                *first = block[0].0;
                self.rows += 1;
            }
        }
        if block.len() > BLOCK {
            // Keys that only ever grow fill their blocks.
            let cut = if at + 1 == blocks.len() {
                BLOCK
            } else {
                BLOCK / 2
            };
            let second = Arc::make_mut(&mut blocks[at].1).split_off(cut);
            blocks.insert(at + 1, (second[0].0, Arc::new(second)));
        }
    }

    /// The rows from `first` on and before `end`, ascending.
    pub(crate) fn range<'a>(
        &'a self,
        first: &[u8],
        end: Option<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = (&'a Bytes, &'a Change)> + use<'a> {
        let (from, to) = (self.place(first), end.map(|end| self.place(end)));
        let last = match to {
            Some((block, _)) => (block + 1).min(self.blocks.len()),
            None => self.blocks.len(),
        };
        (from.0..last).flat_map(move |at| {
            let (_, block) = &self.blocks[at];
            let start = if at == from.0 { from.1 } else { 0 };
            let end = match to {
                Some((block, end)) if block == at => end,
                _ => block.len(),
            };
            let rows = block.get(start..end).unwrap_or_default();
            rows.iter().map(|(_, key, change)| (key, change))
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Change)> {
        let rows = self.blocks.iter().flat_map(|(_, block)| block.iter());
        rows.map(|(_, key, change)| (key, change))
    }

    /// Lays another layer over this one.
    pub(crate) fn cover(&mut self, newer: &Self) {
        if self.rows == 0 {
            *self = newer.clone();
            return;
        }
        for (key, change) in newer.iter() {
            self.insert(key, change.clone());
        }
    }

    /// The block that holds a key or would: the last that begins at or before it.
    fn block_of(&self, sought: Sought<'_>) -> usize {
        let begins = |(first, block): &(Beginning, Arc<Block>)| match first.cmp(&sought.0) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => block.first().is_some_and(|row| sought.cmp(row).is_le()),
        };
        // Keys that only ever grow belong to the last.
        let behind = match self.blocks.last() {
            Some(last) if begins(last) => self.blocks.len(),
            _ => self.blocks.partition_point(begins),
        };
        behind.saturating_sub(1)
    }

    /// The block and the place in it of the first key that is not below this one.
    fn place(&self, key: &[u8]) -> (usize, usize) {
        let sought = Sought::of(key);
        let at = self.block_of(sought);
        let below = |(_, block): &(Beginning, Arc<Block>)| {
            block.partition_point(|row| sought.cmp(row).is_lt())
        };
        (at, self.blocks.get(at).map_or(0, below))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Short ones, and long ones of which many begin alike.
    fn key_of(number: u16) -> Vec<u8> {
        let [high, low] = number.to_be_bytes();
        let length = usize::from(low % 3) * 9;
        [
            &[high][..],
            &vec![0; length],
            &[low][..usize::from(low % 5).min(1)],
        ]
        .concat()
    }

    proptest! {
        #[test]
        fn a_layer_is_a_map_and_its_copies_stay_as_they_were(
            changes in prop::collection::vec((0..2_000_u16, prop::option::of(0..9_u8)), 0..900),
            copied_at in 0..900_usize,
            (first, end) in (0..2_000_u16, prop::option::of(0..2_000_u16)),
        ) {
            let (mut layer, mut expected) = (Layer::default(), BTreeMap::new());
            let mut copy = None;
            for (turn, (key, row)) in changes.into_iter().enumerate() {
                if turn == copied_at {
                    copy = Some((layer.clone(), expected.clone()));
                }
                let key = key_of(key);
                layer.insert(&key, row.map(|row| Bytes::from([row])));
                expected.insert(key.to_vec(), row.map(|row| vec![row]));
            }
            for (layer, expected) in copy.into_iter().chain([(layer, expected)]) {
                let found: Vec<_> = layer
                    .range(&key_of(first), end.map(key_of).as_deref())
                    .map(|(key, row)| (key.to_vec(), row.as_ref().map(|row| row.to_vec())))
                    .collect();
                let wanted: Vec<_> = expected
                    .iter()
                    .filter(|(key, _)| {
                        **key >= key_of(first) && end.is_none_or(|end| **key < key_of(end))
                    })
                    .map(|(key, row)| (key.clone(), row.clone()))
                    .collect();
                prop_assert_eq!(&found, &wanted);
                prop_assert_eq!(layer.rows(), expected.len());
                for (key, row) in &expected {
                    let found = layer.get(key).map(|row| row.as_ref().map(|row| row.to_vec()));
                    prop_assert_eq!(found.as_ref(), Some(row));
                }
            }
        }
    }
}
