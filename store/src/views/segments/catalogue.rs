//! The definitions of a workspace that hold, and which of them a record may concern: found by its name, and by the
//! text at a path where definitions ask for that, whatever their number.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use shared::ids::SegmentId;
use shared::segment::Definition;
use shared::segment::calendar::Calendar;
use shared::segment::evaluate::World;
use shared::segment::score::ScoreRules;
use shared::segment::value::Value;

use crate::locks::lock;
use crate::record::segments::{Concern, Reads, SegmentBook};
use crate::record::{Personal, Scoring, Since, WorkspaceId};

/// See above.
pub(super) struct Catalogue {
    /// In the order of their numbers.
    pub(super) all: Vec<Active>,
    by_id: HashMap<SegmentId, usize>,
    names: HashMap<String, Named>,
    prefixes: Vec<(String, usize)>,
    every: Vec<usize>,
    calendar: Calendar,
    score: ScoreRules,
}

/// A definition that holds.
#[derive(Clone)]
pub(super) struct Active {
    pub(super) number: u32,
    pub(super) id: SegmentId,
    pub(super) version: u32,
    pub(super) definition: Arc<Definition>,
    reads: Arc<Reads>,
    /// What it and the segments inside it read, names of events apart.
    widely: Concern,
}

/// The catalogues that were made last, one a workspace: they change when definitions do, and are asked with every fold.
#[derive(Default)]
pub(in crate::views) struct Catalogues(Mutex<HashMap<WorkspaceId, Made>>);

/// A catalogue, and of what it was made.
struct Made {
    book: Arc<SegmentBook>,
    reached: Since,
    catalogue: Arc<Catalogue>,
}

impl Catalogues {
    /// That of what holds of this book for who has come so far.
    pub(super) fn get(
        &self,
        workspace: WorkspaceId,
        book: &Arc<SegmentBook>,
        reached: Since,
    ) -> Arc<Catalogue> {
        let mut known = lock(&self.0);
        let made = known.get(&workspace);
        let is_it = |made: &&Made| Arc::ptr_eq(&made.book, book) && made.reached == reached;
        if let Some(made) = made.filter(is_it) {
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

/// Who reads events of one name.
#[derive(Default)]
struct Named {
    all: Vec<usize>,
    /// By path and by the text there.
    by_text: HashMap<String, HashMap<String, Vec<usize>>>,
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
                all.push(Active {
                    number: segment.number,
                    id: segment.id.clone(),
                    version: version.version,
                    definition: Arc::clone(&version.definition),
                    reads: Arc::clone(&version.reads),
                    widely: Concern::default(),
                });
            }
        }
        Self::made_of(all, book.calendar_at(reached), book.scoring_at(reached))
    }

    /// Of what was asked for last, whether or not it holds yet.
    pub(super) fn newest(book: &SegmentBook) -> Self {
        let newest = book.kept().into_iter().filter_map(|segment| {
            let version = segment.newest()?;
            Some(Active {
                number: segment.number,
                id: segment.id.clone(),
                version: version.version,
                definition: Arc::clone(&version.definition),
                reads: Arc::clone(&version.reads),
                widely: Concern::default(),
            })
        });
        Self::made_of(newest.collect(), book.calendar(), book.scoring())
    }

    fn made_of(mut all: Vec<Active>, calendar: Calendar, scoring: Scoring) -> Self {
        all.sort_by_key(|active| active.number);
        let by_id = all.iter().enumerate();
        let by_id: HashMap<_, _> = by_id.map(|(at, one)| (one.id.clone(), at)).collect();
        let mut catalogue = Self {
            all,
            by_id,
            names: HashMap::new(),
            prefixes: Vec::new(),
            every: Vec::new(),
            calendar,
            score: scoring.rules(),
        };
        for at in 0..catalogue.all.len() {
            for within in catalogue.within(at) {
                let reads = Arc::clone(&catalogue.all[within].reads);
                catalogue.add(at, &reads);
            }
        }
        catalogue
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

    fn add(&mut self, at: usize, reads: &Reads) {
        for (name, text) in &reads.events {
            let named = self.names.entry(name.as_str().to_owned()).or_default();
            let list = match text {
                Some((path, text)) => {
                    let texts = named.by_text.entry(path.clone()).or_default();
                    texts.entry(text.clone()).or_default()
                }
                None => &mut named.all,
            };
            list.push(at);
        }
        let prefixes = reads.prefixes.iter().cloned();
        self.prefixes.extend(prefixes.map(|prefix| (prefix, at)));
        if reads.every_event {
            self.every.push(at);
        }
        let widely = &mut self.all[at].widely;
        widely.traits |= reads.traits;
        widely.purchases |= reads.purchases;
        widely.messages |= reads.messages;
        widely.first_seen |= reads.first_seen;
        widely.last_seen |= reads.last_seen;
        widely.score |= reads.score;
    }

    /// Those that an event of this name with these properties may concern.
    pub(super) fn of_event(
        &self,
        name: &str,
        properties: Option<&Personal>,
        found: &mut BTreeSet<usize>,
    ) {
        found.extend(&self.every);
        let prefixes = self.prefixes.iter();
        let begins = prefixes.filter(|(prefix, _)| name.starts_with(prefix.as_str()));
        found.extend(begins.map(|(_, at)| *at));
        let Some(named) = self.names.get(name) else {
            return;
        };
        found.extend(&named.all);
        if named.by_text.is_empty() {
            return;
        }
        let properties = properties.and_then(|properties| Value::read(&properties.0).ok());
        let Some(properties) = properties else {
            return;
        };
        for (path, texts) in &named.by_text {
            if let Some(Value::Text(text)) = properties.at(path)
                && let Some(list) = texts.get(text)
            {
                found.extend(list);
            }
        }
    }

    /// Those that something may concern that is no matter of an event's name.
    pub(super) fn concerned(&self, concern: Concern, found: &mut BTreeSet<usize>) {
        let asks = |active: &Active| {
            let widely = active.widely;
            widely.traits && concern.traits
                || widely.purchases && concern.purchases
                || widely.messages && concern.messages
                || widely.first_seen && concern.first_seen
                || widely.last_seen && concern.last_seen
                || widely.score && concern.score
        };
        let all = self.all.iter().enumerate();
        found.extend(all.filter(|(_, one)| asks(one)).map(|(at, _)| at));
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
