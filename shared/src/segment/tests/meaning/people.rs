//! Who is meant: machines, other segments, the erased; and what is told of them.

use std::format;
use std::string::String;
use std::vec::Vec;

use super::{Diary, at};
use crate::ids::SegmentId;
use crate::segment::Definition;
use crate::segment::calendar::Calendar;
use crate::segment::evaluate::World;
use crate::segment::facts::{Fact, FactKind, owner};
use crate::segment::score::ScoreRules;
use crate::segment::tests::{read, with_world};
use crate::segment::tree::MessageFact;

#[test]
fn machines_do_not_count_unless_asked_for() {
    let machine = |fact: &mut Fact| fact.genuine = false;
    let diary = Diary::default()
        .event("01", "a")
        .but(machine)
        .message("02", MessageFact::Opened, "m1")
        .but(machine);
    for (json, holds) in [
        (r#"{"event":"a"}"#, false),
        (r#"{"event":"a","class":"machine"}"#, true),
        (r#"{"event":"a","class":"any"}"#, true),
        (r#"{"message":"opened"}"#, false),
        (r#"{"message":"opened","class":"machine"}"#, true),
        (r#"{"score":{"gt":0}}"#, false),
        (r#"{"firstSeen":{"exists":true}}"#, false),
    ] {
        assert_eq!(diary.holds(json, "05"), holds, "{json}");
    }
    let stop = Diary::default()
        .message("02", MessageFact::Unsubscribed, "m1")
        .but(machine);
    stop.check(r#"{"message":"unsubscribed"}"#, &["05"], &[]);
    stop.check(
        r#"{"message":"unsubscribed","class":"genuine"}"#,
        &[],
        &["05"],
    );
}

#[test]
fn other_segments_are_asked_by_their_present_version_and_not_of_it_is_its_complement() {
    let young = Diary::default().event("20", "b");
    let sleeping: Definition = read(r#"{"not":{"event":"a","within":"7d","includeNew":false}}"#);
    let id = SegmentId::parse("S").unwrap();
    let world = World {
        calendar: &Calendar::UTC,
        score: &ScoreRules::default(),
        segments: &|asked| (*asked == id).then_some(&sleeping),
    };
    let holds = |json: &str, time: &str| read(json).holds(&young.history(), at(time), world);
    assert!(!holds(r#"{"segment":"S"}"#, "22"));
    assert!(holds(r#"{"not":{"segment":"S"}}"#, "22"));
    assert!(holds(r#"{"segment":"S"}"#, "27"));
    assert!(!holds(r#"{"segment":"unknown"}"#, "27"));
    let next = read(r#"{"not":{"segment":"S"}}"#).next_change(&young.history(), at("22"), world);
    assert_eq!(next, Some(at("27")));
}

#[test]
fn an_erasure_leaves_nothing_and_what_comes_late_goes_too() {
    let diary = Diary::default()
        .event("01", "a")
        .message("15", MessageFact::Sent, "m1")
        .but(|fact| fact.received_at = at("05"))
        .add("10", FactKind::Erased)
        .event("09", "a")
        .but(|fact| fact.received_at = at("12"));
    diary.check(r#"{"all":[]}"#, &[], &["01", "09", "20"]);
    let back = diary.event("11", "a");
    back.check(r#"{"event":"a","count":{"eq":1}}"#, &["11"], &["10", "01"]);
    back.check(r#"{"firstSeen":{"on":"2026-03-11"}}"#, &["12"], &[]);
}

#[test]
fn a_re_label_takes_an_event_back_at_every_instant() {
    let judged = |genuine: bool| {
        Diary::default()
            .message("01", MessageFact::Clicked, "m1")
            .but(|fact| fact.genuine = genuine)
    };
    judged(true).check(
        r#"{"all":[{"message":"clicked"},{"message":"opened"},{"score":{"gt":2}}]}"#,
        &["02"],
        &[],
    );
    judged(false).check(
        r#"{"any":[{"message":"clicked"},{"message":"opened"},{"score":{"gt":0}}]}"#,
        &[],
        &["02"],
    );
}

#[test]
fn events_of_a_browser_belong_to_the_latest_identify_before_them_else_to_the_earliest() {
    let identifies = [(at("05"), 1, "a"), (at("10"), 2, "b"), (at("10"), 3, "c")];
    for (time, contact) in [
        ("01", "a"),
        ("05", "a"),
        ("09", "a"),
        ("10", "c"),
        ("20", "c"),
    ] {
        assert_eq!(owner(&identifies, at(time)), Some(&contact), "{time}");
    }
    assert_eq!(owner::<&str>(&[], at("01")), None);
}

#[test]
fn definitions_that_mean_the_same_have_one_key() {
    for same in [
        &[
            r#"{"not":{"event":"a","within":"7d","includeNew":true}}"#,
            r#"{"event":"a","count":{"eq":0},"within":"168h","includeNew":true}"#,
            r#"{"all":[{"any":[{"not":{"not":{"event":"a","count":{"lte":0},"within":"1w","includeNew":true}}}]}]}"#,
        ][..],
        &[
            r#"{"all":[{"event":"a"},{"trait":"p","in":["x"]}]}"#,
            r#"{"all":[{"trait":"p","eq":"x"},{"event":"a","class":"genuine"},{"event":"a"}]}"#,
            r#"{"not":{"any":[{"trait":"p","ne":"x"},{"event":"a","count":{"eq":0}}]}}"#,
        ],
        &[r#"{"not":{"score":{"gte":1}}}"#, r#"{"score":{"lt":1}}"#],
        &[
            r#"{"any":[{"all":[]},{"event":"a"}]}"#,
            r#"{"all":[]}"#,
            r#"{"event":"a","count":{"gte":0}}"#,
        ],
        &[
            r#"{"message":"bounced"}"#,
            r#"{"message":"bounced","class":"any"}"#,
        ],
        &[
            r#"{"event":"a","where":[{"property":"x","eq":1},{"property":"y","eq":2}]}"#,
            r#"{"event":"a","where":[{"property":"y","eq":2.0},{"property":"x","eq":1}]}"#,
        ],
    ] {
        let keys: Vec<String> = same.iter().map(|json| read(json).key()).collect();
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
    let differ = [
        r#"{"not":{"event":"a","within":"7d","includeNew":true}}"#,
        r#"{"not":{"event":"a","within":"7d","includeNew":false}}"#,
        r#"{"event":"a","within":"7d"}"#,
        r#"{"event":"a"}"#,
        r#"{"message":"sent","without":"opened","class":"any"}"#,
        r#"{"message":"sent","without":"opened"}"#,
    ];
    let keys: std::collections::BTreeSet<String> =
        differ.iter().map(|json| read(json).key()).collect();
    assert_eq!(keys.len(), differ.len());
}

#[test]
fn an_explanation_names_the_facts_and_when_it_changes() {
    let diary = Diary::default()
        .with("01", "a", r#"{"n":2}"#)
        .traits("02", r#"{"plan":"pro"}"#)
        .paid("03", "o1", 4_990);
    let json = r#"{"all":[{"event":"a","sum":"n","gte":2,"within":"7d"},{"not":{"trait":"plan","eq":"pro"}},{"purchase":{"sum":{"gte":10},"currency":"EUR"}}]}"#;
    with_world(|world| {
        let explained = read(json).explain(&diary.history(), at("04"), world);
        let lines: Vec<String> = explained
            .iter()
            .map(|one| {
                let facts = one
                    .evidence
                    .iter()
                    .map(|fact| format!("{}={}", fact.name, fact.value.as_deref().unwrap_or("")));
                let changes = one.changes_at.map(|at| format!("{at}")).unwrap_or_default();
                format!(
                    "{} {} {} {changes}",
                    one.path,
                    one.holds,
                    facts.collect::<Vec<_>>().join(",")
                )
            })
            .collect();
        assert_eq!(
            lines,
            [
                " false  ",
                "all[0] true a=2 2026-03-08T00:00:00Z",
                "all[1] false  ",
                "all[1].not true identify=\"pro\" ",
                "all[2] true purchase=49.90 EUR ",
            ]
        );
    });
}
