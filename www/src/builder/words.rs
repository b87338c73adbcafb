//! The choices of conditions: the word that each is in a definition, what the page says, and its JSON.

use super::fields::Choice;

/// The kinds, each with the condition that it begins as.
pub(crate) const KINDS: &[Choice] = &[
    Choice("event", "Event condition", r#"{"event":""}"#),
    Choice("trait", "Trait", r#"{"trait":"","eq":""}"#),
    Choice("purchase", "Purchase", r#"{"purchase":{}}"#),
    Choice("message", "Mail", r#"{"message":"opened"}"#),
    Choice("score", "Score", r#"{"score":{"gte":10}}"#),
    Choice(
        "firstSeen",
        "First seen",
        r#"{"firstSeen":{"within":"30d"}}"#,
    ),
    Choice("lastSeen", "Last seen", r#"{"lastSeen":{"within":"30d"}}"#),
    Choice("segment", "Segment", r#"{"segment":""}"#),
    Choice(
        "sequence",
        "Sequence",
        r#"{"sequence":[{"event":""},{"event":""}],"within":"7d"}"#,
    ),
];

/// The same as the beginnings of sentences.
pub(super) const VERBS: [(&str, &str); 8] = [
    ("event", "did"),
    ("trait", "have the trait"),
    ("purchase", "bought"),
    ("message", "by mail"),
    ("score", "have a score of"),
    ("firstSeen", "were"),
    ("segment", "are in the segment"),
    ("sequence", "did in this order"),
];

pub(super) const STEPS: &[Choice] = &[
    Choice("event", "did", r#"{"event":""}"#),
    Choice("purchase", "bought", r#"{"purchase":{}}"#),
    Choice("message", "mail", r#"{"message":"opened"}"#),
];

pub(super) const SOURCES: &[Choice] = &[
    Choice("", "from anywhere", "{}"),
    Choice("browser", "from pages", r#"{"source":"browser"}"#),
    Choice("server", "from servers", r#"{"source":"server"}"#),
    Choice("mail", "from mail clients", r#"{"source":"mail"}"#),
];

pub(super) const CLASSES: &[Choice] = &[
    Choice("", "by people", "{}"),
    Choice("machine", "by machines", r#"{"class":"machine"}"#),
    Choice("any", "by anybody", r#"{"class":"any"}"#),
];

/// Of messages, where what is meant without a word depends on what happened.
pub(super) const MESSAGE_CLASSES: &[Choice] = &[
    Choice("", "by whom it is usual", "{}"),
    Choice("genuine", "by people", r#"{"class":"genuine"}"#),
    Choice("machine", "by machines", r#"{"class":"machine"}"#),
    Choice("any", "by anybody", r#"{"class":"any"}"#),
];

pub(super) const FACTS: &[Choice] = &[
    Choice("sent", "were sent a mail", r#""sent""#),
    Choice("delivered", "were delivered a mail", r#""delivered""#),
    Choice("opened", "opened a mail", r#""opened""#),
    Choice("clicked", "clicked in a mail", r#""clicked""#),
    Choice(
        "unsubscribed",
        "unsubscribed from a mail",
        r#""unsubscribed""#,
    ),
    Choice("bounced", "had a mail bounce", r#""bounced""#),
    Choice("complained", "called a mail spam", r#""complained""#),
];

pub(super) const WITHOUT: &[Choice] = &[
    Choice("", "whatever became of it", "{}"),
    Choice("sent", "not on record as sent", r#"{"without":"sent"}"#),
    Choice(
        "delivered",
        "that was not delivered",
        r#"{"without":"delivered"}"#,
    ),
    Choice(
        "opened",
        "that they did not open",
        r#"{"without":"opened"}"#,
    ),
    Choice("clicked", "without a click", r#"{"without":"clicked"}"#),
    Choice(
        "unsubscribed",
        "without unsubscribing",
        r#"{"without":"unsubscribed"}"#,
    ),
    Choice("bounced", "that did not bounce", r#"{"without":"bounced"}"#),
    Choice(
        "complained",
        "without a complaint",
        r#"{"without":"complained"}"#,
    ),
];

pub(super) const MEASURES: &[Choice] = &[
    Choice("", "at least once", "{}"),
    Choice("count", "so often:", r#"{"count":{"gte":2}}"#),
    Choice("sum", "with the sum of", r#"{"sum":"","gte":null}"#),
    Choice("min", "with the least", r#"{"min":"","gte":null}"#),
    Choice("max", "with the greatest", r#"{"max":"","gte":null}"#),
    Choice("avg", "with the average", r#"{"avg":"","gte":null}"#),
    Choice(
        "first",
        "the first time with",
        r#"{"first":{"property":"","eq":""}}"#,
    ),
    Choice(
        "last",
        "the last time with",
        r#"{"last":{"property":"","eq":""}}"#,
    ),
];
pub(super) const MEASURED: &[&str] = &[
    "count", "sum", "min", "max", "avg", "first", "last", "gt", "gte", "lt", "lte", "eq",
];

pub(super) const ORDERS: &[Choice] = &[
    Choice("", "at least once", "{}"),
    Choice("count", "so often:", r#"{"count":{"gte":2}}"#),
    Choice("sum", "for", r#"{"sum":{"gte":100}}"#),
];

pub(super) const TIMES: &[Choice] = &[
    Choice("", "at least once", "{}"),
    Choice("count", "so often:", r#"{"count":{"gte":2}}"#),
];

pub(super) const INCLUDE_NEW: &[Choice] = &[
    Choice("", "newer contacts: say whether", "{}"),
    Choice("true", "newer contacts included", r#"{"includeNew":true}"#),
    Choice(
        "false",
        "newer contacts left out",
        r#"{"includeNew":false}"#,
    ),
];
