//! The events of one term within one run, sealed or not, read from either end and no further than asked.

use std::sync::RwLock;

use super::RunsError;
use super::block::{Kind, PART, Part, Span, Term};
use super::columns::Columns;
use super::run::{Found, Run};
use crate::locks::read;

/// Where the events of a run are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    Sealed(&'a Run),
    Columns(&'a RwLock<Columns>),
}

impl<'a> Source<'a> {
    pub(super) fn index(self) -> u32 {
        match self {
            Self::Sealed(run) => run.head.index,
            Self::Columns(columns) => read(columns).head.index,
        }
    }

    /// The times of all its events.
    pub(super) fn span(self) -> Span {
        match self {
            Self::Sealed(run) => run.head.span,
            Self::Columns(columns) => read(columns).head.span,
        }
    }

    /// The term's events here; `near` is an offset from which looking for one is quick.
    pub(super) fn list(
        self,
        term: Term,
        near: u32,
        times: Option<Times>,
    ) -> Result<Option<List<'a>>, RunsError> {
        let kept = match self {
            Self::Sealed(run) => {
                let Some(held) = Held::of(run.find(term, near)?, near, true) else {
                    return Ok(None);
                };
                Kept::Part(run, held)
            }
            Self::Columns(columns) => {
                let held = read(columns);
                let below = held.at_or_before(term, near, None);
                let Some(known) = below.or_else(|| held.at_or_after(term, near)) else {
                    return Ok(None);
                };
                Kept::Event(columns, known)
            }
        };
        Ok(Some(List { term, times, kept }))
    }
}

/// Times that are asked for: from the first, before the second, where given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
}

impl Times {
    /// Whether any of such events may be one of them.
    pub(super) fn meet(self, span: Span) -> bool {
        self.from.is_none_or(|from| span.1 >= from) && self.to.is_none_or(|to| span.0 < to)
    }
}

/// See above. There is at least one event in it.
#[derive(Debug)]
pub(super) struct List<'a> {
    term: Term,
    /// Of a workspace's own list: events are passed over where all of those around lie outside.
    times: Option<Times>,
    kept: Kept<'a>,
}

/// What was read last.
#[derive(Debug)]
enum Kept<'a> {
    Part(&'a Run, Held),
    Event(&'a RwLock<Columns>, u32),
}

/// An entry, and whether it is known that the term has none above it, or below.
#[derive(Debug)]
struct Held {
    part: Part,
    is_newest: bool,
    is_oldest: bool,
}

impl Held {
    /// Of the two around an offset the one that has the next event, `down` or up from there; else the other.
    fn of(Found { above, below }: Found, offset: u32, down: bool) -> Option<Self> {
        let (has_above, has_below) = (above.is_some(), below.is_some());
        let wants_above = match &above {
            Some(above) => !down || above.oldest() <= offset || !has_below,
            None => false,
        };
        let part = if wants_above { above? } else { below? };
        // Only the oldest entry of a contact, message or name may have room left.
        let has_room = part.offsets.len() < PART && part.term.kind != Kind::All;
        Some(Self {
            is_newest: !wants_above && !has_above,
            is_oldest: has_room || wants_above && !has_below,
            part,
        })
    }
}

impl List<'_> {
    pub(super) fn is_chained(&self) -> bool {
        self.term.kind.is_chained()
    }

    /// The run before that may hold the term.
    pub(super) fn before(&self) -> Option<u32> {
        match &self.kept {
            Kept::Part(_, held) => held.part.before,
            Kept::Event(columns, known) => read(columns).before(self.term, *known),
        }
    }

    /// The newest event at this offset or below.
    pub(super) fn at_or_before(&mut self, offset: u32) -> Result<Option<u32>, RunsError> {
        let mut offset = offset;
        loop {
            let Some((found, from, _, span)) = self.newest_upto(offset)? else {
                return Ok(None);
            };
            if self.is_wanted(span) {
                return Ok(Some(found));
            }
            let Some(below) = from.checked_sub(1) else {
                return Ok(None);
            };
            offset = below;
        }
    }

    /// The oldest event at this offset or above.
    pub(super) fn at_or_after(&mut self, offset: u32) -> Result<Option<u32>, RunsError> {
        let mut offset = offset;
        loop {
            let Some((found, _, behind, span)) = self.oldest_from(offset)? else {
                return Ok(None);
            };
            if self.is_wanted(span) {
                return Ok(Some(found));
            }
            offset = behind;
        }
    }

    fn is_wanted(&self, span: Option<Span>) -> bool {
        match (self.times, span) {
            (Some(times), Some(span)) => times.meet(span),
            _ => true,
        }
    }

    /// The event, and around it from where to where (excluded) the times are told together.
    fn newest_upto(&mut self, offset: u32) -> Result<Option<Place>, RunsError> {
        match &mut self.kept {
            Kept::Part(run, held) => {
                let part = &held.part;
                let is_here =
                    offset >= part.oldest() && (held.is_newest || offset <= part.newest());
                if !is_here {
                    if offset < part.oldest() && held.is_oldest {
                        return Ok(None);
                    }
                    match Held::of(run.find(self.term, offset)?, offset, true) {
                        Some(found) => *held = found,
                        None => return Ok(None),
                    }
                }
                let part = &held.part;
                let at = part.offsets.partition_point(|at| *at > offset);
                Ok(part.offsets.get(at).map(|found| place(*found, part)))
            }
            Kept::Event(columns, known) => {
                let columns = read(columns);
                let last = (*known > offset).then_some(*known);
                let Some(found) = columns.at_or_before(self.term, offset, last) else {
                    return Ok(None);
                };
                *known = found;
                Ok(Some(place_in(&columns, self.term, found)))
            }
        }
    }

    fn oldest_from(&mut self, offset: u32) -> Result<Option<Place>, RunsError> {
        match &mut self.kept {
            Kept::Part(run, held) => {
                let part = &held.part;
                let is_here =
                    offset <= part.newest() && (held.is_oldest || offset >= part.oldest());
                if !is_here {
                    if offset > part.newest() && held.is_newest {
                        return Ok(None);
                    }
                    match Held::of(run.find(self.term, offset)?, offset, false) {
                        Some(found) => *held = found,
                        None => return Ok(None),
                    }
                }
                let part = &held.part;
                let behind = part.offsets.partition_point(|at| *at >= offset);
                let found = behind.checked_sub(1).map(|at| part.offsets[at]);
                Ok(found.map(|found| place(found, part)))
            }
            Kept::Event(columns, known) => {
                let columns = read(columns);
                let Some(found) = columns.at_or_after(self.term, offset) else {
                    return Ok(None);
                };
                *known = found;
                Ok(Some(place_in(&columns, self.term, found)))
            }
        }
    }
}

type Place = (u32, u32, u32, Option<Span>);

fn place(found: u32, part: &Part) -> Place {
    (found, part.oldest(), part.newest() + 1, part.span)
}

fn place_in(columns: &Columns, term: Term, found: u32) -> Place {
    let stretch = match term.kind {
        Kind::All => columns.stretch(term.workspace, found),
        Kind::Name | Kind::Contact | Kind::Message => None,
    };
    match stretch {
        Some((from, behind, span)) => (found, from, behind, Some(span)),
        None => (found, found, found + 1, None),
    }
}
