//! The runs of the index of ids: which there are, adding one, and merging them so that they stay few.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use super::run::{Head, IdPlace, Run, RunWriter};
use crate::files::{self, sync_folder_of};
use crate::locks::{read, write};
use crate::record::Seq;

/// So many runs of one size become one. A look-up asks each run, a merge writes each id again: with
/// four, a billion ids lie in about ten runs and were written seven times.
const FANOUT: usize = 4;
/// So many runs of mixed sizes become one too.
const MAX_MIXED: usize = 3 * FANOUT;
const ENDING: &str = "ids";

/// The runs of a folder, in the order of the log, without gaps between their stretches.
pub(super) struct Runs {
    folder: PathBuf,
    seed: u64,
    /// A run of about so many ids is of the smallest size.
    unit: u64,
    runs: RwLock<Vec<Arc<Run>>>,
}

impl Runs {
    /// Opens the folder, or makes it. What does not begin at the floor or join on to the run before,
    /// reaches behind `end` or cannot be read is removed: it is made anew from the log.
    pub(super) fn open(folder: &Path, floor: Seq, end: Seq, unit: u64) -> io::Result<Self> {
        files::create_folder(folder)?;
        let mut found: Vec<Arc<Run>> = Vec::new();
        let mut unusable = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            match path.extension().and_then(|ending| ending.to_str()) {
                Some(ENDING) => match Run::open(&path) {
                    Ok(run) => found.push(Arc::new(run)),
                    Err(error) => {
                        tracing::warn!(%error, "a part of the index of ids is made anew");
                        unusable.push(path);
                    }
                },
                Some("draft") => unusable.push(path),
                _ => {}
            }
        }
        // Of those that begin at one place, a merged one is longest.
        found.sort_by_key(|run| (run.head.first, u64::MAX - run.head.last.0));
        let mut runs: Vec<Arc<Run>> = Vec::new();
        for run in found {
            let joins = match runs.last() {
                None => run.head.first <= floor,
                Some(before) => {
                    before.head.last.next() == run.head.first && before.head.seed == run.head.seed
                }
            };
            if joins && run.head.last <= end {
                runs.push(run);
            } else {
                unusable.push(run.path.clone());
            }
        }
        for path in &unusable {
            std::fs::remove_file(path)?;
        }
        let seed = match runs.first() {
            Some(run) => run.head.seed,
            None => new_seed()?,
        };
        Ok(Self {
            folder: folder.to_owned(),
            seed,
            unit: unit.max(1),
            runs: RwLock::new(runs),
        })
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// The last place that is covered.
    pub(super) fn last(&self) -> Option<Seq> {
        read(&self.runs).last().map(|run| run.head.last)
    }

    pub(super) fn newest_first(&self) -> Vec<Arc<Run>> {
        read(&self.runs).iter().rev().cloned().collect()
    }

    /// Entries and bytes, of all runs.
    pub(super) fn sizes(&self) -> (u64, u64) {
        let runs = read(&self.runs);
        let entries = runs.iter().map(|run| run.head.entries).sum();
        let bytes = |run: &Arc<Run>| std::fs::metadata(&run.path).map_or(0, |about| about.len());
        (entries, runs.iter().map(bytes).sum())
    }

    /// Gives the runs with arrivals since then (milliseconds) a filter, and takes it from the others.
    pub(super) fn keep_filters(&self, since: i64) -> io::Result<()> {
        for run in self.newest_first() {
            if run.head.last_received >= since {
                run.fill_filter()?;
            } else {
                run.drop_filter();
            }
        }
        Ok(())
    }

    /// Adds a run behind the last: the ids of the records up to `last`.
    pub(super) fn add(
        &self,
        mut places: Vec<IdPlace>,
        first: Seq,
        last: Seq,
        last_received: i64,
    ) -> io::Result<()> {
        places.sort_unstable();
        let head = Head {
            seed: self.seed,
            first,
            last,
            entries: places.len() as u64,
            last_received,
        };
        let mut writer = RunWriter::create(&self.path_of(&head), head, true)?;
        for place in places {
            writer.push(place)?;
        }
        let run = Arc::new(writer.finish()?);
        write(&self.runs).push(run);
        Ok(())
    }

    /// Merges what is due, one group after the other. Entries below `floor` go; runs that lie below it
    /// as a whole go at once. Arrivals since `since` are those that the writer asks for.
    pub(super) fn merge(&self, since: i64, floor: Seq) -> io::Result<()> {
        self.drop_below(floor)?;
        while let Some((from, to)) = self.due(since) {
            let group: Vec<_> = read(&self.runs)[from..to].to_vec();
            let merged = Arc::new(self.merged(&group, since, floor)?);
            // Only this thread changes the list, save that runs come at its end.
            write(&self.runs).splice(from..to, [merged]);
            for run in &group {
                std::fs::remove_file(&run.path)?;
            }
            sync_folder_of(&group[0].path)?;
        }
        Ok(())
    }

    fn drop_below(&self, floor: Seq) -> io::Result<()> {
        let gone: Vec<_> = {
            let mut runs = write(&self.runs);
            let kept = runs.partition_point(|run| run.head.last < floor);
            // One is kept, which says how far the index reaches.
            let kept = kept.min(runs.len().saturating_sub(1));
            runs.drain(..kept).collect()
        };
        for run in gone {
            std::fs::remove_file(&run.path)?;
        }
        Ok(())
    }

    /// The next group to merge: of neighbours that all are within the window or all without, none
    /// larger than some size, as many of that size as become one, or very many.
    fn due(&self, since: i64) -> Option<(usize, usize)> {
        let runs = read(&self.runs);
        let classes: Vec<(u32, bool)> = runs
            .iter()
            .map(|run| {
                let size = (run.head.entries / self.unit).max(1).ilog(FANOUT as u64);
                (size, run.head.last_received >= since)
            })
            .collect();
        let largest = classes.iter().map(|(size, _)| *size).max()?;
        for size in 0..=largest {
            let mut from = 0;
            for group in classes.chunk_by(|a, b| a.1 == b.1 && (a.0 <= size) == (b.0 <= size)) {
                let to = from + group.len();
                let of_this_size = group.iter().filter(|(own, _)| *own == size).count();
                if group[0].0 <= size && (of_this_size >= FANOUT || group.len() >= MAX_MIXED) {
                    return Some((from, to));
                }
                from = to;
            }
        }
        None
    }

    fn merged(&self, group: &[Arc<Run>], since: i64, floor: Seq) -> io::Result<Run> {
        let (first, last) = (group[0].head.first, group[group.len() - 1].head.last);
        let received = group.iter().map(|run| run.head.last_received).max();
        let head = Head {
            seed: self.seed,
            first,
            last,
            entries: group.iter().map(|run| run.head.entries).sum(),
            last_received: received.unwrap_or(i64::MIN),
        };
        let mut writer =
            RunWriter::create(&self.path_of(&head), head, head.last_received >= since)?;
        let mut sources: Vec<_> = group.iter().map(|run| run.places().peekable()).collect();
        loop {
            let mut next: Option<(usize, IdPlace)> = None;
            for (at, source) in sources.iter_mut().enumerate() {
                match source.peek() {
                    Some(Ok(place)) if next.is_none_or(|(_, least)| *place < least) => {
                        next = Some((at, *place));
                    }
                    Some(Ok(_)) | None => {}
                    Some(Err(_)) => {
                        if let Some(Err(error)) = source.next() {
                            return Err(error);
                        }
                    }
                }
            }
            let Some((at, place)) = next else {
                return writer.finish();
            };
            sources[at].next();
            if place.1 >= floor {
                writer.push(place)?;
            }
        }
    }

    fn path_of(&self, head: &Head) -> PathBuf {
        let name = format!("{:020}-{:020}.{ENDING}", head.first.0, head.last.0);
        self.folder.join(name)
    }
}

/// Nobody outside is to know which ids have like hashes.
fn new_seed() -> io::Result<u64> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(u64::from_le_bytes(seed))
}
