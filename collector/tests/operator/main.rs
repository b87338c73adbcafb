//! What an operator meets: files and whose they are, folders that are none, read-only copies, signals,
//! the service manager, keys. Through the `misar` binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![forbid(unsafe_code)]

mod contacts;
mod erasures;
mod keys;
mod links;
mod modes;
mod owners;
mod places;
mod privacy;
mod read_only;
mod readme;
mod segments;
mod signals;
mod support;
