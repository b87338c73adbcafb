//! The routes, one file a resource; `router` lists them all.

pub mod assets;
pub mod contacts;
pub mod embeds;
pub mod events;
pub mod export;
pub mod live;
pub mod mail;
pub mod messages;
pub mod operations;
mod read;
pub mod receipts;
pub mod report_lists;
pub mod reports;
pub mod sent;
pub mod session;
pub mod suppressions;
pub mod track;
