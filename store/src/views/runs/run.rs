//! A sealed run: a file that never changes, of the blocks of so many seqs.
//!
//! ```text
//! head:   magic 8 B | version u32 | origin u64 | size u32 | index u32 | previous u32 | events u32
//!         | earliest i64 | latest i64 | blocks u32 | checksum u64
//! blocks: 4 KB each, see `block`; the first of them at 4,096
//! fences: of each block its first term and newest offset: kind u8 | workspace u32 | number u32
//!         | offset u32, and behind them their checksum u64
//! ```
//! Numbers are little-endian, checksums XXH3-64. Where a run is of no event, there is no file;
//! `previous` is the last one before that has some, by its index and one more, 0 where there is none.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_64;

use super::RunsError;
use super::block::{BLOCK, Entries, Frame, Kind, Packer, Part, Span, Term};
use super::bytes::{Bad, Bytes};
use crate::files::{self, rename_synced};

const MAGIC: &[u8; 8] = b"misarrun";
const VERSION: u32 = 1;
const HEAD: usize = 8 + 4 + 8 + 4 + 4 + 4 + 4 + 8 + 8 + 4;
const FENCE: usize = 1 + 4 + 4 + 4;
const SUM: usize = 8;
/// Written at once.
const WRITTEN: usize = 64 * BLOCK;

/// What a run says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Of whom it is: runs of another store or version are no use.
    pub(super) origin: u64,
    /// Seqs of a run.
    pub(super) size: u32,
    /// Its first seq by the size.
    pub(super) index: u32,
    /// The last run before it that is of any event.
    pub(super) previous: Option<u32>,
    /// How many there are.
    pub(super) events: u32,
    /// Their times.
    pub(super) span: Span,
}

impl Head {
    pub(super) fn frame(&self) -> Frame {
        Frame {
            index: self.index,
            size: self.size,
            earliest: self.span.0,
        }
    }
}

/// A run that is open. Reading it changes nothing.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) head: Head,
    path: PathBuf,
    file: File,
    fences: Vec<Fence>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fence {
    term: Term,
    newest: u32,
}

/// Where an offset lies in the list of a term.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The last entry that begins at it or above.
    pub(super) above: Option<Part>,
    /// The first one below it.
    pub(super) below: Option<Part>,
}

impl Run {
    pub(super) fn open(path: &Path) -> Result<Self, RunsError> {
        let file = files::open_to_read(path)?;
        let mut head = [0; HEAD + SUM];
        let bad = |what| damaged(path, what);
        read_exact(&file, &mut head, 0, path)?;
        let (fields, sum) = head.split_at(HEAD);
        if fields[..8] != *MAGIC || XxHash3_64::oneshot(fields).to_le_bytes() != sum {
            return Err(bad("its head"));
        }
        let (head, blocks) = head_of(&fields[8..]).map_err(|Bad| bad("its head"))?;
        let count = usize::try_from(blocks).map_err(|_| bad("its head"))?;
        let at = block_at(count);
        let length = file.metadata()?.len();
        if length != at + (count * FENCE + SUM) as u64 {
            return Err(bad("its length"));
        }
        let mut bytes = vec![0; count * FENCE + SUM];
        read_exact(&file, &mut bytes, at, path)?;
        let (fields, sum) = bytes.split_at(count * FENCE);
        if XxHash3_64::oneshot(fields).to_le_bytes() != sum {
            return Err(bad("its fences"));
        }
        let fences: Result<_, Bad> = fields.as_chunks::<FENCE>().0.iter().map(fence_of).collect();
        Ok(Self {
            head,
            path: path.to_owned(),
            file,
            fences: fences.map_err(|Bad| bad("its fences"))?,
        })
    }

    /// Where the offset lies in the term's list; both are `None` where the run does not hold the term.
    pub(super) fn find(&self, term: Term, offset: u32) -> Result<Found, RunsError> {
        let mut found = Found::default();
        // The last block that begins before the place, or at it.
        let behind = self.fences.partition_point(|fence| {
            fence.term < term || fence.term == term && fence.newest >= offset
        });
        let next_begins_with_it = self
            .fences
            .get(behind)
            .is_some_and(|fence| fence.term == term);
        if let Some(at) = behind.checked_sub(1) {
            let block = self.block(at)?;
            let bad = |Bad| self.bad_block(at);
            let mut entries = Entries::of(&block, self.head.frame()).map_err(bad)?;
            let mut above = None;
            while let Some(entry) = entries.next().map_err(bad)? {
                if entry.term < term {
                    continue;
                }
                if entry.term > term {
                    break;
                }
                if entry.newest < offset {
                    found.below = Some(entry.part().map_err(bad)?);
                    break;
                }
                above = Some(entry);
            }
            found.above = above.map(|entry| entry.part()).transpose().map_err(bad)?;
        }
        if found.below.is_none() && next_begins_with_it {
            let block = self.block(behind)?;
            let bad = |Bad| self.bad_block(behind);
            let mut entries = Entries::of(&block, self.head.frame()).map_err(bad)?;
            let first = entries.next().map_err(bad)?.ok_or(Bad).map_err(bad)?;
            found.below = Some(first.part().map_err(bad)?);
        }
        let offsets = [&found.above, &found.below];
        let sound = offsets.into_iter().flatten().all(|part| {
            part.term == term && part.before.is_none_or(|before| before < self.head.index)
        });
        sound.then_some(found).ok_or_else(|| self.bad_block(behind))
    }

    /// Hands over all entries, in their order.
    pub(super) fn each(&self, each: &mut dyn FnMut(&Part)) -> Result<(), RunsError> {
        for at in 0..self.fences.len() {
            let block = self.block(at)?;
            let bad = |Bad| self.bad_block(at);
            let mut entries = Entries::of(&block, self.head.frame()).map_err(bad)?;
            while let Some(entry) = entries.next().map_err(bad)? {
                each(&entry.part().map_err(bad)?);
            }
        }
        Ok(())
    }

    fn block(&self, at: usize) -> Result<[u8; BLOCK], RunsError> {
        let mut block = [0; BLOCK];
        read_exact(&self.file, &mut block, block_at(at), &self.path)?;
        Ok(block)
    }

    fn bad_block(&self, at: usize) -> RunsError {
        damaged(&self.path, &format!("its block {at}"))
    }
}

/// Writes a run; nothing of it counts until [`Self::finish`] has given it its name.
pub(super) struct Writer {
    path: PathBuf,
    draft: PathBuf,
    file: io::BufWriter<File>,
    head: Head,
    packer: Packer,
    fences: Vec<Fence>,
    /// The next entry begins a block.
    begins: bool,
}

impl Writer {
    pub(super) fn create(path: &Path, head: Head) -> Result<Self, RunsError> {
        let draft = files::draft_of(path);
        let mut file = io::BufWriter::with_capacity(WRITTEN, files::create_anew(&draft)?);
        file.write_all(&[0; BLOCK])?;
        Ok(Self {
            path: path.to_owned(),
            draft,
            file,
            head,
            packer: Packer::new(head.frame()),
            fences: Vec::new(),
            begins: true,
        })
    }

    /// Adds an entry; they come in the order of their terms, the newest of each first.
    pub(super) fn push(&mut self, part: &Part) -> Result<(), RunsError> {
        if let Some(block) = self.packer.push(part) {
            self.file.write_all(&block)?;
            self.begins = true;
        }
        if std::mem::take(&mut self.begins) {
            self.fences.push(Fence {
                term: part.term,
                newest: part.newest(),
            });
        }
        Ok(())
    }

    /// Brings the run to disk, name and all. One that is there already is replaced.
    pub(super) fn finish(mut self) -> Result<Run, RunsError> {
        if let Some(block) = self.packer.take() {
            self.file.write_all(&block)?;
        }
        let mut bytes = Vec::with_capacity(self.fences.len() * FENCE + SUM);
        for Fence { term, newest } in &self.fences {
            bytes.push(term.kind.byte());
            for number in [term.workspace, term.number, *newest] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        let sum = XxHash3_64::oneshot(&bytes).to_le_bytes();
        bytes.extend_from_slice(&sum);
        self.file.write_all(&bytes)?;
        let file = self.file.into_inner();
        let file = file.map_err(io::IntoInnerError::into_error)?;
        let blocks = u32::try_from(self.fences.len());
        let blocks = blocks.map_err(|_| damaged(&self.path, "it is too long"))?;
        file.write_all_at(&head_bytes(&self.head, blocks), 0)?;
        // It is synced when it gets its name.
        drop(file);
        rename_synced(&self.draft, &self.path)?;
        Run::open(&self.path)
    }
}

fn head_bytes(head: &Head, blocks: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + SUM);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&head.origin.to_le_bytes());
    let previous = head.previous.map_or(0, |previous| previous + 1);
    for number in [head.size, head.index, previous, head.events] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for time in [head.span.0, head.span.1] {
        bytes.extend_from_slice(&time.to_le_bytes());
    }
    bytes.extend_from_slice(&blocks.to_le_bytes());
    let sum = XxHash3_64::oneshot(&bytes).to_le_bytes();
    bytes.extend_from_slice(&sum);
    bytes
}

fn head_of(fields: &[u8]) -> Result<(Head, u32), Bad> {
    let mut bytes = Bytes(fields);
    if u32::from_le_bytes(bytes.array()?) != VERSION {
        return Err(Bad);
    }
    let origin = u64::from_le_bytes(bytes.array()?);
    let [size, index, previous, events] = [
        bytes.array()?,
        bytes.array()?,
        bytes.array()?,
        bytes.array()?,
    ]
    .map(u32::from_le_bytes);
    let [earliest, latest] = [bytes.array()?, bytes.array()?].map(i64::from_le_bytes);
    let head = Head {
        origin,
        size,
        index,
        previous: previous.checked_sub(1),
        events,
        span: Span(earliest, latest),
    };
    Ok((head, u32::from_le_bytes(bytes.array()?)))
}

fn fence_of(bytes: &[u8; FENCE]) -> Result<Fence, Bad> {
    let mut bytes = Bytes(bytes);
    let kind = Kind::of(bytes.array::<1>()?[0])?;
    let [workspace, number, newest] =
        [bytes.array()?, bytes.array()?, bytes.array()?].map(u32::from_le_bytes);
    let term = Term {
        kind,
        workspace,
        number,
    };
    Ok(Fence { term, newest })
}

/// Blocks begin behind the head, which has a block of its own.
fn block_at(at: usize) -> u64 {
    (at as u64 + 1) * BLOCK as u64
}

fn read_exact(file: &File, into: &mut [u8], at: u64, path: &Path) -> Result<(), RunsError> {
    // Of a file that is open the disk gives everything, or it is lost.
    file.read_exact_at(into, at).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            damaged(path, "its length")
        } else {
            damaged(path, &error.to_string())
        }
    })
}

pub(super) fn damaged(path: &Path, what: &str) -> RunsError {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    RunsError::Damaged(format!("{name}: {what}"))
}
