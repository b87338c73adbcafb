//! Which facts a leaf looks at, and what is asked of them together.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Scene, properties};
use crate::ids::{MessageId, OrderId};
use crate::segment::billionths::Billionths;
use crate::segment::facts::{Fact, FactKind};
use crate::segment::tree::{
    Aggregate, ClassFilter, Edge, EventLeaf, EventMeasure, EventStream, Leaf, MessageFact,
    MessageLeaf, NamePattern, PurchaseLeaf, PurchaseMeasure, SequenceLeaf, Window,
};
use crate::segment::value::Value;
use crate::time::Timestamp;

/// A fact and the instant at which it counts for a leaf.
pub(in crate::segment) type Hit<'a> = (Timestamp, &'a Fact);

pub(super) fn event_holds(scene: &Scene<'_, '_>, leaf: &EventLeaf) -> bool {
    let hits = events(scene, &leaf.of, leaf.window);
    match &leaf.measure {
        EventMeasure::Count(range) => range.holds(hits.len()),
        EventMeasure::Number {
            of,
            property,
            range,
        } => {
            let numbers: Vec<i128> = hits
                .iter()
                .filter_map(|(_, fact)| number(fact, property.as_str()))
                .map(|number| number.0)
                .collect();
            let sum: i128 = numbers.iter().sum();
            match of {
                Aggregate::Sum => range.holds(Billionths(sum)),
                Aggregate::Min => numbers
                    .iter()
                    .min()
                    .is_some_and(|least| range.holds(Billionths(*least))),
                Aggregate::Max => numbers
                    .iter()
                    .max()
                    .is_some_and(|most| range.holds(Billionths(*most))),
                Aggregate::Avg => {
                    let count = i128::try_from(numbers.len()).unwrap_or(i128::MAX);
                    count > 0 && range.holds_for_mean(sum, count)
                }
            }
        }
        EventMeasure::Edge(edge, test) => {
            let hit = match edge {
                Edge::First => hits.first(),
                Edge::Last => hits.last(),
            };
            hit.is_some_and(|(_, fact)| {
                properties::holds(scene, &test.test, property(fact, test.path.as_str()))
            })
        }
    }
}

/// A stream's events in a window, in their order.
pub(in crate::segment) fn events<'a>(
    scene: &Scene<'a, '_>,
    stream: &EventStream,
    window: Option<Window>,
) -> Vec<Hit<'a>> {
    let mut hits = Vec::new();
    for fact in scene.facts {
        let FactKind::Event { name, .. } = &fact.kind else {
            continue;
        };
        let is_named = match &stream.name {
            NamePattern::Exact(wanted) => name == wanted,
            NamePattern::Prefix(prefix) => name.as_str().starts_with(prefix.as_str()),
            NamePattern::Every => true,
        };
        let is_meant = is_named
            && is_of_class(fact, stream.class)
            && stream.source.is_none_or(|source| fact.source == source)
            && scene.is_in(window, fact.counts_from())
            && stream.conditions.iter().all(|test| {
                properties::holds(scene, &test.test, property(fact, test.path.as_str()))
            });
        if is_meant {
            hits.push((fact.counts_from(), fact));
        }
    }
    hits
}

fn is_of_class(fact: &Fact, class: ClassFilter) -> bool {
    match class {
        ClassFilter::Genuine => fact.genuine,
        ClassFilter::Machine => !fact.genuine,
        ClassFilter::Any => true,
    }
}

pub(in crate::segment) fn property<'a>(fact: &'a Fact, path: &str) -> Option<&'a Value> {
    match &fact.kind {
        FactKind::Event { properties, .. } => properties.at(path),
        _ => None,
    }
}

fn number(fact: &Fact, path: &str) -> Option<Billionths> {
    match property(fact, path) {
        Some(Value::Number(number)) => Billionths::rounded(number),
        _ => None,
    }
}

/// A verified order, and what it is worth now.
pub(in crate::segment) struct Order<'a> {
    pub(in crate::segment) paid: &'a Fact,
    pub(in crate::segment) worth: crate::money::Money,
}

pub(super) fn purchase_holds(scene: &Scene<'_, '_>, leaf: &PurchaseLeaf) -> bool {
    let orders = orders(scene, leaf);
    match leaf.measure {
        PurchaseMeasure::Count { range, .. } => range.holds(orders.len()),
        PurchaseMeasure::Sum { range, .. } => {
            let worth = orders
                .iter()
                .map(|order| Billionths::of_money(order.worth).0);
            range.holds(Billionths(worth.sum()))
        }
    }
}

/// The orders that a leaf looks at, by their time.
pub(in crate::segment) fn orders<'a>(scene: &Scene<'a, '_>, leaf: &PurchaseLeaf) -> Vec<Order<'a>> {
    let mut worth: BTreeMap<&OrderId, Order<'a>> = BTreeMap::new();
    for fact in scene.facts {
        if let FactKind::Purchase {
            order,
            revenue,
            verified: true,
        } = &fact.kind
        {
            worth.entry(order).or_insert(Order {
                paid: fact,
                worth: *revenue,
            });
        }
    }
    // Amendments replace what was paid, the last one counting; refunds are taken off what is left.
    for fact in scene.facts {
        if let FactKind::Amend {
            order,
            revenue: Some(revenue),
        } = &fact.kind
            && let Some(order) = worth.get_mut(order)
        {
            order.worth.minor = revenue.minor;
        }
    }
    for fact in scene.facts {
        if let FactKind::Refund { order, amount } = &fact.kind
            && let Some(order) = worth.get_mut(order)
        {
            order.worth.minor = order.worth.minor.saturating_sub(amount.minor);
        }
    }
    let currency = match leaf.measure {
        PurchaseMeasure::Count { currency, .. } => currency,
        PurchaseMeasure::Sum { currency, .. } => Some(currency),
    };
    let mut orders: Vec<Order<'a>> = worth.into_values().collect();
    orders.retain(|order| {
        currency.is_none_or(|currency| order.worth.currency == currency)
            && scene.is_in(leaf.window, order.paid.counts_from())
    });
    orders.sort_by_key(|order| (order.paid.counts_from(), order.paid.seq));
    orders
}

/// What happened with messages as a leaf asks it, by time.
pub(in crate::segment) fn messages<'a>(scene: &Scene<'a, '_>, leaf: &MessageLeaf) -> Vec<Hit<'a>> {
    let mut hits = happened(scene, leaf.what, leaf.class);
    hits.retain(|(time, fact)| {
        let FactKind::Message {
            message,
            campaign,
            link,
            ..
        } = &fact.kind
        else {
            return false;
        };
        leaf.message.as_ref().is_none_or(|wanted| message == wanted)
            && leaf
                .campaign
                .as_ref()
                .is_none_or(|wanted| campaign.as_ref() == Some(wanted))
            && leaf
                .link
                .as_ref()
                .is_none_or(|wanted| link.as_ref() == Some(wanted))
            && scene.is_in(leaf.window, *time)
    });
    if let Some(without) = leaf.without {
        let others = happened(scene, without, leaf.class);
        let others: Vec<_> = others
            .iter()
            .filter_map(|(_, fact)| message_of(fact))
            .collect();
        hits.retain(|(_, fact)| message_of(fact).is_some_and(|message| !others.contains(&message)));
    }
    hits
}

pub(in crate::segment) fn message_of(fact: &Fact) -> Option<&MessageId> {
    match &fact.kind {
        FactKind::Message { message, .. } => Some(message),
        _ => None,
    }
}

/// Everything of one kind that happened until now, inferred opens included: a person clicked, so they
/// saw it, where no open of theirs is on record.
fn happened<'a>(
    scene: &Scene<'a, '_>,
    what: MessageFact,
    class: Option<ClassFilter>,
) -> Vec<Hit<'a>> {
    let class = class.unwrap_or(what.default_class());
    let of = |wanted: MessageFact| {
        let is = move |fact: &&Fact| matches!(&fact.kind, FactKind::Message { what, .. } if *what == wanted);
        scene.facts.iter().filter(is)
    };
    let mut hits: Vec<Hit<'a>> = of(what)
        .filter(|fact| is_of_class(fact, class))
        .map(|fact| (fact.counts_from(), fact))
        .collect();
    if what == MessageFact::Opened && class != ClassFilter::Machine {
        let mut opened: Vec<_> = of(what)
            .filter(|fact| fact.genuine)
            .filter_map(message_of)
            .collect();
        for click in of(MessageFact::Clicked).filter(|fact| fact.genuine) {
            if let Some(message) = message_of(click)
                && !opened.contains(&message)
            {
                opened.push(message);
                hits.push((click.counts_from(), click));
            }
        }
        hits.sort_by_key(|(time, fact)| (*time, fact.seq));
    }
    hits
}

/// The facts of the steps, one of each, where there are such: of several the ones that end first.
pub(in crate::segment) fn sequence<'a>(scene: &Scene<'a, '_>, leaf: &SequenceLeaf) -> Vec<Hit<'a>> {
    let mut chains: Vec<Vec<Hit<'a>>> = Vec::new();
    for (at, step) in leaf.steps.iter().enumerate() {
        let hits = step_hits(scene, step);
        if at == 0 {
            chains = hits.into_iter().map(|hit| Vec::from([hit])).collect();
            continue;
        }
        let mut longer = Vec::new();
        for hit in hits {
            // Any chain that reaches this step serves as well as another.
            let before = chains.iter().find(|chain| {
                chain.last().is_some_and(|(time, _)| {
                    let gap = hit.0.millis_since(*time);
                    gap > 0 && leaf.within.is_none_or(|longest| gap <= longest.as_millis())
                })
            });
            if let Some(before) = before {
                let mut chain = before.clone();
                chain.push(hit);
                longer.push(chain);
            }
        }
        chains = longer;
    }
    chains.into_iter().next().unwrap_or_default()
}

fn step_hits<'a>(scene: &Scene<'a, '_>, step: &Leaf) -> Vec<Hit<'a>> {
    match step {
        Leaf::Event(leaf) => events(scene, &leaf.of, leaf.window),
        Leaf::Message(leaf) => messages(scene, leaf),
        Leaf::Purchase(leaf) => orders(scene, leaf)
            .into_iter()
            .map(|order| (order.paid.counts_from(), order.paid))
            .collect(),
        // Nothing else is read as a step.
        Leaf::Trait(_) | Leaf::Score(_) | Leaf::Seen(_) | Leaf::Segment(_) | Leaf::Sequence(_) => {
            Vec::new()
        }
    }
}
