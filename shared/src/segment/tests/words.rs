//! Definitions as sentences.

use super::read;
use std::string::String;

#[track_caller]
fn says(json: &str, sentence: &str) {
    let named =
        |id: &crate::ids::SegmentId| (id.as_str() == "seg-1").then(|| String::from("Loyal"));
    assert_eq!(read(json).sentence(&named), sentence);
}

#[test]
fn sentences_are_plain_english() {
    says(
        r#"{"all":[{"event":"trial_started","within":"7d","where":[{"property":"plan","eq":"pro"}]},{"not":{"purchase":{}}}]}"#,
        "Contacts who have done “trial_started” where plan is “pro” in the last 7 days, and who have not ordered.",
    );
    says(r#"{"all":[]}"#, "All contacts.");
    says(r#"{"any":[]}"#, "No contact.");
    says(
        r#"{"event":"viewed","count":{"gte":3},"within":"30d"}"#,
        "Contacts who have done “viewed” at least 3 times in the last 30 days.",
    );
    says(
        r#"{"not":{"event":"viewed","count":{"gte":3},"within":"1d","includeNew":false}}"#,
        "Contacts who have done “viewed” at most twice in the last day (newer contacts left out).",
    );
    for (span, words) in [
        ("1w", "7 days"),
        ("24h", "day"),
        ("60m", "hour"),
        ("60s", "minute"),
        ("1s", "second"),
        ("2s", "2 seconds"),
    ] {
        says(
            &std::format!(r#"{{"event":"viewed","within":"{span}"}}"#),
            &std::format!("Contacts who have done “viewed” in the last {words}."),
        );
    }
    says(
        r#"{"event":"viewed","count":{"eq":0},"within":"today","includeNew":true}"#,
        "Contacts who have not done “viewed” today (newer contacts included).",
    );
    says(
        r#"{"any":[{"trait":"plan","in":["pro","team"]},{"all":[{"trait":"age","gte":18},{"not":{"trait":"city","contains":"York"}}]}]}"#,
        "Contacts whose plan is one of “pro”, “team”, or (whose age is at least 18, and whose city does not contain “York”).",
    );
    says(
        r#"{"not":{"any":[{"event":"a"},{"segment":"seg-1"}]}}"#,
        "Contacts who have not done “a”, and who are not in the segment “Loyal”.",
    );
    says(
        r#"{"segment":"seg-2"}"#,
        "Contacts who are in the segment “seg-2”.",
    );
    says(
        r#"{"event":"page_*","sum":"seconds","gt":60,"lte":600,"ago":{"from":"14d","to":"7d"}}"#,
        "Contacts whose sum of seconds over anything that begins with “page_” between 14 days and 7 days ago is more than 60 and at most 600.",
    );
    says(
        r#"{"event":"*","first":{"property":"plan","exists":true},"source":"browser","class":"any"}"#,
        "Contacts who have done anything as told by a browser in person or through a machine, the first time with plan is known.",
    );
    says(
        r#"{"not":{"score":{"gte":10}}}"#,
        "Contacts whose score is less than 10.",
    );
    says(
        r#"{"purchase":{"sum":{"gte":100},"currency":"EUR"},"within":"90d"}"#,
        "Contacts whose orders in the last 90 days come to at least 100 EUR, refunds taken off.",
    );
    says(
        r#"{"message":"sent","without":"opened","campaignId":"launch"}"#,
        "Contacts who have been sent a message of the campaign “launch” that they did not open.",
    );
    says(
        r#"{"not":{"message":"clicked","link":"https://shop.example/1","within":"60d","includeNew":false}}"#,
        "Contacts who have not clicked “https://shop.example/1” in a message in the last 60 days (newer contacts left out).",
    );
    says(
        r#"{"all":[{"firstSeen":{"within":"7d"}},{"lastSeen":{"before":{"ago":"2h"}}}]}"#,
        "Contacts who were first seen in the last 7 days, and who were last seen before 2 hours ago.",
    );
    says(
        r#"{"sequence":[{"event":"trial_started"},{"purchase":{}}],"within":"3d"}"#,
        "Contacts who have done “trial_started”, then within 3 days ordered.",
    );
    says(
        r#"{"trait":"renews","before":{"ahead":"7d"}}"#,
        "Contacts whose renews is before 7 days from now.",
    );
    says(
        r#"{"trait":"birthday","on":"today"}"#,
        "Contacts whose birthday is today.",
    );
}
