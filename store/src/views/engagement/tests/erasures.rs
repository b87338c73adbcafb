//! Contacts that are erased somewhere in random histories: views that have seen them under their names come to
//! the same as those that are built anew, and neither tells of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use shared::ids::{EventId, MessageId};
use shared::time::Timestamp;
use tempfile::{TempDir, tempdir};

use super::random::submissions;
use super::{click_of, contact_of, email, told_by};
use crate::ledger::decide::{WorkspaceKey, WorkspaceKeys};
use crate::ledger::memory::MemoryLedger;
use crate::ledger::suppression::change_of;
use crate::ledger::{Log, Proposed, Submission};
use crate::record::{
    Class, ClickMarks, ContactId, Entry, Fact, Record, SendRef, Seq, Source, ToldBy, WorkspaceId,
};
use crate::views::filter::EventFilter;
use crate::views::history::{Keys, NOW, address, all, at_once, entry, message_id};
use crate::views::runs::contact_of as contact_in;
use crate::views::shelf::held;
use crate::views::{Dump, Views, rebuild};

const DAY: i64 = 86_400_000;
const OURS: WorkspaceId = WorkspaceId(1);

/// The usual keys, and who was erased last.
#[derive(Default)]
struct Erasing(Mutex<HashMap<ContactId, (Timestamp, ContactId)>>);

impl WorkspaceKeys for Erasing {
    fn key_of(&self, workspace: WorkspaceId) -> Option<WorkspaceKey> {
        Keys.key_of(workspace)
    }

    fn erased(&self, _: WorkspaceId, contact: ContactId) -> Option<(Timestamp, ContactId)> {
        self.0.lock().unwrap().get(&contact).copied()
    }

    fn last_erasure(&self, _: WorkspaceId) -> Option<Timestamp> {
        let erased = self.0.lock().unwrap();
        erased.values().map(|(time, _)| *time).max()
    }
}

/// A log and the views that follow it.
struct Stage {
    keys: Arc<Erasing>,
    log: MemoryLedger,
    folder: TempDir,
    views: Option<Views>,
}

impl Stage {
    fn new() -> Self {
        let keys = Arc::new(Erasing::default());
        let folder = tempdir().unwrap();
        Self {
            log: MemoryLedger::new(Arc::clone(&keys) as _),
            views: Some(Views::open(folder.path(), Arc::clone(&keys) as _).unwrap()),
            keys,
            folder,
        }
    }

    fn views(&self) -> &Views {
        self.views.as_ref().unwrap()
    }

    fn append(&self, submission: Submission) {
        at_once(self.log.append(vec![submission])).unwrap();
    }

    /// As a server does it.
    fn erase(&self, who: &str, time: i64) -> ContactId {
        let contact = contact_of(OURS, who);
        let time = Timestamp::from_millis(time);
        let mut id = [0x43; 16];
        id[..8].copy_from_slice(&time.as_millis().to_be_bytes());
        let person = ContactId(id);
        self.keys.0.lock().unwrap().insert(contact, (time, person));
        let id = EventId::from_bytes(id);
        let fact = Fact::Erase { contact };
        self.append(Entry::new(OURS, id, ToldBy::server(), time, fact).into());
        person
    }

    fn unfolded(&self) -> Vec<Record> {
        self.log
            .read_from(self.views().cursor(), usize::MAX)
            .unwrap()
    }

    fn fold(&self) {
        self.views().fold(&self.unfolded()).unwrap();
    }

    fn reopen(&mut self) {
        drop(self.views.take());
        self.views = Some(Views::open(self.folder.path(), Arc::clone(&self.keys) as _).unwrap());
    }

    fn rebuilt(&self) -> Dump {
        let folder = tempdir().unwrap();
        let keys: Arc<dyn WorkspaceKeys> = Arc::clone(&self.keys) as _;
        rebuild(folder.path(), Arc::clone(&keys), &self.log, &mut |_, _| {}).unwrap();
        Views::open(folder.path(), keys).unwrap().dump().unwrap()
    }
}

/// Something of a part of the history, which lies 60 days behind the one before. Of some what is told is of the
/// first part.
fn in_part(part: u8, mut submission: Submission) -> Submission {
    let entry = &mut submission.entry;
    let mut id = *entry.id.as_bytes();
    let is_late = id[7].is_multiple_of(5);
    id[15] = part;
    entry.id = EventId::from_bytes(id);
    let later =
        |time: Timestamp| Timestamp::from_millis(time.as_millis() + i64::from(part) * 60 * DAY);
    entry.received_at = later(entry.received_at);
    if !is_late {
        entry.time = later(entry.time);
    }
    // A message is sent to somebody in one of their lives.
    let in_its_part = |id: &MessageId| message_id(&format!("{}-{part}", id.as_str()));
    if let Proposed::Fact(fact) = &mut entry.fact {
        if let Fact::Send { message_id, .. } = fact
            && !is_late
        {
            *message_id = in_its_part(message_id);
        }
        if let Fact::Click { marks, .. } = fact {
            // What is left of a click of before there were marks does not tell its page.
            marks.get_or_insert(ClickMarks {
                target: 1,
                network: 1,
            });
        }
        if let Fact::Open { send }
        | Fact::Click { send, .. }
        | Fact::Unsubscribe { send }
        | Fact::Told { send }
        | Fact::Delivery { send, .. } = fact
            && !is_late
        {
            *send = SendRef {
                sent_at: later(send.sent_at),
                message_id: in_its_part(&send.message_id),
                ..send.clone()
            };
        }
    }
    submission
}

fn changes_suppressions(submission: &Submission) -> bool {
    matches!(&submission.entry.fact, Proposed::Fact(fact) if change_of(fact).is_some())
}

/// The rows by number under what the numbers stand for.
fn by_digest(mut dump: Dump) -> Dump {
    let numbers: BTreeMap<_, _> = dump
        .remove("contact_numbers")
        .unwrap()
        .into_iter()
        .collect();
    for (name, rows) in &mut dump {
        let place = match *name {
            "contacts_v4" | "addresses_v1" | "newest_of_contacts_v1" => 0,
            "runs_v1" => 5,
            _ => continue,
        };
        for (key, _) in &mut *rows {
            let is_of_contact = *name != "runs_v1" || contact_in(key).is_some();
            if is_of_contact {
                let digest = &numbers[&key[place..]];
                key.splice(place.., digest.iter().copied());
            }
        }
        rows.sort();
    }
    dump
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whoever_is_erased_leaves_the_same_rows_whether_they_were_seen_or_not(
        parts in prop::collection::vec(submissions(), 3),
        erased in prop_oneof![Just(["ada", "ben"]), Just(["cy", "ada"]), Just(["ada", "ada"])],
        batches in prop::collection::vec((1..60_usize, 0..4_u8), 1..8),
        lags in any::<bool>(),
    ) {
        let mut stage = Stage::new();
        let falls = batches.iter().any(|(_, between)| *between == 2);
        let mut batches = batches.iter().cycle();
        for (part, submissions) in (0..).zip(parts) {
            for submission in submissions {
                // What says who gets mail goes on naming a contact: of which of two lives it is nobody knows who
                // reads it behind the second.
                if erased[0] != erased[1] || !changes_suppressions(&submission) {
                    stage.append(in_part(part, submission));
                }
            }
            // Some are folded before the erasure, and some with it.
            for (count, between) in batches.by_ref().take(3) {
                let records = stage.unfolded();
                stage.views().fold(&records[..records.len().min(*count)]).unwrap();
                match between {
                    0 => {}
                    1 => stage.views().checkpoint().unwrap(),
                    2 => stage.reopen(),
                    _ => stage.fold(),
                }
            }
            if !lags {
                stage.fold();
            }
            if let Some(who) = erased.get(usize::from(part)) {
                stage.erase(who, NOW + (i64::from(part) * 60 + 30) * DAY);
            }
        }
        stage.fold();
        let (live, rebuilt) = (stage.views().dump().unwrap(), stage.rebuilt());
        if lags || falls || erased[0] == erased[1] {
            // Numbers alone are others where a contact was read under its name and then as who is left, before its
            // erasure, which comes of a fall too.
            prop_assert_eq!(differing(&by_digest(live.clone()), &by_digest(rebuilt)), [""; 0]);
        } else {
            prop_assert_eq!(differing(&live, &rebuilt), [""; 0]);
        }
        // What is written is the same.
        stage.views().close().unwrap();
        stage.reopen();
        prop_assert_eq!(differing(&stage.views().dump().unwrap(), &live), [""; 0]);
        // And a view that is built beside the others.
        stage.views().close().unwrap();
        drop(stage.views.take());
        std::fs::remove_file(stage.folder.path().join("views-engagement.redb")).unwrap();
        stage.reopen();
        let records = all(&stage.log);
        while let Some(cursor) = stage.views().cursor_beside() {
            let behind = records.partition_point(|record| record.seq <= cursor);
            let upto = records.len().min(behind + 40);
            stage.views().fold_beside(&records[behind..upto]).unwrap();
        }
        prop_assert_eq!(differing(&stage.views().dump().unwrap(), &live), [""; 0]);
    }
}

/// The first row of each table that is not the same: all of them would be too much to read.
fn differing(one: &Dump, other: &Dump) -> Vec<String> {
    let mut told = Vec::new();
    for (name, rows) in one {
        let others: std::collections::BTreeSet<_> = other[name].iter().collect();
        let rows: std::collections::BTreeSet<_> = rows.iter().collect();
        let of_key = |all: &std::collections::BTreeSet<&(Vec<u8>, Vec<u8>)>, key: &[u8]| {
            let found = all.iter().find(|(other, _)| other == key);
            found.map(|(_, row)| row.clone())
        };
        if let Some((key, _)) = rows.symmetric_difference(&others).next() {
            let both = [of_key(&rows, key), of_key(&others, key)];
            told.push(format!("{name} {key:?} {both:?}"));
        }
    }
    told
}

fn seen(number: u32, who: &str) -> Entry {
    Entry {
        address: address(&email(who)),
        ..entry(number)
    }
}

fn count(stage: &Stage, who: &str) -> u64 {
    let contact = contact_of(OURS, who);
    stage.views().count_of_contact(OURS, contact).unwrap()
}

fn found(stage: &Stage, who: &str) -> Vec<u64> {
    let filter = EventFilter {
        email: Some(email(who)),
        ..EventFilter::default()
    };
    let page = stage.views().events(OURS, &filter).unwrap();
    page.seqs.iter().map(|seq| seq.0).collect()
}

#[test]
fn nothing_is_told_of_a_contact_before_its_erasure_is_folded_and_then_what_comes_later() {
    let stage = Stage::new();
    for number in 1..=4 {
        let who = if number % 2 == 0 { "ada" } else { "ben" };
        stage.append(seen(number, who).into());
    }
    stage.fold();
    assert_eq!(
        (
            count(&stage, "ada"),
            count(&stage, "ben"),
            count(&stage, "cy")
        ),
        (2, 2, 0)
    );
    let ada = contact_of(OURS, "ada");
    let known = |stage: &Stage| stage.views().contact(ada).unwrap().is_some();
    assert!(known(&stage));
    // Act
    stage.erase("ada", NOW + DAY);
    stage.views().hide(ada, Seq(5));
    // Assert
    assert!(!known(&stage));
    let told = |stage: &Stage| {
        let ids = stage.views().contact_ids_behind(OURS, None, 9).unwrap();
        let by_id = stage.views().contacts(&ids).unwrap();
        let by_score = stage
            .views()
            .contacts_by_score(OURS, None, true, None, 9)
            .unwrap();
        let by_score = by_score
            .into_iter()
            .filter_map(|(_, contact)| contact.address);
        let mut told: Vec<_> = by_id.into_iter().filter_map(|one| one?.address).collect();
        told.extend(by_score);
        told
    };
    assert_eq!(told(&stage), [email("ben"), email("ben")]);
    stage.fold();
    assert!(!known(&stage));
    assert_eq!(
        stage
            .views()
            .contact_ids_behind(OURS, None, 9)
            .unwrap()
            .len(),
        1
    );
    assert_eq!((count(&stage, "ada"), found(&stage, "ada")), (0, vec![]));
    let again = Entry {
        received_at: Timestamp::from_millis(NOW + 2 * DAY),
        time: Timestamp::from_millis(NOW + 2 * DAY),
        ..seen(6, "ada")
    };
    stage.append(again.into());
    stage.fold();
    assert!(known(&stage));
    assert_eq!((count(&stage, "ada"), found(&stage, "ada")), (1, vec![6]));
    assert_eq!(found(&stage, "ben"), [3, 1]);
}

#[test]
fn an_erasure_between_others_of_the_same_contact_in_one_fold_parts_them() {
    let stage = Stage::new();
    stage.append(seen(1, "ada").into());
    stage.fold();
    // One batch, looked at before the erasure in it is folded.
    let mut records = Vec::new();
    stage.append(seen(2, "ada").into());
    records.extend(stage.unfolded());
    stage.erase("ada", NOW + DAY);
    let later = Entry {
        received_at: Timestamp::from_millis(NOW + 2 * DAY),
        time: Timestamp::from_millis(NOW + 2 * DAY),
        ..seen(3, "ada")
    };
    stage.append(later.into());
    records.extend(stage.unfolded().split_off(1));
    assert_eq!(records.len(), 3);
    stage.views().fold(&records).unwrap();
    assert_eq!(found(&stage, "ada"), [4]);
    assert_eq!(stage.views().dump().unwrap(), stage.rebuilt());
}

#[test]
fn a_rebuild_that_an_erasure_comes_into_knows_the_contact_no_more() {
    let stage = Stage::new();
    for number in 1..=3 {
        stage.append(seen(number, "ada").into());
    }
    // What was read before the erasure names the contact, what is read behind it the person.
    stage.views().fold(&stage.unfolded()[..1]).unwrap();
    stage.erase("ada", NOW + DAY);
    stage.append(seen(9, "ben").into());
    stage.fold();
    assert!(
        stage
            .views()
            .contact(contact_of(OURS, "ada"))
            .unwrap()
            .is_none()
    );
    assert_eq!(
        (found(&stage, "ada"), found(&stage, "ben")),
        (vec![], vec![5])
    );
    assert_eq!(
        by_digest_of_known(&stage.views().dump().unwrap()),
        by_digest_of_known(&stage.rebuilt())
    );
}

#[test]
fn a_burst_that_ends_after_the_contact_was_erased_takes_back_what_counted_for_who_is_left() {
    let stage = Stage::new();
    for number in 1..=5 {
        let marks = ClickMarks {
            target: u64::from(number),
            network: 1,
        };
        let clicked = Entry {
            told_by: told_by(Source::Mail, Class::Human, None, None),
            time: Timestamp::from_millis(NOW + 1_000 * i64::from(number)),
            received_at: Timestamp::from_millis(NOW + 1_000 * i64::from(number)),
            fact: click_of("m", "ada", number, Some(marks)),
            ..entry(number)
        };
        stage.append(clicked.into());
    }
    // The first are read under the contact's name, the others as the person's: the erasure is on disk by then.
    stage.views().fold(&stage.unfolded()[..2]).unwrap();
    let person = stage.erase("ada", NOW + DAY);
    stage.fold();
    let dump = stage.views().dump().unwrap();
    assert_eq!(dump["relabelled_v1"].len(), 5);
    assert_eq!(
        dump["touches_v1"],
        [],
        "nobody touched anything: {person:?}"
    );
    assert_eq!(
        differing(&by_digest(dump), &by_digest(stage.rebuilt())),
        [""; 0]
    );
}

/// The rows of contacts of which something is known.
fn by_digest_of_known(dump: &Dump) -> Vec<(Vec<u8>, Vec<u8>)> {
    by_digest(dump.clone())["contacts_v4"].clone()
}

#[test]
fn the_checkpoint_behind_an_erasure_leaves_nothing_of_the_contact_in_the_files() {
    let mut stage = Stage::new();
    let contact = contact_of(OURS, "ada");
    let mut number = 0;
    let live = |stage: &Stage, number: &mut u32| {
        for submission in [seen(*number + 1, "ada"), seen(*number + 2, "ben")] {
            stage.append(submission.into());
        }
        *number += 2;
        stage.fold();
        stage.views().checkpoint().unwrap();
    };
    for _ in 0..5 {
        live(&stage, &mut number);
    }
    let texts = [email("ada").into_bytes(), contact.0.to_vec()];
    let names = ["terms", "events", "engagement"];
    let is_held = |stage: &Stage, text: &[u8]| {
        let paths = names.map(|name| stage.folder.path().join(format!("views-{name}.redb")));
        let mut rows = paths.iter().flat_map(|path| held::everything(path));
        rows.any(|row| row.windows(text.len()).any(|window| window == text))
    };
    let close = |stage: &mut Stage| {
        stage.views().close().unwrap();
        drop(stage.views.take());
    };
    close(&mut stage);
    for text in &texts {
        assert!(is_held(&stage, text));
    }
    // Act
    stage.reopen();
    stage.erase("ada", NOW + DAY);
    stage.fold();
    let before = stage.views().dump().unwrap();
    close(&mut stage);
    // Assert
    for text in &texts {
        assert!(!is_held(&stage, text));
    }
    assert!(is_held(&stage, email("ben").as_bytes()));
    stage.reopen();
    assert_eq!(stage.views().dump().unwrap(), before);
}
