//! `kill -9` under load, again and again: what was acknowledged is there, once, and at once.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::ledger::Ledger;
use crate::load::{Load, Random, single};
use crate::process::Store;
use crate::setting;

/// Of all ids from earlier cycles, so many are asked for in each.
const OLDER_RECEIPTS: usize = 100;

/// `TORTURE_CYCLES` says how often (50), `TORTURE_SEED` repeats a run as far as timing allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_kill() {
    let cycles = setting("TORTURE_CYCLES").unwrap_or(50);
    let seed =
        setting("TORTURE_SEED").unwrap_or_else(|| getrandom::u64().expect("random numbers") >> 32);
    eprintln!("crash loop: {cycles} cycles, TORTURE_SEED={seed}");
    let mut random = Random::new(seed);
    let began = Instant::now();
    let store = Store::new();
    let ledger = Ledger::default();

    let mut place = 0;
    for cycle in 1..=cycles {
        if random.below(4) == 0 {
            // A crash while the crash before is being put right.
            store.start_and_kill(Duration::from_millis(random.below(60)));
        }
        let server = store.start();
        let client = Client::new(&store, &server);
        client.ready(&server).await;
        check_receipts(&ledger, &client, place, &mut random).await;

        place = ledger.len();
        let load = Load::start(&client, &ledger, &mut random);
        // Not waiting for anything: the moment of the crash is what is tried.
        tokio::time::sleep(Duration::from_millis(5 + random.below(300))).await;
        load.expect_the_end();
        server.kill();
        load.ended().await;
        if cycle % 10 == 0 || cycle == cycles {
            let (events, seconds) = (ledger.len(), began.elapsed().as_secs());
            eprintln!("crash loop: {cycle} kills, {events} events acknowledged, {seconds} s");
        }
    }

    let server = store.start();
    let client = Client::new(&store, &server);
    client.ready(&server).await;
    check_receipts(&ledger, &client, place, &mut random).await;
    // What was never answered is sent again, and still is there only once.
    let again = ledger.take_unanswered();
    for request in again.into_iter().chain([single(&mut random)]) {
        assert!(ledger.send(&client, request).await, "{}", server.said());
    }
    let all = ledger.since(0);
    ledger.check_receipts(&client, &all).await;
    let newest = client
        .get(&format!("/v1/receipts/{}", all[all.len() - 1]))
        .await;
    let newest = newest.body["seq"].as_str().expect("a seq").to_owned();
    let events = client.all_events(&newest).await;
    ledger.check_events(&events);
    ledger.check_orders(&client, || random.id()).await;

    let report = store.run(&["log", "verify", "--json"]);
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["events"], events.len(), "{report}");
    server.terminate();
    let status = server.wait_for_end(Duration::from_secs(15));
    assert!(status.success(), "{status}");
    let report = store.run(&["log", "verify", "--json"]);
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["events"], events.len(), "{report}");
    eprintln!(
        "crash loop: {cycles} kills, {} events acknowledged, {} of them orders sent alone; 0 lost, 0 twice; {} s",
        all.len(),
        ledger.orders(),
        began.elapsed().as_secs()
    );
}

/// Everything that the cycle before acknowledged, and some of what is older.
async fn check_receipts(ledger: &Ledger, client: &Client, place: usize, random: &mut Random) {
    let mut asked = ledger.since(place);
    let all = ledger.since(0);
    if place > 0 {
        let older = (0..OLDER_RECEIPTS).map(|_| {
            let at = random.below(u64::try_from(place).expect("a length"));
            all[usize::try_from(at).expect("a length")]
        });
        asked.extend(older);
    }
    ledger.check_receipts(client, &asked).await;
}
