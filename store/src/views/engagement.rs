//! What people did with messages, and which message earned the revenue: messages, campaigns,
//! contacts, orders and the touches that orders are credited to.
//!
//! The fold goes through the records in the order of their seqs, and what a row holds depends on
//! nothing else: not on batches, not on restarts. Whatever is counted of a message is counted again
//! from its row after each change, and its campaign gets the difference; whatever touches an order
//! could be credited to is looked up again when one comes or goes. So a click that turns out to be
//! a machine's is taken back everywhere by changing its message and removing its touch.
//!
//! - `rows`: rows read once and written once in a fold
//! - `tally`: counts by class, and what a message adds to its campaign
//! - `message`: one send; opens, clicks, and the rule of bursts
//! - `ahead`: messages that are planned, by when they are sent
//! - `contact`: one person; when seen, unsubscribed
//! - `score`: how engaged a person is
//! - `hits`: everything that happened to a message
//! - `spans`: reading messages with what happened to them
//! - `erased`: what is left of a contact
//! - `told`: what changes once it is told when a message left
//! - `order`: one order, its touches, whom it is credited to

mod ahead;
pub mod contact;
mod erased;
pub(crate) mod hits;
pub(crate) mod message;
pub mod order;
mod rows;
mod score;
pub(crate) mod single;
pub(crate) mod spans;
pub(crate) mod tally;
#[cfg(test)]
mod tests;
mod told;

use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};
use shared::ids::MessageId;

use super::Dump;
use crate::classify::of_page;
use crate::ledger::decide::Attribution;
use crate::record::{Class, ContactId, Entry, Fact, Record, WorkspaceId};
use contact::Contact;
use hits::{Hit, Hits, What};
use message::{Click, Message};
use order::{Order, Orders, TouchKind, Touched};
use rows::{Rows, key};
use tally::Totals;

/// Key: workspace (u32, big-endian), contact (16 bytes). Value: postcard of [`Contact`].
const CONTACTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("contacts_v1");
/// Key: workspace (u32, big-endian), messageId. Value: postcard of [`Message`].
const MESSAGES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("messages_v1");
/// Key: workspace (u32, big-endian), campaignId. Value: postcard of [`Totals`].
const CAMPAIGNS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("campaigns_v1");
/// Key: workspace (u32, big-endian). Value: postcard of [`Totals`], of all its messages.
const WORKSPACES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("workspaces_v1");
/// Key: workspace (u32), length of the campaignId (u16), campaignId, messageId, numbers big-endian.
/// Value: nothing.
const OF_CAMPAIGN: TableDefinition<'_, &[u8], &[u8]> =
    TableDefinition::new("messages_of_campaign_v1");
/// Key: seq of a click whose class was changed from genuine to bot by the rule of bursts.
const RELABELLED: TableDefinition<'_, u64, ()> = TableDefinition::new("relabelled_v1");

/// Key: seq of an open or a click of a message whose real time of sending was told. Value: postcard of
/// the class that it has by that time and the reason, where they are not those on record.
const REJUDGED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rejudged_v1");

/// Every table, for what is done to all of them alike.
const TABLES: [TableDefinition<'_, &[u8], &[u8]>; 11] = [
    CONTACTS,
    MESSAGES,
    CAMPAIGNS,
    WORKSPACES,
    OF_CAMPAIGN,
    hits::HITS,
    order::TOUCHES,
    order::ORDERS,
    order::PLACES,
    order::OF_CONTACT,
    ahead::AHEAD,
];

/// Who acted: the class that was decided at the edge; of a page's event from before there were
/// classes, what it would have been; `Human` where a server says so.
fn class_of(entry: &Entry) -> Class {
    match entry.told_by.class() {
        Some((class, _)) => *class,
        None => of_page(entry).map_or(Class::Human, |judged| judged.class),
    }
}

/// Folds records that follow on those folded before; `contacts` are whom each is about.
pub(super) fn fold(
    transaction: &WriteTransaction,
    attribution: &dyn Fn(WorkspaceId) -> Attribution,
    records: &[Record],
    contacts: &[Option<ContactId>],
) -> Result<(), redb::Error> {
    let mut fold = Fold {
        contacts: Rows::open(transaction, CONTACTS)?,
        messages: Rows::open(transaction, MESSAGES)?,
        campaigns: Rows::open(transaction, CAMPAIGNS)?,
        workspaces: Rows::open(transaction, WORKSPACES)?,
        ahead: Rows::open(transaction, ahead::AHEAD)?,
        orders: Orders::open(transaction)?,
        relabelled: transaction.open_table(RELABELLED)?,
        rejudged: transaction.open_table(REJUDGED)?,
        hits: Hits::open(transaction)?,
        of_campaign: transaction.open_table(OF_CAMPAIGN)?,
        attribution,
    };
    for (record, contact) in records.iter().zip(contacts) {
        fold.record(record, *contact)?;
    }
    fold.contacts.write()?;
    fold.messages.write()?;
    fold.campaigns.write()?;
    fold.workspaces.write()?;
    fold.ahead.write()
}

struct Fold<'a> {
    contacts: Rows<'a, Contact>,
    messages: Rows<'a, Message>,
    campaigns: Rows<'a, Totals>,
    workspaces: Rows<'a, Totals>,
    ahead: Rows<'a, i64>,
    orders: Orders<'a>,
    relabelled: redb::Table<'a, u64, ()>,
    rejudged: redb::Table<'a, u64, &'static [u8]>,
    hits: Hits<'a>,
    of_campaign: redb::Table<'a, &'static [u8], &'static [u8]>,
    attribution: &'a dyn Fn(WorkspaceId) -> Attribution,
}

impl Fold<'_> {
    fn record(&mut self, record: &Record, contact: Option<ContactId>) -> Result<(), redb::Error> {
        let Record { seq, entry, .. } = record;
        let time = happened_at(entry);
        let class = self.judged(record, class_of(entry), time)?;
        let workspace = entry.workspace;
        if let Fact::Erase { .. } = entry.fact {
            let person = ContactId(*entry.id.as_bytes());
            return contact.map_or(Ok(()), |contact| self.erase(workspace, contact, person));
        }
        // Who is left of a contact is nobody's contact.
        if let Some(contact) = contact.filter(|_| !entry.redacted) {
            let row = self.contacts.get(key(workspace, &[&contact.0]))?;
            row.see(entry, class, time);
        }
        match &entry.fact {
            Fact::Purchase {
                order_id,
                revenue,
                message_id,
                ..
            } => {
                let order = Order {
                    order_id: order_id.as_str().to_owned(),
                    contact,
                    verified: entry.is_verified(),
                    explicit: message_id.as_ref().map(|id| id.as_str().to_owned()),
                    currency: revenue.currency.code().to_owned(),
                    gross: revenue.minor,
                    refunded: 0,
                    credits: Default::default(),
                };
                let windows = (self.attribution)(workspace);
                let credited = self.orders.place(workspace, time, *seq, order, &windows)?;
                self.credit(workspace, &credited)
            }
            Fact::Refund {
                order_id, amount, ..
            } => {
                let orders = &mut self.orders;
                let credited = orders.refund(workspace, order_id.as_str(), amount.minor)?;
                self.credit(workspace, &credited)
            }
            Fact::Amend {
                order_id,
                revenue,
                message_id,
                ..
            } => {
                let windows = (self.attribution)(workspace);
                let explicit = message_id.as_ref().map(MessageId::as_str);
                let (orders, order_id) = (&mut self.orders, order_id.as_str());
                let moves = orders.amend(workspace, order_id, revenue.minor, explicit, &windows)?;
                self.credit(workspace, &moves)
            }
            Fact::Track { .. }
            | Fact::Identify { .. }
            | Fact::Suppress { .. }
            | Fact::Lift { .. }
            | Fact::Erase { .. } => Ok(()),
            Fact::Send { .. }
            | Fact::Open { .. }
            | Fact::Click { .. }
            | Fact::Unsubscribe { .. }
            | Fact::Delivery { .. } => self.mail(record, contact, class, time),
            Fact::Told { .. } => self.told(record, contact),
        }
    }

    fn mail(
        &mut self,
        record: &Record,
        contact: Option<ContactId>,
        class: Class,
        time: i64,
    ) -> Result<(), redb::Error> {
        let Record { seq, entry, .. } = record;
        let workspace = entry.workspace;
        let Some(message_id) = entry.fact.message_id().map(MessageId::as_str) else {
            return Ok(());
        };
        let (mut gone, mut clicks_of) = (Vec::new(), None);
        let (mut hit, mut is_told) = (None, false);
        self.message(workspace, message_id, |message| {
            message.learn(entry, contact);
            is_told = message.told_at.is_some();
            match &entry.fact {
                Fact::Send { .. } => {
                    message.registered = true;
                    message.note_ahead(entry.received_at.as_millis());
                }
                Fact::Open { .. } => {
                    message.opens.add(class, 1);
                    hit = Some(What::Open);
                }
                Fact::Click { link, target, .. } => {
                    clicks_of = message.clicks_of(contact);
                    if let Some(click) = Click::of(*seq, time, class, entry) {
                        gone = message.click(click);
                        hit = Some(What::Click {
                            click,
                            link: *link,
                            target: target.as_ref().map(|target| target.0.clone()),
                        });
                    }
                }
                Fact::Unsubscribe { .. } => {
                    message.unsubscribes += 1;
                    hit = Some(What::Unsubscribe);
                }
                Fact::Delivery { status, .. } => {
                    message.fate.see(*status);
                    hit = Some(What::Delivery(*status));
                }
                _ => {}
            }
        })?;
        for click in &gone {
            self.relabelled.insert(click.seq, ())?;
        }
        if let Some(what) = hit {
            let reason = entry.told_by.class().map(|(_, reason)| reason.clone());
            let timing = entry.told_by.timing().cloned().filter(|_| !is_told);
            let hit = Hit {
                time,
                class,
                contact,
                what,
                timing: timing.zip(reason),
            };
            self.hits.put(workspace, message_id, seq.0, &hit)?;
        }
        let kind = match entry.fact {
            Fact::Open { .. } => TouchKind::Open,
            Fact::Click { .. } => TouchKind::Click,
            _ => return Ok(()),
        };
        let windows = (self.attribution)(workspace);
        let mut touched = Vec::new();
        // Of the clicks that turn out to be a machine's, this one may be one: then it never counted.
        let counts = tally::is_genuine(class) && !gone.iter().any(|click| click.seq == seq.0);
        if let Some(contact) = contact.filter(|_| counts) {
            let touch = Touched {
                kind,
                time,
                seq: seq.0,
            };
            touched.extend(
                self.orders
                    .touch(workspace, contact, touch, message_id, &windows)?,
            );
        }
        gone.retain(|click| click.has_contact);
        if let Some(contact) = clicks_of.filter(|_| !gone.is_empty()) {
            for click in &gone {
                let touch = Touched {
                    kind,
                    time: click.time,
                    seq: click.seq,
                };
                touched.extend(self.orders.untouch(workspace, contact, touch, &windows)?);
            }
            let left = self.orders.touched(workspace, contact)?;
            let times = gone.iter().map(|click| click.time);
            self.contact(workspace, contact, |row| row.unsee_clicks(times, left))?;
        }
        self.credit(workspace, &touched)
    }

    /// Moves what orders earn from one message to another.
    fn credit(&mut self, workspace: WorkspaceId, moves: &[order::Move]) -> Result<(), redb::Error> {
        for order::Move {
            message_id,
            earned,
            sign,
        } in moves
        {
            self.message(workspace, message_id, |message| {
                message.revenue.add(earned, *sign);
            })?;
        }
        Ok(())
    }

    /// Changes what is known of a contact; nothing is of one that was erased.
    fn contact(
        &mut self,
        workspace: WorkspaceId,
        contact: ContactId,
        change: impl FnOnce(&mut Contact),
    ) -> Result<(), redb::Error> {
        if let Some(row) = self.contacts.existing(key(workspace, &[&contact.0]))? {
            change(row);
        }
        Ok(())
    }

    /// Changes a message, and its campaign by the difference.
    fn message(
        &mut self,
        workspace: WorkspaceId,
        message_id: &str,
        change: impl FnOnce(&mut Message),
    ) -> Result<(), redb::Error> {
        let message = self
            .messages
            .get(key(workspace, &[message_id.as_bytes()]))?;
        let before = (message.campaign_id.clone(), message.totals());
        let ahead_before = message.ahead;
        change(message);
        let after = (message.campaign_id.clone(), message.totals());
        let ahead_after = message.ahead;
        if before == after && ahead_before == ahead_after {
            return Ok(());
        }
        for ((campaign_id, _), ahead, sign) in
            [(&before, ahead_before, -1), (&after, ahead_after, 1)]
        {
            if let Some(time) = ahead {
                self.count_ahead(workspace, campaign_id.as_deref(), time, sign)?;
            }
        }
        if before.0 != after.0 {
            let place = |campaign_id: &str| of_campaign_key(workspace, campaign_id, message_id);
            if let Some(campaign_id) = &before.0 {
                self.of_campaign.remove(place(campaign_id).as_slice())?;
            }
            if let Some(campaign_id) = &after.0 {
                self.of_campaign
                    .insert(place(campaign_id).as_slice(), [].as_slice())?;
            }
        }
        for ((campaign_id, totals), sign) in [(before, -1), (after, 1)] {
            self.workspaces.get(key(workspace, &[]))?.add(&totals, sign);
            if let Some(campaign_id) = campaign_id {
                let key = key(workspace, &[campaign_id.as_bytes()]);
                self.campaigns.get(key)?.add(&totals, sign);
            }
        }
        Ok(())
    }
}

/// The key in [`OF_CAMPAIGN`]; of no message the key before all of the campaign's.
fn of_campaign_key(workspace: WorkspaceId, campaign_id: &str, message_id: &str) -> Vec<u8> {
    let length = hits::length(campaign_id);
    key(
        workspace,
        &[&length, campaign_id.as_bytes(), message_id.as_bytes()],
    )
}

/// When it happened, in milliseconds since 1970, but never later than it was known here: a time that
/// lies ahead must not outlive everything else.
fn happened_at(entry: &Entry) -> i64 {
    entry.time.as_millis().min(entry.received_at.as_millis())
}

/// Makes the tables, so that readers find them from the start.
pub(super) fn create(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    for table in TABLES {
        transaction.open_table(table)?;
    }
    transaction.open_table(RELABELLED)?;
    transaction.open_table(REJUDGED)?;
    Ok(())
}

/// Fails where the tables are not those that are read here.
pub(super) fn check(snapshot: &ReadTransaction) -> Result<(), redb::Error> {
    for table in TABLES {
        snapshot.open_table(table)?;
    }
    snapshot.open_table(RELABELLED)?;
    snapshot.open_table(REJUDGED)?;
    Ok(())
}

pub(super) fn dump(snapshot: &ReadTransaction, dump: &mut Dump) -> Result<(), redb::Error> {
    const NAMES: [&str; 11] = [
        "contacts_v1",
        "messages_v1",
        "campaigns_v1",
        "workspaces_v1",
        "messages_of_campaign_v1",
        "hits_v1",
        "touches_v1",
        "orders_v1",
        "order_places_v1",
        "orders_of_contact_v1",
        "ahead_v1",
    ];
    for (table, name) in TABLES.into_iter().zip(NAMES) {
        let mut rows = Vec::new();
        for row in snapshot.open_table(table)?.iter()? {
            let (key, value) = row?;
            rows.push((key.value().to_vec(), value.value().to_vec()));
        }
        dump.insert(name, rows);
    }
    let mut rows = Vec::new();
    for row in snapshot.open_table(RELABELLED)?.iter()? {
        let (key, _) = row?;
        rows.push((key.value().to_be_bytes().to_vec(), Vec::new()));
    }
    dump.insert("relabelled_v1", rows);
    let mut rows = Vec::new();
    for row in snapshot.open_table(REJUDGED)?.iter()? {
        let (key, value) = row?;
        rows.push((key.value().to_be_bytes().to_vec(), value.value().to_vec()));
    }
    dump.insert("rejudged_v1", rows);
    Ok(())
}

/// The contact's row; `None` where nothing is known of it.
pub(super) fn contact(
    snapshot: &ReadTransaction,
    workspace: WorkspaceId,
    contact: ContactId,
) -> Result<Option<Contact>, redb::Error> {
    rows::read(
        &snapshot.open_table(CONTACTS)?,
        &key(workspace, &[&contact.0]),
    )
}

/// The message's row; `None` where nothing is known of it.
pub(super) fn message(
    snapshot: &ReadTransaction,
    workspace: WorkspaceId,
    message_id: &str,
) -> Result<Option<Message>, redb::Error> {
    let key = key(workspace, &[message_id.as_bytes()]);
    rows::read(&snapshot.open_table(MESSAGES)?, &key)
}

/// The campaign's totals as of `now`, in milliseconds since 1970; `None` where nothing is known of it.
pub(super) fn campaign(
    snapshot: &ReadTransaction,
    workspace: WorkspaceId,
    campaign_id: &str,
    now: i64,
) -> Result<Option<Totals>, redb::Error> {
    let key = key(workspace, &[campaign_id.as_bytes()]);
    let mut totals: Option<Totals> = rows::read(&snapshot.open_table(CAMPAIGNS)?, &key)?;
    if let Some(totals) = &mut totals {
        ahead::take_off(snapshot, workspace, Some(campaign_id), now, totals)?;
    }
    Ok(totals)
}

/// The campaign's messages behind `after` in the order of their ids, at most `limit`.
pub(super) fn messages_of_campaign(
    snapshot: &ReadTransaction,
    workspace: WorkspaceId,
    campaign_id: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, Message)>, redb::Error> {
    let (index, messages) = (
        snapshot.open_table(OF_CAMPAIGN)?,
        snapshot.open_table(MESSAGES)?,
    );
    let of_all = of_campaign_key(workspace, campaign_id, "");
    let first = of_campaign_key(workspace, campaign_id, after);
    let mut found = Vec::new();
    for row in index.range(first.as_slice()..)? {
        let (place, _) = row?;
        let Some(message_id) = place.value().strip_prefix(of_all.as_slice()) else {
            break;
        };
        if message_id == after.as_bytes() {
            continue;
        }
        let id = String::from_utf8_lossy(message_id).into_owned();
        if let Some(message) = rows::read(&messages, &key(workspace, &[message_id]))? {
            found.push((id, message));
        }
        if found.len() == limit {
            break;
        }
    }
    Ok(found)
}

/// What all messages of a workspace come to as of `now`, in milliseconds since 1970.
pub(super) fn workspace(
    snapshot: &ReadTransaction,
    workspace: WorkspaceId,
    now: i64,
) -> Result<Totals, redb::Error> {
    let row = rows::read(&snapshot.open_table(WORKSPACES)?, &key(workspace, &[]))?;
    let mut totals: Totals = row.unwrap_or_default();
    ahead::take_off(snapshot, workspace, None, now, &mut totals)?;
    Ok(totals)
}

/// Whether the click at this seq was found out to be a machine's.
pub(super) fn is_relabelled(snapshot: &ReadTransaction, seq: u64) -> Result<bool, redb::Error> {
    Ok(snapshot.open_table(RELABELLED)?.get(seq)?.is_some())
}

/// The class of an open or a click, and its reason, by the time that was told of its message; `None`
/// where those on record hold.
pub(super) fn rejudged(
    snapshot: &ReadTransaction,
    seq: u64,
) -> Result<Option<(Class, String)>, redb::Error> {
    let table = snapshot.open_table(REJUDGED)?;
    let row = table.get(seq)?;
    row.map(|row| rows::decode(row.value())).transpose()
}
