//! `just bench-find`: what it costs to find an event by its id in a log of a thousand segments, and how
//! large the index of ids is. Figures, and no bar: a busy machine says little.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use shared::ids::{AnonymousId, EventId};
use shared::time::Timestamp;
use store::ledger::Log as _;
use store::ledger::Submission;
use store::ledger::local::{LocalLedger, Options};
use store::record::identity::Sender;
use store::record::{Entry, Fact, Personal, ToldBy, WorkspaceId, WorkspaceKey, WorkspaceKeys};

const SEGMENTS: u64 = 1_000;
const RECORDS: u64 = 2_000;
const LOOK_UPS: u64 = 20_000;
const WORKSPACE: WorkspaceId = WorkspaceId(1);

struct OneKey;

impl WorkspaceKeys for OneKey {
    fn key_of(&self, _: WorkspaceId) -> Option<WorkspaceKey> {
        Some(WorkspaceKey([7; 32]))
    }
}

/// Ids look as random ones do.
fn id(number: u64) -> EventId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[8..].copy_from_slice(&number.wrapping_mul(0xd6e8_feb8_6659_fd93).to_be_bytes());
    EventId::from_bytes(bytes)
}

fn event(number: u64, now: Timestamp) -> Submission {
    let properties = Some(Personal(format!(
        "{{\"page\":\"/article/{number}\",\"visits\":3}}"
    )));
    let fact = Fact::Track {
        name: "page_viewed".into(),
        properties,
        message_id: None,
    };
    let told_by = ToldBy::server_with("key_bench");
    Submission::from(Entry {
        anonymous_id: AnonymousId::parse(&format!("visitor-{}", number % 10_007)).ok(),
        ..Entry::new(WORKSPACE, id(number), told_by, now, fact)
    })
}

fn open(folder: &Path) -> LocalLedger {
    let options = Options {
        rotate_records: RECORDS,
        ..Options::new(folder, Arc::new(OneKey))
    };
    LocalLedger::open(options).expect("a log can be made in a temporary folder")
}

fn main() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let log = open(folder.path());
    let events = SEGMENTS * RECORDS;
    let now = store::clock::Clock::now(&store::clock::SystemClock);
    for from in (0..events).step_by(1_000) {
        let batch = (from..from + 1_000)
            .map(|number| event(number, now))
            .collect();
        runtime
            .block_on(log.append(batch))
            .expect("the disk takes events");
    }
    log.flush_ids().expect("the disk takes the index");
    runtime.block_on(log.close()).expect("the log closes");
    drop(log);
    let started = Instant::now();
    let log = open(folder.path());
    println!(
        "a start: {:?} ({events} events in {SEGMENTS} segments)",
        started.elapsed()
    );
    let (ids, bytes) = log.index_sizes();
    let each = bytes * 100 / ids.max(1);
    println!(
        "the index: {}.{:02} bytes an event ({ids} ids)",
        each / 100,
        each % 100
    );
    let known = |turn: u64| id(turn.wrapping_mul(7_919) % events);
    let unknown = |turn: u64| id(events + turn);
    time("the place of an event", |turn| {
        let found = log.place_of(WORKSPACE, Sender::Server, known(turn));
        assert!(black_box(found).is_ok_and(|place| place.is_some()));
    });
    time("that an event is not there", |turn| {
        let found = log.place_of(WORKSPACE, Sender::Server, unknown(turn));
        assert!(black_box(found).is_ok_and(|place| place.is_none()));
    });
    time("an event with its record", |turn| {
        let found = log.find(WORKSPACE, Sender::Server, known(turn));
        assert!(black_box(found).is_ok_and(|record| record.is_some()));
    });
}

fn time(what: &str, look: impl Fn(u64)) {
    for turn in 0..LOOK_UPS / 10 {
        look(turn);
    }
    let started = Instant::now();
    for turn in 0..LOOK_UPS {
        look(turn);
    }
    let each = started.elapsed() / u32::try_from(LOOK_UPS).unwrap_or(u32::MAX);
    println!("{what}: {each:?}");
}
