//! The numbers of one workspace, ascending, each with its place among them. Kept as stretches of numbers that follow
//! each other: next to nothing where one workspace has most of them, 8 bytes a number at the worst.

/// See above.
#[derive(Debug, Default)]
pub(crate) struct Members {
    stretches: Vec<Stretch>,
    count: u32,
}

/// Numbers that follow each other, up to where the next begins.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: u32,
    /// How many there are before.
    before: u32,
}

/// Of a workspace that has none.
pub(crate) static NONE: Members = Members {
    stretches: Vec::new(),
    count: 0,
};

impl Members {
    /// Adds a number that lies behind all others.
    pub(crate) fn push(&mut self, number: u32) {
        let follows = |last: &Stretch| number - last.first == self.count - last.before;
        if !self.stretches.last().is_some_and(follows) {
            self.stretches.push(Stretch {
                first: number,
                before: self.count,
            });
        }
        self.count += 1;
    }

    /// The number at a place; `None` behind the last.
    pub(crate) fn at(&self, place: u32) -> Option<u32> {
        if place >= self.count {
            return None;
        }
        let behind = self.stretches.partition_point(|one| one.before <= place);
        let stretch = self.stretches.get(behind.checked_sub(1)?)?;
        Some(stretch.first + (place - stretch.before))
    }

    /// How many lie below a number, which is the place of that number where it is one of them.
    pub(crate) fn below(&self, number: u32) -> u32 {
        let behind = self.stretches.partition_point(|one| one.first < number);
        let Some(stretch) = behind.checked_sub(1).map(|at| self.stretches[at]) else {
            return 0;
        };
        let end = self
            .stretches
            .get(behind)
            .map_or(self.count, |next| next.before);
        (stretch.before + (number - stretch.first)).min(end)
    }

    /// Those from a place on.
    pub(crate) fn behind(&self, place: u32) -> impl Iterator<Item = u32> {
        let behind = self.stretches.partition_point(|one| one.before <= place);
        let stretches = self.stretches.get(behind.saturating_sub(1)..);
        let stretches = stretches.unwrap_or_default();
        let ends = stretches.iter().skip(1).map(|next| next.before);
        let each = stretches.iter().zip(ends.chain([self.count]));
        each.flat_map(move |(one, end)| {
            let passed = place.saturating_sub(one.before);
            one.first + passed..one.first + (end - one.before)
        })
    }

    /// Those from a number on and before another.
    pub(crate) fn range(&self, from: u32, to: u32) -> impl Iterator<Item = u32> {
        (self.below(from)..self.below(to)).filter_map(|place| self.at(place))
    }

    /// About how many bytes of memory they take.
    pub(crate) fn memory(&self) -> usize {
        self.stretches.capacity() * size_of::<Stretch>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn members_are_an_ascending_list(
            numbers in prop::collection::btree_set(0..300_u32, 0..200),
            (from, to) in (0..310_u32, 0..310_u32),
        ) {
            let mut members = Members::default();
            numbers.iter().for_each(|number| members.push(*number));
            let all: Vec<u32> = numbers.iter().copied().collect();
            for place in 0..310 {
                let behind = all.get(place as usize..).unwrap_or_default();
                prop_assert_eq!(members.behind(place).collect::<Vec<_>>(), behind.to_vec());
                prop_assert_eq!(members.at(place), all.get(place as usize).copied());
                let below = all.iter().filter(|number| **number < place).count();
                prop_assert_eq!(members.below(place) as usize, below);
            }
            let within: BTreeSet<u32> = numbers.iter().copied().filter(|n| (from..to).contains(n)).collect();
            prop_assert_eq!(members.range(from, to).collect::<BTreeSet<_>>(), within);
        }
    }
}
