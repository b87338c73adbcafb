//! The index of events: which seqs a workspace has, by name, contact and message, for
//! `GET /v1/events`. Holds no event and no address; what an event says is read from the log.
//!
//! The log is cut into zones of 1,024 seqs. A row lists the offsets of one term within one zone, so
//! that rows stay small however common the term is, and a fold writes each of them once. The rows
//! depend on the records alone, not on how they were batched.

mod walk;

use std::collections::{BTreeMap, HashMap};

use redb::{ReadTransaction, ReadableTable as _, TableDefinition, WriteTransaction};

use super::filter::EventFilter;
use crate::ledger::decide::{WorkspaceKey, WorkspaceKeys};
use crate::record::{ContactId, Fact, Record, Seq, WorkspaceId};

use shared::event_name::names;

use super::{Dump, EventPage, ViewError};

/// Key: [`Term`] (21 bytes), zone (u64, big-endian). Value: offsets within the zone (u16,
/// little-endian), ascending.
const POSTINGS: TableDefinition<'_, &[u8; 29], &[u8]> = TableDefinition::new("postings_v1");
/// Key: workspace (u32, big-endian), zone (u64, big-endian). Value: the earliest and the latest time
/// of the workspace's events in that zone (i64 milliseconds, little-endian).
const ZONES: TableDefinition<'_, &[u8; 12], &[u8; 16]> = TableDefinition::new("zones_v1");

/// Seqs in a zone. An offset must fit 16 bits.
const ZONE: u64 = 1_024;

/// Offsets of one term within one zone, ascending.
type Offsets = Vec<u16>;

/// What events are found by: kind (u8), workspace (u32, big-endian), then for [`NAME`] and [`MESSAGE`]
/// the first 16 bytes of an HMAC-SHA-256 under the workspace's key, for [`CONTACT`] the [`ContactId`],
/// which is such a digest too, for [`ALL`] zeros.
type Term = [u8; 21];
const ALL: u8 = 0;
const NAME: u8 = 1;
const CONTACT: u8 = 2;
const MESSAGE: u8 = 3;

/// What a slice of records adds.
pub(super) struct Rows {
    /// Sorted: neighbouring rows are cheaper to write than scattered ones.
    postings: Vec<([u8; 29], u16)>,
    zones: BTreeMap<[u8; 12], Span>,
    /// The terms of contacts that were erased, each with the place of the fact.
    erased: Vec<(Seq, Term)>,
}

/// The times from the first to the second, both included.
#[derive(Clone, Copy)]
struct Span(i64, i64);

/// Works out what the records add, without touching the file.
/// `contacts` are whom each is about.
pub(super) fn rows(
    keys: &dyn WorkspaceKeys,
    records: &[Record],
    contacts: &[Option<ContactId>],
) -> Result<Rows, ViewError> {
    let mut terms = Terms::new(keys);
    let mut postings = Vec::with_capacity(records.len() * 4);
    let mut zones = BTreeMap::new();
    let mut erased = Vec::new();
    for (Record { seq, entry, .. }, contact) in records.iter().zip(contacts) {
        let (zone, offset) = place(*seq);
        let workspace = entry.workspace;
        let mut post = |term: &Term| postings.push((posting_key(term, zone), offset));
        post(&term(ALL, workspace, [0; 16]));
        post(&terms.term(NAME, workspace, entry.fact.name())?);
        match (contact, &entry.fact) {
            (Some(contact), Fact::Erase { .. }) => {
                erased.push((*seq, term(CONTACT, workspace, contact.0)));
            }
            (Some(contact), _) if !entry.redacted => {
                post(&term(CONTACT, workspace, contact.0));
            }
            _ => {}
        }
        if let Some(message) = entry.fact.message_id() {
            post(&terms.term(MESSAGE, workspace, message.as_str())?);
        }
        let time = entry.time.as_millis();
        zones
            .entry(zone_key(workspace, zone))
            .and_modify(|span: &mut Span| *span = span.with(Span(time, time)))
            .or_insert(Span(time, time));
    }
    postings.sort_unstable();
    Ok(Rows {
        postings,
        zones,
        erased,
    })
}

/// Writes the rows of records that follow on those folded before.
pub(super) fn fold(transaction: &WriteTransaction, rows: &Rows) -> Result<(), redb::Error> {
    let mut postings = transaction.open_table(POSTINGS)?;
    let mut row = Vec::new();
    for added in rows.postings.chunk_by(|(a, _), (b, _)| a == b) {
        let key = &added[0].0;
        row.clear();
        if let Some(old) = postings.get(key)? {
            row.extend_from_slice(old.value());
        }
        // Later records have larger offsets, so the row stays sorted.
        row.extend(added.iter().flat_map(|(_, offset)| offset.to_le_bytes()));
        postings.insert(key, row.as_slice())?;
    }
    for (seq, term) in &rows.erased {
        forget(&mut postings, *seq, term)?;
    }
    let mut zones = transaction.open_table(ZONES)?;
    for (key, span) in &rows.zones {
        let old = zones.get(key)?.map(|row| Span::from_bytes(row.value()));
        let span = old.map_or(*span, |old| old.with(*span));
        zones.insert(key, &span.to_bytes())?;
    }
    Ok(())
}

/// Takes out what lies before this place under a term.
fn forget(
    postings: &mut redb::Table<'_, &'static [u8; 29], &'static [u8]>,
    before: Seq,
    term: &Term,
) -> Result<(), redb::Error> {
    let (zone, offset) = place(before);
    let mut found = Vec::new();
    for row in postings.range::<&[u8; 29]>(&posting_key(term, 0)..=&posting_key(term, zone))? {
        let (key, row) = row?;
        found.push((*key.value(), offsets(row.value())));
    }
    for (key, offsets) in found {
        let is_last = zone_of(&key) == zone;
        let left: Vec<u8> = offsets
            .into_iter()
            .filter(|at| is_last && *at > offset)
            .flat_map(u16::to_le_bytes)
            .collect();
        if left.is_empty() {
            postings.remove(&key)?;
        } else {
            postings.insert(&key, left.as_slice())?;
        }
    }
    Ok(())
}

/// How many events there are under a contact.
pub(super) fn count_of_contact(
    snapshot: &ReadTransaction,
    workspace: WorkspaceId,
    contact: ContactId,
) -> Result<u64, redb::Error> {
    let term = term(CONTACT, workspace, contact.0);
    let mut count = 0;
    let table = snapshot.open_table(POSTINGS)?;
    for row in table.range::<&[u8; 29]>(&posting_key(&term, 0)..=&posting_key(&term, u64::MAX))? {
        count += row?.1.value().len() as u64 / 2;
    }
    Ok(count)
}

/// See [`super::Views::events`].
pub(super) fn candidates(
    snapshot: &ReadTransaction,
    workspace: WorkspaceId,
    key: &WorkspaceKey,
    filter: &EventFilter,
) -> Result<EventPage, redb::Error> {
    let contact = filter.email.as_ref().map(|email| key.contact(email).0);
    // All types but the callers' own events have a name that nothing else has.
    let of_kind = filter.kind.and_then(name_of_kind);
    let name = filter.name.as_deref().or(of_kind);
    let digest_of = |kind, text: &Option<String>| Some(digest(key, kind, text.as_ref()?));
    let mut terms: Vec<Term> = [
        (CONTACT, contact),
        (MESSAGE, digest_of(MESSAGE, &filter.message_id)),
        (NAME, name.map(|name| digest(key, NAME, name))),
    ]
    .into_iter()
    .filter_map(|(kind, digest)| Some(term(kind, workspace, digest?)))
    .collect();
    if terms.is_empty() {
        terms.push(term(ALL, workspace, [0; 16]));
    }
    walk::walk(snapshot, workspace, &terms, filter)
}

/// Makes the tables, so that readers find them from the start.
pub(super) fn create(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(POSTINGS)?;
    transaction.open_table(ZONES)?;
    Ok(())
}

/// Fails where the tables are not those that are read here.
pub(super) fn check(snapshot: &ReadTransaction) -> Result<(), redb::Error> {
    snapshot.open_table(POSTINGS)?;
    snapshot.open_table(ZONES)?;
    Ok(())
}

pub(super) fn dump(snapshot: &ReadTransaction, dump: &mut Dump) -> Result<(), redb::Error> {
    let mut postings = Vec::new();
    for row in snapshot.open_table(POSTINGS)?.iter()? {
        let (key, value) = row?;
        postings.push((key.value().to_vec(), value.value().to_vec()));
    }
    let mut zones = Vec::new();
    for row in snapshot.open_table(ZONES)?.iter()? {
        let (key, value) = row?;
        zones.push((key.value().to_vec(), value.value().to_vec()));
    }
    dump.insert("postings_v1", postings);
    dump.insert("zones_v1", zones);
    Ok(())
}

impl Span {
    fn with(self, other: Self) -> Self {
        Self(self.0.min(other.0), self.1.max(other.1))
    }

    fn meets(self, filter: &EventFilter) -> bool {
        let after_all = filter.from.is_some_and(|from| self.1 < from.as_millis());
        let before_all = filter.to.is_some_and(|to| self.0 >= to.as_millis());
        !after_all && !before_all
    }

    fn from_bytes(bytes: &[u8; 16]) -> Self {
        let (halves, _) = bytes.as_chunks();
        Self(i64::from_le_bytes(halves[0]), i64::from_le_bytes(halves[1]))
    }

    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.0.to_le_bytes());
        bytes[8..].copy_from_slice(&self.1.to_le_bytes());
        bytes
    }
}

/// Terms of one fold, each made once: events of a batch share names, messages and often contacts.
struct Terms<'a> {
    keys: &'a dyn WorkspaceKeys,
    of_workspace: HashMap<WorkspaceId, Workspace<'a>>,
}

struct Workspace<'a> {
    key: WorkspaceKey,
    terms: HashMap<(u8, &'a str), Term>,
}

impl<'a> Terms<'a> {
    fn new(keys: &'a dyn WorkspaceKeys) -> Self {
        Self {
            keys,
            of_workspace: HashMap::new(),
        }
    }

    fn term(&mut self, kind: u8, workspace: WorkspaceId, text: &'a str) -> Result<Term, ViewError> {
        use std::collections::hash_map::Entry;
        let known = match self.of_workspace.entry(workspace) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Workspace {
                key: self
                    .keys
                    .key_of(workspace)
                    .ok_or(ViewError::NoKey(workspace))?,
                terms: HashMap::new(),
            }),
        };
        let Workspace { key, terms } = known;
        Ok(*terms
            .entry((kind, text))
            .or_insert_with(|| term(kind, workspace, digest(key, kind, text))))
    }
}

/// The zone that a row is of.
fn zone_of(key: &[u8; 29]) -> u64 {
    let mut zone = [0; 8];
    zone.copy_from_slice(&key[21..]);
    u64::from_be_bytes(zone)
}

fn offsets(row: &[u8]) -> Offsets {
    let (offsets, _) = row.as_chunks();
    offsets
        .iter()
        .map(|offset| u16::from_le_bytes(*offset))
        .collect()
}

/// The name that all events of a type have, where it is the type's own.
fn name_of_kind(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "identify" => names::IDENTIFIED,
        "purchase" => names::PURCHASE,
        "refund" => names::REFUND,
        "send" => names::EMAIL_SENT,
        "open" => names::EMAIL_OPENED,
        "click" => names::EMAIL_CLICKED,
        "unsubscribe" => names::EMAIL_UNSUBSCRIBED,
        "erase" => names::EMAIL_ERASED,
        _ => return None,
    })
}

/// The offsets that all rows hold, ascending as the rows are.
fn intersection(rows: &[Offsets]) -> Offsets {
    let Some((first, others)) = rows.split_first() else {
        return Vec::new();
    };
    let in_all = |offset: &u16| others.iter().all(|row| row.binary_search(offset).is_ok());
    first.iter().copied().filter(in_all).collect()
}

fn digest(key: &WorkspaceKey, kind: u8, text: &str) -> [u8; 16] {
    let [a @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
        key.mac(&[b"views index", &[kind], text.as_bytes()]);
    a
}

fn term(kind: u8, workspace: WorkspaceId, digest: [u8; 16]) -> Term {
    let mut term = [0; 21];
    term[0] = kind;
    term[1..5].copy_from_slice(&workspace.0.to_be_bytes());
    term[5..].copy_from_slice(&digest);
    term
}

fn posting_key(term: &Term, zone: u64) -> [u8; 29] {
    let mut key = [0; 29];
    key[..21].copy_from_slice(term);
    key[21..].copy_from_slice(&zone.to_be_bytes());
    key
}

fn zone_key(workspace: WorkspaceId, zone: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&workspace.0.to_be_bytes());
    key[4..].copy_from_slice(&zone.to_be_bytes());
    key
}

/// A seq's zone and its offset there.
fn place(Seq(seq): Seq) -> (u64, u16) {
    // A remainder by 1,024 fits 16 bits.
    (seq / ZONE, (seq % ZONE) as u16)
}
