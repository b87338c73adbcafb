//! Which segments a definition asks for, and circles of them.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Definition;
use super::tree::Leaf;
use crate::ids::SegmentId;

impl Definition {
    /// The segments that it asks for, each once.
    #[must_use]
    pub fn references(&self) -> BTreeSet<&SegmentId> {
        let leaves = self.root.leaves().into_iter();
        leaves
            .filter_map(|leaf| match leaf {
                Leaf::Segment(id) => Some(id),
                _ => None,
            })
            .collect()
    }

    /// The way back to `own`, if this definition of it asks for itself through others: `own`, then each
    /// segment on the way, then `own` again. Segments that are not there lead nowhere.
    #[must_use]
    pub fn circle<'a>(
        &'a self,
        own: &SegmentId,
        segments: &dyn Fn(&SegmentId) -> Option<&'a Definition>,
    ) -> Option<Vec<SegmentId>> {
        let mut known = BTreeSet::new();
        let mut ways: Vec<Vec<&SegmentId>> = self
            .references()
            .into_iter()
            .map(|id| Vec::from([id]))
            .collect();
        while let Some(way) = ways.pop() {
            let last = *way.last()?;
            if last == own {
                let whole = [own].into_iter().chain(way).cloned();
                return Some(whole.collect());
            }
            if known.insert(last)
                && let Some(definition) = segments(last)
            {
                ways.extend(definition.references().into_iter().map(|next| {
                    let mut way = way.clone();
                    way.push(next);
                    way
                }));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_circle_is_told_by_its_way() {
        let id = |text: &str| SegmentId::parse(text).unwrap();
        let definition = |json: &str| Definition::parse(json).unwrap();
        let known: BTreeMap<SegmentId, Definition> = [
            ("a", r#"{"all":[{"segment":"b"},{"segment":"gone"}]}"#),
            ("b", r#"{"not":{"any":[{"segment":"c"},{"event":"x"}]}}"#),
            ("c", r#"{"event":"x"}"#),
        ]
        .into_iter()
        .map(|(name, json)| (id(name), definition(json)))
        .collect();
        let segments = |id: &SegmentId| known.get(id);

        let ring = definition(r#"{"segment":"a"}"#);
        assert_eq!(
            ring.circle(&id("c"), &segments),
            Some(["c", "a", "b", "c"].map(id).into())
        );
        assert_eq!(ring.circle(&id("d"), &segments), None);
        assert_eq!(
            ring.circle(&id("a"), &segments),
            Some(["a", "a"].map(id).into())
        );
        assert_eq!(known[&id("a")].references().len(), 2);
    }
}
