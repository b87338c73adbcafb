//! What came to be kept of a record after its layout was fixed: it lies behind the entry in its block,
//! for those records that have any of it. Older versions do not look there, and where there is nothing,
//! nothing is known.

use serde::{Deserialize, Serialize};

use super::{Class, ClickMarks, ContactId, Entry, Fact};

/// One addition. New kinds come last: what is on disk names a kind by its place.
#[derive(Serialize, Deserialize)]
enum Extra {
    /// Of an open or a click.
    Timing(Timing),
    /// Of a send: how many different pages its tracked links lead to.
    Targets(u32),
    /// Of a click.
    Marks(ClickMarks),
    /// Of a redacted record that named its contact by address.
    Person(ContactId),
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

/// What the entry has of it.
fn of(entry: &Entry) -> Vec<Extra> {
    let of_fact = match entry.fact {
        Fact::Send { targets, .. } => targets.map(Extra::Targets),
        Fact::Click { marks, .. } => marks.map(Extra::Marks),
        _ => None,
    };
    let timing = entry.timing.clone().map(Extra::Timing);
    let person = entry.person.map(Extra::Person);
    timing.into_iter().chain(of_fact).chain(person).collect()
}

/// Writes what the entry has of it behind what has been written, if anything.
///
/// # Errors
/// Where there is no memory.
pub(crate) fn write(entry: &Entry, to: Vec<u8>) -> postcard::Result<Vec<u8>> {
    let extras = of(entry);
    if extras.is_empty() {
        return Ok(to);
    }
    postcard::to_extend(&extras, to)
}

/// Gives the entry what stands behind it.
///
/// # Errors
/// Where the bytes are none of it.
pub(crate) fn read(behind: &[u8], entry: &mut Entry) -> postcard::Result<()> {
    if behind.is_empty() {
        return Ok(());
    }
    for extra in postcard::from_bytes::<Vec<Extra>>(behind)? {
        match (extra, &mut entry.fact) {
            (Extra::Timing(timing), _) => entry.timing = Some(timing),
            (Extra::Person(person), _) => entry.person = Some(person),
            (Extra::Targets(count), Fact::Send { targets, .. }) => *targets = Some(count),
            (Extra::Marks(of_click), Fact::Click { marks, .. }) => *marks = Some(of_click),
            // Of no fact that has it.
            (Extra::Targets(_) | Extra::Marks(_), _) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use shared::time::Timestamp;

    use super::*;
    use crate::record::{MessageType, SendRef};
    use crate::views::history::{NOW, entry};

    /// A send, a click and an open, with what they have gained or without.
    fn entries(is_new: bool) -> [Entry; 3] {
        let send = SendRef {
            contact: None,
            campaign_id: None,
            message_type: MessageType::Campaign,
            sent_at: Timestamp::from_millis(NOW),
        };
        let timing = is_new.then(|| Timing {
            windows: vec![(30_000, Class::Bot, "soon".into())],
            otherwise: (Class::Human, "browser".into()),
        });
        let marks = ClickMarks {
            target: 1 << 60,
            network: 7,
        };
        let registered = Entry {
            fact: Fact::Send {
                campaign_id: None,
                message_type: MessageType::Campaign,
                subject: None,
                content: [3; 32],
                token_key: 1,
                targets: is_new.then_some(12),
            },
            ..entry(0)
        };
        let clicked = Entry {
            fact: Fact::Click {
                send: send.clone(),
                link: 4,
                target: None,
                marks: is_new.then_some(marks),
            },
            timing: timing.clone(),
            ..entry(1)
        };
        let opened = Entry {
            fact: Fact::Open { send },
            timing,
            ..entry(2)
        };
        [registered, clicked, opened]
    }

    fn written(entry: &Entry) -> Vec<u8> {
        write(entry, postcard::to_allocvec(entry).unwrap()).unwrap()
    }

    fn read_back(bytes: &[u8]) -> Entry {
        let (mut entry, behind) = postcard::take_from_bytes::<Entry>(bytes).unwrap();
        read(behind, &mut entry).unwrap();
        entry
    }

    #[test]
    fn what_a_record_has_gained_comes_back_and_an_old_one_reads_as_before() {
        for (new, old) in entries(true).into_iter().zip(entries(false)) {
            let bytes = written(&new);
            // What was written before is the beginning of what is written now.
            assert!(bytes.starts_with(&written(&old)));
            for (entry, bytes) in [(&new, bytes.clone()), (&old, written(&old))] {
                let found = read_back(&bytes);
                assert_eq!(
                    (found.fact, found.timing),
                    (entry.fact.clone(), entry.timing.clone())
                );
            }
            // So reads a version from before.
            let (seen, _) = postcard::take_from_bytes::<Entry>(&bytes).unwrap();
            assert_eq!((seen.fact, seen.timing), (old.fact.clone(), None));
            assert_eq!(written(&old), postcard::to_allocvec(&old).unwrap());
        }
    }

    #[test]
    fn a_redacted_record_keeps_what_it_has_gained() {
        for mut entry in entries(true) {
            let before = postcard::to_allocvec(&of(&entry)).unwrap();
            entry.redact();
            assert_eq!(postcard::to_allocvec(&of(&entry)).unwrap(), before);
        }
    }

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
