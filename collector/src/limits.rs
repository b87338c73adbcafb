//! The bounds of what callers take: what each counts, and whose share it is. Not what a caller is told
//! (`error`), nor who it is (`auth`).
//!
//! - `network`: what counts as one address
//! - `rates`: requests, events and bytes of a key, a session or an address
//! - `memory`: the memory that bodies hold
//! - `heavy`: threads for work that takes long
//! - `long`: work that reads all of the log, once at a time
//! - `hits`: of mail clients, behind their answers
//! - `live`, `exports`: the streams that may be open, the exports that may run

pub mod exports;
pub mod heavy;
pub mod hits;
pub mod live;
pub mod long;
pub mod memory;
pub mod network;
pub mod rates;
