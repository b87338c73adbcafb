//! Keeping less of who stood behind requests, over the log on disk: gone from its files, whatever happens in between,
//! and what folds read is as before.

use std::cell::Cell;
use std::sync::Arc;

use shared::ids::MessageId;

use super::*;
use crate::classify::{Judgement, of_page};
use crate::record::{
    Class, Client, ContactId, Fact, MessageType, Personal, Record, SendRef, ToldBy, Visitor,
    WorkspaceKeys as _,
};
use crate::targets;

const ADDRESS: &str = "203.0.113.77";

fn client(address: &str) -> Client {
    Client {
        address: Personal(address.into()),
        agent: Some(Personal(
            "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0".into(),
        )),
        headers: Vec::new(),
    }
}

/// What stood behind a request; from before there were classes where `class` says none.
fn visitor(class: Option<Class>) -> Visitor {
    Visitor {
        client: Some(Arc::new(client(ADDRESS))),
        class: class.map(|class| (class, "browser".into())),
    }
}

/// An event of a page, a click of before there were marks, or a server's event, which has no client.
fn of(number: u32) -> Submission {
    let mut entry = viewed(number);
    match number % 3 {
        0 => {
            entry.told_by = ToldBy::browser(visitor(number.is_multiple_of(2).then_some(Class::Bot)))
        }
        1 => {
            entry.told_by = ToldBy::mail(visitor(Some(Class::Human)));
            entry.fact = Fact::Click {
                send: SendRef {
                    message_id: MessageId::parse("m").unwrap(),
                    contact: Some(ContactId([1; 16])),
                    campaign_id: None,
                    message_type: MessageType::Campaign,
                    sent_at: entry.time,
                },
                link: number,
                target: Some(Personal("https://shop.example/p".into())),
                marks: None,
                target_number: None,
            };
        }
        _ => entry.told_by = ToldBy::server(),
    }
    entry.into()
}

async fn filled(folder: &Path) -> LocalLedger {
    let log = LocalLedger::open(options(folder, 4)).unwrap();
    for number in 0..20 {
        append(&log, of(number)).await;
    }
    log
}

fn clients(records: &[Record]) -> usize {
    let clients = records
        .iter()
        .filter(|record| record.entry.told_by.client().is_some());
    clients.count()
}

/// As a process that starts on what this one has left sees them.
fn after_a_crash(folder: &Path) -> Vec<Record> {
    let image = crash_image(folder);
    all(&LocalLedger::open(options(image.path(), 4)).unwrap())
}

#[tokio::test]
async fn what_is_not_to_be_kept_is_gone_and_all_that_counts_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let log = filled(folder.path()).await;
    let before = all(&log);
    assert_eq!(clients(&before), 14);
    let keep = |_: &Client| None;
    let mut told = Vec::new();
    let count = log.keep_of_clients(&keep, &|| false, &mut |done, total| {
        told.push((done, total))
    });
    assert_eq!(count.unwrap(), 14);
    assert!(
        told.is_sorted() && told.last() == Some(&(20, 20)),
        "{told:?}"
    );
    let after = after_a_crash(folder.path());
    assert_eq!(all(&log), after);
    assert_eq!(clients(&after), 0);
    let key = OneKey.key_of(WORKSPACE).unwrap();
    let marks = targets::marks(
        &key,
        "m",
        "https://shop.example/p",
        ADDRESS.parse().unwrap(),
    );
    for (record, before) in after.iter().zip(&before) {
        let mut expected = before.clone();
        // What nobody could tell any more was noted.
        let judged = of_page(&before.entry).map(Judgement::kept);
        if let Some(visitor) = expected.entry.told_by.visitor_mut() {
            visitor.class = visitor.class.take().or(judged);
            visitor.client = None;
        }
        if let Fact::Click { marks: noted, .. } = &mut expected.entry.fact {
            *noted = Some(marks);
        }
        assert_eq!(*record, expected);
        assert!(record.entry.told_by.class().is_some() || record.entry.is_verified());
    }
    assert!(log.verify(&mut |_| {}).unwrap().ok);
    let again = log.keep_of_clients(&keep, &|| false, &mut |_, _| {});
    assert_eq!(again.unwrap(), 0);
}

#[tokio::test]
async fn what_was_stopped_half_way_goes_on_with_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let log = filled(folder.path()).await;
    let keep = |client: &Client| {
        Some(Client {
            address: Personal("203.0.113.0".into()),
            ..client.clone()
        })
    };
    let asked = Cell::new(0);
    let stop = || asked.replace(asked.get() + 1) == 3;
    let stopped = log.keep_of_clients(&keep, &stop, &mut |_, _| {});
    assert!(stopped.is_err());
    let has_whole = |record: &&Record| {
        let client = record.entry.told_by.client();
        client.is_some_and(|client| client.address.0 == ADDRESS)
    };
    let image = crash_image(folder.path());
    let log = LocalLedger::open(options(image.path(), 4)).unwrap();
    let left = all(&log).iter().filter(has_whole).count();
    assert!((1..14).contains(&left), "{left}");
    let count = log.keep_of_clients(&keep, &|| false, &mut |_, _| {});
    assert_eq!(count.unwrap(), left as u64);
    let after = after_a_crash(image.path());
    assert_eq!(
        (clients(&after), after.iter().filter(has_whole).count()),
        (14, 0)
    );
}
