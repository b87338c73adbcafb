//! The legs: each runs in a process of its own, this program called again, and prints its figures.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use store::clock::SystemClock;
use store::ledger::Log;
use store::projector::Projector;
use store::record::{Record, Seq};
use store::views;
use store::views::filter::EventFilter;

use crate::load::{WORKSPACE, address_of, erasure, keys, spread, write_log};
use crate::plan::Plan;
use crate::store_in::{
    bytes_read, computed, memory, open_log, open_views, remove_views, size_of, written,
};
use crate::{Failure, segments};

/// The name of a leg, as the program is called with it.
pub(crate) const COMMAND: &str = "--leg";
/// Records that are held decoded while only folding is timed.
const HELD: usize = 100_000;
/// What the projector hands over at once.
const FOLDED: usize = 8_192;
/// About as often as the projector writes one, where all contacts are as likely.
const FOLDS_TO_CHECKPOINT: usize = 15;
/// How often the best contacts are asked for.
const TOPS: usize = 21;
/// How long points are read beside a fold, at the most.
const READING: Duration = Duration::from_secs(60);

/// How long following all of the log may take.
const FOLLOWING: Duration = Duration::from_secs(60 * 60);

/// Tells how far a leg is, on one line.
struct Progress {
    what: &'static str,
    last: Instant,
}

impl Progress {
    fn of(what: &'static str) -> Self {
        let last = Instant::now();
        Self { what, last }
    }

    fn tell(&mut self, done: u64, total: u64) {
        if self.last.elapsed() >= Duration::from_secs(5) {
            self.last = Instant::now();
            eprintln!("bench-views: {}: {done} of {total}", self.what);
        }
    }
}

/// A figure for whoever called.
#[expect(clippy::print_stdout, reason = "the caller reads it from there")]
fn figure(name: &str, value: f64) {
    println!("FIGURE {name} {value}");
}

pub(crate) fn run(leg: &str, plan: &Plan, data: &Path) -> Result<(), Failure> {
    match leg {
        "write" => write(plan, data),
        "rebuild" => rebuild(data),
        "follow" => follow(plan, data),
        "fold" => fold(plan, data),
        "read" => read(plan, data),
        "memory" => at_rest(plan, data),
        "crash" => crash(plan, data),
        "start" => start(plan, data),
        "erase" => erase(plan, data),
        "segments" => segments::measure(data, &figure),
        other => Err(format!("there is no leg {other}").into()),
    }
}

fn write(plan: &Plan, data: &Path) -> Result<(), Failure> {
    let mut progress = Progress::of("writing the log");
    let json = write_log(data, plan.contacts, plan.events, &mut |done| {
        progress.tell(done, plan.events);
    })?;
    figure("json", json as f64);
    figure("log", size_of(data, "log")? as f64);
    figure("ids", size_of(data, "ids")? as f64);
    figure("all", size_of(data, "")? as f64);
    Ok(())
}

fn rebuild(data: &Path) -> Result<(), Failure> {
    remove_views(data)?;
    let log = open_log(data)?;
    let mut progress = Progress::of("building the views from the log");
    let (before, busy, began) = (written()?, computed()?, Instant::now());
    let events = views::rebuild(data, keys(), &log, &mut |done, total| {
        progress.tell(done, total)
    })?;
    figure("rebuilt", events as f64 / began.elapsed().as_secs_f64());
    figure("rebuilt-cpu", events as f64 / (computed()? - busy));
    figure("written", (written()? - before) as f64 / events as f64);
    figure("views", size_of(data, "views")? as f64);
    Ok(())
}

/// As the projector catches up, without its pauses.
fn follow(plan: &Plan, data: &Path) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(data)?;
    let log = open_log(data)?;
    let views = open_views(folder.path(), plan)?;
    let end = *log.committed().borrow();
    let mut progress = Progress::of("catching up");
    let (busy, began) = (computed()?, Instant::now());
    let mut folded = 0;
    while views.cursor() < end {
        let records = log.read_from(views.cursor(), FOLDED)?;
        views.fold(&records)?;
        folded += records.len();
        if folded % (FOLDED * FOLDS_TO_CHECKPOINT) == 0 {
            views.checkpoint()?;
        }
        progress.tell(views.cursor().0, end.0);
    }
    views.checkpoint()?;
    figure("caught-up-cpu", folded as f64 / (computed()? - busy));
    figure("caught-up", folded as f64 / began.elapsed().as_secs_f64());
    views.close()?;
    Ok(())
}

/// Folds all of the log; only folding counts.
fn folding(
    data: &Path,
    views: &views::Views,
    progress: &mut Progress,
) -> Result<(usize, Duration), Failure> {
    let log = open_log(data)?;
    let end = *log.committed().borrow();
    let (mut folded, mut spent, mut busy) = (0, Duration::ZERO, 0.0);
    while views.cursor() < end {
        let held: Vec<Record> = log.read_from(views.cursor(), HELD)?;
        let (before, began) = (computed()?, Instant::now());
        for records in held.chunks(FOLDED) {
            views.fold(records)?;
        }
        spent += began.elapsed();
        busy += computed()? - before;
        views.checkpoint()?;
        folded += held.len();
        progress.tell(views.cursor().0, end.0);
    }
    figure("folded-cpu", folded as f64 / busy);
    Ok((folded, spent))
}

fn fold(plan: &Plan, data: &Path) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(data)?;
    let views = open_views(folder.path(), plan)?;
    let (events, spent) = folding(data, &views, &mut Progress::of("folding"))?;
    figure("folded", events as f64 / spent.as_secs_f64());
    views.close()?;
    Ok(())
}

/// One reader asks for one contact after another while the fold goes as fast as it can.
fn read(plan: &Plan, data: &Path) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(data)?;
    let views = open_views(folder.path(), plan)?;
    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut times = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut times: Vec<u64> = Vec::new();
            while !done.load(Ordering::Acquire) {
                let turn = reads.fetch_add(1, Ordering::Relaxed);
                let contact = address_of(spread(turn ^ 0x5eed) % plan.contacts);
                let began = Instant::now();
                let id = views.contact_id(WORKSPACE, &contact);
                let found = id.map(|id| views.contact(id));
                if let Some(Err(error)) = found {
                    return Err(Failure::from(error.to_string()));
                }
                times.push(u64::try_from(began.elapsed().as_micros())?);
                std::thread::sleep(Duration::from_micros(500));
            }
            Ok(times)
        });
        let began = Instant::now();
        let mut progress = Progress::of("reading beside a fold");
        let log = open_log(data)?;
        let end = *log.committed().borrow();
        for turn in 1.. {
            if views.cursor() >= end || began.elapsed() >= READING {
                break;
            }
            let records = log.read_from(views.cursor(), FOLDED)?;
            views.fold(&records)?;
            if turn % FOLDS_TO_CHECKPOINT == 0 {
                views.checkpoint()?;
            }
            progress.tell(views.cursor().0, end.0);
        }
        done.store(true, Ordering::Release);
        reading.join().map_err(|_| "the reader panicked")?
    })?;
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied();
    figure("read-p99", at(0.99).unwrap_or(0) as f64 / 1_000.0);
    figure(
        "read-max",
        times.last().copied().unwrap_or(0) as f64 / 1_000.0,
    );
    views.close()?;
    Ok(())
}

/// What a process holds once the store is open and some has been read; and how long the best take.
fn at_rest(plan: &Plan, data: &Path) -> Result<(), Failure> {
    let views = open_views(data, plan)?;
    views.events(WORKSPACE, &EventFilter::default())?;
    let mut times: Vec<f64> = Vec::new();
    for _ in 0..TOPS {
        let began = Instant::now();
        views.contacts_by_score(WORKSPACE, None, true, None, 100)?;
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    figure("top-100", times[TOPS / 2]);
    // The allocator gives back a moment later what nothing needs any more, when it is asked for something.
    std::thread::sleep(Duration::from_millis(100));
    views.events(WORKSPACE, &EventFilter::default())?;
    figure("memory", memory()? as f64);
    views.close()?;
    Ok(())
}

/// Follows the log as a server does, and falls.
fn crash(plan: &Plan, data: &Path) -> Result<(), Failure> {
    remove_views(data)?;
    let log: Arc<dyn Log> = Arc::new(open_log(data)?);
    let views = Arc::new(open_views(data, plan)?);
    let end = *log.committed().borrow();
    // Some of the log, so that the moment is none of those that a checkpoint chooses.
    let upto = Seq(end.0 - end.0 / 97);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        let projector = Projector::start(log, views, Arc::new(SystemClock));
        projector.wait_for(upto, FOLLOWING).await
    })?;
    std::process::abort();
}

/// Erases one contact, and writes the log anew without it.
fn erase(plan: &Plan, data: &Path) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let log = open_log(data)?;
    let views = open_views(data, plan)?;
    let catch_up = || -> Result<(), Failure> {
        let end = *log.committed().borrow();
        while views.cursor() < end {
            views.fold(&log.read_from(views.cursor(), FOLDED)?)?;
        }
        Ok(())
    };
    catch_up()?;
    views.checkpoint()?;
    // Another one each time, where the store is used again.
    let end = *log.committed().borrow();
    let contact = address_of(spread(end.0) % plan.contacts);
    let id = views.contact_id(WORKSPACE, &contact).ok_or("no key")?;
    let theirs = views.count_of_contact(WORKSPACE, id)?;
    let (was_read, was_written, busy) = (bytes_read()?, written()?, computed()?);
    let began = Instant::now();
    runtime.block_on(log.append(vec![erasure(id, end.0)?]))?;
    views.hide(id, end.next());
    figure("erase-hidden", began.elapsed().as_secs_f64());
    let folding = Instant::now();
    catch_up()?;
    figure("erase-folded", folding.elapsed().as_secs_f64());
    let purging = Instant::now();
    log.purge()?;
    figure("erase-purged", purging.elapsed().as_secs_f64());
    let checkpoint = Instant::now();
    views.checkpoint()?;
    figure("erase-checkpoint", checkpoint.elapsed().as_secs_f64());
    figure("erase-cpu", computed()? - busy);
    let read = (bytes_read()? - was_read) as f64;
    figure("erase-read", read / 1e6);
    let written = (written()? - was_written) as f64;
    figure("erase-written", written / 1e6);
    figure("erase-events", theirs as f64);
    views.close()?;
    runtime.block_on(log.close())?;
    Ok(())
}

fn start(plan: &Plan, data: &Path) -> Result<(), Failure> {
    let began = Instant::now();
    let log = open_log(data)?;
    figure("log-open", began.elapsed().as_secs_f64());
    let views = open_views(data, plan)?;
    figure("views-open", began.elapsed().as_secs_f64());
    let end = *log.committed().borrow();
    views.owe(end);
    let from = views.cursor();
    while views.cursor() < end {
        let records = log.read_from(views.cursor(), FOLDED)?;
        views.fold(&records)?;
    }
    let id = views.contact_id(WORKSPACE, &address_of(spread(1) % plan.contacts));
    let found = id.map(|id| views.contact(id)).transpose()?;
    if plan.events >= plan.contacts * 20 && found.flatten().is_none() {
        return Err("a contact is missing".into());
    }
    figure("first-answer", began.elapsed().as_secs_f64());
    figure("replayed", (end.0 - from.0) as f64);
    views.close()?;
    Ok(())
}
