//! The routes, one file a resource; `router` lists them all.

pub mod admin;
pub mod assets;
pub mod contacts;
pub(crate) mod control;
pub mod embeds;
pub mod events;
pub mod export;
pub mod keys;
pub mod live;
pub mod mail;
pub mod messages;
pub mod operations;
mod query;
mod read;
pub mod receipts;
pub mod report_lists;
pub mod reports;
pub mod segments;
pub mod sent;
pub mod session;
pub mod settings;
pub mod suppressions;
pub mod track;
