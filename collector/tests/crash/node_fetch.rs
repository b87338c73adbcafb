//! Node's own `fetch` is a caller like any other server; the same from a page is refused.

use std::io::ErrorKind;
use std::process::Command;

use serde_json::{Value, json};

use crate::client::Client;
use crate::process::Store;

/// Sends the body of the published documentation with the headers that it is given.
const SCRIPT: &str = "
const answer = await fetch(process.env.BASE + '/v1/track/event', {
  method: 'POST',
  headers: {
    'Authorization': 'Bearer ' + process.env.KEY,
    'Content-Type': 'application/json',
    ...JSON.parse(process.env.HEADERS),
  },
  body: JSON.stringify({
    email: 'user@example.com',
    event: 'trial_started',
    properties: { plan: 'pro', trialDays: 14 },
    timestamp: new Date().toISOString(),
  }),
});
console.log(JSON.stringify({ status: answer.status, body: await answer.json() }));
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_fetch_is_taken_and_from_a_page_the_key_is_exposed() {
    let store = Store::new();
    let server = store.start();
    let client = Client::new(&store, &server);
    client.ready(&server).await;
    let base = format!("http://{}", server.address);
    let fetch = |headers: Value| {
        let output = Command::new("node")
            .args(["--input-type=module", "--eval", SCRIPT])
            .env("BASE", &base)
            .env("KEY", &store.key)
            .env("HEADERS", headers.to_string())
            .output();
        let output = match output {
            Err(error) if error.kind() == ErrorKind::NotFound => panic!(
                "node is missing: install it (Debian: apt-get install nodejs; `./dev test` does)"
            ),
            output => output.expect("node runs"),
        };
        let said = String::from_utf8_lossy(&output.stderr);
        let answer = serde_json::from_slice(&output.stdout);
        answer.unwrap_or_else(|error| panic!("{error}; node (18 or later has fetch) said: {said}"))
    };

    let answer: Value = fetch(json!({}));
    assert_eq!(
        (&answer["status"], &answer["body"]["tracked"]),
        (&200.into(), &true.into()),
        "{answer}"
    );
    assert!(
        exposed_at(&store).is_null(),
        "a server's call exposes nothing"
    );

    for page in [
        json!({ "Origin": "https://shop.example" }),
        json!({ "Sec-Fetch-Site": "cross-site" }),
    ] {
        let answer: Value = fetch(page);
        assert_eq!(answer["status"], 403, "{answer}");
        assert_eq!(answer["body"]["error"]["code"], "secret_key_in_browser");
        assert!(exposed_at(&store).is_string(), "the key is flagged");
    }

    let seq = fetch(json!({}))["body"]["seq"].clone();
    let events = client.all_events(seq.as_str().expect("a seq")).await;
    assert_eq!(events.len(), 2, "what came from a page is not on record");
}

fn exposed_at(store: &Store) -> Value {
    let keys = store.run(&["keys", "list", "--json"]);
    let keys = keys.as_array().expect("a list");
    let key = keys.iter().find(|key| key["id"] == store.key_id);
    key.expect("the key")["exposedAt"].clone()
}
