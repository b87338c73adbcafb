//! Blocks of a run: which events each term has in it, packed into 4 KB. Reads and writes no file.
//!
//! ```text
//! block: entries u16 | entry … | zeros | checksum u32
//! entry: step × 2 + (more than one event) | events − 2, where more than one
//!        | runs back to the one before that holds the term, 0 for none; of contacts and messages
//!        | earliest time − the run's earliest | latest − earliest; of a workspace's own list
//!        | newest offset | length of the gaps | gaps; where more than one
//! step:  0: kind u8, workspace, number follow; n: the number is n − 1 higher than the last entry's
//! gap:   to the next older event; 0 and n: n gaps of 1
//! ```
//! Fixed numbers are little-endian, all others as `bytes` writes them. The checksum is the lower half
//! of an XXH3-64. A term with many events has several entries, the newest events first.

use twox_hash::XxHash3_64;

use super::bytes::{Bad, Bytes, put};

/// Bytes of a block.
pub(super) const BLOCK: usize = 4_096;
const SUM: usize = 4;
const HEAD: usize = 2;
/// The most events of an entry. An entry always fits a block, and few bytes of one are left unused.
pub(super) const PART: usize = 256;
/// From so many gaps of one on, they are counted.
const COUNTED: usize = 3;

/// What events are found by. The order is that of the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// All of a workspace; the number is 0.
    All,
    Name,
    Contact,
    Message,
}

/// Events of one workspace that have something in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Term {
    pub(super) kind: Kind,
    pub(super) workspace: u32,
    pub(super) number: u32,
}

/// The times from the first to the second, both included, milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) i64, pub(super) i64);

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) term: Term,
    /// The run before this one that may hold the term; none of those between does.
    pub(super) before: Option<u32>,
    /// Of a workspace's own list: the times of these events.
    pub(super) span: Option<Span>,
    /// Distances of the events' seqs behind the run's first: at least one, descending.
    pub(super) offsets: Vec<u32>,
}

/// The run that a block is of, as far as its entries are told from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) index: u32,
    /// Seqs of a run: offsets lie below.
    pub(super) size: u32,
    /// The earliest time.
    pub(super) earliest: i64,
}

impl Kind {
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::All => 0,
            Self::Name => 1,
            Self::Contact => 2,
            Self::Message => 3,
        }
    }

    pub(super) fn of(byte: u8) -> Result<Self, Bad> {
        Ok(match byte {
            0 => Self::All,
            1 => Self::Name,
            2 => Self::Contact,
            3 => Self::Message,
            _ => return Err(Bad),
        })
    }

    /// Whether its entries name the run before that holds the term.
    pub(super) fn is_chained(self) -> bool {
        matches!(self, Self::Contact | Self::Message)
    }
}

impl Span {
    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0.min(other.0), self.1.max(other.1))
    }
}

impl Part {
    pub(super) fn newest(&self) -> u32 {
        self.offsets.first().copied().unwrap_or_default()
    }

    pub(super) fn oldest(&self) -> u32 {
        self.offsets.last().copied().unwrap_or_default()
    }
}

/// Packs entries, which come in the order of their terms, the newest of each first.
pub(super) struct Packer {
    frame: Frame,
    block: Vec<u8>,
    entries: u16,
    last: Option<Term>,
    entry: Vec<u8>,
}

impl Packer {
    pub(super) fn new(frame: Frame) -> Self {
        Self {
            frame,
            block: Vec::with_capacity(BLOCK),
            entries: 0,
            last: None,
            entry: Vec::new(),
        }
    }

    /// Adds an entry; where that begins another block, the one before is handed over.
    pub(super) fn push(&mut self, part: &Part) -> Option<Vec<u8>> {
        self.encode(part);
        let full = HEAD + self.block.len() + self.entry.len() > BLOCK - SUM;
        let done = if full { self.take() } else { None };
        if full {
            // A block is read by itself: its first entry names its term in full.
            self.encode(part);
        }
        self.block.extend_from_slice(&self.entry);
        self.entries += 1;
        self.last = Some(part.term);
        done
    }

    /// The block that is begun, if there is any.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        if self.entries == 0 {
            return None;
        }
        let mut block = Vec::with_capacity(BLOCK);
        block.extend_from_slice(&self.entries.to_le_bytes());
        block.append(&mut self.block);
        block.resize(BLOCK - SUM, 0);
        let sum = checksum(&block);
        block.extend_from_slice(&sum);
        self.entries = 0;
        self.last = None;
        Some(block)
    }

    fn encode(&mut self, part: &Part) {
        let into = &mut self.entry;
        into.clear();
        let Term {
            kind,
            workspace,
            number,
        } = part.term;
        let step = self.last.and_then(|last| {
            let alike = (last.kind, last.workspace) == (kind, workspace);
            alike.then(|| u64::from(number - last.number) + 1)
        });
        let events = part.offsets.len();
        put(into, step.unwrap_or(0) << 1 | u64::from(events > 1));
        if step.is_none() {
            into.push(kind.byte());
            put(into, workspace.into());
            put(into, number.into());
        }
        if events > 1 {
            put(into, events as u64 - 2);
        }
        if kind.is_chained() {
            let back = part.before.map_or(0, |before| self.frame.index - before);
            put(into, back.into());
        }
        if let Some(Span(earliest, latest)) = part.span {
            put(into, earliest.abs_diff(self.frame.earliest));
            put(into, latest.abs_diff(earliest));
        }
        put(into, part.newest().into());
        if events > 1 {
            let gaps = gaps(&part.offsets);
            put(into, gaps.len() as u64);
            into.extend_from_slice(&gaps);
        }
    }
}

fn gaps(offsets: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(offsets.len());
    let between: Vec<u32> = offsets.windows(2).map(|pair| pair[0] - pair[1]).collect();
    for alike in between.chunk_by(|a, b| *a == 1 && *b == 1) {
        if alike.len() >= COUNTED {
            put(&mut bytes, 0);
            put(&mut bytes, alike.len() as u64);
        } else {
            for gap in alike {
                put(&mut bytes, (*gap).into());
            }
        }
    }
    bytes
}

/// The entries of a block, in their order.
pub(super) struct Entries<'a> {
    frame: Frame,
    bytes: Bytes<'a>,
    left: u16,
    last: Option<Term>,
}

/// An entry whose events are not looked at yet.
pub(super) struct Entry<'a> {
    pub(super) term: Term,
    pub(super) newest: u32,
    before: Option<u32>,
    span: Option<Span>,
    events: usize,
    gaps: Bytes<'a>,
    size: u32,
}

impl<'a> Entries<'a> {
    /// Of a block that is as it was written, by its checksum.
    pub(super) fn of(block: &'a [u8; BLOCK], frame: Frame) -> Result<Self, Bad> {
        let (content, sum) = block.split_at(BLOCK - SUM);
        if checksum(content) != sum {
            return Err(Bad);
        }
        let mut bytes = Bytes(content);
        let left = u16::from_le_bytes(bytes.array()?);
        Ok(Self {
            frame,
            bytes,
            left,
            last: None,
        })
    }

    pub(super) fn next(&mut self) -> Result<Option<Entry<'a>>, Bad> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let bytes = &mut self.bytes;
        let first = bytes.number()?;
        let term = match (first >> 1, self.last) {
            (0, _) => Term {
                kind: Kind::of(bytes.array::<1>()?[0])?,
                workspace: bytes.small()?,
                number: bytes.small()?,
            },
            (step, Some(last)) => {
                let further = u32::try_from(step - 1).map_err(|_| Bad)?;
                Term {
                    number: last.number.checked_add(further).ok_or(Bad)?,
                    ..last
                }
            }
            (_, None) => return Err(Bad),
        };
        let is_several = first & 1 == 1;
        let events = match is_several {
            true => {
                usize::try_from(bytes.number()?)
                    .ok()
                    .filter(|more| *more <= PART - 2)
                    .ok_or(Bad)?
                    + 2
            }
            false => 1,
        };
        let before = match term.kind.is_chained() {
            true => match bytes.small()? {
                0 => None,
                back => Some(self.frame.index.checked_sub(back).ok_or(Bad)?),
            },
            false => None,
        };
        let span = if term.kind == Kind::All {
            let earliest = self.frame.earliest.checked_add_unsigned(bytes.number()?);
            let earliest = earliest.ok_or(Bad)?;
            let latest = earliest.checked_add_unsigned(bytes.number()?).ok_or(Bad)?;
            Some(Span(earliest, latest))
        } else {
            None
        };
        let newest = bytes.small()?;
        let gaps = match is_several {
            true => {
                let length = bytes.small()?;
                bytes.take(usize::try_from(length).map_err(|_| Bad)?)?
            }
            false => Bytes(&[]),
        };
        if newest >= self.frame.size || self.last.is_some_and(|last| last > term) {
            return Err(Bad);
        }
        self.last = Some(term);
        Ok(Some(Entry {
            term,
            newest,
            before,
            span,
            events,
            gaps,
            size: self.frame.size,
        }))
    }
}

impl Entry<'_> {
    pub(super) fn part(mut self) -> Result<Part, Bad> {
        debug_assert!(self.newest < self.size);
        let mut offsets = Vec::with_capacity(self.events);
        let mut last = self.newest;
        offsets.push(last);
        while offsets.len() < self.events {
            let (gap, count) = match self.gaps.small()? {
                0 => (1, self.gaps.small()?),
                gap => (gap, 1),
            };
            if count as usize > self.events - offsets.len() {
                return Err(Bad);
            }
            for _ in 0..count {
                last = last.checked_sub(gap).ok_or(Bad)?;
                offsets.push(last);
            }
        }
        if !self.gaps.is_empty() {
            return Err(Bad);
        }
        Ok(Part {
            term: self.term,
            before: self.before,
            span: self.span,
            offsets,
        })
    }
}

pub(super) fn checksum(bytes: &[u8]) -> [u8; SUM] {
    let [a, b, c, d, ..] = XxHash3_64::oneshot(bytes).to_le_bytes();
    [a, b, c, d]
}
