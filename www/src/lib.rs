//! Our own pages in the browser: the live page, which shows events as they arrive.
//!
//! What decides anything stands in modules without a browser (`row`, `list`, `install`, `link`, `text`);
//! the others bring it onto the page.

mod app;
mod dom;
mod http;
mod install;
mod install_view;
mod link;
mod list;
mod list_view;
mod listeners;
mod row;
mod session;
mod stream;
mod text;

use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::spawn_local;

/// Starts the live page; `live.js` calls it by loading the program.
#[wasm_bindgen(start)]
pub fn start() -> Result<(), JsValue> {
    std::panic::set_hook(Box::new(|panic| {
        dom::report(Err(JsValue::from_str(&format!(
            "stopped, reload the page: {panic}"
        ))));
    }));
    let code = session::take_code()?;
    let app = app::App::new()?;
    listeners::attach(&app)?;
    spawn_local(Rc::clone(&app).arrive(code));
    Ok(())
}
