//! What events are found by: contacts, names, messages and browsers, each with a number. The view that all others
//! stand on: it is never behind one of them, and theirs are built anew where its numbers are begun anew.

use super::numbers::Digest;
use super::view::{Plan, nothing};
use crate::record::workspace::PreparedKey;

/// Books of numbers.
pub(super) const BOOKS: usize = 4;
/// The places of the books.
pub(super) const CONTACTS: usize = 0;
pub(super) const NAMES: usize = 1;
pub(super) const MESSAGES: usize = 2;
pub(super) const BROWSERS: usize = 3;

pub(super) const PLAN: Plan = Plan {
    name: "terms",
    version: 2,
    numbers: &[
        "contact_numbers",
        "name_numbers",
        "message_numbers",
        "browser_numbers",
    ],
    pages: &[],
    tables: &[],
    columns: 0,
    cache: 1024 * 1024,
    share: 1,
    derive: nothing,
};

/// What is told apart in digests of texts.
pub(super) const NAME: u8 = 1;
pub(super) const BROWSER: u8 = 2;
pub(super) const MESSAGE: u8 = 3;

/// What stands for a name, a message or a browser: the first half of an HMAC-SHA-256 under the workspace's key. Of a
/// contact it is the contact's id, which is such a digest too.
pub(super) fn digest(key: &PreparedKey, kind: u8, text: &str) -> Digest {
    let [digest @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
        key.mac(&[b"views index", &[kind], text.as_bytes()]);
    digest
}
