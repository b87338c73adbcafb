//! One function per kind of field: from a raw JSON value to its type, or to the rejection that names
//! the field. Which body has which fields stands in `parse`.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::bodies::{ItemBody, body, note_unknown};
use super::json::{self, ListError, ObjectError};
use super::{Arrival, SentId, Speaker};
use crate::decimal::{Decimal, DecimalError};
use crate::email::{Email, EmailError};
use crate::event::Item;
use crate::event_name::{EventName, NameError};
use crate::ids::{AnonymousId, EventId, IdError, MessageId};
use crate::limits::{
    EARLIEST, MAX_AGE_MS, MAX_AHEAD_MS, MAX_DEPTH, MAX_ID_CHARS, MAX_ITEMS, MAX_NAME_CHARS,
    MAX_PROPERTIES, MAX_SENT_AHEAD_MS,
};
use crate::money::{Currency, CurrencyError, Money, MoneyError, Rounded};
use crate::rejection::{Rejection, codes};
use crate::time::{TimeError, Timestamp};

pub(super) fn required<'a>(
    field: &'static str,
    value: Option<&'a RawValue>,
) -> Result<&'a RawValue, Rejection> {
    value.ok_or_else(|| missing(field, format!("Send `{field}`")))
}

pub(super) fn missing(field: &'static str, message: impl Into<String>) -> Rejection {
    Rejection::of(codes::MISSING_FIELD, field, message)
}

/// The id as it came, valid or not.
pub(super) fn sent_id(raw: &RawValue) -> SentId {
    match json::text(raw) {
        Some(text) => match EventId::parse(&text) {
            Ok(id) => SentId::Valid(id, text.into_owned()),
            Err(_) => SentId::Invalid(json::truncated(&text, MAX_ID_CHARS).into()),
        },
        None => SentId::Invalid(json::truncated(raw.get(), MAX_ID_CHARS).into()),
    }
}

pub(super) fn invalid_id() -> Rejection {
    Rejection::of(
        codes::INVALID_ID,
        "id",
        format!("Send `id` as {}", IdError::NotAUuid.message()),
    )
}

pub(super) fn email(field: &'static str, raw: &RawValue) -> Result<Email, Rejection> {
    let text = json::text(raw).ok_or(EmailError::Syntax);
    text.and_then(|text| Email::parse(&text))
        .map_err(|error| Rejection::of(codes::INVALID_EMAIL, field, error.to_string()))
}

pub(super) fn anonymous_id(field: &'static str, raw: &RawValue) -> Result<AnonymousId, Rejection> {
    // A browser's own, which is always a text.
    let text = json::text(raw);
    id_of(
        codes::INVALID_ANONYMOUS_ID,
        field,
        text.as_deref(),
        AnonymousId::parse,
    )
}

pub(super) fn message_id(raw: &RawValue) -> Result<MessageId, Rejection> {
    caller_id(
        codes::INVALID_MESSAGE_ID,
        "messageId",
        raw,
        MessageId::parse,
    )
}

/// An id that the caller chose: a JSON string, or a number, which is taken as its text.
pub(super) fn caller_id<T>(
    code: &'static str,
    field: &'static str,
    raw: &RawValue,
    parse: fn(&str) -> Result<T, IdError>,
) -> Result<T, Rejection> {
    let text = json::text(raw).or_else(|| json::number(raw).map(Into::into));
    id_of(code, field, text.as_deref(), parse)
}

fn id_of<T>(
    code: &'static str,
    field: &'static str,
    text: Option<&str>,
    parse: fn(&str) -> Result<T, IdError>,
) -> Result<T, Rejection> {
    let parsed = text.ok_or(IdError::Empty).and_then(parse);
    parsed.map_err(|error| {
        Rejection::of(
            code,
            field,
            format!("Send `{field}` as {}", error.message()),
        )
    })
}

pub(super) fn event_name(raw: &RawValue) -> Result<EventName, Rejection> {
    let text = json::text(raw).ok_or(NameError::Empty);
    text.and_then(|text| EventName::parse(&text))
        .map_err(|error| {
            let code = match error {
                NameError::Reserved { .. } => codes::RESERVED_NAME,
                NameError::Empty | NameError::TooLong | NameError::ControlCharacter => {
                    codes::INVALID_EVENT
                }
            };
            Rejection::of(code, "event", error.message())
        })
}

/// The name for a receipt, whether it is allowed or not.
pub(super) fn name_as_sent(raw: Option<&RawValue>) -> Option<String> {
    let text = json::text(raw?)?;
    Some(json::truncated(text.trim(), MAX_NAME_CHARS).into())
}

/// `properties` or `traits`: the object's own text. An empty array is an empty object: that is how PHP
/// writes one.
pub(super) fn object(
    code: &'static str,
    field: &'static str,
    raw: Option<&RawValue>,
) -> Result<Option<String>, Rejection> {
    let Some(raw) = raw else { return Ok(None) };
    if is_empty_array(raw) {
        return Ok(Some("{}".into()));
    }
    match json::check_object(raw) {
        Ok(()) => Ok(Some(raw.get().into())),
        Err(ObjectError::Malformed) => {
            let message = match json::kind(raw) {
                "an object" => format!(
                    "Send `{field}` with numbers that a 64-bit float can hold and only whole \\u surrogate pairs"
                ),
                kind => format!("Send `{field}` as an object, not {kind}: `{{…}}`"),
            };
            Err(Rejection::of(code, field, message))
        }
        Err(ObjectError::TooMany) => Err(Rejection::of(
            codes::TOO_MANY_PROPERTIES,
            field,
            format!("Send at most {MAX_PROPERTIES} names in `{field}`"),
        )),
        Err(ObjectError::TooDeep) => Err(Rejection::of(
            codes::TOO_DEEP,
            field,
            format!("Nest `{field}` at most {MAX_DEPTH} levels deep, itself included"),
        )),
    }
}

pub(super) fn is_empty_array(raw: &RawValue) -> bool {
    let inside = raw.get().strip_prefix('[');
    let inside = inside.and_then(|rest| rest.strip_suffix(']'));
    inside.is_some_and(|inside| inside.trim_ascii().is_empty())
}

pub(super) fn timestamp(field: &'static str, raw: &RawValue) -> Result<Timestamp, Rejection> {
    json::text(raw)
        .and_then(|text| Timestamp::parse_rfc3339(&text).ok())
        .ok_or_else(|| Rejection::of(codes::INVALID_TIMESTAMP, field, TimeError.to_string()))
}

/// A batch's `sentAt`; `None` where the clock that wrote it is beyond the years 0000 to 9999, as
/// JavaScript writes them (`+010000-01-01T00:00:00.000Z`): it says nothing, and its events are good.
pub(super) fn batch_sent_at(raw: &RawValue) -> Result<Option<Timestamp>, Rejection> {
    let is_beyond = |text: &str| {
        let digits = text.strip_prefix(['+', '-']);
        digits.is_some_and(|rest| {
            let year = rest.bytes().take_while(u8::is_ascii_digit).count();
            (5..=6).contains(&year) && rest[year..].starts_with('-')
        })
    };
    if json::text(raw).is_some_and(|text| is_beyond(&text)) {
        return Ok(None);
    }
    timestamp("sentAt", raw).map(Some)
}

/// When it happened, and whether that is the caller's own `timestamp`.
///
/// A browser's clock may be wrong by years while its differences are right. So for browsers an age
/// goes first, sent or computed from `sentAt`; for servers, the timestamp. However it is told, what a
/// browser says of more than 7 days ago is not believed.
pub(super) fn time(
    sent: Option<&RawValue>,
    age: Option<&RawValue>,
    arrival: &Arrival<'_>,
) -> Result<(Timestamp, bool), Rejection> {
    let sent = sent.map(|raw| timestamp("timestamp", raw)).transpose()?;
    let age = age.map(age_millis).transpose()?;
    let browser = arrival.source == Speaker::Browser;
    match (sent, age, arrival.sent_at) {
        (_, Some(age), _) if browser => by_age("age", age, arrival.received_at),
        (Some(sent), None, Some(sent_at)) if browser => {
            let age = sent_at.millis_since(sent);
            if age < -MAX_AHEAD_MS {
                return Err(ahead("timestamp", "`sentAt`"));
            }
            by_age("timestamp", age.max(0), arrival.received_at)
        }
        (Some(sent), ..) => {
            if browser && arrival.received_at.millis_since(sent) > MAX_AGE_MS {
                return Err(too_old("timestamp"));
            }
            within_bounds("timestamp", sent, arrival.received_at).map(|sent| (sent, true))
        }
        (None, Some(age), _) if browser => by_age("age", age, arrival.received_at),
        (None, Some(age), _) => {
            let time = arrival.received_at.plus_millis(age.saturating_neg());
            within_bounds("age", time, arrival.received_at).map(|time| (time, false))
        }
        (None, None, _) => Ok((arrival.received_at, false)),
    }
}

fn by_age(
    field: &'static str,
    age: i64,
    received_at: Timestamp,
) -> Result<(Timestamp, bool), Rejection> {
    if age > MAX_AGE_MS {
        return Err(too_old(field));
    }
    Ok((received_at.plus_millis(-age), false))
}

fn too_old(field: &'static str) -> Rejection {
    Rejection::of(
        codes::TOO_OLD,
        field,
        "Send events within 7 days of their happening, or from a server with `timestamp`",
    )
}

/// A caller's own time, where it is not before 2000 nor more than 24 hours ahead.
pub(super) fn within_bounds(
    field: &'static str,
    sent: Timestamp,
    received_at: Timestamp,
) -> Result<Timestamp, Rejection> {
    if sent.as_millis() < EARLIEST {
        let message = format!("Send a `{field}` of the year 2000 or later");
        return Err(Rejection::of(codes::INVALID_TIMESTAMP, field, message));
    }
    if sent.millis_since(received_at) > MAX_AHEAD_MS {
        return Err(ahead(field, "now"));
    }
    Ok(sent)
}

/// The time of sending a message, where it is not before 2000 nor more than 30 days ahead.
pub(super) fn sent_at(raw: &RawValue, received_at: Timestamp) -> Result<Timestamp, Rejection> {
    let sent = timestamp("sentAt", raw)?;
    if sent.millis_since(received_at) > MAX_SENT_AHEAD_MS {
        let message = "Send a `sentAt` at most 30 days ahead of now";
        return Err(Rejection::of(codes::INVALID_TIMESTAMP, "sentAt", message));
    }
    // Not before 2000, and not ahead of itself.
    within_bounds("sentAt", sent, sent)
}

fn ahead(field: &'static str, of: &str) -> Rejection {
    let message = format!("Send a `{field}` at most 24 hours ahead of {of}");
    Rejection::of(codes::INVALID_TIMESTAMP, field, message)
}

/// Whole milliseconds, floored; below zero counts as zero, beyond `i64` as its greatest.
fn age_millis(raw: &RawValue) -> Result<i64, Rejection> {
    let invalid = || {
        Rejection::of(
            codes::INVALID_AGE,
            "age",
            "Send `age` as a JSON number of milliseconds",
        )
    };
    let text = json::number(raw).ok_or_else(invalid)?;
    let decimal = match Decimal::parse(text) {
        Ok(decimal) => decimal,
        Err(DecimalError::NotANumber) => return Err(invalid()),
        Err(DecimalError::TooLarge) if !text.starts_with('-') => return Ok(i64::MAX),
        Err(DecimalError::TooLarge | DecimalError::TooSmall) => return Ok(0),
    };
    Ok(if decimal.is_negative() {
        0
    } else {
        decimal.floor()
    })
}

pub(super) fn currency(raw: &RawValue) -> Result<Currency, Rejection> {
    json::text(raw)
        .and_then(|text| Currency::parse(&text).ok())
        .ok_or_else(|| {
            Rejection::of(
                codes::INVALID_CURRENCY,
                "currency",
                CurrencyError.to_string(),
            )
        })
}

/// An amount of a known currency; notes whether it was rounded.
pub(super) fn money(
    code: &'static str,
    field: &str,
    raw: &RawValue,
    currency: Currency,
    rounded: &mut bool,
) -> Result<Money, Rejection> {
    let text = json::number(raw).ok_or(MoneyError::NotANumber);
    let (money, how) = text
        .and_then(|text| Money::from_json_number(text, currency))
        .map_err(|error| Rejection::of(code, field, format!("`{field}`: {error}")))?;
    *rounded |= how == Rounded::Yes;
    Ok(money)
}

/// A refund's amount, whose currency is known only where the order is.
pub(super) fn amount(raw: &RawValue) -> Result<Decimal, Rejection> {
    let refuse = |message: String| {
        Rejection::of(
            codes::INVALID_AMOUNT,
            "amount",
            format!("`amount`: {message}"),
        )
    };
    let text = json::number(raw).ok_or(DecimalError::NotANumber);
    let decimal = text
        .and_then(Decimal::parse)
        .map_err(|error| refuse(error.to_string()))?;
    if decimal.is_negative() {
        return Err(refuse(MoneyError::Negative.to_string()));
    }
    Ok(decimal)
}

/// The lines of an order.
pub(super) fn items(
    raw: Option<&RawValue>,
    currency: Currency,
    unknown: &mut Vec<String>,
    rounded: &mut bool,
) -> Result<Vec<Item>, Rejection> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    let entries = json::list(raw, MAX_ITEMS).map_err(|error| {
        let message = match error {
            ListError::NotAList => "Send `items` as a JSON array of objects",
            ListError::TooLong => "Send at most 1000 `items`",
        };
        Rejection::of(codes::INVALID_ITEMS, "items", message)
    })?;
    entries
        .into_iter()
        .enumerate()
        .map(|(at, raw)| item(at, raw, currency, unknown, rounded))
        .collect()
}

fn item(
    at: usize,
    raw: &RawValue,
    currency: Currency,
    unknown: &mut Vec<String>,
    rounded: &mut bool,
) -> Result<Item, Rejection> {
    let refuse = |field: String, wanted: &str| {
        let message = format!("Send `{field}` as {wanted}");
        Rejection::of(codes::INVALID_ITEMS, field, message)
    };
    let fields: ItemBody<'_> =
        body(raw.get()).map_err(|_| refuse(format!("items[{at}]"), "a JSON object"))?;
    for name in &fields.unknown {
        note_unknown(unknown, &format!("items[{at}].{name}"));
    }
    let id = fields.id.map(|raw| {
        let text = json::text(raw)
            .map(String::from)
            .or_else(|| json::number(raw).map(Into::into));
        text.ok_or_else(|| refuse(format!("items[{at}].id"), "a JSON string"))
    });
    let name = fields.name.map(|raw| {
        let text = json::text(raw).map(String::from);
        text.ok_or_else(|| refuse(format!("items[{at}].name"), "a JSON string"))
    });
    // What an item costs is for reports: no order is lost for it.
    let price = fields.price.and_then(|raw| {
        let field = format!("items[{at}].price");
        let price = money(codes::INVALID_ITEMS, &field, raw, currency, rounded);
        price.map_err(|_| note_unknown(unknown, &field)).ok()
    });
    let quantity = fields.quantity.map(|raw| {
        let decimal = json::number(raw).and_then(|text| Decimal::parse(text).ok());
        match decimal {
            Some(decimal) if !decimal.is_negative() && !decimal.is_zero() => {
                Ok(decimal.to_string())
            }
            _ => Err(refuse(
                format!("items[{at}].quantity"),
                "a JSON number above 0",
            )),
        }
    });
    Ok(Item {
        id: id.transpose()?,
        name: name.transpose()?,
        price,
        quantity: quantity.transpose()?,
    })
}
