//! Cases, one rule each.
