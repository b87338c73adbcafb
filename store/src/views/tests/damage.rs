//! Damage in files of views that nobody looks for at the start: whoever reads it is told that the view is being built,
//! and nobody is told anything else than what was written.

use std::fs;

use tempfile::{TempDir, tempdir};

use super::{all, crash, files, folded, log_of, make_up, open};
use crate::locks::read;
use crate::record::{ContactId, Fact, Record, Seq, WorkspaceId};
use crate::views::filter::EventFilter;
use crate::views::history::{address, entry, keys, message_id};
use crate::views::{Building, DEFAULT_CACHE, ViewError, Views};

const WORKSPACE: WorkspaceId = WorkspaceId(1);
/// A block of a view's file with its checksum.
const STORED: usize = 4_096 + 8;

/// Events of many contacts, so that their addresses fill pages of a table.
fn records() -> Vec<Record> {
    let entries = (1..=2_000).map(|number| {
        let mut entry = entry(number);
        entry.address = address(&format!("person-{:04}@example.com", number % 900));
        entry.fact = Fact::Track {
            name: "viewed".into(),
            properties: None,
            message_id: Some(message_id(&format!("m-{}", number % 40))),
        };
        entry
    });
    all(&log_of(entries.collect()))
}

/// So many checkpoints that the rows by key have gone into their tables.
fn written(records: &[Record]) -> TempDir {
    let folder = tempdir().unwrap();
    let views = open(&folder);
    for records in records.chunks(records.len().div_ceil(66)) {
        views.fold(records).unwrap();
        views.checkpoint().unwrap();
    }
    views.close().unwrap();
    folder
}

type Told = (Vec<(ContactId, String)>, Vec<Seq>);

/// Everything that is read when somebody asks, of contacts and events.
fn told(views: &Views) -> Result<Told, ViewError> {
    let ids = views.contact_ids_behind(WORKSPACE, None, 1_000)?;
    let contacts = views.contacts(&ids)?.into_iter();
    let addresses = contacts.map(|contact| contact.and_then(|one| one.address).unwrap_or_default());
    let filter = EventFilter {
        limit: 5_000,
        ..EventFilter::default()
    };
    let events = views.events(WORKSPACE, &filter)?;
    Ok((ids.into_iter().zip(addresses).collect(), events.seqs))
}

#[test]
fn whatever_block_is_damaged_answers_are_right_or_that_a_view_is_being_built() {
    let records = records();
    let folder = written(&records);
    let (good, expected) = (told(&open(&folder)).unwrap(), folded(&records));
    let (mut met, mut at_start) = (0, 0);
    for name in files(&folder) {
        let whole = fs::read(folder.path().join(&name)).unwrap();
        let mut places: Vec<Vec<usize>> = (0..12)
            .map(|turn| vec![whole.len() * turn / 12 + 700])
            .collect();
        // And wherever addresses lie: those in deltas have all gone into their table.
        let blocks = (0..whole.len() / STORED).map(|block| block * STORED);
        let holds = |at: &usize| whole[*at..*at + STORED].windows(7).any(|w| w == b"person-");
        places.push(blocks.filter(holds).map(|at| at + 100).collect());
        for places in places {
            let folder = crash(&folder);
            let path = folder.path().join(&name);
            let mut bytes = whole.clone();
            places.iter().for_each(|at| bytes[*at] ^= 0x08);
            fs::write(&path, bytes).unwrap();
            let views = open(&folder);
            // As the projector does.
            views.owe(Seq(2_000));
            let what = format!("{name} at {places:?}");
            match told(&views) {
                Ok(told) => {
                    assert_eq!(told, good, "{what}");
                    continue;
                }
                Err(ViewError::Building(Building { done: 0, .. })) => {}
                Err(error) => panic!("{what}: {error}"),
            }
            if views.is_spoilt() {
                met += 1;
                // Nobody reads it while that lasts.
                assert!(
                    matches!(told(&views), Err(ViewError::Building(_))),
                    "{what}"
                );
                views.renew().unwrap();
            } else {
                at_start += 1;
            }
            make_up(&views, &records);
            assert_eq!(told(&views).unwrap(), good, "{what}");
            assert_eq!(views.dump().unwrap(), expected, "{what}");
        }
    }
    // With debug assertions redb walks through a whole file when it opens it, and meets damage before any reader: how it
    // is then is tested with damage that is only said to be there, below and in `projector`.
    assert!(met + at_start > 3, "{met}, {at_start}");
}

#[test]
fn views_that_are_not_open_yet_are_being_built() {
    let records = records();
    let folder = written(&records);
    let good = told(&open(&folder)).unwrap();
    let views = Views::put_off(folder.path(), keys(), DEFAULT_CACHE).unwrap();
    views.owe(Seq(2_000));
    let building = Building {
        done: 0,
        total: 2_000,
    };
    assert_eq!(views.building(), Some(building));
    assert!(matches!(told(&views), Err(ViewError::Building(told)) if told == building));
    views.apply_settings().unwrap();
    views.open_now().unwrap();
    assert_eq!(views.building(), None);
    assert_eq!(told(&views).unwrap(), good);
    views.open_now().unwrap();
}

#[test]
fn what_cannot_be_opened_is_said_before_the_views_are() {
    let folder = tempdir().unwrap();
    let target = tempdir().unwrap();
    let link = folder.path().join("views-events.redb");
    std::os::unix::fs::symlink(target.path(), &link).unwrap();
    let refused = Views::put_off(folder.path(), keys(), DEFAULT_CACHE)
        .map(drop)
        .unwrap_err();
    assert!(refused.to_string().contains("symbolic link"), "{refused}");
}

#[test]
fn a_view_that_is_begun_anew_after_a_rebuild_lies_under_its_own_name() {
    let records = records();
    let folder = written(&records);
    let views = open(&folder);
    let names = files(&folder);
    let draft = views.draft().unwrap();
    draft.fold(&records).unwrap();
    views.adopt(draft).unwrap();
    // Act: readers meet damage in all that can be begun anew beside the others.
    for shelf in read(&views.shelves).as_ref().unwrap().all() {
        if shelf.name() != "terms" {
            shelf.rows.state.spoil();
        }
    }
    views.renew().unwrap();
    assert_eq!(files(&folder), names);
    make_up(&views, &records);
    views.close().unwrap();
    drop(views);
    // Assert: what the next start opens is that.
    let views = open(&folder);
    assert_eq!(views.building(), None);
    assert_eq!(views.dump().unwrap(), folded(&records));
}
