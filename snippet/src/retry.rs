//! What an answer means for the events it was about, and how long to wait before the next try.

/// What to do with the events of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Each got its verdict: they are done.
    Done,
    /// The network or the server failed: the same again, later.
    Again,
    /// The key or the site is refused, or nobody ever answers: nothing more is sent from this page, and
    /// what waits is kept.
    Stop,
    /// This request is refused for ever.
    Refused,
}

/// What stands for "try no more": so often no answer came that somebody must be in the way.
pub const GIVE_UP: u32 = 1;

/// Judges a status of the collector; 0 stands for no answer of its own.
pub fn outcome(status: u32) -> Outcome {
    match status {
        200..=299 => Outcome::Done,
        GIVE_UP | 401 | 403 => Outcome::Stop,
        400 | 413 | 415 | 422 => Outcome::Refused,
        // A path or a method that something on the way has changed: a redirect, a roll-out.
        _ => Outcome::Again,
    }
}

const BASE_MS: f64 = 500.0;
const CAP_MS: f64 = 60_000.0;
/// A Retry-After counts up to an hour: a server's mistake must not silence a page for days.
const MAX_RETRY_AFTER_MS: f64 = 3_600_000.0;

/// How long to wait after so many failures in a row, in milliseconds: full jitter over a doubling
/// span, so that pages do not come back together after an outage. A Retry-After comes first, and
/// the jitter after it.
pub fn delay(failures: u32, retry_after: f64, random: f64) -> f64 {
    let mut span = BASE_MS;
    for _ in 0..failures.min(7) {
        span *= 2.0;
    }
    // NaN is none either: a header that is neither seconds nor a date.
    let first = if retry_after > 0.0 {
        retry_after.min(MAX_RETRY_AFTER_MS)
    } else {
        0.0
    };
    first + span.min(CAP_MS) * random
}

#[cfg(not(target_arch = "wasm32"))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in [0, 302, 404, 405, 408, 410, 429, 500, 502, 503, 504, 599] {
            assert_eq!(outcome(status), Outcome::Again, "{status}");
        }
        for status in [400, 413, 415, 422] {
            assert_eq!(outcome(status), Outcome::Refused, "{status}");
        }
        assert_eq!(outcome(200), Outcome::Done);
        assert_eq!([401, 403, GIVE_UP].map(outcome), [Outcome::Stop; 3]);
    }

    #[test]
    fn waits_double_up_to_a_minute_and_are_spread_over_all_of_it() {
        assert_eq!(delay(0, 0.0, 0.0), 0.0);
        for (failures, span) in [
            (0, 500.0),
            (1, 1_000.0),
            (6, 32_000.0),
            (7, 60_000.0),
            (99, 60_000.0),
        ] {
            let longest = delay(failures, 0.0, 0.9999);
            assert!(
                longest <= span && longest > span * 0.999,
                "{failures} {longest}"
            );
            assert_eq!(delay(failures, 0.0, 0.5), span / 2.0);
        }
    }

    #[test]
    fn a_retry_after_is_waited_for_first() {
        assert_eq!(delay(0, 7_000.0, 0.5), 7_250.0);
        for nonsense in [f64::NAN, -5.0] {
            assert_eq!(delay(0, nonsense, 0.5), 250.0);
        }
        assert_eq!(delay(0, f64::INFINITY, 0.0), MAX_RETRY_AFTER_MS);
    }
}
