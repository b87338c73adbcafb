//! From places in the log to the seqs that callers know, and back: which segment to ask.

use std::sync::Arc;

use super::Inner;
use crate::journal::local::segment::Segment;
use crate::ledger::{Located, LogError};
use crate::record::public_seq::{PublicSeq, Stamp};
use crate::record::{Seq, WorkspaceId};

/// The stamp of the newest commit; that of none where there is no commit.
pub(super) fn newest_stamp(segments: &[Arc<Segment>]) -> Result<Stamp, LogError> {
    for segment in segments.iter().rev() {
        if let Some(stamp) = segment.newest_stamp()? {
            return Ok(stamp);
        }
    }
    Ok(Stamp::default())
}

impl Inner {
    pub(super) fn public_seqs(&self, places: &[Seq]) -> Result<Vec<Option<PublicSeq>>, LogError> {
        let mut wanted = places.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let mut found = Vec::with_capacity(wanted.len());
        let mut rest = wanted.as_slice();
        for segment in self.segments_from(wanted.first().copied().unwrap_or(Seq::START)) {
            let (here, later) = rest.split_at(rest.partition_point(|at| *at <= segment.last()));
            let here = &here[here.partition_point(|at| *at < segment.first())..];
            segment.public_seqs(here, &mut found)?;
            rest = later;
        }
        let of = |place: &Seq| {
            let at = found.binary_search_by_key(place, |(place, _)| *place);
            at.ok().map(|at| found[at].1)
        };
        Ok(places.iter().map(of).collect())
    }

    pub(super) fn locate(
        &self,
        workspace: WorkspaceId,
        seq: PublicSeq,
    ) -> Result<Located, LogError> {
        let segments = self.segments_from(Seq::START);
        // The last one that starts at or before it. An empty one, which can only be the last, does not.
        let (mut low, mut high) = (0, segments.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match segments[middle].start()? {
                Some(start) if start <= seq => low = middle + 1,
                _ => high = middle,
            }
        }
        match low.checked_sub(1) {
            Some(at) => segments[at].locate(workspace, seq),
            None => Ok(Located::Behind(Seq::START)),
        }
    }
}
