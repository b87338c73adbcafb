//! What is on disk of an event, in reading order. Nothing here reads or writes a file.
//!
//! - `seq`: its place in the log; `public_seq`: its seq as callers see it
//! - `workspace`: whose it is; `contact`: whom it is about; `source`: who told, and how that was judged
//! - `fact`: the kinds of facts; `entry`: all of it
//! - `identity`: what tells it from others
//! - `segments`: the definitions of groups of contacts, as folds go by them
//! - `stored`: the bytes that an entry is on disk; `extra`: what came to be kept later

pub mod contact;
pub mod entry;
pub mod extra;
pub mod fact;
pub mod identity;
pub mod public_seq;
pub mod segments;
pub mod seq;
pub mod source;
pub mod stored;
pub mod workspace;

pub use contact::{Address, ContactId, Personal};
pub use entry::{Content, Entry, Record, items_text};
pub use fact::{Cause, ClickMarks, DeliveryStatus, Fact, MessageType, SendRef};
pub use segments::{Segment, SegmentBook, SegmentBooks, Since};
pub use seq::Seq;
pub use source::{Class, Client, KeyId, Source, ToldBy, Visitor};
pub use workspace::{
    Attribution, ErasedStretch, Scoring, WorkspaceId, WorkspaceKey, WorkspaceKeys,
};
