//! What can be set in a condition: fields that each know their value and what becomes of the document where another is
//! chosen. What fields a condition has is not decided here.

use shared::decimal::Decimal;
use shared::segment::value::Value;

use super::names::Kind;
use super::place::{child, find, find_mut};

/// A piece of a condition's sentence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Words(&'static str),
    Field(Field),
    /// A button.
    Act(Act),
}

/// Something that can be chosen or typed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    /// Names it among all of the document's.
    pub(crate) key: String,
    /// For who does not see what stands around it.
    pub(crate) label: &'static str,
    pub(crate) input: Input,
    /// As it is typed or chosen.
    pub(crate) value: String,
    pub(crate) edit: Edit,
}

/// A button of a condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Act {
    pub(crate) key: String,
    pub(crate) says: &'static str,
    pub(crate) label: &'static str,
    pub(crate) edit: Edit,
}

/// How a field is set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    /// One of these values, with what each says.
    Choice(Vec<(String, String)>),
    /// A text, with names of this kind to be completed.
    Text(Kind),
    Number,
    /// `7d`.
    Span,
    /// `2026-03-01`.
    Date,
    /// A value a line.
    Lines(Kind),
}

/// What setting a field does to the document. Paths begin at its root.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Edit {
    /// Puts what was typed there.
    Put(String, Form),
    /// Gives the object at the path the fields of the choice, in place of those that are named.
    Swap {
        path: String,
        drop: &'static [&'static str],
        choices: &'static [Choice],
    },
    /// Puts the choice there.
    Become(String, &'static [Choice]),
    /// Gives the one of the object's fields that has one of these names another one of them.
    Rename(String, &'static [&'static str]),
    /// Has the value there be of another type.
    Retype(String),
    /// Puts a value at the end of the list that the object has under a name, or of a new one.
    Push {
        path: String,
        name: &'static str,
        json: &'static str,
    },
    /// Takes a part out of a list.
    Remove(String),
    /// Does what stands beside the choice.
    Menu(Vec<(&'static str, Edit)>),
}

/// How a text stands in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    /// A text that is left out where it is empty.
    MaybeText,
    Number,
    /// A list of texts, numbers, true and false, a line each.
    Lines,
}

/// One of several ways: the word that stands for it, what it says, and its JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice(
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) &'static str,
);

impl Edit {
    /// Does it.
    pub(crate) fn apply(&self, root: &mut Value, text: &str) -> Option<()> {
        match self {
            Self::Put(path, form) => form.put(root, path, text)?,
            Self::Swap {
                path,
                drop,
                choices,
            } => {
                swap(find_mut(root, path)?, drop, chosen(choices, text)?)?;
            }
            Self::Become(path, choices) => *find_mut(root, path)? = chosen(choices, text)?,
            Self::Rename(path, names) => {
                let known = names.iter().find(|name| **name == text)?;
                let Value::Object(fields) = find_mut(root, path)? else {
                    return None;
                };
                let field = fields
                    .iter_mut()
                    .find(|(name, _)| names.contains(&name.as_str()))?;
                field.0 = (*known).to_owned();
            }
            Self::Retype(path) => {
                let value = find_mut(root, path)?;
                *value = match text {
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    "number" => number(&shown(value)),
                    // Neither true nor false is what somebody would want to have typed.
                    _ if matches!(value, Value::Bool(_)) => Value::Text(String::new()),
                    _ => Value::Text(shown(value)),
                };
            }
            Self::Push { path, name, json } => {
                let value = Value::read(json).ok()?;
                let list = child(path, name);
                if find(root, &list).is_none() {
                    set_field(find_mut(root, path)?, name, Value::List(Vec::new()))?;
                }
                match find_mut(root, &list)? {
                    Value::List(parts) => parts.push(value),
                    _ => return None,
                }
            }
            Self::Remove(path) => {
                let (list, at) = super::place::in_list(path)?;
                match find_mut(root, list)? {
                    Value::List(parts) if at < parts.len() => drop(parts.remove(at)),
                    _ => return None,
                }
            }
            Self::Menu(edits) => {
                let (_, edit) = edits.iter().find(|(word, _)| *word == text)?;
                edit.apply(root, text)?;
            }
        }
        Some(())
    }
}

fn chosen(choices: &[Choice], word: &str) -> Option<Value> {
    let Choice(_, _, json) = choices.iter().find(|Choice(known, ..)| *known == word)?;
    Value::read(json).ok()
}

/// The values of fields that go stay where their successors are of the same type.
fn swap(object: &mut Value, names: &[&str], new: Value) -> Option<()> {
    let (Value::Object(fields), Value::Object(new)) = (object, new) else {
        return None;
    };
    let is_gone = |name: &String| names.contains(&name.as_str());
    let at = fields
        .iter()
        .position(|(name, _)| is_gone(name))
        .unwrap_or(fields.len());
    let mut gone = Vec::new();
    fields.retain(|(name, value)| {
        if is_gone(name) {
            gone.push(value.clone());
        }
        !is_gone(name)
    });
    let mut gone = gone.into_iter();
    let new = new.into_iter().map(|(name, value)| {
        let kept = gone.next().filter(|before| may_follow(before, &value));
        (name, kept.unwrap_or(value))
    });
    drop(fields.splice(at..at, new));
    Some(())
}

/// Whether the value of before fits where this one would stand. What is empty or a number waits for a value; all else
/// is one that the choice itself means.
fn may_follow(before: &Value, new: &Value) -> bool {
    match new {
        Value::Null | Value::Number(_) => matches!(before, Value::Number(_)),
        Value::Text(text) if text.is_empty() => {
            matches!(before, Value::Text(_) | Value::Number(_) | Value::Bool(_))
        }
        // The condition on the first such event, of the last one too.
        Value::Object(fields) if fields.iter().any(|(name, _)| name == "property") => {
            before.get("property").is_some()
        }
        Value::List(_) => matches!(before, Value::List(_)),
        _ => false,
    }
}

fn set_field(object: &mut Value, name: &str, value: Value) -> Option<()> {
    let Value::Object(fields) = object else {
        return None;
    };
    match fields.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => *known = value,
        None => fields.push((name.to_owned(), value)),
    }
    Some(())
}

impl Form {
    fn put(self, root: &mut Value, path: &str, text: &str) -> Option<()> {
        let value = match self {
            Self::Text => Value::Text(text.to_owned()),
            Self::MaybeText if text.is_empty() => {
                let (object, name) = path.rsplit_once('.').unwrap_or(("", path));
                if let Value::Object(fields) = find_mut(root, object)? {
                    fields.retain(|(known, _)| known != name);
                }
                return Some(());
            }
            Self::MaybeText => Value::Text(text.to_owned()),
            Self::Number => number(text),
            Self::Lines => {
                let lines = text.lines().filter(|line| !line.trim().is_empty());
                Value::List(lines.map(scalar).collect())
            }
        };
        match find_mut(root, path) {
            Some(place) => *place = value,
            None => {
                let (object, name) = path.rsplit_once('.').unwrap_or(("", path));
                set_field(find_mut(root, object)?, name, value)?;
            }
        }
        Some(())
    }
}

/// The number that was typed; null where it is none yet.
fn number(text: &str) -> Value {
    Decimal::parse(text.trim()).map_or(Value::Null, Value::Number)
}

/// What a line says: a number, true, false or a text in quotation marks as JSON has them, and all else a text itself.
fn scalar(line: &str) -> Value {
    let line = line.trim();
    match Value::read(line) {
        Ok(value @ (Value::Number(_) | Value::Text(_) | Value::Bool(_))) => value,
        _ => Value::Text(line.to_owned()),
    }
}

/// The line that says a value.
fn line(value: &Value) -> String {
    match value {
        Value::Text(text)
            if scalar(text) == *value && !text.is_empty() && !text.contains(['\n', '\r']) =>
        {
            text.clone()
        }
        other => other.to_json(),
    }
}

/// A value as it is typed.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => text.clone(),
        Value::List(parts) => {
            let lines: Vec<String> = parts.iter().map(line).collect();
            lines.join("\n")
        }
        other => other.to_json(),
    }
}

/// What is shown of what stands at a place.
pub(crate) fn shown_at(root: &Value, path: &str) -> String {
    find(root, path).map(shown).unwrap_or_default()
}

/// The number and the unit of a span.
pub(crate) fn span_parts(span: &str) -> (&str, &str) {
    match span.char_indices().next_back() {
        Some((at, unit)) if unit.is_ascii_alphabetic() => span.split_at(at),
        _ => (span, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(json: &str, edit: &Edit, text: &str) -> String {
        let mut value = Value::read(json).unwrap();
        edit.apply(&mut value, text).unwrap();
        value.to_json()
    }

    const WINDOWS: &[Choice] = &[
        Choice("", "ever", "{}"),
        Choice("within", "in the last", r#"{"within":"30d"}"#),
        Choice("today", "today", r#"{"within":"today"}"#),
    ];
    const COMPARED: &[Choice] = &[
        Choice("eq", "is", r#"{"eq":""}"#),
        Choice("gte", "at least", r#"{"gte":null}"#),
        Choice("exists", "is known", r#"{"exists":true}"#),
    ];

    #[test]
    fn a_choice_takes_the_place_of_what_was_chosen_and_keeps_what_fits() {
        let window = Edit::Swap {
            path: String::new(),
            drop: &["within"],
            choices: WINDOWS,
        };
        let json = r#"{"event":"a","within":"7d","class":"any"}"#;
        assert_eq!(
            after(json, &window, "today"),
            r#"{"event":"a","within":"today","class":"any"}"#
        );
        assert_eq!(after(json, &window, ""), r#"{"event":"a","class":"any"}"#);
        let test = Edit::Swap {
            path: "where[0]".to_owned(),
            drop: &["eq", "gte", "exists"],
            choices: COMPARED,
        };
        let json = r#"{"where":[{"property":"p","eq":12}]}"#;
        assert_eq!(
            after(json, &test, "gte"),
            r#"{"where":[{"property":"p","gte":12}]}"#
        );
        assert_eq!(
            after(json, &test, "exists"),
            r#"{"where":[{"property":"p","exists":true}]}"#
        );
        let json = r#"{"where":[{"property":"p","eq":"x"}]}"#;
        assert_eq!(
            after(json, &test, "gte"),
            r#"{"where":[{"property":"p","gte":null}]}"#
        );
    }

    #[test]
    fn what_is_typed_has_the_form_that_the_place_wants() {
        let put = |form| Edit::Put("a.b".to_owned(), form);
        let json = r#"{"a":{"b":"x"}}"#;
        assert_eq!(
            after(json, &put(Form::Number), "12345678901234567890.5"),
            r#"{"a":{"b":12345678901234567890.5}}"#
        );
        assert_eq!(after(json, &put(Form::Number), "-"), r#"{"a":{"b":null}}"#);
        assert_eq!(after(json, &put(Form::Text), "12"), r#"{"a":{"b":"12"}}"#);
        assert_eq!(after(json, &put(Form::MaybeText), ""), r#"{"a":{}}"#);
        assert_eq!(
            after(r#"{"a":{}}"#, &put(Form::MaybeText), "y"),
            json.replace('x', "y")
        );
        assert_eq!(
            after(json, &put(Form::Lines), "pro\n\n12\n\"12\"\ntrue \n<b>"),
            r#"{"a":{"b":["pro",12,"12",true,"<b>"]}}"#
        );
        let retype = Edit::Retype("a.b".to_owned());
        assert_eq!(
            after(r#"{"a":{"b":"12"}}"#, &retype, "number"),
            r#"{"a":{"b":12}}"#
        );
        assert_eq!(
            after(r#"{"a":{"b":12}}"#, &retype, "text"),
            r#"{"a":{"b":"12"}}"#
        );
        assert_eq!(after(json, &retype, "number"), r#"{"a":{"b":null}}"#);
        assert_eq!(after(json, &retype, "true"), r#"{"a":{"b":true}}"#);
    }

    proptest! {
        #[test]
        fn values_in_lines_are_read_as_they_were_written(texts: Vec<String>, number: i64) {
            let texts = texts.into_iter().map(Value::Text);
            let list: Vec<Value> = texts.chain([number_of(number), Value::Bool(true)]).collect();
            let mut root = Value::Object(vec![("in".to_owned(), Value::List(list.clone()))]);
            let typed = shown_at(&root, "in");
            Form::Lines.put(&mut root, "in", &typed).unwrap();
            prop_assert_eq!(root.get("in"), Some(&Value::List(list)));
        }
    }

    fn number_of(number: i64) -> Value {
        super::number(&number.to_string())
    }
}
