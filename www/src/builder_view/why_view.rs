//! Why somebody is in a segment or not, and the versions that it had.

use std::rc::Rc;

use shared::segment::Definition;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Element, HtmlInputElement};

use super::Builder;
use crate::builder::answers::{Explanation, History, Reason, Version};
use crate::builder::said::conditions;
use crate::dom::{add, element, find, on, report, set_hidden, set_text};
use crate::http;
use crate::list_view::{now, time};
use crate::stream::percent_encoded;
use crate::text::{one_line, visible};

/// The parts of the page about a segment that is kept.
pub(super) struct Parts {
    why: Element,
    form: Element,
    email: HtmlInputElement,
    words: Element,
    conditions: Element,
    history: Element,
    note: Element,
    versions: Element,
}

impl Parts {
    pub(super) fn find() -> Result<Self, JsValue> {
        Ok(Self {
            why: find("why")?,
            form: find("why-form")?,
            email: find("why-email")?,
            words: find("why-words")?,
            conditions: find("why-conditions")?,
            history: find("history")?,
            note: find("history-note")?,
            versions: find("versions")?,
        })
    }

    pub(super) fn attach(&self, builder: &Rc<Builder>) -> Result<(), JsValue> {
        let at_submit = Rc::clone(builder);
        on(&self.form, "submit", move |event| {
            event.prevent_default();
            spawn_local(Rc::clone(&at_submit).explain());
            Ok(())
        });
        let at_open = Rc::clone(builder);
        on(&self.history, "toggle", move |_| {
            if at_open.parts.why.history.has_attribute("open") {
                spawn_local(Rc::clone(&at_open).read_history());
            }
            Ok(())
        });
        let at_click = Rc::clone(builder);
        on(&self.versions, "click", move |event| {
            let button = super::around(event, "[data-definition]");
            let json = button.and_then(|button| button.get_attribute("data-definition"));
            let Some(json) = json else {
                return Ok(());
            };
            // What was kept is a definition.
            at_click.draft.borrow_mut().type_json(&json).ok();
            at_click.changed()
        });
        Ok(())
    }

    /// Forgets what was shown of another segment.
    pub(super) fn begin(&self, is_saved: bool) -> Result<(), JsValue> {
        for whole in [&self.why, &self.history] {
            set_hidden(whole, !is_saved)?;
            whole.remove_attribute("open")?;
        }
        for told in [&self.words, &self.conditions, &self.note, &self.versions] {
            told.set_text_content(None);
        }
        Ok(())
    }
}

impl Builder {
    async fn explain(self: Rc<Self>) {
        let saved = self
            .saved
            .borrow()
            .as_ref()
            .map(|group| (group.id.clone(), group.definition_json().to_owned()));
        let Some((id, json)) = saved else {
            return;
        };
        let parts = &self.parts.why;
        let email = parts.email.value().trim().to_owned();
        set_text(&parts.words, "Asking …");
        parts.conditions.set_text_content(None);
        let turn = self.turn.get();
        let path = format!(
            "/v1/segments/{id}/explain?email={}",
            percent_encoded(&email)
        );
        let answer = http::get::<Explanation>(&path).await;
        if self.turn.get() != turn {
            return;
        }
        match answer {
            Ok(explained) => {
                set_text(&parts.words, &explained.words(&one_line(&email, 254)));
                report(self.show_reasons(&json, &explained.conditions));
            }
            Err(failure) if self.has_ended(&failure).await => {}
            Err(failure) => set_text(&parts.words, &failure.words()),
        }
    }

    fn show_reasons(&self, json: &str, reasons: &[Reason]) -> Result<(), JsValue> {
        let Ok(definition) = Definition::from_kept(json) else {
            return Ok(());
        };
        let said = conditions(&definition, &|id| self.segment_name(id));
        let today = now();
        for reason in reasons {
            let words = said.iter().find(|(path, _)| *path == reason.path);
            let item = element("li", "", "")?;
            item.set_attribute("data-holds", if reason.holds { "true" } else { "false" })?;
            let holds = if reason.holds { "Yes. " } else { "No. " };
            let line = element("p", "", "")?;
            add(&line, &element("b", "", holds)?)?;
            let words = words.map_or("", |(_, words)| words);
            add(&line, &element("bdi", "", &visible(words))?)?;
            add(&item, &line)?;
            for evidence in &reason.evidence {
                let line = element("p", "small", "")?;
                let value = evidence
                    .value
                    .as_ref()
                    .map(|value| format!(" {}", one_line(value, 120)));
                let name = format!(
                    "{}{} ",
                    one_line(&evidence.name, 128),
                    value.unwrap_or_default()
                );
                add(&line, &element("bdi", "", &name)?)?;
                add(&line, &time(&evidence.time, today)?)?;
                add(&item, &line)?;
            }
            if let Some(at) = &reason.changes_at {
                let line = element("p", "small", "Otherwise from ")?;
                add(&line, &time(at, today)?)?;
                add(&item, &line)?;
            }
            add(&self.parts.why.conditions, &item)?;
        }
        Ok(())
    }

    async fn read_history(self: Rc<Self>) {
        let saved = self.saved.borrow().as_ref().map(|group| group.id.clone());
        let Some(id) = saved else {
            return;
        };
        let parts = &self.parts.why;
        let turn = self.turn.get();
        let answer = http::get::<History>(&format!("/v1/segments/{id}/history")).await;
        if self.turn.get() != turn {
            return;
        }
        parts.versions.set_text_content(None);
        match answer {
            Ok(history) => {
                set_text(&parts.note, "");
                for version in &history.versions {
                    report(version_row(version).and_then(|row| add(&parts.versions, &row)));
                }
            }
            Err(failure) if self.has_ended(&failure).await => {}
            Err(failure) => set_text(&parts.note, &failure.words()),
        }
    }
}

fn version_row(version: &Version) -> Result<Element, JsValue> {
    let item = element("li", "", "")?;
    let line = element("p", "", "")?;
    add(
        &line,
        &element("b", "", &format!("Version {} ", version.version))?,
    )?;
    add(&line, &time(&version.made_at, now())?)?;
    add(&item, &line)?;
    add(&item, &element("bdi", "", &visible(&version.sentence))?)?;
    add(&item, &element("p", "small", &version.held())?)?;
    let back = element("button", "", "Take into the draft")?;
    back.set_attribute("type", "button")?;
    back.set_attribute("data-definition", version.definition.get())?;
    add(&item, &back)?;
    Ok(item)
}
