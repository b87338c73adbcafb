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
    /// Of a click: the number of its page among the message's different ones. Versions that read stores of
    /// format 1 alone do not know it.
    TargetNumber(u32),
    /// Of a redacted record that named its contact by address. Nor do they know this.
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
    pub(crate) fn class_at(&self, after_send_ms: i64) -> (Class, &str) {
        let mut windows = self.windows.iter();
        let window =
            windows.find(|(end, ..)| after_send_ms >= 0 && after_send_ms < i64::from(*end));
        match window {
            Some((_, class, reason)) => (*class, reason),
            None => (self.otherwise.0, &self.otherwise.1),
        }
    }
}

/// All that may lie there, each where the record has it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extras {
    pub(super) timing: Option<Timing>,
    pub(super) targets: Option<u32>,
    pub(super) marks: Option<ClickMarks>,
    pub(super) target_number: Option<u32>,
    pub(super) person: Option<ContactId>,
}

/// What the entry has of it.
fn of(entry: &Entry) -> Vec<Extra> {
    let timing = entry.told_by.timing().cloned().map(Extra::Timing);
    let of_fact = match entry.fact {
        Fact::Send { targets, .. } => [targets.map(Extra::Targets), None],
        Fact::Click {
            marks,
            target_number,
            ..
        } => [
            marks.map(Extra::Marks),
            target_number.map(Extra::TargetNumber),
        ],
        _ => [None, None],
    };
    let person = entry.person.map(Extra::Person);
    timing
        .into_iter()
        .chain(of_fact.into_iter().flatten())
        .chain(person)
        .collect()
}

/// Writes what the entry has of it behind what has been written, if anything.
///
/// # Errors
/// Where there is no memory.
pub(super) fn write(entry: &Entry, to: Vec<u8>) -> postcard::Result<Vec<u8>> {
    let extras = of(entry);
    if extras.is_empty() {
        return Ok(to);
    }
    postcard::to_extend(&extras, to)
}

/// What stands behind an entry.
///
/// # Errors
/// Where the bytes are none of it.
pub(super) fn read(behind: &[u8]) -> postcard::Result<Extras> {
    let mut extras = Extras::default();
    if behind.is_empty() {
        return Ok(extras);
    }
    for extra in postcard::from_bytes::<Vec<Extra>>(behind)? {
        match extra {
            Extra::Timing(timing) => extras.timing = Some(timing),
            Extra::Targets(count) => extras.targets = Some(count),
            Extra::Marks(marks) => extras.marks = Some(marks),
            Extra::TargetNumber(number) => extras.target_number = Some(number),
            Extra::Person(person) => extras.person = Some(person),
        }
    }
    Ok(extras)
}

#[cfg(test)]
mod tests {
    use shared::ids::MessageId;
    use shared::time::Timestamp;

    use super::*;
    use crate::record::stored;
    use crate::record::{MessageType, SendRef, ToldBy, Visitor};
    use crate::views::history::{NOW, entry};

    /// A send, a click and an open, with what they have gained or without.
    fn entries(is_new: bool) -> [Entry; 3] {
        let message_id = MessageId::parse("m").unwrap();
        let send = SendRef {
            message_id: message_id.clone(),
            contact: None,
            campaign_id: None,
            message_type: MessageType::Campaign,
            sent_at: Timestamp::from_millis(NOW),
        };
        let told_by = ToldBy::Mail {
            visitor: Visitor {
                client: None,
                class: None,
            },
            timing: is_new.then(|| Timing {
                windows: vec![(30_000, Class::Bot, "soon".into())],
                otherwise: (Class::Human, "browser".into()),
            }),
        };
        let marks = ClickMarks {
            target: 1 << 60,
            network: 7,
        };
        let registered = Entry {
            fact: Fact::Send {
                message_id,
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
                target_number: is_new.then_some(3),
                marks: is_new.then_some(marks),
            },
            told_by: told_by.clone(),
            ..entry(1)
        };
        let opened = Entry {
            fact: Fact::Open { send },
            told_by,
            ..entry(2)
        };
        [registered, clicked, opened]
    }

    fn written(entry: &Entry) -> Vec<u8> {
        stored::write(entry, Vec::new()).unwrap()
    }

    #[test]
    fn what_a_record_has_gained_comes_back_and_an_old_one_reads_as_before() {
        for (new, old) in entries(true).into_iter().zip(entries(false)) {
            // What was written before is the beginning of what is written now.
            assert!(written(&new).starts_with(&written(&old)));
            for entry in [new, old] {
                let read = stored::read(entry.workspace, entry.id, &written(&entry));
                assert_eq!(read.unwrap(), entry);
            }
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
