//! When a checkpoint is due.

use super::*;
use crate::views::history::address;

/// Records about one contact, with one name and without a message.
fn of_one_contact(count: u64) -> Vec<Record> {
    let entries = (1..=u32::try_from(count).unwrap()).map(|number| Entry {
        address: address("reader@example.com"),
        ..entry(number)
    });
    all(&log_of(entries.collect()))
}

#[test]
fn a_checkpoint_is_due_after_so_many_records_however_few_rows_they_change() {
    let folder = tempdir().unwrap();
    let views = open(&folder);
    let records = of_one_contact(MOST);
    let (first, rest) = records.split_at(DUE as usize - 1);
    views.fold(first).unwrap();
    assert!(!views.is_checkpoint_due());
    views.fold(&rest[..1]).unwrap();
    assert!(views.is_checkpoint_due() && !views.is_checkpoint_overdue());
    views.fold(rest).unwrap();
    assert!(views.is_checkpoint_overdue());
    views.checkpoint().unwrap();
    assert!(!views.is_checkpoint_due());
    // What is opened again has nothing to write.
    drop(views);
    assert!(!open(&folder).is_checkpoint_due());
}
