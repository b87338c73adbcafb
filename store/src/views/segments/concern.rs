//! Which definitions a record may concern, told before anything of its contact is read: by its name and its properties,
//! and by when the contact was first seen, which stands in a row.

use shared::segment::facts::{Fact, FactKind};
use shared::segment::value::Value;

use super::catalogue::{Catalogue, Touched};
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
        if is_of_message(entry) || before.is_none() {
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

    pub(super) fn put_seen(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
        first: Option<i64>,
    ) -> Result<(), redb::Error> {
        let row = key(workspace, &[&contact.to_be_bytes()]);
        let seen = encode(&first)?;
        if self.rows.tables[SEEN].get(&row)?.as_deref() != Some(&*seen) {
            self.rows.tables[SEEN].insert(&row, &seen);
        }
        Ok(())
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
    let first = seen.flatten();
    let entry = happening.entry;
    let sighting = is_sighting(entry);
    let mut concern = Concern {
        first_seen: sighting && first.is_none_or(|first| happened_at(entry) < first),
        last_seen: sighting,
        ..Concern::default()
    };
    match &entry.fact {
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
        _ if is_of_message(entry) => {
            // It may have shown what others of its message were.
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
pub(super) fn is_of_message(entry: &Entry) -> bool {
    matches!(
        entry.fact,
        record::Fact::Send { .. }
            | record::Fact::Told { .. }
            | record::Fact::Open { .. }
            | record::Fact::Click { .. }
            | record::Fact::Unsubscribe { .. }
            | record::Fact::Delivery { .. }
    )
}

/// Whether a contact was seen by this record itself, those about messages apart.
fn is_sighting(entry: &Entry) -> bool {
    let tells = matches!(
        entry.fact,
        record::Fact::Track { .. } | record::Fact::Identify { .. } | record::Fact::Purchase { .. }
    );
    tells && is_genuine(class_of(entry))
}
