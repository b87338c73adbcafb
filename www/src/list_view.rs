//! The list on the page: rows in and out once a frame, details when a row is opened.

use std::collections::BTreeMap;

use js_sys::Date;
use wasm_bindgen::JsValue;
use web_sys::Element;

use crate::dom::{add, document, element, find, link, set_hidden, set_text};
use crate::list::{Kept, List};
use crate::row::{Row, Verdict};
use crate::stream::percent_encoded;
use crate::text::{LocalTime, clock, count, cut, one_line, visible};

/// Longer content is cut until the reader asks for all of it.
const CONTENT_SHOWN: usize = 3_000;

/// Longer facts are cut likewise.
const FACT_SHOWN: usize = 400;

/// More rows than this in one frame come in without being highlighted.
const HIGHLIGHTED: usize = 5;

/// The name that the content has among the facts.
const CONTENT: &str = "content";

/// The rows that stand on the page.
#[derive(Debug)]
pub(crate) struct ListView {
    list: Element,
    rows: BTreeMap<u64, Element>,
    drawn_to: u64,
}

impl ListView {
    pub(crate) fn new() -> Result<Self, JsValue> {
        Ok(Self {
            list: find("events")?,
            rows: BTreeMap::new(),
            drawn_to: 0,
        })
    }

    /// Brings the page to where the list is: removes what has gone, puts what is new on top.
    pub(crate) fn draw(&mut self, list: &List) -> Result<(), JsValue> {
        self.rows.retain(|serial, row| {
            let stays = list.get(*serial).is_some();
            if !stays {
                row.remove();
            }
            stays
        });
        let first_time = self.drawn_to == 0;
        let fresh = list.after(self.drawn_to).count();
        if fresh == 0 {
            return Ok(());
        }
        let class = if first_time || fresh > HIGHLIGHTED {
            "event"
        } else {
            "event fresh"
        };
        let today = now();
        let fragment = document()?.create_document_fragment();
        for kept in list.after(self.drawn_to).rev() {
            let row = line(kept, class, today)?;
            add(&fragment, &row)?;
            self.rows.insert(kept.serial, row);
        }
        self.drawn_to = self
            .rows
            .keys()
            .next_back()
            .copied()
            .unwrap_or(self.drawn_to);
        self.list.prepend_with_node_1(&fragment)
    }

    /// Hides the rows that the filter does not let through.
    pub(crate) fn apply_filter(&self, list: &List) -> Result<(), JsValue> {
        for (serial, row) in &self.rows {
            set_hidden(row, !list.get(*serial).is_some_and(|kept| kept.shown))?;
        }
        Ok(())
    }
}

/// The serial of the row around this element.
pub(crate) fn serial_of(inside: &Element) -> Option<u64> {
    let row = inside.closest("[data-event-id]").ok()??;
    row.get_attribute("data-serial")?.parse().ok()
}

/// One row, closed.
fn line(kept: &Kept, class: &str, today: LocalTime) -> Result<Element, JsValue> {
    let row = &kept.row;
    let item = element("li", class, "")?;
    item.set_attribute("data-event-id", &row.fields.id)?;
    item.set_attribute("data-serial", &kept.serial.to_string())?;
    item.set_attribute("data-status", row.verdict.word())?;
    item.set_attribute("data-name", row.fields.name.as_deref().unwrap_or_default())?;
    item.set_attribute(
        "data-class",
        row.fields.class.as_deref().unwrap_or_default(),
    )?;
    set_hidden(&item, !kept.shown)?;

    let details = element("details", "", "")?;
    let summary = element("summary", "", "")?;
    add(&summary, &time(&row.fields.received_at, today)?)?;
    add(
        &summary,
        &element("span", "chip verdict", row.verdict.word())?,
    )?;
    let title = element("span", "title", "")?;
    add(&title, &element("bdi", "name", &one_line(row.name(), 128))?)?;
    if let Some(brief) = &row.brief {
        add(&title, &element("bdi", "brief", &one_line(brief, 60))?)?;
    }
    if let Some(verified) = row.verified {
        let (class, word) = if verified {
            ("chip good", "verified")
        } else {
            ("chip", "unverified")
        };
        add(&title, &element("span", class, word)?)?;
    }
    add(&summary, &title)?;
    add(&summary, &contact(row)?)?;
    add(&summary, &class_chip(row)?)?;
    let source = row.fields.source.as_deref().unwrap_or("–");
    add(&summary, &element("span", "source", &one_line(source, 20))?)?;
    add(&details, &summary)?;
    add(&item, &details)?;
    Ok(item)
}

/// Whose it is, and the way to their page.
fn contact(row: &Row) -> Result<Element, JsValue> {
    let name = one_line(&row.contact(), 254);
    let Some(page) = row.contact_page() else {
        return element("bdi", "contact", &name);
    };
    let holder = element("bdi", "contact", "")?;
    add(&holder, &link(&page, &name)?)?;
    Ok(holder)
}

fn class_chip(row: &Row) -> Result<Element, JsValue> {
    let Some(class) = row.fields.class.as_deref() else {
        let none = element("span", "class none", "–")?;
        none.set_attribute(
            "title",
            "Only what browsers and mail clients do is told apart",
        )?;
        return Ok(none);
    };
    let chip = element("span", "chip class", &one_line(class, 20).replace('_', " "))?;
    if let Some(reason) = &row.fields.reason {
        chip.set_attribute("title", &one_line(reason, 300))?;
    }
    Ok(chip)
}

/// A moment as the reader's clock shows it.
pub(crate) fn time(received_at: &str, today: LocalTime) -> Result<Element, JsValue> {
    let date = Date::new(&JsValue::from_str(received_at));
    let text = if date.get_time().is_nan() {
        one_line(received_at, 20)
    } else {
        clock(local(&date), today)
    };
    let time = element("time", "", &text)?;
    time.set_attribute("datetime", received_at)?;
    time.set_attribute("title", received_at)?;
    Ok(time)
}

/// Now, by the reader's clock.
pub(crate) fn now() -> LocalTime {
    local(&Date::new_0())
}

fn local(date: &Date) -> LocalTime {
    LocalTime {
        year: date.get_full_year(),
        month: date.get_month(),
        day: date.get_date(),
        hour: date.get_hours(),
        minute: date.get_minutes(),
        second: date.get_seconds(),
    }
}

/// Fills an opened row, once; says whether it has a receipt to be fetched.
pub(crate) fn open(details: &Element, row: &Row) -> Result<bool, JsValue> {
    if details.query_selector(".detail")?.is_some() {
        return Ok(false);
    }
    let detail = element("div", "detail", "")?;
    let facts = element("dl", "facts", "")?;
    for (label, value) in row.facts() {
        add(&facts, &element("dt", "", label)?)?;
        let holder = element("dd", "", "")?;
        shortened(&holder, "bdi", label, &value, FACT_SHOWN)?;
        add(&facts, &holder)?;
    }
    add(&detail, &facts)?;
    if row.verdict == Verdict::Moved {
        if let Some(id) = &row.fields.segment_id {
            let page = format!("/segments#{}", percent_encoded(id));
            let holder = element("p", "", "")?;
            add(&holder, &link(&page, "Open the segment")?)?;
            add(&detail, &holder)?;
        }
        add(details, &detail)?;
        return Ok(false);
    }
    let heading = match row.verdict {
        Verdict::Tracked | Verdict::Moved => "Properties",
        Verdict::Rejected => "As it was sent",
    };
    add(&detail, &element("h3", "", heading)?)?;
    if row.content.is_empty() {
        add(&detail, &element("p", "small", "Not kept.")?)?;
    } else {
        shortened(&detail, "pre", CONTENT, &row.content, CONTENT_SHOWN)?;
    }
    let receipt = element("div", "receipt-head", "")?;
    add(&receipt, &element("h3", "", "Receipt")?)?;
    let again = element("button", "quiet", "Fetch again")?;
    again.set_attribute("type", "button")?;
    again.set_attribute("data-action", "receipt")?;
    add(&receipt, &again)?;
    add(&detail, &receipt)?;
    let text = element("pre", "code receipt", "Fetching…")?;
    text.set_attribute("aria-live", "polite")?;
    add(&detail, &text)?;
    add(details, &detail)?;
    Ok(true)
}

/// The start of a text, and a button for all of it where it is long.
fn shortened(
    parent: &Element,
    tag: &str,
    label: &str,
    text: &str,
    limit: usize,
) -> Result<(), JsValue> {
    let (start, is_cut) = cut(text, limit);
    let holder = element(tag, if tag == "pre" { "code" } else { "" }, &visible(start))?;
    add(parent, &holder)?;
    if is_cut {
        let words = format!("Show all {} characters", count(text.chars().count() as u64));
        let button = element("button", "quiet more", &words)?;
        button.set_attribute("type", "button")?;
        button.set_attribute("data-action", "more")?;
        button.set_attribute("data-of", label)?;
        add(parent, &button)?;
    }
    Ok(())
}

/// Shows all of a text that was cut.
pub(crate) fn show_all(button: &Element, row: &Row) {
    let label = button.get_attribute("data-of").unwrap_or_default();
    let facts = row.facts();
    let fact = facts
        .iter()
        .find(|(name, _)| *name == label)
        .map(|(_, value)| value.as_str());
    if let (Some(holder), Some(text)) = (
        button.previous_element_sibling(),
        fact.or(Some(row.content.as_str())),
    ) {
        set_text(&holder, &visible(text));
        button.remove();
    }
}

/// Where an opened row shows its receipt.
pub(crate) fn receipt_place(inside: &Element) -> Option<Element> {
    inside
        .closest("[data-event-id]")
        .ok()??
        .query_selector(".receipt")
        .ok()?
}
