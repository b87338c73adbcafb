//! What came to be kept of a record after its layout was fixed: it lies behind the entry, for those
//! records that have any of it. An older version reads such a record without it.

use serde::{Deserialize, Serialize};

use super::record::{Class, Entry};

/// One addition. New kinds come last: what is on disk names a kind by its place.
#[derive(Serialize, Deserialize)]
enum Extra {
    Timing(Timing),
}

/// How the class of an open or a click depends on the time since its message was sent, so that it can
/// be judged anew without the address and the agent once it is told when that was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Ascending: until so many milliseconds after the sending (half-open, and not before it), this
    /// class and its reason.
    pub windows: Vec<(u32, Class, String)>,
    /// Outside all of them.
    pub otherwise: (Class, String),
}

impl Timing {
    /// The class so many milliseconds after the sending; a negative number says nothing.
    pub fn class_at(&self, after_send_ms: i64) -> (Class, &str) {
        let mut windows = self.windows.iter();
        let window =
            windows.find(|(end, ..)| after_send_ms >= 0 && after_send_ms < i64::from(*end));
        match window {
            Some((_, class, reason)) => (*class, reason),
            None => (self.otherwise.0, &self.otherwise.1),
        }
    }
}

/// Writes what the entry has of it behind what has been written.
pub(super) fn write(entry: &Entry, to: Vec<u8>) -> postcard::Result<Vec<u8>> {
    match &entry.timing {
        Some(timing) => postcard::to_extend(&[Extra::Timing(timing.clone())].as_slice(), to),
        None => Ok(to),
    }
}

/// Reads what stands behind an entry.
pub(super) fn read(bytes: &[u8], entry: &mut Entry) -> postcard::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    for extra in postcard::from_bytes::<Vec<Extra>>(bytes)? {
        match extra {
            Extra::Timing(timing) => entry.timing = Some(timing),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_half_open_and_a_time_before_the_sending_says_nothing() {
        let timing = Timing {
            windows: vec![
                (30_000, Class::Bot, "soon".into()),
                (600_000, Class::Machine, "network".into()),
            ],
            otherwise: (Class::Human, "browser".into()),
        };
        for (after, class, reason) in [
            (-1, Class::Human, "browser"),
            (0, Class::Bot, "soon"),
            (29_999, Class::Bot, "soon"),
            (30_000, Class::Machine, "network"),
            (599_999, Class::Machine, "network"),
            (600_000, Class::Human, "browser"),
            (i64::MAX, Class::Human, "browser"),
        ] {
            assert_eq!(timing.class_at(after), (class, reason), "{after}");
        }
    }
}
