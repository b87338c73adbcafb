//! Orders as they stand, in the order in which they came: refunds taken off, and credited to a message
//! and its campaign under one model.

use shared::money::{Currency, Money};

use super::table::{Cell, Row};
use super::{PORTION, RowSource};
use crate::app::App;
use store::attribution::Model;
use store::query::{EventFilter, EventView, Order, QueryError, each_event};
use store::record::identity::FactKind;
use store::record::{Fact, Record, Seq, WorkspaceId};
use store::views::engagement::order::{CreditCause, Order as Kept, TouchKind};

const COLUMNS: [&str; 21] = [
    "seq",
    "id",
    "orderId",
    "timestamp",
    "receivedAt",
    "email",
    "currency",
    "gross",
    "grossMinor",
    "refunded",
    "refundedMinor",
    "net",
    "netMinor",
    "verified",
    "source",
    "messageId",
    "creditedMessageId",
    "creditedCampaignId",
    "creditedBy",
    "model",
    "items",
];

/// The purchases that a filter asks for, each as the order that it is.
pub(crate) struct OrderRows {
    filter: EventFilter,
    model: Model,
    is_done: bool,
}

impl OrderRows {
    /// Behind `filter.cursor`, up to `until`.
    #[must_use]
    pub(crate) fn new(filter: EventFilter, until: Seq, model: Model) -> Self {
        Self {
            filter: EventFilter {
                kind: Some(FactKind::Purchase),
                order: Order::OldestFirst,
                until: Some(until),
                limit: PORTION,
                ..filter
            },
            model,
            is_done: false,
        }
    }
}

impl RowSource for OrderRows {
    fn columns(&self) -> &'static [&'static str] {
        &COLUMNS
    }

    fn next(&mut self, app: &App, workspace: WorkspaceId) -> Result<Option<Vec<Row>>, QueryError> {
        if self.is_done {
            return Ok(None);
        }
        let mut found = Vec::new();
        let mut last = None;
        let next = each_event(
            &app.views,
            &*app.log,
            workspace,
            &self.filter,
            &mut |record, view| {
                last = Some(record.seq);
                found.push((record.clone(), view));
            },
        );
        match next? {
            None => self.is_done = true,
            Some(next) => {
                let located = app.log.locate(workspace, next)?;
                self.filter.cursor = Some(located.seq()).max(last);
            }
        }
        let mut rows = Vec::with_capacity(found.len());
        for (record, view) in found {
            rows.extend(self.row(app, workspace, &record, view)?);
        }
        Ok(Some(rows))
    }
}

impl OrderRows {
    /// `None` where another record counts for the order: a page's that came first, or a server's.
    fn row(
        &self,
        app: &App,
        workspace: WorkspaceId,
        record: &Record,
        view: EventView,
    ) -> Result<Option<Row>, QueryError> {
        let entry = &record.entry;
        let Fact::Purchase {
            order_id, items, ..
        } = &entry.fact
        else {
            return Ok(None);
        };
        let order_id = order_id.as_str();
        let Some((seq, order)) = app.views.order(workspace, entry.is_verified(), order_id)? else {
            return Ok(None);
        };
        if seq != record.seq {
            return Ok(None);
        }
        let credit = order.credits[self.model].as_ref();
        let campaign = match credit {
            Some(credit) => {
                let message = app.views.message(workspace, &credit.message_id)?;
                message.and_then(|message| message.campaign_id)
            }
            None => None,
        };
        let amount = |minor| money(&order, minor);
        let [gross, gross_minor] = amount(order.gross);
        let [refunded, refunded_minor] = amount(order.refunded);
        let [net, net_minor] = amount(order.gross - order.refunded);
        let items = items.as_ref().map_or("[]", |items| &items.0);
        Ok(Some(vec![
            Cell::Text(view.seq),
            Cell::Text(view.id),
            Cell::text(Some(order_id)),
            Cell::Text(view.timestamp),
            Cell::Text(view.received_at),
            Cell::text(view.email),
            Cell::text(Some(&order.currency)),
            gross,
            gross_minor,
            refunded,
            refunded_minor,
            net,
            net_minor,
            Cell::Bool(order.verified),
            Cell::Word(view.source.as_str()),
            Cell::text(order.explicit.as_ref()),
            Cell::text(credit.map(|credit| &credit.message_id)),
            Cell::text(campaign),
            Cell::word(credit.map(|credit| match credit.cause {
                CreditCause::Explicit => "explicit",
                CreditCause::Touch(TouchKind::Open) => "open",
                CreditCause::Touch(TouchKind::Click) => "click",
            })),
            Cell::Word(self.model.as_str()),
            serde_json::value::RawValue::from_string(items.to_owned())
                .map_or(Cell::Null, Cell::Json),
        ]))
    }
}

/// Major and minor units.
fn money(order: &Kept, minor: i64) -> [Cell; 2] {
    let currency = Currency::parse(&order.currency).ok();
    Cell::money(currency.map(|currency| Money { minor, currency }))
}
