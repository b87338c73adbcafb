//! The rows on the page: drawn from the draft, and drawn anew only where something else is to be set there, so that who
//! types or clicks is not disturbed.

use std::collections::HashMap;

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlElement};

use super::around::{Around, adds, button, turn};
use super::field_view::FieldView;
use crate::builder::fields::{Act, Edit, Part};
use crate::builder::names::Names;
use crate::builder::place::child;
use crate::builder::rows::{Body, Row};
use crate::dom::{add, element};

/// What stands on the page.
#[derive(Default)]
pub(super) struct Drawn {
    /// Groups and places, as they were drawn.
    shape: String,
    leaves: HashMap<String, Leaf>,
    /// Everything that can be set, by its key.
    pub(super) fields: HashMap<String, FieldView>,
    /// Buttons of sentences, by their keys.
    acts: HashMap<String, (Element, Edit)>,
    /// Rows by their places, and what is said at each.
    pub(super) rows: HashMap<String, RowView>,
}

/// A condition's sentence.
struct Leaf {
    place: Element,
    /// Of what can be set or pressed in it.
    keys: Vec<String>,
}

/// A row, and where something is said of it.
pub(super) struct RowView {
    pub(super) row: Element,
    pub(super) left: Element,
    pub(super) missing: Element,
}

impl Drawn {
    /// Brings the page to what the draft is.
    pub(super) fn draw(
        &mut self,
        place: &Element,
        whole: &Row,
        names: &Names,
    ) -> Result<(), JsValue> {
        let shape = shape(whole);
        if shape != self.shape {
            *self = Self {
                shape,
                ..Self::default()
            };
            place.set_text_content(None);
            let drawn = self.row(whole, &Around::WHOLE, names)?;
            add(place, &drawn)?;
        } else {
            let mut drawn = Ok(());
            whole.each(&mut |row| {
                if let Body::Leaf(parts) = &row.body
                    && drawn.is_ok()
                {
                    drawn = self.sentence(&row.path, parts, names);
                }
            });
            drawn?;
        }
        Ok(())
    }

    /// Has the next drawing begin anew.
    pub(super) fn forget(&mut self) {
        self.shape.clear();
    }

    /// The place of the innermost row that a place or key belongs to.
    pub(super) fn row_of(&self, key: &str) -> Option<&String> {
        let around = self.rows.keys().filter(|path| belongs_to(path, key));
        around.max_by_key(|path| path.len())
    }

    /// What the button of a sentence does.
    pub(super) fn act(&self, key: &str) -> Option<Edit> {
        self.acts.get(key).map(|(_, edit)| edit.clone())
    }

    fn row(&mut self, row: &Row, around: &Around, names: &Names) -> Result<Element, JsValue> {
        let is_group = matches!(row.body, Body::Group(..));
        let class = if is_group { "group-box" } else { "leaf" };
        let item = element(if around.is_whole() { "div" } else { "li" }, class, "")?;
        item.set_attribute("role", "group")?;
        item.set_attribute("tabindex", "0")?;
        item.set_attribute("data-path", &row.path)?;
        item.set_attribute("data-key", &row_key(&row.path))?;
        item.set_attribute("aria-label", &around.label(row))?;
        let head = element("div", if is_group { "group-head" } else { "leaf-head" }, "")?;
        add(&head, &element("span", "joint", around.joint())?)?;
        if let Body::Group(word, _) = &row.body {
            add(&head, &turn(row, word)?)?;
        }
        for (act, says, label) in around.acts(row) {
            add(&head, &button(&row.path, act, says, label, row.nots)?)?;
        }
        add(&item, &head)?;
        let left = element("p", "left", "")?;
        let missing = element("p", "missing", "")?;
        match &row.body {
            Body::Group(word, rows) => {
                item.set_attribute("data-word", word)?;
                let list = element("ol", "", "")?;
                list.set_attribute("role", "list")?;
                for (at, inner) in rows.iter().enumerate() {
                    let around = Around {
                        word: Some(word),
                        at,
                        of: rows.len(),
                    };
                    add(&list, &self.row(inner, &around, names)?)?;
                }
                add(&item, &list)?;
                add(&item, &adds(&row.path, around.is_whole())?)?;
            }
            Body::Leaf(parts) => {
                let place = element("div", "said-fields", "")?;
                let keys = Vec::new();
                let leaf = Leaf {
                    place: place.clone(),
                    keys,
                };
                self.leaves.insert(row.path.clone(), leaf);
                self.sentence(&row.path, parts, names)?;
                add(&item, &place)?;
                if around.is_whole() {
                    add(&item, &adds(&row.path, true)?)?;
                }
            }
        }
        add(&item, &missing)?;
        add(&item, &left)?;
        let view = RowView {
            row: item.clone(),
            left,
            missing,
        };
        self.rows.insert(row.path.clone(), view);
        Ok(item)
    }

    /// Shows a condition's fields. What can be set there already stays where it is: it may have the focus.
    fn sentence(&mut self, path: &str, parts: &[Part], names: &Names) -> Result<(), JsValue> {
        let Some(leaf) = self.leaves.get_mut(path) else {
            return Ok(());
        };
        let place = leaf.place.clone();
        let (mut before, mut acts_before) = (HashMap::new(), HashMap::new());
        for key in leaf.keys.drain(..) {
            if let Some(view) = self.fields.remove(&key) {
                before.insert(key, view);
            } else if let Some((button, _)) = self.acts.remove(&key) {
                acts_before.insert(key, button);
            }
        }
        let mut wanted = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Part::Words(words) => wanted.push(element("span", "words", words)?),
                Part::Field(field) => {
                    let known = before.remove(&field.key).filter(|known| known.fits(field));
                    let view = match known {
                        Some(mut known) => {
                            known.show(field);
                            known
                        }
                        None => FieldView::new(field, path, names)?,
                    };
                    wanted.push(view.element().clone());
                    leaf.keys.push(field.key.clone());
                    self.fields.insert(field.key.clone(), view);
                }
                Part::Act(act) => {
                    let button = match acts_before.remove(&act.key) {
                        Some(button) => button,
                        None => act_button(act)?,
                    };
                    wanted.push(button.clone());
                    leaf.keys.push(act.key.clone());
                    self.acts
                        .insert(act.key.clone(), (button, act.edit.clone()));
                }
            }
        }
        arrange(&place, &wanted)
    }
}

fn act_button(act: &Act) -> Result<Element, JsValue> {
    let button = element("button", "act", act.says)?;
    button.set_attribute("type", "button")?;
    button.set_attribute("aria-label", act.label)?;
    button.set_attribute("data-key", &act.key)?;
    button.set_attribute("data-act", "")?;
    Ok(button)
}

/// Has an element hold these and nothing else. None of them moves that stands in its order already.
fn arrange(place: &Element, wanted: &[Element]) -> Result<(), JsValue> {
    let children = place.child_nodes();
    for at in (0..children.length()).rev() {
        if let Some(child) = children.get(at)
            && !wanted
                .iter()
                .any(|wanted| wanted.is_same_node(Some(&child)))
        {
            place.remove_child(&child)?;
        }
    }
    for (at, wanted) in wanted.iter().enumerate() {
        let there = children.get(u32::try_from(at).unwrap_or(u32::MAX));
        if !there
            .as_ref()
            .is_some_and(|there| wanted.is_same_node(Some(there)))
        {
            place.insert_before(wanted, there.as_ref())?;
        }
    }
    Ok(())
}

/// The key of a row itself.
pub(super) fn row_key(path: &str) -> String {
    format!("{path} row")
}

/// Groups, places and negations: where these are the same, rows stay.
fn shape(row: &Row) -> String {
    let mut shape = String::new();
    row.each(&mut |row| {
        let word = match &row.body {
            Body::Group(word, _) => word,
            Body::Leaf(_) => "",
        };
        shape.push_str(&row.inner);
        shape.push_str(word);
        shape.push('\n');
    });
    shape
}

/// Gives the focus to what has this key. Whoever listens to that looks at what is drawn.
pub(super) fn focus(place: &Element, key: &str) -> Result<(), JsValue> {
    let all = place.query_selector_all("[data-key]")?;
    for at in 0..all.length() {
        let found = all
            .get(at)
            .and_then(|node| node.dyn_into::<HtmlElement>().ok());
        if let Some(found) = found
            && found.get_attribute("data-key").as_deref() == Some(key)
        {
            return found.focus();
        }
    }
    Ok(())
}

/// The key of what has the focus.
pub(super) fn focused_key() -> Option<String> {
    let focused = crate::dom::document().ok()?.active_element()?;
    focused.get_attribute("data-key")
}

/// Whether a key is one of what stands at a place.
fn belongs_to(path: &str, key: &str) -> bool {
    path.is_empty()
        || key == path
        || key.starts_with(&child(path, ""))
        || key.starts_with(&format!("{path}["))
}
