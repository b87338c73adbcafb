//! What can still be said of a contact once facts of before an instant are gone: three answers, of which the third is
//! that it depends on them.

use super::Definition;
use super::evaluate::{Scene, World, streams};
use super::facts::{Fact, FactKind, History};
use super::tree::{
    Condition, EventMeasure, Leaf, MessageFact, MessageLeaf, PurchaseMeasure, Source, Window,
};
use crate::limits::MAX_SENT_AHEAD_MS;
use crate::time::Timestamp;

/// What is known beside the facts of a contact who was there before some of them went.
#[derive(Debug, Clone, Copy)]
pub struct Outlived {
    /// Whatever arrived from then on is among the facts.
    pub since: Timestamp,
    /// When the contact was first and last seen, by all there ever was.
    pub seen: Option<(Timestamp, Timestamp)>,
}

impl Definition {
    /// Whether a contact is a member at an instant, where facts of before are gone; `None` where that depends on them.
    #[must_use]
    pub fn holds_outlived(
        &self,
        history: &History,
        now: Timestamp,
        world: World<'_>,
        outlived: Outlived,
    ) -> Option<bool> {
        let mut scene = Scene::of(history, now, world);
        if let Some((first, last)) = outlived.seen.filter(|(first, _)| *first <= now) {
            scene.first_seen = Some(scene.first_seen.map_or(first, |known| known.min(first)));
            let last = last.min(now);
            scene.last_seen = Some(scene.last_seen.map_or(last, |known| known.max(last)));
        }
        of_condition(self.root(), &scene, outlived.since, false)
    }

    /// Whether it can be said of everybody at an instant, whatever they did, though facts of before `since` are gone:
    /// all that is asked for came later.
    #[must_use]
    pub fn outlives(&self, now: Timestamp, world: World<'_>, since: Timestamp) -> bool {
        let nobody = History::of([]);
        is_certain(self.root(), &Scene::of(&nobody, now, world), since)
    }
}

fn is_certain(condition: &Condition, scene: &Scene<'_, '_>, since: Timestamp) -> bool {
    match condition {
        Condition::All(conditions) | Condition::Any(conditions) => conditions
            .iter()
            .all(|inner| is_certain(inner, scene, since)),
        Condition::Not(inner) => is_certain(inner, scene, since),
        Condition::Leaf(Leaf::Segment(id)) => {
            let definition = (scene.world.segments)(id);
            let inside = definition.zip(scene.inside());
            inside.is_some_and(|(definition, inside)| is_certain(definition.root(), &inside, since))
        }
        Condition::Leaf(leaf) => is_leaf_certain(leaf, scene, since),
    }
}

fn is_leaf_certain(leaf: &Leaf, scene: &Scene<'_, '_>, since: Timestamp) -> bool {
    match leaf {
        // Whether it is depends on what else the contact did.
        Leaf::Message(leaf) if leaf.what == MessageFact::Opened => false,
        Leaf::Sequence(leaf) => leaf
            .steps
            .iter()
            .all(|step| is_leaf_certain(step, scene, since)),
        leaf => is_whole(leaf, scene, since),
    }
}

fn of_condition(
    condition: &Condition,
    scene: &Scene<'_, '_>,
    since: Timestamp,
    negated: bool,
) -> Option<bool> {
    let of_all = |conditions: &[Condition], decides: bool| {
        let mut said = Some(!decides);
        for one in conditions {
            match of_condition(one, scene, since, negated) {
                Some(holds) if holds == decides => return Some(decides),
                Some(_) => {}
                None => said = None,
            }
        }
        said
    };
    match condition {
        Condition::All(conditions) => of_all(conditions, false),
        Condition::Any(conditions) => of_all(conditions, true),
        Condition::Not(inner) => of_condition(inner, scene, since, !negated).map(|holds| !holds),
        Condition::Leaf(leaf) => of_leaf(leaf, scene, since, negated),
    }
}

fn of_leaf(leaf: &Leaf, scene: &Scene<'_, '_>, since: Timestamp, negated: bool) -> Option<bool> {
    if is_whole(leaf, scene, since) {
        return Some(leaf.holds(scene, negated));
    }
    let known = lower_bound(leaf, scene, since);
    // As where all is known: who is younger than the window is left out by the whole.
    match (leaf.include_new(), leaf.window()) {
        (Some(false), Some(window)) if scene.is_younger_than(window) => Some(negated),
        _ => known,
    }
}

/// Whether all that a leaf looks at came later.
fn is_whole(leaf: &Leaf, scene: &Scene<'_, '_>, since: Timestamp) -> bool {
    let begins = |window: Option<Window>, ahead: i64| {
        let start = window.map(|window| match window {
            Window::Within(span) | Window::Ago { from: span, .. } => {
                scene.now.plus_millis(-span.as_millis())
            }
            Window::Today => scene
                .world
                .calendar
                .start_of(scene.world.calendar.day_of(scene.now)),
            Window::Between(from, _) => scene.instant(from),
        });
        start.is_some_and(|start| start >= since.plus_millis(ahead))
    };
    match leaf {
        Leaf::Event(leaf) => begins(leaf.window, 0),
        Leaf::Purchase(leaf) => begins(leaf.window, 0),
        // What was told before may count from later on, and what did not happen is asked of all time.
        Leaf::Message(leaf) => {
            begins(leaf.window, MAX_SENT_AHEAD_MS)
                && (leaf.without.is_none() || leaf.what == MessageFact::Sent)
                && happened_itself(leaf, scene) == streams::messages(scene, leaf).len()
        }
        // Both ends are known.
        Leaf::Seen(_) => true,
        Leaf::Sequence(leaf) => leaf.steps.iter().all(|step| is_whole(step, scene, since)),
        Leaf::Trait(_) | Leaf::Score(_) | Leaf::Segment(_) => false,
    }
}

/// What is certain whatever is missing: there may have been more than is known, and never less.
fn lower_bound(leaf: &Leaf, scene: &Scene<'_, '_>, since: Timestamp) -> Option<bool> {
    let by_count = |range: super::tree::CountRange, count: usize| {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        match range.most {
            Some(most) if count > most => Some(false),
            None if count >= range.least => Some(true),
            _ => None,
        }
    };
    match leaf {
        Leaf::Event(leaf) => match &leaf.measure {
            EventMeasure::Count(range) => {
                by_count(*range, streams::events(scene, &leaf.of, leaf.window).len())
            }
            EventMeasure::Number { .. } | EventMeasure::Edge(..) => None,
        },
        Leaf::Purchase(leaf) => match leaf.measure {
            PurchaseMeasure::Count { range, .. } => {
                by_count(range, streams::orders(scene, leaf).len())
            }
            PurchaseMeasure::Sum { .. } => None,
        },
        Leaf::Message(leaf) if leaf.without.is_none() => {
            by_count(leaf.count, happened_itself(leaf, scene))
        }
        Leaf::Message(_) | Leaf::Score(_) | Leaf::Seen(_) => None,
        Leaf::Trait(test) => {
            let (_, fact) = scene.trait_at(test.path.as_str())?;
            // Nothing of before overrules what a server said since.
            let is_last = fact.source != Source::Browser && fact.counts_from() >= since;
            is_last.then(|| Leaf::Trait(test.clone()).holds(scene, false))
        }
        Leaf::Segment(id) => {
            let definition = (scene.world.segments)(id)?;
            let inside = scene.inside()?;
            of_condition(definition.root(), &inside, since, false)
        }
        Leaf::Sequence(leaf) => (!streams::sequence(scene, leaf).is_empty()).then_some(true),
    }
}

/// How often what a leaf asks for happened by itself: a click makes an open of a message whose own may be gone.
fn happened_itself(leaf: &MessageLeaf, scene: &Scene<'_, '_>) -> usize {
    let hits = streams::messages(scene, leaf);
    let itself =
        |fact: &Fact| matches!(&fact.kind, FactKind::Message { what, .. } if *what == leaf.what);
    hits.iter().filter(|(_, fact)| itself(fact)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_name::EventName;
    use crate::ids::{EventId, MessageId};
    use crate::segment::calendar::Calendar;
    use crate::segment::score::ScoreRules;
    use crate::segment::value::Value;

    const NOW: i64 = 1_772_323_200_000; // 2026-03-01T00:00:00Z
    const DAY: i64 = 24 * 60 * 60 * 1000;
    /// Ten days before.
    const SINCE: i64 = NOW - 10 * DAY;

    fn event(name: &str, time: i64) -> Fact {
        let time = Timestamp::from_millis(time);
        Fact {
            id: EventId::from_bytes([7; 16]),
            seq: time.as_millis().unsigned_abs(),
            time,
            received_at: time,
            source: Source::Server,
            genuine: true,
            kind: FactKind::Event {
                name: EventName::parse(name).unwrap(),
                properties: Value::Null,
            },
        }
    }

    fn said(definition: &str, days_ago: &[i64]) -> Option<bool> {
        let facts = days_ago
            .iter()
            .map(|days| event("bought", NOW - days * DAY));
        said_of(definition, facts, SINCE)
    }

    fn said_of(
        definition: &str,
        facts: impl IntoIterator<Item = Fact>,
        since: i64,
    ) -> Option<bool> {
        let history = History::of(facts);
        let world = World {
            calendar: &Calendar::UTC,
            score: &ScoreRules::default(),
            segments: &|_| None,
        };
        let seen = Timestamp::from_millis(NOW - 100 * DAY);
        let outlived = Outlived {
            since: Timestamp::from_millis(since),
            seen: Some((seen, Timestamp::from_millis(NOW - DAY))),
        };
        let definition = Definition::parse(definition).unwrap();
        definition.holds_outlived(&history, Timestamp::from_millis(NOW), world, outlived)
    }

    #[test]
    fn what_came_since_decides_or_nobody_knows() {
        for (definition, days_ago, expected) in [
            (r#"{"event":"bought"}"#, &[][..], None),
            (r#"{"event":"bought"}"#, &[3], Some(true)),
            (r#"{"event":"bought","count":{"gte":2}}"#, &[3], None),
            (r#"{"event":"bought","count":{"eq":0}}"#, &[], None),
            (r#"{"event":"bought","count":{"eq":0}}"#, &[3], Some(false)),
            (
                r#"{"event":"bought","count":{"gte":1,"lte":2}}"#,
                &[1, 2, 3],
                Some(false),
            ),
            (r#"{"event":"bought","within":"7d"}"#, &[], Some(false)),
            (r#"{"event":"bought","within":"10d"}"#, &[], Some(false)),
            (r#"{"event":"bought","within":"11d"}"#, &[], None),
            (
                r#"{"event":"bought","ago":{"from":"9d","to":"2d"}}"#,
                &[3],
                Some(true),
            ),
            (r#"{"not":{"event":"bought"}}"#, &[], None),
            (r#"{"not":{"event":"bought"}}"#, &[3], Some(false)),
            (
                r#"{"all":[{"event":"bought"},{"event":"seen","within":"7d"}]}"#,
                &[],
                Some(false),
            ),
            (
                r#"{"any":[{"event":"bought"},{"event":"seen"}]}"#,
                &[3],
                Some(true),
            ),
            (
                r#"{"any":[{"event":"bought"},{"event":"seen","within":"7d"}]}"#,
                &[],
                None,
            ),
            (r#"{"trait":"plan","eq":"pro"}"#, &[], None),
            (r#"{"score":{"gte":1}}"#, &[3], None),
            (r#"{"firstSeen":{"within":"30d"}}"#, &[3], Some(false)),
            (r#"{"lastSeen":{"within":"2d"}}"#, &[], Some(true)),
            (r#"{"event":"bought","sum":"price","gte":1}"#, &[3], None),
            (
                r#"{"sequence":[{"event":"bought"},{"event":"bought"}]}"#,
                &[3, 2],
                Some(true),
            ),
            (
                r#"{"sequence":[{"event":"bought"},{"event":"bought"}]}"#,
                &[3],
                None,
            ),
            (r#"{"all":[]}"#, &[], Some(true)),
            (r#"{"any":[]}"#, &[], Some(false)),
        ] {
            assert_eq!(
                said(definition, days_ago),
                expected,
                "{definition} {days_ago:?}"
            );
        }
    }

    #[test]
    fn what_looks_no_further_back_is_certain_of_everybody() {
        let inner = Definition::parse(r#"{"event":"bought","within":"11d"}"#).unwrap();
        let world = World {
            calendar: &Calendar::UTC,
            score: &ScoreRules::default(),
            segments: &|id| (id.as_str() == "seg_1").then_some(&inner),
        };
        for (definition, days, expected) in [
            (r#"{"all":[]}"#, 10, true),
            (r#"{"event":"bought"}"#, 10, false),
            (
                r#"{"not":{"event":"bought","within":"10d","includeNew":false}}"#,
                10,
                true,
            ),
            (r#"{"event":"bought","within":"11d"}"#, 10, false),
            (
                r#"{"any":[{"event":"bought","within":"7d"},{"trait":"plan","eq":"pro"}]}"#,
                10,
                false,
            ),
            (r#"{"lastSeen":{"within":"90d"}}"#, 10, true),
            (r#"{"message":"clicked","within":"1d"}"#, 60, true),
            // A click tells of one.
            (r#"{"message":"opened","within":"1d"}"#, 60, false),
            (
                r#"{"sequence":[{"event":"a","within":"7d"},{"event":"b"}]}"#,
                10,
                false,
            ),
            (r#"{"segment":"seg_1"}"#, 10, false),
            (r#"{"segment":"seg_1"}"#, 11, true),
            (r#"{"segment":"seg_2"}"#, 11, false),
        ] {
            let since = Timestamp::from_millis(NOW - days * DAY);
            let parsed = Definition::parse(definition).unwrap();
            let certain = parsed.outlives(Timestamp::from_millis(NOW), world, since);
            assert_eq!(certain, expected, "{definition} {days}");
        }
    }

    #[test]
    fn a_fact_of_before_that_came_late_counts_like_any() {
        let definition = r#"{"event":"bought","within":"60d"}"#;
        assert_eq!(said(definition, &[50]), Some(true));
    }

    #[test]
    fn a_click_says_nothing_of_an_open_that_may_be_gone_nor_of_what_may_have_happened_before() {
        let of_message = |what: MessageFact| Fact {
            kind: FactKind::Message {
                what,
                message: MessageId::parse("m").unwrap(),
                campaign: None,
                link: None,
            },
            ..event("bought", NOW - 3 * DAY)
        };
        let opened = r#"{"message":"opened","within":"7d"}"#;
        let kept = r#"{"message":"clicked","without":"unsubscribed","within":"7d"}"#;
        for since in [SINCE, NOW - 60 * DAY] {
            let said = |definition, what| said_of(definition, [of_message(what)], since);
            assert_eq!(said(opened, MessageFact::Opened), Some(true));
            assert_eq!(said(opened, MessageFact::Clicked), None);
            assert_eq!(said(kept, MessageFact::Clicked), None);
        }
    }
}
