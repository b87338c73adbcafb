//! What is taken, and in which spelling it is written.

use super::read;

#[track_caller]
fn check(json: &str) {
    assert_eq!(read(json).to_json(), json);
}

#[track_caller]
fn becomes(json: &str, written: &str) {
    assert_eq!(read(json).to_json(), written);
}

#[test]
fn every_form_of_the_contract_is_taken() {
    for json in [
        r#"{"all":[]}"#,
        r#"{"any":[]}"#,
        r#"{"all":[{"event":"trial_started","where":[{"property":"plan","eq":"pro"}],"within":"7d"},{"not":{"purchase":{}}}]}"#,
        r#"{"event":"page_*","count":{"gte":3,"lte":5},"within":"today"}"#,
        r#"{"event":"*","source":"browser","class":"any","count":{"eq":0},"within":"30d","includeNew":false}"#,
        r#"{"event":"a","count":{"lte":2}}"#,
        r#"{"event":"a","between":{"from":"2026-01-01T00:00:00Z","to":"2026-02-01T00:00:00Z"}}"#,
        r#"{"event":"a","between":{"from":"2026-01-01","to":"2026-02-01"}}"#,
        r#"{"event":"a","ago":{"from":"14d","to":"7d"}}"#,
        r#"{"event":"a","sum":"cart.total","gt":99.5,"lte":1000}"#,
        r#"{"event":"a","avg":"price","eq":2}"#,
        r#"{"event":"a","min":"price","lt":-1}"#,
        r#"{"event":"a","max":"price","gte":0}"#,
        r#"{"event":"a","first":{"property":"plan","eq":"pro"},"within":"7d"}"#,
        r#"{"event":"a","last":{"property":"plan","exists":false}}"#,
        r#"{"trait":"plan","eq":"pro"}"#,
        r#"{"trait":"plan","ne":true}"#,
        r#"{"trait":"a.b","in":["x",1,false]}"#,
        r#"{"trait":"a","notIn":["x"]}"#,
        r#"{"trait":"a","gt":1.5}"#,
        r#"{"trait":"a","contains":"x"}"#,
        r#"{"trait":"a","startsWith":"x"}"#,
        r#"{"trait":"a","endsWith":"x"}"#,
        r#"{"trait":"a","empty":true}"#,
        r#"{"trait":"a","before":"now"}"#,
        r#"{"trait":"a","before":{"ahead":"3d"}}"#,
        r#"{"trait":"a","after":{"ago":"0s"}}"#,
        r#"{"trait":"a","after":"2026-03-01T00:00:00.500Z"}"#,
        r#"{"trait":"a","on":"yesterday"}"#,
        r#"{"trait":"a","on":"2026-03-01"}"#,
        r#"{"score":{"gte":10,"lt":20}}"#,
        r#"{"purchase":{"count":{"gte":2}},"within":"90d"}"#,
        r#"{"purchase":{"sum":{"gte":100},"currency":"EUR"}}"#,
        r#"{"purchase":{"count":{"eq":0},"currency":"USD"}}"#,
        r#"{"message":"opened"}"#,
        r#"{"message":"sent","without":"opened","campaignId":"launch","messageId":"m1","class":"any","count":{"gte":2},"within":"7d"}"#,
        r#"{"message":"clicked","link":"https://shop.example/1"}"#,
        r#"{"firstSeen":{"within":"7d"}}"#,
        r#"{"lastSeen":{"before":{"ago":"30d"}}}"#,
        r#"{"lastSeen":{"exists":false}}"#,
        r#"{"segment":"seg-1"}"#,
        r#"{"sequence":[{"event":"a"},{"purchase":{}}],"within":"3d"}"#,
        r#"{"sequence":[{"event":"a","within":"7d"},{"message":"opened"},{"event":"*"}]}"#,
        r#"{"not":{"lastSeen":{"within":"30d"}}}"#,
        r#"{"not":{"not":{"event":"a","within":"7d"}}}"#,
        // Sums of nothing are 0; whether newer contacts are meant may be said.
        r#"{"purchase":{"sum":{"lt":50},"currency":"EUR"},"within":"30d"}"#,
        r#"{"purchase":{"sum":{"lt":50},"currency":"EUR"},"within":"30d","includeNew":false}"#,
    ] {
        check(json);
    }
}

#[test]
fn one_spelling_is_written_for_what_is_equal() {
    becomes(
        r#"{"event":"a","count":{"gte":1},"class":"genuine","within":"1w"}"#,
        r#"{"event":"a","within":"7d"}"#,
    );
    becomes(
        r#"{"event":" a ","count":{"gte":2,"lte":2}}"#,
        r#"{"event":"a","count":{"eq":2}}"#,
    );
    becomes(r#"{"trait":"n","eq":1.50e1}"#, r#"{"trait":"n","eq":15}"#);
    becomes(
        r#"{"event":"a","sum":"n","gte":1,"lte":1.0}"#,
        r#"{"event":"a","sum":"n","eq":1}"#,
    );
    becomes(
        r#"{"purchase":{"sum":{"gte":1},"currency":" eur"}}"#,
        r#"{"purchase":{"sum":{"gte":1},"currency":"EUR"}}"#,
    );
    becomes(
        r#"{"trait":"a","after":"2026-03-01T02:00:00+02:00"}"#,
        r#"{"trait":"a","after":"2026-03-01T00:00:00Z"}"#,
    );
}
