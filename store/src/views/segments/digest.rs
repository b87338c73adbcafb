//! What definitions ask of a contact, worked out of its facts: the instants of the streams that it has events in, when
//! it was seen, and what was found by going through all facts. In memory alone; rows are the truth.

use std::sync::Arc;

use shared::segment::facts::{Fact, FactKind, History};
use smallvec::SmallVec;

use super::catalogue::Catalogue;
use super::compiled::{Carried, Look};

/// See above. Instants in milliseconds since 1970.
#[derive(Debug, Clone, Default)]
pub(super) struct Digest {
    /// There is such a contact.
    pub(super) exists: bool,
    pub(super) first_seen: Option<i64>,
    pub(super) last_seen: Option<i64>,
    /// Those that are in a stream, in the order of their instants; of one instant in that in which they were recorded.
    pub(super) events: Vec<Event>,
    /// By stream, ascending: worked out of the events, as are the two below.
    runs: Vec<Run>,
    /// Of one stream after the other, each ascending.
    times: Vec<i64>,
    /// Likewise what streams carry that carry something.
    values: Vec<i128>,
    /// What came of leaves that go through facts, by leaf, ascending.
    pub(super) found: Vec<(u32, Look)>,
}

/// An event that is in a stream.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) at: i64,
    pub(super) shape: Arc<[InStream]>,
    /// What is carried of it, each number once.
    pub(super) numbers: SmallVec<[i128; 1]>,
}

/// A stream that an event is in, and what that carries of it. Many events are in the same ones: what they are in, in
/// the order of the streams, is their shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct InStream {
    pub(super) stream: u32,
    pub(super) carries: Carries,
}

/// See [`Carried`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Carries {
    Nothing,
    Answer(bool),
    /// The place of a number among those of the event.
    Number(u16),
}

impl Event {
    /// `None` of a fact that is in no stream.
    fn of(fact: &Fact, at: i64, catalogue: &Catalogue) -> Option<Self> {
        let mut shape: SmallVec<[InStream; 32]> = SmallVec::new();
        let mut numbers: SmallVec<[i128; 1]> = SmallVec::new();
        catalogue.each_stream_of(fact, |stream, carried| {
            let carries = match carried {
                Carried::Nothing => Carries::Nothing,
                Carried::Answer(answer) => Carries::Answer(answer),
                Carried::Number(number) => {
                    let known = numbers.iter().position(|known| *known == number);
                    let place = known.unwrap_or_else(|| {
                        numbers.push(number);
                        numbers.len() - 1
                    });
                    // An event's properties have no room for as many.
                    Carries::Number(u16::try_from(place).unwrap_or(u16::MAX))
                }
            };
            shape.push(InStream { stream, carries });
        });
        if shape.is_empty() {
            return None;
        }
        shape.sort_unstable_by_key(|one| one.stream);
        Some(Self {
            at,
            shape: shape.as_slice().into(),
            numbers,
        })
    }

    fn value(&self, one: InStream) -> Option<i128> {
        match one.carries {
            Carries::Nothing => None,
            Carries::Answer(answer) => Some(i128::from(answer)),
            Carries::Number(place) => self.numbers.get(usize::from(place)).copied(),
        }
    }
}

/// Where a stream's instants end; they begin where the one before ends.
#[derive(Debug, Clone, Copy)]
struct Run {
    stream: u32,
    times: u32,
    values: u32,
}

impl Digest {
    pub(super) fn of(history: &History, catalogue: &Catalogue) -> Self {
        let mut digest = Self::default();
        let mut events: Vec<Event> = Vec::new();
        for fact in history.facts() {
            events.extend(digest.see_fact(fact, catalogue));
        }
        // Stable: of one instant they stay in the order of their seqs.
        events.sort_by_key(|event| event.at);
        digest.with_events(events)
    }

    /// The same with these events.
    pub(super) fn with_events(self, events: Vec<Event>) -> Self {
        let mut hits: Vec<(u32, u32)> = Vec::with_capacity(events.len() * 8);
        for (place, event) in (0..).zip(&events) {
            hits.extend(event.shape.iter().map(|one| (one.stream, place)));
        }
        hits.sort_unstable();
        let (mut runs, mut values) = (Vec::<Run>::new(), Vec::new());
        let mut times = Vec::with_capacity(hits.len());
        for (stream, place) in hits {
            let event = &events[place as usize];
            let within = event.shape.binary_search_by_key(&stream, |one| one.stream);
            let value = within.ok().and_then(|at| event.value(event.shape[at]));
            times.push(event.at);
            values.extend(value);
            if runs.last().is_none_or(|run| run.stream != stream) {
                runs.push(Run {
                    stream,
                    times: 0,
                    values: 0,
                });
            }
            if let Some(run) = runs.last_mut() {
                (run.times, run.values) = (place_of(times.len()), place_of(values.len()));
            }
        }
        Self {
            events,
            runs,
            times,
            values,
            ..self
        }
    }

    /// Takes a fact in that was recorded after all others.
    pub(super) fn add(&mut self, fact: &Fact, catalogue: &Catalogue) {
        let Some(event) = self.see_fact(fact, catalogue) else {
            return;
        };
        for one in event.shape.iter() {
            self.insert(one.stream, event.at, event.value(*one));
        }
        let behind = self.events.partition_point(|known| known.at <= event.at);
        self.events.insert(behind, event);
    }

    fn see_fact(&mut self, fact: &Fact, catalogue: &Catalogue) -> Option<Event> {
        self.exists = true;
        let at = fact.counts_from().as_millis();
        if fact.is_sighting() {
            self.first_seen = Some(self.first_seen.map_or(at, |first| first.min(at)));
            self.last_seen = Some(self.last_seen.map_or(at, |last| last.max(at)));
        }
        match &fact.kind {
            FactKind::Event { .. } => Event::of(fact, at, catalogue),
            _ => None,
        }
    }

    /// Works out anew when the contact was seen.
    pub(super) fn see(&mut self, history: &History) {
        let sightings = history.facts().iter().filter(|fact| fact.is_sighting());
        let times = sightings.map(|fact| fact.counts_from().as_millis());
        (self.first_seen, self.last_seen) = times.fold((None, None), |(first, last), at| {
            (
                Some(first.map_or(at, |first: i64| first.min(at))),
                Some(last.map_or(at, |last: i64| last.max(at))),
            )
        });
        self.exists = !history.facts().is_empty();
    }

    fn insert(&mut self, stream: u32, at: i64, carried: Option<i128>) {
        let place = self.runs.partition_point(|run| run.stream < stream);
        let (times, values) = self.starts(place);
        if self.runs.get(place).is_none_or(|run| run.stream != stream) {
            let run = Run {
                stream,
                times,
                values,
            };
            self.runs.insert(place, run);
        }
        let (first, end) = (times as usize, self.runs[place].times as usize);
        let behind = self.times[first..end].partition_point(|time| *time <= at);
        self.times.insert(first + behind, at);
        if let Some(carried) = carried {
            self.values.insert(values as usize + behind, carried);
        }
        for run in &mut self.runs[place..] {
            run.times += 1;
            run.values += u32::from(carried.is_some());
        }
    }

    fn starts(&self, place: usize) -> (u32, u32) {
        let before = place.checked_sub(1).map(|before| self.runs[before]);
        before.map_or((0, 0), |run| (run.times, run.values))
    }

    /// The instants of a stream, and what it carries of each, if anything.
    pub(super) fn of_stream(&self, stream: u32) -> (&[i64], &[i128]) {
        let Ok(place) = self.runs.binary_search_by_key(&stream, |run| run.stream) else {
            return (&[], &[]);
        };
        let ((times, values), run) = (self.starts(place), self.runs[place]);
        (
            &self.times[times as usize..run.times as usize],
            &self.values[values as usize..run.values as usize],
        )
    }

    /// What is remembered of a leaf that is still so at `now`.
    pub(super) fn remembered(&self, leaf: u32, now: i64) -> Option<Look> {
        let place = self
            .found
            .binary_search_by_key(&leaf, |found| found.0)
            .ok()?;
        let look = self.found[place].1;
        look.1.is_none_or(|until| now < until).then_some(look)
    }

    pub(super) fn remember(&mut self, leaf: u32, look: Look) {
        match self.found.binary_search_by_key(&leaf, |found| found.0) {
            Ok(place) => self.found[place].1 = look,
            Err(place) => self.found.insert(place, (leaf, look)),
        }
    }

    /// Something has come that these leaves, which ascend, are to be asked about again.
    pub(super) fn forget(&mut self, leaves: &[usize]) {
        if !leaves.is_empty() {
            self.found
                .retain(|(leaf, _)| leaves.binary_search(&(*leaf as usize)).is_err());
        }
    }

    /// About how many bytes of memory it takes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.runs.capacity() * size_of::<Run>()
            + self.times.capacity() * size_of::<i64>()
            + self.values.capacity() * size_of::<i128>()
            + self.found.capacity() * size_of::<(u32, Look)>()
            + self.events.capacity() * (size_of::<Event>() + 16)
            // What its events are in, of each a list of its own.
            + self.times.len() * size_of::<InStream>()
            + 96
    }

    /// How many instants streams have in all.
    pub(super) fn hits(&self) -> usize {
        self.times.len()
    }
}

/// A count as it stands in a run. A contact has fewer events than there are seqs in 32 bits.
fn place_of(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
