//! The page of segments: a row each, with the members of those that are opened.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::Element;

use crate::builder_view::Builder;
use crate::dom::{add, chip, element, find, link, on, report, set_hidden, target, window};
use crate::door::{self, Door, Room, words_of};
use crate::groups::{Group, GroupList, Member, MemberList, Shown, editor_of, shown_by};
use crate::http;
use crate::list_view::{now, time};
use crate::paged::Paged;
use crate::people::page_of;
use crate::people_view::say;
use crate::text::{LocalTime, one_line, visible};

/// Segments, and members, of a page.
const SHOWN: u32 = 50;

/// Everything the page holds. It lives until the page is left.
pub(crate) struct Segments {
    door: Rc<Door>,
    builder: Rc<Builder>,
    page: Element,
    list: Rc<Paged>,
    note: Element,
    none: Element,
    /// By their ids: those that stand on the page.
    rows: RefCell<HashMap<String, Row>>,
}

/// A segment on the page.
#[derive(Clone)]
struct Row {
    details: Element,
    detail: Element,
    group: Rc<Group>,
}

impl Room for Segments {
    fn door(&self) -> &Door {
        &self.door
    }

    fn enter(self: &Rc<Self>) -> Result<(), JsValue> {
        self.show()
    }

    fn leave(&self) -> Result<(), JsValue> {
        self.builder.hide()?;
        set_hidden(&self.page, true)
    }
}

impl Segments {
    pub(crate) fn new() -> Result<Rc<Self>, JsValue> {
        let door = Rc::new(Door::find()?);
        Ok(Rc::new(Self {
            builder: Builder::new(Rc::clone(&door))?,
            door,
            page: find("segments")?,
            list: Rc::new(Paged::find("groups", "groups-more")?),
            note: find("groups-note")?,
            none: find("no-groups")?,
            rows: RefCell::default(),
        }))
    }

    pub(crate) fn attach(self: &Rc<Self>) -> Result<(), JsValue> {
        let at_more = Rc::clone(self);
        self.list.on_more(move |next| {
            spawn_local(Rc::clone(&at_more).read_list(Some(next)));
        });
        let at_change = Rc::clone(self);
        on(window()?.as_ref(), "hashchange", move |_| {
            if at_change.door.is_open() {
                at_change.show()?;
            }
            Ok(())
        });
        let at_end = Rc::clone(self);
        self.builder
            .attach(move || report(door::leave(&*at_end, door::ENDED)))
    }

    /// Shows what the fragment names: the list, or the builder.
    fn show(self: &Rc<Self>) -> Result<(), JsValue> {
        let fragment = window()?.location().hash()?;
        let shown = shown_by(&fragment);
        set_hidden(&self.page, !matches!(shown, Shown::List(_)))?;
        match shown {
            Shown::List(named) => {
                self.builder.hide()?;
                // What stood there may have been changed, or one made.
                match named {
                    Some(_) if !self.list.is_empty() => {
                        spawn_local(Rc::clone(self).open_named());
                    }
                    _ => {
                        self.list.clear()?;
                        self.rows.borrow_mut().clear();
                        spawn_local(Rc::clone(self).read_list(None));
                    }
                }
                Ok(())
            }
            Shown::New => self.builder.open_new(),
            Shown::Edit(id) => {
                spawn_local(Rc::clone(&self.builder).open_saved(id.to_owned()));
                Ok(())
            }
        }
    }

    async fn read_list(self: Rc<Self>, next: Option<String>) {
        let behind = next.as_ref();
        let behind = behind.map_or_else(String::new, |next| format!("&cursor={next}"));
        let path = format!("/v1/segments?limit={SHOWN}{behind}");
        match http::get::<GroupList>(&path).await {
            Ok(page) => {
                let known = self.rows.borrow().keys().cloned().collect::<Vec<_>>();
                let fresh = page.segments.into_iter();
                let fresh = fresh.filter(|group| !known.contains(&group.id));
                let rows: Vec<_> = fresh.map(|group| self.row(group)).collect();
                report(self.list.add(rows, page.next));
                report(set_hidden(&self.none, !self.list.is_empty()));
                report(say(&self.note, None));
                if next.is_none() {
                    self.open_named().await;
                }
            }
            Err(failure) => {
                let words = words_of(&*self, &failure);
                report(self.list.wait_at(next));
                report(say(&self.note, Some(&words)));
            }
        }
    }

    /// Opens the segment that the fragment names, also one that is on none of the pages so far.
    async fn open_named(self: Rc<Self>) {
        let fragment = window().and_then(|window| window.location().hash());
        let fragment = fragment.unwrap_or_default();
        let Shown::List(Some(id)) = shown_by(&fragment) else {
            return;
        };
        if !self.rows.borrow().contains_key(id) {
            match http::get::<Group>(&format!("/v1/segments/{id}")).await {
                Ok(group) => report(self.row(group).and_then(|row| self.list.put_first(&row))),
                Err(failure) => {
                    let words = words_of(&*self, &failure);
                    return report(say(&self.note, Some(&words)));
                }
            }
        }
        let row = self.rows.borrow().get(id).cloned();
        if let Some(row) = row {
            report(row.details.set_attribute("open", ""));
            row.details.scroll_into_view();
        }
    }

    /// A segment, closed.
    fn row(self: &Rc<Self>, group: Group) -> Result<Element, JsValue> {
        let item = element("li", "event group", "")?;
        item.set_attribute("data-segment-id", &group.id)?;
        let details = element("details", "", "")?;
        let summary = element("summary", "", "")?;
        add(
            &summary,
            &element("bdi", "name", &one_line(&group.name, 200))?,
        )?;
        if let Some(building) = group.building() {
            add(&summary, &chip("odd", &building)?)?;
        }
        if let Some(members) = group.members() {
            add(&summary, &chip("count", &members)?)?;
        }
        add(
            &summary,
            &element("bdi", "sentence", &visible(&group.sentence))?,
        )?;
        add(&details, &summary)?;
        let detail = element("div", "detail", "")?;
        add(&details, &detail)?;
        add(&item, &details)?;
        let id = group.id.clone();
        let row = Row {
            details: details.clone(),
            detail,
            group: Rc::new(group),
        };
        self.rows.borrow_mut().insert(id.clone(), row);
        let at_open = Rc::clone(self);
        on(&details, "toggle", move |event| {
            let opened = target(event).is_some_and(|details| details.has_attribute("open"));
            let row = at_open.rows.borrow().get(&id).cloned();
            match row {
                Some(row) if opened => at_open.open(&row),
                _ => Ok(()),
            }
        });
        Ok(item)
    }

    /// Fills an opened row, once.
    fn open(self: &Rc<Self>, row: &Row) -> Result<(), JsValue> {
        if row.detail.first_element_child().is_some() {
            return Ok(());
        }
        let (group, detail) = (&row.group, &row.detail);
        let facts = element("dl", "facts", "")?;
        let version = group.version.to_string();
        for (label, value) in [
            ("Id", group.id.as_str()),
            ("Version", version.as_str()),
            ("Made", group.created_at.as_str()),
            ("Changed", group.changed_at.as_str()),
        ] {
            add(&facts, &element("dt", "", label)?)?;
            add(&facts, &element("dd", "", value)?)?;
        }
        add(detail, &facts)?;
        add(
            detail,
            &link(&editor_of(&group.id), "Change, copy, ask why")?,
        )?;
        add(detail, &element("h3", "", "Definition")?)?;
        let definition = visible(&group.definition());
        add(detail, &element("pre", "code", &definition)?)?;
        add(detail, &element("h3", "", "Members")?)?;
        let note = element("p", "small", "")?;
        note.set_attribute("role", "status")?;
        let members = Rc::new(Paged::new_in(detail, "lines members", "Members")?);
        add(detail, &note)?;
        let (at_more, of, id) = (Rc::clone(self), Rc::clone(&members), group.id.clone());
        let place = note.clone();
        members.on_more(move |next| {
            let (room, members) = (Rc::clone(&at_more), Rc::clone(&of));
            spawn_local(room.read_members(id.clone(), members, place.clone(), Some(next)));
        });
        let read = Rc::clone(self).read_members(group.id.clone(), members, note, None);
        spawn_local(read);
        Ok(())
    }

    async fn read_members(
        self: Rc<Self>,
        id: String,
        members: Rc<Paged>,
        note: Element,
        next: Option<String>,
    ) {
        let behind = next.as_ref();
        let behind = behind.map_or_else(String::new, |next| format!("&cursor={next}"));
        let path = format!("/v1/segments/{id}/members?limit={SHOWN}{behind}");
        match http::get::<MemberList>(&path).await {
            Ok(page) => {
                let today = now();
                let rows = page.members.iter().map(|member| member_row(member, today));
                report(members.add(rows, page.next));
                report(say(&note, members.is_empty().then_some("Nobody is in.")));
            }
            Err(failure) => {
                let words = words_of(&*self, &failure);
                report(members.wait_at(next));
                report(say(&note, Some(&words)));
            }
        }
    }
}

fn member_row(member: &Member, today: LocalTime) -> Result<Element, JsValue> {
    let item = element("li", "", "")?;
    let name = element("bdi", "name", "")?;
    match &member.email {
        Some(email) => add(&name, &link(&page_of(email), &one_line(email, 254))?)?,
        None => add(&name, &element("span", "small", "known by a mail alone")?)?,
    }
    add(&item, &name)?;
    let since = element("span", "small", "since ")?;
    add(&since, &time(&member.entered_at, today)?)?;
    add(&item, &since)?;
    Ok(item)
}
