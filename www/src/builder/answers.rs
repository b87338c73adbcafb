//! What the collector says of a draft, and what the page says of that.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::text::count;

/// What a definition comes to.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Preview {
    pub(crate) count: u64,
    pub(crate) members: Vec<String>,
    steps: Vec<Step>,
    include_new_moves: Option<u64>,
    pub(crate) unknown: Vec<String>,
    pub(crate) warnings: Vec<String>,
    #[serde(default)]
    uncertain: u64,
    since: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Step {
    path: String,
    count: u64,
}

/// Who would move under another definition.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Difference {
    pub(crate) enter: u64,
    pub(crate) leave: u64,
    pub(crate) entering: Vec<String>,
    pub(crate) leaving: Vec<String>,
}

/// The versions of a definition, the newest first.
#[derive(Debug, Deserialize)]
pub(crate) struct History {
    pub(crate) versions: Vec<Version>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Version {
    pub(crate) version: u32,
    pub(crate) definition: Box<RawValue>,
    pub(crate) sentence: String,
    pub(crate) made_at: String,
    pub(crate) held_from: Option<String>,
}

/// Why a contact is in a segment, or is not.
#[derive(Debug, Deserialize)]
pub(crate) struct Explanation {
    pub(crate) r#in: bool,
    pub(crate) unknown: Option<bool>,
    pub(crate) conditions: Vec<Reason>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reason {
    pub(crate) path: String,
    pub(crate) holds: bool,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) changes_at: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Evidence {
    pub(crate) name: String,
    pub(crate) time: String,
    pub(crate) value: Option<String>,
}

/// So many contacts.
pub(crate) fn contacts(number: u64) -> String {
    match number {
        1 => "1 contact".to_owned(),
        number => format!("{} contacts", count(number)),
    }
}

impl Preview {
    /// How many are left after the condition at a place; `None` where nobody counted there.
    pub(crate) fn left_after(&self, path: &str) -> Option<u64> {
        let mut steps = self.steps.iter();
        steps.find(|step| step.path == path).map(|step| step.count)
    }

    /// The place of the condition that leaves nobody, where those before it left somebody.
    pub(crate) fn last_straw(&self) -> Option<&str> {
        let at = self.steps.iter().position(|step| step.count == 0)?;
        Some(self.steps[at].path.as_str())
    }

    /// For how many it matters whether newer contacts are meant.
    pub(crate) fn moved_by_new(&self) -> Option<String> {
        let moved = self.include_new_moves?;
        Some(match moved {
            0 => "Whether newer contacts are meant matters for nobody.".to_owned(),
            moved => format!(
                "Whether newer contacts are meant matters for {}.",
                contacts(moved)
            ),
        })
    }

    /// Of how many it cannot be said any more.
    pub(crate) fn open(&self) -> Option<String> {
        let since = self.since.as_ref().filter(|_| self.uncertain > 0)?;
        let open = contacts(self.uncertain);
        Some(format!(
            "Of {open} it cannot be said: what happened before {since} was thrown away."
        ))
    }
}

impl Difference {
    /// What would happen, before it does.
    pub(crate) fn words(&self) -> String {
        match (self.enter, self.leave) {
            (0, 0) => "Nobody enters and nobody leaves.".to_owned(),
            (enter, leave) => {
                format!(
                    "Now {} would enter and {} would leave.",
                    contacts(enter),
                    contacts(leave)
                )
            }
        }
    }
}

impl Version {
    /// Whether it holds, and from when on.
    pub(crate) fn held(&self) -> String {
        match &self.held_from {
            Some(from) => format!("held from {from}"),
            None => "does not hold yet".to_owned(),
        }
    }
}

impl Explanation {
    /// The answer to the question.
    pub(crate) fn words(&self, email: &str) -> String {
        if self.conditions.is_empty() {
            return format!("Nothing is known of {email}: nobody of that address is in.");
        }
        let is = if self.r#in { "is in" } else { "is not in" };
        match self.unknown {
            Some(true) => {
                format!("{email} {is} by what is known; what happened before was thrown away.")
            }
            _ => format!("{email} {is} this segment, as it is saved."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview(steps: &str, rest: &str) -> Preview {
        let text = format!(
            r#"{{"count":0,"members":[],"steps":{steps},"unknown":[],"warnings":[],"sentence":"s"{rest}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_condition_that_removes_the_last_one_is_named() {
        let told = preview(
            r#"[{"path":"all[0]","count":12},{"path":"all[1]","count":0},{"path":"all[2]","count":0}]"#,
            "",
        );
        assert_eq!(told.last_straw(), Some("all[1]"));
        assert_eq!(
            (told.left_after("all[0]"), told.left_after("all[9]")),
            (Some(12), None)
        );
        assert_eq!(preview(r#"[{"path":"","count":3}]"#, "").last_straw(), None);
    }

    #[test]
    fn what_is_moved_and_what_is_open_is_said_in_numbers() {
        let told = preview(
            "[]",
            r#","includeNewMoves":1204,"uncertain":1,"since":"2026-01-01""#,
        );
        assert!(
            told.moved_by_new()
                .is_some_and(|words| words.contains("1,204 contacts"))
        );
        assert!(
            told.open()
                .is_some_and(|words| words.starts_with("Of 1 contact it"))
        );
        let told = preview("[]", r#","uncertain":0"#);
        assert_eq!((told.moved_by_new(), told.open()), (None, None));
    }

    #[test]
    fn a_difference_says_who_moves() {
        let of = |text: &str| serde_json::from_str::<Difference>(text).unwrap().words();
        assert_eq!(
            of(r#"{"enter":310,"leave":1204,"entering":[],"leaving":[]}"#),
            "Now 310 contacts would enter and 1,204 contacts would leave."
        );
        assert_eq!(
            of(r#"{"enter":0,"leave":0,"entering":[],"leaving":[]}"#),
            "Nobody enters and nobody leaves."
        );
    }
}
