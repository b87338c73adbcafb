//! The install card on the page: the choice of keys, the embed code, and copying it.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Element, HtmlSelectElement};

use crate::dom::{add, document, element, find, set_hidden, set_text, window};
use crate::install::{Embed, Install};

/// The card's parts.
#[derive(Debug)]
pub(crate) struct InstallView {
    card: Element,
    details: Element,
    state: Element,
    with_keys: Element,
    without_keys: Element,
    key_row: Element,
    pub(crate) keys: HtmlSelectElement,
    code: Element,
    reach: Element,
    pub(crate) copy: Element,
}

impl InstallView {
    pub(crate) fn new() -> Result<Self, JsValue> {
        Ok(Self {
            card: find("install")?,
            details: find("install-details")?,
            state: find("install-state")?,
            with_keys: find("install-code")?,
            without_keys: find("install-no-keys")?,
            key_row: find("key-row")?,
            keys: find("key-select")?,
            code: find("embed-code")?,
            reach: find("install-reach")?,
            copy: find("copy-embed")?,
        })
    }

    /// Fills the choice of keys. Who receives already when the page is opened needs the card no longer,
    /// so it is closed.
    pub(crate) fn list_keys(&self, install: &Install, first_time: bool) -> Result<(), JsValue> {
        self.keys.set_text_content(None);
        for Embed { key_id, .. } in install.embeds() {
            let option = element("option", "", "")?;
            option.set_attribute("value", key_id)?;
            add(&self.keys, &option)?;
        }
        if first_time && install.receiving() {
            self.details.remove_attribute("open")?;
        }
        self.draw(install)
    }

    pub(crate) fn draw(&self, install: &Install) -> Result<(), JsValue> {
        let state = if install.receiving() {
            "receiving"
        } else {
            "waiting"
        };
        self.card.set_attribute("data-state", state)?;
        let selected = install.selected();
        set_hidden(&self.with_keys, selected.is_none())?;
        set_hidden(&self.without_keys, selected.is_some())?;
        set_hidden(
            &self.key_row,
            install.embeds().len() < 2 && selected.is_none_or(|embed| embed.label.is_none()),
        )?;
        let Some(selected) = selected else {
            set_text(&self.state, "Needs a public key");
            return Ok(());
        };
        set_text(&self.state, &install.sentence());
        for (at, embed) in (0..).zip(install.embeds()) {
            if let Some(option) = self.keys.get(at) {
                let receives = if embed.received { " · receiving" } else { "" };
                set_text(&option, &format!("{}{receives}", embed.title()));
            }
        }
        self.keys.set_value(&selected.key_id);
        set_text(&self.code, selected.html.trim_end());
        set_text(&self.reach, &selected.reach());
        Ok(())
    }

    /// Marks the code, so that it can be copied by hand where the browser does not let us.
    pub(crate) fn mark_code(&self) -> Result<(), JsValue> {
        if let Some(selection) = window()?.get_selection()? {
            selection.select_all_children(&self.code)?;
        }
        Ok(())
    }
}

/// Copies a text; false where the browser does not allow it, as on a page without TLS.
pub(crate) async fn copy(text: &str) -> bool {
    let Ok(window) = window() else { return false };
    if !window.is_secure_context() {
        return false;
    }
    JsFuture::from(window.navigator().clipboard().write_text(text))
        .await
        .is_ok()
}

/// Moves the reader to a field that has just appeared.
pub(crate) fn focus(id: &str) -> Result<(), JsValue> {
    let element = document()?
        .get_element_by_id(id)
        .and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok());
    element.map_or(Ok(()), |element| element.focus())
}
