//! `misar keys` on a folder and through a running server.

use serde_json::{Value, json};

use crate::support::{Store, fed, until};

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// The key of a list that has this id.
fn listed(store: &Store, id: &str) -> Value {
    let all = store.misar("keys list --json").json();
    let all = all.as_array().unwrap();
    all.iter().find(|key| key["id"] == id).unwrap().clone()
}

#[test]
fn keys_are_told_apart_by_their_last_four_characters() {
    let store = Store::new();
    for line in ["keys create --json", "keys create --public --json"] {
        let made = store.misar(line).json();
        let key = text(&made, "key");
        let last = &key[key.len() - 4..];
        assert_eq!(listed(&store, &text(&made, "id"))["lastFour"], last);
        let table = store.misar("keys list").good();
        let row = table.lines().find(|row| row.contains(&text(&made, "id")));
        assert!(row.unwrap().ends_with(last), "{table}");
    }
    let table = store.misar("keys list").good();
    assert!(!table.contains("msk_sec_"), "{table}");
    assert!(table.contains('…'), "{table}");
}

#[test]
fn a_key_made_quietly_is_all_that_is_printed() {
    let store = Store::new();
    for line in ["keys create -q", "keys create --public --quiet"] {
        let printed = store.misar(line).good();
        let key = printed.strip_suffix('\n').unwrap();
        assert!(shared::api_key::ApiKey::parse(key).is_ok(), "{printed}");
    }
}

#[test]
fn a_key_is_revoked_by_its_id_or_by_its_text() {
    let store = Store::new();
    let server = store.serve();
    for is_public in [false, true] {
        for way in ["id", "text", "input"] {
            let public = if is_public { "--public" } else { "" };
            let made = store.misar(&format!("keys create {public} --json")).json();
            let (id, key) = (text(&made, "id"), text(&made, "key"));
            let revoked = match way {
                "id" => store.misar(&format!("keys revoke {id} --json")),
                "text" => store.misar(&format!("keys revoke {key} --json")),
                _ => fed(store.command("keys revoke - --json"), &format!("  {key}\n")),
            };
            let warned = revoked.err.contains("shell's history");
            assert_eq!(warned, way == "text" && !is_public, "{}", revoked.err);
            assert!(!revoked.err.contains(&key), "{}", revoked.err);
            let revoked = revoked.json();
            assert_eq!(revoked["id"], id.as_str());
            assert!(revoked["revokedAt"].is_string(), "{revoked}");
            let event = json!({"email": "kate@example.com", "event": "x"});
            let (status, body) = server.post("/v1/track/event", &key, &event);
            assert_eq!(
                (status, text(&body["error"], "code").as_str()),
                (401, "revoked_key")
            );
        }
    }
    server.stop("TERM");

    // And without a server.
    let made = store.misar("keys create --json").json();
    let revoked = store
        .misar(&format!("keys revoke {}", text(&made, "key")))
        .good();
    assert!(revoked.starts_with(&text(&made, "id")), "{revoked}");
}

#[test]
fn a_key_that_is_not_there_is_not_repeated() {
    let store = Store::new();
    let made = store.misar("keys create --json").json();
    let key = text(&made, "key");
    store.misar("workspaces create shop").good();
    let cut = &key[..30];
    for (line, said) in [
        (
            format!("keys revoke {key} --workspace shop"),
            "there is no such key",
        ),
        (format!("keys revoke {cut}"), "mistyped"),
        ("keys revoke key_1".to_owned(), "there is no such key"),
        (format!("keys update {cut} --label x"), "mistyped"),
    ] {
        let run = store.misar(&line);
        assert_eq!(run.code, Some(1), "{line}");
        assert!(run.err.contains(said), "{}", run.err);
        assert!(!run.err.contains(cut), "{}", run.err);
    }
    assert_eq!(listed(&store, &text(&made, "id"))["revokedAt"], Value::Null);
}

#[test]
fn a_change_counts_at_once_in_a_running_server_and_outlives_it() {
    let store = Store::new();
    let server = store.serve();
    let line = "keys create --public --origin https://shop.example --label web --json";
    let made = store.misar(line).json();
    let (id, key) = (text(&made, "id"), text(&made, "key"));
    let from = |origin: &str| {
        let body = json!({"key": key, "email": "kate@example.com", "event": "x"});
        server.ask(
            "POST",
            "/v1/track/event",
            &[("Origin", origin)],
            Some(&body),
        )
    };
    let (status, refused) = from("https://other.example");
    assert_eq!(
        (status, text(&refused["error"], "code").as_str()),
        (403, "origin_not_allowed")
    );
    let message = text(&refused["error"], "message");
    let advice = format!("misar keys update {id} --add-origin https://other.example");
    assert!(message.contains(&advice), "{message}");

    // As it says.
    let (_, advised) = advice.split_once(' ').unwrap();
    let changed = store.misar(advised).good();
    assert!(
        changed.contains("https://shop.example,https://other.example"),
        "{changed}"
    );
    assert_eq!(from("https://other.example").0, 200);
    store
        .misar(&format!(
            "keys update {key} --remove-origin https://shop.example"
        ))
        .good();
    assert_eq!(from("https://shop.example").0, 403);

    let changed = store
        .misar(&format!("keys update {id} --rate 1/s --label shop --json"))
        .json();
    assert_eq!(
        (&changed["rate"], &changed["label"]),
        (&json!(1), &json!("shop"))
    );
    let statuses: Vec<u16> = (0..3).map(|_| from("https://other.example").0).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    store.misar(&format!("keys update {id} --no-rate")).good();
    assert_eq!(from("https://other.example").0, 200);
    server.stop("TERM");

    let kept = listed(&store, &id);
    assert_eq!(kept["origins"], json!(["https://other.example"]));
    assert_eq!(
        (&kept["rate"], &kept["label"]),
        (&Value::Null, &json!("shop"))
    );
    assert_eq!(kept["allowPurchases"], false);
    assert!(kept["lastUsedAt"].is_string(), "{kept}");
}

#[test]
fn a_change_that_makes_no_sense_changes_nothing() {
    let store = Store::new();
    let line = "keys create --public --origin https://shop.example --json";
    let public = text(&store.misar(line).json(), "id");
    let secret = text(&store.misar("keys create --json").json(), "id");
    for (line, said) in [
        (
            format!("{public} --remove-origin https://shop.example"),
            "--any-origin",
        ),
        (
            format!("{public} --remove-origin https://other.example"),
            "none of the key's origins",
        ),
        (
            format!("{secret} --add-origin https://shop.example"),
            "origins are for public keys",
        ),
        (
            format!("{secret} --any-origin"),
            "origins are for public keys",
        ),
        (
            format!("{secret} --expires 2001-01-01T00:00:00Z"),
            "expired already",
        ),
    ] {
        let refusal = store.misar(&format!("keys update {line}")).refusal();
        assert!(refusal.contains(said), "{line}: {refusal}");
    }
    for line in [
        public.clone(),
        format!("{public} --rate 5/s --no-rate"),
        format!("{public} --any-origin --add-origin https://x.example"),
        format!("{public} --add-origin nonsense"),
        format!("{public} --expires soon"),
    ] {
        assert_eq!(
            store.misar(&format!("keys update {line}")).code,
            Some(2),
            "{line}"
        );
    }
    assert_eq!(
        listed(&store, &public)["origins"],
        json!(["https://shop.example"])
    );

    // Said in so many words, it is done.
    let opened = store.misar(&format!("keys update {public} --any-origin --json"));
    assert!(opened.err.contains("any site"), "{}", opened.err);
    assert_eq!(opened.json()["origins"], json!([]));

    store.misar(&format!("keys revoke {public}")).good();
    let refusal = store
        .misar(&format!("keys update {public} --label x"))
        .refusal();
    assert!(refusal.contains("revoked"), "{refusal}");
}

#[test]
fn a_key_expires_when_it_says() {
    let store = Store::new();
    let made = store.misar("keys create --expires 90d").good();
    assert!(
        made.contains("  expires  20") && made.contains("(in 90d)"),
        "{made}"
    );
    let at = "2199-01-31T00:00:00Z";
    let line = format!("keys create --expires {at} --json");
    let made = store.misar(&line).json();
    assert_eq!(made["expiresAt"], at);
    assert_eq!(listed(&store, &text(&made, "id"))["expiresAt"], at);
    assert_eq!(
        store.misar("keys create --json").json()["expiresAt"],
        Value::Null
    );
    for line in [
        "--expires 90",
        "--expires soon",
        "--expires 2199-01-31",
        "--expires -1d",
    ] {
        assert_eq!(
            store.misar(&format!("keys create {line}")).code,
            Some(2),
            "{line}"
        );
    }
    let past = store
        .misar("keys create --expires 2001-01-01T00:00:00Z")
        .refusal();
    assert!(past.contains("expired already"), "{past}");

    let server = store.serve();
    let brief = store.misar("keys create --expires 3s --json").json();
    let (id, key) = (text(&brief, "id"), text(&brief, "key"));
    let event = json!({"email": "kate@example.com", "event": "x"});
    let post = || server.post("/v1/track/event", &key, &event);
    let (status, body) = until(post, |(status, _)| *status != 200);
    let code = text(&body["error"], "code");
    assert_eq!((status, code.as_str()), (401, "expired_key"));
    let table = store.misar("keys list").good();
    let row = table.lines().find(|row| row.contains(&id));
    assert!(row.unwrap().contains(" expired "), "{table}");
    store
        .misar(&format!("keys update {id} --never-expires"))
        .good();
    assert_eq!(post().0, 200);
    server.stop("TERM");
}

#[test]
fn the_table_says_who_reads_the_operators_metrics() {
    let store = Store::new();
    let plain = store.misar("keys create --scope read --json").json();
    let operator = store.misar("keys create --scope read --operator --json");
    let operator = operator.json();
    let table = store.misar("keys list").good();
    let mut lines = table.lines();
    let head = lines.next().unwrap();
    let at = head.find("OPERATOR").unwrap();
    for (made, told) in [(&plain, "-"), (&operator, "yes")] {
        let mut rows = table.lines();
        let row = rows.find(|row| row.contains(&text(made, "id"))).unwrap();
        assert_eq!(row[at..].split_whitespace().next(), Some(told), "{table}");
    }
}

#[test]
fn lists_may_be_written_with_blanks() {
    let store = Store::new();
    for scopes in ["send, read", " send ,read ", "send,read"] {
        let mut command = store.command("keys create --json");
        command.args(["--scope", scopes]);
        let made = crate::support::run(command).json();
        assert_eq!(made["scopes"], json!(["send", "read"]), "{scopes}");
    }
    let mut command = store.command("keys create --public --json");
    command.args(["--origin", "https://a.example, *.b.example"]);
    let made = crate::support::run(command).json();
    assert_eq!(made["origins"], json!(["https://a.example", "*.b.example"]));
}
