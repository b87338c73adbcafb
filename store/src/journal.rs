//! The journal: blocks of records in the order of their commits, and nothing else.

pub mod block;
mod error;
pub mod local;

pub use error::{Damage, LogError};
