//! What every log keeps that outlives its process.

use super::*;

pub(super) async fn what_was_acknowledged_is_there_after_reopening(open: Open) {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for round in 0..5 {
        let log = open(folder.path(), 4);
        assert_eq!(all(&*log), expected);
        for number in 0..6 {
            append(&*log, track(round * 10 + number)).await;
        }
        expected = all(&*log);
        assert_eq!(expected.len(), (round as usize + 1) * 6);
        log.close().await.unwrap();
    }
}

pub(super) async fn what_was_acknowledged_is_there_after_a_crash_at_any_rotation(open: Open) {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 3);
    for number in 0..20 {
        append(&*log, track(number)).await;
        let image = crash_image(folder.path());
        let survivor = open(image.path(), 3);
        assert_eq!(all(&*survivor), all(&*log));
        assert_eq!(
            append(&*survivor, track(100)).await,
            tracked(u64::from(number) + 2)
        );
    }
}

pub(super) async fn ids_are_remembered_across_segments_and_restarts(open: Open) {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 3);
    for number in 0..20 {
        append(&*log, track(number)).await;
    }
    let image = crash_image(folder.path());
    log.close().await.unwrap();
    for folder in [folder.path(), image.path()] {
        let log = open(folder, 3);
        for number in 0..20 {
            let duplicate = Appended::Duplicate {
                id: id(number),
                seq: Seq(u64::from(number) + 1),
            };
            assert_eq!(append(&*log, track(number)).await, duplicate);
        }
        log.close().await.unwrap();
    }
}

pub(super) async fn orders_are_remembered_across_crashes(open: Open) {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 3);
    for number in 0..10 {
        append(&*log, purchase(number, &format!("o{number}"), 100)).await;
        append(
            &*log,
            refund(
                100 + number,
                &format!("o{number}"),
                &format!("r{number}"),
                Some("0.40"),
            ),
        )
        .await;
        let image = crash_image(folder.path());
        let survivor = open(image.path(), 3);
        for known in 0..=number {
            let order = format!("o{known}");
            let first = Appended::Duplicate {
                id: id(known),
                seq: Seq(u64::from(known) * 2 + 1),
            };
            assert_eq!(
                append(&*survivor, purchase(500 + known, &order, 100)).await,
                first
            );
            let refunded = Appended::Duplicate {
                id: id(100 + known),
                seq: Seq(u64::from(known) * 2 + 2),
            };
            let refund_id = format!("r{known}");
            for order in [&order, "another"] {
                let again = refund(600 + known, order, &refund_id, Some("0.40"));
                assert_eq!(append(&*survivor, again).await, refunded);
            }
            let over = append(&*survivor, refund(700 + known, &order, "s", Some("0.61"))).await;
            assert!(
                matches!(over, Appended::Refused(OrderRefusal::Invalid(_))),
                "{over:?}"
            );
        }
    }
}

pub(super) async fn redaction_survives_a_crash(open: Open) {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 4);
    for number in 0..10 {
        append(&*log, track(number)).await;
    }
    log.redact((1..=10).map(Seq).collect()).await.unwrap();
    let image = crash_image(folder.path());
    let files: Vec<PathBuf> = std::fs::read_dir(image.path().join("log"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert!(files.len() > 2);
    let survivor = open(image.path(), 4);
    assert_eq!(
        all(&*survivor)
            .iter()
            .filter(|record| record.entry.redacted)
            .count(),
        10
    );
}
