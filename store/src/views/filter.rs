//! Which events are asked for.

use std::fmt;
use std::ops::RangeInclusive;

use shared::time::Timestamp;

use crate::record::identity::FactKind;
use crate::record::{Class, Seq};

/// How many events a page may hold.
pub const PAGE_LIMITS: RangeInclusive<usize> = 1..=1_000;
/// How many it holds unless the caller says.
pub const DEFAULT_LIMIT: usize = 100;

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
    One(Class),
    /// Of people, by a proxy or not.
    Genuine,
}

impl ClassFilter {
    /// `human`, `proxy_human`, `machine`, `bot`, or `genuine` for the first two.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "genuine" => Some(Self::Genuine),
            _ => Class::parse(text).map(Self::One),
        }
    }

    pub(crate) fn holds(self, class: Option<Class>) -> bool {
        match self {
            Self::One(wanted) => class == Some(wanted),
            Self::Genuine => matches!(class, Some(Class::Human | Class::ProxyHuman)),
        }
    }
}

/// Which events are asked for; what is absent does not restrict.
#[derive(Clone)]
pub struct EventFilter {
    pub name: Option<String>,
    pub kind: Option<FactKind>,
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
    pub(crate) fn is_loose(&self) -> bool {
        self.kind.is_some()
            || self.campaign_id.is_some()
            || self.class.is_some()
            || self.erased.is_some()
            || self.from.is_some()
            || self.to.is_some()
            || self.received_from.is_some()
            || self.received_to.is_some()
    }

    pub(crate) fn page_limit(&self) -> usize {
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
