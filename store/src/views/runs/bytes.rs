//! Numbers as they stand in blocks, tails and packed rows: few bytes for small ones.

/// Adds a number: seven bits a byte, the lowest first, the highest bit says that more follows.
pub(in crate::views) fn put(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        // The lower eight bits are meant.
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

/// The same of a number that may be negative: near zero, either way, is small.
pub(in crate::views) fn put_signed(into: &mut Vec<u8>, number: i64) {
    put(into, (number << 1 ^ number >> 63).cast_unsigned());
}

/// What is not there or makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::views) struct Bad;

/// Bytes that are read from the front.
#[derive(Debug, Clone, Copy)]
pub(in crate::views) struct Bytes<'a>(pub(in crate::views) &'a [u8]);

impl<'a> Bytes<'a> {
    /// A number as [`put`] writes it.
    pub(in crate::views) fn number(&mut self) -> Result<u64, Bad> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (first, rest) = self.0.split_first().ok_or(Bad)?;
            self.0 = rest;
            let bits = u64::from(first & 0x7f);
            if shift > 63 || bits << shift >> shift != bits {
                return Err(Bad);
            }
            number |= bits << shift;
            if first & 0x80 == 0 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    /// A number that fits 32 bits.
    pub(in crate::views) fn small(&mut self) -> Result<u32, Bad> {
        u32::try_from(self.number()?).map_err(|_| Bad)
    }

    /// A number as [`put_signed`] writes it.
    pub(in crate::views) fn signed(&mut self) -> Result<i64, Bad> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// So many bytes.
    pub(in crate::views) fn take(&mut self, count: usize) -> Result<Bytes<'a>, Bad> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Bad)?;
        self.0 = rest;
        Ok(Bytes(taken))
    }

    /// The next bytes, as many as the array has.
    pub(in crate::views) fn array<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Bad)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(in crate::views) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_they_are_written(number: u64, signed: i64, small in 0..300_u64) {
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            put_signed(&mut bytes, signed);
            put(&mut bytes, small);
            let mut read = Bytes(&bytes);
            prop_assert_eq!(read.number(), Ok(number));
            prop_assert_eq!(read.signed(), Ok(signed));
            prop_assert_eq!(read.number(), Ok(small));
            prop_assert!(read.is_empty());
        }

        #[test]
        fn whatever_is_read_as_numbers_is_read_or_refused(bytes: Vec<u8>) {
            let mut read = Bytes(&bytes);
            while !read.is_empty() {
                if read.number().is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn small_numbers_take_a_byte() {
        for (number, length) in [
            (0, 1),
            (127, 1),
            (128, 2),
            (16_383, 2),
            (16_384, 3),
            (u64::MAX, 10),
        ] {
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            assert_eq!(bytes.len(), length, "{number}");
        }
        assert_eq!(Bytes(&[0xff; 10]).number(), Err(Bad));
        assert_eq!(Bytes(&[0x80]).number(), Err(Bad));
    }
}
