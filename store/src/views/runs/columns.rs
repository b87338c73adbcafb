//! The run that is being filled, in memory: nine bytes an event, and eight of one that names a message.
//! It answers as a sealed one does. Reads and writes no file.
//!
//! - `tags`: the column of workspaces and names
//! - `parts`: what a file of it holds

mod parts;
mod tags;

use std::collections::{BTreeMap, HashMap};

use super::block::{Kind, PART, Span, Term};
use super::run::Head;
use super::{Event, Link};
use tags::Tags;

/// No contact.
const NOBODY: u32 = u32::MAX;
/// Of links: there is no earlier event.
const FIRST: u32 = u32::MAX;
/// Of links: the rest is the index of an earlier run.
const ELSEWHERE: u32 = 1 << 31;
/// Of tags: there is no event at this offset.
const NOTHING: u32 = 0;
/// How many tags are found at once.
const RECENT: usize = 64;

/// Which events a run has so far.
#[derive(Debug)]
pub(super) struct Columns {
    /// Its events and times are of what is there so far.
    pub(super) head: Head,
    /// For each offset what stands in `dictionary`, from 1.
    tags: Tags,
    /// Whom the event at an offset is about.
    contacts: Vec<u32>,
    /// Where their event before it is: an offset, [`ELSEWHERE`] or [`FIRST`].
    links: Vec<u32>,
    /// By their offsets.
    messages: Vec<(u32, u32)>,
    /// Of messages that an earlier run may hold: which.
    messages_before: HashMap<(u32, u32), u32>,
    dictionary: Vec<Tag>,
    tag_of: HashMap<Tag, u32>,
    /// Of some that were asked for last: most events have one of few.
    recent: [Option<(Tag, u32)>; RECENT],
    /// The times of each workspace's events, [`PART`] by [`PART`].
    stretches: BTreeMap<u32, Vec<Stretch>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tag {
    pub(super) workspace: u32,
    pub(super) name: u32,
}

/// So many events of a workspace from this offset on.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: u32,
    events: usize,
    span: Span,
}

impl Columns {
    pub(super) fn new(origin: u64, size: u32, index: u32, previous: Option<u32>) -> Self {
        Self {
            head: Head {
                origin,
                size,
                index,
                previous,
                events: 0,
                span: Span(i64::MAX, i64::MIN),
            },
            tags: Tags::with_room(size),
            // They grow to so many anyway; what is not touched takes no memory.
            contacts: Vec::with_capacity(size as usize),
            links: Vec::with_capacity(size as usize),
            messages: Vec::new(),
            messages_before: HashMap::new(),
            dictionary: Vec::new(),
            tag_of: HashMap::new(),
            recent: [None; RECENT],
            stretches: BTreeMap::new(),
        }
    }

    /// The offset behind the last event.
    pub(super) fn end(&self) -> u32 {
        // A run has fewer seqs than fit.
        self.contacts.len() as u32
    }

    /// The number that stands for a workspace and name, from 1, and whether it is new.
    pub(super) fn tag(&mut self, tag: Tag) -> (u32, bool) {
        let slot = (tag.workspace.wrapping_mul(7).wrapping_add(tag.name)) as usize % RECENT;
        if let Some((_, known)) = self.recent[slot].filter(|(recent, _)| *recent == tag) {
            return (known, false);
        }
        if let Some(known) = self.tag_of.get(&tag) {
            self.recent[slot] = Some((tag, *known));
            return (*known, false);
        }
        self.dictionary.push(tag);
        let number = self.dictionary.len() as u32;
        self.tag_of.insert(tag, number);
        (number, true)
    }

    /// What such a number stands for.
    pub(super) fn tag_of_number(&self, number: u32) -> Option<Tag> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        self.dictionary.get(at).copied()
    }

    /// Adds an event behind all others, at its offset; `tag` is of its workspace and name.
    pub(super) fn push(&mut self, offset: u32, tag: u32, event: &Event) {
        let workspace = event.workspace.0;
        // Places of the log without an event.
        while self.end() < offset {
            self.put(NOTHING, NOBODY, FIRST);
        }
        let (contact, link) = match event.contact {
            Some(contact) => (contact.number, self.link(contact)),
            None => (NOBODY, FIRST),
        };
        self.put(tag, contact, link);
        if let Some(message) = event.message {
            if let Some(before) = self.run_before(message) {
                self.messages_before
                    .entry((workspace, message.number))
                    .or_insert(before);
            }
            self.messages.push((offset, message.number));
        }
        let span = Span(event.time, event.time);
        self.head.events += 1;
        self.head.span = self.head.span.with(span);
        let stretches = self.stretches.entry(workspace).or_default();
        match stretches.last_mut() {
            Some(last) if last.events < PART => {
                last.events += 1;
                last.span = last.span.with(span);
            }
            _ => stretches.push(Stretch {
                first: offset,
                events: 1,
                span,
            }),
        }
    }

    fn put(&mut self, tag: u32, contact: u32, link: u32) {
        self.tags.push(tag);
        self.contacts.push(contact);
        self.links.push(link);
    }

    fn link(&self, contact: Link) -> u32 {
        if contact.before.0 == 0 {
            return FIRST;
        }
        match self.earlier_run(contact) {
            Some(run) => ELSEWHERE | run,
            // Within the run, so that it fits.
            None => (contact.before.0 % u64::from(self.head.size)) as u32,
        }
    }

    /// The run of the event before, where that is an earlier one.
    fn earlier_run(&self, Link { before, .. }: Link) -> Option<u32> {
        let run = before.0 / u64::from(self.head.size);
        (before.0 > 0 && run < u64::from(self.head.index)).then_some(run as u32)
    }

    /// The run before this one that may hold a message, as far as its next event tells.
    fn run_before(&self, message: Link) -> Option<u32> {
        if message.before.0 == 0 {
            return None;
        }
        self.earlier_run(message).or_else(|| {
            let offset = (message.before.0 % u64::from(self.head.size)) as u32;
            let at = self.messages.binary_search_by_key(&offset, |(at, _)| *at);
            // Where the event before is here, its own link says what came before that.
            let is_here = at.is_ok_and(|at| self.messages[at].1 == message.number);
            (!is_here).then(|| self.head.index.checked_sub(1)).flatten()
        })
    }

    fn tag_at(&self, offset: u32) -> Option<Tag> {
        let tag = self.tags.at(offset);
        // There is one in the dictionary for each that is in the column.
        Some(self.dictionary[tag.checked_sub(1)? as usize])
    }

    fn is_at(&self, term: Term, offset: u32) -> bool {
        self.tag_at(offset).is_some_and(|tag| {
            tag.workspace == term.workspace
                && match term.kind {
                    Kind::All => true,
                    Kind::Name => tag.name == term.number,
                    Kind::Contact => self.contacts[offset as usize] == term.number,
                    Kind::Message => {
                        let at = self.messages.binary_search_by_key(&offset, |(at, _)| *at);
                        at.is_ok_and(|at| self.messages[at].1 == term.number)
                    }
                }
        })
    }

    /// The newest event of a term at this offset or below. `last` is one of the term's above it, where
    /// one is known.
    pub(super) fn at_or_before(&self, term: Term, offset: u32, last: Option<u32>) -> Option<u32> {
        let offset = offset.min(self.end().checked_sub(1)?);
        match term.kind {
            Kind::Contact => self.contact_at_or_before(term, offset, last),
            Kind::Message => {
                let upto = self.messages.partition_point(|(at, _)| *at <= offset);
                let mut found = self.messages[..upto].iter().rev();
                let is_theirs = |(at, number): &&(u32, u32)| {
                    *number == term.number && self.workspace_at(*at) == Some(term.workspace)
                };
                found.find(is_theirs).map(|(at, _)| *at)
            }
            Kind::Name => {
                let tag = self.tag_of_term(term)?;
                self.tags.last_upto(tag, offset)
            }
            Kind::All => (0..=offset).rev().find(|at| self.is_at(term, *at)),
        }
    }

    /// The oldest event of a term at this offset or above.
    pub(super) fn at_or_after(&self, term: Term, offset: u32) -> Option<u32> {
        match term.kind {
            Kind::Message => {
                let from = self.messages.partition_point(|(at, _)| *at < offset);
                let mut found = self.messages[from..].iter();
                let is_theirs = |(at, number): &&(u32, u32)| {
                    *number == term.number && self.workspace_at(*at) == Some(term.workspace)
                };
                found.find(is_theirs).map(|(at, _)| *at)
            }
            Kind::Name => {
                let tag = self.tag_of_term(term)?;
                self.tags.first_from(tag, offset)
            }
            Kind::Contact => {
                let from = offset as usize;
                let mut contacts = (offset..).zip(self.contacts.get(from..)?);
                let is_theirs = |(at, number): &(u32, &u32)| {
                    **number == term.number && self.workspace_at(*at) == Some(term.workspace)
                };
                contacts.find(is_theirs).map(|(at, _)| at)
            }
            Kind::All => (offset..self.end()).find(|at| self.is_at(term, *at)),
        }
    }

    fn contact_at_or_before(&self, term: Term, offset: u32, last: Option<u32>) -> Option<u32> {
        let mut at = offset;
        if let Some(mut last) = last {
            // What was pushed last of them: the links lead from there.
            loop {
                let link = self.links[last as usize];
                if link == FIRST || link & ELSEWHERE != 0 {
                    return None;
                }
                if link >= last {
                    break;
                }
                if link <= offset {
                    at = link;
                    break;
                }
                if !self.is_at(term, link) {
                    break;
                }
                last = link;
            }
        }
        (0..=at).rev().find(|at| {
            self.contacts[*at as usize] == term.number
                && self.workspace_at(*at) == Some(term.workspace)
        })
    }

    fn workspace_at(&self, offset: u32) -> Option<u32> {
        self.tag_at(offset).map(|tag| tag.workspace)
    }

    fn tag_of_term(&self, term: Term) -> Option<u32> {
        let tag = Tag {
            workspace: term.workspace,
            name: term.number,
        };
        self.tag_of.get(&tag).copied()
    }

    /// The offsets around it whose times are told together: from, to (excluded), times.
    pub(super) fn stretch(&self, workspace: u32, offset: u32) -> Option<(u32, u32, Span)> {
        let stretches = self.stretches.get(&workspace)?;
        let behind = stretches.partition_point(|stretch| stretch.first <= offset);
        let stretch = stretches.get(behind.checked_sub(1)?)?;
        let end = stretches.get(behind).map_or(self.end(), |next| next.first);
        Some((stretch.first, end, stretch.span))
    }

    /// The run before that may hold the term: of a contact or message that has an event here. `known`
    /// is one of them.
    pub(super) fn before(&self, term: Term, known: u32) -> Option<u32> {
        match term.kind {
            Kind::All | Kind::Name => None,
            Kind::Message => {
                let of = (term.workspace, term.number);
                self.messages_before.get(&of).copied()
            }
            Kind::Contact => {
                let mut at = known;
                while let Some(older) = self.contact_at_or_before(term, at, Some(at)) {
                    at = older;
                }
                self.elsewhere(self.links[at as usize])
            }
        }
    }

    /// The run that a contact's oldest link here leads to. A link within this run that leads to nothing
    /// of theirs says only that whatever came before is not above it.
    fn elsewhere(&self, link: u32) -> Option<u32> {
        match link {
            FIRST => None,
            link if link & ELSEWHERE != 0 => Some(link & !ELSEWHERE),
            _ => self.head.index.checked_sub(1),
        }
    }
}
