//! What is told beside the draft: how many match and who, what is missing, the sentence and the JSON.

use std::rc::Rc;

use shared::ids::SegmentId;
use shared::segment::{Definition, DefinitionError};
use wasm_bindgen::JsValue;
use web_sys::Element;

use super::Builder;
use crate::builder::answers::Preview;
use crate::builder::counting::State;
use crate::dom::{add, document, element, find, link, set_hidden, set_text};
use crate::people::page_of;
use crate::text::{count, one_line, pretty, visible};

/// The parts of the page about who matches.
pub(super) struct Parts {
    whole: Element,
    count: Element,
    /// The number once more, where the card is far below.
    brief: Element,
    words: Element,
    pub(super) stop: Element,
    pub(super) again: Element,
    warnings: Element,
    members: Element,
}

impl Parts {
    pub(super) fn find() -> Result<Self, JsValue> {
        let count: Element = find("told-count")?;
        Ok(Self {
            whole: count
                .closest(".told")?
                .ok_or("the count stands in a card")?,
            count,
            brief: find("told-brief")?,
            words: find("told-words")?,
            stop: find("stop-counting")?,
            again: find("count-again")?,
            warnings: find("told-warnings")?,
            members: find("told-members")?,
        })
    }
}

impl Builder {
    /// What the page calls a segment.
    pub(super) fn segment_name(&self, id: &SegmentId) -> Option<String> {
        self.names.borrow().segment(id.as_str()).map(str::to_owned)
    }

    /// Tells of the draft what the page knows itself.
    pub(super) fn tell(
        self: &Rc<Self>,
        definition: &Result<Definition, DefinitionError>,
    ) -> Result<(), JsValue> {
        let sentence = match definition {
            Ok(definition) => visible(&definition.sentence(&|id| self.segment_name(id))),
            Err(_) => "Not whole yet.".to_owned(),
        };
        set_text(&self.parts.sentence, &sentence);
        // Who is typing there has it as it is typed.
        let types_json = document()?
            .active_element()
            .is_some_and(|active| active.id() == "json");
        if !types_json {
            let json = match definition {
                Ok(definition) => definition.to_json(),
                Err(_) => self.draft.borrow().json(),
            };
            self.parts.json.set_value(&pretty(&json));
            set_text(&self.parts.json_error, "");
            self.parts.json.remove_attribute("aria-invalid")?;
        }
        self.tell_missing(definition.as_ref().err())?;
        self.tell_count()
    }

    /// Marks the row and the field where something is missing.
    fn tell_missing(&self, error: Option<&DefinitionError>) -> Result<(), JsValue> {
        let mut drawn = self.drawn.borrow_mut();
        let place = error.map(|error| error.path.as_str());
        let around = place.and_then(|place| drawn.row_of(place)).cloned();
        let mut is_empty = None;
        for (key, view) in &mut drawn.fields {
            let is_here =
                place.is_some_and(|place| key == place || key.strip_suffix('?') == Some(place));
            view.mark(is_here)?;
            if is_here && view.typed().is_empty() {
                is_empty = Some(view.field.label);
            }
        }
        for (path, row) in &drawn.rows {
            let words = match (error, is_empty) {
                (Some(_), Some(label)) if Some(path) == around.as_ref() => {
                    format!("Still missing: {label}.")
                }
                (Some(error), None) if Some(path) == around.as_ref() => error.message.clone(),
                _ => String::new(),
            };
            set_text(&row.missing, &words);
            set_hidden(&row.missing, words.is_empty())?;
        }
        Ok(())
    }

    /// Tells what the collector has counted.
    pub(super) fn tell_count(&self) -> Result<(), JsValue> {
        let counting = self.counting.borrow();
        let (state, parts) = (counting.state(), &self.parts.told);
        for place in [&parts.whole, &self.parts.page] {
            place.set_attribute("data-count", state.name())?;
        }
        let last = counting.last();
        let number = last.map_or_else(|| "–".to_owned(), |preview| count(preview.count));
        set_text(&parts.count, &number);
        set_text(&parts.brief, &format!("{number} match"));
        set_text(&parts.words, &counting.words());
        set_hidden(&parts.stop, state != State::Counting)?;
        set_hidden(
            &parts.again,
            !matches!(state, State::GivenUp | State::Refused),
        )?;
        if let Some(preview) = last {
            self.tell_steps(preview)?;
            self.tell_warnings(preview)?;
            self.tell_members(preview)?;
        } else {
            for place in [&parts.warnings, &parts.members] {
                place.set_text_content(None);
            }
        }
        Ok(())
    }

    /// How many are left after each row.
    fn tell_steps(&self, preview: &Preview) -> Result<(), JsValue> {
        let drawn = self.drawn.borrow();
        let straw = preview.last_straw();
        for (path, row) in &drawn.rows {
            let words = match preview.left_after(path) {
                // Of the whole that is the count itself.
                _ if path.is_empty() => String::new(),
                Some(0) if straw == Some(path) => "Nobody is left after this condition.".to_owned(),
                Some(left) => format!("{} left", count(left)),
                None => String::new(),
            };
            row.left.set_class_name(if straw == Some(path) {
                "left nobody"
            } else {
                "left"
            });
            set_text(&row.left, &words);
            set_hidden(&row.left, words.is_empty())?;
        }
        Ok(())
    }

    fn tell_warnings(&self, preview: &Preview) -> Result<(), JsValue> {
        let warnings = preview.warnings.iter().map(|words| visible(words));
        let rest = [preview.moved_by_new(), preview.open()];
        let list = &self.parts.told.warnings;
        list.set_text_content(None);
        for words in warnings.chain(rest.into_iter().flatten()) {
            add(list, &element("li", "", &words)?)?;
        }
        self.tell_unknown(preview)
    }

    /// Says at the rows themselves which names nobody has sent.
    fn tell_unknown(&self, preview: &Preview) -> Result<(), JsValue> {
        if self.counting.borrow().state() != State::Fresh {
            return Ok(());
        }
        let drawn = self.drawn.borrow();
        for (key, view) in &drawn.fields {
            let name = view.typed();
            let is_name = !name.is_empty() && preview.unknown.contains(&name);
            let row = drawn.row_of(key).filter(|_| is_name);
            if let Some(row) = row.and_then(|path| drawn.rows.get(path)) {
                let words = format!("Nobody has ever sent {}.", quoted(&name));
                set_text(&row.missing, &words);
                set_hidden(&row.missing, false)?;
            }
        }
        Ok(())
    }

    fn tell_members(&self, preview: &Preview) -> Result<(), JsValue> {
        let place = &self.parts.told.members;
        place.set_text_content(None);
        if preview.members.is_empty() {
            return Ok(());
        }
        let title = match preview.count > preview.members.len() as u64 {
            true => format!("The first {} of them", preview.members.len()),
            false => "All of them".to_owned(),
        };
        add(place, &element("h3", "", &title)?)?;
        add(place, &addresses(&preview.members)?)
    }
}

/// A list of addresses that lead to their contacts.
pub(super) fn addresses(emails: &[String]) -> Result<Element, JsValue> {
    let list = element("ul", "", "")?;
    list.set_attribute("role", "list")?;
    for email in emails {
        let item = element("li", "", "")?;
        let name = element("bdi", "", "")?;
        add(&name, &link(&page_of(email), &one_line(email, 254))?)?;
        add(&item, &name)?;
        add(&list, &item)?;
    }
    Ok(list)
}

fn quoted(name: &str) -> String {
    format!("“{}”", one_line(name, 128))
}
