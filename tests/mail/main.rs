//! A mail's whole way, with nothing in it that stands for something else: registered over HTTP, sent
//! with swaks through a Postfix, read from the mailbox, opened in Chromium, followed to the site.
//!
//! The collector runs inside the test, for its clock: a person opens a mail more than a minute after
//! it was sent, and no test waits for that.
//!
//! - `tracker`: the collector, with a clock that the test moves
//! - `postfix`: a mail server of the test's own
//! - `mime`: a mail as programs send it, and what a mail program finds in it
//! - `journey`: people, machines, and what they leave in the reports
//! - `unsubscribe`: the way out of a list
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![forbid(unsafe_code)]

mod mime;
mod postfix;
mod tracker;

mod journey;
mod unsubscribe;
