//! `misar contacts list`, `segments` and `timeline`, on a running server.

use serde_json::json;

use crate::support::Store;

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";

#[test]
fn contacts_are_listed_by_commands_with_their_segments_and_their_moves() {
    let store = Store::new();
    let refused = store.misar("contacts list").refusal();
    assert!(refused.contains("misar serve"), "{refused}");
    let key = store.misar("keys create --scope send --json").json();
    let key = key["key"].as_str().unwrap();
    let server = store.serve();
    for (email, event) in [(ADA, "a"), (BOB, "a"), (BOB, "b")] {
        let body = json!({"email": email, "event": event});
        assert_eq!(server.post("/v1/track/event", key, &body).0, 200);
    }
    let all = store.misar("contacts list --json").json();
    assert_eq!(all["contacts"][0]["email"], BOB, "{all}");
    let page = store.misar("contacts list --sort email --limit 1").good();
    assert!(page.contains(ADA) && !page.contains(BOB), "{page}");
    let cursor = page.split("--cursor ").nth(1).unwrap().trim();
    let rest = store
        .misar(&format!("contacts list --sort email --cursor {cursor}"))
        .good();
    assert!(rest.contains(BOB) && !rest.contains(ADA), "{rest}");
    let made = store
        .misar(r#"segments create Buyers {"event":"b"} --json"#)
        .json();
    let id = made["id"].as_str().unwrap();
    let members = store.misar(&format!("contacts list --segment {id}")).good();
    assert!(members.contains(BOB) && !members.contains(ADA), "{members}");
    let unknown = store.misar("contacts list --segment nothing").refusal();
    assert!(unknown.contains("no such segment"), "{unknown}");
    for (email, word) in [(ADA, "not in"), (BOB, "in")] {
        let told = store.misar(&format!("contacts segments {email}")).good();
        let line = told.lines().find(|line| line.contains("Buyers")).unwrap();
        assert!(line.ends_with(&format!("Buyers  {word}")), "{told}");
    }
    let told = store.misar(&format!("contacts timeline {BOB}")).good();
    assert!(
        told.contains("segment_entered") && told.contains("Buyers (by definition)"),
        "{told}"
    );
    let held = store.misar(&format!("contacts export {BOB}")).good();
    assert!(held.contains(r#""record":"move""#), "{held}");
    for wrong in ["--sort name", "--order up", "--limit 0"] {
        let run = store.misar(&format!("contacts list {wrong}"));
        assert_eq!(run.code, Some(2), "{wrong}");
    }
}
