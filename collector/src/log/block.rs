//! The block: the entries of one commit (or a part of them), packed, compressed and checksummed.
//!
//! ```text
//! codec u8 | count u32 | last received u64 | checksum u64 | ids: count × (workspace u32, id 16 B) | zstd(records)
//! records: count × (length u32, postcard of Entry)
//! ```
//! Numbers are little-endian. The ids lie uncompressed in front, because random ids do not
//! compress and because a restart reads them alone. The checksum (XXH3-64, seeded with the first
//! seq so that a block in the wrong place is found) covers everything else.

use std::cell::RefCell;
use std::hash::Hasher as _;

use shared::ids::EventId;
use twox_hash::XxHash3_64;
use zstd::bulk::Decompressor;

use super::record::{Entry, Record, Seq, WorkspaceId};

/// The only layout so far. Another one takes another number; old blocks stay readable.
const CODEC: u8 = 1;
const HEADER: usize = 1 + 4 + 8 + 8;
const ID_BYTES: usize = 20;
/// Level 1: levels 3 and 9 gain 0–8 % on JSON events and cost up to 8 times as much (measured,
/// in the survey of crates that the design rests on).
const ZSTD_LEVEL: i32 = 1;
/// No block unpacks to more than this; more is damage. 1,000 events of at most 32 KB and slack.
const MAX_UNPACKED: usize = 256 * 1024 * 1024;

/// What identifies an event: ids are unique within a workspace.
pub type IdKey = (WorkspaceId, EventId);

/// Why a block is no good; the sentence names what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadBlock(pub &'static str);

/// Packs entries into blocks; keeps its compression state from block to block.
pub struct Packer {
    compressor: zstd::bulk::Compressor<'static>,
    raw: Vec<u8>,
}

impl Packer {
    pub fn new() -> std::io::Result<Self> {
        let compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        Ok(Self {
            compressor,
            raw: Vec::new(),
        })
    }

    /// Packs `entries`, of which the first will have the seq `first`.
    pub fn pack<'a>(
        &mut self,
        first: Seq,
        entries: impl ExactSizeIterator<Item = &'a Entry>,
    ) -> std::io::Result<Vec<u8>> {
        let count = entries.len();
        let mut block = vec![0; HEADER];
        block.reserve(count * (ID_BYTES + 128));
        self.raw.clear();
        let mut last_received = 0;
        for entry in entries {
            block.extend_from_slice(&entry.workspace.0.to_le_bytes());
            block.extend_from_slice(entry.id.as_bytes());
            last_received = last_received.max(entry.received_at.as_millis());
            let start = self.raw.len();
            self.raw.extend_from_slice(&[0; 4]);
            self.raw = postcard::to_extend(entry, std::mem::take(&mut self.raw))
                .map_err(std::io::Error::other)?;
            let length = length32(self.raw.len() - start - 4)?;
            self.raw[start..start + 4].copy_from_slice(&length.to_le_bytes());
        }
        let packed = self.compressor.compress(&self.raw)?;
        block.extend_from_slice(&packed);
        block[0] = CODEC;
        block[1..5].copy_from_slice(&length32(count)?.to_le_bytes());
        block[5..13].copy_from_slice(&last_received.to_le_bytes());
        let checksum = checksum(first, &block);
        block[13..21].copy_from_slice(&checksum.to_le_bytes());
        Ok(block)
    }
}

/// A block whose checksum has been verified.
pub struct Block<'a> {
    first: Seq,
    count: usize,
    last_received: i64,
    ids: &'a [u8],
    packed: &'a [u8],
}

impl<'a> Block<'a> {
    /// Verifies the checksum before anything else is believed.
    pub fn parse(first: Seq, bytes: &'a [u8]) -> Result<Self, BadBlock> {
        if bytes.len() < HEADER {
            return Err(BadBlock("the block is cut short"));
        }
        if read_u64(&bytes[13..21]) != checksum(first, bytes) {
            return Err(BadBlock("the block's checksum does not match its content"));
        }
        if bytes[0] != CODEC {
            return Err(BadBlock("the block was written by a newer misar"));
        }
        let count = read_u32(&bytes[1..5]) as usize;
        let last_received = read_u64(&bytes[5..13]).cast_signed();
        let rest = &bytes[HEADER..];
        if count == 0 || rest.len() / ID_BYTES < count {
            return Err(BadBlock("the block's count does not match its length"));
        }
        let (ids, packed) = rest.split_at(count * ID_BYTES);
        Ok(Self {
            first,
            count,
            last_received,
            ids,
            packed,
        })
    }

    pub fn first(&self) -> Seq {
        self.first
    }

    pub fn last(&self) -> Seq {
        Seq(self.first.0 + self.count as u64 - 1)
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// The latest arrival in the block, milliseconds since 1970.
    pub fn last_received(&self) -> i64 {
        self.last_received
    }

    /// The ids, in the order of the records.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = IdKey> + '_ {
        self.ids.chunks_exact(ID_BYTES).map(|bytes| {
            let mut id = [0; 16];
            id.copy_from_slice(&bytes[4..]);
            (WorkspaceId(read_u32(&bytes[..4])), EventId::from_bytes(id))
        })
    }

    /// Unpacks the records whose seqs lie in `after..` up to `limit` of them.
    pub fn records(
        &self,
        after: Seq,
        limit: usize,
        into: &mut Vec<Record>,
    ) -> Result<(), BadBlock> {
        let raw = unpack(self.packed)?;
        let mut rest = raw.as_slice();
        let mut seq = self.first;
        let mut taken = 0;
        for (workspace, id) in self.ids() {
            let (length, tail) = rest
                .split_at_checked(4)
                .ok_or(BadBlock("a record is cut short"))?;
            let (bytes, tail) = tail
                .split_at_checked(read_u32(length) as usize)
                .ok_or(BadBlock("a record is cut short"))?;
            rest = tail;
            if seq > after && taken < limit {
                let mut entry: Entry = postcard::from_bytes(bytes)
                    .map_err(|_| BadBlock("a record does not decode"))?;
                entry.workspace = workspace;
                entry.id = id;
                into.push(Record { seq, entry });
                taken += 1;
            }
            seq = seq.next();
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(BadBlock("bytes are left over behind the records"))
        }
    }
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, BadBlock> {
    thread_local! {
        // Its tables cost more to make than a small block to unpack.
        static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> =
            RefCell::new(Decompressor::new().ok());
    }
    // The frame tells its own size, since the writer compressed it in one go.
    let size = Decompressor::upper_bound(packed).unwrap_or(MAX_UNPACKED);
    if size > MAX_UNPACKED {
        return Err(BadBlock("the block claims to be larger than any block"));
    }
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = decompressor
            .as_mut()
            .ok_or(BadBlock("there is no memory to decompress it in"))?;
        decompressor
            .decompress(packed, size)
            .map_err(|_| BadBlock("the block does not decompress"))
    })
}

fn checksum(first: Seq, block: &[u8]) -> u64 {
    let mut hasher = XxHash3_64::with_seed(first.0);
    hasher.write(&block[..13]);
    hasher.write(&block[HEADER..]);
    hasher.finish()
}

fn length32(length: usize) -> std::io::Result<u32> {
    u32::try_from(length).map_err(std::io::Error::other)
}

fn read_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn read_u64(bytes: &[u8]) -> u64 {
    u64::from(read_u32(&bytes[..4])) | u64::from(read_u32(&bytes[4..8])) << 32
}
