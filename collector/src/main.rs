//! The `misar` binary.
fn main() {}
