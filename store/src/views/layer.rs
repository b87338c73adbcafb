//! A sorted layer of changed rows in memory. A copy is a snapshot that costs next to nothing; what changes
//! afterwards is copied then, block by block. A layer is bounded by who uses it, so that its list of
//! blocks stays short.

use std::sync::Arc;

/// Rows in a block at the most; a full one is cut in two.
const BLOCK: usize = 128;

/// What a row takes in memory beside its bytes and its key's: where they lie, their counts, what blocks have free, and
/// what the allocator rounds up.
const BESIDE: usize = 96;

/// A key, or the bytes of a row.
pub(crate) type Bytes = Arc<[u8]>;
/// What a layer knows of a key: a row, or that it was removed.
pub(crate) type Change = Option<Bytes>;

/// Rows side by side, ascending.
type Block = Vec<(Bytes, Change)>;

/// See above.
#[derive(Clone, Default)]
pub(crate) struct Layer {
    /// None is empty; ascending.
    blocks: Arc<Vec<Arc<Block>>>,
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
        let block = self.blocks.get(self.block_of(key))?;
        let at = block
            .binary_search_by(|(known, _)| (**known).cmp(key))
            .ok()?;
        Some(&block[at].1)
    }

    pub(crate) fn insert(&mut self, key: &[u8], change: Change) {
        let at = self.block_of(key);
        self.bytes += key.len() + change.as_ref().map_or(0, |row| row.len());
        let blocks = Arc::make_mut(&mut self.blocks);
        if blocks.is_empty() {
            blocks.push(Arc::default());
        }
        let block = Arc::make_mut(&mut blocks[at]);
        match block.binary_search_by(|(known, _)| (**known).cmp(key)) {
            Ok(known) => {
                let before = std::mem::replace(&mut block[known].1, change);
                self.bytes -= key.len() + before.map_or(0, |row| row.len());
            }
            Err(new) => {
                block.insert(new, (key.into(), change));
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
            let block = Arc::make_mut(&mut blocks[at]);
            let second = block.split_off(cut);
            blocks.insert(at + 1, Arc::new(second));
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
            let block = &self.blocks[at];
            let start = if at == from.0 { from.1 } else { 0 };
            let end = match to {
                Some((block, end)) if block == at => end,
                _ => block.len(),
            };
            let rows = block.get(start..end).unwrap_or_default();
            rows.iter().map(|(key, change)| (key, change))
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Change)> {
        self.blocks
            .iter()
            .flat_map(|block| block.iter().map(|(key, change)| (key, change)))
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
    fn block_of(&self, key: &[u8]) -> usize {
        let begins = |block: &Arc<Block>| block.first().is_some_and(|(first, _)| **first <= *key);
        self.blocks.partition_point(begins).saturating_sub(1)
    }

    /// The block and the place in it of the first key that is not below this one.
    fn place(&self, key: &[u8]) -> (usize, usize) {
        let at = self.block_of(key);
        let below = |block: &Arc<Block>| block.partition_point(|(known, _)| **known < *key);
        (at, self.blocks.get(at).map_or(0, below))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

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
                let key = key.to_be_bytes();
                layer.insert(&key, row.map(|row| Bytes::from([row])));
                expected.insert(key.to_vec(), row.map(|row| vec![row]));
            }
            for (layer, expected) in copy.into_iter().chain([(layer, expected)]) {
                let found: Vec<_> = layer
                    .range(&first.to_be_bytes(), end.map(u16::to_be_bytes).as_ref().map(|end| &end[..]))
                    .map(|(key, row)| (key.to_vec(), row.as_ref().map(|row| row.to_vec())))
                    .collect();
                let wanted: Vec<_> = expected
                    .iter()
                    .filter(|(key, _)| {
                        key.as_slice() >= &first.to_be_bytes()[..]
                            && end.is_none_or(|end| key.as_slice() < &end.to_be_bytes()[..])
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
