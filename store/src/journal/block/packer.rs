//! Packing entries into blocks of the newest layout.

use super::{CODEC, CommitPart, HEADER, ID_BYTES, STAMPED, checksum};
use crate::record::identity::tag;
use crate::record::stored::columns::Columns;
use crate::record::{Entry, Seq};

/// Level 1: levels 3 and 9 gain 0–8 % on JSON events and cost up to 8 times as much (measured,
/// in the survey of crates that the design rests on).
const ZSTD_LEVEL: i32 = 1;

/// Packs entries into blocks; keeps its compression state from block to block.
pub struct Packer {
    compressor: zstd::bulk::Compressor<'static>,
    columns: Columns,
    raw: Vec<u8>,
}

impl Packer {
    pub fn new() -> std::io::Result<Self> {
        let compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        Ok(Self {
            compressor,
            columns: Columns::default(),
            raw: Vec::new(),
        })
    }

    /// Packs `entries`, of which the first will have the seq `first`.
    pub fn pack<'a>(
        &mut self,
        first: Seq,
        part: &CommitPart,
        entries: impl ExactSizeIterator<Item = &'a Entry>,
    ) -> std::io::Result<Vec<u8>> {
        let count = entries.len();
        let mut block = vec![0; HEADER];
        for (workspace, records) in &part.earlier {
            block.extend_from_slice(&workspace.0.to_le_bytes());
            block.extend_from_slice(&records.to_le_bytes());
        }
        self.columns.clear();
        let mut last_received = 0;
        let mut workspaces = Vec::with_capacity(count);
        let mut ids = Vec::with_capacity(count * ID_BYTES);
        for entry in entries {
            workspaces.push(entry.workspace);
            ids.push(tag(entry.sender(), entry.fact.kind()));
            ids.extend_from_slice(entry.id.as_bytes());
            last_received = last_received.max(entry.received_at.as_millis());
            let pushed = self.columns.push(entry);
            pushed.map_err(std::io::Error::other)?;
        }
        let is_mixed = workspaces.windows(2).any(|two| two[0] != two[1]);
        if !is_mixed {
            workspaces.truncate(1);
        }
        for workspace in workspaces {
            block.extend_from_slice(&workspace.0.to_le_bytes());
        }
        block.extend_from_slice(&ids);
        self.raw.clear();
        let raw = self.columns.write(std::mem::take(&mut self.raw));
        self.raw = raw.map_err(std::io::Error::other)?;
        let packed = self.compressor.compress(&self.raw)?;
        block.extend_from_slice(&packed);
        block[0] = CODEC;
        block[1..5].copy_from_slice(&length32(count)?.to_le_bytes());
        block[5..13].copy_from_slice(&last_received.to_le_bytes());
        block[21] = part.stamp.generation;
        block[22..30].copy_from_slice(&part.stamp.micros.to_le_bytes());
        let earlier = u16::try_from(part.earlier.len()).map_err(std::io::Error::other)?;
        block[30..STAMPED].copy_from_slice(&earlier.to_le_bytes());
        block[STAMPED] = u8::from(is_mixed);
        let checksum = checksum(first, &block);
        block[13..21].copy_from_slice(&checksum.to_le_bytes());
        Ok(block)
    }
}

fn length32(length: usize) -> std::io::Result<u32> {
    u32::try_from(length).map_err(std::io::Error::other)
}
