//! Which events are asked for, and whether a record is one of them.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;

use shared::time::Timestamp;

use super::EventView;
use crate::log::record::{ContactId, Entry, Fact, Seq, WorkspaceId};
use crate::views::{ViewError, Views};

/// How many events a page may hold.
pub const PAGE_LIMITS: RangeInclusive<usize> = 1..=1_000;
/// How many it holds unless the caller says.
pub const DEFAULT_LIMIT: usize = 100;

/// Of so many messages the campaign is remembered while one list is made.
const MAX_REMEMBERED: usize = 4_096;

/// In which order of their seqs events are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    NewestFirst,
    OldestFirst,
}

/// Whose events are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassFilter {
    /// This class, as answers spell it.
    One(&'static str),
    /// Of people, by a proxy or not.
    Genuine,
}

impl ClassFilter {
    /// `human`, `proxy_human`, `machine`, `bot`, or `genuine` for the first two.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let classes = ["human", "proxy_human", "machine", "bot"];
        let one = classes.into_iter().find(|class| *class == text);
        one.map(Self::One)
            .or_else(|| (text == "genuine").then_some(Self::Genuine))
    }

    fn holds(self, class: Option<&str>) -> bool {
        match self {
            Self::One(wanted) => class == Some(wanted),
            Self::Genuine => matches!(class, Some("human" | "proxy_human")),
        }
    }
}

/// Which events are asked for; what is absent does not restrict.
#[derive(Clone)]
pub struct EventFilter {
    pub name: Option<String>,
    /// The event's type, as answers spell it.
    pub kind: Option<&'static str>,
    /// The normalised address.
    pub email: Option<String>,
    pub message_id: Option<String>,
    /// Of the event's message.
    pub campaign_id: Option<String>,
    pub class: Option<ClassFilter>,
    /// Whether its personal part was taken away.
    pub erased: Option<bool>,
    /// The event's time is this or later.
    pub from: Option<Timestamp>,
    /// The event's time is earlier than this.
    pub to: Option<Timestamp>,
    /// It arrived then or later.
    pub received_from: Option<Timestamp>,
    /// It arrived before.
    pub received_to: Option<Timestamp>,
    pub order: Order,
    /// Only events strictly behind it in this order: where the last page ended.
    pub cursor: Option<Seq>,
    /// Only events up to this one; where the oldest come first.
    pub until: Option<Seq>,
    /// The most events on a page, within [`PAGE_LIMITS`].
    pub limit: usize,
}

impl Default for EventFilter {
    fn default() -> Self {
        Self {
            name: None,
            kind: None,
            email: None,
            message_id: None,
            campaign_id: None,
            class: None,
            erased: None,
            from: None,
            to: None,
            received_from: None,
            received_to: None,
            order: Order::default(),
            cursor: None,
            until: None,
            limit: DEFAULT_LIMIT,
        }
    }
}

impl EventFilter {
    /// Whether many of the events that the index proposes may be none of those that are asked for.
    pub(super) fn is_loose(&self) -> bool {
        self.kind.is_some()
            || self.campaign_id.is_some()
            || self.class.is_some()
            || self.erased.is_some()
            || self.from.is_some()
            || self.to.is_some()
            || self.received_from.is_some()
            || self.received_to.is_some()
    }

    pub(super) fn page_limit(&self) -> usize {
        self.limit.clamp(*PAGE_LIMITS.start(), *PAGE_LIMITS.end())
    }
}

/// Hides what names a person.
impl fmt::Debug for EventFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventFilter")
            .field("email", &self.email.is_some())
            .field("order", &self.order)
            .field("cursor", &self.cursor)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// A filter at work. The views only propose: they know digests instead of texts, times by zone, and
/// nothing of what was erased since.
pub(super) struct Sieve<'a> {
    views: &'a Views,
    workspace: WorkspaceId,
    filter: &'a EventFilter,
    /// Whom the address of the filter names.
    contact: Option<ContactId>,
    /// Of messages that events name: whether they are of the campaign.
    of_campaign: HashMap<String, bool>,
}

impl<'a> Sieve<'a> {
    pub(super) fn new(views: &'a Views, workspace: WorkspaceId, filter: &'a EventFilter) -> Self {
        let contact = filter
            .email
            .as_ref()
            .and_then(|email| views.contact_id(workspace, email));
        Self {
            views,
            workspace,
            filter,
            contact,
            of_campaign: HashMap::new(),
        }
    }

    /// Whether a record is asked for, as far as it tells itself.
    pub(super) fn takes(&mut self, entry: &Entry) -> Result<bool, ViewError> {
        let filter = self.filter;
        let matches = entry.workspace == self.workspace
            && filter
                .name
                .as_ref()
                .is_none_or(|name| name == entry.fact.name())
            && filter
                .kind
                .is_none_or(|kind| kind == entry.fact.type_name())
            && filter.erased.is_none_or(|erased| erased == entry.redacted)
            && (filter.message_id.is_none() || entry.message_id == filter.message_id)
            && filter.from.is_none_or(|from| entry.time >= from)
            && filter.to.is_none_or(|to| entry.time < to)
            && filter
                .received_from
                .is_none_or(|from| entry.received_at >= from)
            && filter.received_to.is_none_or(|to| entry.received_at < to)
            && (filter.email.is_none() || self.is_theirs(entry));
        Ok(matches && self.is_of_campaign(entry)?)
    }

    /// Whether it is asked for, as it is shown.
    pub(super) fn shows(&self, view: &EventView) -> bool {
        self.filter
            .class
            .is_none_or(|class| class.holds(view.class))
    }

    /// Tokens name a contact; everything else an address, which needs no HMAC to be compared.
    fn is_theirs(&self, entry: &Entry) -> bool {
        match (entry.fact.send(), &entry.address) {
            (Some(send), _) => send.contact.is_some_and(|named| {
                self.contact.is_some_and(|contact| {
                    contact == self.views.contact_today(self.workspace, named)
                })
            }),
            (None, Some(address)) => Some(&address.normalised.0) == self.filter.email.as_ref(),
            (None, None) => false,
        }
    }

    /// By the record itself where it is of a mail, else by the message that it names.
    fn is_of_campaign(&mut self, entry: &Entry) -> Result<bool, ViewError> {
        let Some(wanted) = &self.filter.campaign_id else {
            return Ok(true);
        };
        if let Fact::Send { campaign_id, .. } = &entry.fact {
            return Ok(campaign_id.as_ref() == Some(wanted));
        }
        if let Some(send) = entry.fact.send() {
            return Ok(send.campaign_id.as_ref() == Some(wanted));
        }
        let Some(message_id) = &entry.message_id else {
            return Ok(false);
        };
        if let Some(known) = self.of_campaign.get(message_id) {
            return Ok(*known);
        }
        let message = self.views.message(self.workspace, message_id)?;
        let is_of = message.is_some_and(|message| message.campaign_id.as_ref() == Some(wanted));
        if self.of_campaign.len() < MAX_REMEMBERED {
            self.of_campaign.insert(message_id.clone(), is_of);
        }
        Ok(is_of)
    }
}
