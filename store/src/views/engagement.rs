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
//! - `browsers`: what browsers did without an address, and whose it is
//! - `contact`: one person; when seen, unsubscribed; `packed`: its row as bytes
//! - `score`: how engaged a person is
//! - `hits`: everything that happened to a message
//! - `spans`: reading messages with what happened to them
//! - `erased`: what is left of a contact
//! - `replayed`: what the hits of a message are, over a list of them
//! - `told`: what changes once it is told when a message left
//! - `order`: one order, its touches, whom it is credited to
//! - `windows`: how long touches are credited, and what changes with that
//! - `weighing`: what events weigh in scores, and what changes with that

mod ahead;
mod browsers;
pub(crate) mod contact;
mod erased;
pub(crate) mod hits;
pub(crate) mod message;
pub mod order;
mod packed;
pub(super) mod replayed;
pub(super) mod rows;
pub(crate) mod score;
pub(crate) mod single;
pub(crate) mod spans;
pub(crate) mod tally;
#[cfg(test)]
pub(super) mod tests;
mod told;
pub(crate) mod weighing;
pub(crate) mod windows;

use std::collections::{BTreeMap, HashMap};

use shared::ids::MessageId;

use super::columns::Column;
use super::identity::Browsers;
use super::numbers::Numbers;
use super::ordered::Ordered;
use super::ordered::{Way, successor};
use super::pages::Pages;
use super::rows::Rows;
use super::traits::{self, Trait, Traits};
use super::view::{Around, Happening, NEAR, Plan, View};
use crate::classify::of_page;
use crate::ledger::decide::{Attribution, Scoring, WorkspaceKeys};
use crate::record::{Class, ContactId, Entry, Fact, WorkspaceId};
pub(super) use browsers::{browsers_of, count_in_browsers, owner};
use contact::Contact;
pub(crate) use erased::{Sought, forget};
use hits::{Hit, Hits, What};
use message::{Click, Message};
use order::{Order, Orders, TouchKind, Touched};
use rows::{Held, key};
use tally::Totals;

/// See above.
pub(super) struct Engagement;

impl View for Engagement {
    const PLAN: Plan = Plan {
        name: "engagement",
        version: 4,
        numbers: &[],
        pages: &["contacts_v4"],
        tables: &TABLES,
        columns: 1,
        cache: 10 * 1024 * 1024,
        share: 2,
        derive,
    };

    fn fold(
        rows: &mut Rows,
        around: &Around<'_>,
        happenings: &[Happening<'_>],
    ) -> Result<(), redb::Error> {
        let mut fold = Fold::of(rows, around.keys, around.contacts)?;
        fold.sought = Some(around.sought);
        for happenings in happenings.chunks(NEAR) {
            for happening in happenings {
                if let Some(contact) = happening.contact {
                    fold.contacts.touch(contact.number);
                    fold.scores.touch(contact.number);
                }
            }
            for happening in happenings {
                fold.record(happening)?;
            }
        }
        fold.write()
    }
}

/// Works out what a contact is sorted by.
fn derive(columns: &mut [Column], book: usize, number: u32, row: &[u8]) -> Result<(), redb::Error> {
    if book == CONTACTS {
        let row = unpacked(row)?;
        let height = row.own_rules.map(|(_, height)| height);
        columns[SCORES].set(number, height.unwrap_or_else(|| row.height()));
    }
    Ok(())
}

/// In the order of their places, which stand below.
const TABLES: [&str; 20] = [
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
    "relabelled_v1",
    "rejudged_v1",
    "addresses_v1",
    "windows_v1",
    "browsers_said_v1",
    "browsers_did_v2",
    "browsers_of_contacts_v1",
    "messages_named_v1",
    "traits_v1",
    "scoring_v1",
];

/// Rows by the number of the contact. Value: see [`packed`].
const CONTACTS: usize = 0;
/// The column of what contacts are sorted by: [`score::Score::height`].
const SCORES: usize = 0;

/// Key: workspace (u32, big-endian), messageId. Value: postcard of [`Message`].
const MESSAGES: usize = 0;
/// Key: workspace (u32, big-endian), campaignId. Value: postcard of [`Totals`].
const CAMPAIGNS: usize = 1;
/// Key: workspace (u32, big-endian). Value: postcard of [`Totals`], of all its messages.
const WORKSPACES: usize = 2;
/// Key: workspace (u32), length of the campaignId (u16), campaignId, messageId, numbers big-endian.
/// Value: nothing.
const OF_CAMPAIGN: usize = 3;
/// See [`Hits`].
const HITS: usize = 4;
/// This and the next three: see [`Orders`].
const TOUCHES: usize = 5;
const ORDERS: usize = 6;
const PLACES: usize = 7;
const OF_CONTACT: usize = 8;
/// See [`ahead`].
const AHEAD: usize = 9;
/// Key: seq (u64, big-endian) of a click whose class was changed from genuine to bot by the rule of bursts.
const RELABELLED: usize = 10;
/// Key: seq (u64, big-endian) of an open or a click of a message whose real time of sending was told. Value:
/// postcard of the class that it has by that time and the reason, where they are not those on record.
const REJUDGED: usize = 11;
/// Key: the number of a contact (u32, big-endian). Value: [`Contact::address`].
const ADDRESSES: usize = 12;
/// See [`windows`].
const WINDOWS: usize = 13;
/// This and the next two: see [`Browsers`].
const SAID: usize = 14;
const DID: usize = 15;
const BROWSERS_OF: usize = 16;
/// See [`browsers`].
const NAMED: usize = 17;
/// See [`Traits`].
const TRAITS: usize = 18;
/// See [`weighing`].
const SCORING: usize = 19;

/// Who acted: the class that was decided at the edge; of a page's event from before there were
/// classes, what it would have been; `Human` where a server says so.
pub(super) fn class_of(entry: &Entry) -> Class {
    match entry.told_by.class() {
        Some((class, _)) => *class,
        None => of_page(entry).map_or(Class::Human, |judged| judged.class),
    }
}

struct Fold<'a> {
    contacts: &'a mut Pages,
    /// Where a contact's row is packed.
    packed: Vec<u8>,
    scores: &'a mut Column,
    addresses: &'a mut Ordered,
    numbers: &'a Numbers,
    messages: Held<'a, Message>,
    campaigns: Held<'a, Totals>,
    workspaces: Held<'a, Totals>,
    ahead: Held<'a, i64>,
    orders: Orders<'a>,
    relabelled: &'a mut Ordered,
    rejudged: &'a mut Ordered,
    hits: Hits<'a>,
    of_campaign: &'a mut Ordered,
    windows: &'a mut Ordered,
    scoring: &'a mut Ordered,
    browsers: Browsers<'a>,
    named: &'a mut Ordered,
    traits: Traits<'a>,
    purges: &'a mut bool,
    /// Messages of contacts that are erased, as far as they were known before.
    sought: Option<&'a Sought>,
    known_windows: HashMap<WorkspaceId, Attribution>,
    known_scoring: HashMap<WorkspaceId, Scoring>,
    keys: &'a dyn WorkspaceKeys,
}

impl<'a> Fold<'a> {
    fn of(
        rows: &'a mut Rows,
        keys: &'a dyn WorkspaceKeys,
        numbers: &'a Numbers,
    ) -> Result<Self, redb::Error> {
        let all = [
            MESSAGES,
            CAMPAIGNS,
            WORKSPACES,
            OF_CAMPAIGN,
            HITS,
            TOUCHES,
            ORDERS,
            PLACES,
            OF_CONTACT,
            AHEAD,
            RELABELLED,
            REJUDGED,
            ADDRESSES,
            WINDOWS,
            SAID,
            DID,
            BROWSERS_OF,
            NAMED,
            TRAITS,
            SCORING,
        ];
        let tables = rows.tables.get_disjoint_mut(all);
        let [
            messages,
            campaigns,
            workspaces,
            of_campaign,
            hits,
            touches,
            orders,
            places,
            of_contact,
            ahead,
            relabelled,
            rejudged,
            addresses,
            windows,
            said,
            deeds,
            of_contacts,
            named,
            traits,
            scoring,
        ] = tables.map_err(|error| redb::Error::Corrupted(error.to_string()))?;
        Ok(Self {
            contacts: &mut rows.pages[CONTACTS],
            packed: Vec::new(),
            scores: &mut rows.columns[SCORES],
            addresses,
            numbers,
            messages: Held::of(messages),
            campaigns: Held::of(campaigns),
            workspaces: Held::of(workspaces),
            ahead: Held::of(ahead),
            orders: Orders {
                touches,
                orders,
                places,
                of_contact,
                new_of_pages: Vec::new(),
            },
            relabelled,
            rejudged,
            hits: Hits(hits),
            of_campaign,
            windows,
            scoring,
            browsers: Browsers {
                said,
                deeds,
                of_contacts,
            },
            named,
            traits: Traits(traits),
            purges: &mut rows.purges,
            sought: None,
            known_windows: HashMap::new(),
            known_scoring: HashMap::new(),
            keys,
        })
    }

    /// Writes what is held until the end.
    fn write(self) -> Result<(), redb::Error> {
        self.messages.write()?;
        self.campaigns.write()?;
        self.workspaces.write()?;
        self.ahead.write()
    }

    fn record(&mut self, happening: &Happening<'_>) -> Result<(), redb::Error> {
        let Happening { seq, entry, .. } = *happening;
        let time = happened_at(entry);
        let class = self.judged(happening, class_of(entry), time)?;
        let workspace = entry.workspace;
        // Noted with the workspace's first record, whomever that is about and whatever becomes of them.
        self.scoring(workspace)?;
        if let Fact::Erase { .. } = entry.fact {
            let person = ContactId(*entry.id.as_bytes());
            return match happening.contact {
                Some(contact) => self.erase(workspace, contact, person),
                None => Ok(()),
            };
        }
        // Who is left of a contact is nobody's contact.
        if let Some(contact) = happening.contact.filter(|_| !entry.redacted) {
            self.person(workspace, contact.number, |row| row.see(entry, class, time))?;
            self.traits.see(contact.number, entry, time, seq.0)?;
        }
        self.browser(happening, class, time)?;
        let contact = happening.contact.map(|contact| contact.id);
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
                let windows = self.windows(workspace)?;
                let credited = self.orders.place(workspace, time, seq, order, &windows)?;
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
                let windows = self.windows(workspace)?;
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
            | Fact::Delivery { .. } => self.mail(happening, contact, class, time),
            Fact::Told { .. } => self.told(happening, contact),
        }
    }

    fn mail(
        &mut self,
        happening: &Happening<'_>,
        contact: Option<ContactId>,
        class: Class,
        time: i64,
    ) -> Result<(), redb::Error> {
        let Happening { seq, entry, .. } = *happening;
        let workspace = entry.workspace;
        let Some(message_id) = entry.fact.message_id().map(MessageId::as_str) else {
            return Ok(());
        };
        let mut gone = Vec::new();
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
                    message.hit_by(contact);
                    message.opens.add(class, 1);
                    hit = Some(What::Open);
                }
                Fact::Click { link, target, .. } => {
                    message.hit_by(contact);
                    if let Some(click) = Click::of(seq, time, class, entry) {
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
            self.relabelled.insert(&click.seq.to_be_bytes(), &[]);
        }
        if let Some(what) = hit {
            let is_touch = matches!(what, What::Open | What::Click { .. });
            let reason = entry.told_by.class().map(|(_, reason)| reason.clone());
            let timing = entry.told_by.timing().cloned().filter(|_| !is_told);
            let hit = Hit {
                time,
                class,
                contact: contact.filter(|_| is_touch),
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
        let windows = self.windows(workspace)?;
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
        // Those of one message may count for two: for a contact, and for the person who is left of it.
        let mut of_contact: BTreeMap<ContactId, Vec<Touched>> = BTreeMap::new();
        for click in &gone {
            if let Some(contact) = self.hits.contact_of(workspace, message_id, click.seq)? {
                of_contact.entry(contact).or_default().push(Touched {
                    kind,
                    time: click.time,
                    seq: click.seq,
                });
            }
        }
        for (contact, clicks) in of_contact {
            for click in &clicks {
                touched.extend(self.orders.untouch(workspace, contact, *click, &windows)?);
            }
            let left = self.may_be_taken_back(workspace, contact)?;
            let times = clicks.iter().map(|click| click.time);
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
        match self.numbers.find(&contact.0) {
            Some(number) if !self.contacts.fetch(number)?.is_empty() => {
                self.person(workspace, number, change)
            }
            _ => Ok(()),
        }
    }

    /// The same by the contact's number.
    fn person(
        &mut self,
        workspace: WorkspaceId,
        number: u32,
        change: impl FnOnce(&mut Contact),
    ) -> Result<(), redb::Error> {
        let scoring = self.scoring(workspace)?;
        self.contacts.change(number, |row| {
            let mut row = match row {
                [] => Contact::default(),
                row => unpacked(row)?,
            };
            row.go_by(workspace, scoring);
            change(&mut row);
            if let Some(address) = &row.address {
                self.addresses
                    .insert(&number.to_be_bytes(), address.as_bytes());
            }
            self.scores.set(number, row.height());
            self.packed.clear();
            row.pack(&mut self.packed);
            Ok((&self.packed, ()))
        })
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
        let (ahead_before, contact_before) = (message.ahead, message.contact);
        change(message);
        let after = (message.campaign_id.clone(), message.totals());
        let (ahead_after, contact_after) = (message.ahead, message.contact);
        if contact_before != contact_after {
            self.sent_to(workspace, message_id, contact_before, contact_after)?;
        }
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
                self.of_campaign.remove(&place(campaign_id))?;
            }
            if let Some(campaign_id) = &after.0 {
                self.of_campaign.insert(&place(campaign_id), &[]);
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
pub(super) fn happened_at(entry: &Entry) -> i64 {
    entry.time.as_millis().min(entry.received_at.as_millis())
}

fn unpacked(row: &[u8]) -> Result<Contact, redb::Error> {
    // A row that cannot be read means the file: it is built anew then.
    let bad = |_| redb::Error::Corrupted("a contact's row is not as it was written".into());
    Contact::unpack(row).map_err(bad)
}

/// What is known of the contact with this number; `None` where nothing is.
pub(super) fn contact(rows: &Rows, number: u32) -> Result<Option<Contact>, redb::Error> {
    let mut row = match &*rows.pages[CONTACTS].get(number)? {
        [] => return Ok(None),
        row => unpacked(row)?,
    };
    row.address = address(rows, number)?;
    if let Some((workspace, _)) = row.own_rules {
        row.scoring = weighing::of(rows, workspace)?;
    }
    Ok(Some(row))
}

/// The traits of the contact with this number, by key.
pub(super) fn traits(rows: &Rows, number: u32) -> Result<BTreeMap<String, Trait>, redb::Error> {
    traits::of(&rows.tables[TRAITS], number)
}

/// The address of the contact with this number; `None` where nobody has told it.
pub(super) fn address(rows: &Rows, number: u32) -> Result<Option<String>, redb::Error> {
    let address = rows.tables[ADDRESSES].get(&number.to_be_bytes())?;
    Ok(address.map(|address| String::from_utf8_lossy(&address).into_owned()))
}

/// When the contact with this number was first and last seen, if ever; `None` where nothing is known of them.
pub(super) fn seen(rows: &Rows, number: u32) -> Result<Option<Option<(i64, i64)>>, redb::Error> {
    Ok(match &*rows.pages[CONTACTS].get(number)? {
        [] => None,
        row => Some(unpacked(row)?.seen()),
    })
}

/// Whether anything is known of the contact with this number.
pub(super) fn is_known(rows: &Rows, number: u32) -> Result<bool, redb::Error> {
    Ok(!rows.pages[CONTACTS].get(number)?.is_empty())
}

/// The message's row; `None` where nothing is known of it.
pub(super) fn message(
    rows: &Rows,
    workspace: WorkspaceId,
    message_id: &str,
) -> Result<Option<Message>, redb::Error> {
    let key = key(workspace, &[message_id.as_bytes()]);
    rows::read(&rows.tables[MESSAGES], &key)
}

/// The campaign's totals as of `now`, in milliseconds since 1970; `None` where nothing is known of it.
pub(super) fn campaign(
    rows: &Rows,
    workspace: WorkspaceId,
    campaign_id: &str,
    now: i64,
) -> Result<Option<Totals>, redb::Error> {
    let key = key(workspace, &[campaign_id.as_bytes()]);
    let mut totals: Option<Totals> = rows::read(&rows.tables[CAMPAIGNS], &key)?;
    if let Some(totals) = &mut totals {
        ahead::take_off(rows, workspace, Some(campaign_id), now, totals)?;
    }
    Ok(totals)
}

/// The campaign's messages behind `after` in the order of their ids, at most `limit`.
pub(super) fn messages_of_campaign(
    rows: &Rows,
    workspace: WorkspaceId,
    campaign_id: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, Message)>, redb::Error> {
    let (index, messages) = (&rows.tables[OF_CAMPAIGN], &rows.tables[MESSAGES]);
    let of_all = of_campaign_key(workspace, campaign_id, "");
    let first = of_campaign_key(workspace, campaign_id, after);
    let mut found = Vec::new();
    for row in index.range(&first, successor(&of_all).as_deref(), Way::Up)? {
        let (place, _) = row?;
        let Some(message_id) = place.strip_prefix(of_all.as_slice()) else {
            break;
        };
        if message_id == after.as_bytes() {
            continue;
        }
        let id = String::from_utf8_lossy(message_id).into_owned();
        if let Some(message) = rows::read(messages, &key(workspace, &[message_id]))? {
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
    rows: &Rows,
    workspace: WorkspaceId,
    now: i64,
) -> Result<Totals, redb::Error> {
    let row = rows::read(&rows.tables[WORKSPACES], &key(workspace, &[]))?;
    let mut totals: Totals = row.unwrap_or_default();
    ahead::take_off(rows, workspace, None, now, &mut totals)?;
    Ok(totals)
}

/// Whether the click at this seq was found out to be a machine's.
pub(super) fn is_relabelled(rows: &Rows, seq: u64) -> Result<bool, redb::Error> {
    Ok(rows.tables[RELABELLED].get(&seq.to_be_bytes())?.is_some())
}

/// The class of an open or a click, and its reason, by the time that was told of its message; `None`
/// where those on record hold.
pub(super) fn rejudged(rows: &Rows, seq: u64) -> Result<Option<(Class, String)>, redb::Error> {
    rows::read(&rows.tables[REJUDGED], &seq.to_be_bytes())
}

/// What contacts are sorted by, by their numbers.
pub(super) fn scores(rows: &Rows) -> &Column {
    &rows.columns[SCORES]
}
