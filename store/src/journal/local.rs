//! The journal on one machine's disk: segments, each a redb file.

pub mod segment;
pub(crate) mod start;

/// The folder of the segments within the data folder.
pub const LOG_FOLDER: &str = "log";
/// The folder of segments that were set aside, within the log's.
pub const ASIDE_FOLDER: &str = "aside";
