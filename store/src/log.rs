//! The log under its old paths: what is in it stands in `record`, `journal` and `ledger`.

pub use crate::journal::block;
pub use crate::ledger::*;
pub use crate::record::{self, extra, identity, public_seq};

/// See `journal::local`.
pub mod segment {
    pub use crate::journal::local::segment::*;
}
