//! How fast the views fold, what they write and what they hold in memory:
//! `cargo run -p store --release --example fold -- CONTACTS EVENTS CACHE`. Contacts are drawn evenly; CACHE is the
//! memory for rows in MB. Figures, and no bar: a busy machine says little.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use shared::ids::EventId;
use shared::time::Timestamp;
use store::ledger::Log;
use store::ledger::Submission;
use store::ledger::local::{LocalLedger, Options};
use store::record::public_seq::PublicSeq;
use store::record::{
    Address, Entry, Fact, Personal, Record, Seq, ToldBy, WorkspaceId, WorkspaceKey, WorkspaceKeys,
};
use store::views::{FOLD_RECORDS, Views, rebuild};

const WORKSPACE: WorkspaceId = WorkspaceId(1);
const NOW: i64 = 1_790_000_000_000;

struct OneKey;

impl WorkspaceKeys for OneKey {
    fn key_of(&self, _: WorkspaceId) -> Option<WorkspaceKey> {
        Some(WorkspaceKey([7; 32]))
    }
}

fn mixed(number: u64) -> u64 {
    let mut x = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 31;
    x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^ (x >> 32)
}

fn entry(number: u64, contacts: u64) -> Entry {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mixed(number).to_be_bytes());
    id[8..].copy_from_slice(&number.to_be_bytes());
    let time = Timestamp::from_millis(NOW + i64::try_from(number).unwrap_or(i64::MAX) / 50);
    let name = [
        "page_viewed",
        "trial_started",
        "product_viewed",
        "signed_in",
    ][number as usize % 4];
    let properties = Some(Personal(format!(
        "{{\"page\":\"/article/{}\",\"visits\":3}}",
        number % 997
    )));
    let fact = Fact::Track {
        name: name.into(),
        properties,
        message_id: None,
    };
    let contact = mixed(number) % contacts;
    Entry {
        address: Some(Address {
            normalised: Personal(format!("contact-{contact}@example.com")),
            original: None,
            older: None,
        }),
        ..Entry::new(
            WORKSPACE,
            EventId::from_bytes(id),
            ToldBy::server_with("key_bench"),
            time,
            fact,
        )
    }
}

/// A figure of `/proc/self/FILE`, 0 where there is none.
fn proc(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let digits = line.and_then(|line| line.split_whitespace().nth(1));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => size_of(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn per(bytes: u64, count: u64) -> f64 {
    bytes as f64 / count as f64
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut next = |otherwise| arguments.next().and_then(Result::ok).unwrap_or(otherwise);
    let (contacts, events) = (next(1_000_000), next(3_000_000));
    let cache = usize::try_from(next(4_096)).unwrap_or(usize::MAX >> 20) << 20;
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let keys: Arc<dyn WorkspaceKeys> = Arc::new(OneKey);

    // Entries in memory: the fold and its checkpoints alone.
    let before = proc("status", "VmRSS") * 1_024;
    let views = Views::open_with(folder.path(), Arc::clone(&keys), cache).expect("views open");
    let (mut took, mut written, mut since) = (0.0, 0, 0);
    let mut checkpoints = Vec::new();
    for first in (0..events).step_by(FOLD_RECORDS) {
        let records: Vec<Record> = (first..events.min(first + FOLD_RECORDS as u64))
            .map(|number| Record {
                seq: Seq(number + 1),
                public_seq: PublicSeq::START,
                entry: entry(number, contacts),
            })
            .collect();
        let (started, wrote) = (Instant::now(), proc("io", "wchar"));
        views.fold(&records).expect("records fold");
        since += records.len();
        if since >= 120_000 {
            since = 0;
            let started = Instant::now();
            views.checkpoint().expect("the disk takes a checkpoint");
            checkpoints.push(started.elapsed());
        }
        took += started.elapsed().as_secs_f64();
        written += proc("io", "wchar") - wrote;
    }
    let held = (proc("status", "VmRSS") * 1_024).saturating_sub(before);
    checkpoints.sort_unstable();
    println!(
        "fold of {events} events of {contacts} contacts in memory: {:.0} events/s, {:.0} B written an event, \
         {:.0} B of memory a contact, {:.0} B on disk an event; checkpoints {:?} to {:?}",
        events as f64 / took,
        per(written, events),
        per(held, contacts),
        per(size_of(folder.path()), events),
        checkpoints.first(),
        checkpoints.last(),
    );
    drop(views);
    let started = Instant::now();
    let views =
        Views::open_with(folder.path(), Arc::clone(&keys), cache).expect("views open again");
    println!("opened after a kill in {:?}", started.elapsed());
    views.close().expect("views close");

    // From the log: reading, decoding and folding.
    let log = {
        let options = Options::new(folder.path(), Arc::clone(&keys));
        LocalLedger::open(options).expect("a log can be made in a temporary folder")
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    for first in (0..events).step_by(1_000) {
        let batch = (first..events.min(first + 1_000))
            .map(|number| Submission::from(entry(number, contacts)));
        let appended = log.append(batch.collect());
        runtime.block_on(appended).expect("the disk takes events");
    }
    let started = Instant::now();
    let mut read = 0;
    while let Ok(records) = log.read_from(Seq(read), 1_024)
        && let Some(last) = records.last()
    {
        read = last.seq.0;
    }
    println!(
        "reading the log alone: {:.0} events/s",
        read as f64 / started.elapsed().as_secs_f64()
    );
    let (started, wrote) = (Instant::now(), proc("io", "wchar"));
    let folded = rebuild(folder.path(), keys, &log, &mut |_, _| {}).expect("views are built");
    println!(
        "rebuild from the log: {:.0} events/s, {:.0} B written an event",
        folded as f64 / started.elapsed().as_secs_f64(),
        per(proc("io", "wchar") - wrote, folded),
    );
}
