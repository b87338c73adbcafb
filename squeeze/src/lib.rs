//! Addresses and names of a few dozen characters in as few bytes as they take. Not a format for
//! anything longer, nor one that notices damage: what is unpacked has been authenticated.
//!
//! Deflate, brotli and zstd spend 5 to 40 bytes on tables and headers before the first character, and
//! base64 makes a third more of them. Here both sides begin with the same model, which has read a
//! primer of typical addresses (`model`), so that nothing but the text is told.
//!
//! **The format is frozen**: mails that are out hold packed texts for ever. A change to a constant or to
//! a byte of the primer is another format; `tests::what_was_packed_once_is_unpacked_for_ever` turns red.

mod coder;
mod model;

use coder::{Decoder, Encoder};
use model::Model;

/// Texts that are longer in all are not packed, so that unpacking has a bound.
pub const MAX_BYTES: usize = 16 * 1024;

/// What a text is like, which says how it is likely to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A web address.
    Address,
    /// The name or number of something.
    Name,
}

impl Kind {
    /// The byte behind a text. No text that is packed holds one of them.
    fn end(self) -> u8 {
        match self {
            Self::Address => 0,
            Self::Name => 1,
        }
    }
}

/// Packs texts; equal texts give equal bytes, which never end in a zero. `None` where a text holds U+0000
/// or U+0001, or where they are longer than [`MAX_BYTES`] in all.
#[must_use]
pub fn pack(texts: &[(Kind, &str)]) -> Option<Vec<u8>> {
    let length: usize = texts.iter().map(|(_, text)| text.len()).sum();
    let holds_an_end = |text: &str| text.bytes().any(|byte| byte <= 1);
    if length > MAX_BYTES || texts.iter().any(|(_, text)| holds_an_end(text)) {
        return None;
    }
    let mut encoder = Encoder::new(Model::primed());
    for (kind, text) in texts {
        for byte in text.bytes().chain([kind.end()]) {
            encoder.byte(byte);
        }
    }
    Some(encoder.finish())
}

/// The texts that were packed, whose kinds the caller knows; zeros behind the bytes do not matter. `None`
/// for bytes that [`pack`] did not make of such texts, but not for all of those.
#[must_use]
pub fn unpack(bytes: &[u8], kinds: &[Kind]) -> Option<Vec<String>> {
    let mut decoder = Decoder::new(Model::primed(), bytes);
    let mut left = MAX_BYTES;
    let mut texts = Vec::with_capacity(kinds.len());
    for kind in kinds {
        let mut text = Vec::new();
        loop {
            let byte = decoder.byte();
            if byte == kind.end() {
                break;
            }
            left = left.checked_sub(1).filter(|_| byte > 1)?;
            text.push(byte);
        }
        texts.push(String::from_utf8(text).ok()?);
    }
    Some(texts)
}

#[cfg(test)]
mod tests;
