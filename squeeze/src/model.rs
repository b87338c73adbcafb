//! How likely the next bit is a one, after all that came before: four predictions, each from the last 0
//! to 3 bytes, weighed by how right they were of late. Whole numbers alone, so that every machine
//! comes to the same.

use std::sync::LazyLock;

use crate::Kind;

/// What the model has read before the first text, one to a line.
const ADDRESSES: &str = include_str!("primer/addresses.txt");
const NAMES: &str = include_str!("primer/names.txt");

const ORDERS: usize = 4;
const SLOT_BITS: u32 = 14;
const SLOTS: usize = 1 << SLOT_BITS;
/// A slot: 12 bits of probability, 4 bits of how often it was met.
const UNKNOWN: u16 = 2_048 << 4;
/// A slot that was met so often still moves by two parts in 31.
const MOST_MET: i32 = 14;
/// Weights are in 65,536ths.
const FIRST_WEIGHT: i32 = (1 << 16) * 2 / 5;
const LEARNING: i32 = 20;

/// Probabilities are in 4,096ths, from 1 to 4,095.
#[derive(Clone)]
pub(crate) struct Model {
    slots: Vec<u16>,
    weights: Vec<[i32; ORDERS]>,
    /// The bytes before, the last one lowest.
    before: u64,
    /// The bits of this byte so far, behind a leading one.
    bits: usize,
    /// Of the bytes before, for each order.
    contexts: [u32; ORDERS],
    /// The slots of this bit, and what they say.
    at: [usize; ORDERS],
    said: [i32; ORDERS],
    one: i32,
}

static PRIMED: LazyLock<Model> = LazyLock::new(|| {
    let mut model = Model::new();
    let lines = |text: &'static str, kind| text.lines().map(move |line| (line, kind));
    for (line, kind) in lines(NAMES, Kind::Name).chain(lines(ADDRESSES, Kind::Address)) {
        for byte in line.bytes().chain([kind.end()]) {
            for shift in (0..8).rev() {
                model.learn(u32::from(byte) >> shift & 1);
            }
        }
    }
    model
});

impl Model {
    /// One that has read the primer. 140 KB.
    pub(crate) fn primed() -> Self {
        PRIMED.clone()
    }

    fn new() -> Self {
        let mut model = Self {
            slots: vec![UNKNOWN; SLOTS * ORDERS],
            weights: vec![[FIRST_WEIGHT; ORDERS]; 256],
            before: 0,
            bits: 1,
            contexts: [0; ORDERS],
            at: [0; ORDERS],
            said: [0; ORDERS],
            one: 0,
        };
        model.look_back();
        model.predict();
        model
    }

    /// How likely a one comes next.
    pub(crate) fn one(&self) -> u32 {
        self.one.unsigned_abs()
    }

    /// Takes in the bit that came, 0 or 1.
    pub(crate) fn learn(&mut self, bit: u32) {
        let is_one = bit == 1;
        let error = (if is_one { 4_096 } else { 0 } - self.one) * LEARNING;
        for order in 0..ORDERS {
            self.weights[self.bits][order] += (self.said[order] * error + 0x2000) >> 14;
            let slot = &mut self.slots[self.at[order]];
            let (old, met) = (i32::from(*slot >> 4), i32::from(*slot & 15));
            let goal = if is_one { 4_095 } else { 0 };
            let new = old + (goal - old) * 2 / (2 * met + 3);
            // Both are within their bits: `new` lies between `old` and `goal`.
            *slot = (new << 4 | (met + 1).min(MOST_MET)) as u16;
        }
        self.bits = self.bits << 1 | usize::from(is_one);
        if self.bits >= 256 {
            self.before = self.before << 8 | (self.bits & 255) as u64;
            self.bits = 1;
            self.look_back();
        }
        self.predict();
    }

    fn look_back(&mut self) {
        for (order, context) in self.contexts.iter_mut().enumerate() {
            let before = self.before & ((1 << (8 * order)) - 1);
            let mixed = before
                .wrapping_add(order as u64 + 1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            *context = (mixed >> 32) as u32;
        }
    }

    fn predict(&mut self) {
        let mut sum = 0_i64;
        for order in 0..ORDERS {
            let mixed = (self.contexts[order] ^ (self.bits as u32).wrapping_mul(0x2f0b_4c47))
                .wrapping_mul(0x9e37_79b1);
            let at = order * SLOTS + (mixed >> (32 - SLOT_BITS)) as usize;
            self.at[order] = at;
            self.said[order] = STRETCHED[usize::from(self.slots[at] >> 4)];
            sum += i64::from(self.weights[self.bits][order]) * i64::from(self.said[order]);
        }
        self.one = squash((sum >> 16).clamp(-2_047, 2_047) as i32);
    }
}

/// From -2,047 to 2,047 to a probability: the logistic function, its unit 256, by 33 points of it.
fn squash(said: i32) -> i32 {
    const POINTS: [i32; 33] = [
        1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994,
        3348, 3607, 3785, 3901, 3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094,
    ];
    let part = said & 127;
    let at = ((said >> 7) + 16) as usize;
    ((POINTS[at] * (128 - part) + POINTS[at + 1] * part + 64) >> 7).clamp(1, 4_095)
}

/// The inverse of [`squash`].
static STRETCHED: LazyLock<Vec<i32>> = LazyLock::new(|| {
    let mut stretched = Vec::with_capacity(4_096);
    for said in -2_047..=2_047 {
        let wanted = squash(said) as usize + 1;
        stretched.resize(wanted.max(stretched.len()), said);
    }
    stretched.resize(4_096, 2_047);
    stretched
});
