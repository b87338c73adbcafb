//! What holds for every definition, history and instant.

use proptest::prelude::*;
use std::string::String;
use std::vec::Vec;

use super::dice::{Dice, shown};
use super::with_world;
use crate::segment::Definition;
use crate::segment::facts::History;
use crate::segment::tree::Condition;
use crate::segment::value::Value;
use crate::time::Timestamp;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..160)
}

fn definition() -> impl Strategy<Value = Definition> {
    bytes().prop_map(|bytes| Dice::of(&bytes).definition())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_definition_survives_its_text(definition in definition()) {
        let json = definition.to_json();
        prop_assert_eq!(Definition::parse(&json), Ok(definition), "{}", json);
    }

    #[test]
    fn what_was_read_is_read_again_from_what_is_written(definition in definition(), bytes in bytes()) {
        let mut sent = Value::read(&definition.to_json()).unwrap();
        Dice::of(&bytes).respell(&mut sent);
        if let Ok(definition) = Definition::parse(&sent.to_json()) {
            let json = definition.to_json();
            prop_assert_eq!(Definition::parse(&json), Ok(definition), "{} became {}", sent.to_json(), json);
        }
    }

    #[test]
    fn the_canonical_form_means_the_same_at_every_instant(
        definition in definition(),
        bytes in bytes(),
        probe in bytes(),
    ) {
        let history = History::of(Dice::of(&bytes).facts());
        let canonical = Definition { root: definition.root().canonical() };
        prop_assert_eq!(&canonical.root, &canonical.root.canonical());
        let mut dice = Dice::of(&probe);
        with_world(|world| {
            for now in [dice.time(), dice.time(), dice.time()] {
                prop_assert_eq!(
                    definition.holds(&history, now, world),
                    canonical.holds(&history, now, world),
                    "{} became {}", shown(&definition), shown(&canonical)
                );
            }
            Ok(())
        })?;
    }

    #[test]
    fn membership_changes_without_events_exactly_when_it_is_said(
        definition in definition(),
        bytes in bytes(),
        probe in bytes(),
    ) {
        let history = History::of(Dice::of(&bytes).facts());
        let mut dice = Dice::of(&probe);
        let now = dice.time();
        with_world(|world| {
            let present = definition.holds(&history, now, world);
            let next = definition.next_change(&history, now, world);
            let end = next.unwrap_or(now.plus_millis(100 * 24 * 3_600_000));
            if let Some(next) = next {
                prop_assert!(next > now);
                prop_assert_ne!(definition.holds(&history, next, world), present);
            }
            let whole = end.millis_since(now);
            let mut between: Vec<Timestamp> = (0..8).map(|part| now.plus_millis(whole / 8 * part)).collect();
            between.extend((0..8).map(|_| dice.time()));
            between.push(end.plus_millis(-1));
            for at in between.into_iter().filter(|at| *at >= now && *at < end) {
                prop_assert_eq!(
                    definition.holds(&history, at, world), present,
                    "{} at {} of {} to {:?}", shown(&definition), at, now, next
                );
            }
            Ok(())
        })?;
    }

    #[test]
    fn looks_lead_to_the_next_change_one_after_the_other(
        definition in definition(),
        bytes in bytes(),
        probe in bytes(),
        most in 0..4_usize,
    ) {
        let history = History::of(Dice::of(&bytes).facts());
        let now = Dice::of(&probe).time();
        with_world(|world| {
            let present = definition.holds(&history, now, world);
            let next = definition.next_change(&history, now, world);
            let mut clock = now;
            let mut found = None;
            while let Some(look) = definition.next_look(&history, clock, world, most) {
                prop_assert!(look > clock);
                clock = look;
                if definition.holds(&history, look, world) != present {
                    found = Some(look);
                    break;
                }
            }
            prop_assert_eq!(found, next);
            Ok(())
        })?;
    }

    #[test]
    fn the_order_of_arrival_changes_nothing(definition in definition(), bytes in bytes(), probe in bytes()) {
        let facts = Dice::of(&bytes).facts();
        let now = Dice::of(&probe).time();
        let (one, other) = (History::of(facts.clone()), History::of(facts.into_iter().rev()));
        with_world(|world| {
            prop_assert_eq!(definition.holds(&one, now, world), definition.holds(&other, now, world));
            Ok(())
        })?;
    }

    #[test]
    fn explanations_agree_with_the_membership(definition in definition(), bytes in bytes(), probe in bytes()) {
        let history = History::of(Dice::of(&bytes).facts());
        let now = Dice::of(&probe).time();
        with_world(|world| {
            let explained = definition.explain(&history, now, world);
            prop_assert_eq!(explained[0].holds, definition.holds(&history, now, world));
            prop_assert_eq!(explained[0].changes_at, definition.next_change(&history, now, world));
            let mut paths: Vec<&String> = explained.iter().map(|one| &one.path).collect();
            paths.sort();
            paths.dedup();
            prop_assert_eq!(paths.len(), explained.len());
            prop_assert!(explained.iter().all(|one| one.evidence.len() <= 10));
            Ok(())
        })?;
    }

    #[test]
    fn a_plain_complement_parts_those_who_exist(bytes in bytes(), probe in bytes()) {
        let mut dice = Dice::of(&bytes);
        let definition = dice.definition();
        prop_assume!(!definition.to_json().contains("includeNew"));
        let history = History::of(dice.facts());
        let now = Dice::of(&probe).time();
        let other = Definition {
            root: Condition::Not(std::boxed::Box::new(definition.root().clone())),
        };
        with_world(|world| {
            let (held, complement) = (
                definition.holds(&history, now, world),
                other.holds(&history, now, world),
            );
            prop_assert_eq!(held != complement, history.exists(now));
            Ok(())
        })?;
    }

    #[test]
    fn a_changed_definition_is_taken_or_refused_at_a_place_and_never_worse(
        definition in definition(),
        at in any::<prop::sample::Index>(),
        put in "[\\[\\]{}\":,0-9a-z.*-]{0,3}",
    ) {
        let mut json = definition.to_json();
        let mut place = at.index(json.len() + 1);
        while !json.is_char_boundary(place) {
            place -= 1;
        }
        json.insert_str(place, &put);
        if let Ok(definition) = Definition::parse(&json) {
            prop_assert_eq!(Definition::parse(&definition.to_json()), Ok(definition));
        }
    }

    #[test]
    fn no_text_makes_reading_panic(text in "\\PC{0,60}", json in "[\\[\\]{}\":,0-9a-z]{0,60}") {
        drop(Definition::parse(&text));
        drop(Definition::parse(&json));
        drop(Value::read(&json));
    }
}
