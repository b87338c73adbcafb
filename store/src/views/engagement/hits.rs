//! Everything that happened to a message, one row each: what its figures are made of, so that they can
//! be made again once it is told when the message really left, and for any span of time.

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::message::Click;
use super::order::TouchKind;
use super::rows::{decode, encode, key};
use crate::record::extra::Timing;
use crate::record::{Class, ContactId, DeliveryStatus, WorkspaceId};

/// Key: workspace (u32), length of the messageId (u16), messageId, seq (u64), numbers big-endian. Value:
/// postcard of [`Hit`].
pub(super) const HITS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("hits_v1");

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    Open,
    Click {
        click: Click,
        /// The number of its link within the message.
        link: u32,
        /// Where it led, unless erased.
        target: Option<String>,
    },
    Unsubscribe,
    Delivery(DeliveryStatus),
}

/// Something that happened to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hit {
    /// Milliseconds since 1970.
    pub(crate) time: i64,
    /// As judged by itself: a burst may have shown since that it is a machine's.
    pub(crate) class: Class,
    /// `None` once erased.
    pub(crate) contact: Option<ContactId>,
    pub(crate) what: What,
    /// Where its class depends on when the message was sent, and that has not been told yet: how, and
    /// the reason of its class.
    pub(crate) timing: Option<(Timing, String)>,
}

impl Hit {
    /// `None` of what is neither an open nor a click.
    pub(crate) fn kind(&self) -> Option<TouchKind> {
        match self.what {
            What::Open => Some(TouchKind::Open),
            What::Click { .. } => Some(TouchKind::Click),
            What::Unsubscribe | What::Delivery(_) => None,
        }
    }
}

/// The table of hits, open for a fold.
pub(super) struct Hits<'a>(Table<'a, &'static [u8], &'static [u8]>);

impl<'a> Hits<'a> {
    pub(super) fn open(transaction: &'a WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self(transaction.open_table(HITS)?))
    }

    pub(super) fn put(
        &mut self,
        workspace: WorkspaceId,
        message_id: &str,
        seq: u64,
        hit: &Hit,
    ) -> Result<(), redb::Error> {
        let key = hit_key(workspace, message_id, seq);
        self.0.insert(key.as_slice(), encode(hit)?.as_slice())?;
        Ok(())
    }

    /// Those of a message in the order of their seqs.
    pub(super) fn of(
        &self,
        workspace: WorkspaceId,
        message_id: &str,
    ) -> Result<Vec<(u64, Hit)>, redb::Error> {
        of_message(&self.0, workspace, message_id)
    }
}

/// The hits of a message in the order of their seqs.
pub(super) fn of_message(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    workspace: WorkspaceId,
    message_id: &str,
) -> Result<Vec<(u64, Hit)>, redb::Error> {
    let (first, last) = (
        hit_key(workspace, message_id, 0),
        hit_key(workspace, message_id, u64::MAX),
    );
    let mut hits = Vec::new();
    for row in table.range(first.as_slice()..=last.as_slice())? {
        let (found, hit) = row?;
        let mut seq = [0; 8];
        seq.copy_from_slice(&found.value()[first.len() - 8..]);
        hits.push((u64::from_be_bytes(seq), decode(hit.value())?));
    }
    Ok(hits)
}

fn hit_key(workspace: WorkspaceId, message_id: &str, seq: u64) -> Vec<u8> {
    key(
        workspace,
        &[
            &length(message_id),
            message_id.as_bytes(),
            &seq.to_be_bytes(),
        ],
    )
}

/// The length of an id in front of it, so that nobody's rows lie among those of a longer one.
pub(super) fn length(id: &str) -> [u8; 2] {
    // Ids have at most 255 characters.
    u16::try_from(id.len()).unwrap_or(u16::MAX).to_be_bytes()
}
