//! Damage that whoever goes through everything meets.

use super::*;
use crate::locks::write;
use crate::views::segments::FACTS;
use crate::views::{Building, ViewError};

fn is_building<T>(asked: Result<T, ViewError>) -> bool {
    matches!(asked, Err(ViewError::Building(Building { .. })))
}

#[test]
fn a_file_in_which_a_preview_meets_damage_is_begun_anew() {
    for asks_difference in [false, true] {
        // Arrange: a row that is none.
        let mut life = Life::new(3);
        life.define(1, DEFINITIONS[0]);
        for _ in 0..12 {
            life.event(PEOPLE[0]);
        }
        let count = |life: &Life| {
            let books = life.keys.segments();
            let definition = Definition::parse(DEFINITIONS[0]).unwrap();
            let now = Timestamp::from_millis(life.now);
            let (book, views) = (&books.of_workspace[&OWN], &life.views);
            let preview = views.preview_segment(OWN, book, &definition, now, 10);
            preview.unwrap().count
        };
        assert_eq!(count(&life), 1);
        if let Some(shelves) = &mut *write(&life.views.shelves) {
            // The first who came.
            let number = 0_u32;
            let row = [
                &OWN.0.to_be_bytes()[..],
                &number.to_be_bytes(),
                &99_u64.to_be_bytes(),
            ];
            shelves.segments.rows.tables[FACTS].insert(&row.concat(), &[0xff]);
        }
        let books = life.keys.segments();
        let (book, definition) = (&books.of_workspace[&OWN], Definition::parse(DEFINITIONS[0]));
        let (definition, now) = (definition.unwrap(), Timestamp::from_millis(life.now));
        // Act
        let views = &life.views;
        let met = if asks_difference {
            is_building(views.diff_segment(OWN, book, 1, &definition, now, 10))
        } else {
            is_building(views.preview_segment(OWN, book, &definition, now, 10))
        };
        // Assert
        assert!(met);
        assert!(views.is_spoilt());
        views.renew().unwrap();
        views.fold_beside(&life.records).unwrap();
        views.fold_beside(&[]).unwrap();
        assert_eq!(count(&life), 1);
    }
}
