//! Which links of a message lead to the same place: each different target has a number, from 0, in the
//! order of its first link.

use std::collections::HashMap;

use store::targets::page;

/// The different targets of a message so far.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    numbers: HashMap<String, u32>,
}

impl Targets {
    /// How many different ones there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.numbers.len()).unwrap_or(u32::MAX)
    }

    /// The number of a target, which it gets by this if it is new.
    pub(super) fn number(&mut self, target: &str) -> u32 {
        let next = self.count();
        *self.numbers.entry(page(target)).or_insert(next)
    }

    /// Forgets the last ones, so that as many stay.
    pub(super) fn keep(&mut self, count: u32) {
        if self.count() > count {
            self.numbers.retain(|_, number| *number < count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_one_page_share_a_number() {
        let mut targets = Targets::default();
        for (target, number) in [
            ("https://shop.example/p", 0),
            ("https://shop.example/q", 1),
            ("https://shop.example/p", 0),
            ("HTTPS://Shop.Example:443/p", 0),
            ("https://shop.example/p#reviews", 0),
            ("https://shop.example/p?utm_content=picture", 0),
            ("https://shop.example/p?utm_content=button#top", 0),
            ("https://shop.example/p?id=1&utm_content=button", 2),
            ("https://shop.example/p?id=1", 2),
            ("https://shop.example/p?id=2", 3),
            ("https://app.example/#/orders/1", 4),
            ("https://app.example/#/orders/2", 5),
            ("http://shop.example/p", 6),
        ] {
            assert_eq!(targets.number(target), number, "{target}");
        }
        assert_eq!(targets.count(), 7);
    }
}
