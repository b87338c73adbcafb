//! What JavaScript calls. One engine a page, in a static: an exported class would cost its glue.
//! Texts come through the inbox of `host`.

use alloc::boxed::Box;
use core::cell::Cell;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::browser::Browser as _;
use crate::config::{Config, check_key};
use crate::engine::Engine;
use crate::host::{Host, take_text};

struct Page(Cell<Option<Box<Engine<Host>>>>);

// SAFETY: a page's wasm without shared memory runs on one thread.
unsafe impl Sync for Page {}

static PAGE: Page = Page(Cell::new(None));

/// Hands the engine out; nothing happens before it was started, or where its key was refused.
fn with(work: impl FnOnce(&mut Engine<Host>)) {
    if let Some(mut engine) = PAGE.0.take() {
        work(&mut engine);
        PAGE.0.set(Some(engine));
    }
}

/// What stands before the key in a body.
const BEFORE_KEY: usize = "{\"key\":\"".len();

/// Starts the engine with the head in the inbox, which holds a key of so many bytes, and answers 1; or
/// says in the console why not.
#[wasm_bindgen]
pub fn start(key_bytes: i32, batch_size: i32, flush_interval: f64, persistent: i32) -> i32 {
    let head = take_text();
    let key = head.get(BEFORE_KEY..BEFORE_KEY + key_bytes as usize);
    if let Err(problem) = check_key(key.unwrap_or_default()) {
        Host.complain(problem);
        return 0;
    }
    let config = Config {
        head,
        batch_size: batch_size.clamp(1, 1_000) as usize,
        flush_interval,
        persistent: persistent != 0,
    };
    PAGE.0.set(Some(Box::new(Engine::start(Host, config))));
    1
}

/// Takes the event in the inbox; see [`Engine::record`].
#[wasm_bindgen]
pub fn record(at: f64) {
    with(|engine| engine.record(take_text(), at));
}

/// Takes the event in the inbox, which an earlier page left behind; see [`Engine::restore`].
#[wasm_bindgen]
pub fn restore(wall: f64, age: f64) {
    with(|engine| engine.restore(take_text(), wall, age));
}

/// Sends what was restored; see [`Engine::restored`].
#[wasm_bindgen]
pub fn restored() {
    with(Engine::restored);
}

/// Sends what waits.
#[wasm_bindgen]
pub fn flush() {
    with(Engine::flush);
}

/// The page goes out of sight.
#[wasm_bindgen]
pub fn hide() {
    with(Engine::hide);
}

/// A request has ended.
#[wasm_bindgen]
pub fn answered(request: i32, bytes: i32, status: i32, retry_after: f64) {
    with(|engine| engine.answered(request as u32, bytes as usize, status as u32, retry_after));
}
