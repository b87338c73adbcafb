//! A document as rows: groups with rows in them, and conditions as sentences.

use shared::segment::Definition;
use shared::segment::value::Value;

use super::fields::Part;
use super::leaves::sentence;
use super::place::{child, element, find, group, inside, object};

/// A condition, or a group of them.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    /// Where it stands, its negations included.
    pub(crate) path: String,
    /// Where what is negated stands; the same where nothing is.
    pub(crate) inner: String,
    /// How often it is negated.
    pub(crate) nots: usize,
    pub(crate) body: Body,
}

/// What a row holds.
#[derive(Debug, PartialEq)]
pub(crate) enum Body {
    /// `all` or `any`.
    Group(&'static str, Vec<Row>),
    Leaf(Vec<Part>),
}

/// The row of a whole document.
pub(crate) fn rows(root: &Value) -> Row {
    row(root, "", 0)
}

impl Row {
    /// The row and all in it, in the order in which they are read.
    pub(crate) fn each<'r>(&'r self, visit: &mut dyn FnMut(&'r Row)) {
        visit(self);
        if let Body::Group(_, rows) = &self.body {
            rows.iter().for_each(|row| row.each(visit));
        }
    }
}

fn row(root: &Value, path: &str, outer_nots: usize) -> Row {
    let null = Value::Null;
    let (value, inner, nots) = inside(find(root, path).unwrap_or(&null), path);
    let body = match group(value) {
        Some((word, parts)) => {
            let list = child(&inner, word);
            let rows = 0..parts.len();
            let rows = rows.map(|at| row(root, &element(&list, at), outer_nots + nots));
            Body::Group(word, rows.collect())
        }
        None => {
            let asks = !matches!(
                place(value, outer_nots + nots),
                None | Some(Place::Misplaced)
            );
            Body::Leaf(sentence(root, &inner, asks))
        }
    };
    Row {
        path: path.to_owned(),
        inner,
        nots,
        body,
    }
}

/// Whether `includeNew` belongs on a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Required,
    Allowed,
    Misplaced,
}

/// The language says it of whole definitions, so that the condition is made one, under as many `not` as matter.
/// `None` where it is not whole itself.
fn place(leaf: &Value, nots: usize) -> Option<Place> {
    let read = |said: Option<bool>| {
        let Value::Object(fields) = leaf else {
            return None;
        };
        let fields = fields
            .iter()
            .filter(|(name, _)| name != "includeNew")
            .cloned();
        let said = said.map(|said| ("includeNew".to_owned(), Value::Bool(said)));
        let whole = Value::Object(fields.chain(said).collect());
        let nots = if nots > 2 { 2 - nots % 2 } else { nots };
        let negated = (0..nots).fold(whole, |whole, _| object("not", whole));
        Some(match Definition::parse(&negated.to_json()) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.path.ends_with("includeNew")),
        })
    };
    match (read(None)?, read(Some(true))?) {
        (Ok(()), Ok(())) => Some(Place::Allowed),
        (Ok(()), Err(_)) => Some(Place::Misplaced),
        (Err(true), Ok(())) => Some(Place::Required),
        _ => None,
    }
}

/// Leaves out what says nothing any more: `includeNew` where nobody is younger than a window, and empty lists.
pub(crate) fn settle(root: &mut Value) {
    settle_in(root, 0);
}

fn settle_in(value: &mut Value, nots: usize) {
    let is_misplaced =
        value.get("includeNew").is_some() && place(value, nots) == Some(Place::Misplaced);
    let Value::Object(fields) = value else {
        return;
    };
    let is_nothing = |name: &str, value: &Value| match name {
        "includeNew" => is_misplaced,
        "where" => *value == Value::List(Vec::new()),
        _ => false,
    };
    fields.retain(|(name, value)| !is_nothing(name, value));
    for (name, inner) in fields {
        match (name.as_str(), inner) {
            ("not", inner) => settle_in(inner, nots + 1),
            ("all" | "any" | "sequence", Value::List(parts)) => {
                parts.iter_mut().for_each(|part| settle_in(part, nots));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
