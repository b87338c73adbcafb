//! The record of a send, by the messageId that names it.

use crate::ids;
use crate::ledger::decide::WorkspaceKey;
use crate::ledger::{Log, LogError};
use crate::record::identity::Sender;
use crate::record::{Record, WorkspaceId};

/// The record of a send, at any age, also under the id that older versions gave it. Blocks on disk.
/// # Errors
/// [`LogError`].
pub fn find_send(
    log: &dyn Log,
    key: &WorkspaceKey,
    workspace: WorkspaceId,
    message_id: &str,
) -> Result<Option<Record>, LogError> {
    let ids::DerivedId { id, older } = ids::of_send(key, message_id);
    match log.find(workspace, Sender::System, id)? {
        Some(record) => Ok(Some(record)),
        None => log.find(workspace, Sender::System, older),
    }
}
