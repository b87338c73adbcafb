//! Names of fields that come near one that a route knows: as other languages spell it, as other
//! trackers call it, or with one letter wrong. They are not taken, since nobody can know what was
//! meant, but named.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::bodies::{
    Body, DeliveryBody, EventBody, IdentifyBody, ItemBody, MessageBody, PurchaseBody, RefundBody,
};
use crate::limits::MAX_ITEMS;
use crate::rejection::{Rejection, codes};

/// Hints in one answer.
const MAX_HINTS: usize = 8;
/// Of a name with fewer letters than this, one wrong letter makes another word.
const MIN_LETTERS: usize = 4;

/// What else a field is called, in [`plain`] letters: by Segment, Shopify, Stripe, `WooCommerce`,
/// Klaviyo, Customer.io and Google's data layer.
const ALSO: &[(&str, &[&str])] = &[
    (
        "email",
        &[
            "mail",
            "emailaddress",
            "useremail",
            "customeremail",
            "contact",
            "contactemail",
            "user",
            "userid",
            "recipient",
            "distinctid",
            "to",
        ],
    ),
    (
        "event",
        &[
            "eventname",
            "name",
            "eventtype",
            "action",
            "eventkey",
            "metric",
        ],
    ),
    (
        "properties",
        &[
            "props",
            "data",
            "attributes",
            "params",
            "payload",
            "metadata",
            "meta",
            "eventproperties",
        ],
    ),
    (
        "traits",
        &[
            "properties",
            "attributes",
            "userproperties",
            "profile",
            "data",
            "fields",
            "customattributes",
        ],
    ),
    (
        "timestamp",
        &[
            "time",
            "ts",
            "date",
            "datetime",
            "createdat",
            "occurredat",
            "eventtime",
            "originaltimestamp",
        ],
    ),
    (
        "orderId",
        &[
            "order",
            "ordernumber",
            "orderno",
            "transactionid",
            "transaction",
            "invoiceid",
            "reference",
        ],
    ),
    (
        "revenue",
        &[
            "total",
            "amount",
            "value",
            "price",
            "totalprice",
            "ordertotal",
            "grandtotal",
            "sum",
        ],
    ),
    ("currency", &["currencycode", "presentmentcurrency", "cur"]),
    ("items", &["products", "lineitems", "contents", "cart"]),
    ("messageId", &["msgid", "mailid", "emailid", "sendid"]),
    ("campaignId", &["campaign", "campaignname"]),
    ("refundId", &["refund", "creditnoteid", "transactionid"]),
    ("amount", &["refundamount", "revenue", "total", "value"]),
    (
        "anonymousId",
        &["anonid", "visitorid", "deviceid", "clientid", "sessionid"],
    ),
    (
        "id",
        &[
            "eventid",
            "uuid",
            "insertid",
            "dedupid",
            "deduplicationid",
            "sku",
            "productid",
            "itemid",
            "variantid",
        ],
    ),
    ("name", &["title", "productname", "itemname"]),
    ("price", &["unitprice", "amount", "itemprice", "cost"]),
    ("quantity", &["qty", "count", "units"]),
    ("events", &["batch", "data", "items"]),
    ("messages", &["batch", "emails", "recipients", "data"]),
    ("html", &["htmlbody", "bodyhtml", "body", "content"]),
    ("text", &["textbody", "plain", "plaintext"]),
    ("subject", &["title"]),
    ("sentAt", &["sendat", "scheduledat"]),
    ("type", &["kind", "eventtype"]),
];

/// What to send in place of a name that none of an accepted body's fields has, where its own field is
/// not there too. `kind` is the event's type, as records name it; `text` the body. At most 8.
#[must_use]
pub fn hints(kind: &str, text: &str, unknown: &[String]) -> Vec<String> {
    let mut hints = Vec::new();
    if unknown.is_empty() {
        return hints;
    }
    let fields = match kind {
        "track" => EventBody::FIELDS,
        "identify" => IdentifyBody::FIELDS,
        "purchase" => PurchaseBody::FIELDS,
        "refund" => RefundBody::FIELDS,
        "delivery" => DeliveryBody::FIELDS,
        "send" => MessageBody::FIELDS,
        _ => return hints,
    };
    let Ok(sent) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) else {
        return hints;
    };
    name_all(&mut hints, "", fields, &sent);
    if kind == "purchase"
        && let Some(items) = sent.get("items")
        && let Ok(items) = super::json::list(items, MAX_ITEMS)
    {
        for (at, item) in items.into_iter().enumerate() {
            if hints.len() == MAX_HINTS {
                break;
            }
            if let Ok(item) = serde_json::from_str(item.get()) {
                name_all(
                    &mut hints,
                    &format!("items[{at}]."),
                    ItemBody::FIELDS,
                    &item,
                );
            }
        }
    }
    hints
}

/// Names the field that is missing in a refusal for it, where something like it was sent.
pub(super) fn explain(mut rejection: Rejection, unknown: &[String]) -> Rejection {
    if rejection.code == codes::MISSING_FIELD
        && let Some(field) = rejection.field.as_deref()
        && let Some(sent) = unknown.iter().find(|sent| means(sent, field))
    {
        rejection.message = sentence("Send", "", field, sent);
    }
    rejection
}

fn name_all(
    hints: &mut Vec<String>,
    path: &str,
    fields: &[&str],
    sent: &BTreeMap<String, &RawValue>,
) {
    for name in sent.keys().filter(|name| !fields.contains(&name.as_str())) {
        let meant = meant(name, fields);
        if let Some(field) = meant.filter(|field| !sent.contains_key(*field))
            && hints.len() < MAX_HINTS
        {
            hints.push(sentence("send", path, field, name));
        }
    }
}

fn sentence(send: &str, path: &str, field: &str, sent: &str) -> String {
    format!("{send} `{path}{field}` (you sent `{path}{sent}`)")
}

/// Which of the fields a name stands for: the closest.
fn meant<'f>(sent: &str, fields: &[&'f str]) -> Option<&'f str> {
    let sent = plain(sent)?;
    let by = |is_near: &dyn Fn(&str) -> bool| fields.iter().copied().find(|field| is_near(field));
    by(&|field| plain(field).as_deref() == Some(&*sent))
        .or_else(|| by(&|field| is_also(field, &sent)))
        .or_else(|| by(&|field| plain(field).is_some_and(|field| is_one_edit(&field, &sent))))
}

fn means(sent: &str, field: &str) -> bool {
    meant(sent, &[field]).is_some()
}

fn is_also(field: &str, sent: &str) -> bool {
    let names = ALSO.iter().find(|(known, _)| *known == field);
    names.is_some_and(|(_, names)| names.contains(&sent))
}

/// Letters and digits alone, in lower case; `None` where it holds anything else but `_`, `-`, `.` and
/// blanks, and so may be something that must not be repeated.
fn plain(name: &str) -> Option<String> {
    let mut plain = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '_' | '-' | '.' | ' ' => {}
            character if character.is_ascii_alphanumeric() => {
                plain.push(character.to_ascii_lowercase());
            }
            _ => return None,
        }
    }
    (1..=64).contains(&plain.len()).then(|| plain.to_string())
}

/// Whether one letter too many, too few or wrong, or two that changed places, is all that differs.
fn is_one_edit(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short.len() < MIN_LETTERS || long.len() - short.len() > 1 {
        return false;
    }
    let (short, long) = (short.as_bytes(), long.as_bytes());
    let same = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let (short, long) = (&short[same..], &long[same..]);
    if short.len() < long.len() {
        return short == &long[1..];
    }
    match (short, long) {
        ([], []) => true,
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([a, b, x @ ..], [c, d, y @ ..]) => a == d && b == c && x == y,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn what_was_meant_is_found_by_spelling_by_other_names_and_by_one_wrong_letter() {
        let fields = PurchaseBody::FIELDS;
        for (sent, field) in [
            ("order_id", Some("orderId")),
            ("ORDER-ID", Some("orderId")),
            ("orderid", Some("orderId")),
            ("oderId", Some("orderId")),
            ("transaction_id", Some("orderId")),
            ("total", Some("revenue")),
            ("amount", Some("revenue")),
            ("revnue", Some("revenue")),
            ("user_id", Some("email")),
            ("e-mail", Some("email")),
            ("message_id", Some("messageId")),
            ("line_items", Some("items")),
            ("currncy", Some("currency")),
            ("coupon", None),
            ("ids", None),
            ("alice@person.example", None),
            ("", None),
        ] {
            assert_eq!(meant(sent, fields), field, "{sent}");
        }
        assert_eq!(meant("sku", ItemBody::FIELDS), Some("id"));
        assert_eq!(meant("qty", ItemBody::FIELDS), Some("quantity"));
        assert_eq!(meant("properties", IdentifyBody::FIELDS), Some("traits"));
    }

    #[test]
    fn hints_are_given_where_the_field_itself_was_not_sent_and_are_bounded() {
        let unknown = vec!["x".to_string()];
        let text = r#"{"email":"a","order_id":1,"orderId":2,"message_id":3,"colour":4,
            "items":[{"id":"a","sku":"b","qty":2},{"sku":"c","count":1}]}"#;
        assert_eq!(
            hints("purchase", text, &unknown),
            [
                "send `messageId` (you sent `message_id`)",
                "send `items[0].quantity` (you sent `items[0].qty`)",
                "send `items[1].quantity` (you sent `items[1].count`)",
                "send `items[1].id` (you sent `items[1].sku`)",
            ]
        );
        let items = "{\"sku\":1},".repeat(20);
        let text = format!("{{\"items\":[{items}{{}}]}}");
        assert_eq!(hints("purchase", &text, &unknown).len(), MAX_HINTS);
        assert!(hints("purchase", &text, &[]).is_empty());
    }
}
