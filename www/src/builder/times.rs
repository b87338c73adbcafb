//! The fields of windows, moments and days, of when somebody was seen, and of how often and how much.

use shared::segment::calendar::Day;

use super::fields::{Choice, Edit, Field, Form, Input};
use super::leaves::{Sentence, options};
use super::place::child;

const WINDOWS: &[Choice] = &[
    Choice("", "at any time", "{}"),
    Choice("within", "in the last", r#"{"within":"30d"}"#),
    Choice("today", "today", r#"{"within":"today"}"#),
    Choice("between", "between", r#"{"between":{"from":"","to":""}}"#),
    Choice("ago", "ago, from", r#"{"ago":{"from":"14d","to":"7d"}}"#),
];

const SEEN: &[Choice] = &[
    Choice("within", "in the last", r#"{"within":"30d"}"#),
    Choice("today", "today", r#"{"within":"today"}"#),
    Choice("between", "between", r#"{"between":{"from":"","to":""}}"#),
    Choice("ago", "ago, from", r#"{"ago":{"from":"14d","to":"7d"}}"#),
    Choice("before", "before", r#"{"before":{"ago":"90d"}}"#),
    Choice("after", "after", r#"{"after":{"ago":"30d"}}"#),
    Choice("on", "on", r#"{"on":"today"}"#),
    Choice("true", "at some time", r#"{"exists":true}"#),
    Choice("false", "never", r#"{"exists":false}"#),
];

pub(super) const MOMENTS: &[Choice] = &[
    Choice("ago", "so long ago:", r#"{"ago":"7d"}"#),
    Choice("ahead", "so far ahead:", r#"{"ahead":"7d"}"#),
    Choice("now", "now", r#""now""#),
    Choice("day", "the day", r#""""#),
    Choice("at", "the instant", r#""2026-01-01T00:00:00Z""#),
];
const FIXED: &[Choice] = &[
    Choice("day", "the day", r#""""#),
    Choice("at", "the instant", r#""2026-01-01T00:00:00Z""#),
];
const DAYS: &[Choice] = &[
    Choice("today", "today", r#""today""#),
    Choice("yesterday", "yesterday", r#""yesterday""#),
    Choice("day", "the day", r#""""#),
];
const GAPS: &[Choice] = &[
    Choice("", "with any time between them", "{}"),
    Choice("within", "each within", r#"{"within":"7d"}"#),
];

const COUNTS: &[Choice] = &[
    Choice("gte", "at least", r#"{"gte":2}"#),
    Choice("lte", "at most", r#"{"lte":2}"#),
    Choice("eq", "exactly", r#"{"eq":0}"#),
    Choice("both", "from", r#"{"gte":1,"lte":5}"#),
];
const NUMBERS: &[Choice] = &[
    Choice("gte", "at least", r#"{"gte":null}"#),
    Choice("gt", "more than", r#"{"gt":null}"#),
    Choice("lte", "at most", r#"{"lte":null}"#),
    Choice("lt", "less than", r#"{"lt":null}"#),
    Choice("eq", "exactly", r#"{"eq":null}"#),
];
/// A score is equal to nothing for long.
const UNEQUAL: &[Choice] = NUMBERS.split_at(4).0;
const COMPARED: &[&str] = &["gt", "gte", "lt", "lte", "eq"];
const UPPER: &[Choice] = &[
    Choice("", "or more", "{}"),
    Choice("lte", "and at most", r#"{"lte":null}"#),
    Choice("lt", "and less than", r#"{"lt":null}"#),
];

/// The window in which a condition looks.
pub(super) fn window(said: &mut Sentence<'_>, path: &str) {
    let which = which_window(said, path);
    said.swap(
        path,
        "within",
        "When",
        &["within", "between", "ago"],
        WINDOWS,
        which.to_owned(),
    );
    ends(said, path, which);
}

fn which_window(said: &Sentence<'_>, path: &str) -> &'static str {
    match said.present(path, &["within", "between", "ago"]) {
        "within" if said.shown(&child(path, "within")) == "today" => "today",
        which => which,
    }
}

fn ends(said: &mut Sentence<'_>, path: &str, which: &str) {
    let at = child(path, which);
    let (from, to) = (child(&at, "from"), child(&at, "to"));
    match which {
        "within" => span(said, &at, "How long"),
        "ago" => {
            span(said, &from, "From so long ago");
            said.words("to");
            span(said, &to, "To so long ago");
        }
        "between" => {
            moment(said, &from, "From", FIXED);
            said.words("and, without it,");
            moment(said, &to, "Until", FIXED);
        }
        _ => {}
    }
}

fn span(said: &mut Sentence<'_>, path: &str, label: &'static str) {
    said.typed(path, label, Input::Span, Form::Text);
}

/// How long there may be between the steps of a sequence.
pub(super) fn gap(said: &mut Sentence<'_>, path: &str) {
    let which = said.present(path, &["within"]);
    said.swap(
        path,
        "within",
        "Time between steps",
        &["within"],
        GAPS,
        which.to_owned(),
    );
    ends(said, path, which);
}

/// When somebody was first or last seen.
pub(super) fn seen(said: &mut Sentence<'_>, path: &str, which: &str) {
    const WHICH: &[&str] = &["firstSeen", "lastSeen"];
    let own = |word: &str, says: &str| (word.to_owned(), says.to_owned());
    said.field(Field {
        key: format!("{path}?seen"),
        label: "First or last",
        input: Input::Choice(vec![
            own("firstSeen", "first seen"),
            own("lastSeen", "last seen"),
        ]),
        value: which.to_owned(),
        edit: Edit::Rename(path.to_owned(), WHICH),
    });
    let inner = child(path, which);
    let names = &[
        "within", "between", "ago", "before", "after", "on", "exists",
    ];
    let test = match said.present(&inner, names) {
        "within" | "between" | "ago" => which_window(said, &inner).to_owned(),
        "exists" => said.shown(&child(&inner, "exists")),
        test => test.to_owned(),
    };
    said.swap(&inner, "within", "When", names, SEEN, test.clone());
    let at = child(&inner, &test);
    match test.as_str() {
        "before" | "after" => moment(said, &at, "The moment", MOMENTS),
        "on" => day(said, &at),
        test => ends(said, &inner, test),
    }
}

/// A moment, of the kinds that may stand there.
pub(super) fn moment(
    said: &mut Sentence<'_>,
    path: &str,
    label: &'static str,
    kinds: &'static [Choice],
) {
    let text = said.shown(path);
    let kind = match said.present(path, &["ago", "ahead"]) {
        "" if text == "now" => "now",
        "" if is_day(&text) => "day",
        "" => "at",
        kind => kind,
    };
    said.field(kind_of(path, label, kinds, kind));
    match kind {
        "ago" | "ahead" => span(said, &child(path, kind), label),
        "now" => {}
        _ => date(said, path, label, kind == "day"),
    }
}

/// A calendar day.
pub(super) fn day(said: &mut Sentence<'_>, path: &str) {
    let text = said.shown(path);
    let kind = match text.as_str() {
        "today" | "yesterday" => &text,
        _ => "day",
    };
    said.field(kind_of(path, "The day", DAYS, kind));
    if kind == "day" {
        date(said, path, "The day", is_day(&text));
    }
}

fn kind_of(path: &str, label: &'static str, kinds: &'static [Choice], kind: &str) -> Field {
    Field {
        key: format!("{path}?"),
        label,
        input: options(kinds),
        value: kind.to_owned(),
        edit: Edit::Become(path.to_owned(), kinds),
    }
}

fn date(said: &mut Sentence<'_>, path: &str, label: &'static str, is_day: bool) {
    let input = match is_day {
        true => Input::Date,
        false => Input::Text(super::names::Kind::Instant),
    };
    said.typed(path, label, input, Form::Text);
}

/// Whether the text is a day, or nothing yet.
fn is_day(text: &str) -> bool {
    text.is_empty() || Day::parse(text).is_some()
}

impl Sentence<'_> {
    /// How often: the object at a place.
    pub(super) fn count(&mut self, path: &str) {
        const NAMES: &[&str] = &["gte", "lte", "eq"];
        let has = |name: &str| self.has(&child(path, name));
        let which = match (has("gte"), has("lte"), has("eq")) {
            (true, true, _) => "both",
            (_, _, true) => "eq",
            (_, true, _) => "lte",
            _ => "gte",
        };
        self.swap(path, "gte", "Compared", NAMES, COUNTS, which.to_owned());
        let typed = |said: &mut Self, name: &str| {
            said.typed(&child(path, name), "How often", Input::Number, Form::Number);
        };
        match which {
            "both" => {
                typed(self, "gte");
                self.words("to");
                typed(self, "lte");
            }
            which => typed(self, which),
        }
        self.words("times");
    }

    /// How much: the comparisons of the object at a place.
    pub(super) fn numbers(&mut self, path: &str, may_equal: bool) {
        let choices = if may_equal { NUMBERS } else { UNEQUAL };
        let first = self.present(path, &["gt", "gte", "eq", "lt", "lte"]);
        self.swap(path, "gt", "Compared", COMPARED, choices, first.to_owned());
        self.typed(&child(path, first), "How much", Input::Number, Form::Number);
        if matches!(first, "gt" | "gte") {
            let upper = self.present(path, &["lt", "lte"]);
            self.swap(
                path,
                "lt",
                "Upper bound",
                &["lt", "lte"],
                UPPER,
                upper.to_owned(),
            );
            if !upper.is_empty() {
                self.typed(
                    &child(path, upper),
                    "At most how much",
                    Input::Number,
                    Form::Number,
                );
            }
        }
    }
}
