//! The legs: each runs in a process of its own, this program called again, and prints its figures.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::time::Timestamp;
use store::clock::FixedClock;
use store::ledger::Log;
use store::projector::Projector;
use store::record::{Record, Seq};
use store::seed::{address_of, of_names, of_paths, spread};
use store::views::Views;

use crate::load::{Keys, WORKSPACE, seed, write_log};
use crate::plan::Plan;
use crate::store_in::{computed, memory, open_log, size_of};
use crate::{Failure, questions};

/// The name of a leg, as the program is called with it.
pub(crate) const COMMAND: &str = "--leg";
/// In the order in which they need each other.
pub(crate) const LEGS: [&str; 9] = [
    "none",
    "kept",
    "names",
    "paths",
    "many-paths",
    "backfill",
    "fill",
    "restart",
    "preview",
];
/// Definitions over names; of one path each; and many of those.
const NAMES: usize = 1_000;
const PATHS: usize = 1_000;
const MANY_PATHS: usize = 10_000;
/// Records that are held decoded while only folding is timed.
const HELD: usize = 100_000;
/// What the projector hands over at once.
const FOLDED: usize = 8_192;
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(4 * 60 * 60);
/// How often a page of members is asked for.
const PAGES: u64 = 101;

/// A figure for whoever called.
#[expect(clippy::print_stdout, reason = "the caller reads it from there")]
pub(crate) fn figure(name: &str, value: f64) {
    println!("FIGURE {name} {value}");
}

/// Those that count one core.
pub(crate) fn is_on_one_core(leg: &str) -> bool {
    !matches!(leg, "write" | "restart")
}

pub(crate) fn run(leg: &str, plan: &Plan, data: &Path) -> Result<(), Failure> {
    match leg {
        "write" => write_log(data, plan, &mut |done| {
            if done.is_multiple_of(1_000_000) {
                eprintln!("bench-segments: {done} of {} written", plan.events);
            }
        }),
        "none" => fold(leg, &Keys::none(), plan, data).map(drop),
        "kept" => fold(leg, &Keys::holding(Vec::new())?, plan, data).map(drop),
        "names" => names(plan, data),
        "paths" => fold(leg, &Keys::holding(of_paths(PATHS))?, plan, data).map(drop),
        "many-paths" => fold(leg, &Keys::holding(of_paths(MANY_PATHS))?, plan, data).map(drop),
        "backfill" => backfill(plan, data),
        "fill" => fill(plan, data),
        "restart" => restart(plan, data),
        "preview" => questions::ask(plan, data, &views_of("kept", data)),
        other => Err(format!("there is no leg {other}").into()),
    }
}

/// Where a leg leaves its views.
fn views_of(leg: &str, data: &Path) -> PathBuf {
    data.join(format!("bench-{leg}"))
}

pub(crate) fn open(folder: &Path, keys: &Arc<Keys>, plan: &Plan) -> Result<Views, Failure> {
    let keys = Arc::clone(keys);
    Ok(Views::open_with(folder, keys, plan.cache)?)
}

/// Folds all of the log into new views, and writes what has changed from time to time; reading the log does not count.
fn fold(leg: &str, keys: &Arc<Keys>, plan: &Plan, data: &Path) -> Result<Views, Failure> {
    let folder = views_of(leg, data);
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder)?;
    let views = open(&folder, keys, plan)?;
    let log = open_log(data)?;
    let end = *log.committed().borrow();
    let (mut folded, mut folding, mut writing) = (0, 0.0, 0.0);
    let mut told = Instant::now();
    while views.cursor() < end {
        let held: Vec<Record> = log.read_from(views.cursor(), HELD)?;
        let before = computed()?;
        for records in held.chunks(FOLDED) {
            views.fold(records)?;
        }
        let between = computed()?;
        views.checkpoint()?;
        folding += between - before;
        writing += computed()? - between;
        folded += held.len();
        if told.elapsed() >= Duration::from_secs(10) {
            told = Instant::now();
            eprintln!(
                "bench-segments: {leg}: {folded} folded, {:.0} a second",
                folded as f64 / (folding + writing)
            );
        }
    }
    let events = folded as f64;
    figure(&format!("{leg}-fold-us"), folding * 1e6 / events);
    figure(&format!("{leg}-write-us"), writing * 1e6 / events);
    figure(&format!("{leg}-events"), events / (folding + writing));
    figure(
        &format!("{leg}-disk"),
        size_of(&folder, "views-segments")? as f64,
    );
    figure(&format!("{leg}-memory"), memory()? as f64);
    Ok(views)
}

/// A thousand definitions over names; then what is asked of them.
fn names(plan: &Plan, data: &Path) -> Result<(), Failure> {
    let keys = Keys::holding(of_names(NAMES))?;
    let views = fold("names", &keys, plan, data)?;
    let book = keys.book();
    let (mut members, mut moves, mut largest) = (0, 0, (0, 0));
    for segment in book.segments.values() {
        let standing = views.segment_standing(WORKSPACE, segment.number)?;
        members += standing.members;
        moves += standing.entered + standing.left;
        largest = largest.max((standing.members, segment.number));
    }
    figure("memberships", members as f64);
    figure("moves", moves as f64 / plan.events as f64);
    let (count, number) = largest;
    let (mut pages, mut counts) = (Vec::new(), Vec::new());
    for turn in 0..PAGES {
        let behind = u32::try_from(spread(turn) % plan.contacts)?;
        let began = Instant::now();
        views.segment_members(WORKSPACE, number, Some(behind), 100)?;
        pages.push(began.elapsed().as_secs_f64() * 1e3);
        let began = Instant::now();
        if views.segment_standing(WORKSPACE, number)?.members != count {
            return Err("the count is another".into());
        }
        counts.push(began.elapsed().as_secs_f64() * 1e3);
    }
    for (name, mut times) in [("members-ms", pages), ("count-ms", counts)] {
        times.sort_by(f64::total_cmp);
        figure(name, times[times.len() * 99 / 100]);
    }
    let now = seed(plan).until;
    let mut times = Vec::new();
    for turn in 0..11 {
        let contact = address_of(spread(turn) % plan.contacts);
        let id = views.contact_id(WORKSPACE, &contact).ok_or("no key")?;
        let began = Instant::now();
        for segment in book.segments.values() {
            let newest = segment.newest().ok_or("no version")?;
            views.explain_segment(WORKSPACE, id, &newest.definition, now)?;
        }
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    figure("explain-ms", times[times.len() / 2]);
    views.close()?;
    Ok(())
}

/// Runs something beside a projector that follows the log, which nothing is appended to.
fn with_projector<T>(
    folder: &Path,
    keys: &Arc<Keys>,
    plan: &Plan,
    data: &Path,
    work: impl AsyncFnOnce(&Projector, Seq) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let log: Arc<dyn Log> = Arc::new(open_log(data)?);
    let end = *log.committed().borrow();
    let views = Arc::new(open(folder, keys, plan)?);
    // At the last event, where nothing is due.
    let clock = Arc::new(FixedClock::new(seed(plan).until));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let projector = Projector::start(log, views, clock);
        projector.wait_for(end, LONG).await?;
        let done = work(&projector, end).await;
        projector.close().await?;
        done
    })
}

/// A definition that is new, where all facts are there.
fn backfill(plan: &Plan, data: &Path) -> Result<(), Failure> {
    let folder = views_of("kept", data);
    if !folder.exists() {
        return Err("the leg `kept` comes first".into());
    }
    let keys = Keys::holding(Vec::new())?;
    with_projector(&folder, &keys, plan, data, async |projector, _| {
        let definition = r#"{"event":"page_viewed","count":{"gte":3},"within":"30d"}"#;
        keys.define(vec![("New".into(), definition.into())], None)?;
        let (before, began) = (computed()?, Instant::now());
        if !projector.wait_until_held(LONG).await {
            return Err("it does not hold".into());
        }
        figure("backfill", plan.contacts as f64 / (computed()? - before));
        figure("backfill-s", began.elapsed().as_secs_f64());
        Ok(())
    })
}

/// A workspace that comes to use segments: what came before is read out of the log.
fn fill(plan: &Plan, data: &Path) -> Result<(), Failure> {
    let folder = views_of("none", data);
    if !folder.exists() {
        return Err("the leg `none` comes first".into());
    }
    let keys = Keys::none();
    with_projector(&folder, &keys, plan, data, async |projector, _| {
        keys.define(Vec::new(), None)?;
        let before = computed()?;
        projector.wait_until_filled(WORKSPACE, LONG).await;
        figure("fill", plan.events as f64 / (computed()? - before));
        Ok(())
    })
}

/// How long it takes until members can be read.
fn restart(plan: &Plan, data: &Path) -> Result<(), Failure> {
    let keys = Keys::holding(of_names(NAMES))?;
    let began = Instant::now();
    let views = open(&views_of("names", data), &keys, plan)?;
    views.segment_members(WORKSPACE, 1, None, 100)?;
    figure("restart", began.elapsed().as_secs_f64());
    let due = views.next_due().map(Timestamp::from_millis);
    if due.is_none() {
        return Err("no timer is there".into());
    }
    Ok(())
}
