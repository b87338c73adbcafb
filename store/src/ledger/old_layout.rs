//! Stores from before ids belonged to who sends them: what they know stays known.

use std::path::Path;

use super::laws::{NOW, WORKSPACE, all, append, id, options, purchase, track, tracked, unverified};
use super::local::LocalLedger;
use super::verify::verify;
use super::{Appended, Located, Log, Proposed, Submission};
use crate::journal::block::Packed;
use crate::journal::block::tests::pack_old;
use crate::journal::local::LOG_FOLDER;
use crate::journal::local::segment::{file_name, old};
use crate::record::identity::Sender;
use crate::record::{Entry, Seq, WorkspaceId};

/// Writes one segment in the old layout, two records to a block.
fn write_segment(folder: &Path, first: u64, submissions: &[Submission], sealed: bool) {
    let entries: Vec<Entry> = submissions
        .iter()
        .map(|submission| match submission.entry.clone().take() {
            (Proposed::Fact(fact), rest) => rest.saying(fact),
            (proposed, _) => panic!("no fact: {proposed:?}"),
        })
        .collect();
    let blocks: Vec<_> = (first..)
        .step_by(2)
        .zip(entries.chunks(2))
        .map(|(first, entries)| Packed {
            first: Seq(first),
            last: Seq(first + entries.len() as u64 - 1),
            last_received: NOW,
            bytes: pack_old(Seq(first), entries),
        })
        .collect();
    let log = folder.join(LOG_FOLDER);
    std::fs::create_dir_all(&log).unwrap();
    let path = log.join(file_name(Seq(first)));
    old::write_segment(&path, Seq(first), &blocks, NOW, sealed);
}

#[tokio::test]
async fn an_old_store_knows_its_ids_by_sender_in_sealed_and_open_segments() {
    let folder = tempfile::tempdir().unwrap();
    let pages = |number| unverified(purchase(number, &format!("o{number}"), 1));
    write_segment(folder.path(), 1, &[track(1), pages(2), track(3)], true);
    write_segment(folder.path(), 4, &[track(4), pages(5), track(6)], false);
    let report = verify(folder.path(), Seq(6), &mut |_| {}).unwrap();
    assert!(report.ok, "{report:?}");

    let mut log = LocalLedger::open(options(folder.path(), 1 << 20)).unwrap();
    let numbers: Vec<String> = (1..=6).map(|seq| format!("{seq:024}")).collect();
    assert_eq!(all(&log).len(), 6);
    for round in 0..3 {
        // Callers know their numbers as they were given, bare and filled up.
        for (record, number) in all(&log).iter().zip(&numbers) {
            assert_eq!(record.public_seq.to_string(), *number, "round {round}");
            for text in [number, &record.seq.to_string()] {
                let seq = text.parse().unwrap();
                let located = |workspace| log.locate(workspace, seq).unwrap();
                assert_eq!(located(WORKSPACE), Located::At(record.seq));
                assert!(matches!(located(WorkspaceId(2)), Located::Behind(_)));
            }
        }
        assert_eq!(
            log.locate(WORKSPACE, "7".parse().unwrap()).unwrap(),
            Located::Behind(Seq(6))
        );
        for (number, seq) in [(1, 1), (3, 3), (4, 4), (6, 6)] {
            let first = Appended::Duplicate {
                id: id(number),
                seq: Seq(seq),
            };
            // Asked twice, because what an old list lacks is remembered.
            for _ in 0..2 {
                assert_eq!(append(&log, track(number)).await, first, "round {round}");
            }
            assert!(
                log.find(WORKSPACE, Sender::Page, id(number))
                    .unwrap()
                    .is_none()
            );
        }
        for number in [2, 5] {
            let found = log.find(WORKSPACE, Sender::Page, id(number)).unwrap();
            assert_eq!(found.unwrap().seq, Seq(number.into()));
            assert!(
                log.find(WORKSPACE, Sender::Server, id(number))
                    .unwrap()
                    .is_none()
            );
        }
        match round {
            // Rewrites the sealed segment, and seals the other, in the new layout.
            0 => {
                log.redact(vec![Seq(1), Seq(4)]).await.unwrap();
                assert!(all(&log)[0].entry.redacted);
                log.purge().unwrap();
                assert!(all(&log)[0].entry.redacted);
                assert!(log.verify(&mut |_| {}).unwrap().ok);
            }
            1 => {
                log.close().await.unwrap();
                log = LocalLedger::open(options(folder.path(), 1 << 20)).unwrap();
            }
            _ => {}
        }
    }
    // A server's event under the id of a page's is another event.
    assert_eq!(append(&log, track(2)).await, tracked(7));
    // New seqs are of the first generation, above all numbers.
    let new = all(&log)[6].public_seq.to_string();
    assert!(
        new.starts_with("01") && numbers.iter().all(|number| *number < new),
        "{new}"
    );
    assert_eq!(
        log.locate(WORKSPACE, "7".parse().unwrap()).unwrap(),
        Located::Behind(Seq(6))
    );
    let report = log.verify(&mut |_| {}).unwrap();
    assert!(report.ok, "{report:?}");
}
