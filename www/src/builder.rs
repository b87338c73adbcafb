//! A segment's draft: the definition as it is being written, its edits, and how to take them back. Knows no browser.
//!
//! The document is a JSON value, because what is being written need not be whole; whether it is, and what it says, the
//! language itself tells (`shared::segment`).
//!
//! - `place`: where in a document, and edits of its shape
//! - `fields`: what can be set, and what becomes of the document
//! - `leaves`, `conditions`, `times`, `words`: each kind of condition as a sentence with fields
//! - `rows`: a document as rows
//! - `names`: what may be completed
//! - `answers`, `counting`: what the collector says of it, and when it is asked
//! - `said`: a definition's conditions in words
//! - `keys`: what keys do
//! - `templates`: where to begin

pub(crate) mod answers;
mod conditions;
pub(crate) mod counting;
pub(crate) mod fields;
pub(crate) mod keys;
mod leaves;
pub(crate) mod names;
pub(crate) mod place;
pub(crate) mod rows;
pub(crate) mod said;
pub(crate) mod templates;
mod times;
pub(crate) mod words;

use shared::segment::value::Value;
use shared::segment::{Definition, DefinitionError};

use fields::{Choice, Edit};
use rows::{Row, rows, settle};

/// Drafts of before that are kept.
const MAX_BEFORE: usize = 200;

/// A definition that is being written, with those that it was before.
#[derive(Debug)]
pub(crate) struct Draft {
    root: Value,
    before: Vec<Value>,
    behind: Vec<Value>,
    /// The field that was typed into last: what is typed in one go is taken back in one.
    typed: Option<String>,
}

impl Draft {
    /// Of everybody.
    pub(crate) fn new() -> Self {
        Self::of(place::object("all", Value::List(Vec::new())))
    }

    fn of(root: Value) -> Self {
        Self {
            root,
            before: Vec::new(),
            behind: Vec::new(),
            typed: None,
        }
    }

    /// Of a definition as it is kept.
    ///
    /// # Errors
    /// Where it is none.
    pub(crate) fn read(json: &str) -> Result<Self, DefinitionError> {
        written(&Definition::from_kept(json)?).map(Self::of)
    }

    /// The document as JSON.
    pub(crate) fn json(&self) -> String {
        self.root.to_json()
    }

    /// The definition.
    ///
    /// # Errors
    /// Where it is not whole, with the place.
    pub(crate) fn definition(&self) -> Result<Definition, DefinitionError> {
        Definition::parse(&self.json())
    }

    pub(crate) fn rows(&self) -> Row {
        rows(&self.root)
    }

    /// The group at a place, or else the one around it.
    pub(crate) fn group_of(&self, path: &str) -> String {
        let is_group = |value| place::group(place::inside(value, path).0).is_some();
        if place::find(&self.root, path).is_some_and(is_group) {
            return path.to_owned();
        }
        place::in_list(path).map_or_else(String::new, |(list, _)| place::owner(list).to_owned())
    }

    /// Whether nothing is asked yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.json() == r#"{"all":[]}"#
    }

    /// Sets a field; what is typed on in the same one counts as one edit.
    pub(crate) fn set(&mut self, key: &str, edit: &Edit, text: &str) {
        let goes_on = matches!(edit, Edit::Put(..)) && self.typed.as_deref() == Some(key);
        let mut root = self.root.clone();
        if edit.apply(&mut root, text).is_none() {
            return;
        }
        settle(&mut root);
        self.take(root, goes_on);
        self.typed = Some(key.to_owned());
    }

    /// Changes the shape of the document. Says what `change` does; where that is nothing, nothing has happened.
    pub(crate) fn reshape<T>(&mut self, change: impl FnOnce(&mut Value) -> Option<T>) -> Option<T> {
        let mut root = self.root.clone();
        let changed = change(&mut root)?;
        settle(&mut root);
        self.take(root, false);
        Some(changed)
    }

    /// Adds a new condition of a kind, or a group (`all`, `any`), to the group at a place. Says where it is.
    pub(crate) fn add(&mut self, path: &str, kind: &str) -> Option<String> {
        let condition = match kind {
            "all" | "any" => place::object(kind, Value::List(Vec::new())),
            kind => {
                let Choice(.., json) =
                    words::KINDS.iter().find(|Choice(word, ..)| *word == kind)?;
                Value::read(json).ok()?
            }
        };
        self.reshape(|root| place::add(root, path, condition))
    }

    /// Takes what was typed as JSON for the document.
    ///
    /// # Errors
    /// Where it is no definition; the document stays as it was.
    pub(crate) fn type_json(&mut self, json: &str) -> Result<(), DefinitionError> {
        let root = written(&Definition::parse(json)?)?;
        let goes_on = self.typed.as_deref() == Some("json");
        self.take(root, goes_on);
        self.typed = Some("json".to_owned());
        Ok(())
    }

    /// Takes the last edit back.
    pub(crate) fn undo(&mut self) -> bool {
        let Some(before) = self.before.pop() else {
            return false;
        };
        self.behind.push(std::mem::replace(&mut self.root, before));
        self.typed = None;
        true
    }

    /// Does again what was taken back.
    pub(crate) fn redo(&mut self) -> bool {
        let Some(behind) = self.behind.pop() else {
            return false;
        };
        self.before.push(std::mem::replace(&mut self.root, behind));
        self.typed = None;
        true
    }

    pub(crate) fn can_undo(&self) -> bool {
        !self.before.is_empty()
    }

    pub(crate) fn can_redo(&self) -> bool {
        !self.behind.is_empty()
    }

    fn take(&mut self, root: Value, goes_on: bool) {
        if root == self.root {
            return;
        }
        let before = std::mem::replace(&mut self.root, root);
        self.behind.clear();
        self.typed = None;
        if goes_on && !self.before.is_empty() {
            return;
        }
        if self.before.len() == MAX_BEFORE {
            self.before.remove(0);
        }
        self.before.push(before);
    }
}

/// A definition as a document.
fn written(definition: &Definition) -> Result<Value, DefinitionError> {
    Value::read(&definition.to_json()).map_err(|_| DefinitionError {
        path: String::new(),
        message: "This definition cannot be shown here".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fields::{Form, Part};
    use rows::Body;

    /// The field of a row that has this key.
    fn edit(draft: &Draft, key: &str) -> Edit {
        let mut found = None;
        let row = draft.rows();
        row.each(&mut |row| {
            if let Body::Leaf(parts) = &row.body {
                for part in parts {
                    match part {
                        Part::Field(field) if field.key == key => found = Some(field.edit.clone()),
                        _ => {}
                    }
                }
            }
        });
        found.unwrap_or_else(|| panic!("there is no field {key}"))
    }

    fn set(draft: &mut Draft, key: &str, text: &str) {
        let edit = edit(draft, key);
        draft.set(key, &edit, text);
    }

    #[test]
    fn a_condition_is_written_by_its_fields_and_asks_of_newer_contacts_where_that_matters() {
        let mut draft = Draft::new();
        assert!(draft.is_empty());
        assert_eq!(draft.add("", "event").as_deref(), Some("all[0]"));
        let error = draft.definition().unwrap_err();
        assert_eq!(error.path, "all[0].event");
        set(&mut draft, "all[0].event", "trial_started");
        set(&mut draft, "all[0].within?", "within");
        set(&mut draft, "all[0].within", "7d");
        set(&mut draft, "all[0].where+", "where");
        set(&mut draft, "all[0].where[0].property", "plan");
        set(&mut draft, "all[0].where[0].eq", "pro");
        assert_eq!(
            draft.json(),
            r#"{"all":[{"event":"trial_started","within":"7d","where":[{"property":"plan","eq":"pro"}]}]}"#
        );
        draft.reshape(|root| place::negate(root, "all[0]")).unwrap();
        let error = draft.definition().unwrap_err();
        assert_eq!(error.path, "all[0].not.includeNew");
        set(&mut draft, "all[0].not.includeNew?", "false");
        assert!(draft.definition().is_ok());
        // Without a window nobody is younger than it.
        set(&mut draft, "all[0].not.within?", "");
        assert_eq!(
            draft.json(),
            r#"{"all":[{"not":{"event":"trial_started","where":[{"property":"plan","eq":"pro"}]}}]}"#
        );
    }

    #[test]
    fn what_is_typed_in_one_go_is_taken_back_in_one_and_done_again() {
        let mut draft = Draft::new();
        draft.add("", "event");
        let empty = draft.json();
        for text in ["j", "jo", "joined"] {
            set(&mut draft, "all[0].event", text);
        }
        let typed = draft.json();
        assert!(draft.undo());
        assert_eq!(draft.json(), empty);
        assert!(draft.redo() && !draft.redo());
        assert_eq!(draft.json(), typed);
        assert!(draft.undo() && draft.undo() && !draft.undo());
        assert!(draft.is_empty() && !draft.can_undo() && draft.can_redo());
        draft.add("", "score");
        assert!(!draft.can_redo());
    }

    #[test]
    fn typed_json_is_the_same_document_or_says_where_it_is_none() {
        let mut draft = Draft::new();
        let error = draft
            .type_json(r#"{"all":[{"event":"a","witin":"7d"}]}"#)
            .unwrap_err();
        assert_eq!(error.path, "all[0].witin");
        assert!(draft.is_empty());
        draft
            .type_json(r#"{ "any": [{"event":"a","count":{"gte":1}}] }"#)
            .unwrap();
        assert_eq!(draft.json(), r#"{"any":[{"event":"a"}]}"#);
        assert!(draft.undo() && draft.is_empty());
    }

    #[test]
    fn an_edit_that_changes_nothing_is_none_to_take_back() {
        let mut draft = Draft::new();
        draft.set("x", &Edit::Put("all[7].event".to_owned(), Form::Text), "a");
        assert!(
            draft
                .reshape(|root| place::negate(root, "all[7]"))
                .is_none()
        );
        assert!(!draft.can_undo());
    }
}
