//! The page of contacts: the list that is searched, and which of it and one contact is shown.

use std::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Element, HtmlInputElement, HtmlSelectElement};

use crate::dom::{add, chip, element, find, link, on, report, set_hidden, set_text, window};
use crate::door::{Door, Room, words_of};
use crate::http;
use crate::list_view::{now, time};
use crate::one_view::OneView;
use crate::paged::{Paged, behind};
use crate::people::{Contact, ContactList, named_in, page_of};
use crate::stream::percent_encoded;
use crate::text::{LocalTime, one_line, points};

/// Contacts of a page of the list.
const SHOWN: u32 = 50;

/// Everything the page holds. It lives until the page is left.
pub(crate) struct Contacts {
    door: Door,
    page: Element,
    all: Element,
    text: HtmlInputElement,
    sort: HtmlSelectElement,
    list: Rc<Paged>,
    note: Element,
    pub(crate) one: OneView,
    /// Of the list.
    turn: Turn,
    /// The list was asked for already.
    is_listed: Cell<bool>,
}

/// Grows whenever something else is to be shown at a place, so that what comes late knows that it is too late.
#[derive(Default)]
pub(crate) struct Turn(Cell<u32>);

impl Turn {
    pub(crate) fn next(&self) {
        self.0.set(self.0.get().wrapping_add(1));
    }

    pub(crate) fn now(&self) -> u32 {
        self.0.get()
    }

    /// Whether what was asked for in that turn is still to be shown.
    pub(crate) fn is_still(&self, turn: u32) -> bool {
        self.0.get() == turn
    }
}

impl Room for Contacts {
    fn door(&self) -> &Door {
        &self.door
    }

    fn enter(self: &Rc<Self>) -> Result<(), JsValue> {
        set_hidden(&self.page, false)?;
        self.show()
    }

    fn leave(&self) -> Result<(), JsValue> {
        // Whoever comes next may see others.
        self.turn.next();
        self.is_listed.set(false);
        self.one.hide()?;
        set_hidden(&self.page, true)
    }
}

impl Contacts {
    pub(crate) fn new() -> Result<Rc<Self>, JsValue> {
        Ok(Rc::new(Self {
            door: Door::find()?,
            page: find("contacts")?,
            all: find("all")?,
            text: find("find-text")?,
            sort: find("find-sort")?,
            list: Rc::new(Paged::find("people", "people-more")?),
            note: find("people-note")?,
            one: OneView::find()?,
            turn: Turn::default(),
            is_listed: Cell::default(),
        }))
    }

    pub(crate) fn attach(self: &Rc<Self>) -> Result<(), JsValue> {
        let at_change = Rc::clone(self);
        on(window()?.as_ref(), "hashchange", move |_| {
            if at_change.door.is_open() {
                at_change.show()?;
            }
            Ok(())
        });
        let at_find = Rc::clone(self);
        let form: Element = find("find")?;
        on(&form, "submit", move |event| {
            event.prevent_default();
            at_find.search();
            Ok(())
        });
        let at_sort = Rc::clone(self);
        on(&self.sort, "change", move |_| {
            at_sort.search();
            Ok(())
        });
        let at_more = Rc::clone(self);
        self.list.on_more(move |next| {
            spawn_local(Rc::clone(&at_more).read_list(Some(next)));
        });
        self.one.attach(self);
        Ok(())
    }

    /// Shows what the fragment names: one contact, or all.
    fn show(self: &Rc<Self>) -> Result<(), JsValue> {
        let fragment = window()?.location().hash()?;
        let email = named_in(&fragment).and_then(|email| {
            // What is badly encoded names nobody.
            let email = js_sys::decode_uri_component(email).ok()?;
            Some(String::from(email))
        });
        set_hidden(&self.all, email.is_some())?;
        if let Some(email) = email {
            return self.one.show(self, email);
        }
        self.one.hide()?;
        if !self.is_listed.get() {
            self.search();
        }
        Ok(())
    }

    fn search(self: &Rc<Self>) {
        self.turn.next();
        self.is_listed.set(true);
        report(self.list.clear());
        report(set_hidden(&self.note, true));
        spawn_local(Rc::clone(self).read_list(None));
    }

    async fn read_list(self: Rc<Self>, next: Option<String>) {
        let turn = self.turn.now();
        let mut path = format!("/v1/contacts?limit={SHOWN}&sort={}", self.sort.value());
        let text = self.text.value();
        if !text.trim().is_empty() {
            path.push_str(&format!("&query={}", percent_encoded(text.trim())));
        }
        path.push_str(&behind(next.as_deref()));
        let answer = http::get::<ContactList>(&path).await;
        if !self.turn.is_still(turn) {
            return;
        }
        let note = match answer {
            Ok(page) => {
                let today = now();
                let rows = page.contacts.iter().map(|contact| row(contact, today));
                let goes_on = page.next.is_some();
                report(self.list.add(rows, page.next));
                let note = match (self.list.is_empty(), goes_on) {
                    (false, _) => None,
                    (true, true) => Some("None among those that were looked at: there are more."),
                    (true, false) if text.trim().is_empty() => Some("Nobody is known yet."),
                    (true, false) => Some("Nobody whose address or trait begins so."),
                };
                note.map(str::to_owned)
            }
            Err(failure) => {
                report(self.list.wait_at(next));
                Some(words_of(&*self, &failure))
            }
        };
        report(say(&self.note, note.as_deref()));
    }
}

/// Says something at a place, or nothing.
pub(crate) fn say(place: &Element, words: Option<&str>) -> Result<(), JsValue> {
    set_text(place, words.unwrap_or_default());
    set_hidden(place, words.is_none())
}

/// One contact of the list.
fn row(contact: &Contact, today: LocalTime) -> Result<Element, JsValue> {
    let item = element("li", "event person", "")?;
    item.set_attribute("data-email", &contact.email)?;
    let line = link(&page_of(&contact.email), "")?;
    line.set_class_name("line");
    add(
        &line,
        &element("bdi", "name", &one_line(&contact.email, 254))?,
    )?;
    let mail = match contact.unsubscribed_at {
        Some(_) => chip("bad", "unsubscribed")?,
        None => element("span", "", "")?,
    };
    add(&line, &mail)?;
    let score = element("span", "score", &points(contact.score))?;
    score.set_attribute("title", &format!("Score {}", contact.score))?;
    add(&line, &score)?;
    let seen = match &contact.last_seen {
        Some(seen) => time(seen, today)?,
        None => element("span", "small", "never seen")?,
    };
    add(&line, &seen)?;
    add(&item, &line)?;
    Ok(item)
}
