//! An order that thousands of callers report in the same moment is one order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::process::{LOOK_AGAIN, Store};

const COPIES: usize = 2_000;
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_copies_of_one_order_are_one_row() {
    // A connection for each copy, on both sides.
    rlimit::increase_nofile_limit(u64::MAX).expect("a limit of open files");
    let store = Store::new();
    let server = store.start();
    let client = Client::new(&store, &server);
    client.ready(&server).await;
    let order = json!({
        "email": "user@example.com",
        "orderId": "order_1234",
        "revenue": 49.99,
        "currency": "USD",
        "items": [{ "id": "sku_1", "name": "Pro plan", "price": 49.99, "quantity": 1 }],
        "messageId": "msg_welcome_1",
    })
    .to_string();

    let together = Arc::new(Barrier::new(COPIES));
    let mut copies = JoinSet::new();
    for _ in 0..COPIES {
        let (client, order, together) = (client.clone(), order.clone(), Arc::clone(&together));
        copies.spawn(async move {
            together.wait().await;
            let deadline = Instant::now() + DEADLINE;
            loop {
                let sent = client
                    .post("/v1/track/purchase", order.clone(), |_| {})
                    .await;
                let answer = sent.expect("an answer");
                if answer.status != 503 {
                    return answer;
                }
                assert!(Instant::now() < deadline, "503 for {DEADLINE:?}");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        });
    }
    let (mut tracked, mut duplicates) = (0, 0);
    let mut first = None;
    while let Some(answer) = copies.join_next().await {
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.body["tracked"] == true {
            tracked += 1;
        } else {
            assert_eq!(answer.body["reason"], "duplicate", "{answer:?}");
            duplicates += 1;
        }
        let place = (answer.body["id"].clone(), answer.body["seq"].clone());
        assert_eq!(*first.get_or_insert(place.clone()), place);
    }

    assert_eq!((tracked, duplicates), (1, COPIES - 1));
    let (id, seq) = first.expect("an answer");
    let events = client.all_events(seq.as_str().expect("a seq")).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((&events[0]["id"], &events[0]["seq"]), (&id, &seq));
    let report = store.run(&["log", "verify", "--json"]);
    assert_eq!(
        (&report["ok"], &report["events"]),
        (&true.into(), &1.into())
    );
}
