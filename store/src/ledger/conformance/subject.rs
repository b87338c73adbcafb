//! Logs to test, and submissions to test them with.

use super::*;

pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId(1);
pub(crate) const NOW: i64 = 1_790_000_000_000;

/// Every workspace has the same key here.
pub(crate) struct OneKey;

impl WorkspaceKeys for OneKey {
    fn key_of(&self, _: WorkspaceId) -> Option<WorkspaceKey> {
        Some(WorkspaceKey([7; 32]))
    }
}

pub(crate) fn id(number: u32) -> EventId {
    let mut bytes = [0x40; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    EventId::from_bytes(bytes)
}

pub(crate) fn entry(number: u32, fact: Fact) -> Entry {
    Entry {
        workspace: WORKSPACE,
        id: id(number),
        time: Timestamp::from_millis(NOW + i64::from(number)),
        time_sent: false,
        received_at: Timestamp::from_millis(NOW),
        source: Source::Server,
        key_id: Some("key_test".into()),
        verified: true,
        address: Some(Address {
            normalised: Personal("ada@example.com".into()),
            original: None,
            older: None,
        }),
        anonymous_id: None,
        message_id: None,
        fact,
        money: None,
        rounded: false,
        context: None,
        client: None,
        class: None,
        ignored_fields: Vec::new(),
        redacted: false,
        timing: None,
    }
}

pub(crate) fn track(number: u32) -> Submission {
    let properties = Some(Personal(format!("{{\"number\":{number}}}")));
    entry(
        number,
        Fact::Track {
            name: "viewed".into(),
            properties,
        },
    )
    .into()
}

pub(crate) fn identify(number: u32) -> Submission {
    entry(number, Fact::Identify { traits: None }).into()
}

pub(crate) fn purchase(number: u32, order: &str, cents: i64) -> Submission {
    let mut entry = entry(
        number,
        Fact::Purchase {
            order_id: order.into(),
            items: None,
        },
    );
    entry.money = Some(Money {
        minor: cents,
        currency: Currency::parse("USD").unwrap(),
    });
    entry.into()
}

pub(crate) fn unverified(mut purchase: Submission) -> Submission {
    purchase.entry.verified = false;
    purchase.entry.source = Source::Browser;
    purchase
}

pub(crate) fn refund(number: u32, order: &str, refund: &str, amount: Option<&str>) -> Submission {
    let fact = Fact::Refund {
        order_id: order.into(),
        refund_id: refund.into(),
    };
    let amount = amount.map(|amount| Decimal::parse(amount).unwrap());
    Submission {
        entry: entry(number, fact),
        asked: Some(RefundAsk {
            amount,
            currency: None,
        }),
        has_new_id: false,
        older: None,
    }
}

/// Appends one; without the seq that callers see, see [`places`].
pub(crate) async fn append(log: &dyn Log, submission: Submission) -> Appended {
    places(log.append(vec![submission]).await.unwrap()).remove(0)
}

/// Outcomes without the seqs that callers see, which stand in laws of their own (`shown`).
pub(crate) fn places(mut outcomes: Vec<Appended>) -> Vec<Appended> {
    for outcome in &mut outcomes {
        if let Appended::Tracked { public_seq, .. } = outcome {
            *public_seq = PublicSeq::START;
        }
    }
    outcomes
}

/// What [`places`] leaves of a new record at this place.
pub(crate) fn tracked(place: u64) -> Appended {
    Appended::Tracked {
        seq: Seq(place),
        public_seq: PublicSeq::START,
    }
}

pub(crate) fn all(log: &dyn Log) -> Vec<Record> {
    log.read_from(Seq::START, usize::MAX).unwrap()
}

/// A log and the folder that it lives in.
pub(crate) struct Subject {
    pub(crate) log: Arc<dyn Log>,
    _folder: TempDir,
}

pub(crate) fn options(folder: &Path, rotate_records: u64) -> Options {
    // The system's clock would find these events too old to remember.
    let clock = Arc::new(FixedClock::new(Timestamp::from_millis(NOW)));
    Options {
        rotate_records,
        clock,
        ..Options::new(folder, Arc::new(OneKey))
    }
}

pub(crate) fn redb_log() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let log = RedbLog::open(options(folder.path(), 7)).unwrap();
    Subject {
        log: Arc::new(log),
        _folder: folder,
    }
}

/// A log in memory, with a clock like that of [`options`].
pub(crate) fn memory() -> MemoryLog {
    let clock = FixedClock::new(Timestamp::from_millis(NOW));
    MemoryLog::with_clock(Arc::new(OneKey), Arc::new(clock))
}

pub(crate) fn memory_log() -> Subject {
    Subject {
        log: Arc::new(memory()),
        _folder: tempfile::tempdir().unwrap(),
    }
}

/// Copies a data folder as it is, which is what the death of the process leaves.
pub(crate) fn crash_image(folder: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for file in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let target = to.join(file.file_name());
            // A draft may be renamed between the listing and the copy.
            match file.path() {
                path if path.is_dir() => copy(&path, &target),
                path => match std::fs::copy(&path, &target) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    copied => drop(copied.unwrap()),
                },
            }
        }
    }
    let image = tempfile::tempdir().unwrap();
    copy(folder, image.path());
    image
}
