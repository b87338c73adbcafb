//! Contacts, in the order of their ids, which tell nothing.

use std::collections::VecDeque;

use super::table::{Cell, Row};
use super::{PORTION, RowSource};
use crate::app::App;
use crate::hex::hex;
use store::query::QueryError;
use store::record::{ContactId, WorkspaceId};

const COLUMNS: [&str; 6] = [
    "contactId",
    "email",
    "firstSeen",
    "lastSeen",
    "unsubscribedAt",
    "score",
];

/// Ids that are looked for in one go: each time all contacts are gone through. 1 MB.
const IDS: usize = 65_536;

/// Every contact behind one.
pub(crate) struct ContactRows {
    /// Behind which the next ids are looked for.
    after: Option<ContactId>,
    /// Those that come next; none comes behind them where they are the last.
    ids: VecDeque<ContactId>,
    is_last: bool,
}

impl ContactRows {
    #[must_use]
    pub(crate) fn new(after: Option<ContactId>) -> Self {
        Self {
            after,
            ids: VecDeque::new(),
            is_last: false,
        }
    }
}

impl RowSource for ContactRows {
    fn columns(&self) -> &'static [&'static str] {
        &COLUMNS
    }

    fn next(&mut self, app: &App, workspace: WorkspaceId) -> Result<Option<Vec<Row>>, QueryError> {
        if self.is_last && self.ids.is_empty() {
            return Ok(None);
        }
        if self.ids.is_empty() {
            let views = &app.views;
            let found = views.contact_ids_behind(workspace, self.after, IDS);
            self.ids = found?.into();
            self.after = self.ids.back().copied().or(self.after);
            self.is_last = self.ids.len() < IDS;
        }
        let ids: Vec<_> = self.ids.drain(..self.ids.len().min(PORTION)).collect();
        let contacts = app.views.contacts(&ids)?;
        let now = app.clock.now().as_millis();
        let known = ids.into_iter().zip(contacts);
        // What is being erased has nothing left to tell.
        let known = known.filter_map(|(id, contact)| Some((id, contact?)));
        let rows = known.map(|(id, contact)| {
            let score = rounded(contact.score_at(now));
            vec![
                Cell::Text(shown(id)),
                Cell::text(contact.address),
                Cell::millis(contact.first_seen),
                Cell::millis(contact.last_seen),
                Cell::millis(contact.unsubscribed_at),
                Cell::Number(format!("{score:?}")),
            ]
        });
        Ok(Some(rows.collect()))
    }
}

/// A score to 9 decimals: what is behind them is the sums' own.
pub(crate) fn rounded(score: f64) -> f64 {
    (score * 1e9).round() / 1e9
}

pub(crate) fn shown(id: ContactId) -> String {
    hex(&id.0)
}

/// A contact's id, as exports show it.
#[must_use]
pub(crate) fn parse_id(text: &str) -> Option<ContactId> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let number = u128::from_str_radix(text, 16).ok()?;
    Some(ContactId(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_shown() {
        for bytes in [[0; 16], [255; 16], *b"0123456789abcdef"] {
            let id = ContactId(bytes);
            assert_eq!(parse_id(&shown(id)), Some(id));
        }
        for text in ["", "x", "+0000000000000000000000000000000"] {
            assert_eq!(parse_id(text), None);
        }
    }
}
