//! From when to when: instants, and days of a time zone.

use jiff::civil::Date;
use shared::time::Timestamp;

use super::{Value, invalid};
use crate::error::ApiError;
use store::query::report::Zone;

/// One end of a span: an instant (RFC 3339), or a day of the zone.
#[derive(Debug, Clone, Copy)]
pub(in crate::routes) enum Bound {
    Instant(Timestamp),
    Day(Date),
}

impl Value for Bound {
    fn parse(text: &str) -> Result<Self, String> {
        // `jiff` takes more forms of a date than this one.
        let is_date = text.len() == 10 && text.is_ascii();
        if let Some(day) = is_date.then(|| text.parse().ok()).flatten() {
            return Ok(Self::Day(day));
        }
        // In a query an unescaped `+` reads as a space.
        let instant = Timestamp::parse_rfc3339(&text.replace(' ', "+"));
        instant.map(Self::Instant).map_err(|_| {
            "send a time such as 2026-11-23T10:00:00Z (RFC 3339), or a day such as 2026-11-23"
                .to_owned()
        })
    }
}

/// A span of time; without an end it is open there. Instants are half-open. A day as the first end begins with
/// its first moment, as the last one it ends with its last, so that a span from a day to the same day is that day.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::routes) struct Span {
    pub(in crate::routes) from: Option<Timestamp>,
    pub(in crate::routes) to: Option<Timestamp>,
}

impl Span {
    /// The span between these two parameters.
    ///
    /// # Errors
    /// 422 where it ends before it begins: nothing could ever lie in it. One that ends where it begins is empty,
    /// as a program's window may be.
    pub(in crate::routes) fn between(
        (from_name, from): (&'static str, Option<Bound>),
        (to_name, to): (&'static str, Option<Bound>),
        zone: &Zone,
    ) -> Result<Self, ApiError> {
        let begins = from.map(|bound| match bound {
            Bound::Instant(at) => at,
            Bound::Day(day) => zone.start_of(day),
        });
        let ends = to.map(|bound| match bound {
            Bound::Instant(at) => at,
            Bound::Day(day) => zone.end_of(day),
        });
        if let (Some(begins), Some(ends)) = (begins, ends) {
            // A day ends where the next one begins, and lies before it.
            let is_day = matches!(to, Some(Bound::Day(_)));
            if begins > ends || (begins == ends && is_day) {
                let message = format!(
                    "`{from_name}` lies after `{to_name}`: send the earlier time as `{from_name}`"
                );
                return Err(invalid(from_name, &message));
            }
        }
        Ok(Self {
            from: begins,
            to: ends,
        })
    }
}
