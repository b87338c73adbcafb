//! The bounds that the HTTP contract sets (design, section 4.2), as plain numbers.
//! Rates and queue sizes are the collector's and do not stand here.

/// Bytes of one event's own JSON text.
pub const MAX_EVENT_BYTES: usize = 32 * 1024;
/// Bytes of a batch's JSON text, after decompression.
pub const MAX_BATCH_BYTES: usize = 1024 * 1024;
/// Events in one batch.
pub const MAX_BATCH_EVENTS: usize = 1000;

/// Bytes of the JSON text of messages to register, after decompression.
pub const MAX_MESSAGES_BYTES: usize = 32 * 1024 * 1024;
/// Messages in one batch.
pub const MAX_BATCH_MESSAGES: usize = 1000;
/// Links in one message, tracked or not, placeholders too.
pub const MAX_MESSAGE_LINKS: u32 = 10_000;
/// Links in all messages of one request.
pub const MAX_REQUEST_LINKS: u32 = 100_000;
/// Characters of a message's subject: RFC 5322, section 2.1.1, allows no longer line.
pub const MAX_SUBJECT_CHARS: usize = 998;

/// Characters of what a mail server says of a message: no line of SMTP or of a mail is longer.
pub const MAX_REASON_CHARS: usize = 998;

/// Characters (Unicode scalar values) of an event's name.
pub const MAX_NAME_CHARS: usize = 128;
/// Characters of a `messageId`, `orderId`, `refundId` or `anonymousId`.
pub const MAX_ID_CHARS: usize = 255;
/// Bytes of an e-mail address: RFC 5321's path of 256 less its two angle brackets.
pub const MAX_EMAIL_BYTES: usize = 254;
/// Bytes of the part before the @: RFC 5321, section 4.5.3.1.1.
pub const MAX_LOCAL_BYTES: usize = 64;
/// Bytes of an address as it was spelled, of which normalising may leave less: four times as many.
/// What is longer is refused unread.
pub const MAX_EMAIL_SENT_BYTES: usize = 4 * MAX_EMAIL_BYTES;

/// Names on the first level of `properties` or `traits`.
pub const MAX_PROPERTIES: usize = 256;
/// Objects and arrays inside each other; the properties object itself is level 1.
pub const MAX_DEPTH: usize = 8;
/// Items of one purchase.
pub const MAX_ITEMS: usize = 1000;
/// Bytes of a batch's `context`.
pub const MAX_CONTEXT_BYTES: usize = 4096;

/// Names of unknown fields that a receipt lists; the rest is left out.
pub const MAX_UNKNOWN_FIELDS: usize = 32;
/// Characters that are kept of an unknown field's name.
pub const MAX_UNKNOWN_CHARS: usize = 128;

/// Milliseconds after which an event's `age` is too old: 7 days.
pub const MAX_AGE_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Milliseconds that a `timestamp` may lie ahead of its arrival: 24 hours.
pub const MAX_AHEAD_MS: i64 = 24 * 60 * 60 * 1000;
/// Milliseconds that the time of sending a message may lie ahead: 30 days.
pub const MAX_SENT_AHEAD_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// The earliest `timestamp`: 2000-01-01T00:00:00Z in milliseconds since 1970.
pub const EARLIEST: i64 = 946_684_800_000;

/// Conditions inside each other in a segment's definition: `all`, `any` and `not` above a leaf.
pub const MAX_SEGMENT_DEPTH: usize = 8;
/// Leaves of a segment's definition; each step of a sequence is one.
pub const MAX_SEGMENT_LEAVES: usize = 100;
/// Conditions under one `all` or `any`.
pub const MAX_SEGMENT_BRANCHES: usize = 100;
/// Bytes of a definition's JSON text.
pub const MAX_SEGMENT_BYTES: usize = 64 * 1024;
/// The most that a `count` may ask for: as many times of one contact's events are kept at hand.
pub const MAX_SEGMENT_COUNT: u32 = 1000;
/// Milliseconds of the longest span in a definition: 10 years of 365 days.
pub const MAX_SEGMENT_SPAN_MS: i64 = 3650 * 24 * 60 * 60 * 1000;
/// Conditions in one `where`.
pub const MAX_SEGMENT_WHERE: usize = 20;
/// Values in one `in` or `notIn`.
pub const MAX_SEGMENT_VALUES: usize = 1000;
/// Characters of one text in a definition.
pub const MAX_SEGMENT_TEXT_CHARS: usize = 1024;
/// Characters of a dotted path.
pub const MAX_SEGMENT_PATH_CHARS: usize = 255;
/// Steps of a sequence.
pub const MAX_SEGMENT_STEPS: usize = 8;
