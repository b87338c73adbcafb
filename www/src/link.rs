//! The state of the connection to the live stream, and how long to wait before the next attempt.

/// How the stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Link {
    #[default]
    Connecting,
    Connected,
    /// The browser tries again by itself.
    Broken,
    /// We try again in so many seconds.
    Waiting(u32),
    /// Nobody looks: the page has let go of its stream until somebody does.
    Hidden,
}

impl Link {
    /// For the page's attribute.
    pub(crate) fn state(self, paused: bool) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected if paused => "paused",
            Self::Connected => "connected",
            Self::Broken | Self::Waiting(_) => "reconnecting",
            Self::Hidden => "hidden",
        }
    }

    /// For the reader.
    pub(crate) fn words(self, paused: bool) -> &'static str {
        match self {
            Self::Connecting => "Connecting",
            Self::Connected if paused => "Paused",
            Self::Connected => "Live",
            Self::Broken | Self::Waiting(_) => "Reconnecting",
            Self::Hidden => "Asleep while hidden",
        }
    }

    /// The part that changes each second, which is not to be read aloud.
    pub(crate) fn countdown(self) -> String {
        match self {
            Self::Waiting(seconds) => format!(" in {seconds} s"),
            _ => String::new(),
        }
    }
}

/// A stream says something every 15 s: one that has been silent for longer than two of these and a slow
/// network is dead, whatever the browser believes. In milliseconds.
pub(crate) const SILENCE: f64 = 40_000.0;

/// Whether a stream that was last heard then has been silent for too long.
pub(crate) fn is_dead(heard_at: f64, now: f64) -> bool {
    // A clock that was set back says nothing.
    now - heard_at > SILENCE
}

/// Seconds before an attempt: 1, 2, 4, 8, then 10, and from the start again once connected.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) fn failed(&mut self) -> u32 {
        let seconds = 1_u32 << self.failures.min(4);
        self.failures += 1;
        seconds.min(10)
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_grow_apart_up_to_ten_seconds() {
        let mut backoff = Backoff::default();
        let waits: Vec<u32> = (0..7).map(|_| backoff.failed()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10, 10]);
        backoff.succeeded();
        assert_eq!(backoff.failed(), 1);
    }

    #[test]
    fn a_stream_without_heartbeats_is_dead() {
        assert!(!is_dead(1_000.0, 31_000.0));
        assert!(is_dead(1_000.0, 42_000.0));
        assert!(!is_dead(1_000.0, 0.0));
    }

    #[test]
    fn a_broken_stream_is_not_called_paused() {
        assert_eq!(Link::Connected.state(true), "paused");
        assert_eq!(Link::Waiting(3).state(true), "reconnecting");
        assert_eq!(Link::Waiting(3).countdown(), " in 3 s");
    }
}
