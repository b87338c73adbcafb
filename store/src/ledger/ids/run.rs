//! One run of the index of ids: a file with a keyed hash and a place for each id of a stretch of the
//! log, sorted. Once written it never changes.
//!
//! ```text
//! head page: magic 8 B | version u32 | seed u64 | first u64 | last u64 | entries u64
//!            | last received i64 | checksum u64
//! pages:     372 × (hash 6 B, distance of its seq behind `first` 5 B) | checksum u32
//! fences:    for each page its first hash, 6 B | checksum u64
//! ```
//! Hashes and distances are big-endian, so that bytes sort as entries do; other numbers little-endian.
//! A page is 4 KB, the last one filled up with zeros: 11.03 bytes an id. Checksums are XXH3-64, that of
//! a page the lower half of it.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use fastbloom::BloomFilter;
use twox_hash::XxHash3_64;

use crate::files::{self, rename_synced};
use crate::locks::{read, write};
use crate::record::Seq;

const MAGIC: &[u8; 8] = b"misarids";
const VERSION: u32 = 1;
const PAGE: usize = 4096;
const HASH: usize = 6;
const ENTRY: usize = HASH + 5;
const PER_PAGE: usize = (PAGE - 4) / ENTRY;
const HEAD: usize = 8 + 4 + 5 * 8;
/// Pages read at once where all of a run is read.
const READ_PAGES: usize = 64;
/// One id in a thousand costs a needless look at a page; 14 bits an id in memory. The writer asks each
/// run of the window for each event, so these add up.
const FALSE_POSITIVES: f64 = 0.001;
/// Distances have five bytes.
const MAX_DISTANCE: u64 = (1 << 40) - 1;

/// A hash of 48 bits, and the place of the record that it was made for.
pub(super) type IdPlace = (u64, Seq);

/// What a run says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Under which its hashes are made.
    pub(super) seed: u64,
    /// The stretch of the log that it is of. There may be no record at either end.
    pub(super) first: Seq,
    pub(super) last: Seq,
    pub(super) entries: u64,
    /// The latest arrival among its records, milliseconds since 1970.
    pub(super) last_received: i64,
}

/// A run that is open.
pub(super) struct Run {
    pub(super) path: PathBuf,
    pub(super) head: Head,
    file: File,
    fences: Vec<u64>,
    /// Which hashes are certainly not here; `None` where the run is too old for the writer to ask it.
    filter: RwLock<Option<BloomFilter>>,
}

fn bad(path: &Path, what: &str) -> io::Error {
    let path = path.display();
    let what = format!("{path}: {what} (stop the server and remove its folder: it is made anew)");
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Run {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = files::open_to_read(path)?;
        let mut page = [0; PAGE];
        file.read_exact_at(&mut page, 0)?;
        let (head, rest) = page.split_at(HEAD);
        if &head[..8] != MAGIC || XxHash3_64::oneshot(head).to_le_bytes() != rest[..8] {
            return Err(bad(path, "its head is damaged"));
        }
        if u32_at(head, 8) != VERSION {
            return Err(bad(path, "another misar wrote it"));
        }
        let head = Head {
            seed: u64_at(head, 12),
            first: Seq(u64_at(head, 20)),
            last: Seq(u64_at(head, 28)),
            entries: u64_at(head, 36),
            last_received: u64_at(head, 44).cast_signed(),
        };
        let pages = head.pages();
        let mut bytes = vec![0; pages * HASH + 8];
        file.read_exact_at(&mut bytes, page_at(pages))?;
        let (fences, sum) = bytes.split_at(pages * HASH);
        if XxHash3_64::oneshot(fences).to_le_bytes() != sum {
            return Err(bad(path, "its fences are damaged"));
        }
        Ok(Self {
            path: path.to_owned(),
            head,
            file,
            fences: fences.chunks_exact(HASH).map(hash_in).collect(),
            filter: RwLock::new(None),
        })
    }

    /// Makes the filter, unless there is one.
    pub(super) fn fill_filter(&self) -> io::Result<()> {
        if read(&self.filter).is_some() {
            return Ok(());
        }
        let mut filter = filter_for(self.head.entries);
        for place in self.places() {
            filter.insert(&place?.0);
        }
        *write(&self.filter) = Some(filter);
        Ok(())
    }

    pub(super) fn drop_filter(&self) {
        *write(&self.filter) = None;
    }

    /// False where the hash is certainly not here.
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        read(&self.filter)
            .as_ref()
            .is_none_or(|filter| filter.contains(&hash))
    }

    /// Adds the places with this hash, ascending.
    pub(super) fn find(&self, hash: u64, into: &mut Vec<Seq>) -> io::Result<()> {
        // The page before the first that begins with the hash may end with it.
        let from = self.fences.partition_point(|first| *first < hash);
        let to = self.fences.partition_point(|first| *first <= hash);
        let mut page = [0; PAGE];
        for at in from.saturating_sub(1)..to {
            self.file.read_exact_at(&mut page, page_at(at))?;
            let entries = self.entries_of(&page, at)?;
            let entries: &[[u8; ENTRY]] = entries.as_chunks().0;
            let start = entries.partition_point(|entry| hash_in(entry) < hash);
            let same = entries[start..].iter();
            into.extend(
                same.take_while(|entry| hash_in(&entry[..HASH]) == hash)
                    .map(|entry| self.place_in(entry)),
            );
        }
        Ok(())
    }

    /// Everything, in the order of the hashes.
    pub(super) fn places(&self) -> impl Iterator<Item = io::Result<IdPlace>> + '_ {
        let pages = self.head.pages();
        (0..pages).step_by(READ_PAGES).flat_map(move |from| {
            let count = READ_PAGES.min(pages - from);
            let mut found = Vec::with_capacity(count * PER_PAGE);
            match self.read_pages(from, count, &mut found) {
                Ok(()) => {}
                Err(error) => found.push(Err(error)),
            }
            found
        })
    }

    fn read_pages(
        &self,
        from: usize,
        count: usize,
        into: &mut Vec<io::Result<IdPlace>>,
    ) -> io::Result<()> {
        let mut bytes = vec![0; count * PAGE];
        self.file.read_exact_at(&mut bytes, page_at(from))?;
        for (at, page) in (from..).zip(bytes.as_chunks::<PAGE>().0) {
            let entries = self.entries_of(page, at)?.as_chunks::<ENTRY>().0;
            into.extend(
                entries
                    .iter()
                    .map(|entry| Ok((hash_in(entry), self.place_in(entry)))),
            );
        }
        Ok(())
    }

    /// The entries of a page, once its checksum is right.
    fn entries_of<'p>(&self, page: &'p [u8; PAGE], at: usize) -> io::Result<&'p [u8]> {
        let (entries, sum) = page.split_at(PAGE - 4);
        if page_sum(entries) != sum {
            return Err(bad(&self.path, &format!("its page {at} is damaged")));
        }
        let before = at as u64 * PER_PAGE as u64;
        let left = self.head.entries.saturating_sub(before);
        let here = usize::try_from(left).unwrap_or(PER_PAGE).min(PER_PAGE);
        Ok(&entries[..here * ENTRY])
    }

    fn place_in(&self, entry: &[u8]) -> Seq {
        Seq(self.head.first.0 + number_in(&entry[HASH..]))
    }
}

impl Head {
    fn pages(&self) -> usize {
        usize::try_from(self.entries.div_ceil(PER_PAGE as u64)).unwrap_or(usize::MAX)
    }
}

/// Writes a run; nothing of it counts until [`Self::finish`] has given it its name.
pub(super) struct RunWriter {
    path: PathBuf,
    draft: PathBuf,
    file: io::BufWriter<File>,
    head: Head,
    page: Vec<u8>,
    fences: Vec<u8>,
    filter: Option<BloomFilter>,
}

impl RunWriter {
    /// For about so many entries as `head` says; with a filter where the writer is to ask it.
    pub(super) fn create(path: &Path, head: Head, with_filter: bool) -> io::Result<Self> {
        let draft = files::draft_of(path);
        let mut file = io::BufWriter::with_capacity(READ_PAGES * PAGE, files::create_anew(&draft)?);
        file.write_all(&[0; PAGE])?;
        Ok(Self {
            path: path.to_owned(),
            draft,
            file,
            head: Head { entries: 0, ..head },
            page: Vec::with_capacity(PAGE),
            fences: Vec::new(),
            filter: with_filter.then(|| filter_for(head.entries)),
        })
    }

    /// Adds one; they come in the order of their hashes.
    pub(super) fn push(&mut self, (hash, seq): IdPlace) -> io::Result<()> {
        let distance = seq.0.checked_sub(self.head.first.0);
        let Some(distance) = distance.filter(|distance| *distance <= MAX_DISTANCE) else {
            return Err(bad(&self.path, "a place lies outside of it"));
        };
        let hash_bytes = &hash.to_be_bytes()[8 - HASH..];
        if self.page.is_empty() {
            self.fences.extend_from_slice(hash_bytes);
        }
        self.page.extend_from_slice(hash_bytes);
        self.page.extend_from_slice(&distance.to_be_bytes()[3..]);
        self.head.entries += 1;
        if let Some(filter) = &mut self.filter {
            filter.insert(&hash);
        }
        if self.page.len() == PER_PAGE * ENTRY {
            self.end_page()?;
        }
        Ok(())
    }

    fn end_page(&mut self) -> io::Result<()> {
        self.page.resize(PAGE - 4, 0);
        let sum = page_sum(&self.page);
        self.page.extend_from_slice(&sum);
        self.file.write_all(&self.page)?;
        self.page.clear();
        Ok(())
    }

    /// Brings the run to disk, name and all.
    pub(super) fn finish(mut self) -> io::Result<Run> {
        if !self.page.is_empty() {
            self.end_page()?;
        }
        self.file.write_all(&self.fences)?;
        let sum = XxHash3_64::oneshot(&self.fences);
        self.file.write_all(&sum.to_le_bytes())?;
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        let mut head = Vec::with_capacity(HEAD + 8);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        for number in [
            self.head.seed,
            self.head.first.0,
            self.head.last.0,
            self.head.entries,
            self.head.last_received.cast_unsigned(),
        ] {
            head.extend_from_slice(&number.to_le_bytes());
        }
        let sum = XxHash3_64::oneshot(&head);
        head.extend_from_slice(&sum.to_le_bytes());
        file.write_all_at(&head, 0)?;
        drop(file);
        rename_synced(&self.draft, &self.path)?;
        let run = Run::open(&self.path)?;
        *write(&run.filter) = self.filter;
        Ok(run)
    }
}

fn filter_for(entries: u64) -> BloomFilter {
    let entries = usize::try_from(entries).unwrap_or(usize::MAX);
    BloomFilter::with_false_pos(FALSE_POSITIVES).expected_items(entries.max(1))
}

fn page_sum(entries: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = XxHash3_64::oneshot(entries).to_le_bytes();
    [a, b, c, d]
}

fn page_at(page: usize) -> u64 {
    (page as u64 + 1) * PAGE as u64
}

/// The hash that an entry begins with.
fn hash_in(entry: &[u8]) -> u64 {
    number_in(&entry[..HASH])
}

fn number_in(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
