//! Why an event was refused: the codes, all of them in one place, and the verdict that carries one.
//! Codes of requests as a whole (keys, rates, overload) are the collector's.

use alloc::string::String;

/// A verdict on one event: what is wrong and what to do. Never holds an address, a key, or another
/// value that could be personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// One of [`codes`].
    pub code: &'static str,
    /// What the caller should do.
    pub message: String,
    /// The JSON path as sent, such as `email`, `items[0].price`, `context.email`.
    pub field: Option<String>,
}

impl Rejection {
    /// A verdict on one field.
    pub fn of(
        code: &'static str,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Rejection {
        Rejection {
            code,
            message: message.into(),
            field: Some(field.into()),
        }
    }

    /// A verdict on the event as a whole.
    pub fn whole(code: &'static str, message: impl Into<String>) -> Rejection {
        Rejection {
            code,
            message: message.into(),
            field: None,
        }
    }
}

/// What a program may branch on. A code is never renamed.
pub mod codes {
    /// Declares the codes and the list of them, so that neither can miss one.
    macro_rules! codes {
        ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
            $($(#[$doc])* pub const $name: &str = $code;)*

            /// Every code, in the order in which documents list them.
            pub const ALL: &[&str] = &[$($name),*];
        };
    }

    codes! {
        /// The body, or an entry of a batch, is not a JSON object, or its `events` is no array.
        INVALID_BODY = "invalid_body";
        /// A required field is absent or null; `field` names it.
        MISSING_FIELD = "missing_field";
        /// `type` is none of those that the route takes: in a batch `track`, `identify`, `purchase` and
        /// `refund`, of a message `campaign` and `transactional`.
        INVALID_TYPE = "invalid_type";
        /// The event's own JSON text is longer than 32 KB.
        EVENT_TOO_LARGE = "event_too_large";
        /// `id` is no UUID.
        INVALID_ID = "invalid_id";
        /// `email` is no address.
        INVALID_EMAIL = "invalid_email";
        /// `anonymousId` is no text of 1 to 255 characters.
        INVALID_ANONYMOUS_ID = "invalid_anonymous_id";
        /// `messageId` is no text of 1 to 255 characters.
        INVALID_MESSAGE_ID = "invalid_message_id";
        /// `event` is no name of 1 to 128 characters.
        INVALID_EVENT = "invalid_event";
        /// `event` is one of the system's names; the message names the right route.
        RESERVED_NAME = "reserved_name";
        /// `properties` is not an object, or holds what JSON parsers differ about.
        INVALID_PROPERTIES = "invalid_properties";
        /// `traits` is not an object, or holds what JSON parsers differ about.
        INVALID_TRAITS = "invalid_traits";
        /// `properties` or `traits` has more than 256 names on its first level.
        TOO_MANY_PROPERTIES = "too_many_properties";
        /// `properties` or `traits` is nested more than 8 levels deep.
        TOO_DEEP = "too_deep";
        /// A batch's `context` is not an object, or too long.
        INVALID_CONTEXT = "invalid_context";
        /// `timestamp` (or a batch's `sentAt`) is not RFC 3339, before 2000, or over 24 h ahead.
        INVALID_TIMESTAMP = "invalid_timestamp";
        /// `age` is not a JSON number.
        INVALID_AGE = "invalid_age";
        /// The event happened more than 7 days before it arrived.
        TOO_OLD = "too_old";
        /// A page names somebody without their server's `signature`, where the collector wants one.
        UNSIGNED_IDENTIFY = "unsigned_identify";
        /// `orderId` is no text of 1 to 255 characters.
        INVALID_ORDER_ID = "invalid_order_id";
        /// `refundId` is no text of 1 to 255 characters.
        INVALID_REFUND_ID = "invalid_refund_id";
        /// `revenue` is no amount in the currency.
        INVALID_REVENUE = "invalid_revenue";
        /// A refund's `amount` is no amount.
        INVALID_AMOUNT = "invalid_amount";
        /// `currency` is no ISO 4217 code of a currency with minor units.
        INVALID_CURRENCY = "invalid_currency";
        /// `items` is no list of at most 1,000 items, or one of them is malformed.
        INVALID_ITEMS = "invalid_items";
        /// An amendment of an order from a page.
        AMENDMENT_NOT_ALLOWED = "amendment_not_allowed";
        /// `status` is none that a message can have.
        INVALID_STATUS = "invalid_status";
        /// `code` is no enhanced status code (RFC 3463).
        INVALID_CODE = "invalid_code";
        /// `reason` is no text of at most 998 characters, or of a suppression none that there is.
        INVALID_REASON = "invalid_reason";
        /// A delivery from a page, or with a key without the scope `write`.
        DELIVERIES_NOT_ALLOWED = "deliveries_not_allowed";
        /// A campaign's message to a contact who has unsubscribed, where that was to be refused.
        UNSUBSCRIBED = "unsubscribed";
        /// The same of one who is suppressed for another reason.
        SUPPRESSED = "suppressed";
        /// `campaignId` is no text of 1 to 255 characters.
        INVALID_CAMPAIGN_ID = "invalid_campaign_id";
        /// `subject` is no text of at most 998 characters.
        INVALID_SUBJECT = "invalid_subject";
        /// `html` is no text.
        INVALID_HTML = "invalid_html";
        /// `text` is no text.
        INVALID_TEXT = "invalid_text";
        /// `trackOpens` or `trackClicks` is not true, false or `"html"`, `refuseUnsubscribed` neither true nor
        /// false, or `pixel` not `start` or `end`.
        INVALID_FLAG = "invalid_flag";
        /// `utm` is not an object of texts of 1 to 255 characters.
        INVALID_UTM = "invalid_utm";
        /// A purchase with a public key that was not made for purchases.
        PURCHASES_NOT_ALLOWED = "purchases_not_allowed";
        /// A page sent what takes a secret key.
        INSUFFICIENT_SCOPE = "insufficient_scope";
        /// The event holds a secret key of this store, which a reader of events must not see.
        SECRET_KEY_IN_BROWSER = "secret_key_in_browser";
    }
}

#[cfg(test)]
mod tests {
    use super::codes::ALL;

    #[test]
    fn codes_are_snake_case_and_each_stands_once() {
        for (at, code) in ALL.iter().enumerate() {
            assert!(
                code.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{code}"
            );
            assert!(!ALL[..at].contains(code), "{code}");
        }
    }
}
