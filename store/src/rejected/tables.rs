//! The file of the rejected events: its tables and their keys.

use std::panic::AssertUnwindSafe;
use std::path::Path;

use redb::{Database, TableDefinition};
use shared::ids::EventId;

use super::old;
use crate::files;
use crate::record::WorkspaceId;
use crate::record::identity::Sender;
use crate::snapshot::About;

/// Key: [`place`]. Value: JSON of [`Rejected`](super::Rejected).
pub(super) const REJECTED: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rejected_v2");
/// Key: [`Holder::prefix`]. Value: how many of its rejections are in [`REJECTED`].
pub(super) const COUNTS: TableDefinition<'_, &[u8], u64> =
    TableDefinition::new("rejected_counts_v2");
/// Key: the holder, then [`spelling`]. Value: the place of its newest rejection.
pub(super) const BY_ID: TableDefinition<'_, &[u8], &[u8]> =
    TableDefinition::new("rejected_by_id_v2");

/// Key: `store` or `opening`. Value: the number, see [`lineage`](crate::lineage). Beside them whether the file is to be
/// [renewed](crate::snapshot::renewed).
pub(super) const ABOUT: About = TableDefinition::new("about_v1");

pub(super) const CACHE: usize = 8 * 1024 * 1024;

/// Whose rejections are counted, bounded and found together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Holder {
    pub(super) workspace: WorkspaceId,
    pub(super) sender: Sender,
}

impl Holder {
    /// Workspace (u32, big-endian), sender ([`Sender::code`]): what the keys of its rows begin with.
    pub(super) fn prefix(self) -> [u8; 5] {
        let [a, b, c, d] = self.workspace.0.to_be_bytes();
        [a, b, c, d, self.sender.code()]
    }

    pub(super) fn key(self, rest: &[u8]) -> Vec<u8> {
        [&self.prefix(), rest].concat()
    }
}

pub(super) fn open_file(
    path: &Path,
    sender_of: &dyn Fn(&str) -> Sender,
) -> Result<Database, redb::Error> {
    let open = || -> Result<Database, redb::Error> {
        let database = files::database::open_or_create(path, CACHE)?;
        let transaction = database.begin_write()?;
        transaction.open_table(REJECTED)?;
        transaction.open_table(BY_ID)?;
        transaction.open_table(COUNTS)?;
        transaction.commit()?;
        old::take_over(&database, sender_of)?;
        Ok(database)
    };
    std::panic::catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| {
        Err(redb::Error::Corrupted(
            "redb could not make sense of it".into(),
        ))
    })
}

/// The holder, then arrival and count (each big-endian): so that byte order is the order of arrival.
pub(super) fn place(holder: Holder, received_at: i64, count: u64) -> Vec<u8> {
    let mut place = holder.prefix().to_vec();
    place.extend_from_slice(&received_at.max(0).cast_unsigned().to_be_bytes());
    place.extend_from_slice(&count.to_be_bytes());
    place
}

/// How an id is looked up: a UUID in its one canonical spelling, so that it is found in every other
/// one, as in the log; anything else as sent.
pub(super) fn spelling(id: &str) -> Vec<u8> {
    match EventId::parse(id) {
        Ok(id) => id.to_ascii().to_vec(),
        Err(_) => id.as_bytes().to_vec(),
    }
}
