//! Orders, the genuine opens and clicks that they may be credited to, and to which they are.
//!
//! Whom an order is credited to depends on the touches of its contact alone, never on which of them
//! came first: when a touch comes or goes, the orders that it could have led to are credited again.

use serde::{Deserialize, Serialize};

use super::ORDERS;
use super::rows::{decode, encode, from_sortable, key, read, sortable};
use super::tally::Earned;
use crate::attribution::{Model, PerModel};
use crate::ledger::decide::Attribution;
use crate::record::{ContactId, Seq, WorkspaceId};
use crate::views::ordered::{Ordered, Way, successor};
use crate::views::rows::Rows;

/// A click says more than an open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TouchKind {
    Open,
    Click,
}

/// A genuine open or click.
#[derive(Debug, Clone, Copy)]
pub(super) struct Touched {
    pub(super) kind: TouchKind,
    /// Milliseconds since 1970.
    pub(super) time: i64,
    pub(super) seq: u64,
}

/// Why an order is credited to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CreditCause {
    /// The order came with the messageId.
    Explicit,
    Touch(TouchKind),
}

/// To which message an order is credited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    pub message_id: String,
    pub cause: CreditCause,
}

/// An order that was paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub(crate) order_id: String,
    /// Who is left once the contact was erased. `None` where nobody is known: then no touch can be credited.
    pub(crate) contact: Option<ContactId>,
    /// A server vouches for it; others earn nothing.
    pub verified: bool,
    /// The messageId that it came with.
    pub explicit: Option<String>,
    pub currency: String,
    /// Minor units.
    pub gross: i64,
    /// Minor units.
    pub refunded: i64,
    pub credits: PerModel<Option<Credit>>,
}

/// What is added to a message's revenue (`sign` 1) or taken from it (−1).
#[derive(Debug)]
pub(super) struct Move {
    pub(super) message_id: String,
    pub(super) earned: Earned,
    pub(super) sign: i64,
}

/// The tables of orders, open for a fold.
pub(super) struct Orders<'a> {
    /// Key: workspace (u32), contact (16 bytes), kind (u8), time (i64, sortable), seq (u64), all
    /// big-endian. Value: messageId. Genuine opens and clicks alone.
    pub(super) touches: &'a mut Ordered,
    /// Key: workspace (u32), time (i64, sortable), seq (u64), all big-endian. Value: postcard of
    /// [`Order`].
    pub(super) orders: &'a mut Ordered,
    /// Key: workspace (u32, big-endian), 1 where verified and else 0 (u8), orderId. Value: the key in
    /// `orders`.
    pub(super) places: &'a mut Ordered,
    /// Key: workspace (u32), contact (16 bytes), then what follows the workspace in the key in
    /// `orders`, all big-endian. Value: nothing. Verified orders alone.
    pub(super) of_contact: &'a mut Ordered,
    /// Keys of orders that pages told in this fold.
    pub(super) new_of_pages: Vec<Vec<u8>>,
}

impl Orders<'_> {
    /// Takes a new order in. One of a server takes the place of what a page said of it; what a page
    /// says counts where nothing was said before.
    pub(super) fn place(
        &mut self,
        workspace: WorkspaceId,
        time: i64,
        Seq(seq): Seq,
        mut order: Order,
        windows: &Attribution,
    ) -> Result<Vec<Move>, redb::Error> {
        let order_key = order_key(workspace, time, seq);
        let mut moves = Vec::new();
        if !order.verified {
            for verified in [true, false] {
                let said = place_key(workspace, verified, &order.order_id);
                if self.places.get(&said)?.is_some() {
                    return Ok(moves);
                }
            }
        }
        if order.verified {
            let page_said = place_key(workspace, false, &order.order_id);
            if let Some(superseded) = self.places.remove(&page_said)? {
                self.orders.remove(&superseded)?;
            }
            order.credits = self.credits(workspace, time, &order, windows)?;
            moves = order.moves(1);
            if let Some(contact) = order.contact {
                let of_contact = of_contact_key(workspace, contact, &order_key);
                self.of_contact.insert(&of_contact, &[]);
            }
        }
        let place = place_key(workspace, order.verified, &order.order_id);
        self.places.insert(&place, &order_key);
        self.orders.insert(&order_key, &encode(&order)?);
        if !order.verified {
            self.new_of_pages.push(order_key);
        }
        Ok(moves)
    }

    /// Gives back of a server's order; the log has seen to it that no more than there was.
    pub(super) fn refund(
        &mut self,
        workspace: WorkspaceId,
        order_id: &str,
        minor: i64,
    ) -> Result<Vec<Move>, redb::Error> {
        let place = place_key(workspace, true, order_id);
        let Some(order_key) = self.places.get(&place)? else {
            return Ok(Vec::new());
        };
        self.change(&order_key, |order| order.refunded += minor)
    }

    /// Changes a server's order: what it is worth, and where one is sent the messageId that it came
    /// with. It stays where it is in time.
    pub(super) fn amend(
        &mut self,
        workspace: WorkspaceId,
        order_id: &str,
        gross: i64,
        explicit: Option<&str>,
        windows: &Attribution,
    ) -> Result<Vec<Move>, redb::Error> {
        let place = place_key(workspace, true, order_id);
        let Some(order_key) = self.places.get(&place)? else {
            return Ok(Vec::new());
        };
        let Some(mut amended) = read::<Order>(self.orders, &order_key)? else {
            return Ok(Vec::new());
        };
        amended.gross = gross;
        if let Some(explicit) = explicit {
            amended.explicit = Some(explicit.to_owned());
        }
        let (time, _) = when(&order_key);
        amended.credits = self.credits(workspace, time, &amended, windows)?;
        self.change(&order_key, |order| *order = amended)
    }

    /// A genuine open or click has come.
    pub(super) fn touch(
        &mut self,
        workspace: WorkspaceId,
        contact: ContactId,
        touched: Touched,
        message_id: &str,
        windows: &Attribution,
    ) -> Result<Vec<Move>, redb::Error> {
        let touch = touch_key(workspace, contact, touched);
        self.touches.insert(&touch, message_id.as_bytes());
        self.credit_again(workspace, contact, touched, windows)
    }

    /// It was none.
    pub(super) fn untouch(
        &mut self,
        workspace: WorkspaceId,
        contact: ContactId,
        touched: Touched,
        windows: &Attribution,
    ) -> Result<Vec<Move>, redb::Error> {
        // A click that shows itself to be a machine's was never put in.
        let touch = touch_key(workspace, contact, touched);
        if self.touches.remove(&touch)?.is_none() {
            return Ok(Vec::new());
        }
        self.credit_again(workspace, contact, touched, windows)
    }

    /// What a contact has touched and ordered is this person's from now on. What the person has of before
    /// is known under either: its orders are credited again. `of_pages` are the contact's that pages told before
    /// this fold.
    pub(super) fn rename(
        &mut self,
        workspace: WorkspaceId,
        contact: ContactId,
        person: ContactId,
        of_pages: &[Vec<u8>],
        windows: &Attribution,
    ) -> Result<Vec<Move>, redb::Error> {
        let (before, after) = (key(workspace, &[&contact.0]), key(workspace, &[&person.0]));
        for table in [&mut *self.touches, &mut *self.of_contact] {
            let rows: Vec<_> = table
                .beginning_with(&before)?
                .map(|row| row.map(|(key, row)| (key.into_owned(), row.into_owned())))
                .collect::<Result<_, _>>()?;
            for (old, row) in rows {
                table.remove(&old)?;
                let new = [after.as_slice(), &old[before.len()..]].concat();
                table.insert(&new, &row);
            }
        }
        // Those that pages told stand in no index of contacts, and are credited to nothing.
        for order_key in of_pages.iter().chain(&self.new_of_pages) {
            let order = read::<Order>(self.orders, order_key)?;
            if let Some(mut order) = order.filter(|order| order.contact == Some(contact)) {
                order.contact = Some(person);
                self.orders.insert(order_key, &encode(&order)?);
            }
        }
        let places = self.of_contact.beginning_with(&after)?;
        let places: Vec<Vec<u8>> = places
            .map(|row| row.map(|(place, _)| place[after.len()..].to_vec()))
            .collect::<Result<_, _>>()?;
        let mut moves = Vec::new();
        for place in places {
            let order_key = key(workspace, &[&place]);
            let Some(mut order) = read::<Order>(self.orders, &order_key)? else {
                continue;
            };
            order.contact = Some(person);
            let (time, _) = when(&order_key);
            let credits = self.credits(workspace, time, &order, windows)?;
            moves.extend(self.change(&order_key, |row| {
                row.contact = Some(person);
                row.credits = credits;
            })?);
        }
        Ok(moves)
    }

    /// When the contact first and last touched anything.
    pub(super) fn touched(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
    ) -> Result<Option<(i64, i64)>, redb::Error> {
        let mut times = Vec::new();
        for kind in [TouchKind::Open, TouchKind::Click] {
            let at = |time, seq| touch_key(workspace, contact, Touched { kind, time, seq });
            let (first, last) = (at(i64::MIN, 0), at(i64::MAX, u64::MAX));
            let end = successor(&last);
            for way in [Way::Up, Way::Down] {
                let mut touches = self.touches.range(&first, end.as_deref(), way)?;
                if let Some((touch, _)) = touches.next().transpose()? {
                    times.push(touched_at(&touch));
                }
            }
        }
        Ok(times.iter().copied().min().zip(times.into_iter().max()))
    }

    /// Credits the orders that a touch could have led to.
    fn credit_again(
        &mut self,
        workspace: WorkspaceId,
        contact: ContactId,
        touched: Touched,
        windows: &Attribution,
    ) -> Result<Vec<Move>, redb::Error> {
        let of_contact = key(workspace, &[&contact.0]);
        let until = touched.time.saturating_add(window(windows, touched.kind));
        let first = [of_contact.as_slice(), &sortable(touched.time)].concat();
        let end = [of_contact.as_slice(), &sortable(until)].concat();
        let mut orders = Vec::new();
        for row in self.of_contact.range(&first, Some(&end), Way::Up)? {
            let (found, _) = row?;
            orders.push(found[of_contact.len()..].to_vec());
        }
        let mut moves = Vec::new();
        for place in orders {
            moves.extend(self.credit_by(workspace, &key(workspace, &[&place]), windows)?);
        }
        Ok(moves)
    }

    /// The keys of all orders of a workspace.
    pub(super) fn of_workspace(&self, workspace: WorkspaceId) -> Result<Vec<Vec<u8>>, redb::Error> {
        let orders = self.orders.beginning_with(&key(workspace, &[]))?;
        orders.map(|order| Ok(order?.0.into_owned())).collect()
    }

    /// Credits an order of a server's by these windows.
    pub(super) fn credit_by(
        &mut self,
        workspace: WorkspaceId,
        order_key: &[u8],
        windows: &Attribution,
    ) -> Result<Vec<Move>, redb::Error> {
        let Some(order) = read::<Order>(self.orders, order_key)?.filter(|order| order.verified)
        else {
            return Ok(Vec::new());
        };
        let (time, _) = when(order_key);
        let credits = self.credits(workspace, time, &order, windows)?;
        if credits == order.credits {
            return Ok(Vec::new());
        }
        self.change(order_key, |order| order.credits = credits)
    }

    /// Changes an order: what it earned goes, what it earns now comes.
    fn change(
        &mut self,
        order_key: &[u8],
        change: impl FnOnce(&mut Order),
    ) -> Result<Vec<Move>, redb::Error> {
        let Some(mut order) = read::<Order>(self.orders, order_key)? else {
            return Ok(Vec::new());
        };
        let mut moves = order.moves(-1);
        change(&mut order);
        moves.extend(order.moves(1));
        self.orders.insert(order_key, &encode(&order)?);
        Ok(moves)
    }

    /// Whom an order is credited to, under each model.
    fn credits(
        &self,
        workspace: WorkspaceId,
        time: i64,
        order: &Order,
        windows: &Attribution,
    ) -> Result<PerModel<Option<Credit>>, redb::Error> {
        let explicit = order.explicit.as_ref().map(|message_id| Credit {
            message_id: message_id.clone(),
            cause: CreditCause::Explicit,
        });
        if explicit.is_some() {
            return Ok(PerModel {
                last_touch: explicit.clone(),
                last_click: explicit.clone(),
                explicit,
            });
        }
        let Some(contact) = order.contact else {
            return Ok(PerModel::default());
        };
        let last = |kind| self.last_touch(workspace, contact, time, kind, windows);
        let click = last(TouchKind::Click)?;
        let touch = match &click {
            Some(click) => Some(click.clone()),
            None => last(TouchKind::Open)?,
        };
        Ok(PerModel {
            last_touch: touch,
            last_click: click,
            explicit: None,
        })
    }

    /// The last touch of this kind in (time − window, time].
    fn last_touch(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
        time: i64,
        kind: TouchKind,
        windows: &Attribution,
    ) -> Result<Option<Credit>, redb::Error> {
        let key_at = |time, seq| touch_key(workspace, contact, Touched { kind, time, seq });
        let since = time.saturating_sub(window(windows, kind));
        if since >= time {
            return Ok(None);
        }
        let first = key_at(since.saturating_add(1), 0);
        let last = key_at(time, u64::MAX);
        let end = successor(&last);
        let mut touches = self.touches.range(&first, end.as_deref(), Way::Down)?;
        let Some((_, message_id)) = touches.next().transpose()? else {
            return Ok(None);
        };
        Ok(Some(Credit {
            message_id: String::from_utf8_lossy(&message_id).into_owned(),
            cause: CreditCause::Touch(kind),
        }))
    }
}

impl Order {
    /// What it adds to messages, or takes from them.
    fn moves(&self, sign: i64) -> Vec<Move> {
        self.credits
            .iter()
            .filter_map(|(model, credit)| {
                let credit = credit.as_ref()?;
                Some(Move {
                    message_id: credit.message_id.clone(),
                    earned: self.earned(model),
                    sign,
                })
            })
            .collect()
    }

    pub(crate) fn earned(&self, model: Model) -> Earned {
        Earned {
            model,
            currency: self.currency.clone(),
            orders: 1,
            gross: self.gross.into(),
            refunded: self.refunded.into(),
        }
    }
}

/// Every order of a workspace with a time from `from` and before `to` (milliseconds since 1970), the
/// oldest first, with its time.
pub(crate) fn for_each(
    rows: &Rows,
    workspace: WorkspaceId,
    from: i64,
    to: i64,
    mut each: impl FnMut(i64, Order) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let (first, end) = (order_key(workspace, from, 0), order_key(workspace, to, 0));
    if first >= end {
        return Ok(());
    }
    for row in rows.tables[ORDERS].range(&first, Some(&end), Way::Up)? {
        let (found, order) = row?;
        each(when(&found).0, decode(&order)?)?;
    }
    Ok(())
}

fn window(windows: &Attribution, kind: TouchKind) -> i64 {
    match kind {
        TouchKind::Open => windows.open_window_ms,
        TouchKind::Click => windows.click_window_ms,
    }
}

fn order_key(workspace: WorkspaceId, time: i64, seq: u64) -> Vec<u8> {
    key(workspace, &[&sortable(time), &seq.to_be_bytes()])
}

/// The time and the seq in a key of `ORDERS`.
pub(super) fn when(order_key: &[u8]) -> (i64, u64) {
    let (mut time, mut seq) = ([0; 8], [0; 8]);
    time.copy_from_slice(&order_key[4..12]);
    seq.copy_from_slice(&order_key[12..20]);
    (from_sortable(time), u64::from_be_bytes(seq))
}

fn of_contact_key(workspace: WorkspaceId, contact: ContactId, order_key: &[u8]) -> Vec<u8> {
    key(workspace, &[&contact.0, &order_key[4..]])
}

/// Hands over the orders of a workspace that pages told, with their keys.
pub(super) fn each_of_pages(
    rows: &Rows,
    workspace: WorkspaceId,
    mut each: impl FnMut(&[u8], &Order),
) -> Result<(), redb::Error> {
    let orders = &rows.tables[super::ORDERS];
    for row in rows.tables[super::PLACES].beginning_with(&key(workspace, &[&[0]]))? {
        let (_, order_key) = row?;
        if let Some(order) = read::<Order>(orders, &order_key)? {
            each(&order_key, &order);
        }
    }
    Ok(())
}

pub(super) fn place_key(workspace: WorkspaceId, verified: bool, order_id: &str) -> Vec<u8> {
    key(workspace, &[&[u8::from(verified)], order_id.as_bytes()])
}

fn touch_key(workspace: WorkspaceId, contact: ContactId, touched: Touched) -> Vec<u8> {
    let kind = match touched.kind {
        TouchKind::Open => 0,
        TouchKind::Click => 1,
    };
    let time = sortable(touched.time);
    let seq = touched.seq.to_be_bytes();
    key(workspace, &[&contact.0, &[kind], &time, &seq])
}

/// The time in a key of `TOUCHES`.
fn touched_at(touch_key: &[u8]) -> i64 {
    let mut time = [0; 8];
    time.copy_from_slice(&touch_key[21..29]);
    from_sortable(time)
}
