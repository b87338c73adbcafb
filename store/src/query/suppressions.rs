//! Who is to get no more mail, with the address to show: the book's own, or that of the mail by whose
//! link the contact is known. Reads book and log, and no view.

use shared::email::Email;

use super::find_send;
use crate::ledger::decide::WorkspaceKeys as _;
use crate::ledger::suppression::Suppression;
use crate::ledger::suppressions::Suppressions;
use crate::ledger::{Log, LogError};
use crate::meta::Meta;
use crate::record::{ContactId, WorkspaceId};

/// Portions of the book that are looked through where few of it are asked for.
const PORTION: usize = 1_000;
/// The most rows that one page looks at; it ends early then, and says where to go on.
const MOST_LOOKED_AT: usize = 100_000;

/// A contact that is held back.
pub struct HeldBack {
    pub email: Option<String>,
    pub state: Suppression,
}

/// Where they are looked up.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    pub meta: &'a Meta,
    pub log: &'a dyn Log,
    pub book: &'a Suppressions,
}

/// The contact with this address. Blocks on disk.
///
/// # Errors
/// [`LogError`].
pub fn of_address(
    sources: Sources<'_>,
    workspace: WorkspaceId,
    email: &Email,
) -> Result<Option<HeldBack>, LogError> {
    let key = sources
        .meta
        .key_of(workspace)
        .ok_or(LogError::Unavailable)?;
    let contact = key.contact(email.normalised());
    let state = sources.book.get((workspace, contact))?;
    Ok(state.map(|state| HeldBack {
        email: Some(email.normalised().to_owned()),
        state,
    }))
}

/// Those behind `after` that are asked for, at most `limit`, and where to go on where there may be
/// more. Blocks on disk.
///
/// # Errors
/// [`LogError`].
pub fn list(
    sources: Sources<'_>,
    workspace: WorkspaceId,
    mut after: Option<ContactId>,
    limit: usize,
    is_asked: impl Fn(&Suppression) -> bool,
) -> Result<(Vec<HeldBack>, Option<ContactId>), LogError> {
    let key = sources
        .meta
        .key_of(workspace)
        .ok_or(LogError::Unavailable)?;
    let mut found = Vec::new();
    let mut looked_at = 0;
    loop {
        let portion = sources.book.list(workspace, after, PORTION)?;
        let is_last = portion.len() < PORTION;
        for (contact, state) in portion {
            if found.len() == limit {
                return Ok((found, after));
            }
            after = Some(contact);
            looked_at += 1;
            if !is_asked(&state) {
                continue;
            }
            let email = match (&state.address, &state.message_id) {
                (Some(address), _) => Some(address.clone()),
                (None, Some(message_id)) => find_send(sources.log, &key, workspace, message_id)?
                    .and_then(|send| send.entry.address)
                    .map(|address| address.spelled_for_contact().to_owned()),
                (None, None) => None,
            };
            found.push(HeldBack { email, state });
        }
        if is_last {
            return Ok((found, None));
        }
        if looked_at >= MOST_LOOKED_AT {
            return Ok((found, after));
        }
    }
}
