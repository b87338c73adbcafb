//! Standard error, for whoever reads it: a person at a terminal.

use std::io::{self, Write as _};

/// Writes a line to standard error. That nobody may read it stops nothing.
pub(crate) fn tell(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}
