//! Tests of the bodies, field by field; those of single types stand beside the types.

use std::format;
use std::string::{String, ToString as _};
use std::vec::Vec;

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;
use crate::event::{EventKind, items_json};
use crate::limits::{MAX_AGE_MS, MAX_AHEAD_MS};

mod answers;
mod batch;
mod messages;
mod money;
#[cfg(feature = "schema")]
mod schema;
mod times;

/// 2026-11-23T10:00:00Z.
const NOW: i64 = 1_795_428_000_000;
const UUID: &str = "0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b";

fn arrival(source: Speaker) -> Arrival<'static> {
    Arrival {
        received_at: Timestamp::from_millis(NOW),
        source,
        purchases_allowed: true,
        deliveries_allowed: true,
        order_currency: None,
        sent_at: None,
        context: None,
    }
}

fn event(text: &str) -> Parsed {
    parse_event(&body(text).unwrap(), &arrival(Speaker::Server))
}

fn purchase(text: &str) -> Parsed {
    parse_purchase(&body(text).unwrap(), &arrival(Speaker::Server))
}

fn refund(text: &str) -> Parsed {
    parse_refund(&body(text).unwrap(), &arrival(Speaker::Server))
}

fn identify(text: &str) -> Parsed {
    parse_identify(&body(text).unwrap(), &arrival(Speaker::Server))
}

fn entry_at(text: &str, arrival: &Arrival<'_>) -> Parsed {
    parse_batch_event(serde_json::from_str::<&RawValue>(text).unwrap(), arrival)
}

fn entry(text: &str) -> Parsed {
    entry_at(text, &arrival(Speaker::Server))
}

#[track_caller]
fn accepted(parsed: Parsed) -> Event {
    parsed.outcome.unwrap()
}

#[track_caller]
fn refused(parsed: Parsed, code: &str, field: Option<&str>) -> Parsed {
    let rejection = parsed.outcome.clone().unwrap_err();
    assert_eq!((rejection.code, rejection.field.as_deref()), (code, field));
    assert!(crate::rejection::codes::ALL.contains(&rejection.code));
    parsed
}

/// An event with one more field.
fn with(field: &str) -> String {
    format!(r#"{{"email":"a@b.c","event":"x",{field}}}"#)
}

/// A purchase of 10 USD with one more field, which wins over the ones before it.
fn order_with(field: &str) -> String {
    format!(r#"{{"email":"a@b.c","orderId":"A-1","revenue":10,"currency":"USD",{field}}}"#)
}

#[test]
fn an_event_with_everything_is_read_whole() {
    let parsed = event(&format!(
        r#" {{"email":" Alice@Example.com ","event":" plan_upgraded ","properties":{{"n": 1.10, "big":12345678901234567890123}},
        "timestamp":"2026-11-23T11:00:00+02:00","messageId":"m-1","id":"{UUID}","anonymousId":"v-1","key":"msk_pub_x"}} "#
    ));
    assert_eq!(
        parsed.sent_id,
        Some(SentId::Valid(EventId::parse(UUID).unwrap(), UUID.into()))
    );
    assert_eq!(parsed.name.as_deref(), Some("plan_upgraded"));
    assert!(parsed.unknown_fields.is_empty());
    let event = accepted(parsed);
    assert_eq!(
        event.email.as_ref().unwrap().normalised(),
        "alice@example.com"
    );
    assert_eq!(event.anonymous_id.as_ref().unwrap().as_str(), "v-1");
    assert_eq!(event.message_id.as_ref().unwrap().as_str(), "m-1");
    assert_eq!(
        (event.time.as_millis(), event.time_sent),
        (NOW - 3_600_000, true)
    );
    assert_eq!(
        (event.name(), event.type_name()),
        ("plan_upgraded", "track")
    );
    let EventKind::Track { properties, .. } = event.kind else {
        panic!("another type")
    };
    assert_eq!(
        properties.as_deref(),
        Some(r#"{"n": 1.10, "big":12345678901234567890123}"#)
    );
}

#[test]
fn null_counts_as_absent_and_the_last_duplicate_wins() {
    let event = accepted(event(
        r#"{"email":7,"email":"a@b.c","event":"x","properties":null,"timestamp":null,"id":null,"messageId":"m","messageId":null}"#,
    ));
    assert!(event.message_id.is_none());
    assert_eq!((event.time.as_millis(), event.time_sent), (NOW, false));
    refused(
        self::event(r#"{"event":"x","email":"a@b.c","email":null}"#),
        "missing_field",
        Some("email"),
    );
}

#[test]
fn field_names_may_hold_escapes() {
    accepted(event(r#"{"em\u0061il":"a\u0040b.c","event":"x"}"#));
}

#[test]
fn a_body_that_is_no_json_and_one_that_is_no_object_are_told_apart() {
    for text in [
        "{",
        "{\"a\":1,}",
        "{} {}",
        "alice@example.com",
        "[1",
        "{\"a\\ud800\":1}",
        "{'a':1}",
    ] {
        match body::<EventBody<'_>>(text) {
            Err(BodyError::NotJson(message)) => {
                assert!(message.contains("line 1 column"), "{message}");
                assert!(!message.contains("alice"), "{message}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    for text in ["[]", "null", "\"alice@example.com\"", " 7 ", "true"] {
        assert_eq!(
            body::<EventBody<'_>>(text).unwrap_err(),
            BodyError::NotAnObject,
            "{text}"
        );
    }
}

#[test]
fn unknown_fields_are_named_within_bounds() {
    let parsed = event(r#"{"email":"a@b.c","event":"x","Email":1,"foo":{"bar":1},"foo":2}"#);
    assert_eq!(parsed.unknown_fields, ["Email", "foo"]);
    assert_eq!(accepted(parsed).unknown_fields, ["Email", "foo"]);

    let many: Vec<String> = (0..100)
        .map(|n| format!(r#""{n}{}":1"#, "é".repeat(200)))
        .collect();
    let parsed = event(&with(&many.join(",")));
    assert_eq!(parsed.unknown_fields.len(), 32);
    assert!(
        parsed
            .unknown_fields
            .iter()
            .all(|name| name.chars().count() == 128)
    );
}

#[test]
fn each_field_of_an_event_is_refused_by_its_own_code() {
    for (text, code, field) in [
        (r#"{"event":"x"}"#.to_string(), "missing_field", "email"),
        (r#"{"email":"a@b.c"}"#.into(), "missing_field", "event"),
        (
            r#"{"event":"x","anonymousId":"v"}"#.into(),
            "missing_field",
            "email",
        ),
        (with(r#""email":"nobody""#), "invalid_email", "email"),
        (with(r#""email":7"#), "invalid_email", "email"),
        (with(r#""email":"""#), "invalid_email", "email"),
        (with(r#""event":"""#), "invalid_event", "event"),
        (with(r#""event":["x"]"#), "invalid_event", "event"),
        (with(r#""event":"\ud800""#), "invalid_event", "event"),
        (with(r#""event":"purchase""#), "reserved_name", "event"),
        (with(r#""event":"email_opened""#), "reserved_name", "event"),
        (
            with(r#""properties":[1]"#),
            "invalid_properties",
            "properties",
        ),
        (
            with(r#""properties":"{}""#),
            "invalid_properties",
            "properties",
        ),
        (
            with(r#""timestamp":1795428000"#),
            "invalid_timestamp",
            "timestamp",
        ),
        (
            with(r#""timestamp":"2026-11-23 10:00:00Z""#),
            "invalid_timestamp",
            "timestamp",
        ),
        (
            with(r#""timestamp":"1999-12-31T23:59:59.999Z""#),
            "invalid_timestamp",
            "timestamp",
        ),
        (
            with(r#""timestamp":"2026-11-24T10:00:00.001Z""#),
            "invalid_timestamp",
            "timestamp",
        ),
        (with(r#""messageId":[]"#), "invalid_message_id", "messageId"),
        (
            with(r#""messageId":" ""#),
            "invalid_message_id",
            "messageId",
        ),
        (
            with(r#""anonymousId":{}"#),
            "invalid_anonymous_id",
            "anonymousId",
        ),
        (with(r#""id":"42""#), "invalid_id", "id"),
        (with(r#""id":42"#), "invalid_id", "id"),
    ] {
        refused(event(&text), code, Some(field));
    }
    accepted(event(&with(r#""timestamp":"2000-01-01T00:00:00Z""#)));
    accepted(event(&with(r#""timestamp":"2026-11-24T10:00:00Z""#)));
}

#[test]
fn the_id_is_looked_at_first_and_echoed_as_sent() {
    let parsed = refused(
        event(r#"{"id":"not a uuid","event":7}"#),
        "invalid_id",
        Some("id"),
    );
    assert_eq!(parsed.sent_id, Some(SentId::Invalid("not a uuid".into())));
    let parsed = refused(event(r#"{"id":{"a": 1}}"#), "invalid_id", Some("id"));
    assert_eq!(parsed.sent_id.unwrap().as_sent(), r#"{"a": 1}"#);
    let long = event(&with(&format!(r#""id":"{}""#, "é".repeat(1000))));
    assert_eq!(long.sent_id.unwrap().as_sent().chars().count(), 255);
    let upper = UUID.to_uppercase();
    let parsed = event(&with(&format!(r#""id":"{upper}""#)));
    assert_eq!(parsed.sent_id.unwrap().as_sent(), upper);
}

#[test]
fn a_refused_event_still_has_a_name_for_its_receipt() {
    assert_eq!(
        event(r#"{"event":" purchase "}"#).name.as_deref(),
        Some("purchase")
    );
    assert_eq!(event(r#"{"event":7}"#).name, None);
    let long = event(&format!(r#"{{"event":"{}"}}"#, "é".repeat(999)));
    assert_eq!(long.name.unwrap().chars().count(), 128);
    assert_eq!(refund("{}").name.as_deref(), Some("refund"));
}

#[test]
fn properties_have_at_most_256_names_on_the_first_level() {
    let object = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!(r#""k{n}":1"#)).collect();
        format!("{{{}}}", names.join(","))
    };
    let field = |inner: &str| with(&format!(r#""properties":{inner}"#));
    accepted(event(&field(&object(256))));
    refused(
        event(&field(&object(257))),
        "too_many_properties",
        Some("properties"),
    );
    accepted(event(&field(&format!(r#"{{"inner":{}}}"#, object(257)))));
}

#[test]
fn properties_are_nested_at_most_8_levels_deep() {
    let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let lists = |levels: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let field = |inner: String| with(&format!(r#""properties":{inner}"#));
    accepted(event(&field(nested(8))));
    accepted(event(&field(lists(7))));
    refused(event(&field(nested(9))), "too_deep", Some("properties"));
    refused(event(&field(lists(8))), "too_deep", Some("properties"));
    refused(event(&field(nested(2000))), "too_deep", Some("properties"));
}

#[test]
fn properties_hold_nothing_that_another_parser_would_refuse() {
    for inner in [
        r#"{"a":"\ud800"}"#,
        r#"{"a":["\udc00x"]}"#,
        r#"{"\ud800":1}"#,
        r#"{"a":1e400}"#,
    ] {
        let text = with(&format!(r#""properties":{inner}"#));
        refused(event(&text), "invalid_properties", Some("properties"));
    }
    for inner in [
        r#"{}"#,
        r#"{"a":"\ud83d\ude00"}"#,
        r#"{"a":-0.0,"b":1e-400,"c":[null,true]}"#,
    ] {
        accepted(event(&with(&format!(r#""properties":{inner}"#))));
    }
}

#[test]
fn traits_follow_the_rules_of_properties() {
    let text = |inner: &str| format!(r#"{{"email":"a@b.c","traits":{inner}}}"#);
    let event = accepted(identify(&text(r#"{"plan":"pro"}"#)));
    assert_eq!(
        (event.name(), event.type_name()),
        ("identified", "identify")
    );
    refused(identify(&text("7")), "invalid_traits", Some("traits"));
    refused(
        identify(&text(r#"{"a":[[[[[[[[1]]]]]]]]}"#)),
        "too_deep",
        Some("traits"),
    );
    refused(identify("{}"), "missing_field", Some("email"));
}

#[test]
fn messages_and_debug_output_hold_nothing_personal() {
    let secret = "very.secret";
    for text in [
        format!(r#"{{"type":"track","event":"x","email":"{secret}"}}"#),
        format!(r#"{{"type":"track","event":"{secret}\nx","anonymousId":"v"}}"#),
        format!(r#"{{"type":"track","event":"x","anonymousId":"{secret}\u0000"}}"#),
        format!(r#"{{"type":"{secret}"}}"#),
        format!(r#"{{"type":"track","id":"{secret}"}}"#),
        format!(r#"{{"type":"track","event":"x","anonymousId":"v","timestamp":"{secret}"}}"#),
        format!(r#"{{"type":"track","event":"x","anonymousId":"v","age":"{secret}"}}"#),
        order_with(&format!(r#""type":"purchase","currency":"{secret}""#)),
        order_with(&format!(r#""type":"purchase","revenue":"{secret}""#)),
        order_with(&format!(r#""type":"purchase","items":["{secret}"]"#)),
    ] {
        let parsed = entry(&text);
        assert!(parsed.outcome.is_err(), "{text}");
        let shown = format!("{parsed:?} {:?}", parsed.sent_id);
        assert!(!shown.contains(secret), "{shown}");
    }
    let text = format!(r#"{{"email":"{secret}@b.c","key":"{secret}"}}"#);
    let read: EventBody<'_> = body(&text).unwrap();
    assert_eq!(format!("{read:?}"), "EventBody { .. }");
}

proptest! {
    #[test]
    fn properties_are_kept_byte_by_byte(text in "[ -!#-\\[\\]-~é🎉]{0,40}", number: f64) {
        prop_assume!(number.is_finite());
        let object = format!("{{\"t\" : \"{text}\", \"n\":{number:e} }}");
        let event = accepted(event(&with(&format!(r#""properties": {object} "#))));
        let EventKind::Track { properties, .. } = event.kind else { panic!("another type") };
        prop_assert_eq!(properties, Some(object));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}\",:0-9a-z\\\\ue.-]{0,60}") {
        drop(body(&text).map(parse_batch));
        for field in ["email", "id", "items", "properties", "revenue", "timestamp", "age", "type"] {
            let text = format!(r#"{{"type":"purchase","{field}":{text}}}"#);
            if let Ok(raw) = serde_json::from_str::<&RawValue>(&text) {
                drop(parse_batch_event(raw, &arrival(Speaker::Browser)));
            }
        }
    }
}
