//! The collector: takes events, keeps them, and says what became of them.
//!
//! Modules in the order in which an event meets them: server → router → routes → ingest (body,
//! auth) → log → projector → views → query → routes.
#![forbid(unsafe_code)]

/// An event costs some thirty small allocations that begin on one thread and end on another; glibc's
/// allocator took 18 % of the time of single events (`perf record`, 256 connections).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod app;
mod backup;
mod channel;
pub mod cli;
mod control;
mod csv_text;
mod doctor;
mod retention;
pub mod server;
mod terminal;
mod upkeep;

mod assets;
mod cross_origin;
pub mod demo_shop;
mod document;
mod embed;
pub mod router;
mod routes;

mod auth;
pub mod body;
mod client_address;
mod erasing;
mod error;
mod hex;
mod ingest;
mod instrument;
pub mod limits;
mod log_at_rest;
mod metrics;
mod nearest;
pub mod privacy;
mod proxies;
pub mod public_url;
mod screen;
mod seal;
mod segment_moves;
mod session;

mod export;
mod live;
