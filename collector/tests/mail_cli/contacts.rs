//! `misar contacts`: showing, changing, importing and exporting contacts of a running server.

use serde_json::{Value, json};

use crate::support::Store;

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_contact_is_changed_shown_listed_and_exported() {
    let store = Store::new();
    let server = store.serve();
    let shown = store
        .misar("contacts set Ada@example.com plan=pro seats=12 tags=[\"a\"] --json")
        .json();
    assert_eq!(
        shown["traits"],
        json!({"plan": "pro", "seats": 12, "tags": ["a"]})
    );
    store
        .misar("contacts set ada@example.com seats=null")
        .good();
    let table = store.misar("contacts show ada@example.com").good();
    assert!(table.contains("traits.plan  \"pro\"\n"), "{table}");
    assert!(!table.contains("seats"), "{table}");
    server.buy(&json!({
        "email": "ada@example.com", "orderId": "order-1", "revenue": 5, "currency": "EUR",
    }));
    let timeline = store
        .misar("contacts timeline ada@example.com --json --limit 2")
        .good();
    let timeline = lines(&timeline);
    assert_eq!(timeline.len(), 2);
    assert_eq!(timeline[0]["name"], "purchase");
    let held = lines(&store.misar("contacts export ada@example.com").good());
    let kinds: Vec<_> = held.iter().map(|line| line["record"].clone()).collect();
    assert_eq!(kinds, ["contact", "event", "event", "event"]);
    let nobody = store.misar("contacts show bob@example.com").refusal();
    assert!(
        nobody.contains("nothing is known of this contact"),
        "{nobody}"
    );
    store.misar("contacts set ada@example.com plan").misuse();
    server.stop();
    let alone = store.misar("contacts show ada@example.com").refusal();
    assert!(alone.contains("misar serve"), "{alone}");
}

#[test]
fn a_file_is_imported_in_parts_and_again_without_recording_anything() {
    let store = Store::new();
    let _server = store.serve();
    let mut rows = "email,plan,note\n".to_owned();
    for number in 0..6_000 {
        rows.push_str(&format!("user{number}@example.com,pro,\"a, b\"\n"));
    }
    let file = store.file("contacts.csv", &rows);
    let done = store.misar(&format!("contacts import {file} --json"));
    assert!(done.err.contains("5000 rows\n6000 rows\n"), "{}", done.err);
    let expected = json!({"recorded": 6_000, "duplicates": 0, "rejected": 0});
    assert_eq!(done.json(), expected);
    let again = store
        .misar(&format!("contacts import {file} --json"))
        .json();
    assert_eq!(
        again,
        json!({"recorded": 0, "duplicates": 6_000, "rejected": 0})
    );
    let lines = "{\"email\":\"user7@example.com\",\"traits\":{\"plan\":\"free\"}}\n\nnothing\n";
    let file = store.file("contacts.ndjson", lines);
    let run = store.misar(&format!("contacts import {file}"));
    assert_eq!(run.code, Some(1), "{}", run.err);
    assert!(run.err.contains("line 3: "), "{}", run.err);
    assert!(
        run.out.contains("1 recorded, 0 known already, 1 refused"),
        "{}",
        run.out
    );
    let shown = store.misar("contacts show user7@example.com --json").json();
    assert_eq!(shown["traits"], json!({"plan": "free", "note": "a, b"}));
}
