//! The entries of a run that was filled, in the order in which a file of it has them.

use std::collections::BTreeMap;

use super::{Columns, NOBODY};
use crate::views::runs::block::{Kind, PART, Part, Term};

impl Columns {
    /// Hands over its entries, in their order: what a file of it holds.
    pub(in crate::views::runs) fn each_part<E>(
        &self,
        each: &mut impl FnMut(&Part) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut offsets: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for offset in 0..self.end() {
            if let Some(workspace) = self.workspace_at(offset) {
                offsets.entry(workspace).or_default().push(offset);
            }
        }
        for (workspace, offsets) in &offsets {
            self.each_stretch(*workspace, offsets, each)?;
        }
        let mut keys = Vec::new();
        for kind in [Kind::Name, Kind::Contact] {
            for (workspace, offsets) in &offsets {
                let number = |offset: &u32| match kind {
                    Kind::Name => self.tag_at(*offset).map(|tag| tag.name),
                    _ => Some(self.contacts[*offset as usize]).filter(|who| *who != NOBODY),
                };
                let key = |offset: &u32| Some(key(number(offset)?, *offset));
                keys.clear();
                keys.extend(offsets.iter().filter_map(key));
                self.each_of_keys(kind, *workspace, &mut keys, each)?;
            }
        }
        drop(offsets);
        let mut of_workspace: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for (offset, number) in &self.messages {
            if let Some(workspace) = self.workspace_at(*offset) {
                let keys = of_workspace.entry(workspace).or_default();
                keys.push(key(*number, *offset));
            }
        }
        for (workspace, keys) in &mut of_workspace {
            self.each_of_keys(Kind::Message, *workspace, keys, each)?;
        }
        Ok(())
    }

    /// A workspace's own list; `offsets` ascend.
    fn each_stretch<E>(
        &self,
        workspace: u32,
        offsets: &[u32],
        each: &mut impl FnMut(&Part) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut part = Part {
            term: Term {
                kind: Kind::All,
                workspace,
                number: 0,
            },
            before: None,
            span: None,
            offsets: Vec::with_capacity(PART),
        };
        let mut left = offsets;
        for stretch in self.stretches.get(&workspace).into_iter().flatten().rev() {
            let (older, these) = left.split_at(left.len() - stretch.events);
            left = older;
            part.span = Some(stretch.span);
            part.offsets.clear();
            part.offsets.extend(these.iter().rev());
            each(&part)?;
        }
        Ok(())
    }

    fn each_of_keys<E>(
        &self,
        kind: Kind,
        workspace: u32,
        keys: &mut [u64],
        each: &mut impl FnMut(&Part) -> Result<(), E>,
    ) -> Result<(), E> {
        keys.sort_unstable();
        let mut offsets = Vec::with_capacity(PART);
        for keys in keys.chunk_by(|a, b| a >> 32 == b >> 32) {
            let term = Term {
                kind,
                workspace,
                // The upper half is the number.
                number: (keys[0] >> 32) as u32,
            };
            let oldest = offset_of(keys[keys.len() - 1]);
            let before = match kind {
                Kind::Contact => self.elsewhere(self.links[oldest as usize]),
                _ => self.before(term, oldest),
            };
            for keys in keys.chunks(PART) {
                offsets.clear();
                offsets.extend(keys.iter().map(|key| offset_of(*key)));
                let part = Part {
                    term,
                    before,
                    span: None,
                    offsets,
                };
                each(&part)?;
                offsets = part.offsets;
            }
        }
        Ok(())
    }
}

/// Sorts by the number, then the newest first.
fn key(number: u32, offset: u32) -> u64 {
    u64::from(number) << 32 | u64::from(u32::MAX - offset)
}

fn offset_of(key: u64) -> u32 {
    // The lower half is meant.
    u32::MAX - key as u32
}
