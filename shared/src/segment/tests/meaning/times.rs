//! Windows, days, ages and orders of time, at the instants where they turn.

use std::format;
use std::string::String;
use std::vec::Vec;

use super::{Diary, at};
use crate::segment::calendar::Calendar;
use crate::segment::evaluate::World;
use crate::segment::facts::{FactKind, History};
use crate::segment::score::ScoreRules;
use crate::segment::tests::{read, with_world};
use crate::segment::tree::MessageFact;

#[test]
fn a_window_leaves_its_start_out_and_takes_its_end_in() {
    let diary = Diary::default().event("01T10:00:00", "a");
    let before = "01T09:59:59.999";
    diary.check(
        r#"{"event":"a","within":"1d"}"#,
        &["01T10:00:00", "02T09:59:59.999"],
        &[before, "02T10:00:00"],
    );
    diary.check(r#"{"event":"a","within":"0s"}"#, &[], &["01T10:00:00"]);
    diary.check(
        r#"{"event":"a","ago":{"from":"3d","to":"1d"}}"#,
        &["02T10:00:00", "04T09:59:59.999"],
        &["02T09:59:59.999", "04T10:00:00"],
    );
    diary.check(
        r#"{"event":"a","within":"today"}"#,
        &["01T10:00:00", "01T23:59:59.999"],
        &["02"],
    );
    diary.check(
        r#"{"event":"a","between":{"from":"2026-03-01T10:00:00Z","to":"2026-03-01T10:00:01Z"}}"#,
        &["01T10:00:00", "09"],
        &[before],
    );
    diary.check(
        r#"{"event":"a","between":{"from":"2026-02-01","to":"2026-03-01T10:00:00Z"}}"#,
        &[],
        &["09"],
    );
    let midnight = Diary::default().event("01", "a");
    midnight.check(r#"{"event":"a","within":"today"}"#, &["01"], &["02"]);
}

#[test]
fn both_readings_of_not_in_so_many_days() {
    let recent = Diary::default().event("20", "b");
    let old = Diary::default().event("01", "b");
    let edge = Diary::default().event("15", "b");
    let with_new = r#"{"not":{"event":"a","within":"7d","includeNew":true}}"#;
    let without_new = r#"{"not":{"event":"a","within":"7d","includeNew":false}}"#;
    for (diary, with, without) in [
        (&recent, true, false),
        (&old, true, true),
        (&edge, true, true),
    ] {
        assert_eq!(diary.holds(with_new, "22"), with);
        assert_eq!(diary.holds(without_new, "22"), without);
    }
    // As a count the same, and old enough at the millisecond.
    let count = r#"{"event":"a","count":{"eq":0},"within":"7d","includeNew":false}"#;
    recent.check(count, &["27"], &["26T23:59:59.999"]);
    recent.check(without_new, &["27"], &["26T23:59:59.999"]);
    // Never seen is as young as can be: a send makes a contact, and shows no life.
    let unseen = Diary::default().message("01", MessageFact::Sent, "m1");
    unseen.check(with_new, &["31"], &[]);
    unseen.check(without_new, &[], &["31"]);
    // Under `any` and deeper the leaf alone leaves them out, not the whole.
    let either =
        r#"{"any":[{"not":{"event":"a","within":"7d","includeNew":false}},{"event":"b"}]}"#;
    recent.check(either, &["22"], &[]);
    let neither =
        r#"{"not":{"any":[{"event":"a","within":"7d","includeNew":false},{"event":"c"}]}}"#;
    recent.check(neither, &["27"], &["22"]);
}

#[test]
fn today_begins_where_the_workspace_is_also_on_days_that_are_not_24_hours_long() {
    let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let calendar = Calendar::of(zone);
    let world = World {
        calendar: &calendar,
        score: &ScoreRules::default(),
        segments: &|_| None,
    };
    // 29 March 2026 has 23 hours there: from 28T23:00Z to 29T22:00Z.
    let history = Diary::default().event("28T23:00:00", "a").history();
    let today = read(r#"{"event":"a","within":"today"}"#);
    assert!(today.holds(&history, at("29T21:59:59.999"), world));
    assert!(!today.holds(&history, at("29T22:00:00"), world));
    assert_eq!(
        today.next_change(&history, at("29"), world),
        Some(at("29T22:00:00"))
    );
    let yesterday = read(r#"{"trait":"day","on":"yesterday"}"#);
    let history = Diary::default()
        .traits("01", r#"{"day":"2026-03-29"}"#)
        .history();
    assert_eq!(
        yesterday.next_change(&history, at("02"), world),
        Some(at("29T22:00:00"))
    );
    assert_eq!(
        yesterday.next_change(&history, at("29T22:00:00"), world),
        Some(at("30T22:00:00"))
    );
}

#[test]
fn late_events_count_in_their_own_time_and_none_counts_before_it_happened() {
    let late = Diary::default()
        .event("10", "b")
        .event("05", "a")
        .but(|fact| fact.received_at = at("20"));
    late.check(
        r#"{"event":"a","within":"7d"}"#,
        &["10", "11T23:59:59.999"],
        &["12", "20"],
    );
    // What was known then is another question.
    let arrived = late.0.iter().filter(|fact| fact.received_at <= at("11"));
    let known = History::of(arrived.cloned());
    with_world(|world| assert!(!read(r#"{"event":"a"}"#).holds(&known, at("11"), world)));
    // No event happened after it arrived; a message may be sent after it was registered.
    let ahead = Diary::default()
        .event("20", "a")
        .but(|fact| fact.received_at = at("10"));
    ahead.check(r#"{"event":"a"}"#, &["10"], &["09"]);
    let planned = Diary::default()
        .message("20", MessageFact::Sent, "m1")
        .but(|fact| fact.received_at = at("10"));
    planned.check(r#"{"message":"sent"}"#, &["20"], &["19T23:59:59.999"]);
    planned.check(r#"{"all":[]}"#, &["10"], &["09"]);
    with_world(|world| {
        let sent = read(r#"{"message":"sent"}"#);
        assert_eq!(
            sent.next_change(&planned.history(), at("11"), world),
            Some(at("20"))
        );
    });
}

#[test]
fn dates_in_traits_are_days_or_instants_and_without_a_zone_nothing() {
    let of = |when: &str| Diary::default().traits("01", &format!(r#"{{"when":"{when}"}}"#));
    let day = of("2026-03-10");
    day.check(
        r#"{"trait":"when","on":"today"}"#,
        &["10", "10T23:59:59.999"],
        &["09T23:59:59.999", "11"],
    );
    day.check(
        r#"{"trait":"when","on":"yesterday"}"#,
        &["11"],
        &["10", "12"],
    );
    day.check(r#"{"trait":"when","on":"2026-03-10"}"#, &["01"], &[]);
    day.check(
        r#"{"trait":"when","before":"now"}"#,
        &["10T00:00:00.001"],
        &["10"],
    );
    day.check(
        r#"{"trait":"when","after":"now"}"#,
        &["09T23:59:59.999"],
        &["10"],
    );
    day.check(
        r#"{"trait":"when","before":{"ahead":"3d"}}"#,
        &["07T00:00:00.001"],
        &["07"],
    );
    let instant = of("2026-03-10T01:00:00+02:00");
    instant.check(r#"{"trait":"when","on":"2026-03-09"}"#, &["01"], &[]);
    instant.check(
        r#"{"trait":"when","after":{"ago":"1d"}}"#,
        &["10T22:59:59.999"],
        &["10T23:00:00"],
    );
    for unknown in ["2026-03-10T01:00:00", "10 March", "2026-3-10", "soon"] {
        let diary = of(unknown);
        for test in [
            r#""before":"now""#,
            r#""after":"now""#,
            r#""on":"2026-03-10""#,
        ] {
            diary.check(&format!(r#"{{"trait":"when",{test}}}"#), &[], &["02", "20"]);
        }
    }
}

#[test]
fn a_date_that_is_uncovered_by_another_traits_end_is_waited_for() {
    let diary = Diary::default()
        .traits("01", r#"{"a":{"b":"x"},"a.b":"2026-03-05"}"#)
        .traits("02", r#"{"a":null}"#);
    with_world(|world| {
        let past = read(r#"{"trait":"a.b","before":"now"}"#);
        let change = past.next_change(&diary.history(), at("03"), world);
        assert_eq!(change, Some(at("05T00:00:00.001")));
    });
}

#[test]
fn first_and_last_seen_are_of_people_and_not_of_what_servers_did() {
    let diary = Diary::default()
        .message("01", MessageFact::Sent, "m1")
        .message("02", MessageFact::Delivered, "m1")
        .traits("05", "{}")
        .event("07", "a")
        .refunded("09", "o1", 1)
        .add("09", FactKind::Other);
    diary.check(
        r#"{"firstSeen":{"within":"1d"}}"#,
        &["05", "05T23:59:59.999"],
        &["04", "06"],
    );
    diary.check(
        r#"{"lastSeen":{"before":{"ago":"2d"}}}"#,
        &["09T00:00:00.001"],
        &["09"],
    );
    diary.check(r#"{"lastSeen":{"on":"yesterday"}}"#, &["08"], &["09"]);
    diary.check(r#"{"firstSeen":{"exists":false}}"#, &["03"], &["05"]);
    diary.check(r#"{"not":{"lastSeen":{"within":"30d"}}}"#, &["04"], &["07"]);
    diary.check(
        r#"{"not":{"lastSeen":{"within":"30d"},"includeNew":false}}"#,
        &[],
        &["04", "07"],
    );
}

#[test]
fn a_sequence_is_in_order_and_within_its_longest_gap() {
    let diary = Diary::default()
        .event("01", "a")
        .event("04", "b")
        .paid("05", "o1", 1);
    let holds = |json: &str| diary.holds(json, "20");
    assert!(holds(r#"{"sequence":[{"event":"a"},{"event":"b"}]}"#));
    assert!(holds(
        r#"{"sequence":[{"event":"a"},{"event":"b"}],"within":"3d"}"#
    ));
    assert!(!holds(
        r#"{"sequence":[{"event":"a"},{"event":"b"}],"within":"71h"}"#
    ));
    assert!(!holds(r#"{"sequence":[{"event":"b"},{"event":"a"}]}"#));
    assert!(holds(
        r#"{"sequence":[{"event":"a"},{"event":"b"},{"purchase":{}}],"within":"3d"}"#
    ));
    assert!(!holds(
        r#"{"sequence":[{"event":"a"},{"purchase":{}}],"within":"3d"}"#
    ));
    assert!(!holds(r#"{"sequence":[{"event":"a"},{"event":"a"}]}"#));
    let twice = Diary::default()
        .event("01", "a")
        .event("01", "a")
        .event("02", "a");
    twice.check(
        r#"{"sequence":[{"event":"a"},{"event":"a"}]}"#,
        &["02"],
        &["01"],
    );
    // A later beginning may be the one that is near enough.
    let again = Diary::default()
        .event("01", "a")
        .event("09", "a")
        .event("10", "b");
    again.check(
        r#"{"sequence":[{"event":"a"},{"event":"b"}],"within":"1d"}"#,
        &["10"],
        &["09"],
    );
    again.check(
        r#"{"sequence":[{"event":"a","within":"7d"},{"event":"b"}]}"#,
        &["15"],
        &["16"],
    );
}

#[test]
fn a_score_is_left_at_the_very_millisecond() {
    let diary = Diary::default().paid("01", "o1", 500);
    with_world(|world| {
        let five = read(r#"{"score":{"gte":5}}"#);
        let change = five.next_change(&diary.history(), at("01"), world);
        assert_eq!(change, Some(at("31T00:00:00.001")));
        let more = read(r#"{"score":{"gt":5}}"#);
        assert!(more.next_change(&diary.history(), at("01"), world) < change);
    });
}

#[test]
fn moves_are_told_at_the_arrival_or_at_the_instant_that_was_due() {
    let diary = Diary::default()
        .event("01", "a")
        .event("03", "b")
        .event("02", "a")
        .but(|fact| fact.received_at = at("12"));
    with_world(|world| {
        let moves = |json: &str| -> Vec<String> {
            let moves = read(json).moves(&diary.0, at("20"), world);
            moves
                .iter()
                .map(|one| format!("{} {}", one.entered, one.at))
                .collect()
        };
        assert_eq!(
            moves(r#"{"event":"a","within":"7d"}"#),
            ["true 2026-03-01T00:00:00Z", "false 2026-03-08T00:00:00Z"]
        );
        assert_eq!(
            moves(r#"{"event":"a","within":"11d"}"#),
            [
                "true 2026-03-01T00:00:00Z",
                "false 2026-03-12T00:00:00Z",
                "true 2026-03-12T00:00:00Z",
                "false 2026-03-13T00:00:00Z"
            ]
        );
        assert_eq!(
            moves(r#"{"not":{"event":"a","within":"7d","includeNew":false}}"#),
            ["true 2026-03-08T00:00:00Z"]
        );
    });
}
