//! What the browser tests stand on: the real collector, browsers, a customer's site on another origin,
//! and a gate between browser and collector that writes down what passes. The tests are in `browser/`.
//!
//! - `wait`: waiting for a condition
//! - `collector`: the `misar` binary as a child process, and what is on its record
//! - `chromium`: a browser of one's own for each test
//! - `engines`: the same of Firefox and WebKitGTK
//! - `server`: the loop of the small servers here
//! - `gate`: a proxy in front of the collector that records, delays and loses
//! - `site`: a customer's pages
//! - `shop`: a visit to the demo shop
#![forbid(unsafe_code)]

pub mod wait;

pub mod collector;

pub mod chromium;
pub mod engines;

mod server;

pub mod gate;
pub mod site;

pub mod shop;
