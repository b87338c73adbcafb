//! Words of closed sets, each in one place.

use super::tree::{Aggregate, ClassFilter, Comparison, Edge, MessageFact, Source};

/// A closed set whose members are words.
pub(super) trait Spelled: Copy + PartialEq + 'static {
    /// Every word and what it stands for.
    const WORDS: &'static [(&'static str, Self)];

    /// What a word stands for.
    fn of(word: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, value)| *value)
    }

    /// The word for it.
    fn word(self) -> &'static str {
        // Every member stands in the list; the test below holds them all against it.
        Self::WORDS
            .iter()
            .find(|(_, value)| *value == self)
            .map_or("", |(word, _)| word)
    }
}

impl Spelled for Source {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("browser", Source::Browser),
        ("server", Source::Server),
        ("mail", Source::Mail),
    ];
}

impl Spelled for ClassFilter {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("genuine", ClassFilter::Genuine),
        ("machine", ClassFilter::Machine),
        ("any", ClassFilter::Any),
    ];
}

impl Spelled for Aggregate {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("sum", Aggregate::Sum),
        ("min", Aggregate::Min),
        ("max", Aggregate::Max),
        ("avg", Aggregate::Avg),
    ];
}

impl Spelled for Edge {
    const WORDS: &'static [(&'static str, Self)] = &[("first", Edge::First), ("last", Edge::Last)];
}

impl Spelled for Comparison {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("gt", Comparison::Greater),
        ("gte", Comparison::GreaterOrEqual),
        ("lt", Comparison::Less),
        ("lte", Comparison::LessOrEqual),
    ];
}

impl Spelled for MessageFact {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("sent", MessageFact::Sent),
        ("delivered", MessageFact::Delivered),
        ("opened", MessageFact::Opened),
        ("clicked", MessageFact::Clicked),
        ("unsubscribed", MessageFact::Unsubscribed),
        ("bounced", MessageFact::Bounced),
        ("complained", MessageFact::Complained),
    ];
}

impl MessageFact {
    /// The word in definitions.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.word()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_has_a_word() {
        fn check<T: Spelled>(members: &[T]) {
            assert_eq!(members.len(), T::WORDS.len());
            for member in members {
                assert!(T::of(member.word()).is_some_and(|same| same == *member));
            }
        }
        check(&[Source::Browser, Source::Server, Source::Mail]);
        check(&[ClassFilter::Genuine, ClassFilter::Machine, ClassFilter::Any]);
        check(&[
            Aggregate::Sum,
            Aggregate::Min,
            Aggregate::Max,
            Aggregate::Avg,
        ]);
        check(&[Edge::First, Edge::Last]);
        check(&[
            Comparison::Greater,
            Comparison::GreaterOrEqual,
            Comparison::Less,
            Comparison::LessOrEqual,
        ]);
        check(
            &MessageFact::WORDS
                .iter()
                .map(|(_, fact)| *fact)
                .collect::<std::vec::Vec<_>>(),
        );
    }
}
