//! `/v1/suppressions`, what feeds it, and who is refused for it.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use shared::time::Timestamp;
use store::clock::FixedClock;

use crate::mail::ask;
use crate::messages::writer;
use crate::support::{Answer, NOW, PERSON, TestApp, spawn_app, spawn_app_at_rest};

const ROUTE: &str = "/v1/suppressions";
const HOUR_MS: i64 = 3_600_000;

/// Moves the clock so many milliseconds past [`NOW`].
fn move_to(clock: &Arc<FixedClock>, ms: i64) {
    clock.set(Timestamp::parse_rfc3339(NOW).unwrap().plus_millis(ms));
}

fn message(id: &str) -> Value {
    json!({"email": PERSON, "messageId": id, "campaignId": "spring", "text": "Hello"})
}

async fn register(app: &TestApp, key: &str, id: &str) -> Value {
    let answer = app.post("/v1/messages", key, &message(id)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

/// The path of the link by which a message is unsubscribed.
fn unsubscribe_path(message: &Value) -> String {
    let url = message["unsubscribeUrl"].as_str().unwrap();
    let at = url.find("/mail/").unwrap();
    url[at..].to_owned()
}

async fn list(app: &TestApp, key: &str, query: &str) -> Value {
    let answer = app.get_with(&format!("{ROUTE}{query}"), key).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

/// Reasons of the one contact that is listed, or none.
async fn reasons(app: &TestApp, key: &str) -> Vec<String> {
    let page = list(app, key, "").await;
    let all = page["suppressions"].as_array().unwrap();
    assert!(all.len() <= 1, "{page}");
    let reasons = all.first().map(|one| {
        assert_eq!(one["email"], PERSON);
        one["reasons"].as_array().unwrap().clone()
    });
    let name = |reason: Value| reason["reason"].as_str().unwrap().to_owned();
    reasons.unwrap_or_default().into_iter().map(name).collect()
}

/// What a browser sends.
async fn press(app: &TestApp, path: &str, body: &str) -> Answer {
    let client = reqwest::Client::new();
    let response = client
        .post(format!("http://{}{path}", app.address))
        .header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        )
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap().to_vec();
    Answer::of(path, status, headers, bytes)
}

async fn lift(app: &TestApp, key: &str, query: &str) -> Answer {
    app.ask(Method::DELETE, &format!("{ROUTE}{query}"))
        .key(key)
        .send()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_put_on_the_list_and_taken_off_it() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let answer = app.post(ROUTE, &key, &json!({"email": PERSON})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.body["recorded"], 1);
    assert_eq!(answer.body["results"][0]["status"], "recorded");
    let event = app
        .listed(answer.body["results"][0]["seq"].as_str().unwrap())
        .await;
    assert_eq!(
        (&event["type"], &event["name"]),
        (&json!("suppress"), &json!("email_suppressed"))
    );
    let page = list(&app, &key, "").await;
    assert_eq!(
        page,
        json!({"suppressions": [{"email": PERSON, "reasons": [{"reason": "manual", "at": NOW}]}]})
    );
    let again = app
        .post(ROUTE, &key, &json!({"email": PERSON.to_uppercase()}))
        .await;
    assert_eq!(
        (&again.body["recorded"], &again.body["duplicates"]),
        (&json!(0), &json!(1))
    );

    let body = json!({"suppressions": [
        {"email": PERSON, "reason": "bounced", "timestamp": "2026-01-02T03:04:05Z"},
        {"email": "nobody"},
        {"email": PERSON, "reason": "cold"},
        {"email": PERSON, "reason": "bounced"},
    ]});
    let answer = app.post(ROUTE, &key, &body).await;
    let told = |name: &str| answer.body[name].as_u64().unwrap();
    assert_eq!(
        (told("recorded"), told("duplicates"), told("rejected")),
        (1, 1, 2)
    );
    assert_eq!(answer.body["results"][1]["code"], "invalid_email");
    assert_eq!(answer.body["results"][2]["code"], "invalid_reason");
    assert_eq!(reasons(&app, &key).await, ["bounced", "manual"]);
    let page = list(&app, &key, &format!("?email={PERSON}&reason=bounced")).await;
    assert_eq!(
        page["suppressions"][0]["reasons"][0]["at"],
        "2026-01-02T03:04:05Z"
    );
    let page = list(&app, &key, "?reason=complained").await;
    assert_eq!(page["suppressions"], json!([]));

    let lifted = lift(&app, &key, &format!("?email={PERSON}&reason=bounced")).await;
    assert_eq!(lifted.body["lifted"], true, "{}", lifted.text);
    assert_eq!(reasons(&app, &key).await, ["manual"]);
    let body = json!({"email": PERSON});
    let lifted = app
        .ask(Method::DELETE, ROUTE)
        .key(&key)
        .json(&body)
        .send()
        .await;
    assert_eq!(lifted.body["lifted"], true, "{}", lifted.text);
    assert!(reasons(&app, &key).await.is_empty());
    let lifted = lift(&app, &key, &format!("?email={PERSON}")).await;
    assert_eq!(lifted.body, json!({"success": true, "lifted": false}));
    lift(&app, &key, "")
        .await
        .is_refused(422, "invalid_parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_paged_and_exported_and_the_export_can_be_imported() {
    let app = spawn_app().await;
    let key = writer(&app);
    let all: Vec<Value> = (0..25)
        .map(|n| json!({"email": format!("n{n}@person.example"), "reason": "unsubscribed"}))
        .collect();
    let answer = app.post(ROUTE, &key, &json!({"suppressions": all})).await;
    assert_eq!(answer.body["recorded"], 25, "{}", answer.text);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(&app, &key, &format!("?limit=10{cursor}")).await;
        let found = page["suppressions"].as_array().unwrap();
        seen.extend(
            found
                .iter()
                .map(|one| one["email"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 25);

    for (format, media) in [("csv", "text/csv"), ("ndjson", "application/x-ndjson")] {
        let file = app
            .get_with(&format!("{ROUTE}?format={format}"), &key)
            .await;
        assert_eq!(file.status, 200);
        assert!(file.header("content-type").starts_with(media));
        for n in 0..25 {
            lift(&app, &key, &format!("?email=n{n}@person.example")).await;
        }
        let imported = app
            .ask(Method::POST, ROUTE)
            .key(&key)
            .header("content-type", media)
            .body(file.text.clone())
            .send()
            .await;
        assert_eq!(imported.body["recorded"], 25, "{format} {}", imported.text);
        let again = app
            .get_with(&format!("{ROUTE}?format={format}"), &key)
            .await;
        assert_eq!(again.text, file.text);
    }
    let file = "email,reason\nada@person.example,\nnobody,\n";
    let answer = app
        .ask(Method::POST, ROUTE)
        .key(&key)
        .header("content-type", "text/csv; charset=utf-8")
        .body(file)
        .send()
        .await;
    assert_eq!(
        (&answer.body["recorded"], &answer.body["rejected"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(answer.body["results"][0]["line"], 3);
    assert_eq!(answer.body["results"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bounces_complaints_and_unsubscribes_feed_it() {
    let (app, clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let first = register(&app, &key, "a").await;
    assert!(first.get("unsubscribedAt").is_none());
    for (status, code, expected) in [
        ("bounced", "5.7.1", Vec::new()),
        ("deferred", "4.2.2", Vec::new()),
        ("bounced", "5.1.1", vec!["bounced"]),
        ("complained", "5.0.0", vec!["bounced", "complained"]),
    ] {
        let body = json!({"messageId": "a", "status": status, "code": code});
        app.post("/v1/messages/delivery", &key, &body)
            .await
            .is_tracked();
        assert_eq!(reasons(&app, &key).await, expected, "{status} {code}");
    }
    move_to(&clock, HOUR_MS);
    let path = unsubscribe_path(&first);
    assert_eq!(press(&app, &path, "").await.status, 200);
    // At once, without waiting for a view.
    assert_eq!(
        reasons(&app, &key).await,
        ["unsubscribed", "bounced", "complained"]
    );
    let second = register(&app, &key, "b").await;
    assert_eq!(second["unsubscribedAt"], "2026-11-23T11:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_to_whom_is_suppressed_is_refused_where_that_is_asked_for() {
    let app = spawn_app().await;
    let key = writer(&app);
    let refusing = |id: &str, kind: &str| {
        let mut message = message(id);
        message["refuseUnsubscribed"] = true.into();
        message["type"] = kind.into();
        message
    };
    let answer = app
        .post("/v1/messages", &key, &refusing("a", "campaign"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let unsubscribed = json!({"email": PERSON, "reason": "unsubscribed"});
    app.post(ROUTE, &key, &unsubscribed).await;
    let answer = app
        .post("/v1/messages", &key, &refusing("b", "campaign"))
        .await;
    answer.is_refused(422, "unsubscribed");
    // Also one that was registered before: it may not have left yet.
    let answer = app
        .post("/v1/messages", &key, &refusing("a", "campaign"))
        .await;
    answer.is_refused(422, "unsubscribed");
    let answer = app
        .post("/v1/messages", &key, &refusing("c", "transactional"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let answer = app.post("/v1/messages", &key, &message("d")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let batch = json!({"messages": [refusing("e", "campaign"), message("f")]});
    let answer = app.post("/v1/messages/batch", &key, &batch).await;
    assert_eq!(answer.body["results"][0]["code"], "unsubscribed");
    assert_eq!(answer.body["results"][1]["status"], "registered");
    lift(&app, &key, &format!("?email={PERSON}")).await;
    app.post(ROUTE, &key, &json!({"email": PERSON})).await;
    let answer = app
        .post("/v1/messages", &key, &refusing("g", "campaign"))
        .await;
    answer.is_refused(422, "suppressed");
    let mut odd = message("h");
    odd["refuseUnsubscribed"] = "yes".into();
    let answer = app.post("/v1/messages", &key, &odd).await;
    answer.is_refused(422, "invalid_flag");
}

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

#[tokio::test(flavor = "multi_thread")]
async fn a_store_from_before_gets_its_list_from_the_log_and_keeps_it_across_restarts() {
    let app = spawn_app().await;
    let key = writer(&app);
    let mail = register(&app, &key, "a").await;
    press(&app, &unsubscribe_path(&mail), "").await;
    let (app, _) = app.restart().await;
    assert_eq!(reasons(&app, &key).await, ["unsubscribed"]);
    let (folder, _) = app.stop().await;
    std::fs::remove_file(folder.path().join("suppressions.redb")).unwrap();
    let app = crate::support::spawn_app_in(folder, Arc::new(store::clock::SystemClock)).await;
    assert_eq!(reasons(&app, &key).await, ["unsubscribed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_utf_8_is_refused_by_its_line_and_its_own_code() {
    let app = spawn_app().await;
    let key = writer(&app);
    let latin = b"email,name\nada@person.example,Ada\nzoe@person.example,Zo\xeb\n".to_vec();
    let lines =
        b"{\"email\":\"ada@person.example\"}\n{\"email\":\"zo\xeb@person.example\"}\n".to_vec();
    let wide = |mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
        let text = "email\nada@person.example\n".encode_utf16().flat_map(bytes);
        mark.iter().copied().chain(text).collect::<Vec<u8>>()
    };
    for (media, file, parts) in [
        ("text/csv", latin.clone(), ["line 3 ", "UTF-8"]),
        ("text/csv; charset=utf-8", latin, ["line 3 ", "UTF-8"]),
        ("application/x-ndjson", lines, ["line 2 ", "UTF-8"]),
        (
            "text/csv",
            wide(&[0xff, 0xfe], u16::to_le_bytes),
            ["line 1 ", "UTF-16"],
        ),
        (
            "text/csv",
            wide(&[0xfe, 0xff], u16::to_be_bytes),
            ["line 1 ", "UTF-16"],
        ),
        (
            "text/csv",
            wide(&[], u16::to_le_bytes),
            ["line 1 ", "UTF-16"],
        ),
        (
            "text/csv",
            wide(&[], u16::to_be_bytes),
            ["line 1 ", "UTF-16"],
        ),
    ] {
        let ask = app.ask(Method::POST, ROUTE).key(&key);
        let answer = ask.header("content-type", media).body(file).send().await;
        answer.is_refused(422, "invalid_body");
        let message = answer.body["error"]["message"].as_str().unwrap();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
    assert_eq!(app.on_disk(), 0);
    // JSON that is not UTF-8 is no JSON.
    let ask = app.ask(Method::POST, ROUTE).key(&key);
    let ask = ask.header("content-type", "application/json");
    let answer = ask.body(b"{\"email\":\n\"zo\xeb\"}".to_vec()).send().await;
    answer.is_refused(400, "invalid_json");
    // A character that stands nowhere spoils its own row.
    let ask = app.ask(Method::POST, ROUTE).key(&key);
    let file = "email\nada\0@person.example\nben@person.example\n";
    let answer = ask
        .header("content-type", "text/csv")
        .body(file)
        .send()
        .await;
    assert_eq!(answer.body["recorded"], 1, "{}", answer.text);
    assert_eq!(answer.body["results"][0]["line"], 2, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_is_a_formula_in_the_file_and_each_comes_back_as_it_was() {
    let app = spawn_app().await;
    let key = writer(&app);
    let addresses = [
        "=cmd@person.example",
        "+49@person.example",
        "-1@person.example",
        "'o@person.example",
    ];
    let entries: Vec<Value> = addresses
        .iter()
        .map(|email| json!({"email": email}))
        .collect();
    let answer = app
        .post(ROUTE, &key, &json!({"suppressions": entries}))
        .await;
    assert_eq!(answer.body["recorded"], 4, "{}", answer.text);
    let csv = format!("{ROUTE}?format=csv");
    let file = app.get_with(&csv, &key).await.text;
    for address in addresses {
        assert!(file.contains(&format!("\n'{address},")), "{file}");
        let plain = address.replace('+', "%2B");
        lift(&app, &key, &format!("?email={plain}")).await;
    }
    let ask = app.ask(Method::POST, ROUTE).key(&key);
    let answer = ask
        .header("content-type", "text/csv")
        .body(file.clone())
        .send()
        .await;
    assert_eq!(answer.body["recorded"], 4, "{}", answer.text);
    assert_eq!(app.get_with(&csv, &key).await.text, file);
}
