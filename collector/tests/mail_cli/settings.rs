//! `misar settings`, and the orders that it credits anew.

use serde_json::{Value, json};

use crate::support::{BROWSER, Server, Store};

const DEFAULT: &str = "SETTING       VALUE\nclick-window  5d\nopen-window   5d\nweights       open=1,click=3,page-view=0.5,event=2,purchase=10\nhalf-life     30d\nsender-name   -\ntime-zone     UTC\n";
const NEVER: &str = "SETTING       VALUE\nclick-window  0 (never)\nopen-window   0 (never)\n\
    weights       open=1,click=3,page-view=0.5,event=2,purchase=10\nhalf-life     30d\nsender-name   -\n\
    time-zone     UTC\n";
const REPORT: &str = "/v1/reports/messages/spring-1";

/// The orders that the message is credited with.
fn orders(server: &Server, seq: &str) -> Value {
    let path = format!("{REPORT}?minSeq={seq}");
    server.until(&path, |status, _| status == 200)["orders"].clone()
}

/// A click by a person, and an order by the same contact that names no message; the order's `seq`.
fn click_and_buy(store: &Store, server: &Server) -> String {
    let line =
        "instrument --message-id spring-1 --email ada@example.com --sent-at 2025-01-01T00:00:00Z";
    let out = store
        .fed(line, "<a href=\"https://shop.example/\">x</a>")
        .warned();
    let (_, rest) = out.split_once("href=\"").unwrap();
    let link = rest.split('"').next().unwrap();
    assert_eq!(server.visit(link, BROWSER, "198.51.100.7"), 302);
    server.until(REPORT, |_, report| {
        report["clicks"]["genuine"]["total"] == 1
    });
    server.buy(&json!({
        "email": "ada@example.com", "orderId": "order-1", "revenue": 5, "currency": "EUR",
    }))
}

fn set(store: &Store, line: &str) -> String {
    let run = store.misar(&format!("settings set {line}"));
    assert_eq!(run.code, Some(0), "{}", run.err);
    run.out
}

#[test]
fn a_running_server_credits_orders_anew_and_keeps_the_setting() {
    let store = Store::new();
    let server = store.serve();
    assert_eq!(store.misar("settings show").good(), DEFAULT);
    let seq = click_and_buy(&store, &server);
    assert_eq!(orders(&server, &seq), 1);
    assert_eq!(set(&store, "--click-window 0 --open-window 0"), NEVER);
    assert_eq!(orders(&server, &seq), 0);
    server.stop();

    let server = store.serve();
    assert_eq!(store.misar("settings show").good(), NEVER);
    assert_eq!(orders(&server, &seq), 0);
    set(&store, "--click-window 5d");
    assert_eq!(orders(&server, &seq), 1);
}

#[test]
fn a_folder_without_a_server_credits_orders_anew() {
    let store = Store::new();
    let server = store.serve();
    let seq = click_and_buy(&store, &server);
    assert_eq!(orders(&server, &seq), 1);
    server.stop();
    assert_eq!(set(&store, "--click-window 0 --open-window 0"), NEVER);
    let server = store.serve();
    assert_eq!(orders(&server, &seq), 0);
    server.stop();
    assert_eq!(set(&store, "--click-window 5d --open-window 5d"), DEFAULT);
    let server = store.serve();
    assert_eq!(orders(&server, &seq), 1);
}

#[test]
fn each_workspace_has_windows_of_its_own_and_one_can_be_set_alone() {
    let store = Store::new();
    assert!(
        store
            .misar("settings show")
            .refusal()
            .contains("there is no misar store")
    );
    store.misar("workspaces create shop").good();
    let shown = store
        .misar("settings set --workspace shop --open-window 36h --json")
        .json();
    let day = 24 * 3_600_000;
    let windows = json!({"clickWindowMs": 5 * day, "openWindowMs": day + day / 2});
    let weights =
        json!({"open": 1.0, "click": 3.0, "pageView": 0.5, "event": 2.0, "purchase": 10.0});
    let score = json!({"halfLifeDays": 30, "weights": weights});
    let whole =
        json!({"workspace": "shop", "attribution": windows, "score": score, "timeZone": "UTC"});
    assert_eq!(shown, whole);
    assert_eq!(
        store.misar("settings show --workspace shop --json").json(),
        shown
    );
    assert_eq!(store.misar("settings show").good(), DEFAULT);
    let refused = store.misar("settings show --workspace none").refusal();
    assert!(refused.contains("there is no such workspace"), "{refused}");
}

#[test]
fn weights_and_a_half_life_are_set_with_a_server_and_without() {
    let store = Store::new();
    store.misar("workspaces create shop").good();
    let line = "settings set --workspace shop --weights open=0,purchase=2.5 --half-life 2w --json";
    let shown = store.misar(line).json();
    assert_eq!(shown["score"]["weights"]["purchase"], 2.5);
    assert_eq!(shown["score"]["weights"]["click"], 3.0);
    assert_eq!(shown["score"]["halfLifeDays"], 14);
    let server = store.serve();
    store
        .misar("settings set --workspace shop --half-life 7d")
        .good();
    let shown = store.misar("settings show --workspace shop").good();
    let weights = "weights       open=0,click=3,page-view=0.5,event=2,purchase=2.5\n";
    assert!(shown.contains(weights), "{shown}");
    assert!(shown.contains("half-life     7d\n"), "{shown}");
    let refused = store.misar("settings set --weights open=1001").refusal();
    assert!(refused.contains("from 0 to 1000"), "{refused}");
    for bad in ["--weights open", "--weights seen=1", "--half-life 36h"] {
        store.misar(&format!("settings set {bad}")).misuse();
    }
    server.stop();
    assert_eq!(store.misar("settings show").good(), DEFAULT);
}

#[test]
fn a_workspace_shows_itself_under_the_name_that_is_set() {
    let store = Store::new();
    store.misar("workspaces create shop").good();
    let line = "settings set --workspace shop --sender-name Acme --json";
    let shown = store.misar(line).json();
    assert_eq!(shown["senderName"], "Acme");
    assert_eq!(shown["attribution"]["clickWindowMs"], 5 * 24 * 3_600_000);
    let shown = store.misar("settings show --workspace shop").good();
    assert!(shown.contains("sender-name   Acme\n"), "{shown}");
    assert_eq!(store.misar("settings show").good(), DEFAULT);
    store
        .misar("settings set --workspace shop --sender-name=")
        .good();
    let shown = store.misar("settings show --workspace shop --json").json();
    assert!(shown.get("senderName").is_none(), "{shown}");
}

#[test]
fn windows_that_make_no_sense_change_nothing() {
    let store = Store::new();
    store.misar("workspaces list").good();
    for bad in ["5", "soon", "-1d", "366d", "1mo", "0.5"] {
        store
            .misar(&format!("settings set --click-window={bad}"))
            .misuse();
        store
            .misar(&format!("settings set --open-window={bad}"))
            .misuse();
        let line = format!("settings set --click-window 1d --open-window={bad}");
        store.misar(&line).misuse();
    }
    // Neither of these says what to set.
    for line in ["", "--json", "--workspace default"] {
        let said = store.misar(&format!("settings set {line}")).misuse();
        assert!(
            said.contains(
                "<--click-window <TIME>|--open-window <TIME>|--weights <KIND=WEIGHT,...>|--half-life <TIME>|--sender-name <NAME>|--time-zone <ZONE>>"
            ),
            "{said}"
        );
    }
    assert_eq!(store.misar("settings show").good(), DEFAULT);
}
