//! Which of a contact's instants a window takes in, at any present, and when that changes: an instant enters a window
//! once and leaves it once, earlier ones no later than later ones, so that those inside lie side by side.

use std::ops::Range;

use shared::segment::calendar::Calendar;
use shared::segment::tree::{Moment, Window};
use shared::time::Timestamp;

/// A window, with what its calendar says of it worked out. Instants in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// From the instant itself on.
    Always,
    /// From so long behind the instant until so long behind it.
    Behind { from: i64, until: i64 },
    /// From the instant itself on, of those from the one and before the other.
    Fixed { from: i64, before: i64 },
    /// On the day of the instant.
    Today,
}

impl When {
    /// `None` where the window's ends move with the present in another way.
    pub(super) fn of(window: Option<Window>, calendar: &Calendar) -> Option<Self> {
        let fixed = |moment: Moment| match moment {
            Moment::At(at) => Some(at.as_millis()),
            Moment::StartOf(day) => Some(calendar.start_of(day).as_millis()),
            Moment::Now | Moment::Ago(_) | Moment::Ahead(_) => None,
        };
        Some(match window {
            None => Self::Always,
            Some(Window::Within(span)) => Self::Behind {
                from: 0,
                until: span.as_millis(),
            },
            Some(Window::Ago { from, to }) => Self::Behind {
                from: to.as_millis(),
                until: from.as_millis(),
            },
            Some(Window::Between(from, before)) => Self::Fixed {
                from: fixed(from)?,
                before: fixed(before)?,
            },
            Some(Window::Today) => Self::Today,
        })
    }

    /// Which of these instants, which ascend, it takes in at `now`; and when it takes in others, unless it never does.
    pub(super) fn at(
        self,
        times: &[i64],
        now: i64,
        calendar: &Calendar,
    ) -> (Range<usize>, Option<i64>) {
        let upto = |last: i64| times.partition_point(|time| *time <= last);
        match self {
            Self::Always => {
                let end = upto(now);
                (0..end, times.get(end).copied())
            }
            Self::Behind { from, until } => {
                let end = upto(now.saturating_sub(from));
                let start = upto(now.saturating_sub(until)).min(end);
                let enters = times.get(end).map(|time| time.saturating_add(from));
                let leaves = times.get(start).map(|time| time.saturating_add(until));
                (start..end, enters.into_iter().chain(leaves).min())
            }
            Self::Fixed { from, before } => {
                let start = times.partition_point(|time| *time < from);
                let last = times.partition_point(|time| *time < before).max(start);
                let end = upto(now).clamp(start, last);
                let enters = times[..last].get(end).copied();
                (start..end, enters)
            }
            Self::Today => {
                let today = calendar.day_of(Timestamp::from_millis(now));
                let first = calendar.start_of(today).as_millis();
                let end = upto(now);
                let start = times.partition_point(|time| *time < first).min(end);
                let enters = times.get(end).copied();
                let ends = (start < end).then(|| calendar.start_of(today.after()).as_millis());
                (start..end, enters.into_iter().chain(ends).min())
            }
        }
    }

    /// Whether a contact is younger than the window at `now`, and when that is otherwise, unless it never is.
    pub(super) fn is_younger(
        self,
        first_seen: Option<i64>,
        now: i64,
        calendar: &Calendar,
    ) -> (bool, Option<i64>) {
        let Some(first) = first_seen else {
            return (true, None);
        };
        match self {
            // It has no beginning.
            Self::Always => (false, None),
            Self::Behind { until, .. } => {
                let turns = first.saturating_add(until);
                (turns > now, (turns > now).then_some(turns))
            }
            Self::Fixed { from, .. } => (first > from, None),
            Self::Today => {
                let day = |at: i64| calendar.day_of(Timestamp::from_millis(at));
                let young = first > calendar.start_of(day(now)).as_millis();
                let turns = || calendar.start_of(day(first).after()).as_millis();
                (young, young.then(turns))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::segment::span::Span;

    use super::*;

    /// Some that are near each other, some at one instant, one far away.
    const TIMES: [i64; 6] = [1_000, 1_000, 5_000, 86_400_000, 86_401_000, 200_000_000];

    #[test]
    fn nothing_changes_before_the_instant_that_is_told() {
        let span = |text: &str| Span::parse(text).unwrap();
        let windows = [
            None,
            Some(Window::Within(span("4s"))),
            Some(Window::Ago {
                from: span("10s"),
                to: span("2s"),
            }),
            Some(Window::Between(
                Moment::At(Timestamp::from_millis(1_001)),
                Moment::At(Timestamp::from_millis(86_401_000)),
            )),
            Some(Window::Today),
        ];
        for window in windows {
            let when = When::of(window, &Calendar::UTC).unwrap();
            let mut at = -10;
            let mut turns = 0;
            loop {
                let (inside, next) = when.at(&TIMES, at, &Calendar::UTC);
                let end = next.unwrap_or(at + 400_000_000);
                assert!(end > at, "{window:?} at {at}");
                for later in [at, (at + end) / 2, end - 1] {
                    let again = when.at(&TIMES, later, &Calendar::UTC).0;
                    assert_eq!(TIMES[again], TIMES[inside.clone()], "{window:?} at {later}");
                }
                turns += 1;
                match next {
                    Some(next) => at = next,
                    None => break,
                }
            }
            assert!(turns > 1, "{window:?}");
        }
    }
}
