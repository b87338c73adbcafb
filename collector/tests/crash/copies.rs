//! Copies of a data folder: those of a running store and mixed ones are told at start, and those of a
//! store that was stopped, was killed, or was moved are not.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::client::Client;
use crate::ledger::Ledger;
use crate::load::{Load, Random, single};
use crate::process::Store;

/// How long a start that is refused may take.
const REFUSAL: Duration = Duration::from_secs(60);

/// Copies as an operator does.
fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status();
    // A file that went meanwhile makes it fail; what matters is what is there.
    done.expect("cp is there");
}

fn remove(path: std::path::PathBuf) {
    std::fs::remove_file(path).expect("a file to remove");
}

#[track_caller]
fn refused(store: &Store, said: &[&str]) {
    let (status, text) = store.start_refused(REFUSAL);
    assert_eq!(status.code(), Some(1), "{text}");
    for said in said {
        assert!(text.contains(said), "{said} is not in: {text}");
    }
}

/// Starts, checks all that was acknowledged, and stops in good order.
async fn starts_with_everything(store: &Store, ledger: &Ledger) {
    let server = store.start();
    let client = Client::new(store, &server);
    client.ready(&server).await;
    ledger.check_receipts(&client, &ledger.since(0)).await;
    server.terminate();
    let status = server.wait_for_end(Duration::from_secs(30));
    assert!(status.success(), "{status}");
}

/// Starts, takes one event, and stops in good order.
async fn run_once(store: &Store, ledger: &Ledger, random: &mut Random) {
    let server = store.start();
    let client = Client::new(store, &server);
    client.ready(&server).await;
    assert!(ledger.send(&client, single(random)).await);
    server.terminate();
    let status = server.wait_for_end(Duration::from_secs(30));
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_running_store_is_told_however_it_was_made() {
    let store = Store::new();
    let ledger = Ledger::default();
    let mut random = Random::new(5);
    let server = store.start();
    let client = Client::new(&store, &server);
    client.ready(&server).await;
    let load = Load::start(&client, &ledger, &mut random);
    for round in 0..6 {
        // Not waiting for anything: the moment of the copy is what is tried.
        tokio::time::sleep(Duration::from_millis(20 + random.below(150))).await;
        let copied = store.beside(&format!("copy{round}"));
        copy(&store.data(), &copied.data());
    }
    load.expect_the_end();
    server.kill();
    load.ended().await;
    for round in 0..6 {
        let copied = store.beside(&format!("copy{round}"));
        let word = [
            "is a copy of a store that was open",
            "misar restore",
            "accept-copy",
        ];
        refused(&copied, &word);
        // A second look finds the same.
        refused(&copied, &word);
        // Whoever takes RUNNING for a lock that was left behind.
        remove(copied.data().join("RUNNING"));
        let (status, text) = copied.start_refused(REFUSAL);
        assert_eq!(status.code(), Some(1), "{text}");
        assert!(
            text.contains("misar restore") || text.contains("damaged"),
            "{text}"
        );
    }
    // The store itself only crashed.
    starts_with_everything(&store, &ledger).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_stopped_was_killed_or_was_moved_starts() {
    let store = Store::new();
    let ledger = Ledger::default();
    let mut random = Random::new(6);
    let server = store.start();
    let client = Client::new(&store, &server);
    client.ready(&server).await;
    let load = Load::start(&client, &ledger, &mut random);
    tokio::time::sleep(Duration::from_millis(200)).await;
    load.expect_the_end();
    server.kill();
    load.ended().await;

    let moved = store.beside("moved");
    std::fs::rename(store.data(), moved.data()).expect("a move");
    starts_with_everything(&moved, &ledger).await;
    let copied = store.beside("copied");
    copy(&moved.data(), &copied.data());
    starts_with_everything(&copied, &ledger).await;

    // A copy of one that was killed: only the operator knows that nothing was running.
    let server = copied.start();
    server.kill();
    let adopted = store.beside("adopted");
    copy(&copied.data(), &adopted.data());
    refused(&adopted, &["accept-copy"]);
    let said = adopted.say(&["log", "accept-copy"]);
    assert!(said.contains("accepted: "), "{said}");
    starts_with_everything(&adopted, &ledger).await;
    starts_with_everything(&copied, &ledger).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_two_stores_or_of_two_times_are_told() {
    let (store, other) = (Store::new(), Store::new());
    let ledger = Ledger::default();
    let mut random = Random::new(7);
    run_once(&other, &Ledger::default(), &mut random).await;
    run_once(&store, &ledger, &mut random).await;
    let earlier = store.beside("earlier");
    copy(&store.data(), &earlier.data());
    run_once(&store, &ledger, &mut random).await;
    let later = store.beside("later");
    copy(&store.data(), &later.data());

    let mix = |name: &str, base: &Store, part: &str, from: &Store| {
        let mixed = store.beside(name);
        copy(&base.data(), &mixed.data());
        let target = mixed.data().join(part);
        if target.is_dir() {
            std::fs::remove_dir_all(&target).expect("a folder to remove");
        } else {
            remove(target.clone());
        }
        copy(&from.data().join(part), &target);
        mixed
    };
    let two_stores = ["is of another store than meta.redb"];
    for (name, part) in [
        ("a", "meta.redb"),
        ("b", "log"),
        ("c", "orders.redb"),
        ("d", "rejected.redb"),
    ] {
        refused(&mix(name, &later, part, &other), &two_stores);
    }
    let old_meta = mix("e", &later, "meta.redb", &earlier);
    refused(&old_meta, &["meta.redb in", "is older than", "accept-copy"]);
    // Trying again does not make it good.
    refused(&old_meta, &["meta.redb in", "is older than"]);
    for (name, part, said) in [
        ("f", "log", "log/00000000000000000001.redb in"),
        ("g", "orders.redb", "orders.redb in"),
        ("h", "rejected.redb", "rejected.redb in"),
    ] {
        refused(
            &mix(name, &later, part, &earlier),
            &[said, "is older than meta.redb"],
        );
    }
    // Two copies of one store that went on by themselves.
    let (one, two) = (store.beside("one"), store.beside("two"));
    copy(&later.data(), &one.data());
    copy(&later.data(), &two.data());
    starts_with_everything(&one, &ledger).await;
    starts_with_everything(&two, &ledger).await;
    refused(
        &mix("i", &one, "meta.redb", &two),
        &["is older than meta.redb"],
    );

    let said = old_meta.say(&["log", "accept-copy"]);
    assert!(said.contains("accepted: 2 events"), "{said}");
    starts_with_everything(&old_meta, &ledger).await;
    starts_with_everything(&later, &ledger).await;
}
