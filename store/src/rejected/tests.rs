//! Tests of the store of rejected events.

use std::sync::atomic::{AtomicU64, Ordering};

use redb::{ReadableDatabase as _, ReadableTable as _};
use shared::time::Timestamp;

use super::behind::MAX_KEPT;
use super::tables::REJECTED;
use super::waiting::MAX_WAITING;
use super::*;
use crate::clock::FixedClock;

/// Opens a store whose older rows were sent by keys named `page` and others.
pub(super) fn open(data: &Path, clock: &Arc<FixedClock>) -> RejectedStore {
    open_counting(data, clock, &Arc::default())
}

fn open_counting(data: &Path, clock: &Arc<FixedClock>, dropped: &Arc<AtomicU64>) -> RejectedStore {
    let dropped = Arc::clone(dropped);
    let count = move |more| {
        dropped.fetch_add(more, Ordering::Relaxed);
    };
    let sender_of = |key_id: &str| match key_id {
        "page" => Sender::Page,
        _ => Sender::Server,
    };
    RejectedStore::open(data, &sender_of, Arc::clone(clock) as _, count).unwrap()
}

pub(super) fn rejected(id: &str, received_at: i64) -> Rejected {
    Rejected {
        workspace: WorkspaceId(1),
        sender: Sender::Server,
        id: id.into(),
        received_at,
        key_id: "key_1".into(),
        name: Some("viewed".into()),
        code: "invalid_email".into(),
        message: "send an address".into(),
        field: Some("email".into()),
        ignored_fields: Vec::new(),
        body: Some(Personal("{}".into())),
    }
}

#[test]
fn a_rejection_is_found_at_once_and_after_a_restart_and_not_after_30_days() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock::new(Timestamp::from_millis(KEPT_MS * 2)));
    let now = clock.now().as_millis();
    let open = || open(folder.path(), &clock);
    let store = open();
    store.keep(rejected("a", now));
    assert_eq!(
        store.find(WorkspaceId(1), Sender::Server, "a").unwrap(),
        Some(rejected("a", now))
    );
    assert_eq!(
        store.find(WorkspaceId(2), Sender::Server, "a").unwrap(),
        None
    );
    drop(store);
    let store = open();
    assert_eq!(
        store.find(WorkspaceId(1), Sender::Server, "a").unwrap(),
        Some(rejected("a", now))
    );
    clock.advance_millis(KEPT_MS);
    assert_eq!(
        store.find(WorkspaceId(1), Sender::Server, "a").unwrap(),
        Some(rejected("a", now))
    );
    clock.advance_millis(1);
    assert_eq!(
        store.find(WorkspaceId(1), Sender::Server, "a").unwrap(),
        None
    );
    store.keep(rejected("b", clock.now().as_millis()));
    drop(store);
    let store = open();
    let transaction = store.shared.database().begin_read().unwrap();
    assert_eq!(
        transaction
            .open_table(REJECTED)
            .unwrap()
            .iter()
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn the_newest_rejection_of_an_id_is_told_and_an_unreadable_file_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join(FILE),
        b"no redb file, but longer than nothing",
    )
    .unwrap();
    let clock = Arc::new(FixedClock::new(Timestamp::from_millis(KEPT_MS * 2)));
    let open = || open(folder.path(), &clock);
    for at in [1, 2, 3] {
        let store = open();
        store.keep(rejected("a", clock.now().as_millis() + at));
    }
    let found = open()
        .find(WorkspaceId(1), Sender::Server, "a")
        .unwrap()
        .unwrap();
    assert_eq!(found.received_at, clock.now().as_millis() + 3);
}

#[test]
fn a_workspace_keeps_its_newest_rejections_and_memory_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock::new(Timestamp::from_millis(KEPT_MS * 2)));
    let now = clock.now().as_millis();
    let dropped = Arc::new(AtomicU64::new(0));
    let open = || open_counting(folder.path(), &clock, &dropped);
    let kept = i64::try_from(MAX_KEPT).unwrap();
    let waiting = i64::try_from(MAX_WAITING).unwrap();
    // Closing writes what waits, so that none is dropped here.
    for start in (0..kept + waiting).step_by(MAX_WAITING) {
        let store = open();
        for number in start..start + waiting {
            store.keep(rejected(&number.to_string(), now + number));
        }
    }
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
    let store = open();
    assert_eq!(
        store.find(WorkspaceId(1), Sender::Server, "9999").unwrap(),
        None
    );
    assert!(
        store
            .find(WorkspaceId(1), Sender::Server, "10000")
            .unwrap()
            .is_some()
    );
    let large = Rejected {
        body: Some(Personal("x".repeat(32 * 1024))),
        ..rejected("large", now)
    };
    for number in 0..MAX_WAITING {
        store.keep(Rejected {
            id: format!("large{number}"),
            ..large.clone()
        });
    }
    assert!(dropped.load(Ordering::Relaxed) > 0);
}

/// Of two workspaces, one's pages flood; its own server and the other workspace keep every
/// receipt, in memory and on disk.
#[test]
fn nobody_displaces_the_rejections_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock::new(Timestamp::from_millis(KEPT_MS * 2)));
    let now = clock.now().as_millis();
    let of = |workspace, sender, id: &str| Rejected {
        workspace: WorkspaceId(workspace),
        sender,
        ..rejected(id, now)
    };
    let store = open(folder.path(), &clock);
    store.keep(of(1, Sender::Server, "a"));
    store.keep(of(2, Sender::Page, "a"));
    drop(store);
    let rounds = usize::try_from(MAX_KEPT).unwrap() / MAX_WAITING + 1;
    for round in 0..rounds {
        let store = open(folder.path(), &clock);
        for number in 0..MAX_WAITING {
            store.keep(of(1, Sender::Page, &format!("{round}-{number}")));
        }
        store.keep(of(1, Sender::Server, &format!("b{round}")));
    }
    let store = open(folder.path(), &clock);
    let found = |workspace, sender, id: &str| {
        let found = store.find(WorkspaceId(workspace), sender, id).unwrap();
        found.is_some()
    };
    assert!(!found(1, Sender::Page, "0-0"));
    assert!(found(1, Sender::Server, "a") && found(2, Sender::Page, "a"));
    for round in 0..rounds {
        assert!(found(1, Sender::Server, &format!("b{round}")));
    }
    // Nor does anybody's take over the receipt of another's id.
    assert!(!found(1, Sender::Page, "a") && !found(2, Sender::Server, "a"));
}
