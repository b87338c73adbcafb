//! What identifies an event: within a workspace, and among what one kind of sender sends, its id is
//! its own. Not how ids that nobody sent are made (`ingest::ids`), nor which are known (`decide`).

use serde::{Deserialize, Serialize};
use shared::ids::EventId;

use super::{Content, Entry, Fact, Record, Seq, ToldBy, WorkspaceId};

/// Who chose an id. Each kind has ids of its own, so that nobody's takes another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sender {
    /// A page, with a public key.
    Page,
    /// A server, with a secret key.
    Server,
    /// A mail client, with a token.
    Mail,
    /// The server itself: sends and when they left, whose ids it makes of their messageIds.
    System,
}

impl Sender {
    pub const ALL: [Self; 4] = [Self::Page, Self::Server, Self::Mail, Self::System];

    /// The kind's number on disk, 0 to 3; never changed.
    pub fn code(self) -> u8 {
        match self {
            Self::Page => 0,
            Self::Server => 1,
            Self::Mail => 2,
            Self::System => 3,
        }
    }

    pub fn of_code(code: u8) -> Option<Self> {
        // Every block that is read asks this for each of its records: `ALL` is in the order of the codes.
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// The type of a fact without its content: one id is one event of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactKind {
    Track,
    Identify,
    Purchase,
    Refund,
    Send,
    Open,
    Click,
    Unsubscribe,
    Told,
    Delivery,
    Suppress,
    Lift,
    Amend,
    Erase,
}

impl FactKind {
    pub const ALL: [Self; 14] = [
        Self::Track,
        Self::Identify,
        Self::Purchase,
        Self::Refund,
        Self::Send,
        Self::Open,
        Self::Click,
        Self::Unsubscribe,
        Self::Told,
        Self::Delivery,
        Self::Suppress,
        Self::Lift,
        Self::Amend,
        Self::Erase,
    ];

    /// The type's number on disk, 0 to 63; never changed.
    pub fn code(self) -> u8 {
        match self {
            Self::Track => 0,
            Self::Identify => 1,
            Self::Purchase => 2,
            Self::Refund => 3,
            Self::Send => 4,
            Self::Open => 5,
            Self::Click => 6,
            Self::Unsubscribe => 7,
            Self::Told => 8,
            Self::Delivery => 9,
            Self::Suppress => 10,
            Self::Lift => 11,
            Self::Amend => 12,
            Self::Erase => 13,
        }
    }

    pub fn of_code(code: u8) -> Option<Self> {
        // As above.
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The spelling of the type in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Identify => "identify",
            Self::Purchase => "purchase",
            Self::Refund => "refund",
            Self::Send => "send",
            Self::Open => "open",
            Self::Click => "click",
            Self::Unsubscribe => "unsubscribe",
            Self::Told => "sent",
            Self::Delivery => "delivery",
            Self::Suppress => "suppress",
            Self::Lift => "lift",
            Self::Amend => "amendment",
            Self::Erase => "erase",
        }
    }
}

/// What identifies an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdKey {
    pub workspace: WorkspaceId,
    pub sender: Sender,
    pub id: EventId,
}

/// What is known of an id without its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub seq: Seq,
    pub kind: FactKind,
}

/// Sender and type in one byte, as blocks keep them beside an id: the sender in the lower two bits.
pub(crate) fn tag(sender: Sender, kind: FactKind) -> u8 {
    kind.code() << 2 | sender.code()
}

/// What [`tag`] made this byte of; `None` where a newer version made it.
pub(crate) fn of_tag(tag: u8) -> Option<(Sender, FactKind)> {
    Some((Sender::of_code(tag & 3)?, FactKind::of_code(tag >> 2)?))
}

impl Fact {
    pub fn kind(&self) -> FactKind {
        match self {
            Self::Track { .. } => FactKind::Track,
            Self::Identify { .. } => FactKind::Identify,
            Self::Purchase { .. } => FactKind::Purchase,
            Self::Refund { .. } => FactKind::Refund,
            Self::Send { .. } => FactKind::Send,
            Self::Open { .. } => FactKind::Open,
            Self::Click { .. } => FactKind::Click,
            Self::Unsubscribe { .. } => FactKind::Unsubscribe,
            Self::Told { .. } => FactKind::Told,
            Self::Delivery { .. } => FactKind::Delivery,
            Self::Suppress { .. } => FactKind::Suppress,
            Self::Lift { .. } => FactKind::Lift,
            Self::Amend { .. } => FactKind::Amend,
            Self::Erase { .. } => FactKind::Erase,
        }
    }
}

impl<F: Content> Entry<F> {
    /// Who chose the entry's id.
    pub fn sender(&self) -> Sender {
        match (&self.told_by, self.fact.kind()) {
            (_, FactKind::Send | FactKind::Told) => Sender::System,
            (ToldBy::Browser { .. }, _) => Sender::Page,
            (ToldBy::Server { .. }, _) => Sender::Server,
            (ToldBy::Mail { .. }, _) => Sender::Mail,
        }
    }

    pub(crate) fn id_key(&self) -> IdKey {
        IdKey {
            workspace: self.workspace,
            sender: self.sender(),
            id: self.id,
        }
    }
}

impl Record {
    /// What identifies the record, and what is known of that id then.
    pub fn seen(&self) -> (IdKey, Seen) {
        let kind = self.entry.fact.kind();
        (
            self.entry.id_key(),
            Seen {
                seq: self.seq,
                kind,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_tells_every_sender_and_type_apart_and_is_refused_where_it_is_unknown() {
        let mut tags = Vec::new();
        for sender in Sender::ALL {
            for kind in FactKind::ALL {
                let made = tag(sender, kind);
                assert_eq!(of_tag(made), Some((sender, kind)));
                assert!(!tags.contains(&made));
                tags.push(made);
            }
        }
        assert!((0..=u8::MAX).all(|tag| tags.contains(&tag) == of_tag(tag).is_some()));
    }
}
