//! What is kept of whoever stood behind requests, made less in all of the log: for who has come to keep less. What folds
//! read of it in records from before there was something in its place (the class of a page's event, the marks of a
//! click) is noted first, so that views which are built anew come to the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::LogError;
use super::inner::{Inner, changed};
use crate::classify::{Judgement, of_page};
use crate::journal::block::Packer;
use crate::record::{Client, Entry, Fact, Seq, ToldBy, WorkspaceKeys};
use crate::targets;

/// Records of the log that are read at once. Few where this tests itself.
const READ_RECORDS: usize = if cfg!(test) { 3 } else { 4_096 };
/// Places that are found before the journal is written anew: about those of a segment. Likewise.
const PORTION: usize = if cfg!(test) { 5 } else { 1 << 20 };

/// What is to be kept of a client; `None` for nothing.
pub type Keep<'a> = dyn Fn(&Client) -> Option<Client> + Sync + 'a;

impl Inner {
    /// Keeps no more of clients than this, in all that is in the log by now, and returns of how many records that took
    /// something. In portions, each of which is on disk before the next; whoever begins again after a crash changes
    /// what is left. `progress` is told the seqs read and in all.
    ///
    /// # Errors
    /// When the journal cannot be read or written, or [`LogError::Unavailable`] where `stop` says so; what was changed
    /// by then stays so.
    pub(super) fn keep_of_clients(
        &self,
        keep: &Keep<'_>,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64, LogError> {
        let packer = Packer::new();
        let mut packer =
            packer.map_err(|error| LogError::storage("keeping less of clients", &error))?;
        let end = self.end();
        let mut after = Seq(self.journal.floor().0.saturating_sub(1));
        let (mut places, mut count) = (BTreeSet::new(), 0);
        loop {
            let records = self.read_raw(after, READ_RECORDS)?;
            let last = records.last().map(|record| record.seq);
            let more = records.iter().filter(|record| {
                let client = record.entry.told_by.client();
                client.is_some_and(|client| keep(client).as_ref() != Some(client))
            });
            for place in more.map(|record| record.seq) {
                places.insert(place);
                if places.len() >= PORTION {
                    count +=
                        self.rewrite_clients(&std::mem::take(&mut places), keep, &mut packer)?;
                }
            }
            after = match last {
                Some(last) if last < end => last,
                _ => break,
            };
            progress(after.0, end.0);
            if stop() {
                return Err(LogError::Unavailable);
            }
        }
        count += self.rewrite_clients(&places, keep, &mut packer)?;
        progress(end.0, end.0);
        Ok(count)
    }

    fn rewrite_clients(
        &self,
        places: &BTreeSet<Seq>,
        keep: &Keep<'_>,
        packer: &mut Packer,
    ) -> Result<u64, LogError> {
        if places.is_empty() {
            return Ok(0);
        }
        let keys = &*self.keys;
        self.journal.rewrite(places, &mut |block| {
            changed(block, packer, &mut |record| {
                if places.contains(&record.seq) {
                    keep_of(&mut record.entry, keep, keys);
                }
            })
        })?;
        Ok(places.len() as u64)
    }
}

fn keep_of(entry: &mut Entry, keep: &Keep<'_>, keys: &dyn WorkspaceKeys) {
    let judged = match &entry.told_by {
        ToldBy::Browser { visitor, .. } if visitor.class.is_none() => of_page(entry),
        _ => None,
    };
    mark(entry, keys);
    let Some(visitor) = entry.told_by.visitor_mut() else {
        return;
    };
    visitor.class = visitor.class.take().or(judged.map(Judgement::kept));
    let kept = visitor.client.as_deref().and_then(keep);
    visitor.client = kept.map(Arc::new);
}

/// Notes of a click what tells it from the others of its message, where it is from before that was noted.
fn mark(entry: &mut Entry, keys: &dyn WorkspaceKeys) {
    let address = entry.told_by.client().map(|client| &client.address.0);
    let address = address.and_then(|address| address.parse().ok());
    let key = keys.key_of(entry.workspace);
    if let Fact::Click {
        send,
        target: Some(target),
        marks: marks @ None,
        ..
    } = &mut entry.fact
        && let (Some(address), Some(key)) = (address, key)
    {
        *marks = Some(targets::marks(
            &key,
            send.message_id.as_str(),
            &target.0,
            address,
        ));
    }
}
