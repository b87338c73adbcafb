//! What JavaScript calls. One engine a page, in a static: an exported class would cost its glue.

use alloc::boxed::Box;
use alloc::string::String;
use core::cell::Cell;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::browser::Browser as _;
use crate::config::{Config, check_key};
use crate::engine::Engine;
use crate::host::Host;

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

/// Starts the engine, or says in the console why not.
#[wasm_bindgen]
pub fn start(
    key: String,
    batch_size: u32,
    flush_interval: f64,
    persistent: bool,
    anonymous: bool,
    automated: bool,
) {
    if let Err(message) = check_key(&key) {
        Host.complain(message);
        return;
    }
    let config = Config {
        key,
        batch_size: batch_size.clamp(1, 1_000) as usize,
        flush_interval,
        persistent,
        anonymous,
        automated,
    };
    PAGE.0.set(Some(Box::new(Engine::start(Host, config))));
}

/// Takes a call; see [`Engine::record`].
#[wasm_bindgen]
pub fn record(identifies: bool, email: String, json: String, at: f64) {
    with(|engine| engine.record(identifies, &email, &json, at));
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

/// Another person follows.
#[wasm_bindgen]
pub fn reset() {
    with(Engine::reset);
}

/// A request has ended.
#[wasm_bindgen]
pub fn answered(request: u32, bytes: u32, status: u32, retry_after: f64) {
    with(|engine| engine.answered(request, bytes as usize, status, retry_after));
}
