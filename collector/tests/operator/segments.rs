//! `misar segments`, and windows that end by the machine's own clock, also while the server is dead.

use serde_json::{Value, json};

use crate::support::{Server, Store, until};

const TRIAL: &str = r#"{"all":[{"event":"trial_started","within":"4s"},{"not":{"purchase":{}}}]}"#;
const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";

fn track(server: &Server, key: &str, email: &str, event: &str) {
    let body = json!({"email": email, "event": event});
    assert_eq!(server.post("/v1/track/event", key, &body).0, 200);
}

fn members(server: &Server, key: &str, id: &str) -> Vec<String> {
    let path = format!("/v1/segments/{id}/members");
    let ask = || server.ask("GET", &path, &[("X-API-Key", key)], None);
    // While a server comes up it says that it does.
    let (_, body) = until(ask, |(status, _)| *status == 200);
    let members = body["members"].as_array().unwrap();
    members
        .iter()
        .map(|one| one["email"].as_str().unwrap().to_owned())
        .collect()
}

fn moves(server: &Server, key: &str) -> Vec<Value> {
    let ask = || server.ask("GET", "/v1/segments/moves", &[("X-API-Key", key)], None);
    let (_, body) = until(ask, |(status, _)| *status == 200);
    body["moves"].as_array().unwrap().clone()
}

#[test]
fn who_bought_is_out_at_once_and_who_did_not_at_the_end_of_the_window_though_the_server_was_killed()
{
    let store = Store::new();
    let made = store
        .misar("keys create --scope send,read,write --json")
        .json();
    let key = made["key"].as_str().unwrap();
    let server = store.serve();
    let body =
        json!({"name": "Trial", "definition": serde_json::from_str::<Value>(TRIAL).unwrap()});
    let (status, segment) = server.post("/v1/segments", key, &body);
    assert_eq!(status, 200, "{segment}");
    let id = segment["id"].as_str().unwrap();

    track(&server, key, ADA, "trial_started");
    until(|| members(&server, key, id), |members| members == &[ADA]);
    let order = json!({"email": ADA, "orderId": "1", "revenue": 5, "currency": "EUR"});
    assert_eq!(server.post("/v1/track/purchase", key, &order).0, 200);
    until(|| members(&server, key, id), Vec::is_empty);

    track(&server, key, BOB, "trial_started");
    until(|| members(&server, key, id), |members| members == &[BOB]);
    let entered = moves(&server, key);
    let at = entered.last().unwrap()["time"].as_str().unwrap();
    let due = shared::time::Timestamp::parse_rfc3339(at)
        .unwrap()
        .plus_millis(4_000)
        .to_string();
    server.kill();
    let server = store.serve();
    // No event comes: time alone ends it.
    until(|| members(&server, key, id), Vec::is_empty);
    let told = moves(&server, key);
    assert_eq!(told[..3], entered[..]);
    let left = &told[3];
    assert_eq!(
        (&left["type"], &left["email"]),
        (&json!("segment_left"), &json!(BOB))
    );
    assert_eq!(
        (&left["time"], &left["cause"]),
        (&json!(due), &json!("time"))
    );
    // A rebuild tells the same, under the same ids.
    store.misar("rebuild").good();
    assert_eq!(moves(&server, key), told);
}

#[test]
fn segments_are_kept_and_asked_by_commands() {
    let store = Store::new();
    let key = store.misar("keys create --scope send,read --json").json();
    let refused = store.misar("segments list").refusal();
    assert!(refused.contains("misar serve"), "{refused}");
    let server = store.serve();
    track(&server, key["key"].as_str().unwrap(), ADA, "a");
    let made = store
        .misar(r#"segments create Readers {"event":"a"} --json"#)
        .json();
    let id = made["id"].as_str().unwrap();
    let shown = store.misar(&format!("segments show {id} --json")).json();
    assert_eq!(
        (&shown["status"], &shown["count"]),
        (&json!("active"), &json!(1)),
        "{shown}"
    );
    let list = store.misar("segments list").good();
    assert!(list.contains("Readers") && list.contains(id), "{list}");
    let members = store.misar(&format!("segments members {id}")).good();
    assert!(members.contains(ADA), "{members}");
    let why = store.misar(&format!("segments explain {id} {ADA}")).good();
    assert!(why.starts_with("in\n"), "{why}");
    let preview = store
        .misar(r#"segments preview {"not":{"event":"a"}} --json"#)
        .json();
    assert_eq!(preview["count"], 0);
    let diff = store
        .misar(&format!(r#"segments diff {id} {{"event":"b"}} --json"#))
        .json();
    assert_eq!((&diff["enter"], &diff["leave"]), (&json!(0), &json!(1)));
    store
        .misar(&format!("segments change {id} --name Others"))
        .good();
    store
        .misar(&format!("segments duplicate {id} --name Again"))
        .good();
    let moves = store.misar("segments moves --json").json();
    assert_eq!(moves["moves"].as_array().unwrap().len(), 2, "{moves}");
    // A page says where to go on.
    let first = store.misar("segments moves --limit 1").good();
    let after = first.split("--after ").nth(1).unwrap().trim();
    let rest = store
        .misar(&format!("segments moves --after {after} --json"))
        .json();
    assert_eq!(rest["moves"][0], moves["moves"][1], "{rest}");
    assert_eq!(rest["next"], moves["next"]);
    let history = store.misar(&format!("segments history {id} --json")).json();
    assert_eq!(history["versions"].as_array().unwrap().len(), 1);
    assert_eq!(
        store.misar(&format!("segments delete {id}")).good(),
        "deleted\n"
    );
    let gone = store.misar(&format!("segments show {id}")).refusal();
    assert!(gone.contains("no such segment"), "{gone}");
    let wrong = store.misar(r#"segments create X {"evnt":"a"}"#).refusal();
    assert!(wrong.contains("event"), "{wrong}");
    // The place in the definition is told, not what is wrong alone.
    let wrong = store
        .misar(r#"segments preview {"all":[{"event":"a"},{"event":"b","within":"7days"}]}"#)
        .refusal();
    assert!(wrong.starts_with("all[1].within: "), "{wrong}");
    let many = store.misar("segments list --limit 0");
    assert_eq!(many.code, Some(2), "{}", many.err);
    let schema: Value = serde_json::from_str(&store.misar("segments schema").good()).unwrap();
    assert!(schema.is_object());
}
