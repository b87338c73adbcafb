//! Erasures over the log on disk: hidden at once and for good, written behind, whatever happens in between.

use std::ops::ControlFlow;
use std::sync::Mutex;

use shared::email::Email;
use shared::ids::AnonymousId;

use super::*;
use crate::journal::Journal as _;
use crate::journal::local::{JournalOptions, RedbJournal};
use crate::locks::lock;
use crate::record::{
    Address, ContactId, Entry, ErasedStretch, Fact, Personal, Record, WorkspaceId, WorkspaceKey,
    WorkspaceKeys,
};

/// One key, who was erased, and when browsers were theirs.
#[derive(Default)]
struct Keys(
    Mutex<Option<(ContactId, Timestamp, ContactId)>>,
    Mutex<Vec<ErasedStretch>>,
);

impl WorkspaceKeys for Keys {
    fn key_of(&self, workspace: WorkspaceId) -> Option<WorkspaceKey> {
        OneKey.key_of(workspace)
    }

    fn erased(&self, _: WorkspaceId, contact: ContactId) -> Option<(Timestamp, ContactId)> {
        let erased = lock(&self.0);
        erased.and_then(|(whom, time, left)| (whom == contact).then_some((time, left)))
    }

    fn last_erasure(&self, _: WorkspaceId) -> Option<Timestamp> {
        lock(&self.0).map(|(_, time, _)| time)
    }

    fn keep_erased_stretches(&self, stretches: &[ErasedStretch]) -> Result<(), String> {
        lock(&self.1).extend(stretches);
        Ok(())
    }

    fn is_erased_browser(&self, workspace: WorkspaceId, browser: &str, time: Timestamp) -> bool {
        let browser = OneKey.key_of(workspace).unwrap().browser(browser);
        let at = time.as_millis();
        let known = lock(&self.1);
        let mut of_browser = known.iter().filter(|one| one.browser == browser);
        of_browser.any(|one| (one.from..one.until).contains(&at) && time <= one.erased_at)
    }
}

fn opened(folder: &Path, keys: &Arc<Keys>) -> LocalLedger {
    LocalLedger::open(Options {
        keys: Arc::clone(keys) as _,
        ..options(folder, 4)
    })
    .unwrap()
}

fn contact(address: &str) -> ContactId {
    OneKey.key_of(WORKSPACE).unwrap().contact(address)
}

/// An event of somebody, of a browser, or of both; the time counts up with the number.
fn of(number: u32, address: Option<&str>, browser: Option<&str>, identifies: bool) -> Submission {
    let mut entry = viewed(number);
    entry.time = Timestamp::from_millis(NOW + i64::from(number));
    entry.received_at = entry.time;
    entry.address = address.map(|address| Address::from(&Email::parse(address).unwrap()));
    entry.anonymous_id = browser.map(|browser| AnonymousId::parse(browser).unwrap());
    if identifies {
        let traits = Some(Personal(format!("{{\"number\":{number}}}")));
        entry.fact = Fact::Identify { traits };
    }
    entry.into()
}

fn erasure(number: u32, address: &str) -> Submission {
    let mut entry = viewed(number);
    entry.time = Timestamp::from_millis(NOW + i64::from(number));
    entry.received_at = entry.time;
    entry.address = None;
    entry.anonymous_id = None;
    entry.fact = Fact::Erase {
        contact: contact(address),
    };
    entry.into()
}

/// As the files of a folder that nobody has open have them.
fn on_disk(data: &Path) -> Vec<Record> {
    let image = crash_image(data);
    let journal = RedbJournal::open(JournalOptions::new(image.path())).unwrap();
    let mut records = Vec::new();
    journal
        .read(journal.floor(), &mut |block| {
            block.records(Seq::START, usize::MAX, &mut records)?;
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    records
}

fn redacted(records: &[Record]) -> Vec<u64> {
    let redacted = records.iter().filter(|record| record.entry.redacted);
    redacted.map(|record| record.seq.0).collect()
}

const ADA: &str = "ada@person.example";
const BOB: &str = "bob@person.example";

/// Ada's are 1, 3, 4, 6 and 7: two browsers, of which one was Bob's before, and is again.
async fn lived(log: &LocalLedger) {
    for submission in [
        of(1, Some(ADA), None, false),
        of(2, Some(BOB), Some("shared"), true),
        of(3, None, Some("hers"), false),
        of(4, Some(ADA), Some("hers"), true),
        of(5, None, Some("shared"), false),
        of(6, Some(ADA), Some("shared"), true),
        of(7, None, Some("shared"), false),
        of(8, Some(BOB), Some("shared"), true),
        of(9, None, Some("shared"), false),
        of(10, None, Some("nobody's"), false),
    ] {
        append(log, submission).await;
    }
}

#[tokio::test]
async fn an_erasure_is_hidden_at_once_and_for_good_and_then_gone_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Arc::new(Keys::default());
    let log = opened(folder.path(), &keys);
    lived(&log).await;
    let before = all(&log);
    append(&log, erasure(11, ADA)).await;
    // What names her is hidden with the fact; what only her browsers did once it has been found.
    let named = [1, 4, 6];
    let hers = [1, 3, 4, 6, 7];
    let hidden = redacted(&all(&log));
    assert!(named.iter().all(|seq| hidden.contains(seq)), "{hidden:?}");
    let image = crash_image(folder.path());
    // So it is for whoever comes after a crash.
    let survivor = opened(image.path(), &keys);
    let hidden = redacted(&all(&survivor));
    assert!(named.iter().all(|seq| hidden.contains(seq)), "{hidden:?}");
    for (log, data) in [(&survivor, image.path()), (&log, folder.path())] {
        log.purge().unwrap();
        let records = all(log);
        assert_eq!(redacted(&records), hers);
        assert_eq!(redacted(&on_disk(data)), hers);
        assert_eq!(log.waiting_segments(), 0);
        let person = ContactId(*id(11).as_bytes());
        for (record, before) in records.iter().zip(&before) {
            let (entry, then) = (&record.entry, &before.entry);
            assert_eq!(
                (record.seq, record.public_seq),
                (before.seq, before.public_seq)
            );
            assert_eq!(
                (entry.id, entry.time, entry.fact.name()),
                (then.id, then.time, then.fact.name())
            );
            if !hers.contains(&record.seq.0) {
                assert_eq!(entry, then);
                continue;
            }
            assert!(entry.address.is_none() && entry.anonymous_id.is_none());
            // What named her is one person's still, and nobody's.
            let whom = then.address.is_some().then_some(person);
            assert_eq!(entry.person, whom);
        }
        assert!(log.verify(&mut |_| {}).unwrap().ok);
    }
}

#[tokio::test]
async fn what_comes_late_is_redacted_as_it_is_recorded_and_what_comes_later_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Arc::new(Keys::default());
    let log = opened(folder.path(), &keys);
    let person = ContactId([9; 16]);
    let time = Timestamp::from_millis(NOW + 5);
    *lock(&keys.0) = Some((contact(ADA), time, person));
    for submission in [
        of(4, Some(ADA), None, false),
        of(5, Some(ADA), Some("hers"), true),
        of(6, Some(ADA), None, false),
        of(3, Some(BOB), None, false),
    ] {
        append(&log, submission).await;
    }
    let records = all(&log);
    assert_eq!(redacted(&records), [1, 2]);
    assert_eq!(records[0].entry.person, Some(person));
    assert_eq!(redacted(&on_disk(folder.path())), [1, 2]);
    // Its id is taken all the same.
    let again = append(&log, of(4, Some(ADA), None, false)).await;
    assert!(matches!(again, Appended::Duplicate { .. }), "{again:?}");
}

/// Only the first browsers that were found at once were remembered, so that what the others sent late stayed.
#[tokio::test]
async fn what_comes_late_of_many_browsers_of_theirs_is_redacted_too() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Arc::new(Keys::default());
    let log = opened(folder.path(), &keys);
    let browsers: Vec<String> = (1..=7).map(|number| format!("hers-{number}")).collect();
    for (number, browser) in (1..).zip(&browsers) {
        append(&log, of(number, Some(ADA), Some(browser), true)).await;
    }
    append(&log, of(8, Some(BOB), Some("his"), true)).await;
    let time = Timestamp::from_millis(NOW + 40);
    *lock(&keys.0) = Some((contact(ADA), time, ContactId(*id(40).as_bytes())));
    append(&log, erasure(40, ADA)).await;
    log.purge().unwrap();
    assert_eq!(redacted(&all(&log)), [1, 2, 3, 4, 5, 6, 7]);
    for (number, browser) in (11..).zip(&browsers) {
        append(&log, of(number, None, Some(browser), false)).await;
    }
    append(&log, of(18, None, Some("his"), false)).await;
    // What she does after that is somebody new's.
    append(&log, of(41, None, Some("hers-1"), false)).await;
    assert_eq!(redacted(&all(&log))[7..], [10, 11, 12, 13, 14, 15, 16]);
}

#[tokio::test]
async fn an_erasure_without_its_note_is_read_from_the_log_again() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Arc::new(Keys::default());
    let log = opened(folder.path(), &keys);
    lived(&log).await;
    // What a crash leaves between the commit and the note.
    let image = crash_image(folder.path());
    append(&log, erasure(11, ADA)).await;
    for file in std::fs::read_dir(folder.path().join("log")).unwrap() {
        let file = file.unwrap();
        if file.path().is_file() {
            std::fs::copy(file.path(), image.path().join("log").join(file.file_name())).unwrap();
        }
    }
    assert!(!image.path().join("redactions.redb").exists());
    let survivor = opened(image.path(), &keys);
    survivor.purge().unwrap();
    assert_eq!(redacted(&on_disk(image.path())), [1, 3, 4, 6, 7]);
    let entry: &Entry = &all(&survivor).pop().unwrap().entry;
    assert!(matches!(entry.fact, Fact::Erase { .. }) && !entry.redacted);
}
