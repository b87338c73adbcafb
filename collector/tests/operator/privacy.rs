//! `misar privacy apply`: what was recorded before, in the mode of today.

use serde_json::json;

use crate::support::{Server, Store};

const ADA: &str = "ada@example.com";
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// What is held of the one event of hers.
fn held(store: &Store) -> String {
    let held = store.misar(&format!("contacts export {ADA}")).good();
    let event = held.lines().find(|line| line.contains(r#""seen""#));
    event.unwrap().to_owned()
}

#[test]
fn what_was_recorded_in_another_mode_is_brought_to_the_one_of_today() {
    let store = Store::new();
    let key = store.misar("keys create --public --json").json();
    let serve = |mode: &str| {
        let line = format!("serve --listen 127.0.0.1:0 --log-format json --privacy {mode}");
        Server::start(store.command(&line))
    };
    let server = serve("full");
    let headers = [
        ("X-API-Key", key["key"].as_str().unwrap()),
        ("User-Agent", AGENT),
    ];
    let body = json!({"email": ADA, "event": "seen"});
    let sent = server.ask("POST", "/v1/track/event", &headers, Some(&body));
    assert_eq!(sent.0, 200, "{}", sent.1);
    assert!(held(&store).contains(r#""127.0.0.1""#), "{}", held(&store));
    // A server goes by its own mode.
    let other = store.misar("privacy apply --privacy truncated").refusal();
    assert!(other.contains("keeps full"), "{other}");
    let none = store.misar("privacy apply --json").json();
    assert_eq!(
        (&none["events"], &none["privacy"]),
        (&json!(0), &json!("full"))
    );
    server.stop("TERM");
    // Where none runs nobody guesses.
    let unsaid = store.misar("privacy apply").refusal();
    assert!(unsaid.contains("--privacy"), "{unsaid}");
    let apply = "privacy apply --privacy truncated --json";
    assert_eq!(store.misar(apply).json()["events"], 1);
    assert_eq!(store.misar(apply).json()["events"], 0);
    assert_eq!(store.misar("log verify --json").json()["ok"], true);

    let server = serve("verdict-only");
    let truncated = held(&store);
    assert!(
        truncated.contains(r#""127.0.0.0""#) && truncated.contains("Firefox"),
        "{truncated}"
    );
    assert_eq!(store.misar("privacy apply --json").json()["events"], 1);
    let left = held(&store);
    assert!(
        !left.contains("127.0.0") && !left.contains("Firefox"),
        "{left}"
    );
    assert!(left.contains(r#""class":"human""#), "{left}");
    server.stop("TERM");
}
