//! The commands of `misar` that are about mail and contacts, asked of the real binary: on a folder by itself, and
//! beside a running server.
//!
//! - `support`: runs of the binary, and servers
//! - the tests themselves, a file for each command
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

mod classify;
mod contacts;
mod instrument;
mod relay_list;
mod serve;
mod settings;
