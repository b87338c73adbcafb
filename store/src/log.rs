//! The log under its older paths: what is in it stands in `record`, `journal` and `ledger`.

pub use crate::journal::block;
pub use crate::ledger::*;
pub use crate::record::{self, extra, identity, public_seq};

/// See [`crate::ledger::local`].
pub mod redb {
    pub use crate::journal::local::{ASIDE_FOLDER, LOG_FOLDER};
    pub use crate::ledger::MAX_QUEUED;
    pub(crate) use crate::ledger::local::lineages_of;
    pub use crate::ledger::local::{
        LocalLedger as RedbLog, ORDERS_FILE, Options, SUPPRESSIONS_FILE, accept_loss,
    };
}

/// See [`crate::ledger::memory`].
pub mod memory {
    pub use crate::ledger::memory::MemoryLedger as MemoryLog;
}

/// See [`crate::journal::local::segment`].
pub mod segment {
    pub use crate::journal::local::segment::*;
}
