//! Random histories for the tests of views, projector and queries, and a log that can misbehave.

use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use shared::ids::{EventId, MessageId};
use shared::time::Timestamp;
use tokio::sync::watch;

use crate::ledger::decide::{WorkspaceKey, WorkspaceKeys};
use crate::ledger::memory::MemoryLedger;
use crate::ledger::{Appended, Later, Located, Log, LogError, LogHealth, Submission};
use crate::record::identity::Sender;
use crate::record::public_seq::PublicSeq;
use crate::record::{Address, Entry, Fact, Personal, Record, Seq, ToldBy, WorkspaceId};

pub(crate) const NOW: i64 = 1_790_000_000_000;

/// Every workspace but number 9 has a key, each its own.
pub(crate) struct Keys;

impl WorkspaceKeys for Keys {
    fn key_of(&self, workspace: WorkspaceId) -> Option<WorkspaceKey> {
        let byte = u8::try_from(workspace.0).unwrap();
        (byte != 9).then_some(WorkspaceKey([byte; 32]))
    }
}

pub(crate) fn keys() -> Arc<dyn WorkspaceKeys> {
    Arc::new(Keys)
}

/// A tracked event of workspace 1 without contact or message, `number` milliseconds after [`NOW`].
pub(crate) fn entry(number: u32) -> Entry {
    let mut id = [0x40; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let (id, time) = (
        EventId::from_bytes(id),
        Timestamp::from_millis(NOW + i64::from(number)),
    );
    Entry::new(
        WorkspaceId(1),
        id,
        ToldBy::server(),
        time,
        Fact::track("viewed"),
    )
}

pub(crate) fn message_id(text: &str) -> MessageId {
    MessageId::parse(text).unwrap()
}

pub(crate) fn address(normalised: &str) -> Option<Address> {
    Some(Address {
        normalised: Personal(normalised.into()),
        original: None,
        older: None,
    })
}

pub(crate) fn log_of(entries: Vec<Entry>) -> MemoryLedger {
    let log = MemoryLedger::new(keys());
    append(&log, entries);
    log
}

pub(crate) fn append(log: &dyn Log, entries: Vec<Entry>) -> Vec<Appended> {
    let batch = entries.into_iter().map(Submission::from).collect();
    at_once(log.append(batch)).unwrap()
}

/// What a memory log answers: its own thread does, so no runtime is needed.
pub(crate) fn at_once<T>(later: Later<'_, T>) -> T {
    crate::journal::wait(later)
}

pub(crate) fn all(log: &dyn Log) -> Vec<Record> {
    log.read_from(Seq::START, usize::MAX).unwrap()
}

/// Terms are few, so that they meet; times jump back and forth. Runs of like events make histories
/// of several zones.
pub(crate) fn history() -> impl Strategy<Value = Vec<Entry>> {
    let run = (
        1..=3_u32,
        0..4_usize,
        prop::option::of(0..4_usize),
        prop::option::of(0..3_usize),
        0..100_i64,
        prop_oneof![3 => 1..4_usize, 1 => 20..250_usize],
    );
    prop::collection::vec(run, 1..60).prop_map(|runs| {
        let mut entries = Vec::new();
        for (workspace, name, contact, message, minute, count) in runs {
            for turn in 0..count {
                let mut entry = entry(u32::try_from(entries.len()).unwrap());
                entry.workspace = WorkspaceId(workspace);
                // Some of a run differ from the others.
                let contact = contact.filter(|_| turn % 7 != 3);
                entry.address = contact.and_then(|contact| address(CONTACTS[contact]));
                if turn % 3 != 2 {
                    entry.told_by = ToldBy::server_with(format!("key_{name}").as_str());
                }
                let message_id = message.map(|message| message_id(MESSAGES[message]));
                let minute = minute + i64::try_from(turn % 5).unwrap();
                entry.time = Timestamp::from_millis(NOW + minute * 60_000);
                entry.fact = match NAMES[(name + turn / 40) % NAMES.len()] {
                    "identified" => Fact::Identify { traits: None },
                    name => Fact::Track {
                        name: name.into(),
                        properties: None,
                        message_id,
                    },
                };
                entries.push(entry);
            }
        }
        entries
    })
}

pub(crate) const NAMES: [&str; 4] = ["viewed", "trial_started", "identified", "ada@example.com"];
pub(crate) const CONTACTS: [&str; 4] = ["ada@example.com", "b@example.com", "c@d.example", "d@e.f"];
/// A message may be called as an event is: they must not be taken for each other.
pub(crate) const MESSAGES: [&str; 3] = ["message-1", "message-2", "viewed"];

/// A memory log that fails to read while told to, has lost some seqs, and counts.
pub(crate) struct Trial {
    inner: MemoryLedger,
    lost: Range<u64>,
    failing: AtomicBool,
    pub(crate) reads: watch::Sender<u64>,
    /// The `limit` of each read.
    pub(crate) asked: Mutex<Vec<usize>>,
}

impl Trial {
    pub(crate) fn new(inner: MemoryLedger, lost: Range<u64>) -> Self {
        Self {
            inner,
            lost,
            failing: AtomicBool::new(false),
            reads: watch::Sender::new(0),
            asked: Mutex::default(),
        }
    }

    pub(crate) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }
}

impl Log for Trial {
    fn append(&self, batch: Vec<Submission>) -> Later<'_, Result<Vec<Appended>, LogError>> {
        self.inner.append(batch)
    }

    fn read_from(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
        self.reads.send_modify(|reads| *reads += 1);
        self.asked.lock().unwrap().push(limit);
        if self.failing.load(Ordering::SeqCst) {
            return Err(LogError::Storage("reading on purpose".into()));
        }
        if self.lost.is_empty() {
            return self.inner.read_from(after, limit);
        }
        let mut records = self.inner.read_from(after, usize::MAX)?;
        records.retain(|record| !self.lost.contains(&record.seq.0));
        records.truncate(limit);
        Ok(records)
    }

    fn promise(&self, instant: Timestamp) -> Seq {
        self.inner.promise(instant)
    }

    fn find(
        &self,
        workspace: WorkspaceId,
        sender: Sender,
        id: EventId,
    ) -> Result<Option<Record>, LogError> {
        self.inner.find(workspace, sender, id)
    }

    fn redact(&self, seqs: Vec<Seq>) -> Later<'_, Result<(), LogError>> {
        self.inner.redact(seqs)
    }

    fn committed(&self) -> watch::Receiver<Seq> {
        self.inner.committed()
    }

    fn health(&self) -> LogHealth {
        self.inner.health()
    }

    fn queued(&self) -> usize {
        self.inner.queued()
    }

    fn close(&self) -> Later<'_, Result<(), LogError>> {
        self.inner.close()
    }

    fn public_seqs(&self, places: &[Seq]) -> Result<Vec<Option<PublicSeq>>, LogError> {
        self.inner.public_seqs(places)
    }

    fn locate(&self, workspace: WorkspaceId, seq: PublicSeq) -> Result<Located, LogError> {
        self.inner.locate(workspace, seq)
    }
}
