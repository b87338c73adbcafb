//! From a body to an event: which fields are required, in which order they are looked at.
//! What a single field may hold stands in `fields`.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::bodies::{
    BatchEvent, DeliveryBody, EventBody, IdentifyBody, PurchaseBody, RefundBody, note_unknown,
};
use super::fields::{self, missing, required};
use super::near_miss;
use super::sends::parse_delivery;
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
    purchase(body, None, None, arrival)
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

/// One event of a batch whose fields have been read. A field that belongs to another type is ignored
/// like an unknown one, and named like one.
pub(super) fn parse_entry(mut entry: BatchEvent<'_>, arrival: &Arrival<'_>) -> Parsed {
    // A server's clock is believed, so that nothing is made of its age.
    if arrival.source == Source::Server && entry.age.is_some() && entry.timestamp.is_some() {
        note_unknown(&mut entry.unknown, "age");
    }
    let kind = entry.kind.and_then(super::json::text);
    match kind.as_deref() {
        Some("track") => {
            let unknown = foreign(
                entry.unknown,
                &[
                    ("traits", entry.traits),
                    ("orderId", entry.order_id),
                    ("revenue", entry.revenue),
                    ("currency", entry.currency),
                    ("items", entry.items),
                    ("refundId", entry.refund_id),
                    ("amount", entry.amount),
                    ("status", entry.status),
                    ("code", entry.code),
                    ("reason", entry.reason),
                    ("amend", entry.amend),
                ],
            );
            let body = EventBody {
                email: entry.email,
                event: entry.event,
                properties: entry.properties,
                timestamp: entry.timestamp,
                message_id: entry.message_id,
                id: entry.id,
                anonymous_id: entry.anonymous_id,
                key: entry.key,
                unknown,
            };
            track(&body, entry.age, Who::AddressOrBrowser, arrival)
        }
        Some("identify") => {
            let unknown = foreign(
                entry.unknown,
                &[
                    ("event", entry.event),
                    ("properties", entry.properties),
                    ("messageId", entry.message_id),
                    ("orderId", entry.order_id),
                    ("revenue", entry.revenue),
                    ("currency", entry.currency),
                    ("items", entry.items),
                    ("refundId", entry.refund_id),
                    ("amount", entry.amount),
                    ("status", entry.status),
                    ("code", entry.code),
                    ("reason", entry.reason),
                    ("amend", entry.amend),
                ],
            );
            let body = IdentifyBody {
                email: entry.email,
                traits: entry.traits,
                anonymous_id: entry.anonymous_id,
                id: entry.id,
                timestamp: entry.timestamp,
                key: entry.key,
                unknown,
            };
            identify(&body, entry.age, arrival)
        }
        Some("purchase") => {
            let unknown = foreign(
                entry.unknown,
                &[
                    ("event", entry.event),
                    ("properties", entry.properties),
                    ("traits", entry.traits),
                    ("refundId", entry.refund_id),
                    ("amount", entry.amount),
                    ("status", entry.status),
                    ("code", entry.code),
                    ("reason", entry.reason),
                ],
            );
            let body = PurchaseBody {
                email: entry.email,
                order_id: entry.order_id,
                revenue: entry.revenue,
                currency: entry.currency,
                items: entry.items,
                message_id: entry.message_id,
                timestamp: entry.timestamp,
                id: entry.id,
                amend: entry.amend,
                key: entry.key,
                unknown,
            };
            purchase(&body, entry.anonymous_id, entry.age, arrival)
        }
        Some("refund") => {
            let unknown = foreign(
                entry.unknown,
                &[
                    ("email", entry.email),
                    ("anonymousId", entry.anonymous_id),
                    ("event", entry.event),
                    ("properties", entry.properties),
                    ("traits", entry.traits),
                    ("revenue", entry.revenue),
                    ("items", entry.items),
                    ("messageId", entry.message_id),
                    ("status", entry.status),
                    ("code", entry.code),
                    ("reason", entry.reason),
                    ("amend", entry.amend),
                ],
            );
            let body = RefundBody {
                order_id: entry.order_id,
                refund_id: entry.refund_id,
                amount: entry.amount,
                currency: entry.currency,
                timestamp: entry.timestamp,
                id: entry.id,
                key: entry.key,
                unknown,
            };
            refund(&body, entry.age, arrival)
        }
        Some("delivery") => {
            let unknown = foreign(
                entry.unknown,
                &[
                    ("event", entry.event),
                    ("properties", entry.properties),
                    ("traits", entry.traits),
                    ("email", entry.email),
                    ("anonymousId", entry.anonymous_id),
                    ("orderId", entry.order_id),
                    ("revenue", entry.revenue),
                    ("currency", entry.currency),
                    ("items", entry.items),
                    ("refundId", entry.refund_id),
                    ("amount", entry.amount),
                    ("amend", entry.amend),
                ],
            );
            let body = DeliveryBody {
                message_id: entry.message_id,
                status: entry.status,
                code: entry.code,
                reason: entry.reason,
                timestamp: entry.timestamp,
                id: entry.id,
                unknown,
            };
            parse_delivery(&body, arrival)
        }
        _ => {
            let wanted = "Send `type` as track, identify, purchase, refund or delivery";
            let rejection = match entry.kind {
                None => missing("type", wanted),
                Some(_) => Rejection::of(codes::INVALID_TYPE, "type", wanted),
            };
            let name = fields::name_as_sent(entry.event);
            finish(entry.id, name, entry.unknown, |_| Err(rejection))
        }
    }
}

/// Whom an event needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Address,
    AddressOrBrowser,
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
            match needed {
                Who::Address => return Err(missing("email", "Send `email`")),
                Who::AddressOrBrowser if anonymous_id.is_none() && !names_nobody(arrival) => {
                    return Err(missing(
                        "email",
                        "Send `email` or `anonymousId`, in the event or in the batch's `context`",
                    ));
                }
                Who::AddressOrBrowser => {}
            }
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
                return amendment(body, arrival, unknown);
            }
            // A server is told, and sends the order again; a page is gone by then.
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
                return Err(missing("email", "Send `email`"));
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
            .and_then(|currency_of| currency_of(order_id.as_str())),
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
    let (time, time_sent) = fields::time(body.timestamp, None, arrival)?;
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

/// The names of the fields that were sent though the event's type has no use for them, after those
/// that no type knows.
fn foreign(mut unknown: Vec<String>, sent: &[(&str, Option<&RawValue>)]) -> Vec<String> {
    for (name, value) in sent {
        if value.is_some() {
            note_unknown(&mut unknown, name);
        }
    }
    unknown
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
