//! Tests of a batch: its envelope, its context, its entries.

use super::*;

fn batch_of(text: &str) -> Result<Batch<'_>, BatchError> {
    parse_batch(body(text).unwrap())
}

#[test]
fn a_batch_is_opened_without_looking_at_its_events() {
    let text = r#"{"key":"msk_pub_x","sentAt":"2026-11-23T10:00:00Z","context":{"email":"A@b.c","anonymousId":"v","automation": true,"u\u0022":"x","z":1,"z":2},"events":[1,{"type":"track"},null],"extra":1}"#;
    let envelope: BatchBody<'_> = body(text).unwrap();
    assert_eq!(envelope.key.unwrap().get(), r#""msk_pub_x""#);
    let batch = parse_batch(envelope).unwrap();
    assert_eq!(batch.sent_at, Some(Timestamp::from_millis(NOW)));
    assert_eq!(batch.events.len(), 3);
    assert_eq!(batch.unknown, ["extra"]);
    let context = batch.context.unwrap();
    assert_eq!(context.email.unwrap().unwrap().normalised(), "a@b.c");
    assert_eq!(context.anonymous_id.unwrap().unwrap().as_str(), "v");
    assert_eq!(context.json, r#"{"automation":true,"u\"":"x","z":2}"#);
    assert!(batch_of(r#"{"events":[]}"#).unwrap().context.is_none());
}

#[test]
fn a_malformed_batch_is_refused_whole() {
    let code = |text: &str| match batch_of(text) {
        Err(BatchError::Rejected(rejection)) => (rejection.code, rejection.field),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(code("{}"), ("missing_field", Some("events".into())));
    assert_eq!(
        code(r#"{"events":{}}"#),
        ("invalid_body", Some("events".into()))
    );
    assert_eq!(
        code(r#"{"events":[],"sentAt":1}"#),
        ("invalid_timestamp", Some("sentAt".into()))
    );
    assert_eq!(
        code(r#"{"events":[],"context":[1]}"#),
        ("invalid_context", Some("context".into()))
    );
    let long = format!(
        r#"{{"events":[],"context":{{"a":"{}"}}}}"#,
        "x".repeat(4096)
    );
    assert_eq!(code(&long), ("invalid_context", Some("context".into())));
}

#[test]
fn a_batch_has_at_most_1000_events() {
    let batch = |events: usize| format!(r#"{{"events":[{}0]}}"#, "0,".repeat(events - 1));
    assert_eq!(batch_of(&batch(1000)).unwrap().events.len(), 1000);
    assert_eq!(
        batch_of(&batch(1001)).unwrap_err(),
        BatchError::TooManyEvents
    );
    assert_eq!(
        batch_of(&batch(400_000)).unwrap_err(),
        BatchError::TooManyEvents
    );
}

#[test]
fn an_entry_of_a_batch_is_read_by_its_type() {
    let track = accepted(entry(r#"{"type":"track","event":"x","anonymousId":"v"}"#));
    assert!(track.email.is_none());
    let identify = accepted(entry(
        r#"{"type":"identify","email":"a@b.c","anonymousId":"v"}"#,
    ));
    assert_eq!(identify.type_name(), "identify");
    let purchase = accepted(entry(&order_with(r#""type":"purchase","anonymousId":"v""#)));
    assert_eq!(purchase.anonymous_id.unwrap().as_str(), "v");
    for (text, code, field) in [
        ("7", "invalid_body", None),
        (r#"{"\ud800":1}"#, "invalid_body", None),
        ("{}", "missing_field", Some("type")),
        (r#"{"type":7}"#, "invalid_type", Some("type")),
        (r#"{"type":"Track"}"#, "invalid_type", Some("type")),
        (r#"{"type":"refund"}"#, "missing_field", Some("orderId")),
        (
            r#"{"type":"delivery","messageId":"m"}"#,
            "missing_field",
            Some("status"),
        ),
        (r#"{"type":"refund","id":"x"}"#, "invalid_id", Some("id")),
        (
            r#"{"type":"track","event":"x"}"#,
            "missing_field",
            Some("email"),
        ),
        (
            r#"{"type":"identify","anonymousId":"v"}"#,
            "missing_field",
            Some("email"),
        ),
        (
            r#"{"type":"track","event":"x","anonymousId":"v","age":"1"}"#,
            "invalid_age",
            Some("age"),
        ),
    ] {
        refused(entry(text), code, field);
    }
}

#[test]
fn fields_of_another_type_are_ignored_and_named() {
    let parsed = entry(
        r#"{"type":"track","event":"x","anonymousId":"v","traits":7,"revenue":"?","q":1,"items":null}"#,
    );
    assert_eq!(parsed.unknown_fields, ["q", "traits", "revenue"]);
    accepted(parsed);
    let parsed = entry(r#"{"type":"identify","email":"a@b.c","event":"x","messageId":7}"#);
    assert_eq!(accepted(parsed).unknown_fields, ["event", "messageId"]);
}

/// The bodies say which fields a type has: each is taken by its types, and named by the others.
#[test]
fn every_field_is_used_or_named_whatever_the_type() {
    let values: &[(&str, &str)] = &[
        ("email", r#""a@b.c""#),
        ("anonymousId", r#""v""#),
        ("event", r#""x""#),
        ("properties", "{}"),
        ("traits", "{}"),
        ("orderId", r#""o""#),
        ("revenue", "5"),
        ("currency", r#""EUR""#),
        ("items", "[]"),
        ("refundId", r#""r""#),
        ("amount", "5"),
        ("status", r#""bounced""#),
        ("code", r#""5.1.1""#),
        ("reason", r#""gone""#),
        ("messageId", r#""m""#),
        ("age", "5"),
        ("id", r#""01890f3e-6d6f-7c4e-8d2b-0a1b2c3d4e5f""#),
        ("amend", "false"),
        ("key", r#""k""#),
    ];
    let all = |value: &(&str, &str)| format!(r#""{}":{}"#, value.0, value.1);
    let all: Vec<_> = values.iter().map(all).collect();
    let tables: [(&str, &[&str], &[&str]); 5] = [
        ("track", EventBody::FIELDS, &[]),
        ("identify", IdentifyBody::FIELDS, &[]),
        ("purchase", PurchaseBody::FIELDS, &["anonymousId"]),
        ("refund", RefundBody::FIELDS, &[]),
        ("delivery", DeliveryBody::FIELDS, &[]),
    ];
    for (kind, fields, more) in tables {
        let text = format!(r#"{{"type":"{kind}",{}}}"#, all.join(","));
        let is_used = |name: &&str| {
            fields.contains(name) || more.contains(name) || ["age", "key"].contains(name)
        };
        let names = values.iter().map(|(name, _)| *name);
        let named: Vec<_> = names.filter(|name| !is_used(name)).collect();
        let parsed = entry(&text);
        assert_eq!(accepted(parsed).unknown_fields, named, "{kind}");
    }
    // Nothing was forgotten here.
    let known = values.len() + ["type", "timestamp"].len();
    assert_eq!(known, BatchEvent::FIELDS.len());
}

#[test]
fn the_age_of_a_server_s_amendments_and_deliveries_counts_as_that_of_other_events() {
    for text in [
        r#"{"type":"purchase","amend":true,"orderId":"o","age":60000}"#,
        r#"{"type":"delivery","messageId":"m","status":"delivered","age":60000}"#,
        r#"{"type":"refund","orderId":"o","refundId":"r","age":60000}"#,
    ] {
        let event = accepted(entry(text));
        assert_eq!(event.time, Timestamp::from_millis(NOW - 60_000), "{text}");
    }
}

#[test]
fn an_order_of_a_page_needs_no_address_where_its_browser_is_known_or_must_not_be() {
    let order = |more: &str| {
        format!(r#"{{"type":"purchase","orderId":"o","revenue":5,"currency":"EUR"{more}}}"#)
    };
    let own = order(r#","anonymousId":"v""#);
    let event = accepted(entry_at(&own, &arrival(Speaker::Browser)));
    assert_eq!(event.email, None);
    assert_eq!(event.anonymous_id.unwrap().as_str(), "v");
    for context in [r#"{"anonymousId":"v"}"#, r#"{"anonymous":true}"#] {
        let text = format!(r#"{{"events":[],"context":{context}}}"#);
        let batch = batch_of(&text).unwrap();
        let at = |source| Arrival {
            context: batch.context.as_ref(),
            ..arrival(source)
        };
        accepted(entry_at(&order(""), &at(Speaker::Browser)));
        refused(
            entry_at(&order(""), &at(Speaker::Server)),
            "missing_field",
            Some("email"),
        );
    }
    refused(
        entry_at(&own, &arrival(Speaker::Server)),
        "missing_field",
        Some("email"),
    );
    refused(
        entry_at(&order(""), &arrival(Speaker::Browser)),
        "missing_field",
        Some("email"),
    );
    // Its own route takes no browser.
    let alone = super::super::parse_purchase(&body(&own).unwrap(), &arrival(Speaker::Browser));
    refused(alone, "missing_field", Some("email"));
}

#[test]
fn an_entry_over_32_kb_is_refused_and_keeps_its_id() {
    let sized = |bytes: usize| {
        let frame =
            format!(r#"{{"type":"track","event":"x","email":"a@b.c","id":"{UUID}","q":""}}"#);
        frame.replace(
            r#""q":"""#,
            &format!(r#""q":"{}""#, "x".repeat(bytes - frame.len())),
        )
    };
    accepted(entry(&sized(32 * 1024)));
    let parsed = refused(entry(&sized(32 * 1024 + 1)), "event_too_large", None);
    assert_eq!(parsed.sent_id.unwrap().as_sent(), UUID);
    assert_eq!(parsed.name.as_deref(), Some("x"));
}

#[test]
fn purchases_need_a_key_that_may_send_them() {
    let arrival = Arrival {
        purchases_allowed: false,
        deliveries_allowed: true,
        order_currency: None,
        ..arrival(Speaker::Browser)
    };
    refused(
        entry_at(&order_with(r#""type":"purchase""#), &arrival),
        "purchases_not_allowed",
        None,
    );
    let bad_id = order_with(r#""type":"purchase","id":7"#);
    refused(entry_at(&bad_id, &arrival), "invalid_id", Some("id"));
}

#[test]
fn the_context_serves_events_that_name_nobody() {
    let batch =
        batch_of(r#"{"events":[],"context":{"email":"ctx@b.c","anonymousId":"ctx"}}"#).unwrap();
    let arrival = Arrival {
        context: batch.context.as_ref(),
        ..arrival(Speaker::Browser)
    };
    let event = accepted(entry_at(r#"{"type":"track","event":"x"}"#, &arrival));
    assert_eq!(event.email.unwrap().original(), "ctx@b.c");
    assert_eq!(event.anonymous_id.unwrap().as_str(), "ctx");
    let own = accepted(entry_at(
        r#"{"type":"track","event":"x","email":"own@b.c","anonymousId":"own"}"#,
        &arrival,
    ));
    assert_eq!(own.email.unwrap().original(), "own@b.c");
    assert_eq!(own.anonymous_id.unwrap().as_str(), "own");
}

#[test]
fn an_address_that_is_refused_stops_its_identify_alone_where_the_browser_is_known() {
    let batch = batch_of(r#"{"events":[],"context":{"anonymousId":"ctx"}}"#).unwrap();
    let arrival = Arrival {
        context: batch.context.as_ref(),
        ..arrival(Speaker::Browser)
    };
    let taken = accepted(entry_at(
        r#"{"type":"track","event":"x","email":"nobody"}"#,
        &arrival,
    ));
    assert_eq!(taken.email, None);
    assert_eq!(taken.anonymous_id.unwrap().as_str(), "ctx");
    assert_eq!(taken.unknown_fields, ["email"]);
    let identify = entry_at(r#"{"type":"identify","email":"nobody"}"#, &arrival);
    refused(identify, "invalid_email", Some("email"));
}

#[test]
fn an_invalid_context_refuses_only_the_events_that_use_it() {
    let batch = batch_of(r#"{"events":[],"context":{"email":"nobody"}}"#).unwrap();
    let arrival = Arrival {
        context: batch.context.as_ref(),
        ..arrival(Speaker::Server)
    };
    refused(
        entry_at(r#"{"type":"track","event":"x"}"#, &arrival),
        "invalid_email",
        Some("context.email"),
    );
    accepted(entry_at(
        r#"{"type":"track","event":"x","email":"a@b.c"}"#,
        &arrival,
    ));
}
