//! What is refused, where and with which words.

use std::format;
use std::string::{String, ToString as _};

use super::read;
use crate::segment::Definition;

#[track_caller]
fn refused(json: &str, path: &str, words: &str) {
    let error = Definition::parse(json).expect_err(json);
    assert_eq!(error.path, path, "{json}: {error}");
    assert!(error.message.contains(words), "{json}: {error}");
}

#[test]
fn unknown_words_are_refused_with_the_nearest_right_one() {
    refused(
        r#"{"all":[{"event":"a"},{"event":"b"},{"event":"c","witin":"7d"}]}"#,
        "all[2].witin",
        "`within`",
    );
    refused(r#"{"and":[]}"#, "and", "`all`");
    refused(r#"{"$or":[]}"#, "$or", "`any`");
    refused(r#"{"within":"7d","evnt":"a"}"#, "evnt", "`event`");
    refused(r#"{"colour":1}"#, "colour", "`purchase`");
    refused(r#"{"event":"a","times":{"gte":1}}"#, "times", "`count`");
    refused(
        r#"{"event":"a","count":{"atLeast":1}}"#,
        "count.atLeast",
        "`gte`",
    );
    refused(r#"{"event":"a","count":{"gt":1}}"#, "count.gt", "`gte`");
    refused(r#"{"event":"a","filters":[]}"#, "filters", "`where`");
    refused(
        r#"{"event":"a","where":[{"property":"p","equals":1}]}"#,
        "where[0].equals",
        "`eq`",
    );
    refused(
        r#"{"event":"a","where":[{"properti":"p","eq":1}]}"#,
        "where[0].properti",
        "`property`",
    );
    refused(r#"{"event":"a","class":"bot"}"#, "class", "`machine`");
    refused(r#"{"event":"a","source":"web"}"#, "source", "`browser`");
    refused(r#"{"message":"open"}"#, "message", "`opened`");
    refused(
        r#"{"message":"sent","without":"click"}"#,
        "without",
        "`clicked`",
    );
    refused(
        r#"{"not":{"message":"opened","campaign":"x"}}"#,
        "not.campaign",
        "`campaignId`",
    );
    refused(
        r#"{"trait":"p","after":{"ahed":"1d"}}"#,
        "after.ahed",
        "`ahead`",
    );
    refused(
        r#"{"event":"a","ago":{"from":"2d","until":"1d"}}"#,
        "ago.until",
        "`from` or `to`",
    );
    refused(
        r#"{"purchase":{"amount":{"gte":1}}}"#,
        "purchase.amount",
        "`count`, `sum` or `currency`",
    );
    refused(
        r#"{"lastSeen":{"since":"now"}}"#,
        "lastSeen.since",
        "`within`",
    );
    refused(
        r#"{"sequence":[{"event":"a"},{"event":"b","whithin":"1d"}]}"#,
        "sequence[1].whithin",
        "`within`",
    );
    refused(r#"{"event":"a","within":"yesterday"}"#, "within", "`today`");
    refused(r#"{"trait":"p","on":"tomorow"}"#, "on", "`today`");
}

#[test]
fn what_is_missing_or_of_the_wrong_kind_is_said_at_its_place() {
    refused("[]", "", "an object");
    refused("{", "", "JSON object");
    refused("{}", "", "`event`");
    refused(r#"{"event":"a","event":"b"}"#, "", "once");
    refused(r#"{"event":"a","purchase":{}}"#, "purchase", "`all`");
    refused(r#"{"all":{"event":"a"}}"#, "all", "list of conditions");
    refused(r#"{"all":[7]}"#, "all[0]", "an object");
    refused(r#"{"not":[]}"#, "not", "an object");
    refused(r#"{"event":1}"#, "event", "a text");
    refused(r#"{"event":"a","count":3}"#, "count", r#"{"gte":3}"#);
    refused(r#"{"event":"a","count":{}}"#, "count", "`gte`");
    refused(
        r#"{"event":"a","count":{"gte":1.5}}"#,
        "count.gte",
        "whole number",
    );
    refused(
        r#"{"event":"a","count":{"gte":-1}}"#,
        "count.gte",
        "whole number",
    );
    refused(r#"{"event":"a","count":{"gte":1001}}"#, "count.gte", "1000");
    refused(
        r#"{"event":"a","count":{"gte":"1"}}"#,
        "count.gte",
        "not a text",
    );
    refused(
        r#"{"event":"a","count":{"gte":3,"lte":2}}"#,
        "count",
        "never hold",
    );
    refused(
        r#"{"event":"a","count":{"eq":3,"lte":3}}"#,
        "count",
        "alone",
    );
    refused(r#"{"event":"a","within":7}"#, "within", "\"7d\"");
    refused(r#"{"event":"a","within":"7 days"}"#, "within", "\"7d\"");
    refused(r#"{"event":"a","within":"11y"}"#, "within", "\"7d\"");
    refused(r#"{"event":"a","within":"4000d"}"#, "within", "ten years");
    refused(
        r#"{"event":"a","within":"7d","ago":{"from":"2d","to":"1d"}}"#,
        "ago",
        "not both",
    );
    refused(
        r#"{"event":"a","ago":{"from":"7d","to":"14d"}}"#,
        "ago",
        "longer",
    );
    refused(r#"{"event":"a","ago":{"from":"7d"}}"#, "ago.to", "`to`");
    refused(
        r#"{"event":"a","between":{"from":"2026-02-01T00:00:00Z","to":"2026-01-01T00:00:00Z"}}"#,
        "between",
        "before",
    );
    refused(
        r#"{"event":"a","between":{"from":"2026-02-01T00:00:00","to":"2026-03-01"}}"#,
        "between.from",
        "zone",
    );
    refused(r#"{"event":"a","gte":3}"#, "gte", "\"count\"");
    refused(r#"{"event":"a","sum":"n"}"#, "", "`gte`");
    refused(
        r#"{"event":"a","sum":"n","count":{"gte":1},"gte":1}"#,
        "sum",
        "not both",
    );
    refused(
        r#"{"event":"a","sum":"n","gt":1,"gte":1}"#,
        "gte",
        "not both",
    );
    refused(r#"{"event":"a","sum":"n","gt":1,"lt":1}"#, "", "never hold");
    refused(r#"{"event":"a","sum":"n","gte":1e18}"#, "gte", "10^18");
    refused(
        r#"{"event":"a","sum":"n","gte":0.0000000001}"#,
        "gte",
        "nine decimals",
    );
    refused(
        r#"{"event":"a","where":{"property":"p","eq":1}}"#,
        "where",
        "list",
    );
    refused(
        r#"{"event":"a","where":[{"property":"p"}]}"#,
        "where[0]",
        "`exists`",
    );
    refused(
        r#"{"event":"a","where":[{"property":"p","gt":1,"lt":2}]}"#,
        "where[0].lt",
        "beside",
    );
    refused(
        r#"{"event":"a","where":[{"property":"","eq":1}]}"#,
        "where[0].property",
        "dots",
    );
    refused(
        r#"{"event":"a","where":[{"property":"a..b","eq":1}]}"#,
        "where[0].property",
        "dots",
    );
    refused(r#"{"trait":"p","gt":"2026-01-01"}"#, "gt", "`before`");
    refused(r#"{"trait":"p","eq":null}"#, "eq", "exists");
    refused(r#"{"trait":"p","eq":{}}"#, "eq", "a text, a number");
    refused(r#"{"trait":"p","in":[]}"#, "in", "one value");
    refused(r#"{"trait":"p","in":"x"}"#, "in", "list");
    refused(r#"{"trait":"p","exists":"yes"}"#, "exists", "true or false");
    refused(r#"{"trait":"p","before":5}"#, "before", "a time");
    refused(r#"{"trait":"p","before":"7d"}"#, "before", "RFC 3339");
    refused(r#"{"trait":"p","on":"2026-02-30"}"#, "on", "YYYY-MM-DD");
    for name in [" *a", "a* ", "* "] {
        let definition = format!(r#"{{"event":"{name}"}}"#);
        refused(&definition, "event", "beginning of names");
    }
    refused(r#"{"score":{"eq":5}}"#, "score.eq", "falls");
    refused(r#"{"score":{"gte":10,"lte":10}}"#, "score", "falls");
    refused(r#"{"score":5}"#, "score", "an object");
    refused(
        r#"{"purchase":{"sum":{"gte":1}}}"#,
        "purchase.currency",
        "currency",
    );
    refused(
        r#"{"purchase":{"sum":{"gte":1},"currency":"euro"}}"#,
        "purchase.currency",
        "ISO 4217",
    );
    refused(
        r#"{"purchase":{"within":"7d"}}"#,
        "purchase.within",
        "beside",
    );
    refused(
        r#"{"message":"opened","link":"https://a.example/"}"#,
        "link",
        "clicked",
    );
    refused(
        r#"{"message":"opened","without":"opened"}"#,
        "without",
        "another",
    );
    refused(
        r#"{"message":"opened","campaignId":" "}"#,
        "campaignId",
        "1 to 255",
    );
    refused(r#"{"firstSeen":{}}"#, "firstSeen", "within");
    refused(
        r#"{"firstSeen":{"within":"7d","before":"now"}}"#,
        "firstSeen.before",
        "not both",
    );
    refused(r#"{"segment":""}"#, "segment", "id");
    refused(r#"{"sequence":[{"event":"a"}]}"#, "sequence", "two");
    refused(
        r#"{"sequence":[{"event":"a"},{"trait":"p","eq":1}]}"#,
        "sequence[1]",
        "`event`",
    );
    refused(
        r#"{"sequence":[{"event":"a","count":{"gte":2}},{"event":"b"}]}"#,
        "sequence[0].count",
        "Leave",
    );
    refused(
        r#"{"sequence":[{"event":"a"},{"purchase":{"sum":{"gte":1},"currency":"EUR"}}]}"#,
        "sequence[1].purchase.sum",
        "Leave",
    );
    refused(
        r#"{"sequence":[{"event":"a"},{"event":"b"}],"within":"today"}"#,
        "within",
        "7d",
    );
}

#[test]
fn names_of_the_system_point_to_the_condition_that_is_meant() {
    refused(r#"{"event":"purchase"}"#, "event", r#"{"purchase":{}}"#);
    refused(r#"{"event":"refund"}"#, "event", "sum");
    refused(
        r#"{"event":"email_opened"}"#,
        "event",
        r#"{"message":"opened"}"#,
    );
    refused(r#"{"event":"email_*"}"#, "event", "message");
    refused(
        r#"{"event":"segment_entered"}"#,
        "event",
        r#"{"segment":ID}"#,
    );
    refused(r#"{"event":"identified"}"#, "event", "trait");
    refused(r#"{"event":"*_viewed"}"#, "event", "page_*");
    refused(r#"{"event":"  "}"#, "event", "1 to 128");
    // What begins like one of them, and is not, is the caller's.
    read(r#"{"event":"purchase*"}"#);
    read(r#"{"event":"e*"}"#);
}

#[test]
fn include_new_stands_where_it_says_something() {
    for json in [
        r#"{"event":"a","count":{"eq":0},"within":"7d"}"#,
        r#"{"event":"a","count":{"lte":2},"ago":{"from":"2d","to":"1d"}}"#,
        r#"{"purchase":{"count":{"lte":0}},"within":"today"}"#,
        r#"{"message":"opened","count":{"eq":0},"between":{"from":"2026-01-01","to":"2026-02-01"}}"#,
    ] {
        refused(json, "includeNew", "younger");
    }
    refused(
        r#"{"not":{"event":"a","within":"7d"}}"#,
        "not.includeNew",
        "younger",
    );
    refused(
        r#"{"not":{"purchase":{"sum":{"gte":1},"currency":"EUR"},"within":"7d"}}"#,
        "not.includeNew",
        "younger",
    );
    refused(
        r#"{"not":{"any":[{"event":"a"},{"all":[{"message":"opened","within":"7d"}]}]}}"#,
        "not.any[1].all[0].includeNew",
        "younger",
    );
    refused(
        r#"{"event":"a","within":"7d","includeNew":true}"#,
        "includeNew",
        "says nothing",
    );
    refused(
        r#"{"not":{"event":"a","includeNew":true}}"#,
        "not.includeNew",
        "without `within`",
    );
    refused(
        r#"{"event":"a","count":{"eq":0},"within":"7d","includeNew":"yes"}"#,
        "includeNew",
        "true or false",
    );
    refused(
        r#"{"trait":"a","eq":1,"includeNew":true}"#,
        "includeNew",
        "`eq`",
    );
    // Twice not is no such leaf, and neither is at most two but at least one.
    read(r#"{"not":{"not":{"event":"a","within":"7d"}}}"#);
    read(r#"{"event":"a","count":{"gte":1,"lte":2},"within":"7d"}"#);
    read(r#"{"not":{"event":"a","count":{"eq":0},"within":"7d"}}"#);
}

#[test]
fn bounds_are_said() {
    let nested = |depth: usize, inner: &str| {
        [
            "{\"not\":".repeat(depth),
            inner.to_string(),
            "}".repeat(depth),
        ]
        .concat()
    };
    read(&nested(8, r#"{"event":"a"}"#));
    refused(
        &nested(9, r#"{"event":"a"}"#),
        "not.not.not.not.not.not.not.not.not",
        "at most 8",
    );
    let leaves = |count: usize| -> String { std::vec![r#"{"event":"a"}"#; count].join(",") };
    read(&format!(r#"{{"all":[{}]}}"#, leaves(100)));
    refused(
        &format!(r#"{{"all":[{}]}}"#, leaves(101)),
        "all",
        "100 conditions",
    );
    refused(
        &format!(
            r#"{{"all":[{{"any":[{}]}},{{"any":[{}]}}]}}"#,
            leaves(60),
            leaves(41)
        ),
        "all[1].any[40]",
        "100 conditions in all",
    );
    let tests: String = std::vec![r#"{"property":"a","eq":1}"#; 21].join(",");
    refused(
        &format!(r#"{{"event":"a","where":[{tests}]}}"#),
        "where",
        "20",
    );
    refused(
        &format!(r#"{{"trait":"a","eq":"{}"}}"#, "x".repeat(1025)),
        "eq",
        "1024",
    );
    refused(
        &format!(r#"{{"trait":"{}","eq":1}}"#, "x".repeat(256)),
        "trait",
        "255",
    );
    refused(
        &format!(r#"{{"trait":"a","in":[{}1]}}"#, "1,".repeat(1000)),
        "in",
        "1000",
    );
    refused(
        &format!(r#"{{"event":"a","where":[{}]}}"#, " ".repeat(70_000)),
        "",
        "65536",
    );
    refused(&["[".repeat(200), "]".repeat(200)].concat(), "", "");
}
