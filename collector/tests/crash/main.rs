//! What the collector promises, asked of the real binary: it is killed, stopped, slowed down and
//! called by thousands at once. What a single request is answered is not asked here.
//!
//! - `process`: the binary as a child, and its commands
//! - `client`: HTTP calls with a secret key
//! - `ledger`: what was sent and acknowledged, and whether the collector still knows it
//! - `load`: events without end
//! - the tests themselves
#![forbid(unsafe_code)]

mod process;

mod client;

mod ledger;
mod load;

mod backup_loop;
mod copies;
mod crash_loop;
mod erasing;
mod held_back;
mod moves;
mod node_fetch;
mod one_order;
// strace is Linux's own; elsewhere nothing can delay a sync from outside of the process.
#[cfg(target_os = "linux")]
mod slow_sync;
mod stop;

/// A number that is set from outside.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is not a whole number")))
}
