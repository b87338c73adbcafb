//! A ledger that is checked, and submissions to check it with.

use std::sync::Arc;

use shared::decimal::Decimal;
use shared::ids::{EventId, OrderId, RefundId};
use shared::money::{Currency, Money};

pub use crate::journal::conformance::{NOW, entry};
use crate::ledger::decide::RefundAsk;
use crate::ledger::{Appended, Log, Proposed, Submission};
use crate::record::public_seq::PublicSeq;
use crate::record::{
    Entry, Fact, Personal, Record, Seq, ToldBy, Visitor, WorkspaceId, WorkspaceKey, WorkspaceKeys,
};

pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId(1);

/// Every workspace has the same key here.
pub struct OneKey;

impl WorkspaceKeys for OneKey {
    fn key_of(&self, _: WorkspaceId) -> Option<WorkspaceKey> {
        Some(WorkspaceKey([7; 32]))
    }
}

pub(crate) fn id(number: u32) -> EventId {
    let mut bytes = [0x40; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    EventId::from_bytes(bytes)
}

/// What [`track`] submits, as it is recorded.
pub fn viewed(number: u32) -> Entry {
    let properties = Some(Personal(format!("{{\"number\":{number}}}")));
    entry(
        number,
        Fact::Track {
            name: "viewed".into(),
            properties,
            message_id: None,
        },
    )
}

pub fn track(number: u32) -> Submission {
    viewed(number).into()
}

pub(crate) fn identify(number: u32) -> Submission {
    entry(number, Fact::Identify { traits: None }).into()
}

pub(crate) fn order_id(text: &str) -> OrderId {
    OrderId::parse(text).expect("an orderId")
}

fn dollars(cents: i64) -> Money {
    Money {
        minor: cents,
        currency: Currency::parse("USD").unwrap(),
    }
}

/// What [`purchase`] submits, as it is recorded.
pub fn paid(number: u32, order: &str, cents: i64) -> Entry {
    entry(
        number,
        Fact::Purchase {
            order_id: order_id(order),
            revenue: dollars(cents),
            rounded: false,
            items: None,
            message_id: None,
        },
    )
}

pub fn purchase(number: u32, order: &str, cents: i64) -> Submission {
    paid(number, order, cents).into()
}

/// The same of a page.
pub fn from_page<F>(mut entry: Entry<F>) -> Entry<F> {
    entry.told_by = ToldBy::browser(Visitor {
        client: None,
        class: None,
    });
    entry
}

pub(crate) fn unverified(mut purchase: Submission) -> Submission {
    purchase.entry = from_page(purchase.entry);
    purchase
}

/// What [`refund`] submits, as it is recorded where it is of so many cents.
pub fn refunded(number: u32, order: &str, refund: &str, cents: i64) -> Entry {
    entry(
        number,
        Fact::Refund {
            order_id: order_id(order),
            refund_id: RefundId::parse(refund).expect("a refundId"),
            amount: dollars(cents),
            rounded: false,
        },
    )
}

pub fn refund(number: u32, order: &str, refund: &str, amount: Option<&str>) -> Submission {
    let amount = amount.map(|amount| Decimal::parse(amount).unwrap());
    let proposed = Proposed::Refund {
        order_id: order_id(order),
        refund_id: RefundId::parse(refund).expect("a refundId"),
        asked: RefundAsk {
            amount,
            currency: None,
        },
    };
    viewed(number).saying(proposed).into()
}

/// Appends one; without the seq that callers see, see [`places`].
pub(crate) async fn append(log: &dyn Log, submission: Submission) -> Appended {
    places(log.append(vec![submission]).await.unwrap()).remove(0)
}

/// Outcomes without the seqs that callers see, which stand in laws of their own (`shown`).
pub(crate) fn places(mut outcomes: Vec<Appended>) -> Vec<Appended> {
    for outcome in &mut outcomes {
        if let Appended::Tracked { public_seq, .. } = outcome {
            *public_seq = PublicSeq::START;
        }
    }
    outcomes
}

pub(crate) fn all(log: &dyn Log) -> Vec<Record> {
    log.read_from(Seq::START, usize::MAX).unwrap()
}

/// A ledger with nothing of its own yet, over a journal that may begin anywhere.
pub struct Subject {
    pub(crate) log: Arc<dyn Log>,
    /// Where the journal ended before anything was appended.
    before: Seq,
}

impl Subject {
    /// Takes a ledger over an empty journal.
    pub fn new(log: Arc<dyn Log>) -> Self {
        let before = *log.committed().borrow();
        Self { log, before }
    }

    /// The place of the record that is the subject's number `number`, from 1; 0 is the place before.
    pub(crate) fn seq(&self, number: impl Into<u64>) -> Seq {
        Seq(self.before.0 + number.into())
    }

    /// What [`places`] leaves of a new record that is its number `number`.
    pub(crate) fn tracked(&self, number: impl Into<u64>) -> Appended {
        Appended::Tracked {
            seq: self.seq(number),
            public_seq: PublicSeq::START,
        }
    }

    pub(crate) fn all(&self) -> Vec<Record> {
        all(&*self.log)
    }
}
