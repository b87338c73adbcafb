//! Saving a draft, with what that moves; copying and deleting a segment.

use std::rc::Rc;

use gloo_timers::future::TimeoutFuture;
use serde::Serialize;
use serde_json::value::RawValue;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use super::{Builder, PATIENCE, is_definition_of, told_view};
use crate::builder::answers::Difference;
use crate::dom::{add, element, report, set_hidden, set_text, window};
use crate::groups::{Group, editor_of};
use crate::http;
use crate::people_view::say;
use crate::text::one_line;

/// What waits for somebody to agree.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Change,
    Delete,
}

/// What is sent: a segment, or a change of one.
#[derive(Serialize)]
struct Body<'b> {
    name: &'b str,
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<&'b RawValue>,
}

impl Builder {
    /// Saves the draft; asks first where that moves members.
    pub(super) fn save(self: &Rc<Self>) -> Result<(), JsValue> {
        if self.name().is_empty() {
            say(
                &self.parts.note,
                Some("Give the segment a name, then save it."),
            )?;
            return self.parts.name.focus();
        }
        let definition = self.draft.borrow().definition();
        let Ok(definition) = definition else {
            return say(
                &self.parts.note,
                Some("Something is still missing: it is marked below."),
            );
        };
        let definition = definition.to_json();
        let saved = self.saved.borrow();
        match &*saved {
            None => spawn_local(Rc::clone(self).create(definition)),
            Some(group) if is_definition_of(&self.draft.borrow(), group) => {
                spawn_local(Rc::clone(self).change(group.id.clone(), None));
            }
            Some(group) => spawn_local(Rc::clone(self).ask_change(group.id.clone(), definition)),
        }
        Ok(())
    }

    async fn create(self: Rc<Self>, definition: String) {
        report(self.wait("Saving …"));
        let name = self.name();
        let body = body(&name, Some(&definition));
        let made = self.send("POST", "/v1/segments", Some(&body), false).await;
        match made.and_then(|text| http::read::<Group>(&text)) {
            Ok(group) => {
                let id = group.id.clone();
                report(self.open(group));
                report(self.saved_as(&id, "Saved."));
            }
            Err(failure) => self.fail(&failure).await,
        }
    }

    /// Says who would move, and asks whether they shall.
    async fn ask_change(self: Rc<Self>, id: String, definition: String) {
        report(self.wait("Looking who would move …"));
        let turn = self.turn.get();
        let body = format!("{{\"definition\":{definition}}}");
        let path = format!("/v1/segments/{id}/diff");
        let answer = self.send("POST", &path, Some(&body), false).await;
        let answer = answer.and_then(|text| http::read::<Difference>(&text));
        if self.turn.get() != turn {
            return;
        }
        match answer {
            Ok(difference) => {
                report(say(&self.parts.note, None));
                report(self.ask(&difference.words(), "Save changes", Step::Change));
                report(self.show_movers(&difference));
            }
            Err(failure) => self.fail(&failure).await,
        }
    }

    async fn change(self: Rc<Self>, id: String, definition: Option<String>) {
        report(self.wait("Saving …"));
        let name = self.name();
        let body = body(&name, definition.as_deref());
        let path = format!("/v1/segments/{id}");
        let changed = self.send("PATCH", &path, Some(&body), false).await;
        match changed.and_then(|text| http::read::<Group>(&text)) {
            Ok(group) => {
                report(self.open(group));
                report(say(&self.parts.note, Some("Saved.")));
            }
            Err(failure) => self.fail(&failure).await,
        }
    }

    /// Makes another segment of the saved definition.
    pub(super) fn duplicate(self: &Rc<Self>) -> Result<(), JsValue> {
        let saved = self.saved.borrow().as_ref().map(|group| group.id.clone());
        if let Some(id) = saved {
            spawn_local(Rc::clone(self).copy(id));
        }
        Ok(())
    }

    async fn copy(self: Rc<Self>, id: String) {
        report(self.wait("Copying …"));
        let path = format!("/v1/segments/{id}/duplicate");
        let copied = self.send("POST", &path, Some("{}"), false).await;
        match copied.and_then(|text| http::read::<Group>(&text)) {
            Ok(group) => {
                let id = group.id.clone();
                report(self.open(group));
                report(self.saved_as(&id, "This is the copy, as it was saved."));
            }
            Err(failure) => self.fail(&failure).await,
        }
    }

    pub(super) fn ask_delete(self: &Rc<Self>) -> Result<(), JsValue> {
        let saved = self.saved.borrow();
        let Some(group) = &*saved else {
            return Ok(());
        };
        let words = format!(
            "Delete the segment “{}” for good? Nobody is told that its members have left.",
            one_line(&group.name, 200)
        );
        self.ask(&words, "Delete it", Step::Delete)
    }

    async fn delete(self: Rc<Self>, id: String) {
        report(self.wait("Deleting …"));
        let deleted = self
            .send("DELETE", &format!("/v1/segments/{id}"), None, false)
            .await;
        match deleted {
            Ok(_) => {
                self.saved.replace(None);
                report(self.begin(crate::builder::Draft::new(), None));
                report(window().and_then(|window| window.location().set_hash("")));
            }
            Err(failure) => self.fail(&failure).await,
        }
    }

    /// Asks something before it is done.
    fn ask(&self, words: &str, yes: &str, step: Step) -> Result<(), JsValue> {
        let parts = &self.parts;
        set_text(&parts.asks, words);
        set_text(&parts.yes, yes);
        parts.who.set_text_content(None);
        self.agreed.set(Some(step));
        set_hidden(&parts.question, false)?;
        parts.question.focus()
    }

    /// Takes the question back.
    pub(super) fn ask_nothing(&self) -> Result<(), JsValue> {
        self.agreed.set(None);
        set_hidden(&self.parts.question, true)
    }

    /// Does what was asked.
    pub(super) fn agree(self: &Rc<Self>) -> Result<(), JsValue> {
        let step = self.agreed.take();
        set_hidden(&self.parts.question, true)?;
        let saved = self.saved.borrow().as_ref().map(|group| group.id.clone());
        match (step, saved) {
            (Some(Step::Delete), Some(id)) => spawn_local(Rc::clone(self).delete(id)),
            (Some(Step::Change), Some(id)) => {
                let definition = self.draft.borrow().definition();
                let definition = definition.ok().map(|definition| definition.to_json());
                spawn_local(Rc::clone(self).change(id, definition));
            }
            _ => {}
        }
        Ok(())
    }

    fn show_movers(&self, difference: &Difference) -> Result<(), JsValue> {
        let sides = [
            ("Enter", difference.enter, &difference.entering),
            ("Leave", difference.leave, &difference.leaving),
        ];
        for (title, number, emails) in sides {
            if emails.is_empty() {
                continue;
            }
            let side = element("div", "", "")?;
            let title = match number > emails.len() as u64 {
                true => format!("{title}, the first {} of them", emails.len()),
                false => title.to_owned(),
            };
            add(&side, &element("h3", "", &title)?)?;
            add(&side, &told_view::addresses(emails)?)?;
            add(&self.parts.who, &side)?;
        }
        Ok(())
    }

    fn wait(&self, words: &str) -> Result<(), JsValue> {
        self.ask_nothing()?;
        say(&self.parts.note, Some(words))
    }

    /// The address names what is shown, without another step in the history of the browser.
    fn saved_as(&self, id: &str, words: &str) -> Result<(), JsValue> {
        let history = window()?.history()?;
        history.replace_state_with_url(&JsValue::NULL, "", Some(&editor_of(id)))?;
        say(&self.parts.note, Some(words))
    }

    /// Says how far a definition is that is being built, until it holds.
    pub(super) async fn follow_building(self: Rc<Self>) {
        let turn = self.turn.get();
        loop {
            let building = self.saved.borrow().as_ref().and_then(|group| {
                let building = group.building()?;
                Some((group.id.clone(), building, group.changed_at.clone()))
            });
            let Some((id, building, since)) = building else {
                return;
            };
            let words = format!(
                "This definition is {building}, since {since}; until it holds, the one before does."
            );
            report(say(&self.parts.note, Some(&words)));
            TimeoutFuture::new(PATIENCE).await;
            let answer = http::get::<Group>(&format!("/v1/segments/{id}")).await;
            if self.turn.get() != turn {
                return;
            }
            if let Ok(group) = answer {
                if group.building().is_none() {
                    report(say(&self.parts.note, Some("The definition holds.")));
                }
                self.saved.replace(Some(group));
            }
        }
    }
}

fn body(name: &str, definition: Option<&str>) -> String {
    let definition = definition.and_then(|json| serde_json::from_str::<&RawValue>(json).ok());
    // A name and JSON always become JSON.
    serde_json::to_string(&Body { name, definition }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_sent_alone_where_the_definition_stays() {
        assert_eq!(body("a \"b\"", None), r#"{"name":"a \"b\""}"#);
        assert_eq!(
            body("a", Some(r#"{"event":"x"}"#)),
            r#"{"name":"a","definition":{"event":"x"}}"#
        );
    }
}
