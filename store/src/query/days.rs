//! Time zones, and their days as spans of time: where one begins and ends.

use jiff::civil::Date;
use shared::time::Timestamp;

/// A time zone by its IANA name, such as `Europe/Paris`; UTC unless said.
#[derive(Debug, Clone)]
pub struct Zone(jiff::tz::TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(jiff::tz::TimeZone::UTC)
    }
}

impl Zone {
    pub fn parse(name: &str) -> Option<Self> {
        jiff::tz::TimeZone::get(name).ok().map(Self)
    }

    pub(super) fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    pub(super) fn day(&self, millis: i64) -> String {
        // Every time on record has four digits of a year, which jiff can hold.
        let time = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
        self.0.to_datetime(time).date().to_string()
    }

    /// The first moment of a day, which is not midnight where the clock jumps over it. Days beyond what
    /// a [`Timestamp`] can hold begin at its ends.
    #[must_use]
    pub fn start_of(&self, day: Date) -> Timestamp {
        let start = day
            .to_zoned_datetime(self.0.clone())
            .and_then(|moment| moment.start_of_day());
        let millis = match start {
            Ok(start) => start.timestamp().as_millisecond(),
            Err(_) if day.year() > 0 => i64::MAX,
            Err(_) => i64::MIN,
        };
        Timestamp::from_millis(millis)
    }

    /// The first moment of the day behind a day.
    #[must_use]
    pub fn end_of(&self, day: Date) -> Timestamp {
        match day.tomorrow() {
            Ok(next) => self.start_of(next),
            Err(_) => Timestamp::from_millis(i64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_as_long_as_its_zone_makes_it() {
        for (zone, day, start, end) in [
            (
                "UTC",
                "2026-11-26",
                "2026-11-26T00:00:00Z",
                "2026-11-27T00:00:00Z",
            ),
            (
                "Europe/Paris",
                "2026-11-26",
                "2026-11-25T23:00:00Z",
                "2026-11-26T23:00:00Z",
            ),
            // 23 and 25 hours.
            (
                "Europe/Paris",
                "2026-03-29",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
            (
                "Europe/Paris",
                "2026-10-25",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
            ),
            // There is no midnight on that day.
            (
                "Africa/Cairo",
                "2024-04-26",
                "2024-04-25T22:00:00Z",
                "2024-04-26T21:00:00Z",
            ),
            (
                "Asia/Kolkata",
                "2026-11-26",
                "2026-11-25T18:30:00Z",
                "2026-11-26T18:30:00Z",
            ),
            (
                "UTC",
                "9999-12-31",
                "9999-12-30T22:00:00Z",
                "9999-12-30T22:00:00Z",
            ),
        ] {
            let (zone, day) = (Zone::parse(zone).unwrap(), day.parse().unwrap());
            assert_eq!(zone.start_of(day).to_string(), start);
            assert_eq!(zone.end_of(day).to_string(), end);
        }
    }

    #[test]
    fn a_day_begins_where_its_zone_says() {
        let late = Timestamp::parse_rfc3339("2026-11-23T23:30:00Z")
            .unwrap()
            .as_millis();
        assert_eq!(Zone::default().day(late), "2026-11-23");
        assert_eq!(Zone::parse("Europe/Paris").unwrap().day(late), "2026-11-24");
        assert_eq!(
            Zone::parse("Asia/Kathmandu").unwrap().name(),
            "Asia/Kathmandu"
        );
        assert!(Zone::parse("Mars/Olympus").is_none());
    }
}
