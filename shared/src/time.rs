//! Points in time in milliseconds, read from and written as RFC 3339.
//! No clock: what time it is now is told by the caller.

use alloc::format;
use alloc::string::String;
use core::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z, within the years 0000 to 9999, so that every value can
/// be written as RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// 0000-01-01T00:00:00.000Z.
const MIN: i64 = -62_167_219_200_000;
/// 9999-12-30T22:00:00Z, the last whole second that `jiff` can hold.
const MAX: i64 = 253_402_207_200_000;

impl Timestamp {
    /// The moment that many milliseconds after 1970; beyond the years 0000 to 9999 the nearest one
    /// within them.
    #[must_use]
    pub fn from_millis(millis: i64) -> Timestamp {
        Timestamp(millis.clamp(MIN, MAX))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// The moment this many milliseconds later (earlier, where negative).
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to here; negative where `earlier` is the later one.
    #[must_use]
    pub fn millis_since(self, earlier: Timestamp) -> i64 {
        // Both lie within ±2^48, so this cannot overflow.
        self.0 - earlier.0
    }

    /// Reads RFC 3339 and nothing looser: date, `T`, time with seconds, any fraction, then `Z` or an
    /// offset such as `+02:00`. Floors to the millisecond; a leap second (`:60`) is read as `:59`, and what
    /// lies behind the last moment as that.
    ///
    /// # Errors
    /// [`TimeError`].
    pub fn parse_rfc3339(text: &str) -> Result<Timestamp, TimeError> {
        let text = gate(text).ok_or(TimeError)?;
        match text.parse::<jiff::Timestamp>() {
            Ok(exact) => match i64::try_from(exact.as_nanosecond().div_euclid(1_000_000)) {
                Ok(millis) if millis >= MIN => Ok(Timestamp::from_millis(millis)),
                _ => Err(TimeError),
            },
            // The last hours of the year 9999 are RFC 3339 too, though they have no moment of their own.
            Err(_) if is_good_a_year_before(&text) => Ok(Timestamp(MAX)),
            Err(_) => Err(TimeError),
        }
    }
}

/// Whether a time of the year 9999 is one of 9998 as well: both have the same days.
fn is_good_a_year_before(text: &str) -> bool {
    text.strip_prefix("9999")
        .is_some_and(|rest| format!("9998{rest}").parse::<jiff::Timestamp>().is_ok())
}

/// RFC 3339 in UTC: `2026-11-23T10:00:00Z`, with three decimals where there are milliseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        if self.0 % 1000 == 0 {
            write!(f, "{moment:.0}")
        } else {
            write!(f, "{moment:.3}")
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeError;

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Send a time as RFC 3339, such as 2026-11-23T10:00:00Z")
    }
}

impl core::error::Error for TimeError {}

/// The text in the form that `jiff` reads, where it has RFC 3339's shape. `jiff` alone also takes a
/// space for the `T`, times without seconds or punctuation, and zone names in brackets. Its fractions
/// end at nine digits, so longer ones are cut there: flooring to milliseconds would drop them anyway.
fn gate(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() < 20 {
        return None;
    }
    let (head, tail) = text.split_at(19);
    if !matches_shape(head, "dddd-dd-ddTdd:dd:dd") {
        return None;
    }
    let (fraction, offset) = match tail.strip_prefix('.') {
        Some(tail) => {
            let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return None;
            }
            tail.split_at(digits)
        }
        None => ("", tail),
    };
    let zulu = matches!(offset, "Z" | "z");
    if !zulu {
        let in_range =
            matches_shape(offset, "sdd:dd") && &offset[1..3] < "24" && &offset[4..] < "60";
        if !in_range {
            return None;
        }
    }
    let mut exact = String::with_capacity(36);
    exact.push_str(head);
    if !fraction.is_empty() {
        exact.push('.');
        exact.push_str(&fraction[..fraction.len().min(9)]);
    }
    exact.push_str(offset);
    exact.make_ascii_uppercase();
    Some(exact)
}

/// `d` stands for a digit, `s` for a sign, `T` for either case of it, all else for itself.
fn matches_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, wanted)| match wanted {
                b'd' => byte.is_ascii_digit(),
                b's' => matches!(byte, b'+' | b'-'),
                b'T' => matches!(byte, b'T' | b't'),
                _ => byte == wanted,
            })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString as _;

    #[track_caller]
    fn check(sent: &str, shown: &str) {
        assert_eq!(
            Timestamp::parse_rfc3339(sent).map(|time| time.to_string()),
            Ok(shown.into()),
            "{sent}"
        );
    }

    #[test]
    fn rfc_3339_is_read_and_shown_in_utc() {
        check("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z");
        check("2026-11-23t10:00:00z", "2026-11-23T10:00:00Z");
        check("2026-11-23T10:00:00.5+02:00", "2026-11-23T08:00:00.500Z");
        check("2026-11-23T10:00:00-00:00", "2026-11-23T10:00:00Z");
        check("2026-11-23T00:30:00+23:59", "2026-11-22T00:31:00Z");
        check("2024-02-29T23:59:59.120Z", "2024-02-29T23:59:59.120Z");
        check("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z");
        check("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z");
        check("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z");
        check("9999-12-30T22:00:00Z", "9999-12-30T22:00:00Z");
        for last in [
            "9999-12-30T22:00:01Z",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:60.9-23:59",
        ] {
            check(last, "9999-12-30T22:00:00Z");
        }
    }

    #[test]
    fn fractions_are_floored_to_the_millisecond_before_1970_too() {
        check(
            "2026-11-23T10:00:00.0019999999999Z",
            "2026-11-23T10:00:00.001Z",
        );
        check("2026-11-23T10:00:00.000999Z", "2026-11-23T10:00:00Z");
        check("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z");
        check("1969-12-31T23:59:59.0001Z", "1969-12-31T23:59:59Z");
    }

    #[test]
    fn everything_looser_is_refused() {
        for text in [
            "",
            "2026-11-23",
            "2026-11-23 10:00:00Z",
            "2026-11-23T10:00Z",
            "2026-11-23T10Z",
            "2026-11-23T10:00:00",
            "2026-11-23T10:00:00.Z",
            "2026-11-23T10:00:00,5Z",
            "20261123T100000Z",
            "2026-11-23T10:00:00+02",
            "2026-11-23T10:00:00+0200",
            "2026-11-23T10:00:00+24:00",
            "2026-11-23T10:00:00+02:60",
            "2026-11-23T10:00:00+02:00[Europe/Paris]",
            "2026-11-23T10:00:00Z[UTC]",
            "2026-11-23T10:00:00Z ",
            " 2026-11-23T10:00:00Z",
            "2026-02-29T10:00:00Z",
            "2026-13-01T10:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T10:60:00Z",
            "2026-11-23T10:00:61Z",
            "+002026-11-23T10:00:00Z",
            "1764000000",
            "2026-11-23T10:00:00é",
            "0000-01-01T00:00:00+01:00",
            "9999-12-32T00:00:00Z",
            "9999-02-29T00:00:00Z",
            "９026-11-23T10:00:00Z",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), Err(TimeError), "{text}");
        }
    }

    #[test]
    fn moments_beyond_four_digit_years_are_drawn_in() {
        for millis in [i64::MIN, i64::MAX] {
            let shown = Timestamp::from_millis(millis).to_string();
            assert!(
                shown.starts_with("0000-01-01T") || shown.starts_with("9999-12-30T"),
                "{shown}"
            );
        }
        assert_eq!(Timestamp::from_millis(5).plus_millis(-7).as_millis(), -2);
        assert_eq!(
            Timestamp::from_millis(5).millis_since(Timestamp::from_millis(9)),
            -4
        );
    }

    proptest! {
        #[test]
        fn a_moment_survives_its_text(millis in MIN..=MAX) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(Timestamp::parse_rfc3339(&time.to_string()), Ok(time));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", tail in "[-+0-9.:zZ]{0,12}") {
            let _ = Timestamp::parse_rfc3339(&text);
            let _ = Timestamp::parse_rfc3339(&std::format!("2026-11-23T10:00:00{tail}"));
        }
    }
}
