//! Who may get mail again: by the contact's own way back, and by a server.

use reqwest::Method;
use serde_json::{Value, json};

use crate::mail::ask;
use crate::messages::writer;
use crate::support::{PERSON, spawn_app_at_rest};
use crate::suppressions::{
    HOUR_MS, ROUTE, lift, list, move_to, press, reasons, register, unsubscribe_path,
};

/// The nonce that a page shows, and the path of its form.
fn way_back(page: &str) -> (String, String) {
    let (_, rest) = page.split_once("action=\"").unwrap();
    let (path, rest) = rest.split_once('"').unwrap();
    let (_, rest) = rest.split_once("value=\"").unwrap();
    let (nonce, _) = rest.split_once('"').unwrap();
    (path.to_owned(), format!("nonce={nonce}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_lifts_the_unsubscription_alone_and_only_for_a_person() {
    let (app, clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let mail = register(&app, &key, "a").await;
    app.post(ROUTE, &key, &json!({"email": PERSON})).await;
    let path = unsubscribe_path(&mail);
    move_to(&clock, 60_000);
    let page = press(&app, &path, "").await;
    let (back, nonce) = way_back(&page.text);
    // Within ten minutes of the send a gateway may be pressing buttons.
    let early = press(&app, &back, &nonce).await;
    assert!(
        early.text.contains("Get these e-mails again?"),
        "{}",
        early.text
    );
    assert_eq!(reasons(&app, &key).await, ["unsubscribed", "manual"]);
    move_to(&clock, 600_000);
    for body in ["", "nonce=", "nonce=00", "other=1"] {
        press(&app, &back, body).await;
    }
    let program = app
        .ask(Method::POST, &back)
        .body(nonce.clone())
        .send()
        .await;
    assert_eq!(program.status, 200);
    let crawler = [("user-agent", "curl/8.5.0")];
    ask(&app, Method::POST, &format!("{back}?{nonce}"), &crawler).await;
    assert_eq!(reasons(&app, &key).await, ["unsubscribed", "manual"]);

    // The page says that it is done, and the button works.
    let page = ask(&app, Method::GET, &path, &[]).await;
    assert!(page.text.contains("You are unsubscribed"), "{}", page.text);
    let (back, nonce) = way_back(&page.text);
    let done = press(&app, &back, &nonce).await;
    assert!(
        done.text.contains("You get these e-mails again"),
        "{}",
        done.text
    );
    assert_eq!(reasons(&app, &key).await, ["manual"]);
    app.caught_up().await;
    let contact = app
        .get_with(&format!("/v1/contacts?email={PERSON}"), &key)
        .await;
    assert!(
        contact.body["contacts"][0].get("unsubscribedAt").is_none(),
        "{}",
        contact.text
    );
    // And the link unsubscribes again.
    press(&app, &path, "").await;
    assert_eq!(reasons(&app, &key).await, ["unsubscribed", "manual"]);
    press(&app, &path, "").await;
    app.caught_up().await;
    let contact = app
        .get_with(&format!("/v1/contacts?email={PERSON}"), &key)
        .await;
    assert_eq!(
        contact.body["contacts"][0]["unsubscribedAt"],
        "2026-11-23T10:10:00Z"
    );
    let events = app.all_events().await;
    let unsubscribes = events.iter().filter(|event| event["type"] == "unsubscribe");
    assert_eq!(unsubscribes.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_page_lifts_no_later_unsubscription_of_whoever_set_it() {
    let (app, clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let mail = register(&app, &key, "a").await;
    let path = unsubscribe_path(&mail);
    move_to(&clock, HOUR_MS);
    let page = press(&app, &path, "").await;
    let (back, old) = way_back(&page.text);
    let shown_again = ask(&app, Method::GET, &path, &[]).await;
    assert_eq!(way_back(&shown_again.text).1, old);
    // It is the page's own for as long as what it showed holds.
    move_to(&clock, 30 * 24 * HOUR_MS);
    let lifted = press(&app, &back, &old).await;
    assert!(
        lifted.text.contains("You get these e-mails again"),
        "{}",
        lifted.text
    );
    // Spent, and there is nothing to lift.
    let again = press(&app, &back, &old).await;
    assert!(
        again.text.contains("You get these e-mails again"),
        "{}",
        again.text
    );
    assert_eq!(
        app.all_events()
            .await
            .iter()
            .filter(|event| event["type"] == "lift")
            .count(),
        1
    );

    let later: [(&str, Value); 2] = [
        ("reader", Value::Null),
        ("server", json!({"email": PERSON, "reason": "unsubscribed"})),
    ];
    for (who, body) in later {
        match who {
            "reader" => drop(press(&app, &path, "").await),
            _ => {
                let answer = app.post(ROUTE, &key, &body).await;
                assert_eq!(answer.status, 200, "{}", answer.text);
            }
        }
        assert_eq!(reasons(&app, &key).await, ["unsubscribed"], "{who}");
        let shown = press(&app, &back, &old).await;
        assert_eq!(shown.status, 200);
        assert!(shown.text.contains("out of date"), "{}", shown.text);
        assert_eq!(reasons(&app, &key).await, ["unsubscribed"], "{who}");
        let (_, fresh) = way_back(&shown.text);
        assert_ne!(fresh, old);
        // Another message's page knows another nonce.
        let other = register(&app, &key, &format!("of-{who}")).await;
        move_to(&clock, 60 * 24 * HOUR_MS);
        let other = ask(&app, Method::GET, &unsubscribe_path(&other), &[]).await;
        let (_, foreign) = way_back(&other.text);
        press(&app, &back, &foreign).await;
        assert_eq!(reasons(&app, &key).await, ["unsubscribed"], "{who}");
        press(&app, &back, &fresh).await;
        assert_eq!(reasons(&app, &key).await, [""; 0], "{who}");
    }
}

/// Whatever a server says of somebody who has unsubscribed, pages of before lift nothing any more.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_again_renews_what_the_way_back_lifts() {
    let (app, clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let mail = register(&app, &key, "a").await;
    let path = unsubscribe_path(&mail);
    move_to(&clock, HOUR_MS);
    press(&app, &path, "").await;
    let since = |list: Value| list["suppressions"][0]["reasons"][0]["at"].clone();
    let first = since(list(&app, &key, "").await);
    let reasons_sent = ["unsubscribed", "bounced", "complained", "manual"];
    // New with the first round, known with the second, and known since earlier with the third.
    for (round, timestamp) in [None, None, Some("2020-01-02T03:04:05Z")]
        .iter()
        .enumerate()
    {
        for reason in reasons_sent {
            let shown = ask(&app, Method::GET, &path, &[]).await;
            let (back, old) = way_back(&shown.text);
            let mut body = json!({"email": PERSON, "reason": reason});
            if let Some(timestamp) = timestamp {
                body["timestamp"] = json!(timestamp);
            }
            let answer = app.post(ROUTE, &key, &body).await;
            let is_new = round == 0 && reason != "unsubscribed";
            let told = if is_new { "recorded" } else { "duplicate" };
            assert_eq!(answer.body["results"][0]["status"], told, "{}", answer.text);
            assert_eq!(answer.body["results"][0].get("seq").is_some(), is_new);
            let before = reasons(&app, &key).await;
            let pressed = press(&app, &back, &old).await;
            assert!(pressed.text.contains("out of date"), "{}", pressed.text);
            assert_eq!(reasons(&app, &key).await, before, "{round} {reason}");
        }
    }
    // In a file and in a list too; since when it holds stays.
    let entry = json!({"email": PERSON, "reason": "unsubscribed"});
    for body in [Some(json!({"suppressions": [entry, entry]})), None] {
        let shown = ask(&app, Method::GET, &path, &[]).await;
        let (back, old) = way_back(&shown.text);
        let ask = app.ask(Method::POST, ROUTE).key(&key);
        let answer = match &body {
            Some(body) => ask.json(body).send().await,
            None => {
                let rows = format!("email,reason\n{PERSON},unsubscribed\n");
                ask.header("content-type", "text/csv")
                    .body(rows)
                    .send()
                    .await
            }
        };
        assert_eq!(answer.body["recorded"], 0, "{}", answer.text);
        assert!(
            answer.body["duplicates"].as_u64() > Some(0),
            "{}",
            answer.text
        );
        press(&app, &back, &old).await;
        assert_eq!(reasons(&app, &key).await.len(), 4);
    }
    assert_eq!(since(list(&app, &key, "").await), first);
    // Who asks on a page of now comes back.
    let shown = ask(&app, Method::GET, &path, &[]).await;
    let (back, fresh) = way_back(&shown.text);
    press(&app, &back, &fresh).await;
    assert_eq!(
        reasons(&app, &key).await,
        ["bounced", "complained", "manual"]
    );
    // Nobody who has not unsubscribed is written down again.
    let on_disk = app.on_disk();
    let answer = app.post(ROUTE, &key, &json!({"email": PERSON})).await;
    assert_eq!(answer.body["duplicates"], 1, "{}", answer.text);
    assert_eq!(app.on_disk(), on_disk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_that_is_told_late_brings_nothing_back_that_was_lifted_since() {
    let (app, clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    register(&app, &key, "a").await;
    move_to(&clock, HOUR_MS);
    let bounce =
        |at: &str| json!({"messageId": "a", "status": "bounced", "code": "5.1.1", "timestamp": at});
    let told = async |at: &str| {
        let answer = app.post("/v1/messages/delivery", &key, &bounce(at)).await;
        answer.is_tracked();
        reasons(&app, &key).await
    };
    assert_eq!(told("2026-11-23T10:10:00Z").await, ["bounced"]);
    let lifted = lift(&app, &key, &format!("?email={PERSON}")).await;
    assert_eq!(lifted.body["lifted"], true, "{}", lifted.text);
    assert_eq!(told("2026-11-23T10:20:00Z").await, [""; 0]);
    // Also once it is in the file, and after a restart.
    let (app, _) = app.restart().await;
    let told = async |at: &str| {
        let answer = app.post("/v1/messages/delivery", &key, &bounce(at)).await;
        answer.is_tracked();
        reasons(&app, &key).await
    };
    assert_eq!(told("2026-11-23T10:30:00Z").await, [""; 0]);
    move_to(&clock, 3 * HOUR_MS);
    assert_eq!(told("2026-11-23T11:30:00Z").await, ["bounced"]);
}
