//! `kill -9` right after somebody was told that they, or a contact, get no more mail: the first answer of
//! the next start knows it.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::Client;
use crate::process::Store;
use crate::setting;

/// Whose acknowledgement comes last before the kill; they take turns.
const KINDS: [&str; 4] = ["unsubscribed", "manual", "bounced", "lifted"];

/// `HELD_BACK_ROUNDS` says how often (8).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_held_back_is_held_back_after_every_kill() {
    let rounds = setting("HELD_BACK_ROUNDS").unwrap_or(8);
    let mut store = Store::new();
    let key = store.run(&["keys", "create", "--scope", "admin", "--json"]);
    store.key = key["key"].as_str().expect("a key").to_owned();
    // Everybody so far, with the reason that must be known, if any.
    let mut told: Vec<(String, Option<&str>)> = Vec::new();
    for round in 0..=rounds {
        let server = store.start();
        let client = Client::new(&store, &server);
        // Those of the round before first: nothing is asked before them.
        for (email, reason) in told.iter().rev().take(12) {
            let found = client.get(&format!("/v1/suppressions?email={email}")).await;
            assert_eq!(found.status, 200, "{found:?}");
            let reasons = &found.body["suppressions"][0]["reasons"];
            let expected = reason.map_or(Value::Null, |reason| json!(reason));
            assert_eq!(
                reasons[0]["reason"],
                expected,
                "round {round}: {email}, {}",
                server.said()
            );
        }
        if round == rounds {
            break;
        }
        let last = usize::try_from(round).expect("few rounds") % KINDS.len();
        for turn in 1..=KINDS.len() {
            let kind = KINDS[(last + turn) % KINDS.len()];
            let email = format!("{kind}{round}@person.example");
            hold_back(&client, kind, &email).await;
            told.push((email, Some(kind).filter(|kind| *kind != "lifted")));
        }
        server.kill();
    }
    eprintln!(
        "held back: {rounds} kills, {} contacts told; 0 forgotten",
        told.len()
    );
}

/// Returns once it has been acknowledged.
async fn hold_back(client: &Client, kind: &str, email: &str) {
    match kind {
        "unsubscribed" | "bounced" => {
            let message = json!({"email": email, "messageId": email, "text": "Hello"});
            let registered = post(client, "/v1/messages", &message).await;
            if kind == "bounced" {
                let bounce = json!({"messageId": email, "status": "bounced", "code": "5.1.1"});
                post(client, "/v1/messages/delivery", &bounce).await;
                return;
            }
            let url = registered["unsubscribeUrl"].as_str().expect("a link");
            let path = &url[url.find("/mail/").expect("a path")..];
            assert_eq!(client.press(path).await, StatusCode::OK);
        }
        _ => {
            post(client, "/v1/suppressions", &json!({"email": email})).await;
            if kind == "lifted" {
                let lifted = client
                    .delete(&format!("/v1/suppressions?email={email}"))
                    .await;
                assert_eq!(lifted, StatusCode::OK);
            }
        }
    }
}

async fn post(client: &Client, path: &str, body: &Value) -> Value {
    let answer = client.post(path, body.to_string(), |_| {}).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}
