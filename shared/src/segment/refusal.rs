//! Why a definition is refused: where, and what to send instead. Names the nearest right word.

use alloc::format;
use alloc::string::{String, ToString as _};
use core::fmt;

use strsim::normalized_damerau_levenshtein as likeness;

/// The code under which a definition is refused. Never renamed.
pub const INVALID_DEFINITION: &str = "invalid_definition";

/// Words that are less alike than this are not what was meant.
const ALIKE: f64 = 0.6;
/// Longer words are nobody's slip, and are not repeated. In bytes.
const MAX_WORD: usize = 64;

/// What other systems call it, in letters alone and lower case.
const ALSO: &[(&str, &[&str])] = &[
    ("all", &["and", "every", "must", "allof"]),
    ("any", &["or", "some", "should", "anyof", "oneof"]),
    (
        "not",
        &["none", "mustnot", "notdone", "never", "exclude", "nor"],
    ),
    (
        "event",
        &[
            "performed",
            "name",
            "eventname",
            "metric",
            "did",
            "done",
            "track",
        ],
    ),
    (
        "trait",
        &[
            "attribute",
            "profile",
            "contact",
            "userproperty",
            "customattribute",
            "field",
            "property",
        ],
    ),
    (
        "property",
        &["field", "path", "key", "attribute", "prop", "trait"],
    ),
    ("purchase", &["order", "orders", "revenue", "bought"]),
    ("message", &["email", "mail"]),
    ("score", &["engagement", "engagementscore"]),
    ("segment", &["cohort", "list", "audience", "insegment"]),
    ("sequence", &["funnel", "then", "followedby", "steps"]),
    ("firstSeen", &["createdat", "created", "signedup", "joined"]),
    ("lastSeen", &["lastactive", "active", "lastactivity"]),
    (
        "within",
        &[
            "window",
            "last",
            "inlast",
            "inthelast",
            "since",
            "during",
            "timeframe",
            "period",
            "days",
            "time",
        ],
    ),
    ("between", &["range", "dates", "daterange"]),
    ("count", &["times", "occurrences", "frequency", "number"]),
    (
        "where",
        &[
            "filter",
            "filters",
            "properties",
            "conditions",
            "having",
            "with",
        ],
    ),
    ("includeNew", &["new", "includenewcontacts"]),
    ("campaignId", &["campaign"]),
    ("link", &["url", "href", "target"]),
    ("eq", &["equals", "equal", "is", "value", "exactly"]),
    ("ne", &["neq", "notequals", "notequal", "isnot", "noteq"]),
    ("gt", &["greaterthan", "morethan", "above", "over"]),
    (
        "gte",
        &["greaterthanorequal", "atleast", "min", "ge", "minimum"],
    ),
    ("lt", &["lessthan", "below", "under", "fewerthan"]),
    (
        "lte",
        &["lessthanorequal", "atmost", "max", "le", "maximum"],
    ),
    ("in", &["oneof", "anyof"]),
    ("notIn", &["nin", "noneof"]),
    ("contains", &["includes", "has", "like"]),
    ("startsWith", &["beginswith", "prefix", "starts"]),
    ("endsWith", &["suffix", "ends"]),
    ("exists", &["isset", "present", "set", "known"]),
    ("empty", &["isempty", "missing", "blank", "notset"]),
    ("before", &["until", "earlierthan", "olderthan"]),
    ("after", &["since", "laterthan", "newerthan"]),
    ("on", &["date", "day", "isday"]),
    ("avg", &["average", "mean"]),
    ("sum", &["total"]),
    ("genuine", &["human", "person", "people", "real"]),
    ("machine", &["bot", "bots", "machines"]),
    ("any", &["both", "everything"]),
    ("browser", &["web", "page", "client"]),
    ("server", &["api", "backend"]),
    ("mail", &["email"]),
    ("opened", &["open", "opens", "viewed", "emailopened"]),
    ("clicked", &["click", "clicks", "emailclicked"]),
    ("sent", &["send", "sends", "received", "emailsent"]),
    ("bounced", &["bounce", "hardbounced"]),
    ("complained", &["complaint", "spam", "reported"]),
    ("unsubscribed", &["unsubscribe", "optedout"]),
];

/// A definition that is refused. Repeats words that were sent, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionError {
    /// Where, from the definition on: `all[2].within`; empty for the definition itself.
    pub path: String,
    /// What to do.
    pub message: String,
}

impl DefinitionError {
    /// A refusal at a place.
    pub(super) fn at(path: impl Into<String>, message: impl Into<String>) -> DefinitionError {
        DefinitionError {
            path: path.into(),
            message: message.into(),
        }
    }

    /// The refusal of a word that is none of those that may stand there.
    pub(super) fn unknown(path: String, sent: &str, known: &[&str]) -> DefinitionError {
        let meant = match nearest(sent, known) {
            Some(word) => format!("did you mean `{word}`? "),
            None => String::new(),
        };
        let sent = shown(sent);
        let known = list(known, "or");
        DefinitionError::at(path, format!("{sent} is no word here: {meant}Send {known}"))
    }
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl core::error::Error for DefinitionError {}

/// The place of a name inside a place.
pub(super) fn child(path: &str, name: &str) -> String {
    let name = if is_word(name) { name } else { "…" };
    if path.is_empty() {
        name.to_string()
    } else {
        format!("{path}.{name}")
    }
}

/// The place of an element inside a place.
pub(super) fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// Words in a sentence: `` `a`, `b` or `c` ``.
pub(super) fn list(words: &[&str], last: &str) -> String {
    let mut text = String::new();
    for (at, word) in words.iter().enumerate() {
        if at > 0 && at + 1 == words.len() {
            text.push_str(&format!(" {last} "));
        } else if at > 0 {
            text.push_str(", ");
        }
        text.push_str(&format!("`{word}`"));
    }
    text
}

/// The word that was meant by another, where one is near.
pub(super) fn nearest<'w>(sent: &str, known: &[&'w str]) -> Option<&'w str> {
    if sent.len() > MAX_WORD {
        return None;
    }
    let sent = plain(sent);
    let is_also = |word: &str| {
        ALSO.iter()
            .any(|(known, others)| *known == word && others.contains(&sent.as_str()))
    };
    let same = known.iter().find(|word| plain(word) == sent);
    if let Some(word) = same.or_else(|| known.iter().find(|word| is_also(word))) {
        return Some(word);
    }
    let scored = known
        .iter()
        .map(|word| (likeness(&sent, &plain(word)), *word));
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.filter(|(score, _)| *score >= ALIKE)
        .map(|(_, word)| word)
}

fn plain(word: &str) -> String {
    let letters = word
        .chars()
        .filter(|letter| !matches!(letter, '_' | '-' | '.' | ' ' | '$'));
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

fn shown(word: &str) -> String {
    if is_word(word) {
        format!("`{word}`")
    } else {
        "This".into()
    }
}

/// Whether it is surely a word, and nothing that must not be repeated.
fn is_word(word: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte);
    (1..=MAX_WORD).contains(&word.len()) && word.bytes().all(is_sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_found_by_spelling_and_by_what_others_call_it() {
        let known = [
            "event",
            "within",
            "count",
            "where",
            "includeNew",
            "gte",
            "all",
            "any",
            "not",
        ];
        for (sent, word) in [
            ("witin", Some("within")),
            ("Within", Some("within")),
            ("include_new", Some("includeNew")),
            ("filters", Some("where")),
            ("and", Some("all")),
            ("$or", Some("any")),
            ("at_least", Some("gte")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(sent, &known), word, "{sent}");
        }
    }

    #[test]
    fn what_may_be_personal_is_not_repeated() {
        let error = DefinitionError::unknown(child("", "a@b.example"), "a@b.example", &["all"]);
        assert!(!error.to_string().contains("a@b"), "{error}");
    }
}
