//! The definitions of a workspace that hold, put together so that a record finds those that it may concern.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use shared::ids::{EventId, SegmentId};
use shared::segment::Definition;
use shared::segment::calendar::Calendar;
use shared::segment::evaluate::World;
use shared::segment::facts::{Fact, FactKind, History};
use shared::segment::score::ScoreRules;
use shared::segment::tree::Source;
use shared::segment::value::Value;
use shared::time::Timestamp;

use super::compiled::{Carried, Compiled, Plan};
use super::index::Index;
use super::remembered::Remembered;
use crate::locks::lock;
use crate::record::segments::{Concern, Reads, SegmentBook, SegmentVersion};
use crate::record::{Scoring, Segment, Since, WorkspaceId};
use crate::views::rows::Rows;

/// See above.
pub(super) struct Catalogue {
    /// In the order of their numbers.
    pub(super) all: Vec<Active>,
    /// Places of those that hold for who has done nothing.
    pub(super) of_nothing: Vec<usize>,
    by_id: HashMap<SegmentId, usize>,
    /// Places in `all`, by what definitions and those inside them read.
    by_what: Index,
    pub(super) compiled: Compiled,
    /// Streams, by which events may be in them.
    streams_by_what: Index,
    /// Leaves that go through facts, by what they read.
    leaves_by_what: Index,
    pub(super) calendar: Calendar,
    score: ScoreRules,
}

/// A definition that holds.
#[derive(Clone)]
pub(super) struct Active {
    pub(super) number: u32,
    pub(super) id: SegmentId,
    pub(super) version: u32,
    pub(super) definition: Arc<Definition>,
    pub(super) plan: Arc<Plan>,
    reads: Arc<Reads>,
}

/// What a record may concern: places of definitions, and of leaves that go through facts. Ascending once it is told.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub(super) definitions: Vec<usize>,
    pub(super) leaves: Vec<usize>,
}

/// The catalogues that were made last, one a workspace: they change when definitions do, and are asked with every fold.
/// And what is remembered of contacts by them.
#[derive(Default)]
pub(in crate::views) struct Catalogues {
    made: Mutex<HashMap<WorkspaceId, Made>>,
    remembered: Mutex<Remembered>,
}

/// A catalogue, and of what it was made.
struct Made {
    book: Arc<SegmentBook>,
    reached: Since,
    catalogue: Arc<Catalogue>,
}

impl Catalogues {
    /// What is held beside these rows.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub(super) fn remembered(
        &self,
        rows: &Rows,
    ) -> Result<MutexGuard<'_, Remembered>, redb::Error> {
        let mut remembered = lock(&self.remembered);
        remembered.keep_to(rows)?;
        Ok(remembered)
    }

    /// About how many bytes of memory they take.
    pub(in crate::views) fn memory(&self) -> usize {
        lock(&self.remembered).memory()
    }

    /// That of what holds of this book for who has come so far.
    pub(super) fn get(
        &self,
        workspace: WorkspaceId,
        book: &Arc<SegmentBook>,
        reached: Since,
    ) -> Arc<Catalogue> {
        let mut known = lock(&self.made);
        if let Some(made) = known.get_mut(&workspace)
            && made.is_of(book, reached)
        {
            made.reached = reached;
            return Arc::clone(&made.catalogue);
        }
        let catalogue = Arc::new(Catalogue::of(book, reached));
        let made = Made {
            book: Arc::clone(book),
            reached,
            catalogue: Arc::clone(&catalogue),
        };
        known.insert(workspace, made);
        catalogue
    }
}

impl Made {
    /// Whether what holds of this book for who has come so far is the same.
    fn is_of(&self, book: &Arc<SegmentBook>, reached: Since) -> bool {
        let (from, upto) = (self.reached.min(reached), self.reached.max(reached));
        Arc::ptr_eq(&self.book, book)
            && (from == upto || !book.places().any(|place| place > from && place <= upto))
    }
}

impl Active {
    fn of(segment: &Segment, version: &SegmentVersion) -> Self {
        Self {
            number: segment.number,
            id: segment.id.clone(),
            version: version.version,
            definition: Arc::clone(&version.definition),
            plan: Arc::default(),
            reads: Arc::clone(&version.reads),
        }
    }
}

/// Of a contact of whom there is a record that says nothing. What is so of nobody's doing is so at any time.
fn nothing_done() -> History {
    let at = Timestamp::from_millis(0);
    History::of([Fact {
        id: EventId::from_bytes([0; 16]),
        seq: 0,
        time: at,
        received_at: at,
        source: Source::Server,
        genuine: true,
        kind: FactKind::Other,
    }])
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::of(&SegmentBook::default(), Since::NEVER)
    }
}

impl Catalogue {
    /// Of what holds for who has come so far.
    pub(super) fn of(book: &SegmentBook, reached: Since) -> Self {
        let mut all: Vec<Active> = Vec::new();
        for segment in book.segments.values() {
            if let Some(version) = segment.held_at(reached) {
                all.push(Active::of(segment, version));
            }
        }
        let (calendar, scoring) = (book.calendar_at(reached), book.scoring_at(reached));
        let mut catalogue = Self::made_of(all, calendar, scoring);
        catalogue.compile();
        catalogue
    }

    /// Of what was asked for last, whether or not it holds yet: to read definitions by, and for no fold.
    pub(super) fn newest(book: &SegmentBook) -> Self {
        let newest = book
            .kept()
            .into_iter()
            .filter_map(|segment| Some(Active::of(segment, segment.newest()?)));
        Self::made_of(newest.collect(), book.calendar(), book.scoring())
    }

    fn made_of(mut all: Vec<Active>, calendar: Calendar, scoring: Scoring) -> Self {
        all.sort_by_key(|active| active.number);
        let by_id = all.iter().enumerate();
        let by_id: HashMap<_, _> = by_id.map(|(at, one)| (one.id.clone(), at)).collect();
        Self {
            all,
            of_nothing: Vec::new(),
            by_id,
            by_what: Index::default(),
            compiled: Compiled::default(),
            streams_by_what: Index::default(),
            leaves_by_what: Index::default(),
            calendar,
            score: scoring.rules(),
        }
    }

    /// Works out what folds need.
    fn compile(&mut self) {
        for at in 0..self.all.len() {
            for within in self.within(at) {
                let reads = Arc::clone(&self.all[within].reads);
                self.by_what.add(at, &reads);
            }
            let definition = Arc::clone(&self.all[at].definition);
            let plan = self.compiled.add(&definition, &self.calendar);
            self.all[at].plan = Arc::new(plan);
        }
        let nothing = nothing_done();
        let all = 0..self.all.len();
        let holds = |at: &usize| {
            let definition = &self.all[*at].definition;
            self.with_world(|world| definition.holds(&nothing, Timestamp::from_millis(0), world))
        };
        self.of_nothing = all.filter(holds).collect();
        for (at, stream) in self.compiled.streams.iter().enumerate() {
            self.streams_by_what.add(at, &Reads::of(&stream.events));
        }
        for at in 0..self.compiled.leaves.len() {
            let leaf = &self.compiled.leaves[at];
            if !self.compiled.needs_facts(at) {
                continue;
            }
            let reads = Reads::of(&leaf.alone);
            let inner = reads.segments.iter();
            let inner: Vec<usize> = inner.filter_map(|id| self.by_id.get(id).copied()).collect();
            self.leaves_by_what.add(at, &reads);
            let within = inner.into_iter().flat_map(|at| self.within(at));
            for within in within.collect::<BTreeSet<usize>>() {
                self.leaves_by_what.add(at, &self.all[within].reads);
            }
        }
    }

    /// A definition and those that it asks for, through others too.
    fn within(&self, at: usize) -> BTreeSet<usize> {
        let (mut found, mut next) = (BTreeSet::from([at]), vec![at]);
        while let Some(at) = next.pop() {
            for id in &self.all[at].reads.segments {
                if let Some(inner) = self.by_id.get(id)
                    && found.insert(*inner)
                {
                    next.push(*inner);
                }
            }
        }
        found
    }

    /// Which definitions, and which leaves that go through facts, an event of this name with these properties may
    /// concern.
    pub(super) fn of_event(&self, name: &str, properties: &Value, found: &mut Touched) {
        self.by_what
            .of_event(name, properties, &mut found.definitions);
        self.leaves_by_what
            .of_event(name, properties, &mut found.leaves);
    }

    /// The same of something that is no matter of an event's name.
    pub(super) fn of_concern(&self, concern: Concern, found: &mut Touched) {
        self.by_what.of_concern(concern, &mut found.definitions);
        self.leaves_by_what.of_concern(concern, &mut found.leaves);
    }

    /// Hands over the streams that an event is in, with what each carries of it.
    pub(super) fn each_stream_of(&self, fact: &Fact, mut each: impl FnMut(u32, Carried)) {
        let FactKind::Event { name, properties } = &fact.kind else {
            return;
        };
        let mut found = Vec::new();
        self.streams_by_what
            .of_event(name.as_str(), properties, &mut found);
        if found.is_empty() {
            return;
        }
        let alone = OnceCell::new();
        for place in found {
            if let Some(carried) = self.compiled.streams[place].takes(fact, &alone) {
                // Streams are numbered so.
                each(u32::try_from(place).unwrap_or(u32::MAX), carried);
            }
        }
    }

    /// The place of a segment by its number.
    pub(super) fn place_of(&self, number: u32) -> Option<usize> {
        let place = self.all.binary_search_by_key(&number, |one| one.number);
        place.ok()
    }

    /// These segments, and those that ask for them, through others too.
    pub(super) fn with_dependents(&self, numbers: &BTreeSet<u32>) -> Vec<usize> {
        let hits = |at: &usize| {
            let within = self.within(*at);
            within
                .iter()
                .any(|inner| numbers.contains(&self.all[*inner].number))
        };
        (0..self.all.len()).filter(hits).collect()
    }

    /// By what definitions are read.
    pub(super) fn with_world<T>(&self, then: impl FnOnce(World<'_>) -> T) -> T {
        let definition = |id: &SegmentId| {
            let at = self.by_id.get(id)?;
            Some(&*self.all[*at].definition)
        };
        then(World {
            calendar: &self.calendar,
            score: &self.score,
            segments: &definition,
        })
    }
}
