//! Which definitions a record may concern, told before anything of its contact is read: by its name and its properties,
//! and by when the contact was first seen, which stands in its row.

use shared::segment::facts::{Fact, FactKind};
use shared::segment::value::Value;

use super::Engine;
use super::catalogue::{Catalogue, Touched};
use super::kept;
use super::people::kept_of;
use super::stands::Standings;
use crate::record;
use crate::record::segments::Concern;
use crate::views::view::Happening;

impl Engine<'_> {
    /// Notes when a contact was first seen, after a record that concerns no definition.
    pub(super) fn see(
        &mut self,
        contact: u32,
        mut standings: Standings,
        happening: &Happening<'_>,
        fact: &Fact,
    ) -> Result<(), redb::Error> {
        if judges_anew(happening) {
            // What was a person's doing may have shown itself to be none.
            let facts = kept::facts(&kept_of(self.rows, standings.workspace, contact)?);
            let sightings = facts.iter().filter(|fact| fact.is_sighting());
            standings.first_seen = sightings.map(|fact| fact.counts_from().as_millis()).min();
        } else if fact.is_sighting() {
            let at = fact.counts_from().as_millis();
            standings.first_seen = Some(standings.first_seen.map_or(at, |first| first.min(at)));
        }
        self.put_standings(contact, &standings)
    }
}

/// What a record, with the fact that it is, may concern of a contact who was first seen then.
pub(super) fn concerned_by(
    catalogue: &Catalogue,
    seen: Option<Option<i64>>,
    happening: &Happening<'_>,
    fact: &Fact,
) -> Touched {
    let mut found = Touched::default();
    let sighting = fact.is_sighting();
    let is_first = |first: i64| fact.counts_from().as_millis() < first;
    let mut concern = Concern {
        first_seen: sighting && seen.flatten().is_none_or(is_first),
        last_seen: sighting,
        ..Concern::default()
    };
    match &happening.entry.fact {
        record::Fact::Track { name, .. } => {
            let properties = match &fact.kind {
                FactKind::Event { properties, .. } => properties,
                _ => &Value::Null,
            };
            catalogue.of_event(name, properties, &mut found);
            concern.score = sighting;
        }
        record::Fact::Identify { .. } => concern.traits = true,
        record::Fact::Purchase { .. } => {
            concern.purchases = true;
            concern.score = true;
        }
        record::Fact::Amend { .. } | record::Fact::Refund { .. } => concern.purchases = true,
        record::Fact::Unsubscribe { .. } | record::Fact::Delivery { .. } => concern.messages = true,
        record::Fact::Send { .. } if happening.is_first_of_message => concern.sends = true,
        _ if judges_anew(happening) => {
            concern = Concern {
                messages: true,
                first_seen: true,
                last_seen: true,
                score: true,
                ..concern
            };
        }
        _ => {}
    }
    catalogue.of_concern(concern, &mut found);
    for list in [&mut found.definitions, &mut found.leaves] {
        list.sort_unstable();
        list.dedup();
    }
    found
}

/// Whether a record may show that what others of its message were was no person's doing.
pub(super) fn judges_anew(happening: &Happening<'_>) -> bool {
    match happening.entry.fact {
        record::Fact::Send { .. } => !happening.is_first_of_message,
        record::Fact::Told { .. } | record::Fact::Open { .. } | record::Fact::Click { .. } => true,
        _ => false,
    }
}
