//! Definitions of groups of contacts, version by version, each with the place in the log from which it
//! holds: what a rebuild puts where it was. Not who is in them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use redb::{ReadableDatabase, ReadableTable as _, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use shared::ids::SegmentId;
use shared::segment::Definition;
use shared::segment::calendar::Calendar;
use shared::time::Timestamp;

use super::file::json;
use super::{Meta, MetaError, guarded, random};
use crate::files::database::table;
use crate::locks::{read, write};
use crate::record::segments::{Reads, ScoringVersion, SegmentVersion, ZoneVersion};
use crate::record::{Scoring, Segment, SegmentBook, SegmentBooks, Since, WorkspaceId};

/// Key: workspace, id. Value: JSON of [`StoredSegment`].
pub(super) const SEGMENTS: TableDefinition<'_, (u32, &str), &[u8]> =
    TableDefinition::new("segments_v1");
/// Workspaces that use segments. Key: workspace. Value: JSON of a list of [`StoredZone`].
pub(super) const ZONES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("segment_zones_v1");

/// Key: workspace. Value: JSON of a list of [`StoredScoring`].
pub(super) const SCORINGS: TableDefinition<'_, u32, &[u8]> =
    TableDefinition::new("segment_scorings_v1");

/// Definitions of a workspace at the most (design, section 7).
pub const MAX_SEGMENTS: usize = 10_000;
/// Versions of a definition at the most, since all of them are kept.
pub const MAX_VERSIONS: usize = 1_000;

/// Why a segment was not taken, or stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SegmentRefusal {
    /// There is none of this id.
    Unknown,
    /// There are [`MAX_SEGMENTS`].
    TooMany,
    /// It was changed [`MAX_VERSIONS`] times.
    TooManyVersions,
    /// It asks for a segment that is not there.
    UnknownReference(SegmentId),
    /// It asks for itself, by this way.
    Circle(Vec<SegmentId>),
    /// These ask for it.
    AskedFor(Vec<SegmentId>),
}

/// What came of a change of segments.
pub(super) type Changed<T> = Result<Result<T, SegmentRefusal>, MetaError>;

/// A book, and which of its segments are others than before.
type ChangedBook = (SegmentBook, Vec<Arc<Segment>>);

#[derive(Serialize, Deserialize)]
struct StoredSegment {
    number: u32,
    name: String,
    /// Milliseconds since 1970.
    created_at: i64,
    changed_at: i64,
    versions: Vec<StoredVersion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted: Option<(i64, Option<Since>)>,
}

#[derive(Serialize, Deserialize)]
struct StoredVersion {
    version: u32,
    definition: String,
    made_at: i64,
    since: Option<Since>,
}

#[derive(Serialize, Deserialize)]
struct StoredZone {
    name: String,
    since: Option<Since>,
}

#[derive(Serialize, Deserialize)]
struct StoredScoring {
    scoring: Scoring,
    since: Option<Since>,
}

impl Meta {
    /// The segments of every workspace that uses any.
    pub fn segment_books(&self) -> Arc<SegmentBooks> {
        Arc::clone(&read(&self.segments))
    }

    /// The segments of a workspace; none where it uses none.
    pub fn segment_book(&self, workspace: WorkspaceId) -> Arc<SegmentBook> {
        let books = self.segment_books();
        books
            .of_workspace
            .get(&workspace)
            .cloned()
            .unwrap_or_default()
    }

    /// From now on what segments look at is kept of this workspace's contacts. Returns whether that is new.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn use_segments(&self, workspace: WorkspaceId) -> Result<bool, MetaError> {
        if self.segment_books().of_workspace.contains_key(&workspace) {
            return Ok(false);
        }
        let used = self.change_book(workspace, |book, _| Ok((book.clone(), Vec::new())))?;
        Ok(used.is_ok())
    }

    /// Makes a segment. It holds once what it needs is gathered.
    ///
    /// # Errors
    /// [`MetaError`] when the disk fails; [`SegmentRefusal`].
    pub fn create_segment(
        &self,
        workspace: WorkspaceId,
        name: &str,
        definition: Definition,
    ) -> Changed<Arc<Segment>> {
        let made = self.create_segments(workspace, vec![(name.to_owned(), definition)])?;
        Ok(made.and_then(|mut made| made.pop().ok_or(SegmentRefusal::Unknown)))
    }

    /// Makes several at once, or none of them. Returns them in their order.
    ///
    /// # Errors
    /// Those of [`Self::create_segment`].
    pub fn create_segments(
        &self,
        workspace: WorkspaceId,
        wanted: Vec<(String, Definition)>,
    ) -> Changed<Vec<Arc<Segment>>> {
        let ids = wanted.iter().map(|_| new_id());
        let ids: Vec<SegmentId> = ids.collect::<Result<_, _>>()?;
        let now = self.now();
        let made = self.change_book(workspace, |book, first| {
            if book.kept().len() + wanted.len() > MAX_SEGMENTS {
                return Err(SegmentRefusal::TooMany);
            }
            let mut changed = (book.clone(), Vec::with_capacity(wanted.len()));
            for ((number, id), (name, definition)) in (first..).zip(&ids).zip(wanted) {
                check(&changed.0, id, &definition)?;
                let segment = Segment {
                    number,
                    id: id.clone(),
                    name,
                    created_at: now,
                    changed_at: now,
                    versions: vec![version(1, definition, now)],
                    deleted: None,
                };
                put_in(&mut changed, segment);
            }
            Ok(changed)
        })?;
        let book = self.segment_book(workspace);
        let kept = ids.iter().filter_map(|id| book.get(id).cloned());
        Ok(made.map(|()| kept.collect()))
    }

    /// Changes the name of a segment, or its definition, which makes another version of it. A definition that
    /// means the same to the letter makes none.
    ///
    /// # Errors
    /// [`MetaError`] when the disk fails; [`SegmentRefusal`].
    pub fn change_segment(
        &self,
        workspace: WorkspaceId,
        id: &SegmentId,
        name: Option<&str>,
        definition: Option<Definition>,
    ) -> Changed<Arc<Segment>> {
        let now = self.now();
        let changed = self.change_book(workspace, |book, _| {
            let known = book.get(id).ok_or(SegmentRefusal::Unknown)?;
            let mut segment = Segment::clone(known);
            if let Some(name) = name {
                name.clone_into(&mut segment.name);
            }
            let newest = segment
                .newest()
                .map(|newest| (newest.version, Arc::clone(&newest.definition)));
            if let Some(definition) = definition
                && newest
                    .as_ref()
                    .is_none_or(|(_, newest)| **newest != definition)
            {
                if segment.versions.len() >= MAX_VERSIONS {
                    return Err(SegmentRefusal::TooManyVersions);
                }
                check(book, id, &definition)?;
                let next = newest.map_or(1, |(newest, _)| newest + 1);
                // What never held is replaced by what is wanted now; its number is not given again.
                segment.versions.push(version(next, definition, now));
            }
            segment.changed_at = now;
            Ok(with(book, segment))
        })?;
        Ok(changed
            .map(|()| self.kept(workspace, id))
            .and_then(|kept| kept.ok_or(SegmentRefusal::Unknown)))
    }

    /// Deletes a segment that no other asks for. Its history stays.
    ///
    /// # Errors
    /// [`MetaError`] when the disk fails; [`SegmentRefusal`].
    pub fn delete_segment(&self, workspace: WorkspaceId, id: &SegmentId) -> Changed<()> {
        let now = self.now();
        self.change_book(workspace, |book, _| {
            let known = book.get(id).ok_or(SegmentRefusal::Unknown)?;
            let asks = |other: &&Arc<Segment>| {
                let newest = other.newest();
                newest.is_some_and(|newest| newest.reads.segments.contains(id))
            };
            let asking: Vec<SegmentId> = book
                .kept()
                .into_iter()
                .filter(asks)
                .map(|other| other.id.clone())
                .collect();
            if !asking.is_empty() {
                return Err(SegmentRefusal::AskedFor(asking));
            }
            let mut segment = Segment::clone(known);
            segment.changed_at = now;
            segment.deleted = Some((now, None));
            Ok(with(book, segment))
        })
    }

    /// Sets the time zone by which a workspace's segments tell days: IANA's name. `None` where there is no such zone.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_time_zone(
        &self,
        workspace: WorkspaceId,
        name: &str,
    ) -> Result<Option<()>, MetaError> {
        let Some(zone) = zone(name, None) else {
            return Ok(None);
        };
        let set = self.change_book(workspace, |book, _| {
            let mut book = book.clone();
            if book
                .zones
                .last()
                .is_none_or(|newest| newest.name != zone.name)
            {
                book.zones.push(zone);
            }
            Ok((book, Vec::new()))
        })?;
        Ok(set.ok())
    }

    /// The name of the time zone by which a workspace's segments tell days.
    pub fn time_zone(&self, workspace: WorkspaceId) -> String {
        let book = self.segment_book(workspace);
        let zone = book.zones.last();
        zone.map_or_else(|| "UTC".to_owned(), |zone| zone.name.clone())
    }

    /// See [`crate::record::WorkspaceKeys::hold_segments`].
    pub(super) fn hold_pending(
        &self,
        workspaces: &[WorkspaceId],
        since: Since,
    ) -> Result<bool, MetaError> {
        let mut any = false;
        for workspace in workspaces {
            let is_pending = self.segment_book(*workspace).is_pending();
            if !is_pending {
                continue;
            }
            any = true;
            let mut database = self.lock_database();
            let (book, changed) = held(&self.segment_book(*workspace), since);
            self.write(
                &mut database,
                "noting from where segments hold",
                |transaction| {
                    for segment in &changed {
                        put(transaction, *workspace, segment)?;
                    }
                    put_settings(transaction, *workspace, &book)
                },
            )?;
            self.replace_book(*workspace, book);
        }
        Ok(any)
    }

    fn kept(&self, workspace: WorkspaceId, id: &SegmentId) -> Option<Arc<Segment>> {
        self.segment_book(workspace).get(id).cloned()
    }

    /// Changes the book of a workspace, and writes the segments that have changed. The change is told the number that a
    /// new segment gets; one after it gets the next.
    fn change_book(
        &self,
        workspace: WorkspaceId,
        change: impl FnOnce(&SegmentBook, u32) -> Result<ChangedBook, SegmentRefusal>,
    ) -> Changed<()> {
        let mut database = self.lock_database();
        let books = self.segment_books();
        let all = books
            .of_workspace
            .values()
            .flat_map(|book| book.segments.values());
        let number = all.map(|segment| segment.number + 1).max().unwrap_or(1);
        let mut known = self.segment_book(workspace);
        if !books.of_workspace.contains_key(&workspace) {
            known = Arc::new(self.first_book(workspace));
        }
        let (book, changed) = match change(&known, number) {
            Ok(changed) => changed,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.write(&mut database, "keeping a segment", |transaction| {
            for segment in &changed {
                put(transaction, workspace, segment)?;
            }
            put_settings(transaction, workspace, &book)
        })?;
        self.replace_book(workspace, book);
        Ok(Ok(()))
    }

    /// That of a workspace which comes to use segments.
    fn first_book(&self, workspace: WorkspaceId) -> SegmentBook {
        let scoring = self.workspace_of(workspace).map(|known| known.scoring);
        let mut book = SegmentBook::default();
        if let Some(scoring) = scoring.filter(|scoring| *scoring != Scoring::default()) {
            book.scorings.push(ScoringVersion {
                scoring,
                since: Some(Since::NEVER),
            });
        }
        book
    }

    /// Changes what events weigh in a workspace's scores, for its segments too, from a moment later on. Views that were
    /// folded before do not know; see [`crate::views::Views::apply_settings`].
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_scoring(&self, workspace: WorkspaceId, scoring: Scoring) -> Result<(), MetaError> {
        let mut database = self.lock_database();
        let Some(known) = self.workspace_of(workspace) else {
            return Ok(());
        };
        let changed = Arc::new(known.scored_by(scoring));
        let books = self.segment_books();
        let book = books.of_workspace.get(&workspace).map(|book| {
            let mut book = SegmentBook::clone(book);
            book.scorings.push(ScoringVersion {
                scoring,
                since: None,
            });
            book
        });
        self.write(&mut database, "changing a setting", |transaction| {
            changed.put(transaction)?;
            match &book {
                Some(book) => put_settings(transaction, workspace, book),
                None => Ok(()),
            }
        })?;
        self.known_mut().workspaces.insert(workspace, changed);
        if let Some(book) = book {
            self.replace_book(workspace, book);
        }
        Ok(())
    }

    fn replace_book(&self, workspace: WorkspaceId, book: SegmentBook) {
        let mut known = write(&self.segments);
        let mut books = known.of_workspace.clone();
        books.insert(workspace, Arc::new(book));
        *known = Arc::new(SegmentBooks::of(books));
    }
}

fn new_id() -> Result<SegmentId, MetaError> {
    let bytes: [u8; 10] = random()?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(SegmentId::from_kept(format!("seg_{digits}")))
}

fn version(version: u32, definition: Definition, made_at: Timestamp) -> SegmentVersion {
    SegmentVersion {
        version,
        reads: Arc::new(Reads::of(&definition)),
        definition: Arc::new(definition),
        made_at,
        since: None,
    }
}

fn with(book: &SegmentBook, segment: Segment) -> ChangedBook {
    let mut changed = (book.clone(), Vec::new());
    put_in(&mut changed, segment);
    changed
}

fn put_in((book, changed): &mut ChangedBook, segment: Segment) {
    let segment = Arc::new(segment);
    book.segments
        .insert(segment.id.clone(), Arc::clone(&segment));
    changed.push(segment);
}

/// Whether the segments that a definition asks for are there, and lead to no circle.
fn check(
    book: &SegmentBook,
    own: &SegmentId,
    definition: &Definition,
) -> Result<(), SegmentRefusal> {
    let newest = |id: &SegmentId| {
        let newest = book.get(id)?.newest()?;
        Some(&*newest.definition)
    };
    for id in definition.references() {
        if id != own && book.get(id).is_none() {
            return Err(SegmentRefusal::UnknownReference(id.clone()));
        }
    }
    match definition.circle(own, &newest) {
        Some(way) => Err(SegmentRefusal::Circle(way)),
        None => Ok(()),
    }
}

/// The same book, in which everything holds that did not; and the segments of which that is so.
fn held(book: &SegmentBook, since: Since) -> ChangedBook {
    let mut book = book.clone();
    let mut all_changed = Vec::new();
    let pending = book.segments.values_mut();
    for segment in pending.filter(|segment| segment.is_pending()) {
        let mut changed = Segment::clone(segment);
        hold_newest(&mut changed.versions, since, |version| &mut version.since);
        if let Some((_, gone)) = &mut changed.deleted {
            *gone = gone.or(Some(since));
        }
        *segment = Arc::new(changed);
        all_changed.push(Arc::clone(segment));
    }
    hold_newest(&mut book.zones, since, |zone| &mut zone.since);
    hold_newest(&mut book.scorings, since, |scoring| &mut scoring.since);
    (book, all_changed)
}

/// What does not hold yet of versions in their order does from here on: of several the last alone, the others never do.
fn hold_newest<T>(versions: &mut Vec<T>, since: Since, of: fn(&mut T) -> &mut Option<Since>) {
    let newest = versions.pop();
    versions.retain_mut(|version| of(version).is_some());
    versions.extend(newest);
    for version in versions {
        of(version).get_or_insert(since);
    }
}

fn zone(name: &str, since: Option<Since>) -> Option<ZoneVersion> {
    let zone = jiff::tz::TimeZone::get(name).ok()?;
    let name = zone.iana_name().unwrap_or(name).to_owned();
    Some(ZoneVersion {
        name,
        calendar: Calendar::of(zone),
        since,
    })
}

fn put(
    transaction: &WriteTransaction,
    workspace: WorkspaceId,
    segment: &Segment,
) -> Result<(), redb::Error> {
    let stored = StoredSegment {
        number: segment.number,
        name: segment.name.clone(),
        created_at: segment.created_at.as_millis(),
        changed_at: segment.changed_at.as_millis(),
        versions: segment
            .versions
            .iter()
            .map(|version| StoredVersion {
                version: version.version,
                definition: version.definition.to_json(),
                made_at: version.made_at.as_millis(),
                since: version.since,
            })
            .collect(),
        deleted: segment.deleted.map(|(at, since)| (at.as_millis(), since)),
    };
    let mut table = transaction.open_table(SEGMENTS)?;
    table.insert((workspace.0, segment.id.as_str()), json(&stored).as_slice())?;
    Ok(())
}

/// Writes what holds for all segments of a workspace.
fn put_settings(
    transaction: &WriteTransaction,
    workspace: WorkspaceId,
    book: &SegmentBook,
) -> Result<(), redb::Error> {
    let zones = book.zones.iter().map(|zone| StoredZone {
        name: zone.name.clone(),
        since: zone.since,
    });
    let zones: Vec<_> = zones.collect();
    let mut table = transaction.open_table(ZONES)?;
    table.insert(workspace.0, json(&zones).as_slice())?;
    let scorings = book.scorings.iter().map(|one| StoredScoring {
        scoring: one.scoring,
        since: one.since,
    });
    let scorings: Vec<_> = scorings.collect();
    if !scorings.is_empty() {
        let mut table = transaction.open_table(SCORINGS)?;
        table.insert(workspace.0, json(&scorings).as_slice())?;
    }
    Ok(())
}

/// What the file says; nothing where it is from before there were any.
pub(super) fn load(
    path: &Path,
    database: &impl ReadableDatabase,
) -> Result<SegmentBooks, MetaError> {
    let (segments, zones, scorings) = guarded(path, || {
        let read = database.begin_read()?;
        let (mut segments, mut zones, mut scorings) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(table) = table(&read, SEGMENTS)? {
            for row in table.iter()? {
                let (key, value) = row?;
                let (workspace, id) = key.value();
                segments.push((workspace, id.to_owned(), value.value().to_vec()));
            }
        }
        if let Some(table) = table(&read, ZONES)? {
            for row in table.iter()? {
                let (key, value) = row?;
                zones.push((key.value(), value.value().to_vec()));
            }
        }
        if let Some(table) = table(&read, SCORINGS)? {
            for row in table.iter()? {
                let (key, value) = row?;
                scorings.push((key.value(), value.value().to_vec()));
            }
        }
        Ok((segments, zones, scorings))
    })?;
    let damaged = |what: String| MetaError::Damaged {
        path: path.to_owned(),
        what,
    };
    let mut books: BTreeMap<WorkspaceId, SegmentBook> = BTreeMap::new();
    for (workspace, row) in zones {
        let bad = |what: &dyn std::fmt::Display| {
            damaged(format!(
                "the time zones of workspace {workspace} cannot be read: {what}"
            ))
        };
        let stored: Vec<StoredZone> = serde_json::from_slice(&row).map_err(|error| bad(&error))?;
        let book = books.entry(WorkspaceId(workspace)).or_default();
        for stored in stored {
            let known = zone(&stored.name, stored.since);
            book.zones.push(known.ok_or_else(|| bad(&"it is none"))?);
        }
    }
    for (workspace, row) in scorings {
        let stored: Vec<StoredScoring> = serde_json::from_slice(&row).map_err(|error| {
            damaged(format!(
                "what events weigh in workspace {workspace} cannot be read: {error}"
            ))
        })?;
        let book = books.entry(WorkspaceId(workspace)).or_default();
        let stored = stored.into_iter().map(|one| ScoringVersion {
            scoring: one.scoring,
            since: one.since,
        });
        book.scorings.extend(stored);
    }
    for (workspace, id, row) in segments {
        let bad = |what: &dyn std::fmt::Display| {
            damaged(format!("the segment {id} cannot be read: {what}"))
        };
        let stored: StoredSegment = serde_json::from_slice(&row).map_err(|error| bad(&error))?;
        let mut versions = Vec::with_capacity(stored.versions.len());
        for kept in stored.versions {
            let definition =
                Definition::from_kept(&kept.definition).map_err(|error| bad(&error))?;
            versions.push(SegmentVersion {
                since: kept.since,
                ..version(
                    kept.version,
                    definition,
                    Timestamp::from_millis(kept.made_at),
                )
            });
        }
        let id = SegmentId::from_kept(id);
        let segment = Segment {
            number: stored.number,
            id: id.clone(),
            name: stored.name,
            created_at: Timestamp::from_millis(stored.created_at),
            changed_at: Timestamp::from_millis(stored.changed_at),
            versions,
            deleted: stored
                .deleted
                .map(|(at, since)| (Timestamp::from_millis(at), since)),
        };
        let book = books.entry(WorkspaceId(workspace)).or_default();
        book.segments.insert(id, Arc::new(segment));
    }
    let books = books
        .into_iter()
        .map(|(workspace, book)| (workspace, Arc::new(book)));
    Ok(SegmentBooks::of(books.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;
    use crate::record::Seq;

    const OWN: WorkspaceId = WorkspaceId(1);

    fn open(folder: &Path) -> Meta {
        let clock = FixedClock::new(Timestamp::from_millis(1_764_201_600_000));
        Meta::open(folder, Arc::new(clock)).unwrap()
    }

    fn definition(json: &str) -> Definition {
        Definition::parse(json).unwrap()
    }

    fn since(seq: u64) -> Since {
        Since::NEVER.behind(Seq(seq), 5)
    }

    #[test]
    fn a_definition_holds_from_where_it_was_put_and_outlives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let meta = open(folder.path());
        assert!(meta.use_segments(OWN).unwrap());
        assert!(!meta.use_segments(OWN).unwrap());
        let made = meta.create_segment(OWN, "A", definition(r#"{"event":"a"}"#));
        let id = made.unwrap().unwrap().id.clone();
        assert!(meta.segment_books().is_pending());
        assert!(meta.hold_pending(&[OWN], since(7)).unwrap());
        assert!(!meta.hold_pending(&[OWN], since(8)).unwrap());
        for json in [r#"{"event":"b"}"#, r#"{"event":"c"}"#] {
            let changed = meta.change_segment(OWN, &id, Some("B"), Some(definition(json)));
            changed.unwrap().unwrap();
        }
        meta.hold_pending(&[OWN], since(9)).unwrap();
        drop(meta);

        let meta = open(folder.path());
        let book = meta.segment_book(OWN);
        let segment = book.get(&id).unwrap();
        assert_eq!((segment.name.as_str(), segment.versions.len()), ("B", 2));
        let held = |seq| segment.held_at(since(seq)).map(|version| version.version);
        assert_eq!((held(6), held(7), held(9)), (None, Some(1), Some(3)));
        assert_eq!(meta.segment_books().next_behind(since(7)), Some(since(9)));
        assert_eq!(meta.segment_books().next_behind(since(9)), None);
    }

    #[test]
    fn a_definition_that_is_longer_as_it_is_written_outlives_a_restart() {
        let numbers = vec!["1e30"; 1_000].join(",");
        let list = format!(r#"{{"trait":"n","in":[{numbers}]}}"#);
        let sent = format!(r#"{{"any":[{}]}}"#, vec![list; 3].join(","));
        let long = definition(&sent);
        assert!(long.to_json().len() > shared::limits::MAX_SEGMENT_BYTES);
        let folder = tempfile::tempdir().unwrap();
        let meta = open(folder.path());
        let made = meta.create_segment(OWN, "A", long.clone()).unwrap();
        let id = made.unwrap().id.clone();
        drop(meta);

        let book = open(folder.path()).segment_book(OWN);
        assert_eq!(*book.get(&id).unwrap().versions[0].definition, long);
    }

    #[test]
    fn segments_that_lead_nowhere_or_to_themselves_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let meta = open(folder.path());
        let refused = meta.create_segment(OWN, "A", definition(r#"{"segment":"seg_0"}"#));
        assert!(matches!(
            refused.unwrap(),
            Err(SegmentRefusal::UnknownReference(_))
        ));
        let a = meta
            .create_segment(OWN, "A", definition(r#"{"event":"a"}"#))
            .unwrap()
            .unwrap();
        let of_a = definition(&format!(r#"{{"not":{{"segment":"{}"}}}}"#, a.id.as_str()));
        let b = meta.create_segment(OWN, "B", of_a).unwrap().unwrap();
        let of_b = definition(&format!(r#"{{"segment":"{}"}}"#, b.id.as_str()));
        let circle = meta.change_segment(OWN, &a.id, None, Some(of_b)).unwrap();
        assert!(matches!(circle, Err(SegmentRefusal::Circle(way)) if way.len() == 3));
        let asked = meta.delete_segment(OWN, &a.id).unwrap();
        assert_eq!(asked, Err(SegmentRefusal::AskedFor(vec![b.id.clone()])));
        meta.delete_segment(OWN, &b.id).unwrap().unwrap();
        meta.delete_segment(OWN, &a.id).unwrap().unwrap();
        assert!(meta.segment_book(OWN).kept().is_empty());
    }

    #[test]
    fn weights_hold_from_where_they_were_put_and_for_who_comes_to_use_segments_from_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let meta = open(folder.path());
        let scoring = |open| Scoring {
            weights: [open, 0, 0, 0, 0],
            ..Scoring::default()
        };
        meta.set_scoring(OWN, scoring(1)).unwrap();
        assert!(!meta.segment_books().of_workspace.contains_key(&OWN));
        meta.use_segments(OWN).unwrap();
        assert!(!meta.segment_books().is_pending());
        for open in [2, 3] {
            meta.set_scoring(OWN, scoring(open)).unwrap();
        }
        assert!(meta.segment_books().is_pending());
        meta.hold_pending(&[OWN], since(7)).unwrap();
        drop(meta);

        let meta = open(folder.path());
        assert!(!meta.segment_books().is_pending());
        let book = meta.segment_book(OWN);
        let held = |seq| book.scoring_at(since(seq));
        assert_eq!(
            (held(6), held(7), book.scoring()),
            (scoring(1), scoring(3), scoring(3))
        );
        assert_eq!(meta.workspace_of(OWN).unwrap().scoring, scoring(3));
    }

    #[test]
    fn days_are_told_by_the_zone_that_was_set_last() {
        let folder = tempfile::tempdir().unwrap();
        let meta = open(folder.path());
        assert_eq!(meta.time_zone(OWN), "UTC");
        assert_eq!(meta.set_time_zone(OWN, "Mars/Base").unwrap(), None);
        meta.set_time_zone(OWN, "Europe/Berlin").unwrap().unwrap();
        assert_eq!(meta.time_zone(OWN), "Europe/Berlin");
        drop(meta);
        assert_eq!(open(folder.path()).time_zone(OWN), "Europe/Berlin");
    }
}
