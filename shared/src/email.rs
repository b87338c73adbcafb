//! E-mail addresses: checked, with the form that identifies a contact and the spelling to show.
//! Whether an address exists, or accepts mail, is not asked. How the form is made stands in `normal`.

use alloc::string::String;
use core::fmt;
use core::hash::{Hash, Hasher};

mod normal;
#[cfg(test)]
mod tests;

/// An address such as `Alice@Example.com`, without a display name. Compared by its normalised form;
/// `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Email {
    original: String,
    normalised: String,
}

impl Email {
    /// Trims and checks an address. Accepted is what RFC 5322 writes as `local@domain`, in Unicode
    /// too (RFC 6532), also with a domain without dots (`alice@localhost`) or an address in brackets
    /// (`alice@[192.0.2.1]`).
    ///
    /// # Errors
    /// [`EmailError`], which says what is wrong. Lengths are those of the normalised form.
    pub fn parse(text: &str) -> Result<Email, EmailError> {
        let original = text.trim();
        let normalised = normal::form_of(original)?;
        Ok(Email {
            original: original.into(),
            normalised,
        })
    }

    /// The form that identifies the contact: the part before the @ in NFC and lower-cased by
    /// character, the domain as IDNA's A-labels (UTS 46) in lower case. Parsing it gives it again.
    #[must_use]
    pub fn normalised(&self) -> &str {
        &self.normalised
    }

    /// The spelling that was sent, trimmed: for display, and to parse the same address again.
    #[must_use]
    pub fn original(&self) -> &str {
        &self.original
    }
}

/// What the normalised form of an address was before there were NFC and A-labels: its spelling,
/// trimmed and lower-cased (with Greek's final sigma). Stores of that time name contacts by it.
#[must_use]
pub fn older_normal_form(spelling: &str) -> String {
    spelling.trim().to_lowercase()
}

/// The normalised form, by today's rule, of an address that was stored with another rule's;
/// `original` is its spelling where that was kept. `None` where both are the same.
///
/// An address that is refused today was accepted then, and stays whom it was: what was stored is
/// read by today's rule instead of the spelling, and where that is refused too, it stays as it is.
#[must_use]
pub fn renewed(stored: &str, original: Option<&str>) -> Option<String> {
    // Lower-case ASCII is what every rule makes of it. This spares nearly all a second look.
    if stored.is_ascii() {
        return None;
    }
    let form = normal::form_of(original.unwrap_or(stored)).or_else(|_| normal::form_of(stored));
    form.ok().filter(|form| form != stored)
}

impl PartialEq for Email {
    fn eq(&self, other: &Email) -> bool {
        self.normalised == other.normalised
    }
}

impl Eq for Email {}

impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normalised.hash(state);
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email[redacted]")
    }
}

/// Why a text is no address. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailError {
    /// It is not `local@domain`.
    Syntax,
    /// There is more than an address, such as a name before it.
    DisplayName,
    /// Normalised, it has more than 254 bytes, or more than 64 before the @.
    TooLong,
    /// Before the @ stands a character that is not ASCII and would become ASCII (U+212A KELVIN SIGN
    /// would be `K`): two people would be one.
    BecomesAscii,
    /// Before the @, or in its place, stand full-width characters.
    FullWidth,
    /// Before the @ stands a character that nobody sees.
    Invisible,
    /// Before the @ stands a code point that means nothing yet, so that its form is not settled.
    Unassigned,
    /// The part after the @ is no domain, neither in ASCII nor by IDNA.
    Domain,
}

impl fmt::Display for EmailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EmailError::Syntax => "Send an e-mail address such as user@example.com",
            EmailError::DisplayName => {
                "Send the e-mail address alone, such as user@example.com, without a display name"
            }
            EmailError::TooLong => {
                "Send an e-mail address of at most 254 bytes, 64 of them before the @"
            }
            EmailError::BecomesAscii => {
                "Send the part before the @ in plain letters: it holds a character that looks like an \
                 ASCII one and is another, such as U+212A (KELVIN SIGN) for K or U+0130 for I"
            }
            EmailError::FullWidth => {
                "Send the address in ordinary characters: it holds full-width ones, as input methods \
                 for Chinese and Japanese type them"
            }
            EmailError::Invisible => {
                "Send the address without invisible characters: the part before the @ holds one, such \
                 as a soft hyphen, a zero-width space or a no-break space"
            }
            EmailError::Unassigned => {
                "Send the address in characters of Unicode: the part before the @ holds a code point \
                 that is none, or is for private use"
            }
            EmailError::Domain => {
                "Send an e-mail address with a valid domain: what stands after the @ is none (labels of \
                 letters, digits and hyphens, at most 63 bytes each, no dot at the end; other scripts \
                 as IDNA allows)"
            }
        })
    }
}

impl core::error::Error for EmailError {}
