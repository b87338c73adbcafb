//! The names that callers may give their events, and those that the system keeps for itself.
//! What a name means, or how often it may occur, is not decided here.

use alloc::string::String;
use core::fmt;

use crate::limits::MAX_NAME_CHARS;

/// Names that the system gives to what arrives on its own routes.
pub mod names {
    /// A purchase, from `/v1/track/purchase`.
    pub const PURCHASE: &str = "purchase";
    /// A refund, from `/v1/track/refund`.
    pub const REFUND: &str = "refund";
    /// A contact was named, from `/v1/identify`.
    pub const IDENTIFIED: &str = "identified";
    /// A message was registered, from `/v1/messages`.
    pub const EMAIL_SENT: &str = "email_sent";
    /// A message's pixel was loaded.
    pub const EMAIL_OPENED: &str = "email_opened";
    /// A message's link was followed.
    pub const EMAIL_CLICKED: &str = "email_clicked";
    /// A contact wants no more mail, from `/mail/unsubscribe/…`.
    pub const EMAIL_UNSUBSCRIBED: &str = "email_unsubscribed";
    /// It was told when a message really left, on `/v1/messages/sent`.
    pub const EMAIL_SENT_TOLD: &str = "email_sent_told";
    /// A server changed an order, from `/v1/track/purchase`.
    pub const PURCHASE_AMENDED: &str = "purchase_amended";
    /// A contact is to get no more mail, from `/v1/suppressions`.
    pub const EMAIL_SUPPRESSED: &str = "email_suppressed";
    /// They may get mail again.
    pub const EMAIL_SUPPRESSION_LIFTED: &str = "email_suppression_lifted";
    /// A contact was erased, from `DELETE /v1/contacts/…`.
    pub const EMAIL_ERASED: &str = "email_erased";
    /// The receiving server took a message, from `/v1/messages/delivery`.
    pub const EMAIL_DELIVERED: &str = "email_delivered";
    /// It refused it for good.
    pub const EMAIL_BOUNCED: &str = "email_bounced";
    /// It is tried again.
    pub const EMAIL_DEFERRED: &str = "email_deferred";
    /// Its reader called it spam.
    pub const EMAIL_COMPLAINED: &str = "email_complained";
}

/// A caller's own event name: trimmed, 1 to 128 characters, no control characters, not reserved.
/// Case counts; `snake_case` is recommended and not required.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventName(String);

impl EventName {
    /// Trims and checks a name.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn parse(text: &str) -> Result<EventName, NameError> {
        let name = text.trim();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.chars().nth(MAX_NAME_CHARS).is_some() {
            return Err(NameError::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(NameError::ControlCharacter);
        }
        match route_of(name) {
            Some(route) => Err(NameError::Reserved { route }),
            None => Ok(EventName(name.into())),
        }
    }

    /// The name as it is stored and compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing but white space.
    Empty,
    /// More than 128 characters after trimming.
    TooLong,
    /// A control character, such as a line break, inside.
    ControlCharacter,
    /// One of the system's names.
    Reserved {
        /// Where to send what is meant: for `email_…` and `segment_…` the route whose objects make
        /// the system write such events.
        route: &'static str,
    },
}

impl NameError {
    /// What to tell the caller. Never holds the name that was sent.
    #[must_use]
    pub fn message(self) -> String {
        let (start, route, end) = match self {
            NameError::Empty => ("Give the event a name of 1 to 128 characters", "", ""),
            NameError::TooLong => ("Shorten the event's name to at most 128 characters", "", ""),
            NameError::ControlCharacter => (
                "Leave control characters such as line breaks out of the event's name",
                "",
                "",
            ),
            NameError::Reserved {
                route: route @ MESSAGES,
            } => (
                "Names that begin with email_ are written by the system alone, for messages sent through ",
                route,
                ": choose another name",
            ),
            NameError::Reserved {
                route: route @ SEGMENTS,
            } => (
                "Names that begin with segment_ are written by the system alone, for segments defined through ",
                route,
                ": choose another name",
            ),
            NameError::Reserved { route } => (
                "This name is the system's: send it to ",
                route,
                ", or choose another name",
            ),
        };
        let mut message = String::with_capacity(start.len() + route.len() + end.len());
        message.push_str(start);
        message.push_str(route);
        message.push_str(end);
        message
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl core::error::Error for NameError {}

const MESSAGES: &str = "/v1/messages";
const SEGMENTS: &str = "/v1/segments";

/// The route to point to, where a name is reserved.
fn route_of(name: &str) -> Option<&'static str> {
    match name {
        names::PURCHASE => Some("/v1/track/purchase"),
        names::REFUND => Some("/v1/track/refund"),
        names::IDENTIFIED => Some("/v1/identify"),
        _ if name.starts_with("email_") => Some(MESSAGES),
        _ if name.starts_with("segment_") => Some(SEGMENTS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_names_pass_and_are_trimmed() {
        for (sent, kept) in [
            ("page_viewed", "page_viewed"),
            ("  Signed Up \n", "Signed Up"),
            ("größe gewählt 🎉", "größe gewählt 🎉"),
            ("email", "email"),
            ("Purchase", "Purchase"),
            ("purchases", "purchases"),
            ("my_email_opened", "my_email_opened"),
        ] {
            assert_eq!(EventName::parse(sent).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn length_is_counted_in_characters_after_trimming() {
        let longest = "é".repeat(128);
        assert!(EventName::parse(&longest).is_ok());
        assert!(EventName::parse(&std::format!(" {longest} ")).is_ok());
        assert_eq!(EventName::parse(&"é".repeat(129)), Err(NameError::TooLong));
        assert_eq!(EventName::parse(" \t\n"), Err(NameError::Empty));
        assert_eq!(EventName::parse(""), Err(NameError::Empty));
    }

    #[test]
    fn control_characters_are_refused() {
        for name in ["a\nb", "a\u{0}b", "a\u{7f}", "a\u{85}b"] {
            assert_eq!(EventName::parse(name), Err(NameError::ControlCharacter));
        }
    }

    #[test]
    fn reserved_names_point_to_the_right_route() {
        for (name, route) in [
            ("purchase", "/v1/track/purchase"),
            (" refund ", "/v1/track/refund"),
            ("identified", "/v1/identify"),
            ("email_opened", "/v1/messages"),
            ("email_", "/v1/messages"),
            ("segment_entered", "/v1/segments"),
        ] {
            let error = EventName::parse(name).unwrap_err();
            assert_eq!(error, NameError::Reserved { route });
            assert!(error.message().contains(route), "{}", error.message());
        }
    }

    proptest! {
        #[test]
        fn a_name_that_passed_passes_again_unchanged(text in "\\PC{0,140}") {
            if let Ok(name) = EventName::parse(&text) {
                prop_assert_eq!(EventName::parse(name.as_str()), Ok(name.clone()));
                prop_assert!((1..=128).contains(&name.as_str().chars().count()));
            }
        }
    }
}
