//! The ledger over the journal on this machine's disk: opening both in order, and what only files can
//! do, for backups and for whether files belong together.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shared::ids::EventId;
use shared::time::Timestamp;
use tokio::sync::watch;

use super::ids::{IDS_FOLDER, Ids, RUN_IDS};
use super::inner::Books;
use super::orders::OrderBook;
use super::redactions::{GATHERING, REDACTIONS_FILE, Redactions};
use super::suppressions::Suppressions;
use super::verify::{self, LogReport};
use super::{
    Appended, Later, Ledger, Located, Log, LogError, LogHealth, OnCommit, Setup, Submission,
};
use crate::clock::{Clock, SystemClock};
use crate::journal::Journal as _;
use crate::journal::local::segment::{Disk, LogSegment, RealDisk};
use crate::journal::local::{self, LOG_FOLDER, RedbJournal, list_segments, quarantined_in, sorted};
use crate::lineage::{Lineage, Part, Standing};
use crate::record::identity::Sender;
use crate::record::public_seq::{FIRST_GENERATION, PublicSeq};
use crate::record::{Record, Seq, WorkspaceId, WorkspaceKeys};

/// The file of the order book within the data folder.
pub const ORDERS_FILE: &str = "orders.redb";
/// The file of suppressions within the data folder.
pub const SUPPRESSIONS_FILE: &str = "suppressions.redb";

/// How to open the log of a data folder.
pub struct Options {
    /// The data folder.
    pub data: PathBuf,
    pub keys: Arc<dyn WorkspaceKeys>,
    /// See [`local::JournalOptions`].
    pub reached: Seq,
    /// The generation of the store, 1 to 99: it stands in the seqs that callers see.
    pub generation: u8,
    /// What the files are compared with; `None` does not compare them.
    pub standing: Option<Standing>,
    /// See [`local::JournalOptions`].
    pub rotate_bytes: u64,
    /// See [`local::JournalOptions`].
    pub rotate_records: u64,
    /// Ids in memory before they become a run of the index.
    pub run_ids: usize,
    /// How long a redaction waits for others before the files are written anew.
    pub gathering: Duration,
    pub clock: Arc<dyn Clock>,
    pub disk: Arc<dyn Disk>,
    pub on_commit: OnCommit,
}

impl Options {
    pub fn new(data: &Path, keys: Arc<dyn WorkspaceKeys>) -> Self {
        let local::JournalOptions {
            rotate_bytes,
            rotate_records,
            disk,
            ..
        } = local::JournalOptions::new(data);
        Self {
            data: data.to_owned(),
            keys,
            reached: Seq::START,
            generation: FIRST_GENERATION,
            standing: None,
            rotate_bytes,
            rotate_records,
            run_ids: RUN_IDS,
            gathering: GATHERING,
            clock: Arc::new(SystemClock),
            disk,
            on_commit: Box::new(|_, _| {}),
        }
    }
}

/// The ledger of a data folder.
pub struct LocalLedger {
    ledger: Ledger,
    journal: Arc<RedbJournal>,
}

impl LocalLedger {
    /// Opens the log of a data folder, recovers what a crash left, and starts the writer.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when synced data is not what was written. A file that was closed in order
    /// has not been written to then; one that a crash left may have been repaired as far as it goes.
    pub fn open(options: Options) -> Result<Self, LogError> {
        let Options {
            data,
            keys,
            reached,
            generation,
            standing,
            rotate_bytes,
            rotate_records,
            run_ids,
            gathering,
            clock,
            disk,
            on_commit,
        } = options;
        let orders_file = data.join(ORDERS_FILE);
        let orders = OrderBook::open(&orders_file)?;
        let suppressions_file = data.join(SUPPRESSIONS_FILE);
        let suppressions = Suppressions::open(&suppressions_file)?;
        if let Some(standing) = &standing {
            standing.check_file(&orders_file, Part::Orders, orders.lineage()?)?;
            let found = suppressions.lineage()?;
            standing.check_file(&suppressions_file, Part::Suppressions, found)?;
        }
        let redactions = Redactions::open(&data.join(REDACTIONS_FILE))?;
        let journal = Arc::new(RedbJournal::open(local::JournalOptions {
            reached: reached.max(orders.cursor()).max(suppressions.cursor()),
            standing,
            rotate_bytes,
            rotate_records,
            disk,
            ..local::JournalOptions::new(&data)
        })?);
        let ids = Ids::open(
            &data.join(IDS_FOLDER),
            journal.floor(),
            *journal.committed().borrow(),
            run_ids,
            Arc::clone(&clock),
        )?;
        let setup = Setup {
            books: Books {
                ids,
                orders,
                suppressions,
                redactions,
            },
            keys,
            generation,
            clock,
            on_commit,
            gathering,
        };
        let ledger = Ledger::open(Arc::clone(&journal) as _, setup)?;
        Ok(Self { ledger, journal })
    }

    /// Reads everything and checks every checksum and invariant, beside the writer. Blocks on disk.
    pub fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<LogReport, LogError> {
        // In this order: the segments reach at least as far as what was written behind them.
        let books = &self.ledger.inner.books;
        let reached = books.orders.cursor().max(books.suppressions.cursor());
        let segments = self.segments();
        // What is dropped meanwhile is none of it any more.
        let floor = self.floor();
        let segments = segments
            .into_iter()
            .filter(|segment| segment.first() >= floor)
            .map(|segment| (segment.first(), Ok(segment)));
        let quarantined = quarantined_in(self.journal.folder())?;
        verify::verify_segments(floor, &quarantined, segments, reached, progress)
    }

    /// Writes the lineage into the newest segment, the order book and the suppressions, durably, and
    /// into every segment that is made from now on. For a start: nothing may be appended meanwhile.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_lineage(&self, lineage: Lineage) -> Result<(), LogError> {
        self.journal.set_lineage(lineage)?;
        let books = &self.ledger.inner.books;
        books.orders.set_lineage(lineage)?;
        books.suppressions.set_lineage(lineage)
    }

    /// The segments, in order; the last one is active.
    pub fn segments(&self) -> Vec<Arc<LogSegment>> {
        self.journal.segments()
    }

    /// Closes the active segment, however full it is, where its first record arrived before this instant. Blocks on disk.
    ///
    /// # Errors
    /// When the disk fails; the log goes on in the old one.
    pub fn rotate_older(&self, instant: Timestamp) -> Result<(), LogError> {
        let segments = self.segments();
        let Some(active) = segments.last() else {
            return Ok(());
        };
        let before = Seq(active.first().0.saturating_sub(1));
        let first = self.ledger.read_from(before, 1)?;
        if first
            .first()
            .is_some_and(|first| first.entry.received_at < instant)
        {
            self.journal.rotate_now()?;
        }
        Ok(())
    }

    pub fn disk(&self) -> &Arc<dyn Disk> {
        self.journal.disk()
    }

    /// Writes a consistent copy of the order book into a new file. Returns the last record that it
    /// reflects.
    pub fn snapshot_orders(&self, to: &Path) -> Result<Seq, LogError> {
        self.ledger.inner.books.orders.snapshot(to)
    }

    /// The same of who is to get no more mail.
    pub fn snapshot_suppressions(&self, to: &Path) -> Result<Seq, LogError> {
        self.ledger.inner.books.suppressions.snapshot(to)
    }
}

impl Deref for LocalLedger {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.ledger
    }
}

/// Answers as the ledger inside does.
macro_rules! log_of_the_ledger_in {
    ($type:ty) => {
        impl Log for $type {
            fn append(&self, batch: Vec<Submission>) -> Later<'_, Result<Vec<Appended>, LogError>> {
                self.ledger.append(batch)
            }

            fn read_from(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
                self.ledger.read_from(after, limit)
            }

            fn read_many(
                &self,
                after: Seq,
                limit: usize,
                bytes: usize,
            ) -> Result<Vec<Record>, LogError> {
                self.ledger.read_many(after, limit, bytes)
            }

            fn hand_over(&self, after: Seq, limit: usize) -> Vec<Record> {
                self.ledger.hand_over(after, limit)
            }

            fn promise(&self, instant: Timestamp) -> Seq {
                self.ledger.promise(instant)
            }

            fn find(
                &self,
                workspace: WorkspaceId,
                sender: Sender,
                id: EventId,
            ) -> Result<Option<Record>, LogError> {
                self.ledger.find(workspace, sender, id)
            }

            fn public_seqs(&self, places: &[Seq]) -> Result<Vec<Option<PublicSeq>>, LogError> {
                self.ledger.public_seqs(places)
            }

            fn locate(&self, workspace: WorkspaceId, seq: PublicSeq) -> Result<Located, LogError> {
                self.ledger.locate(workspace, seq)
            }

            fn redact(&self, seqs: Vec<Seq>) -> Later<'_, Result<(), LogError>> {
                self.ledger.redact(seqs)
            }

            fn committed(&self) -> watch::Receiver<Seq> {
                self.ledger.committed()
            }

            fn health(&self) -> LogHealth {
                self.ledger.health()
            }

            fn queued(&self) -> usize {
                self.ledger.queued()
            }

            fn close(&self) -> Later<'_, Result<(), LogError>> {
                self.ledger.close()
            }
        }
    };
}
pub(super) use log_of_the_ledger_in;

log_of_the_ledger_in!(LocalLedger);

/// Writes down that records are missing and that this is known, so that the log opens again.
/// Returns the first seq of each gap.
///
/// # Errors
/// [`LogError::Damaged`] where something is damaged rather than missing.
pub fn accept_loss(data: &Path, reached: Seq) -> Result<Vec<Seq>, LogError> {
    let orders = OrderBook::open(&data.join(ORDERS_FILE))?.cursor();
    let suppressions = Suppressions::open(&data.join(SUPPRESSIONS_FILE))?.cursor();
    let reached = reached.max(orders).max(suppressions);
    Ok(local::accept_loss(data, reached)?)
}

/// The lineages of the log's files in a folder that nobody has open.
pub(crate) fn lineages_of(data: &Path) -> Result<Vec<(PathBuf, Part, Option<Lineage>)>, LogError> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut found = Vec::new();
    for (_, path) in sorted(list_segments(&data.join(LOG_FOLDER))?) {
        let lineage = LogSegment::open(path.clone(), &disk)?.lineage()?;
        found.push((path, Part::OldSegment, lineage));
    }
    let orders = data.join(ORDERS_FILE);
    if orders.is_file() {
        let lineage = OrderBook::open(&orders)?.lineage()?;
        found.push((orders, Part::Orders, lineage));
    }
    let suppressions = data.join(SUPPRESSIONS_FILE);
    if suppressions.is_file() {
        let lineage = Suppressions::open(&suppressions)?.lineage()?;
        found.push((suppressions, Part::Suppressions, lineage));
    }
    Ok(found)
}
