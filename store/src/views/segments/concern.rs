//! Which definitions a record may concern, told before anything of its contact is read: by its name and its properties,
//! and by when the contact was first seen, which stands in a row.

use std::collections::BTreeSet;

use shared::segment::facts::Fact;

use super::catalogue::Catalogue;
use super::kept;
use super::people::kept_of;
use super::{Engine, SEEN};
use crate::record::segments::Concern;
use crate::record::{self, Entry, WorkspaceId};
use crate::views::engagement::rows::{encode, key, read};
use crate::views::engagement::tally::is_genuine;
use crate::views::engagement::{class_of, happened_at};
use crate::views::view::Happening;

impl Engine<'_> {
    /// When a contact was first seen, if ever; `None` where nothing is kept of them.
    pub(super) fn seen(
        &self,
        workspace: WorkspaceId,
        contact: u32,
    ) -> Result<Option<Option<i64>>, redb::Error> {
        let row = key(workspace, &[&contact.to_be_bytes()]);
        read(&self.rows.tables[SEEN], &row)
    }

    /// Notes when a contact was first seen, after a record that concerns no definition.
    pub(super) fn see(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
        before: Option<Option<i64>>,
        happening: &Happening<'_>,
    ) -> Result<(), redb::Error> {
        let entry = happening.entry;
        if entry.fact.message_id().is_some() || before.is_none() {
            // What was a person's doing may have shown itself to be none.
            let facts = kept::facts(&kept_of(self.rows, workspace, contact)?);
            return self.note_seen(workspace, contact, &facts);
        }
        let seen = is_sighting(entry).then(|| happened_at(entry));
        let first = before.flatten().into_iter().chain(seen).min();
        if before != Some(first) {
            self.put_seen(workspace, contact, first)?;
        }
        Ok(())
    }

    /// The same of all facts of a contact.
    pub(super) fn note_seen(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
        facts: &[Fact],
    ) -> Result<(), redb::Error> {
        let sightings = facts.iter().filter(|fact| fact.is_sighting());
        let first = sightings.map(|fact| fact.counts_from().as_millis()).min();
        self.put_seen(workspace, contact, first)
    }

    fn put_seen(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
        first: Option<i64>,
    ) -> Result<(), redb::Error> {
        let row = key(workspace, &[&contact.to_be_bytes()]);
        self.rows.tables[SEEN].insert(&row, &encode(&first)?);
        Ok(())
    }
}

/// The definitions that a record may concern, of a contact who was first seen then; `None` where nothing was known of
/// them.
pub(super) fn concerned_by(
    catalogue: &Catalogue,
    seen: Option<Option<i64>>,
    happening: &Happening<'_>,
) -> Vec<usize> {
    let Some(first) = seen else {
        return (0..catalogue.all.len()).collect();
    };
    let entry = happening.entry;
    let mut found = BTreeSet::new();
    let sighting = is_sighting(entry);
    let mut concern = Concern {
        first_seen: sighting && first.is_none_or(|first| happened_at(entry) < first),
        last_seen: sighting,
        ..Concern::default()
    };
    match &entry.fact {
        record::Fact::Track {
            name, properties, ..
        } => {
            catalogue.of_event(name, properties.as_ref(), &mut found);
            concern.score = sighting;
        }
        record::Fact::Identify { .. } => concern.traits = true,
        record::Fact::Purchase { .. } => {
            concern.purchases = true;
            concern.score = true;
        }
        record::Fact::Amend { .. } | record::Fact::Refund { .. } => concern.purchases = true,
        // It may have shown what others of its message were.
        record::Fact::Send { .. }
        | record::Fact::Told { .. }
        | record::Fact::Open { .. }
        | record::Fact::Click { .. }
        | record::Fact::Unsubscribe { .. }
        | record::Fact::Delivery { .. } => {
            concern = Concern {
                messages: true,
                first_seen: true,
                last_seen: true,
                score: true,
                ..concern
            };
        }
        record::Fact::Suppress { .. } | record::Fact::Lift { .. } | record::Fact::Erase { .. } => {}
    }
    catalogue.concerned(concern, &mut found);
    found.into_iter().collect()
}

/// Whether a contact was seen by this record itself, those about messages apart.
fn is_sighting(entry: &Entry) -> bool {
    let tells = matches!(
        entry.fact,
        record::Fact::Track { .. } | record::Fact::Identify { .. } | record::Fact::Purchase { .. }
    );
    tells && is_genuine(class_of(entry))
}
