//! A thousand runs of made-up events, and what it costs to find a contact's newest in them.

use std::path::Path;
use std::time::{Duration, Instant};

use store::record::{Seq, WorkspaceId};
use store::views::filter::EventFilter;
use store::views::runs::{Event, Link, Newest, Options, Runs, Wanted};

use crate::Failure;
use crate::load::spread;

const RUNS: u64 = 1_000;
const SIZE: u32 = 100_000;
const CONTACTS: u32 = 10_000_000;
const WORKSPACE: WorkspaceId = WorkspaceId(1);
/// Contacts with about so many events each, of the others each has ten.
const BUSY: [(u32, u64); 2] = [(0, 1_000), (1, 100_000)];
const LOOK_UPS: u64 = 300;

pub(crate) fn measure(data: &Path, figure: &dyn Fn(&str, f64)) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(data)?;
    let path = folder.path().join("runs");
    let options = Options {
        origin: 1,
        size: SIZE,
    };
    let runs = Runs::open(&path, options, Seq::START, Seq::START)?;
    let end = RUNS * u64::from(SIZE);
    let mut last = vec![0_u32; CONTACTS as usize];
    let (mut pushing, mut keeping, mut longest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let portion = u64::from(SIZE) / 2;
    for from in (1..=end).step_by(usize::try_from(portion)?) {
        let upto = (from + portion).min(end);
        let events: Vec<Event> = (from..upto).map(|seq| event(seq, end, &mut last)).collect();
        let began = Instant::now();
        runs.push(events)?;
        pushing += began.elapsed();
        let began = Instant::now();
        let capture = runs.capture(Seq(upto - 1))?;
        runs.keep(capture)?;
        runs.settle();
        keeping += began.elapsed();
        longest = longest.max(began.elapsed());
        if (from - 1).is_multiple_of(end / 10) {
            eprintln!("bench-views: made-up runs: {upto} events");
        }
    }
    figure("push", pushing.as_nanos() as f64 / end as f64);
    figure("keep", keeping.as_nanos() as f64 / end as f64);
    figure("keep-longest", longest.as_secs_f64() * 1_000.0);
    let bytes = crate::store_in::size_of(&path, "")?;
    figure("runs-kept", bytes as f64 / end as f64);
    drop(runs);
    let began = Instant::now();
    let runs = Runs::open(&path, options, Seq(end - 1), Seq::START)?;
    figure("runs-open", began.elapsed().as_secs_f64() * 1_000.0);
    let mut worst = 0.0_f64;
    let anybody = (0..LOOK_UPS).map(|turn| 100 + (spread(turn) % 9_000_000) as u32);
    worst = worst.max(look("ten", &runs, &last, end, anybody, figure)?);
    for (contact, count) in BUSY {
        let same = std::iter::repeat_n(contact, usize::try_from(LOOK_UPS)?);
        worst = worst.max(look(&count.to_string(), &runs, &last, end, same, figure)?);
    }
    figure("newest-100", worst);
    Ok(())
}

fn event(seq: u64, end: u64, last: &mut [u32]) -> Event {
    let luck = spread(seq);
    let every = |count: u64| luck.is_multiple_of(end / count);
    let contact = match BUSY.iter().find(|(_, count)| every(*count)) {
        Some((contact, _)) => *contact,
        // Below their number.
        None => (luck >> 20) as u32 % CONTACTS,
    };
    let before = std::mem::replace(&mut last[contact as usize], seq as u32);
    Event {
        seq: Seq(seq),
        workspace: WORKSPACE,
        time: i64::try_from(seq).unwrap_or(0) * 20,
        name: (luck % 20) as u32,
        contact: Some(Link {
            number: contact,
            before: Seq(before.into()),
        }),
        // One in five names a message, which nobody names again.
        message: seq.is_multiple_of(5).then_some(Link {
            number: (seq / 5) as u32,
            before: Seq::START,
        }),
    }
}

/// The slowest of all look-ups but one in a hundred, in milliseconds.
fn look(
    whose: &str,
    runs: &Runs,
    last: &[u32],
    end: u64,
    contacts: impl Iterator<Item = u32>,
    figure: &dyn Fn(&str, f64),
) -> Result<f64, Failure> {
    let filter = EventFilter::default();
    let mut times = Vec::new();
    let mut found = 0;
    for contact in contacts {
        let wanted = Wanted {
            contact: Some(Newest {
                number: contact,
                newest: Seq(last[contact as usize].into()),
            }),
            ..Wanted::default()
        };
        let began = Instant::now();
        let page = runs
            .read(Seq(end - 1))
            .events(WORKSPACE, &wanted, &filter)?;
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
        found += page.seqs.len();
    }
    times.sort_by(f64::total_cmp);
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or(0.0);
    let middle = times.get(times.len() / 2).copied().unwrap_or(0.0);
    figure(&format!("newest-of-{whose}"), middle);
    eprintln!(
        "bench-views: contacts with {whose} events: {} found each, median {middle:.3} ms, p99 {p99:.3} ms",
        found / times.len().max(1)
    );
    Ok(p99)
}
