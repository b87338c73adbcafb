//! What the log keeps of an event: the entry as it is appended, and the record that it becomes.
//! Not how entries lie on disk (`stored`, in blocks of `journal::block`).

use shared::event::Item;
use shared::ids::{AnonymousId, EventId};
use shared::time::Timestamp;

use super::contact::{Address, ContactId, Personal};
use super::fact::Fact;
use super::identity::FactKind;
use super::public_seq::PublicSeq;
use super::seq::Seq;
use super::source::{Source, ToldBy};
use super::workspace::{WorkspaceId, WorkspaceKey};

/// One thing from outside, with all that is the same of every kind. What it says is a [`Fact`] once the
/// ledger has decided, and `ledger::Proposed` until then: only the former is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<F = Fact> {
    pub workspace: WorkspaceId,
    pub id: EventId,
    /// When it happened.
    pub time: Timestamp,
    /// The caller sent the time (it takes part in comparing orders then).
    pub time_sent: bool,
    pub received_at: Timestamp,
    pub told_by: ToldBy,
    /// Whom it names by address; `None` where it names nobody or, as mails do, a contact, and once erased.
    pub address: Option<Address>,
    /// The browser that it names; `None` where it names none, and once erased.
    pub anonymous_id: Option<AnonymousId>,
    pub fact: F,
    /// Fields that were sent and not known, for the receipt.
    pub ignored_fields: Vec<String>,
    /// The personal part was erased.
    pub redacted: bool,
    /// Whom it was about, once that is erased: the id of the erasure, which stands for one person and
    /// leads to nobody. `None` where nothing named them, and of what a send names.
    pub person: Option<ContactId>,
}

/// What an entry may say.
pub trait Content {
    fn kind(&self) -> FactKind;

    /// How many bytes of the caller's texts it has.
    fn weight(&self) -> usize;
}

impl<F> Entry<F> {
    /// An entry that came now and names nobody.
    #[must_use]
    pub fn new(
        workspace: WorkspaceId,
        id: EventId,
        told_by: ToldBy,
        received_at: Timestamp,
        fact: F,
    ) -> Self {
        Self {
            workspace,
            id,
            time: received_at,
            time_sent: false,
            received_at,
            told_by,
            address: None,
            anonymous_id: None,
            fact,
            ignored_fields: Vec::new(),
            redacted: false,
            person: None,
        }
    }

    /// The same, saying this in the place of what it says.
    #[must_use]
    pub(crate) fn saying<G>(self, fact: G) -> Entry<G> {
        self.exchange(fact).1
    }

    /// What it says, and the rest.
    pub fn take(self) -> (F, Entry<()>) {
        self.exchange(())
    }

    fn exchange<G>(self, other: G) -> (F, Entry<G>) {
        let Self {
            workspace,
            id,
            time,
            time_sent,
            received_at,
            told_by,
            address,
            anonymous_id,
            fact,
            ignored_fields,
            redacted,
            person,
        } = self;
        let entry = Entry {
            workspace,
            id,
            time,
            time_sent,
            received_at,
            told_by,
            address,
            anonymous_id,
            fact: other,
            ignored_fields,
            redacted,
            person,
        };
        (fact, entry)
    }

    pub fn source(&self) -> Source {
        self.told_by.source()
    }

    /// Whether somebody trustworthy vouches for it: what a page says of money is not believed.
    pub fn is_verified(&self) -> bool {
        self.source() == Source::Server
    }
}

impl<F: Content> Entry<F> {
    /// A cheap upper estimate of the entry's encoded size, in bytes.
    pub fn weight(&self) -> usize {
        512 + self.fact.weight() + self.told_by.context().map_or(0, str::len)
    }
}

impl Entry {
    /// Takes the personal part away. What counts stays: id, time, name, class, money, message.
    pub fn redact(&mut self) {
        self.redact_for(None);
    }

    /// The same, and what named a contact names this person from now on, so that what one person did
    /// stays one person's. What has no personal part any more stays as it is.
    pub(crate) fn redact_for(&mut self, person: Option<ContactId>) {
        if self.redacted {
            return;
        }
        if self.address.is_some() && self.fact.send().is_none() {
            self.person = person;
        }
        self.address = None;
        self.anonymous_id = None;
        self.ignored_fields.clear();
        self.told_by.redact();
        self.fact.redact(person);
        self.redacted = true;
    }

    /// Whom it is about, where it names a contact; once erased, the person that is left of it.
    pub fn contact(&self, key: &WorkspaceKey) -> Option<ContactId> {
        match (&self.fact, self.fact.send(), &self.address) {
            (Fact::Erase { contact }, ..) => Some(*contact),
            (_, Some(send), _) => send.contact,
            (_, None, Some(address)) => Some(key.contact(&address.normalised.0)),
            (_, None, None) => self.person,
        }
    }
}

/// An entry with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub seq: Seq,
    /// What callers see as its seq.
    pub public_seq: PublicSeq,
    pub entry: Entry,
}

/// Renders items for an entry; `None` where there are none.
pub fn items_text(items: &[Item]) -> Option<Personal> {
    (!items.is_empty()).then(|| Personal(shared::event::items_json(items)))
}
