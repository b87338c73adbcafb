//! Calendar days of the workspace's time zone, as spans of time. The zone's rules are handed in.

use core::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::time::Timestamp;

/// A calendar date such as `2026-03-01`, of no zone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(Date);

impl Day {
    /// Reads `YYYY-MM-DD` and nothing looser; the years 0001 to 9998.
    #[must_use]
    pub fn parse(text: &str) -> Option<Day> {
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 10
            && bytes.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !shaped || !("0001".."9999").contains(&&text[..4]) {
            return None;
        }
        text.parse().ok().map(Day)
    }

    /// The day before it.
    pub(super) fn before(self) -> Day {
        Day(self.0.yesterday().unwrap_or(self.0))
    }

    /// The day after it.
    #[must_use]
    pub fn after(self) -> Day {
        Day(self.0.tomorrow().unwrap_or(self.0))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The days of one time zone.
#[derive(Clone, Debug)]
pub struct Calendar(TimeZone);

impl Calendar {
    /// The calendar of UTC.
    pub const UTC: Calendar = Calendar(TimeZone::UTC);

    /// The calendar of a zone.
    #[must_use]
    pub fn of(zone: TimeZone) -> Calendar {
        Calendar(zone)
    }

    /// The day on which a moment falls.
    #[must_use]
    pub fn day_of(&self, moment: Timestamp) -> Day {
        // Every timestamp has a year of four digits, which jiff can hold.
        let moment = jiff::Timestamp::from_millisecond(moment.as_millis()).unwrap_or_default();
        Day(self.0.to_datetime(moment).date())
    }

    /// The first moment of a day, which is not midnight where the clock jumps over it.
    #[must_use]
    pub fn start_of(&self, day: Day) -> Timestamp {
        let start = day.0.to_zoned_datetime(self.0.clone());
        let start = start.and_then(|moment| moment.start_of_day());
        Timestamp::from_millis(match start {
            Ok(start) => start.timestamp().as_millisecond(),
            Err(_) if day.0.year() > 1000 => i64::MAX,
            Err(_) => i64::MIN,
        })
    }
}
