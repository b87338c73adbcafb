//! Whose facts are whose. A record that names a contact is theirs. One that names a browser alone belongs to whom that
//! browser was identified as, by the time of the event; so an identify may move what came before it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use shared::segment::facts::owner;
use shared::time::Timestamp;

use super::kept::Kept;
use super::{BROWSERS, Engine, FACTS, IDENTIFIED, OF_BROWSERS, OF_ORDERS, ORDERS};
use crate::record::{Entry, Fact, WorkspaceId};
use crate::views::engagement::rows::{decode, encode, key};
use crate::views::ordered::Ordered;
use crate::views::rows::Rows;
use crate::views::view::Happening;

/// A browser was identified.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Identify {
    /// When it counts from, in milliseconds since 1970.
    pub(super) time: i64,
    pub(super) contact: u32,
}

/// Under which a browser's rows lie.
type Browser = [u8; 16];

/// Whom a record concerns.
#[derive(Default)]
pub(super) struct Concerned {
    /// Whose fact it is, if anybody's.
    pub(super) owner: Option<u32>,
    /// Who may have got or lost facts besides.
    pub(super) moved: BTreeSet<u32>,
    /// What was kept.
    pub(super) kept: Option<Kept>,
}

/// Whether a record names a contact by itself, whatever its browser is known as.
fn names_contact(entry: &Entry) -> bool {
    entry.address.is_some() || entry.person.is_some() || entry.fact.send().is_some()
}

impl Engine<'_> {
    /// All whom a record may concern, told before it is kept.
    pub(super) fn whose_it_may_be(
        &self,
        happening: &Happening<'_>,
    ) -> Result<BTreeSet<u32>, redb::Error> {
        let (entry, workspace) = (happening.entry, happening.entry.workspace);
        let mut all: BTreeSet<u32> = BTreeSet::new();
        all.extend(happening.contact.map(|contact| contact.number));
        if let Fact::Refund { order_id, .. } | Fact::Amend { order_id, .. } = &entry.fact {
            let order = of_order(workspace, order_id.as_str());
            let owner = self.rows.tables[ORDERS].get(&order)?;
            let owner = owner.and_then(|owner| owner.first_chunk().copied());
            all.extend(owner.map(u32::from_be_bytes));
        }
        if let Some(browser) = self.browser(entry) {
            let known = identifies(self.rows, workspace, &browser)?;
            all.extend(known.into_iter().map(|(.., contact)| contact));
        }
        Ok(all)
    }

    /// Keeps what a record says, and tells whom it concerns.
    pub(super) fn keep(&mut self, happening: &Happening<'_>) -> Result<Concerned, redb::Error> {
        let entry = happening.entry;
        let workspace = entry.workspace;
        // Who is left of a contact is nobody's contact.
        if entry.redacted || !self.books.of_workspace.contains_key(&workspace) {
            return Ok(Concerned::default());
        }
        let seq = happening.seq.0.to_be_bytes();
        let kept = Kept::of(happening.seq, entry);
        let fact = encode(&kept)?;
        if let Fact::Refund { order_id, .. } | Fact::Amend { order_id, .. } = &entry.fact {
            let order = of_order(workspace, order_id.as_str());
            let row = [&order[..], &seq].concat();
            self.rows.tables[OF_ORDERS].insert(&row, &fact);
            let owner = self.rows.tables[ORDERS].get(&order)?;
            let owner = owner.and_then(|owner| owner.first_chunk().copied());
            return Ok(Concerned {
                owner: owner.map(u32::from_be_bytes),
                moved: BTreeSet::new(),
                kept: Some(kept),
            });
        }
        let contact = happening.contact.filter(|_| names_contact(entry));
        let Some(contact) = contact.map(|contact| contact.number) else {
            let Some(browser) = self.browser(entry) else {
                return Ok(Concerned::default());
            };
            let row = key(workspace, &[&browser, &seq]);
            self.rows.tables[OF_BROWSERS].insert(&row, &fact);
            let time = entry.time.min(entry.received_at);
            let known = identifies(self.rows, workspace, &browser)?;
            return Ok(Concerned {
                owner: owner(&known, time).copied(),
                moved: BTreeSet::new(),
                kept: Some(kept),
            });
        };
        let row = key(workspace, &[&contact.to_be_bytes(), &seq]);
        self.rows.tables[FACTS].insert(&row, &fact);
        if let Fact::Purchase { order_id, .. } = &entry.fact
            && entry.is_verified()
        {
            let order = of_order(workspace, order_id.as_str());
            self.rows.tables[ORDERS].insert(&order, &contact.to_be_bytes());
        }
        let mut concerned = Concerned {
            owner: Some(contact),
            moved: BTreeSet::new(),
            kept: Some(kept),
        };
        if let Fact::Identify { .. } = &entry.fact
            && let Some(browser) = self.browser(entry)
        {
            let time = entry.time.min(entry.received_at).as_millis();
            let identify = Identify { time, contact };
            let row = key(workspace, &[&browser, &seq]);
            self.rows.tables[IDENTIFIED].insert(&row, &encode(&identify)?);
            let row = key(workspace, &[&contact.to_be_bytes(), &browser]);
            self.rows.tables[BROWSERS].insert(&row, &[]);
            let known = identifies(self.rows, workspace, &browser)?;
            if self.moves_facts(workspace, &browser, &known)? {
                concerned.moved = known.into_iter().map(|(.., contact)| contact).collect();
            }
        }
        Ok(concerned)
    }

    /// Whether facts of a browser may have another owner by the last of these identifies of it.
    fn moves_facts(
        &self,
        workspace: WorkspaceId,
        browser: &Browser,
        known: &[(Timestamp, u64, u32)],
    ) -> Result<bool, redb::Error> {
        let owners: BTreeSet<u32> = known.iter().map(|(.., contact)| *contact).collect();
        if owners.len() > 1 {
            return Ok(true);
        }
        // Where it was the same contact's already all that lies there was theirs.
        let of_browser = key(workspace, &[browser]);
        let mut facts = self.rows.tables[OF_BROWSERS].beginning_with(&of_browser)?;
        Ok(known.len() < 2 && facts.next().transpose()?.is_some())
    }

    fn browser(&self, entry: &Entry) -> Option<Browser> {
        let id = entry.anonymous_id.as_ref()?;
        let mac = self.keys.key_of(entry.workspace)?;
        let mac = mac.mac(&[b"browser of segments", id.as_str().as_bytes()]);
        mac.first_chunk().copied()
    }

    /// Takes out everything that is known of a contact, in rows of before too.
    pub(super) fn erase(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
    ) -> Result<(), redb::Error> {
        self.rows.purges = true;
        drop(self.remembered.digests.take(workspace, contact));
        self.forget_standing(workspace, contact)?;
        let number = contact.to_be_bytes();
        for browser in browsers(self.rows, workspace, contact)? {
            let known = identifies(self.rows, workspace, &browser)?;
            for (seq, kept) in
                kept_under(&self.rows.tables[OF_BROWSERS], &key(workspace, &[&browser]))?
            {
                let time = Timestamp::from_millis(kept.counts_from());
                if owner(&known, time) == Some(&contact) {
                    let row = key(workspace, &[&browser, &seq.to_be_bytes()]);
                    self.rows.tables[OF_BROWSERS].remove(&row)?;
                }
            }
            for (_, seq, of) in known {
                if of == contact {
                    let row = key(workspace, &[&browser, &seq.to_be_bytes()]);
                    self.rows.tables[IDENTIFIED].remove(&row)?;
                }
            }
            let row = key(workspace, &[&number, &browser]);
            self.rows.tables[BROWSERS].remove(&row)?;
        }
        let of_contact = key(workspace, &[&number]);
        for (seq, kept) in kept_under(&self.rows.tables[FACTS], &of_contact)? {
            if let Some(order) = kept.order() {
                self.rows.tables[ORDERS].remove(&of_order(workspace, order))?;
            }
            let row = key(workspace, &[&number, &seq.to_be_bytes()]);
            self.rows.tables[FACTS].remove(&row)?;
        }
        Ok(())
    }
}

/// What is kept of a contact, in the order of the seqs.
pub(super) fn kept_of(
    rows: &Rows,
    workspace: WorkspaceId,
    contact: u32,
) -> Result<Vec<(u64, Kept)>, redb::Error> {
    let number = contact.to_be_bytes();
    let mut kept = kept_under(&rows.tables[FACTS], &key(workspace, &[&number]))?;
    for browser in browsers(rows, workspace, contact)? {
        let known = identifies(rows, workspace, &browser)?;
        let theirs = kept_under(&rows.tables[OF_BROWSERS], &key(workspace, &[&browser]))?;
        kept.extend(theirs.into_iter().filter(|(_, kept)| {
            let time = Timestamp::from_millis(kept.counts_from());
            owner(&known, time) == Some(&contact)
        }));
    }
    add_of_orders(rows, workspace, &mut kept)?;
    kept.sort_by_key(|(seq, _)| *seq);
    Ok(kept)
}

/// Adds what became of the orders among these rows, behind them.
pub(super) fn add_of_orders(
    rows: &Rows,
    workspace: WorkspaceId,
    kept: &mut Vec<(u64, Kept)>,
) -> Result<(), redb::Error> {
    let orders = kept.iter().filter_map(|(_, kept)| kept.order());
    let orders: Vec<Vec<u8>> = orders.map(|order| of_order(workspace, order)).collect();
    for order in orders {
        kept.extend(kept_under(&rows.tables[OF_ORDERS], &order)?);
    }
    Ok(())
}

/// The key of an order: its length in front, so that nobody's rows lie among those of a longer one.
fn of_order(workspace: WorkspaceId, order: &str) -> Vec<u8> {
    // Ids have at most 255 characters.
    let length = u16::try_from(order.len()).unwrap_or(u16::MAX);
    key(workspace, &[&length.to_be_bytes(), order.as_bytes()])
}

fn browsers(
    rows: &Rows,
    workspace: WorkspaceId,
    contact: u32,
) -> Result<Vec<Browser>, redb::Error> {
    let mut found = Vec::new();
    let of_contact = key(workspace, &[&contact.to_be_bytes()]);
    for row in rows.tables[BROWSERS].beginning_with(&of_contact)? {
        let (place, _) = row?;
        found.extend(place.last_chunk::<16>());
    }
    Ok(found)
}

/// Who a browser was identified as.
fn identifies(
    rows: &Rows,
    workspace: WorkspaceId,
    browser: &Browser,
) -> Result<Vec<(Timestamp, u64, u32)>, redb::Error> {
    let mut found = Vec::new();
    for row in rows.tables[IDENTIFIED].beginning_with(&key(workspace, &[browser]))? {
        let (place, row) = row?;
        let identify: Identify = decode(&row)?;
        let time = Timestamp::from_millis(identify.time);
        found.push((time, seq_in(&place), identify.contact));
    }
    Ok(found)
}

fn kept_under(table: &Ordered, beginning: &[u8]) -> Result<Vec<(u64, Kept)>, redb::Error> {
    let mut found = Vec::new();
    for row in table.beginning_with(beginning)? {
        let (place, row) = row?;
        found.push((seq_in(&place), decode(&row)?));
    }
    Ok(found)
}

/// The seq at the end of a key.
pub(super) fn seq_in(place: &[u8]) -> u64 {
    u64::from_be_bytes(place.last_chunk().copied().unwrap_or_default())
}

/// The contact behind the workspace in a key.
pub(super) fn contact_in(place: &[u8]) -> u32 {
    let number = place.get(4..8).and_then(|part| part.first_chunk());
    u32::from_be_bytes(number.copied().unwrap_or_default())
}

/// The first contact of a workspace from this number on, of whom anything is kept.
pub(super) fn contact_from(
    rows: &Rows,
    workspace: WorkspaceId,
    from: u32,
) -> Result<Option<u32>, redb::Error> {
    use crate::views::ordered::{Way, successor};
    let first = key(workspace, &[&from.to_be_bytes()]);
    let end = successor(&key(workspace, &[]));
    let mut rows = rows.tables[FACTS].range(&first, end.as_deref(), Way::Up)?;
    let row = rows.next().transpose()?;
    Ok(row.map(|(place, _)| contact_in(&place)))
}
