//! A list that grows by pages, with the button behind it.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use web_sys::Element;

use crate::dom::{add, element, find, on, set_hidden};

/// What a path with a query says of the page that begins there; nothing of the first.
pub(crate) fn behind(next: Option<&str>) -> String {
    next.map_or_else(String::new, |next| format!("&cursor={next}"))
}

/// See above.
pub(crate) struct Paged {
    list: Element,
    more: Element,
    /// Where the next page begins; `None` where there is none, or where it is on its way.
    next: RefCell<Option<String>>,
}

impl Paged {
    /// The list and the button with these ids.
    pub(crate) fn find(list: &str, more: &str) -> Result<Self, JsValue> {
        Ok(Self::of(find(list)?, find(more)?))
    }

    /// A new list of this class inside an element.
    pub(crate) fn new_in(parent: &Element, class: &str, label: &str) -> Result<Self, JsValue> {
        let list = element("ol", class, "")?;
        list.set_attribute("role", "list")?;
        list.set_attribute("aria-label", label)?;
        let more = element("button", "more", "More")?;
        more.set_attribute("type", "button")?;
        add(parent, &list)?;
        add(parent, &more)?;
        set_hidden(&more, true)?;
        Ok(Self::of(list, more))
    }

    fn of(list: Element, more: Element) -> Self {
        Self {
            list,
            more,
            next: RefCell::default(),
        }
    }

    pub(crate) fn clear(&self) -> Result<(), JsValue> {
        self.list.set_text_content(None);
        self.next.replace(None);
        set_hidden(&self.more, true)
    }

    /// Puts a page behind what is there.
    pub(crate) fn add(
        &self,
        rows: impl IntoIterator<Item = Result<Element, JsValue>>,
        next: Option<String>,
    ) -> Result<(), JsValue> {
        for row in rows {
            add(&self.list, &row?)?;
        }
        self.wait_at(next)
    }

    /// Puts a row before all others.
    pub(crate) fn put_first(&self, row: &Element) -> Result<(), JsValue> {
        self.list.prepend_with_node_1(row)
    }

    /// Offers the page that begins there.
    pub(crate) fn wait_at(&self, next: Option<String>) -> Result<(), JsValue> {
        set_hidden(&self.more, next.is_none())?;
        self.next.replace(next);
        Ok(())
    }

    /// Has more read from a place on when the reader asks for it: once, until [`Self::wait_at`] says where else.
    pub(crate) fn on_more(self: &Rc<Self>, mut read: impl FnMut(String) + 'static) {
        let paged = Rc::clone(self);
        on(&self.more, "click", move |_| {
            let Some(next) = paged.next.take() else {
                return Ok(());
            };
            set_hidden(&paged.more, true)?;
            read(next);
            Ok(())
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.first_element_child().is_none()
    }
}
