//! Identities: of an event (a UUID), and the callers' own ids of messages, orders, refunds and
//! browsers. No id is made here: the randomness comes from outside.

use alloc::string::String;
use core::fmt;

use crate::limits::MAX_ID_CHARS;

/// The identity of an event: 16 bytes of a UUID of any version, the nil UUID included. Two events
/// with one id in one workspace are the same event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId([u8; 16]);

impl EventId {
    /// Takes a UUID of 36 characters with hyphens or 32 without, in any case. Nothing is trimmed;
    /// braces and `urn:uuid:` are refused.
    ///
    /// # Errors
    /// [`IdError::NotAUuid`].
    pub fn parse(text: &str) -> Result<EventId, IdError> {
        let bytes = text.as_bytes();
        let hyphenated = bytes.len() == 36;
        if !hyphenated && bytes.len() != 32 {
            return Err(IdError::NotAUuid);
        }
        let mut id = [0; 16];
        let mut nibbles = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if hyphenated && HYPHENS.contains(&at) {
                if byte != b'-' {
                    return Err(IdError::NotAUuid);
                }
                continue;
            }
            let nibble = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                b'A'..=b'F' => byte - b'A' + 10,
                _ => return Err(IdError::NotAUuid),
            };
            id[nibbles / 2] = id[nibbles / 2] << 4 | nibble;
            nibbles += 1;
        }
        Ok(EventId(id))
    }

    /// The id with these bytes, in the order in which the text shows them.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> EventId {
        EventId(bytes)
    }

    /// The bytes, in the order in which the text shows them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The text, lower-case with hyphens, as 36 ASCII bytes.
    #[must_use]
    pub fn to_ascii(self) -> [u8; 36] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        // Nothing here can be out of bounds, so that the snippet holds no message for it.
        let digits = text.iter_mut().enumerate();
        let mut digits = digits.filter(|(at, _)| !HYPHENS.contains(at));
        for nibble in self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
            if let Some((_, digit)) = digits.next() {
                *digit = HEX[usize::from(nibble & 15)];
            }
        }
        text
    }
}

/// Where the hyphens of a UUID of 36 characters stand (RFC 9562, section 4).
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Lower-case with hyphens.
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ASCII throughout, so this cannot fail; an error costs less than a panic path.
        f.pad(core::str::from_utf8(&self.to_ascii()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Declares an id that a caller chose: a trimmed text of 1 to 255 characters.
macro_rules! caller_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        ///
        /// A trimmed text of 1 to 255 characters without control characters. Case counts.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Trims and checks the text.
            ///
            /// # Errors
            /// [`IdError::Empty`], [`IdError::TooLong`] or [`IdError::ControlCharacter`].
            pub fn parse(text: &str) -> Result<$name, IdError> {
                bounded(text).map(|text| $name(text.into()))
            }

            /// An id that was checked before it was kept: by the rules of its time, which may have
            /// been others.
            #[must_use]
            pub fn from_kept(text: String) -> $name {
                $name(text)
            }

            /// The id as it is stored and compared.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

caller_id! {
    /// A *send*: one message to one contact. Never the identity of an event.
    #[derive(Debug)]
    MessageId
}
caller_id! {
    /// Messages that belong together: a newsletter's issue, a step of an automation.
    #[derive(Debug)]
    CampaignId
}
caller_id! {
    /// A segment; the system gives it.
    #[derive(Debug)]
    SegmentId
}
caller_id! {
    /// An order of a shop; a purchase of it is recorded once.
    #[derive(Debug)]
    OrderId
}
caller_id! {
    /// A refund of an order; recorded once.
    #[derive(Debug)]
    RefundId
}
caller_id! {
    /// A browser before it is identified. It stands for a person, so `Debug` hides it.
    AnonymousId
}

impl fmt::Debug for AnonymousId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnonymousId[redacted]")
    }
}

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdError {
    /// Nothing but white space.
    Empty,
    /// More than 255 characters after trimming.
    TooLong,
    /// A control character, such as a line break, inside.
    ControlCharacter,
    /// Not a UUID of 36 or 32 characters.
    NotAUuid,
}

impl IdError {
    /// What is wanted instead, to follow "must be" or "send". Never holds the text that was sent.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            IdError::Empty | IdError::TooLong => "a text of 1 to 255 characters",
            IdError::ControlCharacter => "a text without control characters such as line breaks",
            IdError::NotAUuid => {
                "a UUID such as 0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b (hyphens may be left out)"
            }
        }
    }
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("send ")?;
        f.write_str(self.message())
    }
}

impl core::error::Error for IdError {}

/// The trimmed text, where it may be an id.
fn bounded(text: &str) -> Result<&str, IdError> {
    let id = text.trim();
    if id.is_empty() {
        Err(IdError::Empty)
    } else if id.chars().nth(MAX_ID_CHARS).is_some() {
        Err(IdError::TooLong)
    } else if id.chars().any(char::is_control) {
        Err(IdError::ControlCharacter)
    } else {
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::ToString as _;

    const UUID: &str = "0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b";

    #[test]
    fn a_uuid_is_read_with_and_without_hyphens_in_any_case() {
        let id = EventId::parse(UUID).unwrap();
        assert_eq!(id.as_bytes()[..4], [0x01, 0x93, 0xb8, 0xa1]);
        assert_eq!(EventId::parse(&UUID.to_uppercase()), Ok(id));
        assert_eq!(EventId::parse(&UUID.replace('-', "")), Ok(id));
        assert_eq!(id.to_string(), UUID);
        assert_eq!(format!("{id:?}"), UUID);
        assert!(EventId::parse("00000000-0000-0000-0000-000000000000").is_ok());
    }

    #[test]
    fn anything_else_is_no_uuid() {
        for text in [
            "",
            "42",
            " 0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b",
            "{0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b}",
            "urn:uuid:0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b",
            "0193b8a17-c2e-7d3f-8a4b-5c6d7e8f9a0b",
            "0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0g",
            "0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a-b",
            "0193b8a1-7c2e-7d3f-8a4b5c6d7e8f9a0b",
            "éééééééééééééééé",
        ] {
            assert_eq!(EventId::parse(text), Err(IdError::NotAUuid), "{text}");
        }
    }

    #[test]
    fn a_callers_id_is_trimmed_and_bounded() {
        assert_eq!(OrderId::parse("  A-1001\n").unwrap().as_str(), "A-1001");
        assert_eq!(MessageId::parse("").err(), Some(IdError::Empty));
        assert_eq!(RefundId::parse(" \t").err(), Some(IdError::Empty));
        assert!(MessageId::parse(&"é".repeat(255)).is_ok());
        assert_eq!(
            MessageId::parse(&"é".repeat(256)).err(),
            Some(IdError::TooLong)
        );
        assert_eq!(
            OrderId::parse("a\u{0}b").err(),
            Some(IdError::ControlCharacter)
        );
    }

    #[test]
    fn an_anonymous_id_does_not_show_in_debug_output() {
        let id = AnonymousId::parse("visitor-7").unwrap();
        assert_eq!(format!("{id:?}"), "AnonymousId[redacted]");
    }

    proptest! {
        #[test]
        fn an_event_id_survives_its_text(bytes: [u8; 16]) {
            let id = EventId::from_bytes(bytes);
            prop_assert_eq!(EventId::parse(&id.to_string()), Ok(id));
            prop_assert_eq!(id.as_bytes(), &bytes);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = EventId::parse(&text);
            if let Ok(id) = OrderId::parse(&text) {
                prop_assert_eq!(OrderId::parse(id.as_str()), Ok(id));
            }
        }
    }
}
