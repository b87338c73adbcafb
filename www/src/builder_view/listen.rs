//! What the reader does in the builder, and what follows.

use std::rc::Rc;

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{Element, Event, HtmlElement, KeyboardEvent};

use super::field_view::value_of;
use super::rows_view::{self, focused_key, row_key};
use super::{Builder, around};
use crate::builder::fields::Input;
use crate::builder::keys::{Command, Press, command};
use crate::builder::place;
use crate::dom::{add, element, on, set_text, window};

pub(super) fn attach(builder: &Rc<Builder>) -> Result<(), JsValue> {
    let parts = &builder.parts;
    let on_each = |target: &Element,
                   event: &'static str,
                   act: fn(&Rc<Builder>, &Event) -> Result<(), JsValue>| {
        let builder = Rc::clone(builder);
        on(target, event, move |event| act(&builder, event));
    };
    on_each(&parts.rows, "input", typed);
    on_each(&parts.rows, "change", chosen);
    on_each(&parts.rows, "click", clicked);
    on_each(&parts.rows, "focusin", complete);
    on_each(&parts.page, "keydown", pressed);
    on_each(&parts.templates, "click", |builder, event| {
        let button = around(event, "[data-template]");
        let at = button.and_then(|button| button.get_attribute("data-template")?.parse().ok());
        at.map_or(Ok(()), |at| builder.take_template(at))
    });
    on_each(&parts.undo, "click", |builder, _| builder.undo());
    on_each(&parts.redo, "click", |builder, _| builder.redo());
    on_each(&parts.json, "input", json_typed);
    on_each(&parts.json, "change", |builder, _| {
        // What is no definition stays for who goes on with it; what is one is shown as it is kept.
        match builder.parts.json.has_attribute("aria-invalid") {
            true => Ok(()),
            false => builder.changed(),
        }
    });
    on_each(&parts.told.stop, "click", |builder, _| {
        builder.counting.borrow_mut().give_up();
        builder.stop_question();
        builder.tell_count()
    });
    on_each(&parts.told.again, "click", |builder, _| {
        builder.counting.borrow_mut().again();
        spawn_local(Rc::clone(builder).count());
        Ok(())
    });
    on_each(&parts.save, "click", |builder, _| builder.save());
    on_each(&parts.duplicate, "click", |builder, _| builder.duplicate());
    on_each(&parts.delete, "click", |builder, _| builder.ask_delete());
    on_each(&parts.yes, "click", |builder, _| builder.agree());
    on_each(&parts.no, "click", |builder, _| builder.ask_nothing());
    builder.parts.why.attach(builder)?;
    let at_leave = Rc::clone(builder);
    on(window()?.as_ref(), "beforeunload", move |event| {
        if at_leave.is_unsaved() && at_leave.door.is_open() {
            event.prevent_default();
        }
        Ok(())
    });
    Ok(())
}

/// The key and the text of what was set: the unit of a span is its field's.
fn set_at(element: &Element) -> Option<String> {
    element
        .get_attribute("data-of")
        .or_else(|| element.get_attribute("data-key"))
}

fn typed(builder: &Rc<Builder>, event: &Event) -> Result<(), JsValue> {
    let Some(target) = around(event, "input, textarea") else {
        return Ok(());
    };
    if set(builder, &target) {
        builder.marked()
    } else {
        Ok(())
    }
}

/// Sets the field that an element belongs to; says whether there is one.
fn set(builder: &Rc<Builder>, target: &Element) -> bool {
    // A browser may tell that a field was left as we take it away.
    let Ok(drawn) = builder.drawn.try_borrow() else {
        return false;
    };
    let view = set_at(target).and_then(|key| drawn.fields.get(&key));
    let Some(view) = view else {
        return false;
    };
    builder
        .draft
        .borrow_mut()
        .set(&view.field.key, &view.field.edit, &view.typed());
    true
}

fn chosen(builder: &Rc<Builder>, event: &Event) -> Result<(), JsValue> {
    let Some(target) = around(event, "input, textarea, select") else {
        return Ok(());
    };
    if let Some(path) = target.get_attribute("data-turn") {
        let word = value_of(&target);
        builder.draft.borrow_mut().reshape(|root| {
            let value = place::find(root, &path)?;
            let (known, _) = place::group(place::inside(value, &path).0)?;
            if known == word {
                None
            } else {
                place::turn(root, &path)
            }
        });
        return builder.changed();
    }
    if !set(builder, &target) {
        return Ok(());
    }
    builder.changed()
}

fn clicked(builder: &Rc<Builder>, event: &Event) -> Result<(), JsValue> {
    let Some(button) = around(event, "button") else {
        return Ok(());
    };
    let attribute = |name: &str| button.get_attribute(name).unwrap_or_default();
    let path = attribute("data-path");
    if button.has_attribute("data-act") {
        let key = attribute("data-key");
        let edit = builder.drawn.borrow().act(&key);
        if let Some(edit) = edit {
            builder.draft.borrow_mut().set(&key, &edit, "");
            builder.changed()?;
            // The button that was pressed may be gone with what it belonged to.
            if focused_key().is_none() {
                let row = button
                    .closest("[data-path]")?
                    .and_then(|row| row.get_attribute("data-path"));
                return builder.focus(&row_key(&row.unwrap_or_default()));
            }
        }
        return Ok(());
    }
    if button.has_attribute("data-menu") {
        return pick(builder, &button);
    }
    match attribute("data-do").as_str() {
        "add" => builder.add(&path, &attribute("data-kind")),
        "not" => builder.act(&path, Command::Negate),
        "enclose" => builder.act(&path, Command::Enclose),
        "up" => builder.act(&path, Command::MoveUp),
        "down" => builder.act(&path, Command::MoveDown),
        "remove" => builder.act(&path, Command::Remove),
        "dissolve" => {
            let place = builder
                .draft
                .borrow_mut()
                .reshape(|root| place::dissolve(root, &path));
            builder.after(place)
        }
        _ => Ok(()),
    }
}

/// A choice of a menu: what it adds has the focus then.
fn pick(builder: &Rc<Builder>, button: &Element) -> Result<(), JsValue> {
    let (of, word) = (
        button.get_attribute("data-of"),
        button.get_attribute("data-menu"),
    );
    let before: Vec<String> = builder.drawn.borrow().fields.keys().cloned().collect();
    let edit = {
        let drawn = builder.drawn.borrow();
        of.as_ref()
            .and_then(|of| drawn.fields.get(of))
            .map(|view| view.field.edit.clone())
    };
    let (Some(of), Some(word), Some(edit)) = (of, word, edit) else {
        return Ok(());
    };
    if let Some(menu) = button.closest("details")? {
        menu.remove_attribute("open")?;
    }
    builder.draft.borrow_mut().set(&of, &edit, &word);
    builder.changed()?;
    let added = {
        let drawn = builder.drawn.borrow();
        let is_name = |key: &&String| key.ends_with(".property") || key.ends_with('?');
        let added = drawn.fields.keys().filter(|key| !before.contains(key));
        added
            .filter(is_name)
            .max_by_key(|key| key.ends_with(".property"))
            .cloned()
    };
    builder.focus(&added.unwrap_or(of))
}

/// Offers names and values for the field that has the focus.
fn complete(builder: &Rc<Builder>, event: &Event) -> Result<(), JsValue> {
    let Some(input) = around(event, "input[list]") else {
        return Ok(());
    };
    let drawn = builder.drawn.borrow();
    let view = set_at(&input).and_then(|key| drawn.fields.get(&key));
    let list = &builder.parts.completions;
    list.set_text_content(None);
    if let Some(view) = view
        && let Input::Text(kind) = &view.field.input
    {
        for (value, beside) in builder.names.borrow().suggestions(kind) {
            let option = element("option", "", &beside)?;
            option.set_attribute("value", &value)?;
            add(list, &option)?;
        }
    }
    Ok(())
}

fn json_typed(builder: &Rc<Builder>, _: &Event) -> Result<(), JsValue> {
    let typed = builder
        .draft
        .borrow_mut()
        .type_json(&builder.parts.json.value());
    match typed {
        Ok(()) => {
            set_text(&builder.parts.json_error, "");
            builder.parts.json.remove_attribute("aria-invalid")?;
            builder.changed()
        }
        Err(error) => {
            set_text(&builder.parts.json_error, &error.to_string());
            builder.parts.json.set_attribute("aria-invalid", "true")
        }
    }
}

fn pressed(builder: &Rc<Builder>, event: &Event) -> Result<(), JsValue> {
    let Some(keyboard) = event.dyn_ref::<KeyboardEvent>() else {
        return Ok(());
    };
    let Some(target) = around(event, "*") else {
        return Ok(());
    };
    let menu = target.closest("details.menu[open]")?;
    if keyboard.key() == "Escape"
        && let Some(menu) = menu
    {
        menu.remove_attribute("open")?;
        let summary = menu.query_selector("summary")?;
        return match summary.and_then(|summary| summary.dyn_into::<HtmlElement>().ok()) {
            Some(summary) => summary.focus(),
            None => Ok(()),
        };
    }
    let key = keyboard.key();
    let press = Press {
        key: &key,
        is_control: keyboard.ctrl_key() || keyboard.meta_key(),
        is_shift: keyboard.shift_key(),
        is_alt: keyboard.alt_key(),
        is_on_row: target.matches(".leaf, .group-box")?,
    };
    let Some(command) = command(press) else {
        return Ok(());
    };
    // In the name, the address and the JSON, what was typed is taken back there.
    let is_elsewhere = target.matches("#segment-name, #why-email, #json")?;
    if is_elsewhere && matches!(command, Command::Undo | Command::Redo) {
        return Ok(());
    }
    event.prevent_default();
    let path = target
        .closest(".leaf, .group-box")?
        .and_then(|row| row.get_attribute("data-path"));
    builder.act(&path.unwrap_or_default(), command)
}

impl Builder {
    pub(super) fn focus(&self, key: &str) -> Result<(), JsValue> {
        rows_view::focus(&self.parts.rows, key)
    }

    fn undo(self: &Rc<Self>) -> Result<(), JsValue> {
        self.draft.borrow_mut().undo();
        self.changed()
    }

    fn redo(self: &Rc<Self>) -> Result<(), JsValue> {
        self.draft.borrow_mut().redo();
        self.changed()
    }

    /// Adds a condition to the group at a place, and goes to its first field.
    fn add(self: &Rc<Self>, path: &str, kind: &str) -> Result<(), JsValue> {
        let place = self.draft.borrow_mut().add(path, kind);
        self.changed()?;
        let Some(place) = place else {
            return Ok(());
        };
        let row = self
            .drawn
            .borrow()
            .rows
            .get(&place)
            .map(|row| row.row.clone());
        let first = match row {
            Some(row) => row.query_selector(
                ".said-fields input, .said-fields select:not([aria-label^='Kind'])",
            )?,
            None => None,
        };
        match first.and_then(|first| first.dyn_into::<HtmlElement>().ok()) {
            Some(first) => first.focus(),
            None => self.focus(&row_key(&place)),
        }
    }

    /// Shows what was done and goes to the row where it is now.
    fn after(self: &Rc<Self>, place: Option<String>) -> Result<(), JsValue> {
        self.changed()?;
        place.map_or(Ok(()), |place| self.focus(&row_key(&place)))
    }

    /// Does something to the row at a place.
    fn act(self: &Rc<Self>, path: &str, command: Command) -> Result<(), JsValue> {
        let reshape = |change: &dyn Fn(&mut shared::segment::value::Value) -> Option<String>| {
            self.draft.borrow_mut().reshape(change)
        };
        let place = match command {
            Command::Undo => return self.undo(),
            Command::Redo => return self.redo(),
            Command::Save => return self.save(),
            Command::Before | Command::Behind => return self.go(command == Command::Behind),
            Command::Add => {
                // Beside a condition means into its group.
                let group = self.draft.borrow().group_of(path);
                return self.add(&group, "event");
            }
            Command::Negate => {
                let place = reshape(&|root| place::negate(root, path).map(|()| path.to_owned()));
                self.changed()?;
                // By its button one may want to take it back at once.
                return match (place, focused_key()) {
                    (Some(place), None) => self.focus(&row_key(&place)),
                    _ => Ok(()),
                };
            }
            Command::Enclose => reshape(&|root| place::enclose(root, path)),
            Command::Remove => reshape(&|root| Some(place::remove(root, path))),
            Command::MoveUp => reshape(&|root| place::shift(root, path, false)),
            Command::MoveDown => reshape(&|root| place::shift(root, path, true)),
        };
        self.after(place)
    }

    /// Goes from row to row.
    fn go(&self, is_down: bool) -> Result<(), JsValue> {
        let rows = self.parts.rows.query_selector_all(".leaf, .group-box")?;
        let rows: Vec<HtmlElement> = (0..rows.length())
            .filter_map(|at| rows.get(at)?.dyn_into().ok())
            .collect();
        let focused = focused_key();
        let at = rows
            .iter()
            .position(|row| row.get_attribute("data-key") == focused);
        let next = match (at, is_down) {
            (Some(at), true) => at.checked_add(1),
            (Some(at), false) => at.checked_sub(1),
            (None, _) => Some(0),
        };
        next.and_then(|next| rows.get(next))
            .map_or(Ok(()), |row| row.focus())
    }
}
