//! Retention checkpoints without those who were erased since they were made.

use std::path::Path;

use shared::ids::EventId;
use shared::time::Timestamp;
use tempfile::tempdir;

use super::{aged, log_in, pass};
use crate::ledger::Log as _;
use crate::record::{ContactId, Entry, Fact, WorkspaceId};
use crate::views::history::{NOW, address, append, entry, keys};
use crate::views::tests::{all, open};
use crate::views::{ErasedContact, Retaining, ViewError, retained};

const ADA: &str = "ada@person.example";
const BOB: &str = "bob@person.example";

/// Whether these bytes stand in any file below a folder.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        let read = std::fs::read(path).unwrap();
        read.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[test]
fn who_is_erased_is_in_no_byte_of_the_checkpoint() {
    let folder = tempdir().unwrap();
    let log = log_in(folder.path());
    let entries = (0..120).map(|number| Entry {
        address: address(if number % 2 == 0 { ADA } else { BOB }),
        ..entry(number)
    });
    append(&log, entries.collect());
    let views = open(&folder);
    views.fold(&all(&log)).unwrap();
    assert!(pass(folder.path(), &log, &views, aged(&log, 0.5), &|| false).is_some());
    let kept = folder.path().join("retained");
    assert!(holds(&kept, ADA.as_bytes()) && holds(&kept, BOB.as_bytes()));

    let workspace = WorkspaceId(1);
    let contact = keys().key_of(workspace).unwrap().contact(ADA);
    let erased = [ErasedContact {
        workspace,
        contact,
        person: ContactId([9; 16]),
        time: Timestamp::from_millis(i64::MAX),
    }];
    let retaining = Retaining {
        data: folder.path(),
        keys: keys(),
        cache: 1 << 20,
        erased: &erased,
    };
    let upto = retained(folder.path()).unwrap();
    let stopped = retaining.purge(&|| true);
    assert!(matches!(stopped, Err(ViewError::Stopped)), "{stopped:?}");
    assert!(holds(&kept, ADA.as_bytes()));
    assert!(retaining.purge(&|| false).unwrap());
    assert!(!retaining.purge(&|| false).unwrap(), "once is enough");
    assert_eq!(retained(folder.path()).unwrap(), upto);
    assert!(!holds(&kept, ADA.as_bytes()) && holds(&kept, BOB.as_bytes()));

    // The fact finds nothing more when it is folded behind it.
    let fact = Entry {
        id: EventId::from_bytes([9; 16]),
        fact: Fact::Erase { contact },
        ..entry(500)
    };
    append(&log, vec![fact]);
    let draft = views.draft().unwrap();
    let end = *log.committed().borrow();
    draft
        .catch_up(&log, end, &|| false, &mut |_, _| {})
        .unwrap();
    assert!(draft.contact(contact).unwrap().is_none());
    let bob = keys().key_of(workspace).unwrap().contact(BOB);
    let bob = draft.contact(bob).unwrap().unwrap();
    assert!(bob.score_at(NOW) > 0.0);
    draft.discard();
}

#[test]
fn who_came_back_after_an_erasure_stays_in_the_checkpoint() {
    let folder = tempdir().unwrap();
    let log = log_in(folder.path());
    let entries = (0..120).map(|number| Entry {
        address: address(ADA),
        ..entry(number)
    });
    append(&log, entries.collect());
    let views = open(&folder);
    views.fold(&all(&log)).unwrap();
    assert!(pass(folder.path(), &log, &views, aged(&log, 0.5), &|| false).is_some());
    let workspace = WorkspaceId(1);
    let erased = [ErasedContact {
        workspace,
        contact: keys().key_of(workspace).unwrap().contact(ADA),
        person: ContactId([9; 16]),
        // Of long before all that the checkpoint knows.
        time: Timestamp::from_millis(1),
    }];
    let retaining = Retaining {
        data: folder.path(),
        keys: keys(),
        cache: 1 << 20,
        erased: &erased,
    };
    let before = checkpoints(folder.path());
    assert!(!retaining.purge(&|| false).unwrap());
    assert!(holds(&folder.path().join("retained"), ADA.as_bytes()));
    assert_eq!(checkpoints(folder.path()), before);
}

/// What lies in the folder of checkpoints, in order.
fn checkpoints(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder.join("retained")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// An erasure of whoever it was made the whole checkpoint anew; and one that a kill had left beside the next, with
/// somebody in it who is erased, stayed until more of the log was dropped.
#[test]
fn a_checkpoint_is_made_anew_for_whom_it_holds_and_none_of_before_stays() {
    let folder = tempdir().unwrap();
    let log = log_in(folder.path());
    let entries = (0..120).map(|number| Entry {
        address: address(ADA),
        ..entry(number)
    });
    append(&log, entries.collect());
    let views = open(&folder);
    views.fold(&all(&log)).unwrap();
    assert!(pass(folder.path(), &log, &views, aged(&log, 0.5), &|| false).is_some());
    let of_before = checkpoints(folder.path());
    let workspace = WorkspaceId(1);
    let of = |address: &str| ErasedContact {
        workspace,
        contact: keys().key_of(workspace).unwrap().contact(address),
        person: ContactId([9; 16]),
        time: Timestamp::from_millis(i64::MAX),
    };
    let purge = |erased: &[ErasedContact]| {
        let retaining = Retaining {
            data: folder.path(),
            keys: keys(),
            cache: 1 << 20,
            erased,
        };
        retaining.purge(&|| false).unwrap()
    };
    assert!(!purge(&[of(BOB)]), "it does not hold him");
    assert_eq!(checkpoints(folder.path()), of_before);
    // The checkpoint of before lies there still, as where a kill came between the two; and a draft.
    let kept = folder.path().join("retained");
    let aside = folder.path().join("aside");
    std::fs::rename(kept.join(&of_before[0]), &aside).unwrap();
    copy_folder(&aside, &kept.join(&of_before[0]));
    assert!(purge(&[of(ADA), of(BOB)]));
    let made = checkpoints(folder.path());
    assert_ne!(made, of_before);
    std::fs::rename(&aside, kept.join(&of_before[0])).unwrap();
    std::fs::create_dir(kept.join("draft")).unwrap();
    std::fs::write(kept.join("draft").join("views-terms.redb"), ADA).unwrap();
    assert!(!purge(&[of(ADA), of(BOB)]));
    assert_eq!(checkpoints(folder.path()), made);
    assert!(!holds(&kept, ADA.as_bytes()));
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn an_erasure_behind_a_rebuild_leaves_nothing_in_the_files_that_are_in_use() {
    let folder = tempdir().unwrap();
    let log = log_in(folder.path());
    let entries = (0..40).map(|number| Entry {
        address: address(ADA),
        ..entry(number)
    });
    append(&log, entries.collect());
    let views = open(&folder);
    views.fold(&all(&log)).unwrap();
    views.checkpoint().unwrap();
    let draft = views.draft().unwrap();
    let end = *log.committed().borrow();
    draft
        .catch_up(&log, end, &|| false, &mut |_, _| {})
        .unwrap();
    views.adopt(draft).unwrap();
    let file = folder.path().join("views-engagement.redb");
    let knows_her = || {
        let bytes = std::fs::read(&file).unwrap();
        bytes.windows(ADA.len()).any(|part| part == ADA.as_bytes())
    };
    assert!(knows_her());
    let contact = keys().key_of(WorkspaceId(1)).unwrap().contact(ADA);
    let fact = Entry {
        id: EventId::from_bytes([9; 16]),
        fact: Fact::Erase { contact },
        ..entry(500)
    };
    append(&log, vec![fact]);
    views.fold(&all(&log)[40..]).unwrap();
    views.checkpoint().unwrap();
    assert!(!knows_her());
    let mut files = std::fs::read_dir(folder.path()).unwrap();
    let is_draft = |name: std::ffi::OsString| name.to_string_lossy().contains("draft");
    assert!(!files.any(|file| is_draft(file.unwrap().file_name())));
}
