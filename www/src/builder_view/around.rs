//! What stands around a row's sentence: how it is joined to the others, what can be done to it, what can be added.

use wasm_bindgen::JsValue;
use web_sys::Element;

use super::field_view;
use crate::builder::rows::{Body, Row};
use crate::builder::words::KINDS;
use crate::dom::{add, element, set_text};

/// What stands around a row.
pub(super) struct Around {
    /// The word of its group; none of the whole.
    pub(super) word: Option<&'static str>,
    pub(super) at: usize,
    pub(super) of: usize,
}

impl Around {
    pub(super) const WHOLE: Self = Self {
        word: None,
        at: 0,
        of: 1,
    };

    pub(super) fn is_whole(&self) -> bool {
        self.word.is_none()
    }

    pub(super) fn joint(&self) -> &'static str {
        match (self.word, self.at) {
            (None, _) | (_, 0) => "",
            (Some("any"), _) => "or",
            _ => "and",
        }
    }

    pub(super) fn label(&self, row: &Row) -> String {
        let not = if row.nots % 2 == 1 { ", negated" } else { "" };
        let what = match &row.body {
            Body::Group("any", _) => "Group, one of these",
            Body::Group(..) => "Group, all of these",
            Body::Leaf(_) => "Condition",
        };
        match self.word {
            None => format!("{what}{not}: the whole segment"),
            Some(_) => format!("{what} {} of {}{not}", self.at + 1, self.of),
        }
    }

    /// What can be done to the row: the act, what its button says, and its label.
    pub(super) fn acts(&self, row: &Row) -> Vec<(&'static str, &'static str, &'static str)> {
        let mut acts = vec![("not", "not", "Say the opposite")];
        if self.is_whole() {
            return acts;
        }
        match &row.body {
            Body::Leaf(_) => acts.push(("enclose", "group", "Put into a group of its own")),
            Body::Group(..) if row.nots == 0 => {
                acts.push(("dissolve", "ungroup", "Dissolve the group"))
            }
            Body::Group(..) => {}
        }
        acts.push(("up", "↑", "Move up"));
        acts.push(("down", "↓", "Move down"));
        acts.push(("remove", "×", "Remove"));
        acts
    }
}

pub(super) fn button(
    path: &str,
    act: &str,
    says: &str,
    label: &str,
    nots: usize,
) -> Result<Element, JsValue> {
    let icon = if says.chars().count() == 1 {
        "act icon"
    } else {
        "act"
    };
    let button = element("button", icon, says)?;
    button.set_attribute("type", "button")?;
    button.set_attribute("data-do", act)?;
    button.set_attribute("data-path", path)?;
    button.set_attribute("data-key", &format!("{path} {act}"))?;
    button.set_attribute("aria-label", label)?;
    button.set_attribute("title", label)?;
    if act == "not" {
        button.set_attribute("aria-pressed", if nots > 0 { "true" } else { "false" })?;
        button.set_attribute("aria-label", "not")?;
        if nots > 1 {
            set_text(&button, &"not ".repeat(nots));
        }
    }
    Ok(button)
}

/// The choice between all and any.
pub(super) fn turn(row: &Row, word: &str) -> Result<Element, JsValue> {
    let says = [
        ("all", "all of these hold"),
        ("any", "one of these holds, or more"),
    ];
    let options = says.map(|(word, says)| (word.to_owned(), says.to_owned()));
    let select = field_view::select(&options, word)?;
    select.set_attribute("aria-label", "How they are joined")?;
    select.set_attribute("data-turn", &row.path)?;
    select.set_attribute("data-key", &format!("{} turn", row.path))?;
    Ok(select)
}

/// What can be added to a group.
pub(super) fn adds(path: &str, is_whole: bool) -> Result<Element, JsValue> {
    let kinds = KINDS.iter().map(|kind| (kind.0, kind.1));
    let kinds = kinds.filter(|(kind, _)| *kind != "lastSeen");
    let groups = [("any", "Group")];
    let place = element("div", "adds", "")?;
    for (kind, says) in kinds.chain(groups) {
        let words = if is_whole {
            format!("+ {says}")
        } else {
            says.to_owned()
        };
        let button = element("button", "", &words)?;
        button.set_attribute("type", "button")?;
        button.set_attribute("data-do", "add")?;
        button.set_attribute("data-kind", kind)?;
        button.set_attribute("data-path", path)?;
        button.set_attribute("data-key", &format!("{path} add {kind}"))?;
        add(&place, &button)?;
    }
    if is_whole {
        return Ok(place);
    }
    let menu = field_view::menu("+ condition", &format!("{path} adds"))?;
    place.set_class_name("");
    add(&menu, &place)?;
    Ok(menu)
}
