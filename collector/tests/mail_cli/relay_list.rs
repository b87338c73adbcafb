//! `misar relay-list`, and what uses the list.

use serde_json::json;

use crate::support::Store;

const LISTED: &str = "172.224.226.3";
const CSV: &str = "172.224.226.0/27,US,US-CA,Cupertino,\n2a02:26f7::/64,DE,,,\n";
const APPLE: &str = "Mozilla/5.0";

fn reason(store: &Store) -> String {
    let row = json!({"ua": APPLE, "ip": LISTED}).to_string();
    let answer = store.fed("classify --kind open", row).json();
    answer["reason"].as_str().unwrap().to_owned()
}

#[test]
fn a_list_is_taken_whole_or_not_at_all_and_classify_uses_it() {
    let store = Store::new();
    assert!(
        store
            .misar("relay-list show")
            .refusal()
            .contains("there is no misar store")
    );
    let missing = store.file("x", "");
    std::fs::remove_file(&missing).unwrap();
    let refused = store
        .misar(&format!("relay-list update --file {missing}"))
        .refusal();
    assert!(refused.starts_with(&format!("{missing}: ")), "{refused}");
    // What is refused makes no folder.
    assert!(!store.data().exists());
    store.misar("workspaces list").good();
    let none = "no relay list: misar relay-list update takes one\n";
    assert_eq!(store.misar("relay-list show").good(), none);
    assert_eq!(reason(&store), "apple_prefetch");

    let file = store.file("good.csv", CSV);
    let taken = store
        .misar(&format!("relay-list update --file {file}"))
        .good();
    let size = "2 networks: 1 IPv4 range and 1 IPv6 range, 1 KiB of memory\n";
    assert_eq!(taken, size);
    assert_eq!(store.misar("relay-list show").good(), size);
    assert_eq!(reason(&store), "apple_prefetch_relay");

    for (text, said) in [
        (
            "10.0.0.0/8,US\n\nnope,US\n",
            "line 3 does not begin with a network",
        ),
        ("<html>", "line 1 does not begin with a network"),
        ("\n", "the file holds no network"),
    ] {
        let file = store.file("bad.csv", text);
        let refused = store
            .misar(&format!("relay-list update --file {file}"))
            .refusal();
        assert!(refused.starts_with(&format!("{file}: {said}")), "{refused}");
    }
    let shown = store.misar("relay-list show --json").json();
    assert_eq!(shown["rows"], 2, "the old list stays");
    assert_eq!(reason(&store), "apple_prefetch_relay");
    store.misar("relay-list update").misuse();
}

#[test]
fn a_running_server_uses_a_new_list_at_once() {
    let store = Store::new();
    let server = store.serve();
    let pixel = |message: &str| {
        let line = format!("instrument --message-id {message} --email ada@example.com");
        let html = store.fed(&line, "<p>Hi</p>").warned();
        let (_, rest) = html.split_once("src=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let opened = |message: &str| {
        assert_eq!(server.visit(&pixel(message), APPLE, LISTED), 200);
        let page = server.until("/v1/events?limit=1", |_, page| {
            let newest = &page["events"][0];
            newest["name"] == "email_opened" && newest["messageId"] == message
        });
        page["events"][0]["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(opened("before"), "apple_prefetch");
    let file = store.file("good.csv", CSV);
    let taken = store
        .misar(&format!("relay-list update --json --file {file}"))
        .json();
    assert_eq!(taken["rows"], 2);
    assert_eq!(store.misar("relay-list show --json").json(), taken);
    assert_eq!(opened("after"), "apple_prefetch_relay");

    let file = store.file("bad.csv", "nope");
    store
        .misar(&format!("relay-list update --file {file}"))
        .refusal();
    assert_eq!(store.misar("relay-list show --json").json(), taken);
    server.stop();
    let server = store.serve();
    assert_eq!(store.misar("relay-list show --json").json(), taken);
    server.stop();
}
