//! The bodies as they are sent: which fields each route knows, with their documentation for callers.
//! What the fields' values may be is decided in `fields` and `parse`.
//!
//! Every field is a raw JSON value; null counts as absent, the last of duplicates wins, and names
//! that are not known are collected.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::truncated;
use super::not_json;
use crate::limits::{MAX_UNKNOWN_CHARS, MAX_UNKNOWN_FIELDS};

/// A body that [`body`] can read.
pub trait Body<'a>: Default {
    /// The names of its fields.
    const FIELDS: &'static [&'static str];

    /// Puts a value in the field of that name. False where no field has it.
    fn set(&mut self, name: &str, value: Option<&'a RawValue>) -> bool;

    /// The names that no field has.
    fn unknown_mut(&mut self) -> &mut Vec<String>;
}

/// Reads one JSON object.
///
/// # Errors
/// See [`BodyError`].
pub fn body<'a, B: Body<'a>>(text: &'a str) -> Result<B, BodyError> {
    // Some programs begin every text with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json
        .deserialize_map(Fields(PhantomData))
        .and_then(|body| json.end().map(|()| body));
    let error = match read {
        Ok(body) => return Ok(body),
        Err(error) => error,
    };
    if !error.is_data() {
        return Err(BodyError::NotJson(not_json::explain(text, &error)));
    }
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => Err(BodyError::NotAnObject),
        Err(error) => Err(BodyError::NotJson(not_json::explain(text, &error))),
    }
}

/// Why a text is no body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Not JSON (status 400); the message names line and column and holds nothing of the text.
    NotJson(String),
    /// JSON, but not an object (status 422, code `invalid_body`).
    NotAnObject,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::NotJson(message) => f.write_str(message),
            BodyError::NotAnObject => f.write_str("Send one JSON object"),
        }
    }
}

impl core::error::Error for BodyError {}

/// Declares the bodies: per field its Rust name, its JSON name, and its type for the schema;
/// per body one example for the schema.
macro_rules! bodies {
    ($(
        $(#[$meta:meta])*
        $body:ident ($example:tt) {
            $($(#[$field_meta:meta])* $field:ident: $name:tt ($($schema:tt)*),)*
        }
    )*) => {$(
        #[derive(Clone, Default)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(example = json!($example)))]
        $(#[$meta])*
        pub struct $body<'a> {
            $(
                $(#[$field_meta])*
                #[cfg_attr(feature = "schema", schema(rename = $name, $($schema)*))]
                pub $field: Option<&'a RawValue>,
            )*
            /// Names that are not known, at most 32 of at most 128 characters.
            #[cfg_attr(feature = "schema", schema(ignore))]
            pub unknown: Vec<String>,
        }

        impl<'a> Body<'a> for $body<'a> {
            const FIELDS: &'static [&'static str] = &[$($name),*];

            fn set(&mut self, name: &str, value: Option<&'a RawValue>) -> bool {
                match name {
                    $($name => self.$field = value,)*
                    _ => return false,
                }
                true
            }

            fn unknown_mut(&mut self) -> &mut Vec<String> {
                &mut self.unknown
            }
        }

        impl<'a> $body<'a> {
            /// The fields that were sent, by their names, in the order in which they stand here.
            pub fn sent(&self) -> impl Iterator<Item = (&'static str, &'a RawValue)> {
                let fields = [$(($name, self.$field)),*];
                fields.into_iter().filter_map(|(name, value)| Some((name, value?)))
            }
        }

        /// Shows no value: addresses and keys are among them.
        impl fmt::Debug for $body<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($body)).finish_non_exhaustive()
            }
        }
    )*};
}

bodies! {
    /// A custom event.
    EventBody ({"id": "0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b", "email": "user@example.com", "event": "plan_upgraded", "properties": {"plan": "pro", "seats": 5}}) {
        /// Who did it. Trimmed; case does not matter, nor how letters with marks are composed, nor in
        /// which form (IDNA) the domain is written.
        email: "email" (value_type = String, format = Email, max_length = 254, example = "user@example.com"),
        /// What was done. Trimmed; names that begin with `email_` or `segment_`, and `identified`,
        /// `purchase`, `refund`, are the system's.
        event: "event" (value_type = String, min_length = 1, max_length = 128, example = "plan_upgraded"),
        /// Anything about it: at most 256 names, nested at most 8 levels.
        properties: "properties" (value_type = Option<Object>),
        /// When it happened: RFC 3339, not before 2000, from a page not more than 7 days ago, at most 24 hours ahead.
        /// Absent: now.
        timestamp: "timestamp" (value_type = Option<String>, format = DateTime, example = "2026-11-23T10:00:00Z"),
        /// The send that led to it.
        message_id: "messageId" (value_type = Option<String>, min_length = 1, max_length = 255, example = "msg_8f2a"),
        /// The event's identity: sending the same one again records nothing.
        id: "id" (value_type = Option<String>, pattern = "^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$", example = "0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b"),
        /// The browser in which it was done.
        anonymous_id: "anonymousId" (value_type = Option<String>, min_length = 1, max_length = 255, example = "5f1c0a52-6a0e-4a53-9d0b-8a9f3c1d2e4f"),
        /// A public key, where no header carries one.
        key: "key" (value_type = Option<String>, pattern = "^msk_pub_[0-9A-Za-z]{30}$"),
    }

    /// A paid order. The same order again records nothing; with other content it is refused.
    PurchaseBody ({"email": "user@example.com", "orderId": "A-1001", "revenue": 49.98, "currency": "USD", "items": [{"id": "sku-1", "name": "Blue mug", "price": 24.99, "quantity": 2}]}) {
        /// Who bought. Trimmed; case does not matter.
        email: "email" (value_type = String, format = Email, max_length = 254, example = "user@example.com"),
        /// The order's identity.
        order_id: "orderId" (value_type = String, min_length = 1, max_length = 255, example = "A-1001"),
        /// The whole order's worth in major units: a number, at most as many decimals as the currency has.
        revenue: "revenue" (value_type = f64, minimum = 0, example = 49.99),
        /// ISO 4217 code, in any case.
        currency: "currency" (value_type = String, min_length = 3, max_length = 3, example = "USD"),
        /// What was bought.
        items: "items" (value_type = Option<Vec<ItemBody<'static>>>, max_items = 1000),
        /// The send that led to it.
        message_id: "messageId" (value_type = Option<String>, min_length = 1, max_length = 255, example = "msg_8f2a"),
        /// When it was paid: RFC 3339, not before 2000, from a page not more than 7 days ago, at most 24 hours ahead.
        /// Absent: now.
        timestamp: "timestamp" (value_type = Option<String>, format = DateTime, example = "2026-11-23T10:00:00Z"),
        /// The event's identity; the order is looked at first.
        id: "id" (value_type = Option<String>, pattern = "^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$", example = "0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b"),
        /// Whether this changes an order that is on record: the fields that are sent take the place of
        /// those before. Of servers alone; `email` and `currency` may be left out and never change.
        amend: "amend" (value_type = Option<bool>, example = false),
        /// A public key that was made for purchases, where no header carries one.
        key: "key" (value_type = Option<String>, pattern = "^msk_pub_[0-9A-Za-z]{30}$"),
    }

    /// One line of an order.
    ItemBody ({"id": "sku-1", "name": "Blue mug", "price": 24.99, "quantity": 2}) {
        /// The article. A number is kept as its text.
        id: "id" (value_type = Option<String>, example = "sku-1"),
        /// Its name.
        name: "name" (value_type = Option<String>, example = "Blue mug"),
        /// Price of one, in the order's currency, in major units. One that is no such amount is left out,
        /// and named in `ignoredFields`.
        price: "price" (value_type = Option<f64>, minimum = 0, example = 24.99),
        /// How many: above 0.
        quantity: "quantity" (value_type = Option<f64>, exclusive_minimum = 0, example = 2),
    }

    /// Money of an order that was given back.
    RefundBody ({"orderId": "A-1001", "refundId": "R-1", "amount": 10.0}) {
        /// The order that was paid.
        order_id: "orderId" (value_type = String, min_length = 1, max_length = 255, example = "A-1001"),
        /// The refund's identity: the same one again records nothing.
        refund_id: "refundId" (value_type = String, min_length = 1, max_length = 255, example = "R-1"),
        /// Major units of the order's currency. Absent: all that is left.
        amount: "amount" (value_type = Option<f64>, minimum = 0, example = 10.0),
        /// The order's currency; another one is refused.
        currency: "currency" (value_type = Option<String>, min_length = 3, max_length = 3, example = "USD"),
        /// When it was given back: RFC 3339, not before 2000, at most 24 hours ahead. Absent: now.
        timestamp: "timestamp" (value_type = Option<String>, format = DateTime, example = "2026-11-23T10:00:00Z"),
        /// The event's identity.
        id: "id" (value_type = Option<String>, pattern = "^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$", example = "0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b"),
        /// A public key, where no header carries one; public keys may not refund.
        key: "key" (value_type = Option<String>, pattern = "^msk_pub_[0-9A-Za-z]{30}$"),
    }

    /// Names a contact, and the browser that is theirs.
    IdentifyBody ({"email": "user@example.com", "traits": {"plan": "pro"}}) {
        /// Who it is. Trimmed; case does not matter.
        email: "email" (value_type = String, format = Email, max_length = 254, example = "user@example.com"),
        /// What is known of them: at most 256 names, nested at most 8 levels.
        traits: "traits" (value_type = Option<Object>),
        /// Their browser: what it did before becomes theirs.
        anonymous_id: "anonymousId" (value_type = Option<String>, min_length = 1, max_length = 255, example = "5f1c0a52-6a0e-4a53-9d0b-8a9f3c1d2e4f"),
        /// Of a page, where the collector wants it (`misar serve --require-signed-identify`): the HMAC-SHA-256 of the
        /// address that your server has made, in hexadecimal digits.
        signature: "signature" (value_type = Option<String>, pattern = "^[0-9A-Fa-f]{64}$"),
        /// The event's identity: sending the same one again records nothing.
        id: "id" (value_type = Option<String>, pattern = "^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$", example = "0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b"),
        /// When it was learnt: RFC 3339, not before 2000, from a page not more than 7 days ago, at most 24 hours ahead.
        /// Absent: now.
        timestamp: "timestamp" (value_type = Option<String>, format = DateTime, example = "2026-11-23T10:00:00Z"),
        /// A public key, where no header carries one.
        key: "key" (value_type = Option<String>, pattern = "^msk_pub_[0-9A-Za-z]{30}$"),
    }

    /// Up to 1,000 events in up to 1 MB; each gets its own verdict.
    BatchBody ({"events": [{"type": "track", "email": "user@example.com", "event": "page_viewed"}, {"type": "identify", "email": "user@example.com", "traits": {"plan": "pro"}}]}) {
        /// A public key, where no header carries one.
        key: "key" (value_type = Option<String>, pattern = "^msk_pub_[0-9A-Za-z]{30}$"),
        /// When the batch was sent, by the same clock as the events' timestamps: RFC 3339.
        sent_at: "sentAt" (value_type = Option<String>, format = DateTime, example = "2026-11-23T10:00:00Z"),
        /// What is true of all events: `email` and `anonymousId` serve those that have none; at most 4 KB.
        context: "context" (value_type = Option<Object>),
        /// The events.
        events: "events" (value_type = Vec<BatchEvent<'static>>, max_items = 1000),
    }

    /// One event of a batch: `type`, and the fields of its own route.
    BatchEvent ({"type": "track", "email": "user@example.com", "event": "page_viewed", "properties": {"url": "https://example.com/"}}) {
        /// `track`, `identify` or `purchase`; with a secret key also `refund`, and `delivery` with the scope `write`.
        kind: "type" (value_type = String, pattern = "^(track|identify|purchase|refund|delivery)$", example = "track"),
        /// Milliseconds since it happened, by the sender's clock; from a page at most 7 days, less than 0
        /// is 0. From a server it counts where there is no `timestamp`.
        age: "age" (value_type = Option<f64>, example = 1500),
        /// Who. Track takes `anonymousId` instead, and so does a purchase of a page; either may stand in
        /// `context`.
        email: "email" (value_type = Option<String>, format = Email, max_length = 254, example = "user@example.com"),
        /// The browser in which it was done.
        anonymous_id: "anonymousId" (value_type = Option<String>, min_length = 1, max_length = 255, example = "5f1c0a52-6a0e-4a53-9d0b-8a9f3c1d2e4f"),
        /// Track: what was done; required there.
        event: "event" (value_type = Option<String>, min_length = 1, max_length = 128, example = "page_viewed"),
        /// Track: anything about it.
        properties: "properties" (value_type = Option<Object>),
        /// Identify: what is known of the contact.
        traits: "traits" (value_type = Option<Object>),
        /// Purchase and refund: the order's identity; required there.
        order_id: "orderId" (value_type = Option<String>, min_length = 1, max_length = 255, example = "A-1001"),
        /// Purchase: the order's worth in major units; required there.
        revenue: "revenue" (value_type = Option<f64>, minimum = 0, example = 49.99),
        /// Purchase: ISO 4217 code; required there. Of a refund the order's.
        currency: "currency" (value_type = Option<String>, min_length = 3, max_length = 3, example = "USD"),
        /// Purchase: what was bought.
        items: "items" (value_type = Option<Vec<ItemBody<'static>>>, max_items = 1000),
        /// Refund: its identity; required there.
        refund_id: "refundId" (value_type = Option<String>, min_length = 1, max_length = 255, example = "R-1"),
        /// Refund: in major units; absent for all that is left.
        amount: "amount" (value_type = Option<f64>, minimum = 0, example = 10.00),
        /// Delivery: what became of the message; required there.
        status: "status" (value_type = Option<String>, pattern = "^(delivered|bounced|deferred|complained)$", example = "delivered"),
        /// Delivery: the enhanced status code (RFC 3463); its class must be that of `status`.
        code: "code" (value_type = Option<String>, example = "5.1.1"),
        /// Delivery: the mail server's words.
        reason: "reason" (value_type = Option<String>, max_length = 998),
        /// Track and purchase: the send that led to it. Delivery: the send; required there.
        message_id: "messageId" (value_type = Option<String>, min_length = 1, max_length = 255, example = "msg_8f2a"),
        /// When it happened: RFC 3339. From a page, `age` goes before it, and with `sentAt` only its
        /// distance from that counts; not more than 7 days ago.
        timestamp: "timestamp" (value_type = Option<String>, format = DateTime, example = "2026-11-23T10:00:00Z"),
        /// The event's identity: sending the same one again records nothing.
        id: "id" (value_type = Option<String>, pattern = "^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$", example = "0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b"),
        /// Purchase: whether it changes an order that is on record.
        amend: "amend" (value_type = Option<bool>, example = false),
        /// Ignored here: the batch itself carries the key.
        key: "key" (value_type = Option<String>),
    }

    /// A message that is sent to one contact: it is registered, and its parts come back instrumented.
    /// The same messageId again gives the same answer; with other content it is refused.
    MessageBody ({"email": "user@example.com", "messageId": "spring-42", "campaignId": "spring", "subject": "New mugs", "html": "<p><a href=\"https://shop.example/mugs\">See them</a></p>"}) {
        /// To whom. Trimmed; case does not matter.
        email: "email" (value_type = String, format = Email, max_length = 254, example = "user@example.com"),
        /// The send's identity. Absent: one is made.
        message_id: "messageId" (value_type = Option<String>, min_length = 1, max_length = 255, example = "spring-42"),
        /// The campaign that it belongs to.
        campaign_id: "campaignId" (value_type = Option<String>, min_length = 1, max_length = 255, example = "spring"),
        /// `campaign` (the default) or `transactional`: people wait for those, so that an open at once is
        /// not held against them.
        kind: "type" (value_type = Option<String>, pattern = "^(campaign|transactional)$", example = "campaign"),
        /// Kept for reports.
        subject: "subject" (value_type = Option<String>, max_length = 998, example = "New mugs"),
        /// When it is to be sent: RFC 3339, not before 2000, at most 30 days ahead. Absent: now. When it
        /// really left, `POST /v1/messages/sent` tells.
        sent_at: "sentAt" (value_type = Option<String>, format = DateTime, example = "2026-11-23T10:00:00Z"),
        /// The HTML part; `{{unsubscribe_url}}` becomes the unsubscribe link, and a link with the attribute
        /// `data-misar-notrack` stays as it is, in the text part too.
        html: "html" (value_type = Option<String>, example = "<p><a href=\"https://shop.example/mugs\">See them</a></p>"),
        /// The text part.
        text: "text" (value_type = Option<String>, example = "See them: https://shop.example/mugs"),
        /// Whether a pixel is added to the HTML part; true unless said.
        track_opens: "trackOpens" (value_type = Option<bool>, example = true),
        /// Whether links lead through the tracker; true unless said. `"html"`: those of the HTML part.
        track_clicks: "trackClicks" (value_type = Option<serde_json::Value>, example = true),
        /// Where the pixel stands: at the `end` of the HTML part, unless said, or at its `start`, for mails of
        /// more than 100 KB: Gmail cuts those off.
        pixel: "pixel" (value_type = Option<String>, pattern = "^(start|end)$", example = "end"),
        /// Whether a campaign's message to a contact who has unsubscribed, or who is suppressed for another
        /// reason, is refused; false unless said.
        refuse_unsubscribed: "refuseUnsubscribed" (value_type = Option<bool>, example = true),
        /// Campaign parameters to add to the links' queries.
        utm: "utm" (value_type = Option<UtmBody<'static>>, nullable = false),
    }

    /// Campaign parameters; each is added to a link as `utm_…` where the link does not have it.
    UtmBody ({"source": "newsletter", "medium": "email", "campaign": "spring"}) {
        /// `utm_source`
        source: "source" (value_type = Option<String>, min_length = 1, max_length = 255, example = "newsletter"),
        /// `utm_medium`
        medium: "medium" (value_type = Option<String>, min_length = 1, max_length = 255, example = "email"),
        /// `utm_campaign`
        campaign: "campaign" (value_type = Option<String>, min_length = 1, max_length = 255, example = "spring"),
        /// `utm_term`
        term: "term" (value_type = Option<String>, min_length = 1, max_length = 255, example = "mugs"),
        /// `utm_content`
        content: "content" (value_type = Option<String>, min_length = 1, max_length = 255, example = "header"),
    }

    /// Who is to get no more mail: one contact, or up to 1,000 in `suppressions`.
    SuppressionsBody ({"email": "user@example.com", "reason": "manual"}) {
        /// Who. Trimmed; case does not matter.
        email: "email" (value_type = Option<String>, format = Email, max_length = 254, example = "user@example.com"),
        /// `manual` (the default), `unsubscribed`, `bounced` or `complained`.
        reason: "reason" (value_type = Option<String>, pattern = "^(manual|unsubscribed|bounced|complained)$", example = "manual"),
        /// Since when: RFC 3339, not before 2000, at most 24 hours ahead. Absent: now.
        timestamp: "timestamp" (value_type = Option<String>, format = DateTime, example = "2026-11-23T10:00:00Z"),
        /// In their place: a list of such entries.
        suppressions: "suppressions" (value_type = Option<Vec<SuppressionBody<'static>>>, max_items = 1000),
    }

    /// Somebody who is to get no more mail.
    SuppressionBody ({"email": "user@example.com", "reason": "manual"}) {
        /// Who. Trimmed; case does not matter.
        email: "email" (value_type = String, format = Email, max_length = 254, example = "user@example.com"),
        /// `manual` (the default), `unsubscribed`, `bounced` or `complained`.
        reason: "reason" (value_type = Option<String>, pattern = "^(manual|unsubscribed|bounced|complained)$", example = "manual"),
        /// Since when: RFC 3339, not before 2000, at most 24 hours ahead. Absent: now.
        timestamp: "timestamp" (value_type = Option<String>, format = DateTime, example = "2026-11-23T10:00:00Z"),
    }

    /// What a mail server told of a registered message.
    DeliveryBody ({"messageId": "spring-42", "status": "bounced", "code": "5.1.1", "reason": "550 5.1.1 No such user", "timestamp": "2026-11-23T10:00:05Z"}) {
        /// The send, as it was registered.
        message_id: "messageId" (value_type = String, min_length = 1, max_length = 255, example = "spring-42"),
        /// `delivered`, `bounced` (for good), `deferred` (it is tried again) or `complained`.
        status: "status" (value_type = String, pattern = "^(delivered|bounced|deferred|complained)$", example = "bounced"),
        /// The enhanced status code (RFC 3463). A bounce of 5.7.x, which is about policy, does not suppress the
        /// contact; without a code every bounce does.
        code: "code" (value_type = Option<String>, pattern = "^[245]\\.[0-9]{1,3}\\.[0-9]{1,3}$", example = "5.1.1"),
        /// The mail server's words.
        reason: "reason" (value_type = Option<String>, max_length = 998, example = "550 5.1.1 No such user"),
        /// When it happened: RFC 3339, not before 2000, at most 24 hours ahead. Absent: now.
        timestamp: "timestamp" (value_type = Option<String>, format = DateTime, example = "2026-11-23T10:00:05Z"),
        /// The event's identity: sending the same one again records nothing.
        id: "id" (value_type = Option<String>, pattern = "^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$", example = "0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b"),
    }

    /// When messages really left: up to 1,000 of them, or all of a campaign whose time has not been told.
    SentBody ({"messages": [{"messageId": "spring-42", "sentAt": "2026-11-23T10:00:00Z"}]}) {
        /// The messages.
        messages: "messages" (value_type = Option<Vec<SentMessageBody<'static>>>, max_items = 1000),
        /// In their place: every message of this campaign whose real time has not been told yet.
        campaign_id: "campaignId" (value_type = Option<String>, min_length = 1, max_length = 255, example = "spring"),
        /// For all that have no time of their own: RFC 3339, at most 30 days ahead. Absent: now.
        sent_at: "sentAt" (value_type = Option<String>, format = DateTime, example = "2026-11-23T10:00:00Z"),
    }

    /// When a message really left.
    SentMessageBody ({"messageId": "spring-42", "sentAt": "2026-11-23T10:00:00Z"}) {
        /// The send, as it was registered.
        message_id: "messageId" (value_type = String, min_length = 1, max_length = 255, example = "spring-42"),
        /// RFC 3339, at most 30 days ahead. Absent: now, or what was told before.
        sent_at: "sentAt" (value_type = Option<String>, format = DateTime, example = "2026-11-23T10:00:00Z"),
    }

    /// Up to 1,000 messages in up to 32 MB; each gets its own verdict.
    MessageBatchBody ({"messages": [{"email": "user@example.com", "messageId": "spring-42", "html": "<p>Hello</p>"}]}) {
        /// The messages.
        messages: "messages" (value_type = Vec<MessageBody<'static>>, max_items = 1000),
    }
}

/// Remembers an ignored field's JSON path, within bounds.
pub(super) fn note_unknown(unknown: &mut Vec<String>, path: &str) {
    let path = truncated(path, MAX_UNKNOWN_CHARS);
    if unknown.len() < MAX_UNKNOWN_FIELDS && !unknown.iter().any(|known| known == path) {
        unknown.push(path.into());
    }
}

/// Visits one JSON object and fills a body.
struct Fields<B>(PhantomData<B>);

impl<'de, B: Body<'de>> Visitor<'de> for Fields<B> {
    type Value = B;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<B, A::Error> {
        let mut body = B::default();
        while let Some(Name(name)) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            let value = (value.get() != "null").then_some(value);
            if !body.set(&name, value) {
                note_unknown(body.unknown_mut(), &name);
            }
        }
        Ok(body)
    }
}

/// A field's name, borrowed unless it holds escapes: serde's own `Cow` always copies.
pub(super) struct Name<'a>(pub(super) alloc::borrow::Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(name.into()))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(String::from(name).into()))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}
