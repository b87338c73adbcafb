//! The block: the entries of one commit (or a part of them), packed, compressed and checksummed.
//!
//! ```text
//! codec 2: codec u8 | count u32 | last received u64 | checksum u64 | generation u8 | stamp u64
//!          | earlier u16 | earlier × (workspace u32, records u32)
//!          | ids: count × (workspace u32, tag u8, id 16 B) | zstd(records)
//! codec 1: codec u8 | count u32 | last received u64 | checksum u64
//!          | ids: count × (workspace u32, id 16 B) | zstd(records)
//! records: count × (length u32, the entry as `record::stored` has it)
//! ```
//! Numbers are little-endian. Generation and stamp are those of the commit, and stand in the seqs
//! that callers see; `earlier` tells how many records of a workspace the blocks before in the same
//! commit hold, of those that have records here too, so that an index is known from one block. The ids lie uncompressed in front, because random ids do not
//! compress and because a restart reads them alone; the tag tells sender and type (`identity`).
//! The checksum (XXH3-64, seeded with the first seq so that a block in the wrong place is found)
//! covers everything else. Codec 1 is read and never written.

use std::cell::RefCell;
use std::hash::Hasher as _;

use shared::ids::EventId;
use twox_hash::XxHash3_64;
use zstd::bulk::Decompressor;

use crate::record::identity::{FactKind, IdKey, of_tag, tag};
use crate::record::public_seq::{Indexes, PublicSeq, Stamp};
use crate::record::stored;
use crate::record::{Entry, Record, Seq, WorkspaceId};

/// The layout that is written. Another one takes another number; old blocks stay readable.
const CODEC: u8 = 2;
/// The layout from before ids belonged to who sends them.
const OLD_CODEC: u8 = 1;
/// Up to the checksum and with it, in both layouts.
const CHECKSUM_END: usize = 1 + 4 + 8 + 8;
const HEADER: usize = CHECKSUM_END + 1 + 8 + 2;
const EARLIER_BYTES: usize = 4 + 4;
const ID_BYTES: usize = 4 + 1 + 16;
const OLD_ID_BYTES: usize = 4 + 16;
/// Level 1: levels 3 and 9 gain 0–8 % on JSON events and cost up to 8 times as much (measured,
/// in the survey of crates that the design rests on).
const ZSTD_LEVEL: i32 = 1;
/// No block unpacks to more than this; more is damage. 1,000 events of at most 32 KB and slack.
const MAX_UNPACKED: usize = 256 * 1024 * 1024;

/// What a block says of the commit that it is a part of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitPart {
    pub stamp: Stamp,
    /// How many records of a workspace the blocks before in the same commit hold; of those that have
    /// records in this one too, and where there are any.
    pub earlier: Vec<(WorkspaceId, u32)>,
}

/// A block on its way into a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    pub first: Seq,
    pub last: Seq,
    /// The latest arrival in it, milliseconds since 1970.
    pub last_received: i64,
    pub bytes: Vec<u8>,
}

/// Why a block of a later version is not read.
const NEWER: &str = "the block was written by a newer misar";

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
        part: &CommitPart,
        entries: impl ExactSizeIterator<Item = &'a Entry>,
    ) -> std::io::Result<Vec<u8>> {
        let count = entries.len();
        let mut block = vec![0; HEADER];
        block.reserve(part.earlier.len() * EARLIER_BYTES + count * (ID_BYTES + 128));
        for (workspace, records) in &part.earlier {
            block.extend_from_slice(&workspace.0.to_le_bytes());
            block.extend_from_slice(&records.to_le_bytes());
        }
        self.raw.clear();
        let mut last_received = 0;
        for entry in entries {
            block.extend_from_slice(&entry.workspace.0.to_le_bytes());
            block.push(tag(entry.sender(), entry.fact.kind()));
            block.extend_from_slice(entry.id.as_bytes());
            last_received = last_received.max(entry.received_at.as_millis());
            let start = self.raw.len();
            self.raw.extend_from_slice(&[0; 4]);
            self.raw = stored::write(entry, std::mem::take(&mut self.raw))
                .map_err(std::io::Error::other)?;
            let length = length32(self.raw.len() - start - 4)?;
            self.raw[start..start + 4].copy_from_slice(&length.to_le_bytes());
        }
        let packed = self.compressor.compress(&self.raw)?;
        block.extend_from_slice(&packed);
        block[0] = CODEC;
        block[1..5].copy_from_slice(&length32(count)?.to_le_bytes());
        block[5..13].copy_from_slice(&last_received.to_le_bytes());
        block[21] = part.stamp.generation;
        block[22..30].copy_from_slice(&part.stamp.micros.to_le_bytes());
        let earlier = u16::try_from(part.earlier.len()).map_err(std::io::Error::other)?;
        block[30..32].copy_from_slice(&earlier.to_le_bytes());
        let checksum = checksum(first, &block);
        block[13..21].copy_from_slice(&checksum.to_le_bytes());
        Ok(block)
    }
}

/// A block whose checksum has been verified.
pub struct Block<'a> {
    /// All of it.
    bytes: &'a [u8],
    first: Seq,
    count: usize,
    last_received: i64,
    stamp: Stamp,
    earlier: &'a [u8],
    /// Of [`CODEC`]: each id has its tag.
    tagged: bool,
    ids: &'a [u8],
    packed: &'a [u8],
}

impl<'a> Block<'a> {
    /// Verifies the checksum before anything else is believed.
    pub fn parse(first: Seq, bytes: &'a [u8]) -> Result<Self, BadBlock> {
        if bytes.len() < CHECKSUM_END {
            return Err(BadBlock("the block is cut short"));
        }
        if read_u64(&bytes[13..21]) != checksum(first, bytes) {
            return Err(BadBlock("the block's checksum does not match its content"));
        }
        let (tagged, header, id_bytes) = match bytes[0] {
            CODEC => (true, HEADER, ID_BYTES),
            OLD_CODEC => (false, CHECKSUM_END, OLD_ID_BYTES),
            _ => return Err(BadBlock(NEWER)),
        };
        let Some((head, rest)) = bytes.split_at_checked(header) else {
            return Err(BadBlock("the block is cut short"));
        };
        let count = read_u32(&head[1..5]) as usize;
        let last_received = read_u64(&head[5..13]).cast_signed();
        let (stamp, earlier) = if tagged {
            let stamp = Stamp {
                generation: head[21],
                micros: read_u64(&head[22..30]),
            };
            (stamp, usize::from(u16::from_le_bytes([head[30], head[31]])))
        } else {
            (Stamp::NONE, 0)
        };
        if !stamp.is_valid() {
            return Err(BadBlock("the block's stamp is none that a commit can have"));
        }
        let Some((earlier, rest)) = rest.split_at_checked(earlier * EARLIER_BYTES) else {
            return Err(BadBlock("the block is cut short"));
        };
        if count == 0 || rest.len() / id_bytes < count {
            return Err(BadBlock("the block's count does not match its length"));
        }
        let (ids, packed) = rest.split_at(count * id_bytes);
        if tagged && ids.chunks_exact(ID_BYTES).any(|id| of_tag(id[4]).is_none()) {
            return Err(BadBlock(NEWER));
        }
        Ok(Self {
            bytes,
            first,
            count,
            last_received,
            stamp,
            earlier,
            tagged,
            ids,
            packed,
        })
    }

    /// As it was packed.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
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

    /// When it was committed; [`Stamp::NONE`] where nobody noted that.
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The ids with their types, in the order of the records. Of the old layout they are read out
    /// of the records.
    pub fn ids(&self) -> Result<Vec<(IdKey, FactKind)>, BadBlock> {
        if !self.tagged {
            let mut records = Vec::with_capacity(self.count);
            self.records(Seq::START, usize::MAX, &mut records)?;
            let id = |record: &Record| (record.entry.id_key(), record.entry.fact.kind());
            return Ok(records.iter().map(id).collect());
        }
        let ids = self.ids.chunks_exact(ID_BYTES);
        ids.map(|id| key_in(id).ok_or(BadBlock(NEWER))).collect()
    }

    /// The id of the record at this place, with its type, as it lies in a block whose checksum nobody has
    /// looked at; `None` where that cannot be told without, or the place is not here.
    pub(crate) fn claimed_id(first: Seq, bytes: &[u8], place: Seq) -> Option<(IdKey, FactKind)> {
        if bytes.first() != Some(&CODEC) || bytes.len() < HEADER {
            return None;
        }
        let count = u64::from(read_u32(&bytes[1..5]));
        let at = place.0.checked_sub(first.0).filter(|at| *at < count)?;
        let earlier = usize::from(u16::from_le_bytes([bytes[30], bytes[31]]));
        let start = HEADER + earlier * EARLIER_BYTES + usize::try_from(at).ok()? * ID_BYTES;
        key_in(bytes.get(start..start + ID_BYTES)?)
    }

    /// The id of the record at this place, with its type; `None` where the place is not here.
    pub(crate) fn id_at(&self, place: Seq) -> Result<Option<(IdKey, FactKind)>, BadBlock> {
        if !(self.first..=self.last()).contains(&place) {
            return Ok(None);
        }
        if !self.tagged {
            let mut records = Vec::with_capacity(1);
            self.records(Seq(place.0 - 1), 1, &mut records)?;
            let id = |record: &Record| (record.entry.id_key(), record.entry.fact.kind());
            return Ok(records.first().map(id));
        }
        let at = usize::try_from(place.0 - self.first.0).unwrap_or(usize::MAX);
        let id = self.ids.chunks_exact(ID_BYTES).nth(at);
        id.map(|id| key_in(id).ok_or(BadBlock(NEWER))).transpose()
    }

    /// The lowest seq that a record here can have. Blocks of one commit share it.
    pub fn start(&self) -> PublicSeq {
        PublicSeq::of(self.stamp, 0, self.first)
    }

    /// What the block says of its commit.
    pub fn part(&self) -> CommitPart {
        CommitPart {
            stamp: self.stamp,
            earlier: self.earlier().collect(),
        }
    }

    /// The seqs that callers see, in the order of the records, each with its workspace.
    pub fn public_seqs(&self) -> impl Iterator<Item = (WorkspaceId, PublicSeq)> + '_ {
        let mut indexes = Indexes::behind(self.earlier());
        let seqs = (self.first.0..).map(Seq);
        self.places().zip(seqs).map(move |((workspace, _), seq)| {
            let index = indexes.take(workspace);
            (workspace, PublicSeq::of(self.stamp, index, seq))
        })
    }

    fn earlier(&self) -> impl Iterator<Item = (WorkspaceId, u32)> + '_ {
        self.earlier.chunks_exact(EARLIER_BYTES).map(|bytes| {
            let workspace = WorkspaceId(read_u32(&bytes[..4]));
            (workspace, read_u32(&bytes[4..]))
        })
    }

    /// What lies beside the records: the workspace and the id of each.
    fn places(&self) -> impl Iterator<Item = (WorkspaceId, EventId)> + '_ {
        let width = if self.tagged { ID_BYTES } else { OLD_ID_BYTES };
        self.ids.chunks_exact(width).map(move |bytes| {
            let workspace = WorkspaceId(read_u32(bytes));
            (workspace, id_in(&bytes[width - 16..]))
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
        into.reserve(self.count.min(limit));
        for ((workspace, id), (_, public_seq)) in self.places().zip(self.public_seqs()) {
            let (length, tail) = rest
                .split_at_checked(4)
                .ok_or(BadBlock("a record is cut short"))?;
            let (bytes, tail) = tail
                .split_at_checked(read_u32(length) as usize)
                .ok_or(BadBlock("a record is cut short"))?;
            rest = tail;
            if seq > after && taken < limit {
                let entry = stored::read(workspace, id, bytes);
                let entry = entry.map_err(|stored::BadRecord(why)| BadBlock(why))?;
                into.push(Record {
                    seq,
                    public_seq,
                    entry,
                });
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

/// The id in these [`ID_BYTES`], with its type; `None` where the tag is of a later version.
fn key_in(bytes: &[u8]) -> Option<(IdKey, FactKind)> {
    let (sender, kind) = of_tag(bytes[4])?;
    let key = IdKey {
        workspace: WorkspaceId(read_u32(bytes)),
        sender,
        id: id_in(&bytes[5..]),
    };
    Some((key, kind))
}

fn id_in(bytes: &[u8]) -> EventId {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[..16]);
    EventId::from_bytes(id)
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
    hasher.write(&block[CHECKSUM_END..]);
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

#[cfg(test)]
pub(crate) mod tests;
