//! The tail: what the run that is being filled holds, on disk, so that a start need not ask the log for
//! it again. A file of frames, one for each checkpoint, that ends where the last checkpoint does.
//!
//! ```text
//! head:  magic 8 B | version u32 | origin u64 | size u32 | index u32 | previous u32 | checksum u64
//! frame: length u32 | cursor u64 | events | checksum u64
//! event: places that hold nothing before it | tag, 0: a new one, workspace, name
//!        | time − the last event's | contact + 1, 0: none | message + 1, 0: none
//!        and behind a contact or message: seqs back to the event before, 0: none
//! ```
//! Fixed numbers are little-endian, all others as `bytes` writes them. Checksums are XXH3-64; that of a
//! frame is of all before it in the frame. A frame that a crash has torn was never counted on.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use twox_hash::XxHash3_64;

use super::bytes::{Bad, Bytes, put, put_signed};
use super::columns::{Columns, Tag};
use super::run::damaged;
use super::{Event, Link, RunsError};
use crate::files;
use crate::record::{Seq, WorkspaceId};

const MAGIC: &[u8; 8] = b"misartal";
const VERSION: u32 = 1;
const HEAD: usize = 8 + 4 + 8 + 4 + 4 + 4;
const SUM: usize = 8;

/// Events that no frame holds yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    bytes: Vec<u8>,
    end: u32,
    time: i64,
}

impl Waiting {
    /// Adds an event at its offset, with its tag where that is known already.
    pub(super) fn push(&mut self, offset: u32, tag: Option<u32>, event: &Event) {
        let into = &mut self.bytes;
        put(into, (offset - self.end).into());
        put(into, tag.unwrap_or(0).into());
        if tag.is_none() {
            put(into, event.workspace.0.into());
            put(into, event.name.into());
        }
        put_signed(into, event.time.wrapping_sub(self.time));
        for link in [event.contact, event.message] {
            let Some(Link { number, before }) = link else {
                put(into, 0);
                continue;
            };
            put(into, u64::from(number) + 1);
            put(
                into,
                if before.0 == 0 {
                    0
                } else {
                    event.seq.0 - before.0
                },
            );
        }
        (self.end, self.time) = (offset + 1, event.time);
    }

    /// What waits, which waits no more.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// Adds a frame's events to the columns; they go on where the last frame ended.
fn replay(events: &[u8], columns: &mut Columns, waiting: &mut Waiting) -> Result<(), Bad> {
    let mut bytes = Bytes(events);
    let first = u64::from(columns.head.index) * u64::from(columns.head.size);
    while !bytes.is_empty() {
        let offset = waiting.end.checked_add(bytes.small()?).ok_or(Bad)?;
        let known = bytes.small()?;
        let tag = match known {
            0 => Tag {
                workspace: bytes.small()?,
                name: bytes.small()?,
            },
            known => columns.tag_of_number(known).ok_or(Bad)?,
        };
        let time = waiting.time.wrapping_add(bytes.signed()?);
        let seq = Seq(first + u64::from(offset));
        let mut link = || -> Result<Option<Link>, Bad> {
            let Some(number) = bytes.number()?.checked_sub(1) else {
                return Ok(None);
            };
            let number = u32::try_from(number).map_err(|_| Bad)?;
            let before = match bytes.number()? {
                0 => Seq::START,
                back => Seq(seq.0.checked_sub(back).ok_or(Bad)?),
            };
            Ok(Some(Link { number, before }))
        };
        let (contact, message) = (link()?, link()?);
        let event = Event {
            seq,
            workspace: WorkspaceId(tag.workspace),
            name: tag.name,
            time,
            contact,
            message,
        };
        if offset >= columns.head.size {
            return Err(Bad);
        }
        let (tag, _) = columns.tag(tag);
        columns.push(offset, tag, &event);
        (waiting.end, waiting.time) = (offset + 1, time);
    }
    Ok(())
}

/// A tail that is written.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) index: u32,
    file: File,
    length: u64,
}

impl Tail {
    /// Starts the tail of a run, in the place of one that is there.
    pub(super) fn create(path: &Path, columns: &super::run::Head) -> Result<Self, RunsError> {
        let file = files::create_anew(path)?;
        let mut head = Vec::with_capacity(HEAD + SUM);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&columns.origin.to_le_bytes());
        let previous = columns.previous.map_or(0, |previous| previous + 1);
        for number in [columns.size, columns.index, previous] {
            head.extend_from_slice(&number.to_le_bytes());
        }
        let sum = XxHash3_64::oneshot(&head).to_le_bytes();
        head.extend_from_slice(&sum);
        file.write_all_at(&head, 0)?;
        file.sync_data()?;
        files::sync_folder_of(path)?;
        Ok(Self {
            index: columns.index,
            file,
            length: head.len() as u64,
        })
    }

    /// Adds a frame, durably.
    pub(super) fn append(&mut self, cursor: Seq, events: &[u8]) -> Result<(), RunsError> {
        let length = u32::try_from(events.len());
        let length = length.map_err(|_| io::Error::other("a frame is too long"))?;
        let mut frame = Vec::with_capacity(events.len() + 12 + SUM);
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(&cursor.0.to_le_bytes());
        frame.extend_from_slice(events);
        let sum = XxHash3_64::oneshot(&frame).to_le_bytes();
        frame.extend_from_slice(&sum);
        self.file.write_all_at(&frame, self.length)?;
        self.file.sync_data()?;
        self.length += frame.len() as u64;
        Ok(())
    }

    /// Reads a tail up to the frame that ends with this cursor; what lies behind is cut off.
    pub(super) fn open(
        path: &Path,
        origin: u64,
        cursor: Seq,
    ) -> Result<(Self, Columns, Waiting), RunsError> {
        let bad = |what| damaged(path, what);
        let file = files::open(path)?;
        let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0)?;
        let mut columns = columns_of(&bytes).map_err(|Bad| bad("its head"))?;
        if columns.head.origin != origin {
            return Err(bad("it is of other views"));
        }
        let mut waiting = Waiting::default();
        let mut left = Bytes(&bytes[HEAD + SUM..]);
        let mut reached = Seq::START;
        while reached < cursor {
            let (upto, events) = frame(&mut left).map_err(|Bad| bad("it ends too early"))?;
            replay(events, &mut columns, &mut waiting).map_err(|Bad| bad("its events"))?;
            reached = upto;
        }
        if reached != cursor {
            return Err(bad("no frame ends where the checkpoint does"));
        }
        let length = (bytes.len() - left.0.len()) as u64;
        file.set_len(length)?;
        let tail = Self {
            index: columns.head.index,
            file,
            length,
        };
        Ok((tail, columns, waiting))
    }
}

fn columns_of(bytes: &[u8]) -> Result<Columns, Bad> {
    let mut bytes = Bytes(bytes);
    let head = bytes.take(HEAD)?;
    let sum = bytes.array::<SUM>()?;
    if !head.0.starts_with(MAGIC) || XxHash3_64::oneshot(head.0).to_le_bytes() != sum {
        return Err(Bad);
    }
    let mut head = Bytes(&head.0[MAGIC.len()..]);
    if u32::from_le_bytes(head.array()?) != VERSION {
        return Err(Bad);
    }
    let origin = u64::from_le_bytes(head.array()?);
    let [size, index, previous] =
        [head.array()?, head.array()?, head.array()?].map(u32::from_le_bytes);
    Ok(Columns::new(origin, size, index, previous.checked_sub(1)))
}

fn frame<'a>(bytes: &mut Bytes<'a>) -> Result<(Seq, &'a [u8]), Bad> {
    let whole = *bytes;
    let length = u32::from_le_bytes(bytes.array()?);
    let cursor = u64::from_le_bytes(bytes.array()?);
    let events = bytes.take(usize::try_from(length).map_err(|_| Bad)?)?;
    let summed = &whole.0[..whole.0.len() - bytes.0.len()];
    if bytes.array()? != XxHash3_64::oneshot(summed).to_le_bytes() {
        return Err(Bad);
    }
    Ok((Seq(cursor), events.0))
}
