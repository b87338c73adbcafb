//! What is damaged, lost or of others is told, and what a crash has left does no harm.

use super::*;

#[test]
fn whatever_byte_is_damaged_no_answer_is_wrong() {
    let events = in_turns(2_500);
    let last = events.last().unwrap().seq;
    let folder = tempdir().unwrap();
    let runs = open(folder.path(), 1_000, Seq::START).unwrap();
    runs.push(events.iter().copied()).unwrap();
    checkpoint(&runs, last);
    let right = dump(&runs, last);
    drop(runs);
    let mut told = 0;
    for (name, good) in files_in(folder.path()) {
        let path = folder.path().join(&name);
        for at in (0..good.len()).step_by(13) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            fs::write(&path, &bad).unwrap();
            let dumped = open(folder.path(), 1_000, last).and_then(|runs| {
                let mut dump = Dump::new();
                runs.read(last).dump(&mut dump).map(|()| dump)
            });
            match dumped {
                Ok(dump) => assert_eq!(dump, right, "{name} at {at}"),
                Err(RunsError::Damaged(_)) => told += 1,
                Err(error) => panic!("{name} at {at}: {error}"),
            }
        }
        for length in [0, 1, 60, BLOCK, good.len() / 2, good.len() - 1] {
            fs::write(&path, &good[..length.min(good.len() - 1)]).unwrap();
            let opened = open(folder.path(), 1_000, last);
            assert!(
                matches!(opened, Err(RunsError::Damaged(_))),
                "{name} of {length}"
            );
        }
        fs::remove_file(&path).unwrap();
        let opened = open(folder.path(), 1_000, last);
        assert!(
            matches!(opened, Err(RunsError::Damaged(_))),
            "{name} missing: {opened:?}"
        );
        fs::write(&path, good).unwrap();
    }
    assert!(told > 500, "{told}");
    assert_eq!(
        dump(&open(folder.path(), 1_000, last).unwrap(), last),
        right
    );
}

#[test]
fn runs_of_other_views_are_not_taken_for_ours() {
    let folder = tempdir().unwrap();
    let runs = open(folder.path(), 100, Seq::START).unwrap();
    runs.push(in_turns(250)).unwrap();
    checkpoint(&runs, Seq(250));
    for other in [
        Options {
            origin: 8,
            ..options(100)
        },
        options(101),
        options(50),
    ] {
        let opened = Runs::open(folder.path(), other, Seq(250), Seq::START);
        assert!(
            matches!(opened, Err(RunsError::Damaged(_))),
            "{other:?}: {opened:?}"
        );
    }
}

#[test]
fn a_start_keeps_nothing_that_lies_behind_the_checkpoint() {
    let folder = tempdir().unwrap();
    let runs = open(folder.path(), 100, Seq::START).unwrap();
    runs.push(in_turns(250)).unwrap();
    checkpoint(&runs, Seq(250));
    let before: Vec<_> = files_in(folder.path()).into_keys().collect();
    assert_eq!(
        before,
        ["0000000000.run", "0000000001.run", "0000000002.tail"]
    );
    // Sealed and kept, though the checkpoint was never committed.
    runs.push(in_turns(480)).unwrap();
    let capture = runs.capture(Seq(480)).unwrap();
    runs.keep(capture).unwrap();
    drop(runs);
    fs::write(folder.path().join("0000000009.draft"), "half").unwrap();
    let runs = open(folder.path(), 100, Seq(250)).unwrap();
    assert_eq!(
        files_in(folder.path()).into_keys().collect::<Vec<_>>(),
        before
    );
    let (wanted, filter) = everything();
    let page = runs
        .read(Seq(250))
        .events(WorkspaceId(1), &wanted, &filter)
        .unwrap();
    assert_eq!(page.seqs.len(), 250);
}

#[test]
fn what_power_loss_leaves_behind_the_checkpoint_does_no_harm() {
    let folder = tempdir().unwrap();
    let runs = open(folder.path(), 100, Seq::START).unwrap();
    runs.push(in_turns(250)).unwrap();
    checkpoint(&runs, Seq(250));
    let path = folder.path().join("0000000002.tail");
    let synced = fs::metadata(&path).unwrap().len();
    runs.push(in_turns(290)).unwrap();
    let capture = runs.capture(Seq(290)).unwrap();
    runs.keep(capture).unwrap();
    let whole = fs::read(&path).unwrap();
    let right = dump(&runs, Seq(290));
    drop(runs);
    // The last frame in part, with zeros or without, in any length.
    for length in usize::try_from(synced).unwrap()..whole.len() {
        for zeros in [0, 70, 5_000] {
            let mut torn = whole[..length].to_vec();
            torn.resize(length + zeros, 0);
            fs::write(&path, torn).unwrap();
            let runs = open(folder.path(), 100, Seq(250)).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), synced);
            runs.push(in_turns(290)).unwrap();
            checkpoint(&runs, Seq(290));
            assert_eq!(
                dump(&open(folder.path(), 100, Seq(290)).unwrap(), Seq(290)),
                right
            );
        }
    }
}
