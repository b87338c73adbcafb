//! `track.js`: what a web page calls, as an engine that wasm runs and a few browser calls (`js/`).
//!
//! Calls go one way: `js/main.js` (the page's object) → `exports` → [`engine`] → the queue and the
//! requests → `js/browser.js`. Only numbers cross the border between JavaScript and wasm, texts as
//! places in memory, and nothing formats with `core::fmt`: either would cost bytes that every page
//! loads (ARCHITECTURE.md has the figures). Reading order: `browser`, `config`, `queue`, `retry`,
//! `engine`; then `js/`, with who the visitor is (`identity.js`).
#![cfg_attr(all(target_arch = "wasm32", not(test)), no_std)]
#![expect(
    clippy::single_char_add_str,
    reason = "`String::push` encodes characters: 250 bytes of code for a comma"
)]

extern crate alloc;

pub mod browser;
pub mod config;
pub mod engine;
pub mod json;
pub mod queue;
pub mod retry;

#[cfg(target_arch = "wasm32")]
pub mod exports;
#[cfg(target_arch = "wasm32")]
pub mod host;
#[cfg(all(target_arch = "wasm32", not(test)))]
mod runtime;
