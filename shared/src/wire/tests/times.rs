//! Tests of when an event happened: whose clock is believed, and how far.

use super::*;

/// The time of a track event with these fields, relative to the arrival.
fn time_of(
    fields: &str,
    source: Speaker,
    sent_at: Option<i64>,
) -> Result<(i64, bool), &'static str> {
    let sent_at = sent_at.map(Timestamp::from_millis);
    let arrival = Arrival {
        sent_at,
        ..arrival(source)
    };
    let text = format!(r#"{{"type":"track","event":"x","anonymousId":"v"{fields}}}"#);
    match entry_at(&text, &arrival).outcome {
        Ok(event) => Ok((event.time.as_millis() - NOW, event.time_sent)),
        Err(rejection) => Err(rejection.code),
    }
}

#[test]
fn a_browsers_age_goes_before_its_clock() {
    let browser = |fields: &str| time_of(fields, Speaker::Browser, None);
    assert_eq!(browser(""), Ok((0, false)));
    assert_eq!(browser(r#","age":1500.9"#), Ok((-1500, false)));
    assert_eq!(browser(r#","age":1.5e3"#), Ok((-1500, false)));
    assert_eq!(browser(r#","age":-1500"#), Ok((0, false)));
    assert_eq!(browser(r#","age":-1e99999"#), Ok((0, false)));
    assert_eq!(browser(r#","age":1e-99999"#), Ok((0, false)));
    assert_eq!(
        browser(r#","age":10,"timestamp":"1985-01-01T00:00:00Z""#),
        Ok((-10, false))
    );
    assert_eq!(
        browser(r#","age":10,"timestamp":"yesterday""#),
        Err("invalid_timestamp")
    );
    assert_eq!(
        browser(&format!(r#","age":{MAX_AGE_MS}"#)),
        Ok((-MAX_AGE_MS, false))
    );
    assert_eq!(
        browser(&format!(r#","age":{}"#, MAX_AGE_MS + 1)),
        Err("too_old")
    );
    assert_eq!(browser(r#","age":1e99999"#), Err("too_old"));
    assert_eq!(browser(r#","age":true"#), Err("invalid_age"));
    assert_eq!(
        browser(r#","timestamp":"2026-11-23T09:59:00Z""#),
        Ok((-60_000, true))
    );
}

#[test]
fn of_a_browser_nothing_counts_that_is_more_than_seven_days_old_however_it_is_told() {
    let at = |after: i64| Timestamp::from_millis(NOW + after).to_string();
    let bare = |after| {
        let fields = format!(r#","timestamp":"{}""#, at(after));
        time_of(&fields, Speaker::Browser, None)
    };
    let by_difference = |after, skew| {
        let fields = format!(r#","timestamp":"{}""#, at(after + skew));
        time_of(&fields, Speaker::Browser, Some(NOW + skew))
    };
    assert_eq!(bare(-MAX_AGE_MS), Ok((-MAX_AGE_MS, true)));
    for too_old in [-MAX_AGE_MS - 1, -400 * MAX_AHEAD_MS, 1 - NOW] {
        assert_eq!(bare(too_old), Err("too_old"));
        let fields = format!(r#","age":{}"#, -too_old);
        assert_eq!(time_of(&fields, Speaker::Browser, None), Err("too_old"));
        for skew in [0, -1_000_000_000_000, 1_000_000_000_000] {
            assert_eq!(by_difference(too_old, skew), Err("too_old"));
            assert_eq!(by_difference(-MAX_AGE_MS, skew), Ok((-MAX_AGE_MS, false)));
        }
    }
    // A server's own past is its own.
    let fields = format!(r#","timestamp":"{}""#, at(-400 * MAX_AHEAD_MS));
    assert!(time_of(&fields, Speaker::Server, None).is_ok());
}

#[test]
fn more_than_a_day_ahead_is_refused_by_any_clock() {
    let at = |after: i64| Timestamp::from_millis(NOW + after).to_string();
    let fields = |after| format!(r#","timestamp":"{}""#, at(after));
    for source in [Speaker::Browser, Speaker::Server] {
        let bare = |after| time_of(&fields(after), source, None);
        assert_eq!(bare(MAX_AHEAD_MS), Ok((MAX_AHEAD_MS, true)));
        assert_eq!(bare(MAX_AHEAD_MS + 1), Err("invalid_timestamp"));
    }
    let by_difference =
        |after, skew| time_of(&fields(after + skew), Speaker::Browser, Some(NOW + skew));
    for skew in [0, -1_000_000_000_000] {
        assert_eq!(by_difference(MAX_AHEAD_MS, skew), Ok((0, false)));
        assert_eq!(
            by_difference(MAX_AHEAD_MS + 1, skew),
            Err("invalid_timestamp")
        );
    }
}

#[test]
fn without_an_age_a_browsers_clock_counts_by_its_difference() {
    // The visitor's clock is more than 40 years slow.
    let sent_at = Timestamp::parse_rfc3339("1985-01-01T00:00:10Z")
        .unwrap()
        .as_millis();
    let browser = |time: &str| {
        time_of(
            &format!(r#","timestamp":"{time}""#),
            Speaker::Browser,
            Some(sent_at),
        )
    };
    assert_eq!(browser("1985-01-01T00:00:00Z"), Ok((-10_000, false)));
    assert_eq!(browser("1985-01-01T00:00:20Z"), Ok((0, false)));
    assert_eq!(browser("1984-12-01T00:00:00Z"), Err("too_old"));
}

#[test]
fn a_servers_timestamp_goes_before_an_age() {
    let server = |fields: &str| time_of(fields, Speaker::Server, Some(NOW - 5));
    assert_eq!(
        server(r#","age":10,"timestamp":"2026-11-23T09:00:00Z""#),
        Ok((-3_600_000, true))
    );
    assert_eq!(server(r#","age":10"#), Ok((-10, false)));
    assert_eq!(
        server(r#","timestamp":"2001-01-01T00:00:00Z""#).map(|(_, sent)| sent),
        Ok(true)
    );
    assert_eq!(server(""), Ok((0, false)));
}

proptest! {
    #[test]
    fn accepted_times_lie_within_the_bounds(
        ahead in -2 * MAX_AGE_MS..2 * MAX_AHEAD_MS,
        age in prop::option::of(-1000..2 * MAX_AGE_MS),
        browser: bool,
        skew in prop::option::of(-1_000_000_000_000i64..1_000_000_000_000),
    ) {
        let source = if browser { Speaker::Browser } else { Speaker::Server };
        let time = Timestamp::from_millis(NOW + ahead);
        let mut fields = format!(r#","timestamp":"{time}""#);
        if let Some(age) = age {
            fields.push_str(&format!(r#","age":{age}"#));
        }
        match time_of(&fields, source, skew.map(|skew| NOW + skew)) {
            Ok((offset, true)) => {
                prop_assert_eq!(offset, ahead);
                prop_assert!(offset <= MAX_AHEAD_MS && (!browser || offset >= -MAX_AGE_MS));
            }
            Ok((offset, false)) => prop_assert!((-MAX_AGE_MS..=0).contains(&offset)),
            Err(code) => prop_assert!(code == "too_old" || code == "invalid_timestamp"),
        }
    }
}
