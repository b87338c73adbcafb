//! When a key is to expire, as the command line says it and as it is shown.

use jiff::tz::TimeZone;
use jiff::{Span, SpanRound, Unit};
use shared::time::Timestamp;

/// An instant, or a time from now on.
#[derive(Debug, Clone)]
pub(super) enum Expiry {
    At(Timestamp),
    In(Span),
}

impl Expiry {
    /// Reads `2027-01-31T00:00:00Z`, or `90d`, `12h`, `1y 6mo`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(at) = Timestamp::parse_rfc3339(text) {
            return Ok(Self::At(at));
        }
        match text.parse::<Span>() {
            Ok(span) if span.is_positive() => Ok(Self::In(span)),
            Ok(_) | Err(_) => Err(
                "it is a time from now on, such as 90d, 12h or 1y, or an instant such as 2027-01-31T00:00:00Z"
                    .to_owned(),
            ),
        }
    }

    /// The instant that is meant; a day is as long as the calendar's in UTC, a month too.
    pub(super) fn resolve(&self, now: Timestamp) -> Result<Timestamp, String> {
        let span = match self {
            Self::At(at) => return Ok(*at),
            Self::In(span) => *span,
        };
        jiff::Timestamp::from_millisecond(now.as_millis())
            .and_then(|now| now.to_zoned_datetime(TimeZone::UTC).checked_add(span))
            .map(|end| Timestamp::from_millis(end.timestamp().as_millisecond()))
            .map_err(|_| "so long lives no key: choose an instant before the year 10000".to_owned())
    }
}

/// How far off an end is, for people: `in 90d`, `since 3h 5m`.
pub(super) fn distance(end: Timestamp, now: Timestamp) -> String {
    let millis = end.millis_since(now);
    let minutes = (millis.abs() + 30_000) / 60_000;
    let round = SpanRound::new()
        .largest(Unit::Day)
        .smallest(Unit::Minute)
        .days_are_24_hours();
    let span = Span::new().try_minutes(minutes);
    let text = match span.and_then(|span| span.round(round)) {
        Ok(span) if minutes > 0 => format!("{span:#}"),
        Ok(_) | Err(_) => "less than a minute".to_owned(),
    };
    if millis > 0 {
        format!("in {text}")
    } else {
        format!("since {text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-23T10:00:00Z";

    fn instant(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn an_end_is_an_instant_or_a_time_from_now_on() {
        for (text, end, shown) in [
            ("90d", "2027-02-21T10:00:00Z", "in 90d"),
            ("12h", "2026-11-23T22:00:00Z", "in 12h"),
            ("90min", "2026-11-23T11:30:00Z", "in 1h 30m"),
            ("2w", "2026-12-07T10:00:00Z", "in 14d"),
            ("1y", "2027-11-23T10:00:00Z", "in 365d"),
            ("3mo", "2027-02-23T10:00:00Z", "in 92d"),
            ("1d 12h", "2026-11-24T22:00:00Z", "in 1d 12h"),
            (" 20s ", "2026-11-23T10:00:20Z", "in less than a minute"),
            ("2027-01-31T00:00:00Z", "2027-01-31T00:00:00Z", "in 68d 14h"),
            (
                "2027-01-31T02:00:00+02:00",
                "2027-01-31T00:00:00Z",
                "in 68d 14h",
            ),
            ("2026-11-23T09:00:00Z", "2026-11-23T09:00:00Z", "since 1h"),
        ] {
            let now = instant(NOW);
            let resolved = Expiry::parse(text).unwrap().resolve(now).unwrap();
            assert_eq!(resolved, instant(end), "{text}");
            assert_eq!(distance(resolved, now), shown, "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "",
            "90",
            "0d",
            "-1d",
            "1d ago",
            "soon",
            "2027-01-31",
            "never",
        ] {
            assert!(Expiry::parse(text).is_err(), "{text}");
        }
        let far = Expiry::parse("9999y").unwrap();
        assert!(far.resolve(instant(NOW)).is_err());
    }
}
