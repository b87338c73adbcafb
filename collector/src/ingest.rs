//! From a request to an answer about what it says, in the order of the flow:
//!
//! - `incoming`: a request is authenticated, read and paid for
//! - `sender`: who its events come from, once for all of them; `dropped`: what is kept of its context
//! - `candidate`: an event as it was read; `signed`: whom a page may name; `identity`, `idempotency`: the id that it goes under
//! - `entry`: what the log takes of it; `deliveries`: whose messages mail servers tell of
//! - `pending`: one append for all of a request; `settle`, `compare`: what became of each
//! - `events`: one event, or a batch of them; `seqs`, `receipts`: what answers and receipts say
//! - `messages`, `register`: messages before they are sent; `sent`: when they left; `suppressions`: who is to
//!   get no more mail; `contacts`: what is known of somebody; `erasures`: who is known no more; `hits`: what mail clients ask for. All by the same steps, from `entry` on
//!
//! An event is a batch of one. What is the same of all events of a request is worked out once; what the
//! log says of each is read in `settle` alone.

mod incoming;

mod dropped;
mod sender;

mod candidate;
mod idempotency;
mod identity;

mod deliveries;
mod entry;

mod compare;
mod objection;
mod pending;
mod settle;

mod events;
mod receipts;
mod seqs;

pub(crate) mod files;

pub(crate) mod contacts;
pub(crate) mod erasures;
pub(crate) mod hits;
pub(crate) mod messages;
pub(crate) mod register;
pub(crate) mod sent;
pub(crate) mod signed;
pub(crate) mod suppressions;

pub(crate) use incoming::{Incoming, parse};
