//! The collector: takes events, keeps them, and says what became of them.
#![forbid(unsafe_code)]

pub mod clock;
pub mod log;
