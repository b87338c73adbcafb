//! What an entry has gained since its layout was first written. It lies behind the entry in its block,
//! where versions from before do not look; an entry that has none of it is as long as it ever was.

use serde::{Deserialize, Serialize};

use super::record::{ClickMarks, Entry, Fact};

/// The first addition. What comes later lies behind it, as a struct of its own.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Added {
    /// Of a send.
    targets: Option<u32>,
    /// Of a click.
    marks: Option<ClickMarks>,
}

impl Added {
    fn of(entry: &Entry) -> Self {
        match entry.fact {
            Fact::Send { targets, .. } => Self {
                targets,
                marks: None,
            },
            Fact::Click { marks, .. } => Self {
                targets: None,
                marks,
            },
            _ => Self::default(),
        }
    }
}

/// Writes behind the entry what it has gained, if anything.
///
/// # Errors
/// Where there is no memory.
pub(super) fn write(entry: &Entry, bytes: &mut Vec<u8>) -> Result<(), postcard::Error> {
    let added = Added::of(entry);
    if added != Added::default() {
        *bytes = postcard::to_extend(&added, std::mem::take(bytes))?;
    }
    Ok(())
}

/// Gives the entry what lies behind it; nothing where it was written before there was anything.
///
/// # Errors
/// Where the bytes are no addition.
pub(super) fn read(entry: &mut Entry, behind: &[u8]) -> Result<(), postcard::Error> {
    if behind.is_empty() {
        return Ok(());
    }
    let (added, _) = postcard::take_from_bytes::<Added>(behind)?;
    match &mut entry.fact {
        Fact::Send { targets, .. } => *targets = added.targets,
        Fact::Click { marks, .. } => *marks = added.marks,
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::{MessageType, SendRef};
    use crate::views::history::{NOW, entry};
    use shared::time::Timestamp;

    /// A send and a click, with what they have gained or without.
    fn pair(is_new: bool) -> [Entry; 2] {
        let marks = ClickMarks {
            target: 1 << 60,
            network: 7,
        };
        let send = SendRef {
            contact: None,
            campaign_id: None,
            message_type: MessageType::Campaign,
            sent_at: Timestamp::from_millis(NOW),
        };
        let facts = [
            Fact::Send {
                campaign_id: None,
                message_type: MessageType::Campaign,
                subject: None,
                content: [3; 32],
                token_key: 1,
                targets: is_new.then_some(12),
            },
            Fact::Click {
                send,
                link: 4,
                target: None,
                marks: is_new.then_some(marks),
            },
        ];
        facts.map(|fact| Entry { fact, ..entry(0) })
    }

    fn written(entry: &Entry) -> Vec<u8> {
        let mut bytes = postcard::to_allocvec(entry).unwrap();
        write(entry, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_a_record_has_gained_comes_back_and_an_old_one_reads_as_before() {
        for (new, old) in pair(true).into_iter().zip(pair(false)) {
            let bytes = written(&new);
            // What was written before is the beginning of what is written now.
            assert!(bytes.starts_with(&written(&old)));
            for (entry, bytes) in [(&new, bytes.clone()), (&old, written(&old))] {
                let (mut read_back, behind) = postcard::take_from_bytes::<Entry>(&bytes).unwrap();
                read(&mut read_back, behind).unwrap();
                assert_eq!(read_back.fact, entry.fact);
            }
            // So reads a version from before.
            assert_eq!(
                postcard::from_bytes::<Entry>(&bytes).unwrap().fact,
                old.fact
            );
        }
        assert_eq!(
            written(&entry(1)),
            postcard::to_allocvec(&entry(1)).unwrap()
        );
    }

    #[test]
    fn a_redacted_click_keeps_its_marks() {
        let [_, mut click] = pair(true);
        let before = Added::of(&click);
        click.redact();
        assert_eq!(Added::of(&click), before);
    }
}
