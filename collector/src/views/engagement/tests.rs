//! Tests of what people did with messages: golden scenarios, and random histories against an
//! oracle that knows the rules and none of the fold's shortcuts.

mod golden;
mod oracle;
mod random;

use tempfile::{TempDir, tempdir};

use super::message::{Click, Message};
use crate::log::Log;
use crate::log::decide::WorkspaceKeys as _;
use crate::log::record::{Class, ContactId, Record, Seq, WorkspaceId};
use crate::views::history::{Keys, NOW, keys};
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
        ("many addresses", Class::Human, 2, 5_000),
    ];
    for (what, class, links, addresses) in whom {
        let mut message = Message::default();
        let mut relabelled = 0;
        for number in 0..10_000_u32 {
            let address = format!("192.0.2.{}", number % addresses);
            let time = NOW + i64::from(number) * 5;
            let seq = Seq(u64::from(number) + 1);
            let click = Click::new(seq, time, number / 3 % links, class, Some(&address));
            relabelled += message.click(click).len();
        }
        let row = postcard::to_allocvec(&message).unwrap();
        assert!(row.len() < 16 * 1024, "{what}: {} bytes", row.len());
        assert_eq!(message.clicks.all(), 10_000, "{what}");
        let expected = if links > 3 { 10_000 } else { 0 };
        assert_eq!(relabelled, expected, "{what}");
    }
}
