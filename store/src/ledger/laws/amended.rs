//! Amendments across a crash and from the log alone.

use super::*;
use crate::ledger::conformance::amended::{amend, code, conflict};

fn duplicate(number: u32, place: u64) -> Appended {
    Appended::Duplicate {
        id: id(number),
        seq: Seq(place),
    }
}

#[tokio::test]
async fn amendments_are_remembered_across_a_crash_and_without_the_order_book() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_redb(folder.path(), 2);
    append(&*log, purchase(1, "o", 1_000)).await;
    append(&*log, refund(2, "o", "r", Some("4"))).await;
    append(&*log, amend(3, "o", 1_500, 5)).await;
    let image = crash_image(folder.path());
    let bare = crash_image(folder.path());
    std::fs::remove_file(bare.path().join("orders.redb")).unwrap();
    for image in [image, bare] {
        let log = open_redb(image.path(), 2);
        assert_eq!(
            append(&*log, amend(4, "o", 1_500, 6)).await,
            duplicate(3, 3)
        );
        assert_eq!(
            append(&*log, amend(5, "o", 400, 4)).await,
            conflict("timestamp")
        );
        let below = append(&*log, amend(6, "o", 399, 6)).await;
        assert_eq!(code(below), "below_refunded");
        assert_eq!(append(&*log, refund(7, "o", "s", None)).await, tracked(4));
        assert_eq!(
            all(&*log).pop().unwrap().entry.fact.money().unwrap().minor,
            1_100
        );
    }
}
