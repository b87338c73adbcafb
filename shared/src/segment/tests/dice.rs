//! Random definitions and histories from a few bytes, small ones from zeros.

mod facts;
mod respelled;

use std::boxed::Box;
use std::format;
use std::string::String;

use crate::decimal::Decimal;
use crate::event_name::EventName;
use crate::ids::{CampaignId, MessageId};
use crate::money::Currency;
use crate::segment::Definition;
use crate::segment::billionths::Billionths;
use crate::segment::calendar::Day;
use crate::segment::include_new::Place;
use crate::segment::span::Span;
use crate::segment::tree::*;
use crate::time::Timestamp;

/// 2026-03-01T00:00:00Z.
const START: i64 = 1_772_323_200_000;
const HOUR: i64 = 3_600_000;

pub(super) struct Dice<'b> {
    bytes: core::slice::Iter<'b, u8>,
}

impl<'b> Dice<'b> {
    pub(super) fn of(bytes: &'b [u8]) -> Dice<'b> {
        Dice {
            bytes: bytes.iter(),
        }
    }

    /// 0 to `sides` − 1.
    fn roll(&mut self, sides: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % sides
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())].clone()
    }

    fn some<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.roll(2) == 1).then(|| make(self))
    }

    pub(super) fn definition(&mut self) -> Definition {
        let mut root = self.condition(3);
        place(&mut root, 0, self);
        Definition { root }
    }

    fn condition(&mut self, depth: usize) -> Condition {
        let branches = |dice: &mut Self| {
            let count = dice.roll(4);
            (0..count).map(|_| dice.condition(depth - 1)).collect()
        };
        match self.roll(if depth == 0 { 1 } else { 5 }) {
            1 => Condition::All(branches(self)),
            2 => Condition::Any(branches(self)),
            3 => Condition::Not(Box::new(self.condition(depth - 1))),
            _ => Condition::Leaf(self.leaf()),
        }
    }

    fn leaf(&mut self) -> Leaf {
        match self.roll(9) {
            0 | 1 => Leaf::Event(EventLeaf {
                of: self.stream(),
                measure: self.measure(),
                window: self.some(Self::window),
                include_new: None,
            }),
            2 => Leaf::Trait(self.test()),
            3 => {
                let range = self.numbers();
                // A score is equal to nothing.
                let upper = range.upper.filter(|_| range.only().is_none());
                Leaf::Score(NumberRange { upper, ..range })
            }
            4 => Leaf::Purchase(PurchaseLeaf {
                measure: if self.roll(2) == 0 {
                    PurchaseMeasure::Count {
                        range: self.count(),
                        currency: self.some(Self::currency),
                    }
                } else {
                    PurchaseMeasure::Sum {
                        range: self.numbers(),
                        currency: self.currency(),
                    }
                },
                window: self.some(Self::window),
                include_new: None,
            }),
            5 => Leaf::Message(self.message(true)),
            6 => Leaf::Seen(SeenLeaf {
                which: self.pick(&[Edge::First, Edge::Last]),
                test: match self.roll(5) {
                    0 => SeenTest::In(self.window()),
                    1 => SeenTest::Before(self.moment()),
                    2 => SeenTest::After(self.moment()),
                    3 => SeenTest::On(self.day()),
                    _ => SeenTest::Exists(self.roll(2) == 1),
                },
                include_new: None,
            }),
            7 => Leaf::Sequence(SequenceLeaf {
                steps: (0..2 + self.roll(2)).map(|_| self.step()).collect(),
                within: self.some(Self::span),
            }),
            _ => Leaf::Event(EventLeaf {
                of: self.stream(),
                measure: EventMeasure::Count(self.count()),
                window: Some(self.window()),
                include_new: None,
            }),
        }
    }

    fn step(&mut self) -> Leaf {
        match self.roll(3) {
            0 => Leaf::Event(EventLeaf {
                of: self.stream(),
                measure: EventMeasure::Count(CountRange::SOME),
                window: self.some(Self::window),
                include_new: None,
            }),
            1 => Leaf::Purchase(PurchaseLeaf {
                measure: PurchaseMeasure::Count {
                    range: CountRange::SOME,
                    currency: self.some(Self::currency),
                },
                window: self.some(Self::window),
                include_new: None,
            }),
            _ => Leaf::Message(self.message(false)),
        }
    }

    fn message(&mut self, counts: bool) -> MessageLeaf {
        let facts = [
            MessageFact::Opened,
            MessageFact::Clicked,
            MessageFact::Sent,
            MessageFact::Unsubscribed,
            MessageFact::Bounced,
        ];
        let what = self.pick(&facts);
        let without = self.pick(&facts);
        MessageLeaf {
            what,
            without: (counts && self.roll(3) == 1 && without != what).then_some(without),
            campaign: self.some(|dice| CampaignId::parse(dice.pick(&["launch", "news"])).unwrap()),
            message: (self.roll(4) == 1).then(|| MessageId::parse("m1").unwrap()),
            link: (what == MessageFact::Clicked && self.roll(3) == 1)
                .then(|| "https://a.example/".into()),
            class: self.some(|dice| dice.class()),
            count: if counts {
                self.count()
            } else {
                CountRange::SOME
            },
            window: self.some(Self::window),
            include_new: None,
        }
    }

    fn class(&mut self) -> ClassFilter {
        self.pick(&[ClassFilter::Genuine, ClassFilter::Machine, ClassFilter::Any])
    }

    fn currency(&mut self) -> Currency {
        Currency::parse(self.pick(&["EUR", "USD"])).unwrap()
    }

    fn stream(&mut self) -> EventStream {
        let conditions = self.roll(4) / 2;
        EventStream {
            name: match self.roll(5) {
                0 | 1 => NamePattern::Exact(EventName::parse("a").unwrap()),
                2 => NamePattern::Exact(EventName::parse("page_viewed").unwrap()),
                3 => NamePattern::Prefix(self.pick(&["page_", "p", "a"]).into()),
                _ => NamePattern::Every,
            },
            conditions: (0..conditions).map(|_| self.test()).collect(),
            source: (self.roll(4) == 1)
                .then(|| self.pick(&[Source::Browser, Source::Server, Source::Mail])),
            class: self.class(),
        }
    }

    fn measure(&mut self) -> EventMeasure {
        match self.roll(4) {
            0 | 1 => EventMeasure::Count(self.count()),
            2 => EventMeasure::Number {
                of: self.pick(&[
                    Aggregate::Sum,
                    Aggregate::Min,
                    Aggregate::Max,
                    Aggregate::Avg,
                ]),
                property: Path("n".into()),
                range: self.numbers(),
            },
            _ => EventMeasure::Edge(self.pick(&[Edge::First, Edge::Last]), self.test()),
        }
    }

    fn count(&mut self) -> CountRange {
        let least = u32::try_from(self.roll(4)).unwrap();
        let most = u32::try_from(self.roll(4)).unwrap();
        match self.roll(4) {
            0 => CountRange::SOME,
            1 => CountRange {
                least: 0,
                most: Some(most),
            },
            2 => CountRange { least, most: None },
            _ => CountRange {
                least,
                most: Some(least + most),
            },
        }
    }

    fn numbers(&mut self) -> NumberRange {
        let mut bound = || Bound {
            at: Billionths(
                i128::from([0i64, 1, 2, 5, 20, -3][self.roll(6)])
                    * [1_000_000_000, 500_000_000][self.roll(2)],
            ),
            inclusive: self.roll(2) == 1,
        };
        let (one, other) = (bound(), bound());
        match self.roll(4) {
            0 => NumberRange {
                lower: Some(one),
                upper: None,
            },
            1 => NumberRange {
                lower: None,
                upper: Some(one),
            },
            2 if one.at < other.at => NumberRange {
                lower: Some(one),
                upper: Some(other),
            },
            _ => {
                let only = Some(Bound {
                    inclusive: true,
                    ..one
                });
                NumberRange {
                    lower: only,
                    upper: only,
                }
            }
        }
    }

    fn test(&mut self) -> PropertyTest {
        let path = Path(self.pick(&["plan", "n", "when", "in.side", "list"]).into());
        let number = self.pick(&["1", "2.5", "0", "-1", "1e40"]);
        let truth = self.roll(2) == 1;
        PropertyTest {
            path,
            test: match self.roll(15) {
                0 => Test::Eq(self.scalar()),
                1 => Test::Ne(self.scalar()),
                2 => Test::Compare(
                    self.pick(&[
                        Comparison::Greater,
                        Comparison::GreaterOrEqual,
                        Comparison::Less,
                        Comparison::LessOrEqual,
                    ]),
                    Decimal::parse(number).unwrap(),
                ),
                3 => Test::In((0..1 + self.roll(3)).map(|_| self.scalar()).collect()),
                4 => Test::NotIn((0..1 + self.roll(3)).map(|_| self.scalar()).collect()),
                5 => Test::Contains(self.scalar()),
                6 => Test::StartsWith("p".into()),
                7 => Test::EndsWith("o".into()),
                8 => Test::Exists(truth),
                9 => Test::Empty(truth),
                10 | 11 => Test::Before(self.moment()),
                12 | 13 => Test::After(self.moment()),
                _ => Test::On(self.day()),
            },
        }
    }

    fn scalar(&mut self) -> Scalar {
        match self.roll(6) {
            0 | 1 => Scalar::Text(self.pick(&["pro", "free", "", "a \"quoted\" ü\n"]).into()),
            2 | 3 => Scalar::Number(Decimal::parse(self.pick(&["1", "2.5", "1e40"])).unwrap()),
            4 => Scalar::Bool(true),
            _ => Scalar::Bool(false),
        }
    }

    fn span(&mut self) -> Span {
        Span::parse(self.pick(&["1d", "0s", "1h", "7d", "90m", "2w", "30d", "1s"])).unwrap()
    }

    fn window(&mut self) -> Window {
        match self.roll(6) {
            0..=2 => Window::Within(self.span()),
            3 => Window::Today,
            4 => {
                let (one, other) = (self.roll(40), self.roll(40));
                let at = |days: usize| {
                    Timestamp::from_millis(START + i64::try_from(days).unwrap() * 24 * HOUR)
                };
                Window::Between(Moment::At(at(one)), Moment::At(at(one + other + 1)))
            }
            _ => {
                let (one, other) = (self.span(), self.span());
                match one.cmp(&other) {
                    core::cmp::Ordering::Equal => Window::Within(one),
                    core::cmp::Ordering::Less => Window::Ago {
                        from: other,
                        to: one,
                    },
                    core::cmp::Ordering::Greater => Window::Ago {
                        from: one,
                        to: other,
                    },
                }
            }
        }
    }

    fn moment(&mut self) -> Moment {
        match self.roll(5) {
            0 => Moment::Now,
            1 => Moment::Ago(self.span()),
            2 => Moment::Ahead(self.span()),
            3 => Moment::At(self.time()),
            _ => Moment::StartOf(self.date()),
        }
    }

    fn day(&mut self) -> DayWord {
        match self.roll(3) {
            0 => DayWord::Today,
            1 => DayWord::Yesterday,
            _ => DayWord::Date(self.date()),
        }
    }

    fn date(&mut self) -> Day {
        Day::parse(self.pick(&["2026-03-01", "2026-03-02", "2026-03-10", "2026-02-20"])).unwrap()
    }

    /// An instant of about 40 days, often at an hour, sometimes a millisecond beside it.
    pub(super) fn time(&mut self) -> Timestamp {
        let hours = i64::try_from(self.roll(4) * self.roll(250)).unwrap();
        let beside = self.pick(&[0, 0, 0, 1, -1]);
        Timestamp::from_millis(START + hours * HOUR + beside)
    }
}

/// Says `includeNew` where it must be said, and at random where it may.
fn place(condition: &mut Condition, nots: usize, dice: &mut Dice<'_>) {
    match condition {
        Condition::All(conditions) | Condition::Any(conditions) => {
            conditions
                .iter_mut()
                .for_each(|inner| place(inner, nots, dice));
        }
        Condition::Not(inner) => place(inner, nots + 1, dice),
        Condition::Leaf(leaf) => {
            let said = match leaf.place_of_include_new(nots) {
                Place::Required => Some(dice.roll(2) == 1),
                Place::Allowed => dice.some(|dice| dice.roll(2) == 1),
                Place::Misplaced => None,
            };
            *leaf = leaf.clone().with_include_new(said);
        }
    }
}

/// A definition in words for a failed test.
pub(super) fn shown(definition: &Definition) -> String {
    format!(
        "{} {}",
        definition.to_json(),
        definition.sentence(&|_| None)
    )
}
