//! Tests of messages to be registered.

use super::*;

fn message(text: &str) -> ParsedMessage {
    parse_message(&body(text).unwrap(), Timestamp::from_millis(NOW))
}

/// A message with one more field.
fn message_with(field: &str) -> ParsedMessage {
    message(&format!(r#"{{"email":"a@b.c",{field}}}"#))
}

fn outgoing(field: &str) -> Outgoing {
    message_with(field).outcome.unwrap()
}

#[test]
fn a_message_with_everything_is_read_whole() {
    let parsed = message(
        r#"{"email":" Alice@Example.com ","messageId":" m-1 ","campaignId":"spring","type":"transactional",
        "subject":"Ünder\u00a0way","sentAt":"2026-11-23T11:00:00+02:00","html":"<p>\n</p>","text":" t ",
        "trackOpens":false,"trackClicks":false,"pixel":"start",
        "utm":{"source":"s","medium":"m","campaign":"c","term":"t","content":"x"}}"#,
    );
    assert!(parsed.unknown_fields.is_empty());
    assert_eq!(parsed.message_id.unwrap().as_str(), "m-1");
    let outgoing = parsed.outcome.unwrap();
    assert_eq!(outgoing.email.normalised(), "alice@example.com");
    assert_eq!(outgoing.email.original(), "Alice@Example.com");
    assert_eq!(outgoing.campaign_id.unwrap().as_str(), "spring");
    assert!(outgoing.is_transactional);
    assert_eq!(outgoing.subject.as_deref(), Some("Ünder\u{a0}way"));
    let sent_at = outgoing.sent_at.unwrap().as_millis();
    assert_eq!(sent_at, NOW - 3_600_000);
    // The parts are nobody's to trim.
    assert_eq!(outgoing.html.as_deref(), Some("<p>\n</p>"));
    assert_eq!(outgoing.text.as_deref(), Some(" t "));
    assert!(!outgoing.track_opens && outgoing.is_pixel_first);
    assert_eq!(outgoing.track_clicks, TrackClicks::Nowhere);
    let utm = UtmParameters {
        source: Some("s".into()),
        medium: Some("m".into()),
        campaign: Some("c".into()),
        term: Some("t".into()),
        content: Some("x".into()),
    };
    assert_eq!(outgoing.utm, Some(utm));
}

#[test]
fn nothing_but_the_address_is_needed_and_null_counts_as_absent() {
    let bare = message(r#"{"email":"a@b.c"}"#);
    assert!(bare.message_id.is_none());
    let nulls = message_with(
        r#""messageId":null,"campaignId":null,"type":null,"subject":null,"sentAt":null,"html":null,
        "text":null,"trackOpens":null,"trackClicks":null,"pixel":null,"utm":null"#,
    );
    assert!(nulls == bare);
    let outgoing = bare.outcome.unwrap();
    assert!(outgoing.track_opens && !outgoing.is_pixel_first && !outgoing.is_transactional);
    assert_eq!(outgoing.track_clicks, TrackClicks::Everywhere);
    assert!(outgoing.html.is_none() && outgoing.utm.is_none());
    let nulls = self::outgoing(r#""utm":{"source":null}"#);
    assert_eq!(nulls.utm, Some(UtmParameters::default()));
}

#[test]
fn links_may_be_tracked_in_the_html_part_alone_and_a_pixel_stand_first() {
    let html = outgoing(r#""trackClicks":"html","trackOpens":"html","pixel":"end""#);
    assert_eq!(html.track_clicks, TrackClicks::Html);
    assert!(html.track_opens && !html.is_pixel_first);
    assert!(outgoing(r#""pixel":"start""#).is_pixel_first);
}

#[test]
fn fields_that_are_not_known_are_named_with_their_path() {
    let parsed = message_with(r#""Subject":"x","utm":{"source":"s","id":"7"},"key":"msk_pub_x""#);
    assert_eq!(parsed.unknown_fields, ["Subject", "key", "utm.id"]);
    assert!(parsed.outcome.is_ok());
}

#[test]
fn each_field_of_a_message_has_its_bounds() {
    for field in [
        format!(r#""subject":"{}""#, "é".repeat(998)),
        r#""subject":"""#.into(),
        format!(r#""messageId":"{}""#, "é".repeat(255)),
        r#""type":"campaign""#.into(),
        r#""html":"""#.into(),
        r#""sentAt":"2000-01-01T00:00:00Z""#.into(),
        r#""sentAt":"2026-12-23T10:00:00Z""#.into(),
        format!(r#""utm":{{"source":"{}"}}"#, "é".repeat(255)),
        r#""utm":{}"#.into(),
    ] {
        assert!(message_with(&field).outcome.is_ok(), "{field}");
    }
}

#[test]
fn each_field_of_a_message_is_refused_by_its_own_code() {
    let long = |field: &str, chars: usize| format!(r#""{field}":"{}""#, "é".repeat(chars));
    for (field, code, path) in [
        (r#""email":null"#.into(), "missing_field", "email"),
        (r#""email":"nobody""#.into(), "invalid_email", "email"),
        (r#""email":7"#.into(), "invalid_email", "email"),
        (
            r#""messageId":{}"#.into(),
            "invalid_message_id",
            "messageId",
        ),
        (
            r#""messageId":" ""#.into(),
            "invalid_message_id",
            "messageId",
        ),
        (long("messageId", 256), "invalid_message_id", "messageId"),
        (
            r#""campaignId":true"#.into(),
            "invalid_campaign_id",
            "campaignId",
        ),
        (
            r#""campaignId":"""#.into(),
            "invalid_campaign_id",
            "campaignId",
        ),
        (long("campaignId", 256), "invalid_campaign_id", "campaignId"),
        (r#""type":"Campaign""#.into(), "invalid_type", "type"),
        (r#""type":7"#.into(), "invalid_type", "type"),
        (r#""subject":7"#.into(), "invalid_subject", "subject"),
        (long("subject", 999), "invalid_subject", "subject"),
        (r#""subject":"\ud800""#.into(), "invalid_subject", "subject"),
        (
            r#""sentAt":1795428000"#.into(),
            "invalid_timestamp",
            "sentAt",
        ),
        (
            r#""sentAt":"tomorrow""#.into(),
            "invalid_timestamp",
            "sentAt",
        ),
        (
            r#""sentAt":"1999-12-31T23:59:59Z""#.into(),
            "invalid_timestamp",
            "sentAt",
        ),
        (
            r#""sentAt":"2026-12-23T10:00:00.001Z""#.into(),
            "invalid_timestamp",
            "sentAt",
        ),
        (r#""html":["<p>"]"#.into(), "invalid_html", "html"),
        (r#""html":"\ud800""#.into(), "invalid_html", "html"),
        (r#""text":7"#.into(), "invalid_text", "text"),
        (
            r#""trackOpens":"true""#.into(),
            "invalid_flag",
            "trackOpens",
        ),
        (r#""trackClicks":1"#.into(), "invalid_flag", "trackClicks"),
        (
            r#""trackClicks":"text""#.into(),
            "invalid_flag",
            "trackClicks",
        ),
        (r#""trackOpens":"yes""#.into(), "invalid_flag", "trackOpens"),
        (r#""pixel":"top""#.into(), "invalid_flag", "pixel"),
        (r#""pixel":true"#.into(), "invalid_flag", "pixel"),
        (r#""utm":"newsletter""#.into(), "invalid_utm", "utm"),
        (r#""utm":[1]"#.into(), "invalid_utm", "utm"),
        (r#""utm":{"source":7}"#.into(), "invalid_utm", "utm.source"),
        (r#""utm":{"medium":""}"#.into(), "invalid_utm", "utm.medium"),
        (
            r#""utm":{"campaign":"a\nb"}"#.into(),
            "invalid_utm",
            "utm.campaign",
        ),
        (
            format!(r#""utm":{{{}}}"#, long("term", 256)),
            "invalid_utm",
            "utm.term",
        ),
        (
            r#""utm":{"content":{}}"#.into(),
            "invalid_utm",
            "utm.content",
        ),
    ] {
        let field: String = field;
        let rejection = message_with(&field).outcome.unwrap_err();
        let told = (rejection.code, rejection.field.as_deref());
        assert_eq!(told, (code, Some(path)), "{field}");
        assert!(crate::rejection::codes::ALL.contains(&rejection.code));
        assert!(rejection.message.len() > 10 && !rejection.message.contains("nobody"));
    }
}

#[test]
fn what_is_wrong_with_a_message_leaves_its_id_readable() {
    let parsed = message(r#"{"messageId":"m-1","email":"nobody"}"#);
    assert_eq!(parsed.message_id.unwrap().as_str(), "m-1");
    let shown = format!("{:?}", message_with(r#""html":"<p>secret</p>""#));
    assert!(
        !shown.contains("secret") && !shown.contains("a@b.c"),
        "{shown}"
    );
}

#[test]
fn a_batch_holds_a_list_of_at_most_1000_messages() {
    fn read(text: &str) -> Result<usize, Option<Rejection>> {
        parse_messages(&body(text).unwrap()).map(|messages| messages.len())
    }
    let many = |count| format!(r#"{{"messages":[{}]}}"#, std::vec!["7"; count].join(","));
    assert_eq!(read(&many(0)).unwrap(), 0);
    assert_eq!(read(&many(1_000)).unwrap(), 1_000);
    assert!(read(&many(1_001)).unwrap_err().is_none());
    for (text, code) in [
        ("{}", "missing_field"),
        (r#"{"messages":null}"#, "missing_field"),
        (r#"{"messages":{}}"#, "invalid_body"),
    ] {
        let rejection = read(text).unwrap_err().unwrap();
        assert_eq!(
            (rejection.code, rejection.field.as_deref()),
            (code, Some("messages"))
        );
    }
}
