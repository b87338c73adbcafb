//! The routes, one file a resource; `router` lists them all.

pub(crate) mod admin;
pub(crate) mod assets;
pub(crate) mod contacts;
pub(crate) mod control;
pub(crate) mod embeds;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod keys;
pub(crate) mod live;
pub(crate) mod mail;
pub(crate) mod messages;
pub(crate) mod operations;
mod query;
mod read;
pub(crate) mod receipts;
pub(crate) mod report_lists;
pub(crate) mod reports;
pub(crate) mod segments;
pub(crate) mod sent;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod suppressions;
pub(crate) mod track;
