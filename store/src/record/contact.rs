//! A person: the address in its spellings, and the pseudonym that is made of it.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use shared::email::{Email, renewed};

/// Text about a person: `Debug` hides it, so that it cannot reach a log line by accident.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal(pub String);

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Personal(…)")
    }
}

/// A person's pseudonym within a workspace: the first 16 bytes of HMAC-SHA-256 of the normalised
/// address under the workspace's key. See [`super::workspace::WorkspaceKey::contact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContactId(pub [u8; 16]);

/// A contact's address in its spellings, read by today's rule however old the record is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "StoredAddress")]
pub struct Address {
    /// The contact's identity, see [`Email::normalised`].
    pub normalised: Personal,
    /// As the caller spelled it, where that differs: for display alone.
    pub original: Option<Personal>,
    /// The identity under the rule of the record's time, where that was another: tokens and digests
    /// of that time were made from it.
    pub older: Option<Personal>,
}

impl Address {
    /// The identity as it was when the record was made.
    pub fn as_recorded(&self) -> &str {
        &self.older.as_ref().unwrap_or(&self.normalised).0
    }

    /// The spelling to show of the event.
    pub fn spelled(&self) -> &str {
        &self.original.as_ref().unwrap_or(&self.normalised).0
    }

    /// The spelling to show of the contact: one that is refused today is not theirs.
    pub(crate) fn spelled_for_contact(&self) -> &str {
        let spelled = self.spelled();
        // Of ASCII, only the case can differ.
        let is_theirs = spelled.is_ascii()
            || Email::parse(spelled).is_ok_and(|email| email.normalised() == self.normalised.0);
        if is_theirs {
            spelled
        } else {
            &self.normalised.0
        }
    }
}

impl From<&Email> for Address {
    fn from(email: &Email) -> Self {
        let differs = email.original() != email.normalised();
        Self {
            normalised: Personal(email.normalised().to_owned()),
            original: differs.then(|| Personal(email.original().to_owned())),
            older: None,
        }
    }
}

/// An address as it lies in the log: what the rule of its time made of it, and its spelling where that
/// differs. The log is never written anew for a new rule.
#[derive(Deserialize)]
struct StoredAddress {
    normalised: Personal,
    original: Option<Personal>,
}

impl From<StoredAddress> for Address {
    fn from(stored: StoredAddress) -> Self {
        let StoredAddress {
            normalised,
            original,
        } = stored;
        let spelling = original.as_ref().map(|original| original.0.as_str());
        match renewed(&normalised.0, spelling) {
            None => Self {
                normalised,
                original,
                older: None,
            },
            Some(today) => Self {
                normalised: Personal(today),
                original: Some(original.unwrap_or_else(|| normalised.clone())),
                older: Some(normalised),
            },
        }
    }
}

/// Writes what was read, to the byte: a record that is copied must say the same under the next rule.
impl Serialize for Address {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Stored<'a> {
            normalised: &'a Personal,
            original: Option<&'a Personal>,
        }
        let normalised = self.older.as_ref().unwrap_or(&self.normalised);
        let original = self.original.as_ref();
        let stored = Stored {
            normalised,
            original: original.filter(|original| *original != normalised),
        };
        stored.serialize(to)
    }
}

#[cfg(test)]
mod tests {
    use shared::email::older_normal_form;

    use super::*;

    /// The bytes that an older version wrote of an address.
    fn written_then(spelling: &str) -> Vec<u8> {
        let normalised = older_normal_form(spelling);
        let original = (normalised != spelling).then_some(spelling);
        postcard::to_allocvec(&(&normalised, original)).unwrap()
    }

    #[test]
    fn an_old_address_is_read_by_todays_rule_and_written_as_it_was() {
        for (spelling, today, is_older) in [
            ("ada@example.com", "ada@example.com", false),
            ("Ada@Example.com", "ada@example.com", false),
            ("kate@exámple.com", "kate@xn--exmple-qta.com", true),
            ("Kate@Exámple.com", "kate@xn--exmple-qta.com", true),
            ("\u{212a}ate@example.com", "kate@example.com", false),
            ("ren\u{e9}@example.com", "ren\u{e9}@example.com", false),
        ] {
            let bytes = written_then(spelling);
            let address: Address = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(address.normalised.0, today);
            assert_eq!(address.spelled(), spelling);
            assert_eq!(address.older.is_some(), is_older, "{spelling}");
            assert_eq!(address.as_recorded(), older_normal_form(spelling));
            assert_eq!(postcard::to_allocvec(&address).unwrap(), bytes);
        }
    }

    #[test]
    fn an_address_of_today_is_read_as_it_was_written() {
        for spelling in ["Kate@EXÁMPLE.com", "kate@exámple.com", "Rene\u{301}@b.c"] {
            let address = Address::from(&Email::parse(spelling).unwrap());
            let bytes = postcard::to_allocvec(&address).unwrap();
            assert_eq!(postcard::from_bytes::<Address>(&bytes).unwrap(), address);
            assert_eq!(address.spelled_for_contact(), spelling);
        }
    }

    #[test]
    fn a_spelling_that_is_refused_today_is_shown_of_the_event_and_not_of_the_contact() {
        let bytes = written_then("\u{212a}ate@example.com");
        let address: Address = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(address.spelled(), "\u{212a}ate@example.com");
        assert_eq!(address.spelled_for_contact(), "kate@example.com");
    }
}
