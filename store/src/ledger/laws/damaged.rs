//! What a look-up says where the block that it leads to is damaged.

use super::*;
use crate::ledger::LogError;

/// Flips a bit in whatever has these bytes.
fn spoil(file: &Path, sought: &[u8]) {
    let mut bytes = std::fs::read(file).unwrap();
    let found: Vec<_> = (0..bytes.len())
        .filter(|at| bytes[*at..].starts_with(sought))
        .collect();
    assert!(!found.is_empty());
    for at in found {
        bytes[at] ^= 1;
    }
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn an_id_that_is_not_what_was_written_is_damage_and_not_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLedger::open(options(folder.path(), 4)).unwrap();
    for number in 0..10 {
        append(&log, track(number)).await;
    }
    log.flush_ids().unwrap();
    log.close().await.unwrap();
    drop(log);
    let first = folder.path().join("log/00000000000000000001.redb");
    spoil(&first, id(1).as_bytes());
    let log = LocalLedger::open(options(folder.path(), 4)).unwrap();
    let find = |number| log.find(WORKSPACE, Sender::Server, id(number));
    assert!(matches!(find(1), Err(LogError::Damaged(_))));
    let again = log.append(vec![track(1)]).await;
    assert!(matches!(again, Err(LogError::Damaged(_))), "{again:?}");
    assert!(find(2).unwrap().is_some());
    log.close().await.unwrap();
}
