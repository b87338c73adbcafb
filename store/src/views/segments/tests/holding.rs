//! A definition that is half way to holding: what is told meanwhile.

use super::*;
use crate::views::ViewError;
use crate::views::segments::{Cause, MoveKey, Moved};

/// Of whom: the first that is moved, and so on, with the segment and the cause.
fn told(moves: &[Moved]) -> Vec<(u32, u32, Cause)> {
    let of = moves.iter().map(|moved| &moved.of);
    of.map(|of| (of.contact, of.segment, of.cause)).collect()
}

#[test]
fn while_a_definition_comes_to_hold_others_are_read_and_nothing_is_told_too_early() {
    // Arrange: everybody is known, and in the first segment.
    let mut life = Life::new(5);
    life.define(1, r#"{"all":[]}"#);
    for person in PEOPLE {
        life.send(person);
    }
    life.views.hold().unwrap();
    let moves = |life: &Life| {
        let moves = life.views.segment_moves(OWN, MoveKey::default(), 100);
        told(&moves.unwrap())
    };
    let before = moves(&life);
    assert_eq!(before.len(), 4);
    life.now += 1;
    life.place(2, r#"{"message":"sent"}"#);
    // Act: two of four have been asked when the last one sends something.
    assert_eq!(life.views.hold_some(2).unwrap(), Some(true));
    life.now += 1;
    life.send(PEOPLE[3]);
    // Assert
    let standing = |number| life.views.segment_standing(OWN, number);
    assert_eq!(standing(1).unwrap().members, 4);
    assert!(matches!(standing(2), Err(ViewError::Building(_))));
    assert!(life.views.segment_members(OWN, 1, None, 10).unwrap().len() == 4);
    assert_eq!(moves(&life), before);
    assert!(life.views.is_segment_unsettled());
    life.views.hold().unwrap();
    assert_eq!(life.views.hold_some(1).unwrap(), None);
    assert!(!life.views.is_segment_unsettled());
    let standing = life.views.segment_standing(OWN, 2).unwrap();
    let after = moves(&life);
    assert_eq!(after[..4], before);
    assert_eq!(standing.entered, u64::try_from(after.len() - 4).unwrap());
    assert!(after[4..].iter().all(|(_, segment, _)| *segment == 2));
    life.check_rebuilt();
}
