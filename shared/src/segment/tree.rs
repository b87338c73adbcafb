//! What a definition is made of, as types. Whoever holds one holds a definition that was read within
//! all bounds; how it is read and written stands in `read` and `write`.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::billionths::Billionths;
use super::calendar::Day;
use super::span::Span;
use crate::decimal::Decimal;
use crate::event_name::EventName;
use crate::ids::{CampaignId, MessageId, SegmentId};
use crate::money::Currency;
use crate::time::Timestamp;

/// A condition on a contact at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Every one holds; `{"all":[]}` is everybody.
    All(Vec<Condition>),
    /// One of them holds, or more; `{"any":[]}` is nobody.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A question to the contact's facts.
    Leaf(Leaf),
}

/// A question to a contact's facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// Events of the caller's.
    Event(EventLeaf),
    /// What is known of the contact.
    Trait(PropertyTest),
    /// The engagement score, rounded to nine decimals.
    Score(NumberRange),
    /// Verified orders.
    Purchase(PurchaseLeaf),
    /// Messages, and what came of them.
    Message(MessageLeaf),
    /// When the contact was first, or last, seen.
    Seen(SeenLeaf),
    /// Members of another segment, by its present version.
    Segment(SegmentId),
    /// Facts one after the other.
    Sequence(SequenceLeaf),
}

/// A question to the caller's events of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLeaf {
    /// Which events are looked at.
    pub of: EventStream,
    /// What is asked of those in the window.
    pub measure: EventMeasure,
    /// Of which time; all time where absent.
    pub window: Option<Window>,
    /// Whether contacts who are younger than the window are meant: said where the leaf, as it stands
    /// there, takes in who has no such events.
    pub include_new: Option<bool>,
}

/// Which of the caller's events are looked at, whatever is asked of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventStream {
    /// By name.
    pub name: NamePattern,
    /// By properties: all of them hold.
    pub conditions: Vec<PropertyTest>,
    /// By who said so.
    pub source: Option<Source>,
    /// By whether it was a person.
    pub class: ClassFilter,
}

/// Which names are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// This one.
    Exact(EventName),
    /// Those that begin so: `page_*`. Never empty.
    Prefix(String),
    /// `*`: custom events and page views.
    Every,
}

/// Who said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A page, with a public key.
    Browser,
    /// A server, with a secret key.
    Server,
    /// A mail client, with a token.
    Mail,
}

/// Whether it was a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassFilter {
    /// People, directly or through a mailbox's image proxy.
    Genuine,
    /// Machines and bots.
    Machine,
    /// All.
    Any,
}

/// What is asked of a stream's events in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventMeasure {
    /// How many there are.
    Count(CountRange),
    /// What the numbers under a property come to.
    Number {
        /// In which way.
        of: Aggregate,
        /// Events without a number there, or with one from 10^18 up, do not count.
        property: Path,
        /// What is asked of it.
        range: NumberRange,
    },
    /// What one of them holds.
    Edge(Edge, PropertyTest),
}

/// What numbers come to, each rounded to nine decimals. Of no numbers the sum is 0; the others are
/// nothing, so that no comparison holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// All together.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The sum through how many they are, compared exactly.
    Avg,
}

/// One of two ends in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The earliest; of several at one instant the first that was recorded.
    First,
    /// The latest; of several at one instant the last that was recorded.
    Last,
}

/// How many: from `least` to `most`, both included and at most 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountRange {
    /// At least so many.
    pub least: u32,
    /// At most so many; not below `least`.
    pub most: Option<u32>,
}

impl CountRange {
    /// What is meant where nothing is said.
    pub const SOME: CountRange = CountRange {
        least: 1,
        most: None,
    };

    /// Whether so many are meant.
    #[must_use]
    pub fn holds(self, count: usize) -> bool {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        count >= self.least && self.most.is_none_or(|most| count <= most)
    }
}

/// What a number must lie between; at least one end is there, and it can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberRange {
    /// The lower end.
    pub lower: Option<Bound>,
    /// The upper end.
    pub upper: Option<Bound>,
}

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Where it lies.
    pub at: Billionths,
    /// Whether the end itself is meant.
    pub inclusive: bool,
}

impl NumberRange {
    /// Whether a number is meant.
    #[must_use]
    pub fn holds(self, number: Billionths) -> bool {
        self.holds_for_mean(number.0, 1)
    }

    /// Whether `sum` billionths through `count` (≥ 1) are meant, without dividing.
    #[must_use]
    pub fn holds_for_mean(self, sum: i128, count: i128) -> bool {
        let against = |bound: Bound| sum.cmp(&bound.at.0.saturating_mul(count));
        self.lower
            .is_none_or(|bound| against(bound).is_gt() || bound.inclusive && against(bound).is_eq())
            && self.upper.is_none_or(|bound| {
                against(bound).is_lt() || bound.inclusive && against(bound).is_eq()
            })
    }

    /// The one number that is meant, where it is one.
    pub(super) fn only(self) -> Option<Billionths> {
        match (self.lower, self.upper) {
            (Some(lower), Some(upper)) if lower == upper => Some(lower.at),
            _ => None,
        }
    }
}

/// A question to a contact's verified orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurchaseLeaf {
    /// What is asked of the orders in the window.
    pub measure: PurchaseMeasure,
    /// Of which time, by the order's own; all time where absent.
    pub window: Option<Window>,
    /// As in [`EventLeaf`].
    pub include_new: Option<bool>,
}

/// What is asked of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurchaseMeasure {
    /// How many there are, refunded ones too.
    Count {
        /// So many.
        range: CountRange,
        /// Of one currency, or of all.
        currency: Option<Currency>,
    },
    /// What they are worth: as amended, refunds taken off, in major units.
    Sum {
        /// So much.
        range: NumberRange,
        /// Currencies are never added up.
        currency: Currency,
    },
}

/// A question to a contact's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageLeaf {
    /// What happened with them.
    pub what: MessageFact,
    /// What did not, with the same message, up to now.
    pub without: Option<MessageFact>,
    /// Of one campaign.
    pub campaign: Option<CampaignId>,
    /// Of one message.
    pub message: Option<MessageId>,
    /// Of one link: the page that it leads to, to the letter. Clicks alone have one.
    pub link: Option<String>,
    /// By whether it was a person; where absent [`MessageFact::default_class`] of each.
    pub class: Option<ClassFilter>,
    /// How often.
    pub count: CountRange,
    /// In which time; all time where absent.
    pub window: Option<Window>,
    /// As in [`EventLeaf`].
    pub include_new: Option<bool>,
}

/// What happens with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageFact {
    /// It was sent; counts from its `sentAt`.
    Sent,
    /// The receiving server took it.
    Delivered,
    /// Its pixel was loaded; where a person clicked and no person's pixel was, that is an open too.
    Opened,
    /// A link in it was followed.
    Clicked,
    /// Its reader wants no more.
    Unsubscribed,
    /// It was refused for good.
    Bounced,
    /// Its reader called it spam.
    Complained,
}

impl MessageFact {
    /// Whose doing is meant where nothing is said.
    #[must_use]
    pub fn default_class(self) -> ClassFilter {
        match self {
            Self::Sent | Self::Delivered | Self::Opened | Self::Clicked => ClassFilter::Genuine,
            Self::Unsubscribed | Self::Bounced | Self::Complained => ClassFilter::Any,
        }
    }
}

/// When the contact was first or last seen: the earliest or latest genuine event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenLeaf {
    /// Which of the two.
    pub which: Edge,
    /// What is asked of it.
    pub test: SeenTest,
    /// As in [`EventLeaf`]; who was never seen is as young as can be.
    pub include_new: Option<bool>,
}

/// What is asked of when a contact was seen. For who was never seen only `Exists(false)` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenTest {
    /// It lies in this window.
    In(Window),
    /// It is earlier.
    Before(Moment),
    /// It is later.
    After(Moment),
    /// It falls on this day.
    On(DayWord),
    /// There is one.
    Exists(bool),
}

/// Facts one after the other: each at a later instant than the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceLeaf {
    /// Two to eight of the leaves `event`, `purchase` and `message`, which count nothing and have no
    /// `includeNew`: any one of their events is the step.
    pub steps: Vec<Leaf>,
    /// The longest that may lie between one step and the next, itself included.
    pub within: Option<Span>,
}

/// A question to a property or trait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyTest {
    /// Where it stands.
    pub path: Path,
    /// What is asked of it.
    pub test: Test,
}

/// A dotted path: 1 to 255 characters, no part of it empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(pub(super) String);

impl Path {
    /// The path as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is asked of a value. Types never coerce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It is this.
    Eq(Scalar),
    /// It is not this, or missing.
    Ne(Scalar),
    /// It is a number, and so related to this one.
    Compare(Comparison, Decimal),
    /// It is one of these.
    In(Vec<Scalar>),
    /// It is none of these, or missing.
    NotIn(Vec<Scalar>),
    /// It is a list with this element, or a text with this part.
    Contains(Scalar),
    /// It is a text that begins so.
    StartsWith(String),
    /// It is a text that ends so.
    EndsWith(String),
    /// It is there, and not null.
    Exists(bool),
    /// It is missing, null, `[]` or `""`.
    Empty(bool),
    /// It is a time before this one, or a date whose first instant is.
    Before(Moment),
    /// It is a time after this one, or a date whose first instant is.
    After(Moment),
    /// It is a time on this day, or its date.
    On(DayWord),
}

/// How one number stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `gt`
    Greater,
    /// `gte`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `lte`
    LessOrEqual,
}

/// A text, a number, true or false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// At most 1,024 characters; case counts.
    Text(String),
    /// Equal by value: `1e2` is `100`.
    Number(Decimal),
    /// `true` or `false`.
    Bool(bool),
}

/// A moment, fixed or moving with the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// This one.
    At(Timestamp),
    /// The first of this day.
    StartOf(Day),
    /// The present.
    Now,
    /// So long ago.
    Ago(Span),
    /// So long ahead.
    Ahead(Span),
}

/// A calendar day of the workspace's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayWord {
    /// The present one.
    Today,
    /// The one before.
    Yesterday,
    /// This one.
    Date(Day),
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// (now − span, now].
    Within(Span),
    /// From the first instant of the present day, itself included, to now.
    Today,
    /// From the first, included, to the second, excluded; both fixed, and in this order.
    Between(Moment, Moment),
    /// (now − `from`, now − `to`], `from` being the longer.
    Ago {
        /// Where it begins.
        from: Span,
        /// Where it ends.
        to: Span,
    },
}
