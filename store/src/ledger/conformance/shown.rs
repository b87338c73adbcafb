//! The seqs that callers see: what every log keeps of them.

use super::subject::*;
use crate::ledger::{Appended, Located, Log, Submission};
use crate::record::identity::Sender;
use crate::record::public_seq::PublicSeq;
use crate::record::{Record, Seq, WorkspaceId};

pub(crate) const OTHER: WorkspaceId = WorkspaceId(2);

/// Records of two workspaces in one append: `true` is one of the other's.
pub(crate) fn mixed(first: u32, whose: &[bool]) -> Vec<Submission> {
    (first..)
        .zip(whose)
        .map(|(number, is_other)| {
            let mut submission = track(number);
            if *is_other {
                submission.entry.workspace = OTHER;
            }
            submission
        })
        .collect()
}

pub(crate) fn public_seq(outcome: &Appended) -> PublicSeq {
    match outcome {
        Appended::Tracked { public_seq, .. } => *public_seq,
        other => panic!("{other:?}"),
    }
}

/// Checks whatever can be said of any log: seqs rise for each workspace, lead back, and whatever
/// else is asked for is a place between the workspace's own records.
pub(crate) fn check(log: &dyn Log) {
    let records = all(log);
    let places: Vec<Seq> = records.iter().map(|record| record.seq).collect();
    let shown: Vec<_> = records
        .iter()
        .map(|record| Some(record.public_seq))
        .collect();
    assert_eq!(log.public_seqs(&places).unwrap(), shown);
    for workspace in [WORKSPACE, OTHER, WorkspaceId(3)] {
        let own: Vec<&Record> = records
            .iter()
            .filter(|record| record.entry.workspace == workspace)
            .collect();
        assert!(own.is_sorted_by(|a, b| a.public_seq < b.public_seq));
        assert!(own.is_sorted_by(|a, b| a.public_seq.to_string() < b.public_seq.to_string()));
        for record in &records {
            let seq = record.public_seq;
            // Two workspaces may have the same seq, each for a record of its own.
            let known = own.iter().find(|own| own.public_seq == seq);
            let located = log.locate(workspace, seq).unwrap();
            match known {
                Some(known) => assert_eq!(located, Located::At(known.seq)),
                None => assert!(matches!(located, Located::Behind(_)), "{seq}"),
            }
            let lower = own.iter().filter(|own| own.public_seq <= seq).count();
            let before = own.iter().filter(|own| own.seq <= located.seq()).count();
            assert_eq!(lower, before, "{seq} for {workspace:?}");
        }
    }
}

pub(super) async fn callers_see_indexes_of_their_own_records_alone(subject: Subject) {
    let log = &*subject.log;
    let whose = [false, true, true, false, true, false];
    let outcomes = log.append(mixed(0, &whose)).await.unwrap();
    let seen: Vec<_> = outcomes
        .iter()
        .map(|outcome| public_seq(outcome).stamped().unwrap())
        .collect();
    let stamp = seen[0].0;
    assert_eq!(stamp.generation, 1);
    assert_eq!(seen, [0, 0, 1, 1, 2, 2].map(|index| (stamp, index)));
    check(log);
}

pub(super) async fn what_an_answer_says_is_what_is_shown_and_each_commit_is_later(
    subject: Subject,
) {
    let log = &*subject.log;
    let mut last = None;
    for round in 0..12 {
        let outcomes = log.append(mixed(round * 10, &[false; 3])).await.unwrap();
        for (number, outcome) in (round * 10..).zip(&outcomes) {
            let seq = public_seq(outcome);
            assert!(last < Some(seq));
            last = Some(seq);
            let found = log.find(WORKSPACE, Sender::Server, id(number)).unwrap();
            assert_eq!(found.unwrap().public_seq, seq);
        }
    }
    check(log);
}

pub(super) async fn an_append_of_many_blocks_is_counted_through(subject: Subject) {
    let log = &*subject.log;
    // Long runs of one workspace and then the other, so that a block lies wholly in each.
    let whose: Vec<bool> = (0..6_000)
        .map(|at| at / 1_700 % 2 == 1 || at % 7 == 0)
        .collect();
    append(log, track(9_000)).await;
    let outcomes = log.append(mixed(0, &whose)).await.unwrap();
    append(log, track(9_001)).await;
    let mut next = [0, 0];
    for (outcome, is_other) in outcomes.iter().zip(&whose) {
        let index = &mut next[usize::from(*is_other)];
        assert_eq!(public_seq(outcome).stamped().unwrap().1, *index);
        *index += 1;
    }
    let records = all(log);
    let shown: Vec<_> = records[1..6_001]
        .iter()
        .map(|record| record.public_seq)
        .collect();
    assert_eq!(shown, outcomes.iter().map(public_seq).collect::<Vec<_>>());
    for (workspace, is_other) in [(WORKSPACE, false), (OTHER, true)] {
        for (record, whose) in records[1..6_001].iter().zip(&whose).step_by(97) {
            let located = log.locate(workspace, record.public_seq).unwrap();
            if *whose == is_other {
                assert_eq!(located, Located::At(record.seq));
            }
        }
        // One further than the last.
        let (stamp, _) = shown[0].stamped().unwrap();
        let end = next[usize::from(is_other)];
        let unknown = PublicSeq::of(stamp, end, Seq::START);
        let last_own = records[..6_001]
            .iter()
            .rfind(|record| record.entry.workspace == workspace);
        let Located::Behind(place) = log.locate(workspace, unknown).unwrap() else {
            panic!("{unknown} was never given");
        };
        assert!(
            place >= last_own.unwrap().seq && place < subject.seq(6_002_u32),
            "{place}"
        );
    }
}

pub(super) async fn what_was_never_given_is_nowhere(subject: Subject) {
    let log = &*subject.log;
    // Where the journal does not begin at 1, what lies in front of it may have been given once.
    let before = subject.seq(0_u32);
    let begins_at_1 = before == Seq::START;
    let nowhere = |text: &str| {
        let located = log.locate(WORKSPACE, text.parse().unwrap()).unwrap();
        let is_behind = matches!(located, Located::Behind(_));
        let in_front = !begins_at_1 && located.seq() == before;
        assert!(is_behind || in_front, "{text}: {located:?}");
        located.seq()
    };
    assert_eq!(nowhere("1"), before);
    assert_eq!(nowhere("990000000000000000000000"), before);
    for number in 0..20 {
        append(log, track(number)).await;
    }
    for text in [
        "0",
        "1",
        "20",
        "18446744073709551615",
        "010000000000000001000000",
    ] {
        assert_eq!(nowhere(text), before, "{text}");
    }
    for text in [
        "019999999999999999999999",
        "020000000000000000000000",
        "999999999999999999999999",
    ] {
        assert_eq!(nowhere(text), subject.seq(20_u32), "{text}");
    }
    let third = all(log)[2].public_seq;
    let (stamp, _) = third.stamped().unwrap();
    let beside = PublicSeq::of(stamp, 1, Seq::START);
    assert_eq!(
        log.locate(WORKSPACE, beside).unwrap(),
        Located::Behind(subject.seq(3_u32))
    );
    let [last, third_place] = [21_u32, 3].map(|number| subject.seq(number));
    let places = [last, third_place, Seq::START, third_place, Seq(u64::MAX)];
    let shown = [None, Some(third), None, Some(third), None];
    assert_eq!(log.public_seqs(&places).unwrap(), shown);
    assert_eq!(log.public_seqs(&[]).unwrap(), []);
    check(log);
}

pub(super) async fn redaction_changes_no_seq(subject: Subject) {
    let log = &*subject.log;
    for round in 0..6 {
        log.append(mixed(round * 10, &[false, true, false]))
            .await
            .unwrap();
    }
    let seqs = |log: &dyn Log| -> Vec<_> {
        let records = all(log);
        records.iter().map(|record| record.public_seq).collect()
    };
    let before = seqs(log);
    log.redact(
        (1..=18_u32)
            .step_by(4)
            .map(|number| subject.seq(number))
            .collect(),
    )
    .await
    .unwrap();
    assert_eq!(seqs(log), before);
    check(log);
}
