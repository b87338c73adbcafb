//! A column of figures by number, in memory alone: worked out of rows, so that all of them can be looked
//! through in a few milliseconds. A copy is a snapshot that costs next to nothing.

use std::hint::black_box;
use std::sync::Arc;

/// Figures in a block, which is what is copied when a snapshot is out.
const BLOCK: usize = 4_096;

/// See above. A number without a figure has negative infinity.
#[derive(Clone, Default)]
pub(crate) struct Column(Arc<Vec<Arc<Vec<f64>>>>);

impl Column {
    pub(crate) fn get(&self, number: u32) -> f64 {
        let number = number as usize;
        let block = self.0.get(number / BLOCK);
        block.map_or(f64::NEG_INFINITY, |block| block[number % BLOCK])
    }

    /// Has a figure brought near from memory; see [`Pages::touch`].
    ///
    /// [`Pages::touch`]: super::pages::Pages::touch
    pub(crate) fn touch(&self, number: u32) {
        black_box(self.get(number));
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn memory(&self) -> usize {
        self.0.len() * BLOCK * size_of::<f64>()
    }

    pub(crate) fn set(&mut self, number: u32, figure: f64) {
        let number = number as usize;
        let blocks = Arc::make_mut(&mut self.0);
        while blocks.len() <= number / BLOCK {
            blocks.push(Arc::new(vec![f64::NEG_INFINITY; BLOCK]));
        }
        Arc::make_mut(&mut blocks[number / BLOCK])[number % BLOCK] = figure;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_stays_as_it_was() {
        let mut column = Column::default();
        column.set(9_000, 1.5);
        let copy = column.clone();
        column.set(9_000, 2.5);
        column.set(0, 0.5);
        assert_eq!((copy.get(9_000), column.get(9_000)), (1.5, 2.5));
        assert_eq!((copy.get(0), column.get(0)), (f64::NEG_INFINITY, 0.5));
        assert_eq!(column.get(1_000_000), f64::NEG_INFINITY);
    }
}
