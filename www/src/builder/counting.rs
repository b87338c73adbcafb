//! When the collector is asked how many there are: one question at a time, the newest draft next; what an older draft
//! came to is never shown as the newest's.

use super::answers::{Preview, contacts};

/// The state of the count.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    /// The draft that is to be counted; `None` while it is not whole.
    wanted: Option<String>,
    /// What is being counted.
    asked: Option<String>,
    /// What was counted last.
    answer: Option<(String, Preview)>,
    trouble: Option<Trouble>,
    /// Nobody waits for the answer any more.
    is_given_up: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The collector was not reached.
    Offline,
    /// It gathers what is asked: it is asked again.
    Building(String),
    /// It said no.
    Refused(String),
}

impl Trouble {
    /// Whether it passes, so that the same question is worth another try.
    pub(crate) fn passes(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// What the count is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// There is nothing to count: the draft is not whole.
    Unfinished,
    Counting,
    /// The number is that of the draft.
    Fresh,
    GivenUp,
    Offline,
    Building,
    Refused,
}

impl State {
    /// As the page's style knows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Counting => "counting",
            Self::Fresh => "fresh",
            Self::GivenUp => "given-up",
            Self::Offline => "offline",
            Self::Building => "building",
            Self::Refused => "refused",
        }
    }
}

impl Counting {
    /// Another draft is to be counted, or none.
    pub(crate) fn want(&mut self, draft: Option<String>) {
        if self.wanted != draft {
            self.trouble = None;
            self.is_given_up = false;
        }
        self.wanted = draft;
    }

    /// What is to be asked now, where anything is: the caller asks it.
    pub(crate) fn ask(&mut self) -> Option<String> {
        let is_known = self.is_fresh();
        // What was refused is not asked again by itself.
        let is_at_rest = self.is_given_up || self.trouble.is_some();
        if self.asked.is_some() || is_known || is_at_rest {
            return None;
        }
        self.asked.clone_from(&self.wanted);
        self.asked.clone()
    }

    /// What came of the question.
    pub(crate) fn answered(&mut self, answer: Result<Preview, Trouble>) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        match answer {
            Ok(preview) => {
                self.trouble = None;
                self.answer = Some((asked, preview));
            }
            // What is said of an older draft helps nobody.
            Err(trouble) if self.wanted.as_ref() == Some(&asked) => self.trouble = Some(trouble),
            Err(_) => {}
        }
    }

    /// Nobody waits any more, until the draft changes.
    pub(crate) fn give_up(&mut self) {
        self.asked = None;
        self.is_given_up = true;
    }

    /// Asks the same once more.
    pub(crate) fn again(&mut self) {
        self.trouble = None;
        self.is_given_up = false;
    }

    pub(crate) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// What was counted last, whatever draft it is of.
    pub(crate) fn last(&self) -> Option<&Preview> {
        self.answer.as_ref().map(|(_, preview)| preview)
    }

    fn is_fresh(&self) -> bool {
        let counted = self.answer.as_ref().map(|(draft, _)| draft);
        counted.is_some() && counted == self.wanted.as_ref()
    }

    pub(crate) fn state(&self) -> State {
        if self.wanted.is_none() {
            return State::Unfinished;
        }
        if self.is_fresh() {
            return State::Fresh;
        }
        match &self.trouble {
            _ if self.is_given_up => State::GivenUp,
            Some(Trouble::Offline) => State::Offline,
            Some(Trouble::Building(_)) => State::Building,
            Some(Trouble::Refused(_)) => State::Refused,
            None => State::Counting,
        }
    }

    /// What is said of the count; the number itself stands beside it.
    pub(crate) fn words(&self) -> String {
        let before = |words: &str| match self.last() {
            Some(_) => format!("{words} The number is of the draft before."),
            None => words.to_owned(),
        };
        match (self.state(), &self.trouble) {
            (State::Unfinished, _) => before("Not counted: something is still missing."),
            (State::Fresh, _) => match self.last() {
                Some(preview) if preview.count == 0 => "Nobody matches now.".to_owned(),
                Some(preview) => format!(
                    "{} {} now, exactly.",
                    contacts(preview.count),
                    if preview.count == 1 {
                        "matches"
                    } else {
                        "match"
                    }
                ),
                None => String::new(),
            },
            (State::Counting, _) => before("Counting …"),
            (State::GivenUp, _) => before("Not counted: you stopped it."),
            (State::Offline, _) => {
                before("Offline: the collector does not answer. It is asked again.")
            }
            (_, Some(Trouble::Building(words) | Trouble::Refused(words))) => before(words),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: u64) -> Result<Preview, Trouble> {
        let text =
            format!(r#"{{"count":{count},"members":[],"steps":[],"unknown":[],"warnings":[]}}"#);
        Ok(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn one_question_is_on_its_way_and_the_newest_draft_is_next() {
        let mut counting = Counting::default();
        assert_eq!(
            (counting.ask(), counting.state()),
            (None, State::Unfinished)
        );
        counting.want(Some("a".to_owned()));
        assert_eq!(counting.ask().as_deref(), Some("a"));
        for draft in ["b", "c"] {
            counting.want(Some(draft.to_owned()));
            assert_eq!(counting.ask(), None);
        }
        counting.answered(of(7));
        // It is shown, and said to be of the draft before.
        assert_eq!(
            (counting.last().unwrap().count, counting.state()),
            (7, State::Counting)
        );
        assert!(counting.words().contains("draft before"));
        assert_eq!(counting.ask().as_deref(), Some("c"));
        counting.answered(of(1));
        assert_eq!(
            (counting.state(), counting.words().as_str()),
            (State::Fresh, "1 contact matches now, exactly.")
        );
        assert_eq!(counting.ask(), None);
        counting.want(None);
        assert_eq!(
            (counting.state(), counting.ask()),
            (State::Unfinished, None)
        );
    }

    #[test]
    fn trouble_is_told_of_the_draft_that_has_it_alone() {
        let mut counting = Counting::default();
        counting.want(Some("a".to_owned()));
        counting.ask();
        counting.want(Some("b".to_owned()));
        counting.answered(Err(Trouble::Refused("a is bad".to_owned())));
        assert_eq!(counting.trouble(), None);
        counting.ask();
        counting.answered(Err(Trouble::Offline));
        assert_eq!(counting.state(), State::Offline);
        assert_eq!(counting.ask(), None);
        counting.again();
        assert_eq!(counting.ask().as_deref(), Some("b"));
        counting.answered(of(0));
        assert_eq!(counting.words(), "Nobody matches now.");
    }

    #[test]
    fn who_stops_it_is_not_answered_any_more() {
        let mut counting = Counting::default();
        counting.want(Some("a".to_owned()));
        counting.ask();
        counting.give_up();
        counting.answered(of(7));
        assert_eq!((counting.state(), counting.ask()), (State::GivenUp, None));
        counting.want(Some("b".to_owned()));
        assert_eq!(counting.ask().as_deref(), Some("b"));
    }
}
