//! What a query of the list asks for.

use std::borrow::Cow;
use std::str::FromStr;

use http::Uri;
use shared::time::Timestamp;

use super::super::read::{address, from, invalid, min_seq, parameters, to, zone};
use crate::error::ApiError;
use store::query::{ClassFilter, EventFilter, Order, PAGE_LIMITS};
use store::record::identity::FactKind;
use store::record::public_seq::PublicSeq;
use store::rejected::Place;

/// Which events.
pub(super) enum Asked {
    Recorded(AskedRecorded),
    Rejected(AskedRejected),
}

/// Those on record. The filter's cursor stands beside it, because only the log knows its place.
pub(super) struct AskedRecorded {
    pub(super) filter: EventFilter,
    pub(super) start: Option<Start>,
    pub(super) min_seq: Option<PublicSeq>,
}

/// Behind which event a page begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    /// `next` of a page; the event may be gone.
    Cursor(PublicSeq),
    /// An event that must be there.
    After(PublicSeq),
}

/// Those that were rejected; what is absent does not restrict.
pub(super) struct AskedRejected {
    pub(super) code: Option<String>,
    pub(super) name: Option<String>,
    pub(super) kind: Option<&'static str>,
    /// As it was asked for, trimmed: what was rejected need be no address.
    pub(super) email: Option<String>,
    pub(super) message_id: Option<String>,
    /// Of its arrival.
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
    pub(super) before: Option<Place>,
    pub(super) limit: usize,
}

/// Reads the query. That each parameter is known, and none empty or there twice, has been seen to.
pub(super) fn parse(uri: &Uri) -> Result<Asked, ApiError> {
    let all: Vec<(Cow<'_, str>, Cow<'_, str>)> = parameters(uri).collect();
    let text = |wanted: &str| {
        let found = all.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_ref())
    };
    let owned = |wanted: &str| text(wanted).map(str::to_owned);
    let tz = zone(uri)?;
    let start = |name: &'static str| text(name).map(|value| from(name, value, &tz)).transpose();
    let end = |name: &'static str| text(name).map(|value| to(name, value, &tz)).transpose();
    let limit = match text("limit") {
        None => store::query::DEFAULT_LIMIT,
        Some(value) => usize::from_str(value)
            .ok()
            .filter(|limit| PAGE_LIMITS.contains(limit))
            .ok_or_else(|| invalid("limit", "send a whole number from 1 to 1000"))?,
    };
    let order = match text("order") {
        None | Some("desc") => Order::NewestFirst,
        Some("asc") => Order::OldestFirst,
        Some(_) => return Err(invalid("order", "send asc or desc")),
    };
    let kind = text("type").map(type_named).transpose()?;
    let erased = match (text("status"), text("code")) {
        (None, None) => None,
        (Some("tracked"), None) => Some(false),
        (Some("erased"), None) => Some(true),
        (None | Some("rejected"), _) => {
            for name in ["class", "campaignId", "after"] {
                if text(name).is_some() {
                    return Err(invalid(name, "rejected events have none: leave it out"));
                }
            }
            if order == Order::OldestFirst {
                return Err(invalid("order", "rejected events are listed newest first"));
            }
            let both =
                |a: Option<Timestamp>, b: Option<Timestamp>, pick: fn(_, _) -> _| match (a, b) {
                    (Some(a), Some(b)) => Some(pick(a, b)),
                    (a, b) => a.or(b),
                };
            let before = text("cursor").map(str::parse).transpose();
            return Ok(Asked::Rejected(AskedRejected {
                code: owned("code"),
                name: owned("name"),
                kind,
                email: text("email").map(|email| email.trim().to_owned()),
                message_id: owned("messageId"),
                from: both(start("from")?, start("receivedFrom")?, std::cmp::max),
                to: both(end("to")?, end("receivedTo")?, std::cmp::min),
                before: before.map_err(|_| no_cursor())?,
                limit,
            }));
        }
        (Some("tracked" | "erased"), Some(_)) => {
            return Err(invalid(
                "code",
                "only rejected events have a code: send status=rejected",
            ));
        }
        (Some(_), _) => return Err(invalid("status", "send tracked, rejected or erased")),
    };
    let class = text("class").map(|class| {
        let wanted = "send human, proxy_human, machine, bot or genuine";
        ClassFilter::parse(class).ok_or_else(|| invalid("class", wanted))
    });
    let start_at = match (text("cursor"), text("after")) {
        (None, None) => None,
        (Some(cursor), None) => Some(Start::Cursor(cursor.parse().map_err(|_| no_cursor())?)),
        (None, Some(_)) if order == Order::NewestFirst => {
            return Err(invalid("after", "send order=asc beside it"));
        }
        (None, Some(after)) => {
            let seq = after.parse();
            Some(Start::After(
                seq.map_err(|_| ApiError::UnknownSeq { name: "after" })?,
            ))
        }
        (Some(_), Some(_)) => return Err(invalid("after", "send it or `cursor`, not both")),
    };
    let email = text("email").map(address).transpose()?;
    Ok(Asked::Recorded(AskedRecorded {
        filter: EventFilter {
            name: owned("name"),
            kind,
            email: email.map(|email| email.normalised().to_owned()),
            message_id: owned("messageId"),
            campaign_id: owned("campaignId"),
            class: class.transpose()?,
            erased,
            from: start("from")?,
            to: end("to")?,
            received_from: start("receivedFrom")?,
            received_to: end("receivedTo")?,
            order,
            cursor: None,
            until: None,
            limit,
        },
        start: start_at,
        min_seq: text("minSeq").map(min_seq).transpose()?,
    }))
}

fn no_cursor() -> ApiError {
    invalid("cursor", "send `next` as it was answered, or none")
}

/// A type, as answers spell it.
pub(in crate::routes) fn type_named(text: &str) -> Result<&'static str, ApiError> {
    let mut names = FactKind::ALL.into_iter().map(FactKind::as_str);
    names.find(|name| *name == text).ok_or_else(|| {
        let names: Vec<&str> = FactKind::ALL.into_iter().map(FactKind::as_str).collect();
        invalid("type", &format!("send one of {}", names.join(", ")))
    })
}
