//! The builder on the page: a draft that is written, and beside it what it comes to.
//!
//! - `rows_view`, `around`, `field_view`: its conditions as rows of fields
//! - `ask`: what is asked of the collector
//! - `listen`: what the reader does
//! - `told_view`: the count, the members, the sentence, the JSON
//! - `keep`: saving, with what that moves; copying and deleting
//! - `why_view`: why somebody is in, and the versions of before

mod around;
mod ask;
mod field_view;
mod keep;
mod listen;
mod rows_view;
mod told_view;
mod why_view;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{AbortController, Element, HtmlElement, HtmlInputElement, HtmlTextAreaElement};

use crate::builder::Draft;
use crate::builder::counting::Counting;
use crate::builder::names::{LOOKED_AT, Names, SeenEvents};
use crate::builder::templates::TEMPLATES;
use crate::dom::{add, element, find, report, set_hidden, set_text};
use crate::door::Door;
use crate::groups::{Group, GroupList};
use crate::http;
use crate::people_view::say;
use rows_view::Drawn;

/// How long nothing is typed before the collector is asked, in milliseconds.
const PAUSE: u32 = 250;
/// How long until what passes by itself is asked again, in milliseconds.
const PATIENCE: u32 = 1_500;
/// Segments whose names are known to the page.
const MAX_SEGMENTS: u32 = 1_000;

/// Everything the builder holds.
pub(crate) struct Builder {
    door: Rc<Door>,
    parts: Parts,
    draft: RefCell<Draft>,
    /// The segment that is changed; none where a new one is made.
    saved: RefCell<Option<Group>>,
    drawn: RefCell<Drawn>,
    counting: RefCell<Counting>,
    names: RefCell<Names>,
    /// Ends the question that is on its way.
    question: RefCell<Option<AbortController>>,
    /// Grows with each draft that is opened, so that what comes late knows that it is too late.
    turn: Cell<u32>,
    /// Grows with each edit, so that a pause knows whether it was one.
    edits: Cell<u32>,
    /// What is done where the session has ended.
    at_end: OnceCell<Box<dyn Fn()>>,
    /// What is done once somebody agrees.
    agreed: Cell<Option<keep::Step>>,
}

/// The parts of `segments.html` that belong to the builder.
struct Parts {
    page: Element,
    title: HtmlElement,
    note: Element,
    name: HtmlInputElement,
    templates: Element,
    rows: Element,
    completions: Element,
    undo: Element,
    redo: Element,
    question: HtmlElement,
    asks: Element,
    who: Element,
    yes: HtmlElement,
    no: Element,
    save: Element,
    duplicate: Element,
    delete: Element,
    told: told_view::Parts,
    sentence: Element,
    json: HtmlTextAreaElement,
    json_error: Element,
    why: why_view::Parts,
}

impl Parts {
    fn find() -> Result<Self, JsValue> {
        Ok(Self {
            page: find("builder")?,
            title: find("builder-title")?,
            note: find("builder-note")?,
            name: find("segment-name")?,
            templates: find("builder-templates")?,
            rows: find("rows")?,
            completions: find("completions")?,
            undo: find("undo")?,
            redo: find("redo")?,
            question: find("builder-question")?,
            asks: find("builder-asks")?,
            who: find("builder-who")?,
            yes: find("builder-yes")?,
            no: find("builder-no")?,
            save: find("save")?,
            duplicate: find("duplicate")?,
            delete: find("delete")?,
            told: told_view::Parts::find()?,
            sentence: find("sentence")?,
            json: find("json")?,
            json_error: find("json-error")?,
            why: why_view::Parts::find()?,
        })
    }
}

impl Builder {
    pub(crate) fn new(door: Rc<Door>) -> Result<Rc<Self>, JsValue> {
        Ok(Rc::new(Self {
            door,
            parts: Parts::find()?,
            draft: RefCell::new(Draft::new()),
            saved: RefCell::default(),
            drawn: RefCell::default(),
            counting: RefCell::default(),
            names: RefCell::default(),
            question: RefCell::default(),
            turn: Cell::default(),
            edits: Cell::default(),
            at_end: OnceCell::new(),
            agreed: Cell::default(),
        }))
    }

    /// Listens to the reader. `at_end` is done where the session has ended.
    pub(crate) fn attach(self: &Rc<Self>, at_end: impl Fn() + 'static) -> Result<(), JsValue> {
        // Attached once: nothing is there before.
        self.at_end.set(Box::new(at_end)).ok();
        self.list_templates()?;
        listen::attach(self)
    }

    /// Opens a new draft: the one that is being written, where there is one.
    pub(crate) fn open_new(self: &Rc<Self>) -> Result<(), JsValue> {
        let goes_on = self.saved.borrow().is_none() && self.turn.get() > 0;
        if !goes_on {
            self.begin(Draft::new(), None)?;
        }
        self.show()
    }

    /// Opens a segment that is kept.
    pub(crate) async fn open_saved(self: Rc<Self>, id: String) {
        let goes_on = self
            .saved
            .borrow()
            .as_ref()
            .is_some_and(|group| group.id == id);
        if goes_on {
            return report(self.show());
        }
        report(self.begin(Draft::new(), None));
        report(self.show());
        let turn = self.turn.get();
        let answer = http::get::<Group>(&format!("/v1/segments/{id}")).await;
        if self.turn.get() != turn {
            return;
        }
        match answer {
            Ok(group) => report(self.open(group)),
            Err(failure) => self.fail(&failure).await,
        }
    }

    /// Opens what the collector keeps.
    fn open(self: &Rc<Self>, group: Group) -> Result<(), JsValue> {
        let json = group.definition_json().to_owned();
        match Draft::read(&json) {
            Ok(draft) => {
                self.begin(draft, Some(group))?;
                self.show()?;
                spawn_local(Rc::clone(self).follow_building());
                Ok(())
            }
            Err(error) => say(&self.parts.note, Some(&error.to_string())),
        }
    }

    pub(crate) fn hide(&self) -> Result<(), JsValue> {
        set_hidden(&self.parts.page, true)
    }

    /// Whether something is written that is not kept.
    pub(crate) fn is_unsaved(&self) -> bool {
        let saved = self.saved.borrow();
        let draft = self.draft.borrow();
        match &*saved {
            Some(group) => self.name() != group.name || !is_definition_of(&draft, group),
            None => !draft.is_empty(),
        }
    }

    fn begin(self: &Rc<Self>, draft: Draft, saved: Option<Group>) -> Result<(), JsValue> {
        self.turn.set(self.turn.get() + 1);
        self.draft.replace(draft);
        self.counting.take();
        self.stop_question();
        self.parts
            .name
            .set_value(saved.as_ref().map_or("", |group| &group.name));
        let title = match &saved {
            Some(_) => "Change segment",
            None => "New segment",
        };
        set_text(&self.parts.title, title);
        set_text(
            &self.parts.save,
            if saved.is_some() {
                "Save changes"
            } else {
                "Save segment"
            },
        );
        for only_of_saved in [&self.parts.duplicate, &self.parts.delete] {
            set_hidden(only_of_saved, saved.is_none())?;
        }
        self.parts.why.begin(saved.is_some())?;
        self.saved.replace(saved);
        say(&self.parts.note, None)?;
        self.ask_nothing()?;
        self.drawn.borrow_mut().forget();
        spawn_local(Rc::clone(self).learn());
        self.changed()
    }

    fn show(&self) -> Result<(), JsValue> {
        set_hidden(&self.parts.page, false)?;
        self.parts.title.focus()
    }

    fn list_templates(&self) -> Result<(), JsValue> {
        let list: Element = find("templates")?;
        for (at, template) in TEMPLATES.iter().enumerate() {
            let item = element("li", "", "")?;
            let button = element("button", "", "")?;
            button.set_attribute("type", "button")?;
            button.set_attribute("data-template", &at.to_string())?;
            add(&button, &element("span", "", template.name)?)?;
            add(
                &button,
                &element("span", "small", &format!("Contacts who {}", template.says))?,
            )?;
            add(&item, &button)?;
            add(&list, &item)?;
        }
        Ok(())
    }

    /// Takes a template for the draft.
    fn take_template(self: &Rc<Self>, at: usize) -> Result<(), JsValue> {
        let Some(template) = TEMPLATES.get(at) else {
            return Ok(());
        };
        // A template is a definition: a test reads them all.
        self.draft.borrow_mut().type_json(template.json).ok();
        if self.name().is_empty() {
            self.parts.name.set_value(template.name);
        }
        self.changed()?;
        self.focus(&rows_view::row_key("all[0]"))
    }

    fn name(&self) -> String {
        self.parts.name.value().trim().to_owned()
    }

    /// The draft is another one: shows it, and asks what it comes to.
    fn changed(self: &Rc<Self>) -> Result<(), JsValue> {
        let rows = self.draft.borrow().rows();
        let focused = rows_view::focused_key();
        let names = self.names.borrow();
        let drawn = self
            .drawn
            .borrow_mut()
            .draw(&self.parts.rows, &rows, &names);
        drop(names);
        drawn?;
        if let Some(key) = focused.filter(|_| rows_view::focused_key().is_none()) {
            self.focus(&key)?;
        }
        self.marked()
    }

    /// The same where only what was typed is another: the fields stay as they are.
    fn marked(self: &Rc<Self>) -> Result<(), JsValue> {
        self.edits.set(self.edits.get() + 1);
        let definition = self.draft.borrow().definition();
        let is_new = self.saved.borrow().is_none();
        let is_empty = self.draft.borrow().is_empty();
        set_hidden(&self.parts.templates, !(is_new && is_empty))?;
        let draft = self.draft.borrow();
        for (button, can) in [
            (&self.parts.undo, draft.can_undo()),
            (&self.parts.redo, draft.can_redo()),
        ] {
            button.toggle_attribute_with_force("disabled", !can)?;
        }
        drop(draft);
        let wanted = definition
            .as_ref()
            .ok()
            .map(|definition| definition.to_json());
        self.counting.borrow_mut().want(wanted);
        self.tell(&definition)?;
        spawn_local(Rc::clone(self).count_after_pause());
        Ok(())
    }

    /// Learns names from the newest events, and which segments there are.
    async fn learn(self: Rc<Self>) {
        let events = http::get::<SeenEvents>(&format!("/v1/events?limit={LOOKED_AT}")).await;
        let segments = http::get::<GroupList>(&format!("/v1/segments?limit={MAX_SEGMENTS}")).await;
        let mut names = Names::default();
        // Names are a help alone: without them everything can be typed.
        if let Ok(events) = events {
            names.learn(&events);
        }
        if let Ok(list) = segments {
            let segments = list.segments.into_iter();
            names.learn_segments(segments.map(|group| (group.id, group.name)));
        }
        self.names.replace(names);
        let asks_segments = self.draft.borrow().json().contains("\"segment\":");
        if asks_segments {
            self.drawn.borrow_mut().forget();
            report(self.changed());
        }
    }
}

/// Whether a draft says what a segment's definition says.
fn is_definition_of(draft: &Draft, group: &Group) -> bool {
    Draft::read(group.definition_json()).is_ok_and(|saved| saved.json() == draft.json())
}

/// The element an event is about, or the nearest around it that fits.
fn around(event: &web_sys::Event, selector: &str) -> Option<Element> {
    let target: Element = event.target()?.dyn_into().ok()?;
    target.closest(selector).ok().flatten()
}
