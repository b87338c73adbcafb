//! The types that the snippet and the collector share: keys, names, ids, and (feature `wire`) the
//! bodies that callers send and the facts that they become.
//! No I/O, no clock, no randomness: times and random bytes are handed in.
//!
//! Without features the crate needs only `core` and `alloc`, so that a wasm snippet pays for nothing
//! else. Reading order: what a value may be ([`limits`]), the small types ([`api_key`],
//! [`event_name`], [`ids`], `email`, `decimal`, `money`, `time`), then `wire` → `event`, with
//! `rejection` for everything that is refused; `segment` is a language of its own over these.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
// Tests want it, and what `ToSchema` derives names it and its macros; nothing else here does.
#[cfg(any(test, feature = "schema"))]
#[macro_use]
extern crate std;

pub mod limits;

pub mod api_key;
pub mod event_name;
pub mod ids;

#[cfg(feature = "wire")]
pub mod email;

#[cfg(feature = "wire")]
pub mod decimal;
#[cfg(feature = "wire")]
pub mod money;

#[cfg(feature = "wire")]
pub mod time;

#[cfg(feature = "wire")]
pub mod rejection;

#[cfg(feature = "wire")]
pub mod event;
#[cfg(feature = "wire")]
pub mod wire;

#[cfg(feature = "wire")]
pub mod segment;
