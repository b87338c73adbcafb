//! A journal in memory: small enough to be read in one go, so that the trait is not shaped by one
//! implementation and so that tests have an oracle. Keeps every promise but durability.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

use super::block::{BadBlock, Block, Packed};
use super::{AppendError, BlockChange, Journal, JournalError, Later, Visit};
use crate::locks::lock;
use crate::record::Seq;

/// The journal in memory. It lives as long as somebody holds it.
pub struct MemoryJournal {
    state: Mutex<State>,
    committed: watch::Sender<Seq>,
}

struct State {
    /// By the first seq of each.
    blocks: BTreeMap<Seq, Vec<u8>>,
    floor: Seq,
    end: Seq,
    closed: bool,
    /// Of the next append nobody is to hear how it ended; whether its blocks get there.
    loses_answer: Option<bool>,
    /// What was in doubt and will turn out to be there; `None` where nothing is in doubt.
    in_doubt: Option<Vec<Packed>>,
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::starting_at(Seq::START.next())
    }
}

impl MemoryJournal {
    /// One whose first record will have the seq `first`, as if all before it had been dropped.
    pub fn starting_at(first: Seq) -> Self {
        let end = Seq(first.0.saturating_sub(1));
        Self {
            state: Mutex::new(State {
                blocks: BTreeMap::new(),
                floor: end.next(),
                end,
                closed: false,
                loses_answer: None,
                in_doubt: None,
            }),
            committed: watch::Sender::new(end),
        }
    }

    /// Makes the next append that is sound end as [`AppendError::Unknown`]. Its blocks turn out to be there
    /// when the journal is settled, or never get there. For tests of what stands above a journal.
    pub fn lose_the_next_answer(&self, arrives: bool) {
        self.state().loses_answer = Some(arrives);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn append_now(&self, end: Seq, blocks: Vec<Packed>) -> Result<Seq, AppendError> {
        let mut state = self.state();
        if state.closed || state.in_doubt.is_some() {
            return Err(AppendError::NotWritten(JournalError::Unavailable));
        }
        if state.end != end {
            return Err(AppendError::Lost { end: state.end });
        }
        let mut last = end;
        for block in &blocks {
            if block.first != last.next() {
                let what =
                    JournalError::storage("appending", &"the blocks do not follow each other");
                return Err(AppendError::NotWritten(what));
            }
            last = block.last;
        }
        if let Some(arrives) = state.loses_answer.take() {
            state.in_doubt = Some(if arrives { blocks } else { Vec::new() });
            let what = JournalError::storage("appending", &"the answer was lost");
            return Err(AppendError::Unknown(what));
        }
        state.take(blocks);
        self.committed.send_replace(last);
        Ok(last)
    }
}

impl State {
    fn take(&mut self, blocks: Vec<Packed>) {
        self.end = blocks.last().map_or(self.end, |block| block.last);
        let blocks = blocks.into_iter().map(|block| (block.first, block.bytes));
        self.blocks.extend(blocks);
    }

    /// The first seq of the block that holds this place, or of the next one.
    fn first_from(&self, place: Seq) -> Seq {
        match self.blocks.range(..=place).next_back() {
            Some((first, bytes))
                if Block::parse(*first, bytes).is_ok_and(|b| b.last() >= place) =>
            {
                *first
            }
            _ => place,
        }
    }
}

fn bad(first: Seq, bad: &BadBlock) -> JournalError {
    JournalError::storage("reading", &format!("the block of seq {first}: {bad}"))
}

impl Journal for MemoryJournal {
    fn append(&self, end: Seq, blocks: Vec<Packed>) -> Later<'_, Result<Seq, AppendError>> {
        Box::pin(async move { self.append_now(end, blocks) })
    }

    fn read(&self, from: Seq, visit: &mut Visit<'_>) -> Result<(), JournalError> {
        let mut next = self.state().first_from(from);
        loop {
            // Not held while a block is looked at, which may lead to another read.
            let found = {
                let state = self.state();
                let block = state.blocks.range(next..).next();
                block.map(|(first, bytes)| (*first, bytes.clone()))
            };
            let Some((first, bytes)) = found else {
                return Ok(());
            };
            let block = Block::parse(first, &bytes).map_err(|what| bad(first, &what))?;
            if visit(&block).map_err(|what| bad(first, &what))?.is_break() {
                return Ok(());
            }
            next = block.last().next();
        }
    }

    fn committed(&self) -> watch::Receiver<Seq> {
        self.committed.subscribe()
    }

    fn floor(&self) -> Seq {
        self.state().floor
    }

    fn settle(&self) -> Later<'_, Result<Seq, JournalError>> {
        Box::pin(async {
            let mut state = self.state();
            if let Some(blocks) = state.in_doubt.take() {
                state.take(blocks);
                self.committed.send_replace(state.end);
            }
            Ok(state.end)
        })
    }

    fn rewrite(
        &self,
        places: &BTreeSet<Seq>,
        change: &mut BlockChange<'_>,
    ) -> Result<(), JournalError> {
        let mut state = self.state();
        for (first, bytes) in &mut state.blocks {
            let block = Block::parse(*first, bytes).map_err(|what| bad(*first, &what))?;
            if places.range(*first..=block.last()).next().is_none() {
                continue;
            }
            if let Some(changed) = change(&block).map_err(|what| bad(*first, &what))? {
                *bytes = changed;
            }
        }
        Ok(())
    }

    fn drop_before(&self, seq: Seq) -> Result<Seq, JournalError> {
        let mut state = self.state();
        // Of the block that holds it, all is kept.
        let kept = state.first_from(seq).min(state.end.next());
        state.blocks = state.blocks.split_off(&kept);
        state.floor = state.floor.max(kept);
        Ok(state.floor)
    }

    fn is_sound(&self) -> bool {
        let state = self.state();
        !state.closed && state.in_doubt.is_none()
    }

    fn close(&self) -> Later<'_, Result<(), JournalError>> {
        self.state().closed = true;
        Box::pin(async { Ok(()) })
    }
}
