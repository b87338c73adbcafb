//! Tests of what people did with messages: golden scenarios, and random histories against an
//! oracle that knows the rules and none of the fold's shortcuts.

mod browsers;
mod erasures;
mod golden;
mod oracle;
pub(in crate::views) mod random;

use std::sync::Arc;

use tempfile::{TempDir, tempdir};

use proptest::prelude::*;
use shared::time::Timestamp;

use super::message::{Click, Message};
use crate::ledger::Log;
use crate::ledger::decide::WorkspaceKeys as _;
use crate::record::extra::Timing;
use crate::record::{
    Class, ClickMarks, Client, ContactId, Entry, Fact, MessageType, Personal, Record, SendRef, Seq,
    Source, ToldBy, Visitor, WorkspaceId,
};
use crate::views::history::{Keys, NOW, address, all, entry, keys, log_of, message_id};
use crate::views::{Dump, Views, rebuild};

/// Views with the folder that they lie in.
struct Folded {
    views: Views,
    _folder: TempDir,
}

fn live<'a>(batches: impl Iterator<Item = &'a [Record]>) -> Folded {
    let folder = tempdir().unwrap();
    let views = Views::open(folder.path(), keys()).unwrap();
    for batch in batches {
        views.fold(batch).unwrap();
    }
    Folded {
        views,
        _folder: folder,
    }
}

fn rebuilt(log: &dyn Log) -> Folded {
    let folder = tempdir().unwrap();
    rebuild(folder.path(), keys(), log, &mut |_, _| {}).unwrap();
    Folded {
        views: Views::open(folder.path(), keys()).unwrap(),
        _folder: folder,
    }
}

fn dump_of(folded: &Folded) -> Dump {
    folded.views.dump().unwrap()
}

fn email(who: &str) -> String {
    format!("{who}@example.com")
}

fn contact_of(workspace: WorkspaceId, who: &str) -> ContactId {
    Keys.key_of(workspace).unwrap().contact(&email(who))
}

#[test]
fn ten_thousand_clicks_within_a_minute_keep_the_row_small() {
    let whom = [
        ("a scanner of many links", Class::Human, 500, 1),
        ("a bot of one link", Class::Bot, 1, 1),
        ("a person's mouse of one link", Class::Human, 1, 1),
        ("many networks", Class::Human, 2, 5_000),
    ];
    for (what, class, links, networks) in whom {
        let mut message = Message::default();
        let mut relabelled = 0;
        for number in 0..10_000_u32 {
            let marks = ClickMarks {
                target: u64::from(number / 3 % links) << 40,
                network: u64::from(number % networks) << 40,
            };
            let time = NOW + i64::from(number) * 5;
            let click = Entry {
                fact: click_of("m", "ada", 0, Some(marks)),
                ..entry(number)
            };
            let click = Click::of(Seq(u64::from(number) + 1), time, class, &click).unwrap();
            relabelled += message.click(click).len();
        }
        let row = postcard::to_allocvec(&message).unwrap();
        assert!(row.len() < 16 * 1024, "{what}: {} bytes", row.len());
        assert_eq!(message.clicks.all(), 10_000, "{what}");
        let expected = if links > 3 { 10_000 } else { 0 };
        assert_eq!(relabelled, expected, "{what}");
    }
}

/// A click on a link of a message to that contact.
fn click_of(message: &str, who: &str, link: u32, marks: Option<ClickMarks>) -> Fact {
    Fact::Click {
        send: SendRef {
            message_id: message_id(message),
            contact: Some(contact_of(WorkspaceId(1), who)),
            campaign_id: None,
            message_type: MessageType::Campaign,
            sent_at: Timestamp::from_millis(NOW),
        },
        link,
        target: None,
        target_number: None,
        marks,
    }
}

/// One that was judged so, with a client at this address.
fn told_by(source: Source, class: Class, from: Option<&str>, timing: Option<Timing>) -> ToldBy {
    let client = from.map(|from| Client {
        address: Personal(from.to_owned()),
        agent: None,
        headers: Vec::new(),
    });
    let visitor = Visitor {
        client: client.map(Arc::new),
        class: Some((class, "test".into())),
    };
    match source {
        Source::Server => ToldBy::server(),
        Source::Browser => ToldBy::browser(visitor),
        Source::Mail => ToldBy::Mail { visitor, timing },
    }
}

/// Something that ada did, so many minutes from [`NOW`], and where it was told.
fn of_ada(number: usize, (minutes, kind): (i64, u8)) -> Entry {
    let workspace = WorkspaceId(1);
    // A message a minute: what makes a burst of clicks is their times alone.
    let message = format!("m{minutes}");
    let send = SendRef {
        message_id: message_id(&message),
        contact: Some(contact_of(workspace, "ada")),
        campaign_id: None,
        message_type: MessageType::Campaign,
        sent_at: Timestamp::from_millis(NOW),
    };
    let (fact, source) = match kind {
        0 => (Fact::track("page_viewed"), Source::Browser),
        1 => (Fact::track("joined"), Source::Browser),
        2 => (Fact::track("joined"), Source::Server),
        3 => (Fact::Open { send }, Source::Mail),
        _ => (
            click_of(&message, "ada", u32::from(kind % 3), None),
            Source::Mail,
        ),
    };
    let is_mail = source == Source::Mail;
    let time = Timestamp::from_millis(NOW + minutes * 60_000);
    Entry {
        time,
        received_at: time.plus_millis(1_000),
        told_by: told_by(source, Class::Human, is_mail.then_some("192.0.2.1"), None),
        address: (!is_mail).then(|| address(&email("ada"))).flatten(),
        fact,
        ..entry(u32::try_from(number).unwrap())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_contact_is_the_same_to_the_bit_whatever_the_order_of_arrival(
        (acts, shuffled) in prop::collection::vec((-40_000..40_000_i64, 0..7_u8), 1..60)
            .prop_flat_map(|mut acts| {
                // Bursts: three links of one message in its minute.
                let burst = acts[0].0;
                acts.extend([(burst, 4), (burst, 5), (burst, 6)]);
                (Just(acts.clone()), Just(acts).prop_shuffle())
            }),
    ) {
        let contacts = |acts: &[(i64, u8)]| {
            let entries = acts.iter().enumerate().map(|(n, act)| of_ada(n, *act));
            let records = all(&log_of(entries.collect()));
            dump_of(&live(records.chunks(7)))["contacts_v4"].clone()
        };
        prop_assert_eq!(contacts(&acts), contacts(&shuffled));
    }
}

#[test]
fn a_thousand_events_of_a_page_earn_no_more_than_twenty_a_day() {
    let entries = (0..1_000).map(|n| of_ada(n, (0, 1)));
    let records = all(&log_of(entries.collect()));
    let folded = live(records.chunks(100));
    let ada = contact_of(WorkspaceId(1), "ada");
    let found = folded.views.contact(ada).unwrap().unwrap();
    let score = found.score_at(NOW);
    assert!((19.0..20.0).contains(&score), "{score}");
}
