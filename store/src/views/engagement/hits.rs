//! Everything that happened to a message, one row each: what its figures are made of, so that they can
//! be made again once it is told when the message really left, and for any span of time.

use serde::{Deserialize, Serialize};

use super::message::Click;
use super::order::TouchKind;
use super::rows::{decode, encode, key, read};
use crate::record::extra::Timing;
use crate::record::{Class, ContactId, DeliveryStatus, WorkspaceId};
use crate::views::ordered::Ordered;

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
    /// Whose open or click it is, or who is left of them; `None` of other hits, and where nobody is known.
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

/// The table of hits, open for a fold. Key: workspace (u32), length of the messageId (u16), messageId, seq
/// (u64), numbers big-endian. Value: postcard of [`Hit`].
pub(super) struct Hits<'a>(pub(super) &'a mut Ordered);

impl Hits<'_> {
    pub(super) fn put(
        &mut self,
        workspace: WorkspaceId,
        message_id: &str,
        seq: u64,
        hit: &Hit,
    ) -> Result<(), redb::Error> {
        self.0
            .insert(&hit_key(workspace, message_id, seq), &encode(hit)?);
        Ok(())
    }

    /// Whose open or click it is.
    pub(super) fn contact_of(
        &self,
        workspace: WorkspaceId,
        message_id: &str,
        seq: u64,
    ) -> Result<Option<ContactId>, redb::Error> {
        let hit: Option<Hit> = read(self.0, &hit_key(workspace, message_id, seq))?;
        Ok(hit.and_then(|hit| hit.contact))
    }

    /// Those of a message in the order of their seqs.
    pub(super) fn of(
        &self,
        workspace: WorkspaceId,
        message_id: &str,
    ) -> Result<Vec<(u64, Hit)>, redb::Error> {
        of_message(self.0, workspace, message_id)
    }
}

/// The hits of a message in the order of their seqs.
pub(super) fn of_message(
    table: &Ordered,
    workspace: WorkspaceId,
    message_id: &str,
) -> Result<Vec<(u64, Hit)>, redb::Error> {
    let of_all = key(workspace, &[&length(message_id), message_id.as_bytes()]);
    let mut hits = Vec::new();
    for row in table.beginning_with(&of_all)? {
        let (found, hit) = row?;
        let seq = found.last_chunk().copied().unwrap_or_default();
        hits.push((u64::from_be_bytes(seq), decode(&hit)?));
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
