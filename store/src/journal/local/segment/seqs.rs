//! Between places in a segment and the seqs that callers know: looked up in the heads of blocks, of
//! which none is unpacked.

use std::ops::ControlFlow;

use super::Segment;
use crate::journal::LogError;
use crate::journal::block::Block;
use crate::ledger::Located;
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
enum Look {
    Found(Located),
    /// If it is anywhere, then in an earlier block of the same commit.
    Earlier,
}

impl Segment {
    /// The lowest seq that a record of this segment can have; `None` while there is no record.
    pub(crate) fn start(&self) -> Result<Option<PublicSeq>, LogError> {
        if let Some(start) = self.start.get() {
            return Ok(Some(*start));
        }
        if self.last() < self.first() {
            return Ok(None);
        }
        let start = self.span_at(self.first())?.map(|span| span.start);
        // Of what is acknowledged, no seq changes any more.
        Ok(start.map(|start| *self.start.get_or_init(|| start)))
    }

    /// The stamp of the last commit.
    pub(crate) fn newest_stamp(&self) -> Result<Option<Stamp>, LogError> {
        if self.last() < self.first() {
            return Ok(None);
        }
        self.in_block(self.last(), |block| block.stamp())
    }

    /// Whether the record at this place is from before ids belonged to who sends them.
    pub(crate) fn is_of_older_version(&self, place: Seq) -> Result<bool, LogError> {
        let stamp = self.in_block(place, |block| block.stamp())?;
        Ok(stamp == Some(Stamp::NONE))
    }

    /// Adds the seqs of the records at these places, ascending. Where there is no record, none comes.
    pub(crate) fn public_seqs(
        &self,
        places: &[Seq],
        into: &mut Vec<(Seq, PublicSeq)>,
    ) -> Result<(), LogError> {
        let mut rest = places;
        while let Some(place) = rest.first() {
            let here = self.in_block(*place, |block| {
                let here = rest.partition_point(|place| *place <= block.last());
                let seqs = (block.first().0..).map(Seq).zip(block.public_seqs());
                let wanted = seqs.filter(|(place, _)| rest[..here].binary_search(place).is_ok());
                into.extend(wanted.map(|(place, (_, seq))| (place, seq)));
                here
            })?;
            // At least this one is dealt with, or the log would be asked for ever.
            rest = &rest[here.unwrap_or(0).max(1)..];
        }
        Ok(())
    }

    /// Where the workspace's record with this seq is, or would be. The segment must not start behind
    /// it.
    pub(crate) fn locate(
        &self,
        workspace: WorkspaceId,
        seq: PublicSeq,
    ) -> Result<Located, LogError> {
        let nowhere = Located::Behind(Seq(self.first().0 - 1));
        let Some(mut span) = self.last_span_at_or_before(seq)? else {
            return Ok(nowhere);
        };
        loop {
            let look = self.in_block(span.first, |block| look(block, workspace, seq))?;
            match look {
                Some(Look::Found(located)) => return Ok(located),
                Some(Look::Earlier) if span.first > self.first() => {
                    let before = Seq(span.first.0 - 1);
                    match self.span_at(before)? {
                        Some(earlier) if earlier.start == span.start => span = earlier,
                        _ => return Ok(Located::Behind(before)),
                    }
                }
                Some(Look::Earlier) | None => return Ok(nowhere),
            }
        }
    }

    /// The last block that starts at or before this seq.
    fn last_span_at_or_before(&self, seq: PublicSeq) -> Result<Option<Span>, LogError> {
        let mut high = self.last();
        let Some(mut span) = self.span_at(self.first())? else {
            return Ok(None);
        };
        // What is looked for is `span` or lies in `span.last + 1 ..= high`.
        while span.last < high {
            let middle = Seq(high.0 - (high.0 - span.last.0) / 2);
            match self.span_at(middle)? {
                Some(later) if later.start <= seq => span = later,
                Some(later) => high = Seq(later.first.0 - 1),
                None => break,
            }
        }
        Ok(Some(span))
    }

    fn span_at(&self, place: Seq) -> Result<Option<Span>, LogError> {
        self.in_block(place, |block| Span {
            first: block.first(),
            last: block.last(),
            start: block.start(),
        })
    }

    /// Looks into the block that holds this place.
    fn in_block<T>(
        &self,
        place: Seq,
        look: impl FnOnce(&Block<'_>) -> T,
    ) -> Result<Option<T>, LogError> {
        let (mut look, mut seen) = (Some(look), None);
        self.visit_blocks(place, &mut |block| {
            if (block.first()..=block.last()).contains(&place) {
                seen = look.take().map(|look| look(block));
            }
            Ok(ControlFlow::Break(()))
        })?;
        Ok(seen)
    }
}

/// Looks for the record in a block that starts at or before its seq.
fn look(block: &Block<'_>, workspace: WorkspaceId, seq: PublicSeq) -> Look {
    let places = (block.first().0..).map(Seq).zip(block.public_seqs());
    let mut theirs = places.filter(|(_, (of, _))| *of == workspace).peekable();
    let is_of_this_commit = seq.stamped().map(|(stamp, _)| stamp) == Some(block.stamp());
    if is_of_this_commit && theirs.peek().is_none_or(|(_, (_, first))| *first > seq) {
        return Look::Earlier;
    }
    // Behind the nearest of theirs that is not behind it lie only others', up to the next of theirs.
    Look::Found(
        match theirs.take_while(|(_, (_, other))| *other <= seq).last() {
            Some((place, (_, found))) if found == seq => Located::At(place),
            Some((place, _)) => Located::Behind(place),
            None => Located::Behind(Seq(block.first().0 - 1)),
        },
    )
}
