//! Backups under load, each followed by `kill -9` and a restore elsewhere: what was acknowledged before
//! the backup began is in it, and nothing is there twice.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::ledger::Ledger;
use crate::load::{Load, Random};
use crate::process::Store;

/// `BACKUP_ROUNDS` says how often (3), `TORTURE_SEED` repeats a run as far as timing allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_backup_began_is_in_it() {
    let rounds = crate::setting("BACKUP_ROUNDS").unwrap_or(3);
    let seed = crate::setting("TORTURE_SEED")
        .unwrap_or_else(|| getrandom::u64().expect("random numbers") >> 32);
    eprintln!("backups under load: {rounds} rounds, TORTURE_SEED={seed}");
    let mut random = Random::new(seed);
    let began = Instant::now();
    let store = Store::new();
    let ledger = Ledger::default();
    let (mut asked, mut beyond) = (0, 0);
    for round in 1..=rounds {
        let server = store.start();
        let client = Client::new(&store, &server);
        client.ready(&server).await;
        let load = Load::start(&client, &ledger, &mut random);
        // Not waiting for anything: the moment of the backup is what is tried.
        tokio::time::sleep(Duration::from_millis(20 + random.below(400))).await;
        // Of a busy machine the first answer may take longer than that.
        while ledger.len() == 0 {
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "nothing is acknowledged"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }

        // Two folders in turn: each is new once, and brought up to date from then on.
        let backup = store.beside(&format!("backup{}", round % 2));
        let dir = backup.data().display().to_string();
        let before = ledger.len();
        let taken = {
            let store = store.beside("data");
            tokio::task::spawn_blocking(move || {
                store.run(&["backup", &dir, "--incremental", "--json"])
            })
        };
        let taken = taken.await.expect("a backup");
        tokio::time::sleep(Duration::from_millis(random.below(50))).await;
        load.expect_the_end();
        server.kill();
        load.ended().await;

        let restored = store.beside("restored");
        let dir = backup.data().display().to_string();
        let to = restored.data().display().to_string();
        let back = store.run(&["restore", &dir, "--to", &to, "--json"]);
        assert_eq!(back["lastSeq"], taken["lastSeq"], "{back} {taken}");
        let report = restored.run(&["log", "verify", "--json"]);
        assert_eq!(report["ok"], true, "{report}");
        assert_eq!(report["events"], taken["events"], "{report} {taken}");

        let server = restored.start();
        let client = Client::new(&restored, &server);
        client.ready(&server).await;
        let promised: Vec<_> = ledger.since(0)[..before].to_vec();
        ledger.check_receipts(&client, &promised).await;
        let last = promised.last().expect("something was acknowledged");
        let receipt = client.get(&format!("/v1/receipts/{last}")).await;
        let seq = receipt.body["seq"].as_str().expect("a seq").to_owned();
        let events = client.all_events(&seq).await;
        ledger.check_events_of(&events, &promised);
        assert_eq!(report["events"], events.len(), "{report}");
        ledger
            .check_orders_of(&client, &promised, || random.id())
            .await;
        server.kill();
        restored.remove();
        asked += promised.len();
        beyond += events.len() - promised.len();
        eprintln!(
            "backups under load: round {round}, {before} acknowledged before the backup began, {} events in it; 0 \
             lost, 0 twice; {} s",
            events.len(),
            began.elapsed().as_secs()
        );
    }
    eprintln!(
        "backups under load: {rounds} rounds, {asked} times an event was acknowledged before a backup began: 0 lost, 0 \
         twice; {beyond} that came while one was made; {} s",
        began.elapsed().as_secs()
    );
}
