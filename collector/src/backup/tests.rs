//! Backups of a small store with small segments, and what is refused.

mod restores;

use std::collections::BTreeMap;
use std::sync::Arc;

use tempfile::TempDir;

use super::restore::Restored;
use super::*;
use crate::log_at_rest::reached;
use store::clock::SystemClock;
use store::folder::DataFolder;
use store::ledger::Log as _;
use store::ledger::conformance::subject::track;
use store::ledger::local::{LocalLedger, Options};
use store::ledger::verify::verify;
use store::lineage::StoreState;
use store::meta::Meta;
use store::record::identity::Sender;
use store::record::{Address, Personal, Record, Seq};
use store::rejected::RejectedStore;
use store::views::{Retaining, Views, retained};

/// Records in a segment.
const ROTATE: u64 = 4;

/// A store that is open, and a place for backups beside it.
struct Store {
    folder: TempDir,
    meta: Arc<Meta>,
    log: LocalLedger,
    rejected: RejectedStore,
}

impl Store {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("FORMAT"), "misar-store 1\n").unwrap();
        let meta = Arc::new(Meta::open(&data, Arc::new(SystemClock)).unwrap());
        let lineage = meta.begin_opening().unwrap();
        let log = LocalLedger::open(Options {
            standing: Some(meta.standing()),
            rotate_records: ROTATE,
            ..Options::new(&data, Arc::clone(&meta) as _)
        })
        .unwrap();
        log.set_lineage(lineage).unwrap();
        let rejected =
            RejectedStore::open(&data, &|_| Sender::Server, Arc::new(SystemClock), |_| {}).unwrap();
        rejected.set_lineage(lineage).unwrap();
        meta.set_state(StoreState::Open).unwrap();
        Self {
            folder,
            meta,
            log,
            rejected,
        }
    }

    async fn append(&self, numbers: std::ops::RangeInclusive<u32>) {
        for number in numbers {
            let mut event = track(number);
            event.entry.address = Some(Address {
                normalised: Personal("ada@example.com".into()),
                original: None,
                older: None,
            });
            self.log.append(vec![event]).await.unwrap();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn take(&self, dir: &std::path::Path, incremental: bool) -> Result<BackupReport, String> {
        self.take_as(dir, incremental, false)
    }

    fn take_as(
        &self,
        dir: &std::path::Path,
        incremental: bool,
        link: bool,
    ) -> Result<BackupReport, String> {
        let data = self.path("data");
        let sources = BackupSources {
            data: &data,
            meta: &self.meta,
            log: &self.log,
            rejected: Some(&self.rejected),
        };
        let ask = BackupAsk {
            dir: dir.to_owned(),
            incremental,
            link,
        };
        let mut last = (0, 0);
        let taken = take(&sources, &ask, &mut |done, total| {
            assert!(done >= last.0 && done <= total, "{last:?} {done} {total}");
            last = (done, total);
        });
        assert!(taken.is_err() || last.0 > 0);
        taken
    }

    /// The sealer works behind the writer.
    fn wait_for_seals(&self) {
        let is_sealed = || {
            let segments = self.log.segments();
            segments[..segments.len() - 1]
                .iter()
                .all(|segment| segment.is_sealed())
        };
        while !is_sealed() {
            std::thread::yield_now();
        }
    }

    fn records(&self) -> Vec<Record> {
        self.log.read_from(Seq::START, usize::MAX).unwrap()
    }
}

fn restored(dir: &std::path::Path, to: &std::path::Path) -> Result<Restored, String> {
    restore(dir, to, None, Arc::new(SystemClock), &mut |_, _| {})
}

/// The records of a restored store, opened as a start opens it.
fn records_of(data: &std::path::Path) -> Vec<Record> {
    let meta = Arc::new(Meta::open(data, Arc::new(SystemClock)).unwrap());
    let standing = meta.standing();
    standing
        .check(data, store::lineage::FoundRunning::Nothing)
        .unwrap();
    let log = LocalLedger::open(Options {
        reached: reached(data, &meta),
        standing: Some(standing),
        ..Options::new(data, Arc::clone(&meta) as _)
    })
    .unwrap();
    log.read_from(Seq::START, usize::MAX).unwrap()
}

/// Every file in a backup, with what is in it.
fn contents(dir: &std::path::Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), std::fs::read(path).unwrap());
            }
        }
    }
    found
}

#[tokio::test]
async fn a_backup_holds_the_snippets_that_pages_may_have_pinned() {
    let store = Store::new();
    store.append(1..=2).await;
    let snippets = store.path("data").join("snippets");
    std::fs::create_dir(&snippets).unwrap();
    for (name, text) in [
        ("track.0123456789abcdef.js", "pinned"),
        ("notes.js", "somebody's own"),
    ] {
        std::fs::write(snippets.join(name), text).unwrap();
    }
    let (dir, data) = (store.path("backup"), store.path("restored"));
    store.take(&dir, false).unwrap();
    restored(&dir, &data).unwrap();
    let kept = std::fs::read_to_string(data.join("snippets/track.0123456789abcdef.js"));
    assert_eq!(kept.unwrap(), "pinned");
    assert!(!data.join("snippets/notes.js").exists());
}

#[tokio::test]
async fn a_backup_holds_what_is_there_and_a_restore_gives_it_back() {
    let store = Store::new();
    store.append(1..=10).await;
    let dir = store.path("backup");
    let report = store.take(&dir, false).unwrap();
    assert_eq!(report.events, 10);
    assert_eq!((report.linked, report.reused), (0, 0));
    assert_eq!(report.copied_bytes, report.bytes);
    // What comes later is not in it, and disturbs nothing.
    store.append(11..=20).await;
    let data = store.path("restored");
    let back = restored(&dir, &data).unwrap();
    assert_eq!((back.events, &back.last_seq), (10, &report.last_seq));
    assert_eq!(back.missing_token_keys, [0_u32; 0]);
    assert_eq!(records_of(&data), store.records()[..10]);
    assert!(verify(&data, Seq(10), &mut |_| {}).unwrap().ok);
    assert!(!data.join("RESTORING").exists());
}

#[tokio::test]
async fn an_incremental_backup_takes_over_what_is_the_same() {
    let store = Store::new();
    store.append(1..=10).await;
    let dir = store.path("backup");
    store.take(&dir, false).unwrap();
    let before = contents(&dir);
    store.append(11..=18).await;
    let report = store.take(&dir, true).unwrap();
    assert_eq!(report.events, 18);
    assert!(report.reused >= 2, "{report:?}");
    assert!(report.copied_bytes < report.bytes, "{report:?}");
    let after = contents(&dir);
    // The segment that was still open then is replaced, and nothing is left of it.
    let files = usize::try_from(report.files).unwrap();
    assert_eq!(
        after.len(),
        files + ["manifest.json", "BACKUP", "LOCK"].len()
    );
    assert!(before.keys().any(|path| !after.contains_key(path)));
    restored(&dir, &store.path("restored")).unwrap();
    assert_eq!(records_of(&store.path("restored")), store.records());
}

#[tokio::test]
async fn what_is_redacted_leaves_the_backup_too() {
    let store = Store::new();
    store.append(1..=10).await;
    let dir = store.path("backup");
    store.take(&dir, false).unwrap();
    let holds_address = |dir: &std::path::Path, name: &str| {
        restored(dir, &store.path(name)).unwrap();
        records_of(&store.path(name))
            .iter()
            .filter(|record| record.entry.address.is_some())
            .count()
    };
    assert_eq!(holds_address(&dir, "first"), 10);
    let old: Vec<_> = contents(&dir).into_keys().collect();
    store.log.redact(vec![Seq(2)]).await.unwrap();
    store.take(&dir, true).unwrap();
    assert_eq!(holds_address(&dir, "second"), 9);
    let segment = |path: &&PathBuf| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("00000000000000000001.")
    };
    let old = old.iter().find(segment).unwrap();
    assert!(!old.exists(), "{}", old.display());
}

#[tokio::test]
async fn a_backup_that_fails_leaves_the_one_before_whole() {
    let store = Store::new();
    store.append(1..=10).await;
    let dir = store.path("backup");
    store.take(&dir, false).unwrap();
    let before = contents(&dir);
    store.append(11..=15).await;
    // A folder in the place of a draft: `meta.redb`, the last to be copied, cannot be.
    std::fs::create_dir(dir.join("meta.draft")).unwrap();
    assert!(store.take(&dir, true).is_err());
    for (path, content) in &before {
        assert_eq!(&std::fs::read(path).unwrap(), content, "{}", path.display());
    }
    restored(&dir, &store.path("restored")).unwrap();
    assert_eq!(records_of(&store.path("restored")), store.records()[..10]);
    std::fs::remove_dir(dir.join("meta.draft")).unwrap();
    assert_eq!(store.take(&dir, true).unwrap().events, 15);
}

#[tokio::test]
async fn one_that_was_cut_short_is_gone_on_with() {
    let store = Store::new();
    store.append(1..=10).await;
    let dir = store.path("backup");
    store.take(&dir, false).unwrap();
    std::fs::remove_file(dir.join("manifest.json")).unwrap();
    let refused = restored(&dir, &store.path("restored")).unwrap_err();
    assert!(refused.contains("no complete backup"), "{refused}");
    assert_eq!(store.take(&dir, false).unwrap().events, 10);
}

#[tokio::test]
async fn places_that_are_not_for_a_backup_are_refused() {
    let store = Store::new();
    store.append(1..=2).await;
    let foreign = store.path("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("letters.txt"), "dear all").unwrap();
    let complete = store.path("complete");
    store.take(&complete, false).unwrap();
    let other = Store::new();
    other.append(1..=2).await;
    let others = other.path("backup");
    other.take(&others, false).unwrap();
    std::os::unix::fs::symlink(store.path("data"), store.path("way in")).unwrap();
    for (dir, incremental, said) in [
        (foreign.clone(), false, "neither empty nor a backup"),
        (foreign.clone(), true, "neither empty nor a backup"),
        (store.path("data"), false, "inside the data folder"),
        (store.path("data/backup"), false, "inside the data folder"),
        (store.path("way in/backup"), false, "inside the data folder"),
        (
            store.path("nowhere/backup"),
            false,
            "make that folder first",
        ),
        (complete, false, "holds a backup already"),
        (others, true, "of another store"),
        (PathBuf::from("backup"), false, "no absolute path"),
    ] {
        let refused = store.take(&dir, incremental).unwrap_err();
        assert!(refused.contains(said), "{}: {refused}", dir.display());
    }
    assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 1);
}

#[tokio::test]
async fn links_are_told_and_become_copies_without_the_flag() {
    let store = Store::new();
    store.append(1..=10).await;
    store.wait_for_seals();
    let dir = store.path("backup");
    let linked = store.take_as(&dir, false, true).unwrap();
    assert!(linked.linked >= 2, "{linked:?}");
    assert!(linked.copied_bytes < linked.bytes, "{linked:?}");
    let again = store.take_as(&dir, true, true).unwrap();
    assert_eq!(again.linked, linked.linked);
    let copied = store.take_as(&dir, true, false).unwrap();
    assert_eq!(copied.linked, 0, "{copied:?}");
    restored(&dir, &store.path("restored")).unwrap();
}

#[tokio::test]
async fn the_last_backup_is_remembered() {
    let store = Store::new();
    assert_eq!(store.meta.last_backup().unwrap(), None);
    store.append(1..=3).await;
    let dir = store.path("backup");
    let report = store.take(&dir, false).unwrap();
    let last = store.meta.last_backup().unwrap().unwrap();
    assert_eq!((last.dir, last.last_seq), (report.dir, report.last_seq));
}
