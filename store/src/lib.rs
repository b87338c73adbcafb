//! The store: what happened, on disk, and what is made of it. No HTTP, no commands.
//!
//! Modules in reading order: what is kept (`record`), where it is kept (`journal`, under a `ledger` that
//! decides), what lies beside it (`meta`, `rejected`), what is folded from it (`views`, by the `projector`)
//! and how that is read (`query`).
#![forbid(unsafe_code)]

pub mod clock;
pub mod files;
pub mod locks;
mod part;
pub mod snapshot;

pub mod attribution;
pub mod classify;
pub mod ids;
pub mod record;
pub mod secrets;
pub mod targets;
pub mod token;

pub mod folder;
pub mod journal;
pub mod ledger;
pub mod lineage;
pub mod meta;
pub mod rejected;

pub mod projector;
pub mod query;
pub mod views;

pub mod accept_copy;
pub mod renewal;
pub mod retention;
pub mod seed;
