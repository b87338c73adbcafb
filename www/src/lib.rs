//! Our own pages in the browser: the live page, which shows events as they arrive, the page of contacts and the page of
//! segments. One program; which page it runs in, its elements tell.
//!
//! What decides anything stands in modules without a browser (`row`, `list`, `install`, `link`, `people`, `groups`,
//! `builder`, `text`); the others bring it onto the page.

mod app;
mod builder;
mod builder_view;
mod dom;
mod door;
mod groups;
mod groups_view;
mod http;
mod install;
mod install_view;
mod link;
mod list;
mod list_view;
mod listeners;
mod one_view;
mod paged;
mod people;
mod people_view;
mod row;
mod session;
mod stream;
mod text;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// Starts the page; `start.js` calls it by loading the program.
#[wasm_bindgen(start)]
pub fn start() -> Result<(), JsValue> {
    std::panic::set_hook(Box::new(|panic| {
        dom::report(Err(JsValue::from_str(&format!(
            "stopped, reload the page: {panic}"
        ))));
    }));
    dom::mark_page()?;
    let page = dom::document()?;
    let has = |id: &str| page.get_element_by_id(id).is_some();
    if has("contacts") {
        let contacts = people_view::Contacts::new()?;
        contacts.attach()?;
        return door::attend(&contacts);
    }
    if has("segments") {
        let segments = groups_view::Segments::new()?;
        segments.attach()?;
        return door::attend(&segments);
    }
    let app = app::App::new()?;
    listeners::attach(&app)?;
    door::attend(&app)
}
