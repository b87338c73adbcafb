//! What a visitor's browser makes of it all, asked of Chromium and the real collector. What a single
//! request is answered is not asked here.
//!
//! - `live`: looking at the live page
//! - `journey`: from the printed link to a paid order
//! - `embeds`: the three ways to embed the snippet
//! - `delivery`: navigation, crashes and lost answers
//! - `keys`: wrong keys and foreign origins
//! - `pages`: what pages, libraries and networks do to the snippet, in three engines
//! - `prerender`: a page that is loaded before anybody sees it
//! - `live_page`: what the live page shows, and what it survives
//! - `people`: the pages of contacts and segments
//! - `builder`: writing a segment, by mouse and by keys
#![forbid(unsafe_code)]

mod live;

mod builder;
mod delivery;
mod embeds;
mod journey;
mod keys;
mod live_page;
mod pages;
mod people;
mod prerender;
