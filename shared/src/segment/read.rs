//! Reading definitions: JSON becomes a tree within all bounds, or a refusal that says where and what to
//! send instead.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Definition;
use super::include_new;
use super::refusal::{DefinitionError, child, element, list, nearest};
use super::spelling::Spelled;
use super::tree::Condition;
use super::value::{Value, ValueError};
use crate::limits::{
    MAX_SEGMENT_BRANCHES, MAX_SEGMENT_BYTES, MAX_SEGMENT_DEPTH, MAX_SEGMENT_LEAVES,
};

mod leaves;
mod properties;
mod ranges;
mod times;

#[cfg(test)]
pub(super) use properties::TESTS;

type Read<T> = Result<T, DefinitionError>;

/// The words of which each condition has one.
pub(super) const HEADS: [&str; 12] = [
    "all",
    "any",
    "not",
    "event",
    "trait",
    "score",
    "purchase",
    "message",
    "firstSeen",
    "lastSeen",
    "segment",
    "sequence",
];

impl Definition {
    /// Reads a definition that was sent: the object under `definition`.
    ///
    /// # Errors
    /// [`DefinitionError`].
    pub fn parse(json: &str) -> Result<Definition, DefinitionError> {
        if json.len() > MAX_SEGMENT_BYTES {
            let message = format!("Send a definition of at most {MAX_SEGMENT_BYTES} bytes");
            return Err(DefinitionError::at("", message));
        }
        Definition::from_kept(json)
    }

    /// Reads a definition that was parsed before it was kept, as [`Definition::to_json`] wrote it. That may be
    /// longer than what was sent: `1e30` is written with all its digits.
    ///
    /// # Errors
    /// [`DefinitionError`], where the text is another.
    pub fn from_kept(json: &str) -> Result<Definition, DefinitionError> {
        let value = Value::read(json).map_err(|error| {
            DefinitionError::at(
                "",
                match error {
                    ValueError::NotJson => "Send a JSON object, such as {\"event\":\"trial_started\",\"within\":\"7d\"}",
                    ValueError::Twice => "Send each name once in an object: two conditions go into `all`",
                    ValueError::TooDeep => "Send a definition with fewer levels",
                },
            )
        })?;
        let mut leaves = 0;
        let root = condition("", &value, 0, &mut leaves)?;
        include_new::check(&root)?;
        Ok(Definition { root })
    }
}

/// Reads one condition. `depth` connectives stand above it, and `leaves` have been read before it.
fn condition(path: &str, value: &Value, depth: usize, leaves: &mut usize) -> Read<Condition> {
    let fields = Fields::of(path, value)?;
    let heads: Vec<&str> = HEADS.into_iter().filter(|head| fields.has(head)).collect();
    let head = match heads.as_slice() {
        [head] => *head,
        [] => {
            // The word that was meant for one of them may not be the first.
            let is_near = |name: &&str| nearest(name, &HEADS).is_some();
            let meant = fields.names().find(is_near).or(fields.names().next());
            return Err(match meant {
                Some(sent) => DefinitionError::unknown(child(path, sent), sent, &HEADS),
                None => DefinitionError::at(
                    path,
                    format!(
                        "Send a condition: an object with {}; {{\"all\":[]}} is everybody",
                        list(&HEADS, "or")
                    ),
                ),
            });
        }
        [first, second, ..] => {
            return Err(DefinitionError::at(
                child(path, second),
                format!(
                    "`{first}` and `{second}` are two conditions: send both in a list under `all` or `any`"
                ),
            ));
        }
    };
    let is_connective = matches!(head, "all" | "any" | "not");
    if !is_connective {
        let leaf = leaves::leaf(&fields, head, leaves)?;
        return Ok(Condition::Leaf(leaf));
    }
    fields.only(&[head])?;
    if depth == MAX_SEGMENT_DEPTH {
        let message =
            format!("Send at most {MAX_SEGMENT_DEPTH} of `all`, `any` and `not` inside each other");
        return Err(DefinitionError::at(child(path, head), message));
    }
    let (place, inner) = fields.required(head)?;
    if head == "not" {
        let inner = condition(&place, inner, depth + 1, leaves)?;
        return Ok(Condition::Not(Box::new(inner)));
    }
    let branches = elements(&place, inner, MAX_SEGMENT_BRANCHES, "conditions")?;
    let branches = branches
        .iter()
        .enumerate()
        .map(|(at, branch)| condition(&element(&place, at), branch, depth + 1, leaves))
        .collect::<Read<Vec<_>>>()?;
    Ok(match head {
        "all" => Condition::All(branches),
        _ => Condition::Any(branches),
    })
}

/// Counts one more leaf.
fn count_leaf(path: &str, leaves: &mut usize) -> Read<()> {
    *leaves += 1;
    if *leaves > MAX_SEGMENT_LEAVES {
        let message = format!(
            "Send at most {MAX_SEGMENT_LEAVES} conditions in all: use `in` for many values"
        );
        return Err(DefinitionError::at(path, message));
    }
    Ok(())
}

/// The elements of a bounded list.
fn elements<'v>(path: &str, value: &'v Value, most: usize, what: &str) -> Read<&'v [Value]> {
    match value {
        Value::List(elements) if elements.len() <= most => Ok(elements),
        Value::List(_) => Err(DefinitionError::at(
            path,
            format!("Send at most {most} {what}"),
        )),
        other => Err(wanted(path, &format!("a list of {what}"), other)),
    }
}

/// The refusal of a value of the wrong type.
fn wanted(path: &str, what: &str, sent: &Value) -> DefinitionError {
    DefinitionError::at(path, format!("Send {what} here, not {}", sent.kind()))
}

/// The fields of an object, and where it stands.
struct Fields<'v> {
    path: String,
    fields: &'v [(String, Value)],
}

impl<'v> Fields<'v> {
    fn of(path: &str, value: &'v Value) -> Read<Fields<'v>> {
        match value {
            Value::Object(fields) => Ok(Fields {
                path: path.into(),
                fields,
            }),
            other => Err(wanted(path, "an object", other)),
        }
    }

    fn names(&self) -> impl Iterator<Item = &'v str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// What stands under a name, and the place.
    fn get(&self, name: &str) -> Option<(String, &'v Value)> {
        let field = self.fields.iter().find(|(known, _)| known == name);
        field.map(|(_, value)| (child(&self.path, name), value))
    }

    fn required(&self, name: &str) -> Read<(String, &'v Value)> {
        self.get(name).ok_or_else(|| {
            DefinitionError::at(child(&self.path, name), format!("Send `{name}` too"))
        })
    }

    /// Which of these words stand here.
    fn which<'w>(&self, words: &[&'w str]) -> Vec<&'w str> {
        words
            .iter()
            .copied()
            .filter(|word| self.has(word))
            .collect()
    }

    /// The first word of a closed set that stands here, and what it stands for.
    fn first_of<T: Spelled>(&self) -> Option<(&'static str, T)> {
        T::WORDS.iter().copied().find(|(word, _)| self.has(word))
    }

    /// Refuses every other word.
    fn only(&self, known: &[&str]) -> Read<()> {
        match self.names().find(|name| !known.contains(name)) {
            Some(sent) => Err(DefinitionError::unknown(
                child(&self.path, sent),
                sent,
                known,
            )),
            None => Ok(()),
        }
    }

    /// The refusal of a second word where one may stand.
    fn refuse_second(&self, words: &[&str]) -> Read<()> {
        match self.which(words).as_slice() {
            [first, second, ..] => Err(DefinitionError::at(
                child(&self.path, second),
                format!("Send `{first}` or `{second}`, not both: two conditions go into `all`"),
            )),
            _ => Ok(()),
        }
    }

    fn truth(&self, name: &str) -> Read<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some((_, Value::Bool(value))) => Ok(Some(*value)),
            Some((path, other)) => Err(wanted(&path, "true or false", other)),
        }
    }

    fn text(&self, name: &str) -> Read<Option<(String, &'v str)>> {
        match self.get(name) {
            None => Ok(None),
            Some((path, value)) => text(&path, value).map(|text| Some((path, text))),
        }
    }
}

/// A text without control of its content.
fn text<'v>(path: &str, value: &'v Value) -> Read<&'v str> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(wanted(path, "a text", other)),
    }
}
