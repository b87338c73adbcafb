//! A part of a key or a row whose parts have fixed lengths.

/// The `N` bytes from `from` on. The type of the key or row says that they are there: it panics where they are not.
pub(crate) fn part<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[from..from + N]);
    part
}
