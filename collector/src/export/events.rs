//! Events, in order of their seq.

use shared::ids::CampaignId;

use super::table::{Cell, Row};
use super::{PORTION, RowSource};
use crate::app::App;
use store::query::{EventFilter, EventView, Order, QueryError, each_event};
use store::record::{Class, Fact, Record, Seq, WorkspaceId};

const COLUMNS: [&str; 22] = [
    "seq",
    "id",
    "type",
    "name",
    "timestamp",
    "receivedAt",
    "email",
    "anonymousId",
    "messageId",
    "campaignId",
    "source",
    "class",
    "reason",
    "keyId",
    "orderId",
    "refundId",
    "amount",
    "amountMinor",
    "currency",
    "verified",
    "erased",
    "properties",
];

/// The events that a filter asks for, up to what was there when the export began.
pub(crate) struct EventRows {
    filter: EventFilter,
    is_done: bool,
}

impl EventRows {
    /// Behind `filter.cursor`, up to `until`.
    #[must_use]
    pub(crate) fn new(filter: EventFilter, until: Seq) -> Self {
        Self {
            filter: EventFilter {
                order: Order::OldestFirst,
                until: Some(until),
                limit: PORTION,
                ..filter
            },
            is_done: false,
        }
    }
}

impl RowSource for EventRows {
    fn columns(&self) -> &'static [&'static str] {
        &COLUMNS
    }

    fn next(&mut self, app: &App, workspace: WorkspaceId) -> Result<Option<Vec<Row>>, QueryError> {
        if self.is_done {
            return Ok(None);
        }
        let (mut rows, mut last) = (Vec::new(), None);
        let next = each_event(
            &app.views,
            &*app.log,
            workspace,
            &self.filter,
            &mut |record, view| {
                last = Some(record.seq);
                rows.push(row(record, view));
            },
        );
        match next? {
            None => self.is_done = true,
            // Behind what was only passed over, too.
            Some(next) => {
                let located = app.log.locate(workspace, next)?;
                self.filter.cursor = Some(located.seq()).max(last);
            }
        }
        Ok(Some(rows))
    }
}

fn row(record: &Record, view: EventView) -> Row {
    let entry = &record.entry;
    let money = entry.fact.money();
    let [amount, minor] = Cell::money(money);
    let is_money = matches!(entry.fact, Fact::Purchase { .. } | Fact::Refund { .. });
    let (order_id, refund_id) = match &entry.fact {
        Fact::Purchase { order_id, .. } => (Some(order_id.as_str()), None),
        Fact::Refund {
            order_id,
            refund_id,
            ..
        } => (Some(order_id.as_str()), Some(refund_id.as_str())),
        _ => (None, None),
    };
    let campaign_id = entry.fact.campaign_id().map(CampaignId::as_str);
    vec![
        Cell::Text(view.seq),
        Cell::Text(view.id),
        Cell::Word(view.kind.as_str()),
        Cell::Text(view.name),
        Cell::Text(view.timestamp),
        Cell::Text(view.received_at),
        Cell::text(view.email),
        Cell::text(view.anonymous_id),
        Cell::text(view.message_id),
        Cell::text(campaign_id),
        Cell::Word(view.source.as_str()),
        Cell::word(view.class.map(Class::as_str)),
        Cell::text(view.reason),
        Cell::text(view.key_id),
        Cell::text(order_id),
        Cell::text(refund_id),
        amount,
        minor,
        Cell::word(money.map(|money| money.currency.code())),
        if is_money {
            Cell::Bool(entry.is_verified())
        } else {
            Cell::Null
        },
        Cell::Bool(entry.redacted),
        Cell::Json(view.properties),
    ]
}
