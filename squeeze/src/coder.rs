//! Arithmetic coding: a number within an interval that each bit narrows, as far as the model did not
//! expect the bit. 32 bits of the interval's bounds at a time.

use crate::model::Model;

struct Interval {
    model: Model,
    low: u32,
    high: u32,
}

impl Interval {
    fn new(model: Model) -> Self {
        Self {
            model,
            low: 0,
            high: u32::MAX,
        }
    }

    /// The end of the part of a one; a zero's begins behind it.
    fn split(&self) -> u32 {
        let width = u64::from(self.high - self.low) * u64::from(self.model.one());
        // Below `high`, since no bit is certain.
        self.low + (width >> 12) as u32
    }

    fn narrow(&mut self, is_one: bool, split: u32) {
        if is_one {
            self.high = split;
        } else {
            self.low = split + 1;
        }
        self.model.learn(u32::from(is_one));
    }

    /// The next byte of the number, once both bounds begin with it.
    fn settled(&mut self) -> Option<u8> {
        let is_settled = (self.low ^ self.high) >> 24 == 0;
        is_settled.then(|| {
            let byte = (self.high >> 24) as u8;
            self.low <<= 8;
            self.high = self.high << 8 | 255;
            byte
        })
    }
}

pub(crate) struct Encoder {
    interval: Interval,
    out: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(model: Model) -> Self {
        Self {
            interval: Interval::new(model),
            out: Vec::new(),
        }
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        for shift in (0..8).rev() {
            let split = self.interval.split();
            self.interval.narrow(byte >> shift & 1 == 1, split);
            while let Some(byte) = self.interval.settled() {
                self.out.push(byte);
            }
        }
    }

    /// The shortest bytes that lie within the interval, whatever number of zeros follows.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let Interval { low, high, .. } = self.interval;
        for bytes in 0..=4_usize {
            let unit = 1_u64 << (32 - 8 * bytes);
            let number = u64::from(low).div_ceil(unit) * unit;
            if number <= u64::from(high) {
                // Not above `high`, so it has 32 bits.
                let number = (number as u32).to_be_bytes();
                self.out.extend_from_slice(&number[..bytes]);
                break;
            }
        }
        while self.out.last() == Some(&0) {
            self.out.pop();
        }
        self.out
    }
}

pub(crate) struct Decoder<'b> {
    interval: Interval,
    bytes: std::slice::Iter<'b, u8>,
    number: u32,
}

impl<'b> Decoder<'b> {
    pub(crate) fn new(model: Model, bytes: &'b [u8]) -> Self {
        let mut decoder = Self {
            interval: Interval::new(model),
            bytes: bytes.iter(),
            number: 0,
        };
        for _ in 0..4 {
            decoder.shift();
        }
        decoder
    }

    fn shift(&mut self) {
        let next = self.bytes.next().copied().unwrap_or(0);
        self.number = self.number << 8 | u32::from(next);
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let mut byte = 0;
        for _ in 0..8 {
            let split = self.interval.split();
            let is_one = self.number <= split;
            byte = byte << 1 | u8::from(is_one);
            self.interval.narrow(is_one, split);
            while self.interval.settled().is_some() {
                self.shift();
            }
        }
        byte
    }
}
