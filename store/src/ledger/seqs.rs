//! Between places in the log and the seqs that callers know: looked up in the heads of blocks, of which
//! none is unpacked.

use std::ops::ControlFlow;

use super::inner::Inner;
use super::{Located, LogError};
use crate::journal::block::Block;
use crate::record::public_seq::{PublicSeq, Stamp};
use crate::record::{Seq, WorkspaceId};

/// Where a block lies.
#[derive(Clone, Copy)]
struct Span {
    first: Seq,
    last: Seq,
    /// The lowest seq that a record of it can have. Blocks of one commit share it.
    start: PublicSeq,
}

/// What a block says of a seq at or behind its start.
enum LookAt {
    Found(Located),
    /// If it is anywhere, then in an earlier block of the same commit.
    Earlier,
}

impl Inner {
    pub(super) fn public_seqs(&self, places: &[Seq]) -> Result<Vec<Option<PublicSeq>>, LogError> {
        let mut wanted = places.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let mut found: Vec<(Seq, PublicSeq)> = Vec::with_capacity(wanted.len());
        let mut rest = wanted.as_slice();
        while let Some(place) = rest.first() {
            let here = self.in_block_from(*place, |block| {
                let here = rest.partition_point(|place| *place <= block.last());
                let seqs = (block.first().0..).map(Seq).zip(block.public_seqs());
                let wanted = seqs.filter(|(place, _)| rest[..here].binary_search(place).is_ok());
                found.extend(wanted.map(|(place, (_, seq))| (place, seq)));
                here
            })?;
            match here {
                // At least this one is dealt with, or the journal would be asked for ever.
                Some(here) => rest = &rest[here.max(1)..],
                None => break,
            }
        }
        let of = |place: &Seq| {
            let at = found.binary_search_by_key(place, |(place, _)| *place);
            at.ok().map(|at| found[at].1)
        };
        Ok(places.iter().map(of).collect())
    }

    /// Where the workspace's record with this seq is, or would be.
    pub(super) fn locate(
        &self,
        workspace: WorkspaceId,
        seq: PublicSeq,
    ) -> Result<Located, LogError> {
        let floor = self.journal.floor();
        let before = Seq(floor.0.saturating_sub(1));
        let nowhere = Located::Behind(before);
        let Some(mut span) = self.last_span_at_or_before(seq)? else {
            // Whether a seq from before the floor was ever given, nobody knows any more. Whoever holds
            // one has seen nothing that is left.
            return Ok(if floor.is_first() {
                nowhere
            } else {
                Located::At(before)
            });
        };
        loop {
            let look = self.in_block_from(span.first, |block| look_at(block, workspace, seq))?;
            match look {
                Some(LookAt::Found(located)) => return Ok(located),
                Some(LookAt::Earlier) if span.first > floor => {
                    let before = Seq(span.first.0 - 1);
                    match self.span_from(before)? {
                        Some(earlier) if earlier.last == before && earlier.start == span.start => {
                            span = earlier;
                        }
                        _ => return Ok(Located::Behind(before)),
                    }
                }
                Some(LookAt::Earlier) | None => return Ok(nowhere),
            }
        }
    }

    /// The stamp of the newest commit; that of none where there is no commit.
    pub(super) fn newest_stamp(&self, end: Seq) -> Result<Stamp, LogError> {
        if let Some(stamp) = self.in_block_from(end, |block| block.stamp())? {
            return Ok(stamp);
        }
        // The end lies behind a gap.
        let Some(mut span) = self.span_from(self.journal.floor())? else {
            return Ok(Stamp::NONE);
        };
        let mut high = end;
        while span.last < high {
            match self.span_from(middle(span.last, high))? {
                Some(later) => span = later,
                None => high = Seq(middle(span.last, high).0 - 1),
            }
        }
        Ok(self
            .in_block_from(span.first, |block| block.stamp())?
            .unwrap_or(Stamp::NONE))
    }

    /// The last block that starts at or before this seq.
    fn last_span_at_or_before(&self, seq: PublicSeq) -> Result<Option<Span>, LogError> {
        let mut high = self.end();
        let Some(mut span) = self.span_from(self.journal.floor())? else {
            return Ok(None);
        };
        if span.start > seq {
            return Ok(None);
        }
        // What is looked for is `span` or lies in `span.last + 1 ..= high`.
        while span.last < high {
            let middle = middle(span.last, high);
            match self.span_from(middle)? {
                Some(later) if later.start <= seq => span = later,
                // It is not there, and where it lies behind a gap, nothing is in the gap.
                Some(later) => high = Seq(later.first.0.min(middle.0) - 1),
                None => high = Seq(middle.0 - 1),
            }
        }
        Ok(Some(span))
    }

    fn span_from(&self, place: Seq) -> Result<Option<Span>, LogError> {
        self.in_block_from(place, |block| Span {
            first: block.first(),
            last: block.last(),
            start: block.start(),
        })
    }

    /// Looks into the block that holds this place, or else into the next one.
    pub(super) fn in_block_from<T>(
        &self,
        place: Seq,
        look: impl FnOnce(&Block<'_>) -> T,
    ) -> Result<Option<T>, LogError> {
        let (mut look, mut seen) = (Some(look), None);
        self.journal.read(place, &mut |block| {
            seen = look.take().map(|look| look(block));
            Ok(ControlFlow::Break(()))
        })?;
        Ok(seen)
    }
}

/// Between them, above `low`.
fn middle(low: Seq, high: Seq) -> Seq {
    Seq(high.0 - (high.0 - low.0) / 2)
}

/// Looks for the record in a block that starts at or before its seq.
fn look_at(block: &Block<'_>, workspace: WorkspaceId, seq: PublicSeq) -> LookAt {
    let places = (block.first().0..).map(Seq).zip(block.public_seqs());
    let mut theirs = places.filter(|(_, (of, _))| *of == workspace).peekable();
    let is_of_this_commit = seq.stamped().map(|(stamp, _)| stamp) == Some(block.stamp());
    if is_of_this_commit && theirs.peek().is_none_or(|(_, (_, first))| *first > seq) {
        return LookAt::Earlier;
    }
    // Behind the nearest of theirs that is not behind it lie only others', up to the next of theirs.
    LookAt::Found(
        match theirs.take_while(|(_, (_, other))| *other <= seq).last() {
            Some((place, (_, found))) if found == seq => Located::At(place),
            Some((place, _)) => Located::Behind(place),
            None => Located::Behind(Seq(block.first().0 - 1)),
        },
    )
}
