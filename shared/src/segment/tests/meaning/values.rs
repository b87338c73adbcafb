//! What is asked of numbers, orders, messages and traits.

use std::format;

use super::{Diary, money};
use crate::ids::OrderId;
use crate::segment::facts::{Fact, FactKind};
use crate::segment::tree::{MessageFact, Source};

#[test]
fn counts_numbers_and_ends() {
    let diary = Diary::default()
        .with("01", "a", r#"{"n":1.5,"plan":"free"}"#)
        .with("02", "a", r#"{"n":"7","plan":"pro"}"#)
        .with("03", "a", r#"{"n":2.5}"#)
        .event("04", "page_viewed");
    for json in [
        r#"{"event":"a","count":{"eq":3}}"#,
        r#"{"event":"a","count":{"gte":2,"lte":3}}"#,
        r#"{"event":"*","count":{"eq":4}}"#,
        r#"{"event":"page_*"}"#,
        r#"{"event":"a","sum":"n","eq":4}"#,
        r#"{"event":"a","min":"n","eq":1.5}"#,
        r#"{"event":"a","max":"n","gt":2}"#,
        r#"{"event":"a","avg":"n","eq":2}"#,
        r#"{"event":"nothing","sum":"n","lte":0}"#,
        r#"{"event":"a","first":{"property":"plan","eq":"free"}}"#,
        r#"{"event":"a","last":{"property":"plan","exists":false}}"#,
        r#"{"event":"a","where":[{"property":"plan","ne":"pro"}],"count":{"eq":2}}"#,
        r#"{"event":"a","where":[{"property":"plan","eq":"pro"},{"property":"n","eq":"7"}]}"#,
    ] {
        diary.check(json, &["05"], &[]);
    }
    for json in [
        r#"{"event":"a","avg":"x","lte":0}"#,
        r#"{"event":"a","min":"x","gte":0}"#,
        r#"{"event":"nothing","first":{"property":"plan","exists":false}}"#,
        r#"{"event":"A"}"#,
        r#"{"event":"age_*"}"#,
    ] {
        diary.check(json, &[], &["05"]);
    }
}

#[test]
fn orders_as_amended_and_refunded_each_from_its_own_time_in_the_orders_window() {
    let order = |id| OrderId::parse(id).unwrap();
    let diary = Diary::default()
        .paid("01", "o1", 12_000)
        .refunded("20", "o1", 3_000)
        .add(
            "22",
            FactKind::Amend {
                order: order("o1"),
                revenue: Some(money(20_000)),
            },
        );
    let sum = |at_least: &str| {
        format!(r#"{{"purchase":{{"sum":{{"gte":{at_least}}},"currency":"EUR"}},"within":"30d"}}"#)
    };
    diary.check(&sum("120"), &["01", "19T23:59:59.999", "22"], &["20"]);
    diary.check(&sum("90"), &["20"], &["31"]);
    diary.check(&sum("170"), &["22"], &["21"]);
    diary.check(&sum("170.001"), &[], &["22"]);
    diary.check(
        r#"{"purchase":{"sum":{"gte":1},"currency":"USD"}}"#,
        &[],
        &["22"],
    );
    diary.check(
        r#"{"purchase":{"count":{"eq":1},"currency":"EUR"}}"#,
        &["22"],
        &[],
    );
    diary.check(
        r#"{"purchase":{"sum":{"lt":1},"currency":"USD"}}"#,
        &["22"],
        &[],
    );
    let gone = Diary::default()
        .paid("01", "o1", 100)
        .refunded("02", "o1", 100);
    gone.check(r#"{"purchase":{}}"#, &["03"], &[]);
    gone.check(
        r#"{"purchase":{"sum":{"eq":0},"currency":"EUR"}}"#,
        &["03"],
        &["01"],
    );
    let unverified = Diary::default().paid("01", "o1", 100).but(|fact| {
        fact.source = Source::Browser;
        if let FactKind::Purchase { verified, .. } = &mut fact.kind {
            *verified = false;
        }
    });
    unverified.check(r#"{"purchase":{}}"#, &[], &["02"]);
    unverified.check(r#"{"score":{"gt":9}}"#, &["02"], &[]);
    unverified
        .paid("01", "o1", 100)
        .check(r#"{"score":{"gt":11}}"#, &[], &["02"]);
}

#[test]
fn messages_by_campaign_link_and_what_did_not_follow() {
    use MessageFact::{Clicked, Opened, Sent};
    let diary = Diary::default()
        .message("01", Sent, "m1")
        .message("02", Sent, "m2")
        .message("03", Opened, "m1")
        .message("04", Opened, "m1");
    diary.check(
        r#"{"message":"sent","without":"opened"}"#,
        &["01", "03", "09"],
        &[],
    );
    diary.check(
        r#"{"message":"sent","without":"opened","messageId":"m1"}"#,
        &["02T23:59:59.999"],
        &["03"],
    );
    diary.check(
        r#"{"message":"sent","without":"opened","count":{"eq":2}}"#,
        &["02"],
        &["03"],
    );
    diary.check(
        r#"{"message":"opened","count":{"eq":2},"campaignId":"launch"}"#,
        &["04"],
        &["03"],
    );
    diary.check(r#"{"message":"opened","campaignId":"other"}"#, &[], &["04"]);
    let clicked = Diary::default().message("01", Clicked, "m1");
    clicked.check(
        r#"{"message":"clicked","link":"https://shop.example/1"}"#,
        &["02"],
        &[],
    );
    clicked.check(
        r#"{"message":"clicked","link":"https://shop.example/2"}"#,
        &[],
        &["02"],
    );
    // Who clicked has opened; once an open of theirs is on record that one counts.
    clicked.check(r#"{"message":"opened","count":{"eq":1}}"#, &["01"], &[]);
    let both = clicked.message("05", Opened, "m1");
    both.check(
        r#"{"message":"opened","count":{"eq":1}}"#,
        &["01", "05"],
        &[],
    );
    both.check(
        r#"{"message":"opened","within":"1d"}"#,
        &["01", "05"],
        &["03"],
    );
    let robot = Diary::default()
        .message("01", Clicked, "m1")
        .but(|fact| fact.genuine = false);
    robot.check(r#"{"message":"opened","class":"any"}"#, &[], &["02"]);
}

#[test]
fn traits_merge_by_their_time_and_servers_come_before_pages() {
    let browser = |fact: &mut Fact| fact.source = Source::Browser;
    let diary = Diary::default()
        .traits("03", r#"{"plan":"pro","city":"Rome"}"#)
        .traits("01", r#"{"plan":"free","phone":"1"}"#)
        .traits("05", r#"{"city":null}"#);
    diary.check(r#"{"trait":"plan","eq":"pro"}"#, &["03"], &["02"]);
    diary.check(r#"{"trait":"phone","exists":true}"#, &["09"], &[]);
    diary.check(r#"{"trait":"city","exists":false}"#, &["05"], &["04"]);
    let mixed = Diary::default()
        .traits("01", r#"{"plan":"pro"}"#)
        .traits("02", r#"{"plan":"mine","nick":"x"}"#)
        .but(browser)
        .traits("04", r#"{"plan":null}"#)
        .traits("06", r#"{"plan":"mine again"}"#)
        .but(browser);
    mixed.check(r#"{"trait":"plan","eq":"pro"}"#, &["01", "03"], &["04"]);
    mixed.check(r#"{"trait":"nick","eq":"x"}"#, &["03"], &[]);
    mixed.check(r#"{"trait":"plan","eq":"mine again"}"#, &["06"], &["05"]);
}

#[test]
fn values_are_compared_within_their_type() {
    let diary = Diary::default().traits(
        "01",
        r#"{"n":30,"t":"30","b":true,"list":["s1",2],"none":[],"blank":"","o":{"x":"y"},"in.side":1,"big":9007199254740993}"#,
    );
    for json in [
        r#"{"trait":"n","gt":25}"#,
        r#"{"trait":"n","eq":30.0}"#,
        r#"{"trait":"n","in":["30",30]}"#,
        r#"{"trait":"big","gt":9007199254740992}"#,
        r#"{"trait":"b","eq":true}"#,
        r#"{"trait":"list","contains":"s1"}"#,
        r#"{"trait":"list","contains":2}"#,
        r#"{"trait":"t","contains":"3"}"#,
        r#"{"trait":"t","startsWith":"3"}"#,
        r#"{"trait":"t","endsWith":"30"}"#,
        r#"{"trait":"o.x","eq":"y"}"#,
        r#"{"trait":"in.side","eq":1}"#,
        r#"{"trait":"none","empty":true}"#,
        r#"{"trait":"blank","empty":true}"#,
        r#"{"trait":"gone","empty":true}"#,
        r#"{"trait":"o","empty":false}"#,
        r#"{"trait":"gone","ne":1}"#,
        r#"{"trait":"gone","notIn":[1,2]}"#,
        r#"{"trait":"none","exists":true}"#,
    ] {
        diary.check(json, &["02"], &[]);
    }
    for json in [
        r#"{"trait":"t","gt":25}"#,
        r#"{"trait":"b","gte":0}"#,
        r#"{"trait":"list","gt":0}"#,
        r#"{"trait":"n","eq":"30"}"#,
        r#"{"trait":"n","contains":3}"#,
        r#"{"trait":"list","contains":"s"}"#,
        r#"{"trait":"list","eq":"s1"}"#,
        r#"{"trait":"t","contains":"S"}"#,
        r#"{"trait":"n","ne":30}"#,
        r#"{"trait":"gone","lt":5}"#,
    ] {
        diary.check(json, &[], &["02"]);
    }
}
