//! What definitions ask of a contact, worked out of its facts: the instants of the streams that it has events in, when
//! it was seen, and what was found by going through all facts. In memory alone; rows are the truth.

use shared::segment::facts::{Fact, FactKind, History};

use super::catalogue::Catalogue;
use super::compiled::Look;

/// See above. Instants in milliseconds since 1970.
#[derive(Debug, Clone, Default)]
pub(super) struct Digest {
    /// There is such a contact.
    pub(super) exists: bool,
    pub(super) first_seen: Option<i64>,
    pub(super) last_seen: Option<i64>,
    /// By stream, ascending.
    runs: Vec<Run>,
    /// Of one stream after the other, each ascending; of one instant in the order in which they were recorded.
    times: Vec<i64>,
    /// Likewise what streams carry that carry something.
    values: Vec<i128>,
    /// What came of leaves that go through facts, by leaf, ascending.
    found: Vec<(u32, Look)>,
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
        for fact in history.facts() {
            digest.add(fact, catalogue);
        }
        digest
    }

    /// Takes a fact in that was recorded after all others.
    pub(super) fn add(&mut self, fact: &Fact, catalogue: &Catalogue) {
        self.exists = true;
        let at = fact.counts_from().as_millis();
        if fact.is_sighting() {
            self.first_seen = Some(self.first_seen.map_or(at, |first| first.min(at)));
            self.last_seen = Some(self.last_seen.map_or(at, |last| last.max(at)));
        }
        if let FactKind::Event { .. } = &fact.kind {
            catalogue.each_stream_of(fact, |stream, carried| self.insert(stream, at, carried));
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
    pub(super) fn hits(&self, stream: u32) -> (&[i64], &[i128]) {
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
            + 96
    }
}
