//! From a body to an event: which fields are required, in which order they are looked at.
//! What a single field may hold stands in `fields`.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::bodies::{
    BatchEvent, Body, EventBody, IdentifyBody, PurchaseBody, RefundBody, note_unknown,
};
use super::fields::{self, missing, required};
use super::near_miss;
use super::sends::delivery;
use super::{Arrival, Parsed, SentId, Source, refused};
use crate::email::Email;
use crate::event::{Amendment, Event, EventKind, Purchase, Refund};
use crate::event_name::names;
use crate::ids::{AnonymousId, OrderId, RefundId};
use crate::limits::MAX_UNKNOWN_FIELDS;
use crate::rejection::{Rejection, codes};

/// A custom event from its own route, where `email` is required.
#[must_use]
pub fn parse_event(body: &EventBody<'_>, arrival: &Arrival<'_>) -> Parsed {
    track(body, None, Who::Address, arrival)
}

/// A purchase from its own route.
#[must_use]
pub fn parse_purchase(body: &PurchaseBody<'_>, arrival: &Arrival<'_>) -> Parsed {
    purchase(body, None, None, Who::Address, arrival)
}

/// A contact named on its own route.
#[must_use]
pub fn parse_identify(body: &IdentifyBody<'_>, arrival: &Arrival<'_>) -> Parsed {
    identify(body, None, arrival)
}

/// A refund from its own route. Whether the order exists, and is worth as much, is not known here.
#[must_use]
pub fn parse_refund(body: &RefundBody<'_>, arrival: &Arrival<'_>) -> Parsed {
    refund(body, None, arrival)
}

fn refund(body: &RefundBody<'_>, age: Option<&RawValue>, arrival: &Arrival<'_>) -> Parsed {
    finish(
        body.id,
        Some(names::REFUND.into()),
        body.unknown.clone(),
        |_| {
            if arrival.source == Source::Browser {
                return Err(Rejection::whole(
                    codes::INSUFFICIENT_SCOPE,
                    "Send refunds from a server, with a secret key",
                ));
            }
            let order_id = order_id(body.order_id)?;
            let refund_id = fields::caller_id(
                codes::INVALID_REFUND_ID,
                "refundId",
                required("refundId", body.refund_id)?,
                RefundId::parse,
            )?;
            let amount = body.amount.map(fields::amount).transpose()?;
            let currency = body.currency.map(fields::currency).transpose()?;
            let kind = EventKind::Refund(Refund {
                order_id,
                refund_id,
                amount,
                currency,
            });
            let (time, time_sent) = fields::time(body.timestamp, age, arrival)?;
            Ok(Event {
                time,
                time_sent,
                email: None,
                anonymous_id: None,
                message_id: None,
                kind,
                unknown_fields: Vec::new(),
                rounded: false,
            })
        },
    )
}

/// One event of a batch whose fields have been read.
pub(super) fn parse_entry(mut entry: BatchEvent<'_>, arrival: &Arrival<'_>) -> Parsed {
    // A server's clock is believed, so that nothing is made of its age.
    if arrival.source == Source::Server && entry.age.is_some() && entry.timestamp.is_some() {
        note_unknown(&mut entry.unknown, "age");
    }
    let (id, age, anonymous_id) = (entry.id, entry.age, entry.anonymous_id);
    let kind = entry.kind.and_then(super::json::text);
    match kind.as_deref() {
        Some("track") => {
            let body = of_type(entry, &[]);
            track(&body, age, Who::AddressOrBrowser, arrival)
        }
        Some("identify") => identify(&of_type(entry, &[]), age, arrival),
        Some("purchase") => {
            let body = of_type(entry, &["anonymousId"]);
            // A server is told what is missing, and sends the order again; a page is gone by then, and a
            // later `identify` may say whose its browser is.
            let needed = match arrival.source {
                Source::Browser => Who::AddressOrBrowser,
                Source::Server | Source::Mail => Who::Address,
            };
            purchase(&body, anonymous_id, age, needed, arrival)
        }
        Some("refund") => refund(&of_type(entry, &[]), age, arrival),
        Some("delivery") => delivery(&of_type(entry, &[]), age, arrival),
        _ => {
            let wanted = "Send `type` as track, identify, purchase, refund or delivery";
            let rejection = match entry.kind {
                None => missing("type", wanted),
                Some(_) => Rejection::of(codes::INVALID_TYPE, "type", wanted),
            };
            let name = fields::name_as_sent(entry.event);
            finish(id, name, entry.unknown, |_| Err(rejection))
        }
    }
}

/// What a batch says of each of its events beside the fields of the type's own route.
const OF_EVERY_TYPE: [&str; 3] = ["type", "age", "key"];

/// The body of the type's own route. A field that it does not have, and that is none of `more` either,
/// belongs to another type: it is ignored like an unknown one, and named behind those.
fn of_type<'a, B: Body<'a>>(entry: BatchEvent<'a>, more: &[&str]) -> B {
    let mut body = B::default();
    let mut foreign = Vec::new();
    for (name, value) in entry.sent() {
        let is_used = body.set(name, Some(value));
        if !is_used && !OF_EVERY_TYPE.contains(&name) && !more.contains(&name) {
            foreign.push(name);
        }
    }
    *body.unknown_mut() = entry.unknown;
    for name in foreign {
        note_unknown(body.unknown_mut(), name);
    }
    body
}

/// Whom an event needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Address,
    AddressOrBrowser,
}

impl Who {
    /// Of an event without an address: whether its browser will do. A visitor who must not be known has
    /// none.
    fn check(
        self,
        anonymous_id: Option<&AnonymousId>,
        arrival: &Arrival<'_>,
    ) -> Result<(), Rejection> {
        let message = match self {
            Who::AddressOrBrowser if anonymous_id.is_some() || names_nobody(arrival) => {
                return Ok(());
            }
            Who::AddressOrBrowser => {
                "Send `email` or `anonymousId`, in the event or in the batch's `context`"
            }
            Who::Address => "Send `email`",
        };
        Err(missing("email", message))
    }
}

fn track(
    body: &EventBody<'_>,
    age: Option<&RawValue>,
    needed: Who,
    arrival: &Arrival<'_>,
) -> Parsed {
    let name = fields::name_as_sent(body.event);
    finish(body.id, name, body.unknown.clone(), |unknown| {
        let Whom {
            email,
            anonymous_id,
            is_refused,
        } = whom(body.email, body.anonymous_id, arrival, unknown)?;
        if email.is_none() && !is_refused {
            needed.check(anonymous_id.as_ref(), arrival)?;
        }
        let name = fields::event_name(required("event", body.event)?)?;
        let properties = fields::object(codes::INVALID_PROPERTIES, "properties", body.properties)?;
        let message_id = body.message_id.map(fields::message_id).transpose()?;
        let (time, time_sent) = fields::time(body.timestamp, age, arrival)?;
        Ok(Event {
            time,
            time_sent,
            email,
            anonymous_id,
            message_id,
            kind: EventKind::Track { name, properties },
            unknown_fields: Vec::new(),
            rounded: false,
        })
    })
}

fn identify(body: &IdentifyBody<'_>, age: Option<&RawValue>, arrival: &Arrival<'_>) -> Parsed {
    finish(
        body.id,
        Some(names::IDENTIFIED.into()),
        body.unknown.clone(),
        |_| {
            let Whom {
                email,
                anonymous_id,
                ..
            } = who(body.email, body.anonymous_id, arrival)?;
            let email = Some(email.ok_or_else(|| missing("email", "Send `email`"))?);
            let traits = fields::object(codes::INVALID_TRAITS, "traits", body.traits)?;
            let (time, time_sent) = fields::time(body.timestamp, age, arrival)?;
            Ok(Event {
                time,
                time_sent,
                email,
                anonymous_id,
                message_id: None,
                kind: EventKind::Identify { traits },
                unknown_fields: Vec::new(),
                rounded: false,
            })
        },
    )
}

fn purchase(
    body: &PurchaseBody<'_>,
    anonymous_id: Option<&RawValue>,
    age: Option<&RawValue>,
    needed: Who,
    arrival: &Arrival<'_>,
) -> Parsed {
    finish(
        body.id,
        Some(names::PURCHASE.into()),
        body.unknown.clone(),
        |unknown| {
            if !arrival.purchases_allowed {
                return Err(Rejection::whole(
                    codes::PURCHASES_NOT_ALLOWED,
                    "Send purchases from a server, or with a public key made with --allow-purchases",
                ));
            }
            if is_amendment(body.amend)? {
                return amendment(body, age, arrival, unknown);
            }
            let whom = match arrival.source {
                Source::Browser => whom(body.email, anonymous_id, arrival, unknown)?,
                Source::Server | Source::Mail => who(body.email, anonymous_id, arrival)?,
            };
            let Whom {
                email,
                anonymous_id,
                is_refused,
            } = whom;
            if email.is_none() && !is_refused {
                needed.check(anonymous_id.as_ref(), arrival)?;
            }
            let order_id = order_id(body.order_id)?;
            // What the revenue may be depends on the currency.
            let revenue = required("revenue", body.revenue)?;
            let currency = fields::currency(required("currency", body.currency)?)?;
            let mut rounded = false;
            let revenue = fields::money(
                codes::INVALID_REVENUE,
                "revenue",
                revenue,
                currency,
                &mut rounded,
            )?;
            let items = fields::items(body.items, currency, unknown, &mut rounded)?;
            let message_id = body.message_id.map(fields::message_id).transpose()?;
            let (time, time_sent) = fields::time(body.timestamp, age, arrival)?;
            Ok(Event {
                time,
                time_sent,
                email,
                anonymous_id,
                message_id,
                kind: EventKind::Purchase(Purchase {
                    order_id,
                    revenue,
                    items,
                }),
                unknown_fields: Vec::new(),
                rounded,
            })
        },
    )
}

/// Whom an event is about.
struct Whom {
    email: Option<Email>,
    anonymous_id: Option<AnonymousId>,
    /// An address came that is none; the browser stands in for it.
    is_refused: bool,
}

/// The event's own address and browser, else the batch's. An address that is refused is noted among the
/// ignored fields where the browser is known: it must not spoil what that did.
fn whom(
    email: Option<&RawValue>,
    anonymous_id: Option<&RawValue>,
    arrival: &Arrival<'_>,
    unknown: &mut Vec<String>,
) -> Result<Whom, Rejection> {
    let field = match email {
        Some(_) => refused::ADDRESS,
        None => refused::ADDRESS_IN_CONTEXT,
    };
    match who(email, anonymous_id, arrival) {
        Err(rejection) if rejection.code == codes::INVALID_EMAIL => {
            let browser = browser(anonymous_id, arrival).ok().flatten();
            let anonymous_id = browser.ok_or(rejection)?;
            // First, so that no bound cuts it off.
            unknown.insert(0, field.into());
            unknown.truncate(MAX_UNKNOWN_FIELDS);
            Ok(Whom {
                email: None,
                anonymous_id: Some(anonymous_id),
                is_refused: true,
            })
        }
        whom => whom,
    }
}

fn is_amendment(raw: Option<&RawValue>) -> Result<bool, Rejection> {
    match raw.map(RawValue::get) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => {
            let message = "Send `amend` as true or false";
            Err(Rejection::of(codes::INVALID_FLAG, "amend", message))
        }
    }
}

/// A change of an order. Money is read in the order's currency, which may be left out where the order
/// is on record.
fn amendment(
    body: &PurchaseBody<'_>,
    age: Option<&RawValue>,
    arrival: &Arrival<'_>,
    unknown: &mut Vec<String>,
) -> Result<Event, Rejection> {
    if arrival.source == Source::Browser {
        let message = "Amend orders from a server, with a secret key";
        return Err(Rejection::of(
            codes::AMENDMENT_NOT_ALLOWED,
            "amend",
            message,
        ));
    }
    let email = body.email.map(|raw| fields::email("email", raw));
    let email = email.transpose()?;
    let order_id = order_id(body.order_id)?;
    let currency = match body.currency {
        Some(raw) => Some(fields::currency(raw)?),
        None => arrival
            .order_currency
            .and_then(|currency_of| currency_of(&order_id)),
    };
    let mut rounded = false;
    let (mut revenue, mut items) = (None, None);
    if body.revenue.is_some() || body.items.is_some() {
        // An order that is not on record yet may be in front of this in the same batch.
        let message = "Send `currency`: the order is not on record";
        let currency = currency.ok_or_else(|| missing("currency", message))?;
        if let Some(raw) = body.revenue {
            let (code, field) = (codes::INVALID_REVENUE, "revenue");
            revenue = Some(fields::money(code, field, raw, currency, &mut rounded)?);
        }
        if body.items.is_some() {
            items = Some(fields::items(body.items, currency, unknown, &mut rounded)?);
        }
    }
    let message_id = body.message_id.map(fields::message_id).transpose()?;
    let (time, time_sent) = fields::time(body.timestamp, age, arrival)?;
    Ok(Event {
        time,
        time_sent,
        email,
        anonymous_id: None,
        message_id,
        kind: EventKind::Amend(Amendment {
            order_id,
            revenue,
            items,
        }),
        unknown_fields: Vec::new(),
        rounded,
    })
}

/// The event's own address and browser, else the batch's. Own ones that are invalid are never
/// replaced by the batch's, and an invalid one of the batch's refuses the events that would use it.
fn who(
    email: Option<&RawValue>,
    anonymous_id: Option<&RawValue>,
    arrival: &Arrival<'_>,
) -> Result<Whom, Rejection> {
    let email = match email {
        Some(raw) => Some(fields::email("email", raw)?),
        None => arrival
            .context
            .and_then(|context| context.email.clone())
            .transpose()?,
    };
    Ok(Whom {
        email,
        anonymous_id: browser(anonymous_id, arrival)?,
        is_refused: false,
    })
}

/// The event's own browser, else the batch's.
fn browser(
    anonymous_id: Option<&RawValue>,
    arrival: &Arrival<'_>,
) -> Result<Option<AnonymousId>, Rejection> {
    match anonymous_id {
        Some(raw) => fields::anonymous_id("anonymousId", raw).map(Some),
        None => arrival
            .context
            .and_then(|context| context.anonymous_id.clone())
            .transpose(),
    }
}

/// Whether these are events of a page whose visitor must not be known. Servers know whom they mean.
fn names_nobody(arrival: &Arrival<'_>) -> bool {
    arrival.source == Source::Browser && arrival.context.is_some_and(|context| context.anonymous)
}

fn order_id(raw: Option<&RawValue>) -> Result<OrderId, Rejection> {
    let raw = required("orderId", raw)?;
    fields::caller_id(codes::INVALID_ORDER_ID, "orderId", raw, OrderId::parse)
}

/// Looks at the id before anything else, then at the rest.
pub(super) fn finish(
    id: Option<&RawValue>,
    name: Option<String>,
    mut unknown: Vec<String>,
    parse: impl FnOnce(&mut Vec<String>) -> Result<Event, Rejection>,
) -> Parsed {
    let sent_id = id.map(fields::sent_id);
    let outcome = match sent_id {
        Some(SentId::Invalid(_)) => Err(fields::invalid_id()),
        Some(SentId::Valid(..)) | None => parse(&mut unknown),
    };
    let outcome = match outcome {
        Ok(event) => Ok(Event {
            unknown_fields: unknown.clone(),
            ..event
        }),
        Err(rejection) => Err(near_miss::explain(rejection, &unknown)),
    };
    // What an accepted event is called is how it is stored.
    let name = outcome
        .as_ref()
        .map(|event| event.name().to_string())
        .ok()
        .or(name);
    Parsed {
        sent_id,
        name,
        unknown_fields: unknown,
        outcome,
    }
}
