//! Order books of versions before.

use shared::ids::RefundId;

use super::file::REFUNDS;
use super::*;
use crate::ledger::book_file::ABOUT;
use crate::ledger::laws::{WORKSPACE, append, options, purchase, refund};
use crate::ledger::local::{LocalLedger, ORDERS_FILE};
use crate::ledger::{Appended, Log as _};
use crate::record::WorkspaceId;

/// Versions from before refunds were listed leave the file so.
fn forget_refunds(path: &Path, is_from_before: bool) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.delete_table(REFUNDS).unwrap();
    let mut about = transaction.open_table(ABOUT).unwrap();
    if is_from_before {
        about.remove("refunds_cursor").unwrap();
    } else {
        // One of them wrote after a newer one.
        about.insert("refunds_cursor", 1).unwrap();
    }
    drop(about);
    transaction.commit().unwrap();
}

#[tokio::test]
async fn the_refunds_of_an_old_order_book_are_listed_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLedger::open(options(folder.path(), 100)).unwrap();
    for (number, order) in (0..).zip(["a", "b", "c"]) {
        append(&log, purchase(number, order, 1_000)).await;
    }
    append(&log, refund(10, "a", "r1", Some("1"))).await;
    append(&log, refund(11, "a", "r2", Some("2"))).await;
    append(&log, refund(12, "b", "r3", Some("3"))).await;
    log.close().await.unwrap();
    drop(log);
    for is_from_before in [true, false] {
        forget_refunds(&folder.path().join(ORDERS_FILE), is_from_before);
        let log = LocalLedger::open(options(folder.path(), 100)).unwrap();
        for (refund_id, seq) in [("r1", 4), ("r2", 5), ("r3", 6)] {
            let again = append(&log, refund(20, "c", refund_id, Some("1"))).await;
            let Appended::Duplicate { seq: first, .. } = again else {
                panic!("{again:?}")
            };
            assert_eq!(first, Seq(seq));
        }
        let unknown = RefundKey {
            workspace: WorkspaceId(WORKSPACE.0 + 1),
            refund_id: RefundId::parse("r1").unwrap(),
        };
        let book = OrderBook::open(&folder.path().join("other.redb")).unwrap();
        book.start().unwrap();
        assert_eq!(book.refund(&unknown).unwrap(), None);
        book.close().unwrap();
        log.close().await.unwrap();
    }
}
