//! Short ways to the page: finding, making and listening. Text enters it as text only.

use gloo_events::EventListener;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, Event, EventTarget, Node, Window};

pub(crate) fn window() -> Result<Window, JsValue> {
    web_sys::window().ok_or_else(|| JsValue::from_str("there is no window here"))
}

pub(crate) fn document() -> Result<Document, JsValue> {
    window()?
        .document()
        .ok_or_else(|| JsValue::from_str("there is no document here"))
}

/// Marks the way to the page that this is.
pub(crate) fn mark_page() -> Result<(), JsValue> {
    let path = window()?.location().pathname()?;
    let own = document()?.query_selector(&format!("nav a[href='{path}']"));
    // A path that is no selector is none of ours.
    match own.ok().flatten() {
        Some(own) => own.set_attribute("aria-current", "page"),
        None => Ok(()),
    }
}

/// The element of the page with this id.
pub(crate) fn find<T: JsCast>(id: &str) -> Result<T, JsValue> {
    let element = document()?.get_element_by_id(id);
    element
        .and_then(|element| element.dyn_into().ok())
        .ok_or_else(|| JsValue::from_str(&format!("the page has no fitting element #{id}")))
}

/// A new element with this class and text.
pub(crate) fn element(tag: &str, class: &str, text: &str) -> Result<Element, JsValue> {
    let element = document()?.create_element(tag)?;
    if !class.is_empty() {
        element.set_class_name(class);
    }
    if !text.is_empty() {
        element.set_text_content(Some(text));
    }
    Ok(element)
}

/// A link to another of our pages.
pub(crate) fn link(to: &str, text: &str) -> Result<Element, JsValue> {
    let link = element("a", "", text)?;
    link.set_attribute("href", to)?;
    Ok(link)
}

/// A chip: a word in a box.
pub(crate) fn chip(kind: &str, word: &str) -> Result<Element, JsValue> {
    element("span", &format!("chip {kind}"), word)
}

pub(crate) fn add(parent: &Node, child: &Element) -> Result<(), JsValue> {
    parent.append_child(child).map(drop)
}

/// Changes the text only where it differs, so that nothing is read aloud or laid out in vain.
pub(crate) fn set_text(element: &Element, text: &str) {
    if element.text_content().as_deref() != Some(text) {
        element.set_text_content(Some(text));
    }
}

pub(crate) fn set_hidden(element: &Element, hidden: bool) -> Result<(), JsValue> {
    element
        .toggle_attribute_with_force("hidden", hidden)
        .map(drop)
}

/// Listens for as long as the page lives.
pub(crate) fn on(
    target: &EventTarget,
    event: &'static str,
    mut handle: impl FnMut(&Event) -> Result<(), JsValue> + 'static,
) {
    let options = gloo_events::EventListenerOptions::enable_prevent_default();
    EventListener::new_with_options(target, event, options, move |event| report(handle(event)))
        .forget();
}

/// As [`on`], for events that do not rise: hears them on their way down.
pub(crate) fn on_inside(
    target: &EventTarget,
    event: &'static str,
    mut handle: impl FnMut(&Event) -> Result<(), JsValue> + 'static,
) {
    let options = gloo_events::EventListenerOptions::run_in_capture_phase();
    EventListener::new_with_options(target, event, options, move |event| report(handle(event)))
        .forget();
}

/// The element that an event is about.
pub(crate) fn target(event: &Event) -> Option<Element> {
    event.target()?.dyn_into().ok()
}

/// Failures of the page itself go to the console: there is no one else to tell.
pub(crate) fn report(result: Result<(), JsValue>) {
    if let Err(error) = result {
        web_sys::console::error_2(&JsValue::from_str("page:"), &error);
    }
}
