//! The block: the entries of one commit (or a part of them), packed, compressed and checksummed.
//!
//! ```text
//! codec 3: codec u8 | count u32 | last received u64 | checksum u64 | generation u8 | stamp u64
//!          | earlier u16 | mixed u8 | earlier × (workspace u32, records u32)
//!          | workspace u32, where mixed is 1 count of them
//!          | ids: count × (tag u8, id 16 B) | zstd(the entries as `record::stored::columns` has them)
//! codec 2: codec u8 | count u32 | last received u64 | checksum u64 | generation u8 | stamp u64
//!          | earlier u16 | earlier × (workspace u32, records u32)
//!          | ids: count × (workspace u32, tag u8, id 16 B) | zstd(records)
//! codec 1: codec u8 | count u32 | last received u64 | checksum u64
//!          | ids: count × (workspace u32, id 16 B) | zstd(records)
//! records: count × (length u32, the entry as `record::stored` has it)
//! ```
//! Numbers are little-endian. Generation and stamp are those of the commit, and stand in the seqs
//! that callers see; `earlier` tells how many records of a workspace the blocks before in the same
//! commit hold, of those that have records here too, so that an index is known from one block. The ids lie
//! uncompressed in front, because random ids do not
//! compress and because a restart reads them alone; the tag tells sender and type (`identity`).
//! The checksum (XXH3-64, seeded with the first seq so that a block in the wrong place is found)
//! covers everything else. Codecs 1 and 2 are read and never written.

mod packer;
mod places;

use std::cell::RefCell;
use std::hash::Hasher as _;

pub use packer::Packer;
use places::{Layout, Places};
use twox_hash::XxHash3_64;
use zstd::bulk::Decompressor;

use crate::record::identity::{FactKind, IdKey};
use crate::record::public_seq::{Indexes, PublicSeq, Stamp};
use crate::record::stored;
use crate::record::stored::columns::Reader;
use crate::record::{Record, Seq, WorkspaceId};

/// The layout that is written. Another one takes another number; old blocks stay readable.
const CODEC: u8 = 3;
/// The layout from before entries lay in columns.
const ROWS_CODEC: u8 = 2;
/// The layout from before ids belonged to who sends them.
const OLD_CODEC: u8 = 1;
/// Up to the checksum and with it, in all layouts.
const CHECKSUM_END: usize = 1 + 4 + 8 + 8;
/// Up to `earlier`, in those that have it.
const STAMPED: usize = CHECKSUM_END + 1 + 8 + 2;
const HEADER: usize = STAMPED + 1;
const EARLIER_BYTES: usize = 4 + 4;
/// Of one entry, where all are of one workspace.
const ID_BYTES: usize = 1 + 16;
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

/// A block whose checksum has been verified.
pub struct Block<'a> {
    /// All of it.
    bytes: &'a [u8],
    first: Seq,
    count: usize,
    last_received: i64,
    stamp: Stamp,
    earlier: &'a [u8],
    places: Places<'a>,
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
        let layout = Layout::of(bytes).map_err(BadBlock)?;
        let (head, rest) = bytes.split_at(layout.header());
        let count = read_u32(&head[1..5]) as usize;
        let last_received = read_u64(&head[5..13]).cast_signed();
        let (stamp, earlier) = match head.get(CHECKSUM_END..STAMPED) {
            Some(told) => {
                let stamp = Stamp {
                    generation: told[0],
                    micros: read_u64(&told[1..9]),
                };
                (stamp, usize::from(u16::from_le_bytes([told[9], told[10]])))
            }
            None => (Stamp::NONE, 0),
        };
        if !stamp.is_valid() {
            return Err(BadBlock("the block's stamp is none that a commit can have"));
        }
        let Some((earlier, rest)) = rest.split_at_checked(earlier * EARLIER_BYTES) else {
            return Err(BadBlock("the block is cut short"));
        };
        let Some((places, packed)) = Places::split(layout, count, rest) else {
            return Err(BadBlock("the block's count does not match its length"));
        };
        if !places.are_known() {
            return Err(BadBlock(NEWER));
        }
        Ok(Self {
            bytes,
            first,
            count,
            last_received,
            stamp,
            earlier,
            places,
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

    /// The ids with their types, in the order of the records. Of the oldest layout they are read out
    /// of the records.
    pub fn ids(&self) -> Result<Vec<(IdKey, FactKind)>, BadBlock> {
        if !self.places.have_tags() {
            let mut records = Vec::with_capacity(self.count);
            self.records(Seq::START, usize::MAX, &mut records)?;
            let id = |record: &Record| (record.entry.id_key(), record.entry.fact.kind());
            return Ok(records.iter().map(id).collect());
        }
        let ids = (0..self.count).map(|at| self.places.key(at).ok_or(BadBlock(NEWER)));
        ids.collect()
    }

    /// The id of the record at this place, with its type, as it lies in a block whose checksum nobody has
    /// looked at, or in its beginning; `None` where that cannot be told without, or the place is not here.
    pub(crate) fn claimed_id(first: Seq, bytes: &[u8], place: Seq) -> Option<(IdKey, FactKind)> {
        let layout = Layout::of(bytes).ok()?;
        let (head, rest) = bytes.split_at(layout.header());
        let earlier = head.get(30..STAMPED)?;
        let earlier = usize::from(u16::from_le_bytes([earlier[0], earlier[1]]));
        let count = u64::from(read_u32(&head[1..5]));
        let at = place.0.checked_sub(first.0).filter(|at| *at < count)?;
        let rest = rest.get(earlier * EARLIER_BYTES..)?;
        let (count, at) = (usize::try_from(count).ok()?, usize::try_from(at).ok()?);
        Places::begun(layout, count, rest)?.key(at)
    }

    /// The id of the record at this place, with its type; `None` where the place is not here.
    pub(crate) fn id_at(&self, place: Seq) -> Result<Option<(IdKey, FactKind)>, BadBlock> {
        if !(self.first..=self.last()).contains(&place) {
            return Ok(None);
        }
        if !self.places.have_tags() {
            let mut records = Vec::with_capacity(1);
            self.records(Seq(place.0 - 1), 1, &mut records)?;
            let id = |record: &Record| (record.entry.id_key(), record.entry.fact.kind());
            return Ok(records.first().map(id));
        }
        let at = usize::try_from(place.0 - self.first.0).unwrap_or(usize::MAX);
        self.places.key(at).ok_or(BadBlock(NEWER)).map(Some)
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
        (0..self.count).zip(self.first.0..).map(move |(at, seq)| {
            let workspace = self.places.workspace(at);
            let index = indexes.take(workspace);
            let seq = PublicSeq::of(self.stamp, index, Seq(seq));
            (workspace, seq)
        })
    }

    fn earlier(&self) -> impl Iterator<Item = (WorkspaceId, u32)> + '_ {
        self.earlier.chunks_exact(EARLIER_BYTES).map(|bytes| {
            let workspace = WorkspaceId(read_u32(&bytes[..4]));
            (workspace, read_u32(&bytes[4..]))
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
        into.reserve(self.count.min(limit));
        let wanted = after.0.saturating_add(1).saturating_sub(self.first.0);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        if self.places.are_in_columns() {
            self.in_columns(&raw, wanted, limit, into)
        } else {
            self.in_rows(&raw, wanted, limit, into)
        }
    }

    /// The same from the record at place `wanted` in the block on.
    fn in_columns(
        &self,
        raw: &[u8],
        wanted: usize,
        limit: usize,
        into: &mut Vec<Record>,
    ) -> Result<(), BadBlock> {
        if wanted >= self.count {
            return Ok(());
        }
        let bad = |stored::BadRecord(why)| BadBlock(why);
        let mut reader = Reader::of(raw, self.count, wanted).map_err(bad)?;
        let upto = wanted.saturating_add(limit).min(self.count);
        let seqs = self.public_seqs().enumerate().skip(reader.next());
        for (at, (workspace, public_seq)) in seqs.take_while(|(at, _)| *at < upto) {
            let entry = reader.read(workspace, self.places.id(at)).map_err(bad)?;
            if at >= wanted {
                let seq = Seq(self.first.0 + at as u64);
                into.push(Record {
                    seq,
                    public_seq,
                    entry,
                });
            }
        }
        if upto == self.count {
            reader.end().map_err(bad)?;
        }
        Ok(())
    }

    /// The same of a block of before there were columns.
    fn in_rows(
        &self,
        raw: &[u8],
        wanted: usize,
        limit: usize,
        into: &mut Vec<Record>,
    ) -> Result<(), BadBlock> {
        let mut rest = raw;
        let upto = wanted.saturating_add(limit);
        for (at, (workspace, public_seq)) in self.public_seqs().enumerate() {
            let (length, tail) = rest
                .split_at_checked(4)
                .ok_or(BadBlock("a record is cut short"))?;
            let (bytes, tail) = tail
                .split_at_checked(read_u32(length) as usize)
                .ok_or(BadBlock("a record is cut short"))?;
            rest = tail;
            if (wanted..upto).contains(&at) {
                let entry = stored::read(workspace, self.places.id(at), bytes);
                let entry = entry.map_err(|stored::BadRecord(why)| BadBlock(why))?;
                into.push(Record {
                    seq: Seq(self.first.0 + at as u64),
                    public_seq,
                    entry,
                });
            }
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
    hasher.write(&block[CHECKSUM_END..]);
    hasher.finish()
}

fn read_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn read_u64(bytes: &[u8]) -> u64 {
    u64::from(read_u32(&bytes[..4])) | u64::from(read_u32(&bytes[4..8])) << 32
}

#[cfg(test)]
pub(crate) mod tests;
