//! From a request to an answer about what it says, in the order of the flow:
//!
//! - `incoming`: a request is authenticated, read and paid for
//! - `sender`: who its events come from, once for all of them; `dropped`: what is kept of its context
//! - `candidate`: an event as it was read; `identity`, `idempotency`: the id that it goes under
//! - `entry`: what the log takes of it; `deliveries`: whose messages mail servers tell of
//! - `pending`: one append for all of a request; `settle`, `compare`: what became of each
//! - `events`: one event, or a batch of them; `seqs`, `receipts`: what answers and receipts say
//! - `messages`, `sent`, `suppressions`: what else comes in, by the same steps
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
pub(crate) mod entry;

mod compare;
mod objection;
pub(crate) mod pending;
pub(crate) mod settle;

mod events;
mod receipts;
mod seqs;

pub mod messages;
pub mod sent;
pub mod suppressions;

pub use incoming::{Incoming, parse};
