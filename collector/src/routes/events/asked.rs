//! What a query of the list asks for.

use serde::Deserialize;
use shared::email::Email;
use shared::time::Timestamp;
use utoipa::IntoParams;

use super::super::query::{Bound, PageLimit, SentSeq, Span, Value, invalid, value};
use crate::error::ApiError;
use store::query::report::Zone;
use store::query::words::{self, EventType};
use store::query::{ClassFilter, EventFilter, Order};
use store::record::identity::FactKind;
use store::record::public_seq::PublicSeq;
use store::rejected::RejectedCursor;

/// The query of the list.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct EventQuery {
    /// Only events of this name, such as `plan_upgraded`.
    name: Option<String>,
    /// Only events of this type.
    #[serde(rename = "type", deserialize_with = "value")]
    #[param(inline, value_type = Option<EventType>, example = "purchase")]
    kind: Option<FactKind>,
    /// Only events of this contact.
    #[param(format = Email, max_length = 254)]
    email: Option<String>,
    /// Only events that name this send.
    message_id: Option<String>,
    /// Only events that name a send of this campaign.
    campaign_id: Option<String>,
    /// Only events of this class; `genuine` is `human` and `proxy_human`. What servers tell has none.
    #[serde(deserialize_with = "value")]
    #[param(inline, value_type = Option<words::ClassFilter>, example = "genuine")]
    class: Option<ClassFilter>,
    /// `tracked` or `erased` events only, or `rejected` ones, of the last 30 days, in the order of their
    /// arrival.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, pattern = "^(tracked|erased|rejected)$", example = "rejected")]
    status: Option<Status>,
    /// Only events that were rejected with this code; the same as `status=rejected` beside it.
    #[param(example = "invalid_email")]
    code: Option<String>,
    /// Only events at or after this time (RFC 3339), or from the start of this day in `tz`. Of rejected
    /// events the time of arrival counts.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, example = "2026-11-23T00:00:00Z")]
    from: Option<Bound>,
    /// Only events before this time (RFC 3339), or until the end of this day in `tz`.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, example = "2026-11-24T00:00:00Z")]
    to: Option<Bound>,
    /// Only events that arrived at or after this time, or day.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, example = "2026-11-23T00:00:00Z")]
    received_from: Option<Bound>,
    /// Only events that arrived before this time, or until the end of this day.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, example = "2026-11-24T00:00:00Z")]
    received_to: Option<Bound>,
    /// The time zone of days, by its IANA name; UTC without it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, example = "Europe/Paris")]
    tz: Option<Zone>,
    /// `desc` (the default): newest first, by seq. `asc`: oldest first, for pulling on.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, pattern = "^(desc|asc)$", example = "asc")]
    order: Option<Order>,
    /// With `order=asc`: only events behind the one with this `seq`. 422 `unknown_seq` where no event of
    /// the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    after: Option<SentSeq>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Events on a page.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<PageLimit>,
    /// Wait up to 2 s until the event with this `seq` is in the list. 422 `unknown_seq` where no
    /// event of the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    min_seq: Option<SentSeq>,
}

/// Which events.
pub(super) enum AskedEvents {
    Recorded(AskedRecorded),
    Rejected(AskedRejected),
}

/// Those on record. The filter's cursor stands beside it, because only the log knows its place.
pub(super) struct AskedRecorded {
    pub(super) filter: EventFilter,
    pub(super) start: Option<PageStart>,
    pub(super) min_seq: Option<PublicSeq>,
}

/// Behind which event a page begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum PageStart {
    /// `next` of a page; the event may be gone.
    Cursor(PublicSeq),
    /// An event that must be there.
    After(PublicSeq),
}

/// Those that were rejected; what is absent does not restrict.
pub(super) struct AskedRejected {
    pub(super) code: Option<String>,
    pub(super) name: Option<String>,
    pub(super) kind: Option<FactKind>,
    /// As it was asked for, trimmed: what was rejected need be no address.
    pub(super) email: Option<String>,
    pub(super) message_id: Option<String>,
    /// Of its arrival.
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
    pub(super) before: Option<RejectedCursor>,
    pub(super) limit: usize,
}

/// Which events are listed, by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Tracked,
    Erased,
    Rejected,
}

impl Value for Status {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "tracked" => Ok(Self::Tracked),
            "erased" => Ok(Self::Erased),
            "rejected" => Ok(Self::Rejected),
            _ => Err("send tracked, rejected or erased".to_owned()),
        }
    }
}

impl EventQuery {
    /// What it asks for, where its parameters go together.
    ///
    /// # Errors
    /// 422.
    pub(super) fn asked(self) -> Result<AskedEvents, ApiError> {
        let zone = self.tz.clone().unwrap_or_default();
        let (from, to) = (("from", self.from), ("to", self.to));
        let span = Span::between(from, to, &zone)?;
        let (from, to) = (
            ("receivedFrom", self.received_from),
            ("receivedTo", self.received_to),
        );
        let received = Span::between(from, to, &zone)?;
        match (self.status, self.code.is_some()) {
            (None, false) => self.recorded(None, span, received),
            (Some(Status::Tracked), false) => self.recorded(Some(false), span, received),
            (Some(Status::Erased), false) => self.recorded(Some(true), span, received),
            (None | Some(Status::Rejected), _) => self.rejected(span, received),
            (Some(Status::Tracked | Status::Erased), true) => Err(invalid(
                "code",
                "only rejected events have a code: send status=rejected",
            )),
        }
    }

    fn rejected(self, span: Span, received: Span) -> Result<AskedEvents, ApiError> {
        for (name, is_there) in [
            ("class", self.class.is_some()),
            ("campaignId", self.campaign_id.is_some()),
            ("after", self.after.is_some()),
        ] {
            if is_there {
                return Err(invalid(name, "rejected events have none: leave it out"));
            }
        }
        if self.order == Some(Order::OldestFirst) {
            return Err(invalid("order", "rejected events are listed newest first"));
        }
        let before = self.cursor.as_deref().map(str::parse).transpose();
        Ok(AskedEvents::Rejected(AskedRejected {
            code: self.code,
            name: self.name,
            kind: self.kind,
            email: self.email.map(|email| email.trim().to_owned()),
            message_id: self.message_id,
            // What has not even one of them is open there.
            from: span.from.max(received.from),
            to: [span.to, received.to].into_iter().flatten().min(),
            before: before.map_err(|_| no_cursor())?,
            limit: self.limit.unwrap_or_default().get(),
        }))
    }

    fn recorded(
        self,
        erased: Option<bool>,
        span: Span,
        received: Span,
    ) -> Result<AskedEvents, ApiError> {
        let order = self.order.unwrap_or(Order::NewestFirst);
        let start = match (self.cursor, self.after) {
            (None, None) => None,
            (Some(cursor), None) => {
                Some(PageStart::Cursor(cursor.parse().map_err(|_| no_cursor())?))
            }
            (None, Some(_)) if order == Order::NewestFirst => {
                return Err(invalid("after", "send order=asc beside it"));
            }
            (None, Some(after)) => Some(PageStart::After(after.known("after")?)),
            (Some(_), Some(_)) => return Err(invalid("after", "send it or `cursor`, not both")),
        };
        let email = self.email.as_deref().map(Email::parse).transpose();
        let email = email.map_err(|error| invalid("email", &error.to_string()))?;
        Ok(AskedEvents::Recorded(AskedRecorded {
            filter: EventFilter {
                name: self.name,
                kind: self.kind,
                email: email.map(|email| email.normalised().to_owned()),
                message_id: self.message_id,
                campaign_id: self.campaign_id,
                class: self.class,
                erased,
                from: span.from,
                to: span.to,
                received_from: received.from,
                received_to: received.to,
                order,
                cursor: None,
                until: None,
                limit: self.limit.unwrap_or_default().get(),
            },
            start,
            min_seq: self.min_seq.map(|seq| seq.known("minSeq")).transpose()?,
        }))
    }
}

fn no_cursor() -> ApiError {
    invalid("cursor", "send `next` as it was answered, or none")
}
