//! That every acknowledgement waited for the disk. `kill -9` cannot tell: what a process wrote stays
//! in the page cache when it dies, synced or not.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::ledger::Ledger;
use crate::load::{Random, single};
use crate::process::Store;

/// What strace adds to each sync.
const DELAY: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_single_event_waits_for_its_own_sync() {
    let store = Store::new();
    let inject = format!("inject=fsync,fdatasync:delay_enter={}", DELAY.as_micros());
    let server = store.start_under(
        "strace",
        &["-D", "-f", "-e", &inject, "-o", "/dev/null"],
        "strace is missing, and nothing else can slow a sync down: install it (Debian: apt-get install strace; \
         `./dev test` does)",
    );
    let client = Client::new(&store, &server);
    client.ready(&server).await;
    let (ledger, mut random) = (Ledger::default(), Random::new(1));
    for number in 1..=20 {
        let request = single(&mut random);
        let began = Instant::now();
        assert!(ledger.send(&client, request).await, "{}", server.said());
        let took = began.elapsed();
        assert!(
            took >= DELAY,
            "event {number} was acknowledged after {took:?}, sooner than one sync takes here ({DELAY:?})"
        );
    }
    assert_eq!(ledger.len(), 20);
}
