//! One contact on the page: what is known of them, what makes their score, their segments, and what happened.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::Element;

use crate::dom::{add, chip, element, find, link, report, set_hidden, set_text};
use crate::door::words_of;
use crate::http;
use crate::list_view::{now, time};
use crate::paged::{Paged, behind};
use crate::people::{Contact, Entry, Membership, Memberships, Score, Timeline, path_of};
use crate::people_view::{Contacts, Turn, say};
use crate::stream::percent_encoded;
use crate::text::{LocalTime, one_line, points, visible};

/// Entries of a page of what happened, and events of one of what makes the score.
const HAPPENED: u32 = 50;
const COUNTING: u32 = 10;
/// Longer values of traits are cut.
const TRAIT_SHOWN: usize = 400;

/// The parts of the page.
pub(crate) struct OneView {
    article: Element,
    heading: Element,
    mail: Element,
    note: Element,
    parts: Element,
    score: Element,
    score_how: Element,
    seen: Element,
    score_events: Rc<Paged>,
    score_note: Element,
    groups_in: Element,
    groups_out: Element,
    groups_note: Element,
    traits: Element,
    traits_note: Element,
    timeline: Rc<Paged>,
    timeline_note: Element,
    /// Who is shown.
    email: RefCell<String>,
    turn: Turn,
}

impl OneView {
    pub(crate) fn find() -> Result<Self, JsValue> {
        Ok(Self {
            article: find("one")?,
            heading: find("one-email")?,
            mail: find("one-mail")?,
            note: find("one-note")?,
            parts: find("one-parts")?,
            score: find("score")?,
            score_how: find("score-how")?,
            seen: find("seen")?,
            score_events: Rc::new(Paged::find("score-events", "score-more")?),
            score_note: find("score-note")?,
            groups_in: find("groups-in")?,
            groups_out: find("groups-out")?,
            groups_note: find("groups-note")?,
            traits: find("traits")?,
            traits_note: find("traits-note")?,
            timeline: Rc::new(Paged::find("timeline", "timeline-more")?),
            timeline_note: find("timeline-note")?,
            email: RefCell::default(),
            turn: Turn::default(),
        })
    }

    pub(crate) fn attach(&self, contacts: &Rc<Contacts>) {
        let at_score = Rc::clone(contacts);
        self.score_events.on_more(move |next| {
            spawn_local(read_score(Rc::clone(&at_score), Some(next)));
        });
        let at_timeline = Rc::clone(contacts);
        self.timeline.on_more(move |next| {
            spawn_local(read_timeline(Rc::clone(&at_timeline), Some(next)));
        });
    }

    pub(crate) fn hide(&self) -> Result<(), JsValue> {
        self.turn.next();
        set_hidden(&self.article, true)
    }

    /// Shows somebody else.
    pub(crate) fn show(&self, contacts: &Rc<Contacts>, email: String) -> Result<(), JsValue> {
        self.turn.next();
        set_hidden(&self.article, false)?;
        set_text(&self.heading, &visible(&email));
        self.email.replace(email);
        self.mail.set_text_content(None);
        for list in [&self.score_events, &self.timeline] {
            list.clear()?;
        }
        for list in [&self.groups_in, &self.groups_out, &self.traits, &self.seen] {
            list.set_text_content(None);
        }
        let notes = [
            &self.note,
            &self.score_note,
            &self.groups_note,
            &self.timeline_note,
            &self.traits_note,
        ];
        for note in notes {
            set_hidden(note, true)?;
        }
        set_hidden(&self.parts, true)?;
        spawn_local(read_contact(Rc::clone(contacts)));
        Ok(())
    }

    fn path(&self) -> String {
        path_of(&self.email.borrow())
    }

    fn draw(&self, contact: &Contact) -> Result<(), JsValue> {
        set_text(&self.heading, &visible(&contact.email));
        let (words, gets_mail) = contact.mail();
        let kind = if gets_mail { "good" } else { "bad" };
        add(&self.mail, &chip(kind, &words)?)?;
        self.draw_score(contact.score)?;
        let today = now();
        let times = [
            ("First seen", &contact.first_seen),
            ("Last seen", &contact.last_seen),
            ("Unsubscribed", &contact.unsubscribed_at),
        ];
        for (label, at) in times {
            if let Some(at) = at {
                add(&self.seen, &element("dt", "", label)?)?;
                let holder = element("dd", "", "")?;
                add(&holder, &time(at, today)?)?;
                add(&self.seen, &holder)?;
            }
        }
        for (name, value) in contact.traits() {
            add(&self.traits, &element("dt", "", &one_line(name, 128))?)?;
            let value = one_line(&value, TRAIT_SHOWN);
            add(&self.traits, &element("dd", "", &value)?)?;
        }
        set_hidden(&self.traits_note, !contact.traits.is_empty())?;
        set_hidden(&self.parts, false)
    }

    fn draw_score(&self, score: f64) -> Result<(), JsValue> {
        set_text(&self.score, &points(score));
        self.score.set_attribute("title", &score.to_string())
    }

    fn draw_groups(&self, groups: &Memberships) -> Result<(), JsValue> {
        for (is_in, list) in [(true, &self.groups_in), (false, &self.groups_out)] {
            let groups = groups.segments.iter().filter(|one| one.r#in == is_in);
            for group in groups {
                add(list, &membership(group)?)?;
            }
            if list.first_element_child().is_none() {
                add(list, &element("li", "small", "None")?)?;
            }
        }
        Ok(())
    }
}

/// Reads who is shown, and then what there is beside.
async fn read_contact(contacts: Rc<Contacts>) {
    let (turn, path) = (contacts.one.turn.now(), contacts.one.path());
    let answer = http::get::<Contact>(&path).await;
    if !contacts.one.turn.is_still(turn) {
        return;
    }
    match answer {
        Ok(contact) => {
            report(contacts.one.draw(&contact));
            spawn_local(read_score(Rc::clone(&contacts), None));
            spawn_local(read_groups(Rc::clone(&contacts)));
            spawn_local(read_timeline(contacts, None));
        }
        Err(failure) => {
            let words = words_of(&*contacts, &failure);
            report(say(&contacts.one.note, Some(&words)));
        }
    }
}

async fn read_score(contacts: Rc<Contacts>, next: Option<String>) {
    let view = &contacts.one;
    let turn = view.turn.now();
    let path = format!(
        "{}/score?limit={COUNTING}{}",
        view.path(),
        behind(next.as_deref())
    );
    let answer = http::get::<Score>(&path).await;
    if !view.turn.is_still(turn) {
        return;
    }
    match answer {
        Ok(page) => {
            report(view.draw_score(page.score));
            let how = format!("halved every {} days", page.half_life_days);
            set_text(&view.score_how, &how);
            let today = now();
            let rows = page.entries.iter().map(|entry| counting(entry, today));
            let goes_on = page.next.is_some();
            report(view.score_events.add(rows, page.next));
            let is_empty = view.score_events.is_empty() && !goes_on;
            report(say(&view.score_note, is_empty.then_some("Nothing counts.")));
        }
        Err(failure) => {
            let words = words_of(&*contacts, &failure);
            report(view.score_events.wait_at(next));
            report(say(&view.score_note, Some(&words)));
        }
    }
}

async fn read_groups(contacts: Rc<Contacts>) {
    let view = &contacts.one;
    let turn = view.turn.now();
    let answer = http::get::<Memberships>(&format!("{}/segments", view.path())).await;
    if !view.turn.is_still(turn) {
        return;
    }
    match answer {
        Ok(groups) => report(view.draw_groups(&groups)),
        Err(failure) => {
            let words = words_of(&*contacts, &failure);
            report(say(&view.groups_note, Some(&words)));
        }
    }
}

async fn read_timeline(contacts: Rc<Contacts>, next: Option<String>) {
    let view = &contacts.one;
    let turn = view.turn.now();
    let path = format!(
        "{}/timeline?limit={HAPPENED}{}",
        view.path(),
        behind(next.as_deref())
    );
    let answer = http::get::<Timeline>(&path).await;
    if !view.turn.is_still(turn) {
        return;
    }
    match answer {
        Ok(page) => {
            let today = now();
            let rows = page.entries.iter().map(|entry| happened(entry, today));
            report(view.timeline.add(rows, page.next));
            let is_empty = view.timeline.is_empty();
            report(say(
                &view.timeline_note,
                is_empty.then_some("Nothing is on record."),
            ));
        }
        Err(failure) => {
            let words = words_of(&*contacts, &failure);
            report(view.timeline.wait_at(next));
            report(say(&view.timeline_note, Some(&words)));
        }
    }
}

fn membership(group: &Membership) -> Result<Element, JsValue> {
    let item = element("li", "", "")?;
    let page = format!("/segments#{}", percent_encoded(&group.id));
    add(&item, &link(&page, &one_line(&group.name, 200))?)?;
    Ok(item)
}

/// An event that counts.
fn counting(entry: &Entry, today: LocalTime) -> Result<Element, JsValue> {
    let item = element("li", "", "")?;
    add(&item, &element("bdi", "name", &one_line(&entry.name, 128))?)?;
    add(&item, &time(&entry.timestamp, today)?)?;
    add(&item, &points_of(entry, "b", "score")?)?;
    Ok(item)
}

/// What an entry adds to the score, or nothing.
fn points_of(entry: &Entry, tag: &str, class: &str) -> Result<Element, JsValue> {
    let Some((shown, exact)) = entry.points() else {
        return element(tag, class, "");
    };
    let points = element(tag, class, &shown)?;
    points.set_attribute("title", &exact)?;
    Ok(points)
}

/// An entry of the timeline.
fn happened(entry: &Entry, today: LocalTime) -> Result<Element, JsValue> {
    let item = element("li", "event", "")?;
    item.set_attribute("data-kind", &entry.kind)?;
    item.set_attribute("data-name", &entry.name)?;
    item.set_attribute("data-class", entry.class.as_deref().unwrap_or_default())?;
    let details = element("details", "", "")?;
    let summary = element("summary", "", "")?;
    add(&summary, &time(&entry.timestamp, today)?)?;
    add(&summary, &chip("verdict", &one_line(&entry.kind, 20))?)?;
    let title = element("span", "title", "")?;
    add(
        &title,
        &element("bdi", "name", &one_line(&entry.name, 128))?,
    )?;
    if let Some(brief) = entry.brief() {
        add(&title, &element("bdi", "brief", &brief)?)?;
    }
    add(&summary, &title)?;
    add(&summary, &points_of(entry, "span", "contact score")?)?;
    let class = match entry.class.as_deref() {
        Some(class) => chip("class", &one_line(class, 20).replace('_', " "))?,
        None => element("span", "class none", "–")?,
    };
    add(&summary, &class)?;
    let source = entry.source.as_deref().unwrap_or("–");
    add(&summary, &element("span", "source", &one_line(source, 20))?)?;
    add(&details, &summary)?;
    let detail = element("div", "detail", "")?;
    let facts = element("dl", "facts", "")?;
    for (label, value) in entry.facts() {
        add(&facts, &element("dt", "", label)?)?;
        add(&facts, &element("dd", "", &visible(&value))?)?;
    }
    add(&detail, &facts)?;
    if let Some(properties) = entry.properties() {
        add(&detail, &element("h3", "", "Properties")?)?;
        add(&detail, &element("pre", "code", &visible(&properties))?)?;
    }
    if let Some(id) = &entry.segment_id {
        let holder = element("p", "", "")?;
        let page = format!("/segments#{}", percent_encoded(id));
        add(&holder, &link(&page, "Open the segment")?)?;
        add(&detail, &holder)?;
    }
    add(&details, &detail)?;
    add(&item, &details)?;
    Ok(item)
}
