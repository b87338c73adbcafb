//! SIGTERM under load: readiness goes first, what is in flight is answered, the end is in good order,
//! and the next start shows the same.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::ledger::{Ledger, Sent};
use crate::load::{Load, Random, single};
use crate::process::{LOOK_AGAIN, Server, Store};

/// How long a stop may take.
const STOP: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_nothing_and_the_views_come_back_equal() {
    let store = Store::new();
    let ledger = Ledger::default();
    let mut random = Random::new(2);
    let server = store.start();
    let client = Client::new(&store, &server);
    client.ready(&server).await;
    let load = Load::start(&client, &ledger, &mut random);
    wait_until(|| ledger.len() >= 500).await;
    let held = single(&mut random);
    let mut connection = send_all_but_the_end(&store, &server, &held).await;

    load.expect_the_end();
    server.terminate();
    let told = Instant::now();
    while client.readiness().await == Some(200) {
        assert!(told.elapsed() < STOP, "still ready {STOP:?} after SIGTERM");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    // Not ready, and yet the request that was in flight gets its answer.
    let (_, end) = held.body.split_at(held.body.len() - 1);
    connection.write_all(end.as_bytes()).await.expect("a write");
    let mut answer = String::new();
    connection
        .read_to_string(&mut answer)
        .await
        .expect("an answer");
    assert!(answer.contains("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\"tracked\":true"), "{answer}");
    load.ended().await;
    let status = server.wait_for_end(STOP.saturating_sub(told.elapsed()));
    assert_eq!(status.code(), Some(0), "{status}");

    ledger.note(&held);

    let report = store.run(&["log", "verify", "--json"]);
    assert_eq!(report["ok"], true, "{report}");
    let events = events_of_a_new_start(&store, &ledger).await;
    ledger.check_events(&events);
    assert_eq!(report["events"], events.len(), "{report}");

    let same = events_of_a_new_start(&store, &ledger).await;
    assert!(same == events, "another start shows other events");
    store.run(&["rebuild", "--json"]);
    let rebuilt = events_of_a_new_start(&store, &ledger).await;
    assert!(rebuilt == events, "rebuilt views show other events");
}

async fn wait_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Sends a request but for its last byte, and returns when the server is at work on it.
async fn send_all_but_the_end(store: &Store, server: &Server, request: &Sent) -> TcpStream {
    let Sent { path, body, .. } = request;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        server.address,
        store.key,
        body.len()
    );
    let mut connection = TcpStream::connect(server.address)
        .await
        .expect("a connection");
    connection
        .write_all(head.as_bytes())
        .await
        .expect("a write");
    // The server asks for the body when the route begins to read it.
    let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    connection
        .read_exact(&mut go_on)
        .await
        .expect("100 Continue");
    let (start, _) = body.split_at(body.len() - 1);
    connection
        .write_all(start.as_bytes())
        .await
        .expect("a write");
    connection
}

/// All events as a server shows them after a new start, which it is then asked to stop.
async fn events_of_a_new_start(store: &Store, ledger: &Ledger) -> Vec<Value> {
    let server = store.start();
    let client = Client::new(store, &server);
    client.ready(&server).await;
    ledger.check_receipts(&client, &ledger.since(0)).await;
    let events = client.all_events(&ledger.newest_seq()).await;
    server.terminate();
    let status = server.wait_for_end(STOP);
    assert_eq!(status.code(), Some(0), "{status}");
    events
}
