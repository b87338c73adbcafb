//! The book through its file: what is in it after a stop, a crash and a copy.

use tempfile::tempdir;

use super::*;
use crate::ledger::decide::WorkspaceKeys as _;
use crate::ledger::suppression::Cause;
use crate::record::Fact;
use crate::views::history::{Keys, address, entry};

const HERE: WorkspaceId = WorkspaceId(1);

fn contact(who: &str) -> ContactId {
    Keys.key_of(HERE).unwrap().contact(who)
}

fn suppress(number: u32, who: &str, cause: Cause) -> Entry {
    Entry {
        address: address(who),
        fact: Fact::Suppress { cause },
        ..entry(number)
    }
}

fn lift(number: u32, who: &str) -> Entry {
    Entry {
        address: address(who),
        fact: Fact::Lift {
            send: None,
            cause: None,
        },
        ..entry(number)
    }
}

fn learn(book: &Suppressions, first: u64, entries: &[Entry]) {
    let seqs = (first..).map(Seq);
    let of = |entry: &Entry| entry.contact(&Keys.key_of(entry.workspace)?);
    let upto = Seq(first + entries.len() as u64 - 1);
    book.learn(seqs.zip(entries), of, upto).unwrap();
}

fn causes(book: &Suppressions, who: &str) -> Vec<Cause> {
    let found = book.get((HERE, contact(who))).unwrap();
    let found = found.map(|found| found.causes().iter().map(|(cause, _)| *cause).collect());
    found.unwrap_or_default()
}

#[test]
fn a_fact_counts_at_once_and_is_in_the_file_after_a_stop() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("suppressions.redb");
    let book = Suppressions::open(&path).unwrap();
    book.start().unwrap();
    let ada = "ada@example.com";
    learn(
        &book,
        1,
        &[
            entry(1),
            suppress(2, ada, Cause::Bounced),
            suppress(3, "ben@example.com", Cause::Manual),
            lift(4, "ben@example.com"),
        ],
    );
    assert_eq!(causes(&book, ada), [Cause::Bounced]);
    assert_eq!(causes(&book, "ben@example.com"), []);
    book.close().unwrap();
    let book = Suppressions::open(&path).unwrap();
    assert_eq!(book.cursor(), Seq(4));
    assert_eq!(causes(&book, ada), [Cause::Bounced]);
    let listed = book.list(HERE, None, 10).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].1.address.as_deref(), Some(ada));
    assert!(book.list(HERE, Some(contact(ada)), 10).unwrap().is_empty());
    assert!(book.list(WorkspaceId(2), None, 10).unwrap().is_empty());
}

#[test]
fn reading_what_the_file_reflects_already_changes_nothing() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("suppressions.redb");
    let facts = [
        suppress(1, "ada@example.com", Cause::Manual),
        lift(2, "ada@example.com"),
        suppress(3, "ada@example.com", Cause::Bounced),
    ];
    let book = Suppressions::open(&path).unwrap();
    learn(&book, 1, &facts);
    book.flush().unwrap();
    let before = book.list(HERE, None, 10).unwrap();
    learn(&book, 1, &facts);
    assert_eq!(book.list(HERE, None, 10).unwrap(), before);
}

#[test]
fn a_contact_that_has_another_id_today_is_found_under_it_with_what_both_held() {
    let folder = tempdir().unwrap();
    let book = Suppressions::open(&folder.path().join("suppressions.redb")).unwrap();
    let (old, new) = ("kate@ex\u{e1}mple.com", "kate@xn--exmple-qta.com");
    learn(
        &book,
        1,
        &[
            suppress(1, old, Cause::Unsubscribed),
            suppress(2, new, Cause::Manual),
        ],
    );
    let today = |_, known| {
        if known == contact(old) {
            contact(new)
        } else {
            known
        }
    };
    book.renew(today).unwrap();
    assert_eq!(causes(&book, new), [Cause::Unsubscribed, Cause::Manual]);
    assert_eq!(causes(&book, old), []);
}

#[test]
fn a_copy_holds_what_the_file_does_and_says_how_far() {
    let folder = tempdir().unwrap();
    let book = Suppressions::open(&folder.path().join("suppressions.redb")).unwrap();
    learn(
        &book,
        1,
        &[suppress(1, "ada@example.com", Cause::Complained)],
    );
    book.flush().unwrap();
    learn(&book, 2, &[suppress(2, "ben@example.com", Cause::Manual)]);
    let copy = folder.path().join("copy.redb");
    assert_eq!(book.snapshot(&copy).unwrap(), Seq(1));
    let copied = Suppressions::open(&copy).unwrap();
    assert_eq!(causes(&copied, "ada@example.com"), [Cause::Complained]);
    assert_eq!(causes(&copied, "ben@example.com"), []);
}

/// Whether her address stands anywhere in a file, in pages that are free too.
fn holds(path: &std::path::Path, who: &str) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(who.len()).any(|part| part == who.as_bytes())
}

/// With the records of who is erased dropped from the log already, nothing asked for the file to be written anew.
#[test]
fn who_is_erased_is_in_no_page_of_the_file_once_it_is_renewed_also_after_a_crash() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("suppressions.redb");
    let (ada, ben) = ("ada@person.example", "ben@person.example");
    let book = Suppressions::open(&path).unwrap();
    let both = [
        suppress(1, ada, Cause::Manual),
        suppress(2, ben, Cause::Manual),
    ];
    learn(&book, 1, &both);
    book.flush().unwrap();
    assert!(!book.is_stale().unwrap());
    let erase = Entry {
        fact: Fact::Erase {
            contact: contact(ada),
        },
        ..entry(3)
    };
    let of = |_: &Entry| Some(contact(ada));
    book.learn([(Seq(3), &erase)].into_iter(), of, Seq(3))
        .unwrap();
    book.flush().unwrap();
    let image = folder.path().join("image.redb");
    std::fs::copy(&path, &image).unwrap();
    assert!(holds(&image, ada));
    for (book, path) in [(Suppressions::open(&image).unwrap(), &image), (book, &path)] {
        assert!(book.is_stale().unwrap());
        book.renew_file().unwrap();
        assert!(!book.is_stale().unwrap());
        assert!(!holds(path, ada) && holds(path, ben));
        // What holds her back stays.
        assert_eq!(causes(&book, ada), [Cause::Manual]);
        assert_eq!(book.cursor(), Seq(3));
    }
}
