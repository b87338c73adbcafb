//! `seq`: an order that callers may keep and compare as text, that is never given twice, and that
//! tells nobody how much others send.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{Answer, PERSON, TestApp, new_id, spawn_app, spawn_app_at_rest};
use crate::upgrade::kept;
use crate::upgrade_retries::Upgraded;

/// The parts of a seq: generation, microseconds since 1970, index.
#[track_caller]
fn parts(seq: &str) -> (u8, u64, u32) {
    assert_eq!(seq.len(), 24, "{seq}");
    assert!(seq.bytes().all(|byte| byte.is_ascii_digit()), "{seq}");
    let (generation, rest) = seq.split_at(2);
    let (micros, index) = rest.split_at(16);
    (
        generation.parse().unwrap(),
        micros.parse().unwrap(),
        index.parse().unwrap(),
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is compared with what the server's clock says"
)]
fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_micros()).unwrap()
}

async fn send(app: &TestApp, key: &str) -> Answer {
    let event = json!({"email": PERSON, "event": "viewed"});
    app.post("/v1/track/event", key, &event).await
}

async fn seq_of(app: &TestApp, key: &str) -> String {
    send(app, key).await.is_tracked().text_of("seq")
}

async fn send_many(app: &TestApp, key: &str, count: usize) -> Vec<Value> {
    let event = json!({"type": "track", "event": "viewed", "email": PERSON});
    let batch = json!({"events": vec![event; count]});
    let answer = app.post("/v1/track/batch", key, &batch).await;
    answer.results().to_vec()
}

/// Every read that takes `minSeq`, with a key that may ask.
fn reads(app: &TestApp) -> Vec<(String, String)> {
    let key = app.secret(&[Scope::Read, Scope::Contacts]);
    [
        "/v1/events?",
        "/v1/contacts?email=alice@person.example&",
        "/v1/reports/messages/m?",
        "/v1/reports/campaigns/c?",
        "/v1/reports/revenue?",
    ]
    .map(|path| (path.to_owned(), key.clone()))
    .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seq_tells_the_time_and_nothing_of_what_others_send() {
    let app = spawn_app().await;
    let elsewhere = app.key_elsewhere();
    for others in [0, 1, 7, 1_000] {
        let began = now_micros();
        let before = seq_of(&app, &app.key).await;
        for _ in 0..others % 10 {
            seq_of(&app, &elsewhere).await;
        }
        if others > 0 {
            send_many(&app, &elsewhere, others).await;
        }
        let after = seq_of(&app, &app.key).await;
        let ended = now_micros();
        let ((1, first, 0), (1, second, 0)) = (parts(&before), parts(&after)) else {
            panic!("{before} {after}");
        };
        assert!(
            began <= first && first < second && second <= ended,
            "{began} {before} {after} {ended}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_batch_are_counted_within_their_workspace() {
    let app = spawn_app().await;
    let elsewhere = app.key_elsewhere();
    let (ours, theirs) = tokio::join!(
        send_many(&app, &app.key, 1_000),
        send_many(&app, &elsewhere, 1_000)
    );
    for results in [ours, theirs] {
        let seqs: Vec<_> = results
            .iter()
            .map(|result| parts(result["seq"].as_str().unwrap()))
            .collect();
        let (generation, micros, _) = seqs[0];
        let wanted: Vec<_> = (0..1_000)
            .map(|index| (generation, micros, index))
            .collect();
        assert_eq!(seqs, wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_told_no_seq() {
    let app = spawn_app().await;
    let shop = app.shop();
    let id = new_id();
    let event = json!({"email": PERSON, "event": "viewed", "id": id});
    let order = json!({"email": PERSON, "orderId": "o", "revenue": 1, "currency": "USD"});
    for (path, body) in [
        ("/v1/track/event", &event),
        // The same again.
        ("/v1/track/event", &event),
        ("/v1/identify", &json!({"email": PERSON, "traits": {}})),
        ("/v1/track/purchase", &order),
        ("/v1/track/purchase", &order),
    ] {
        let answer = app.post(path, &shop, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(!answer.text.contains("seq"), "{path}: {}", answer.text);
    }
    let event = json!({"type": "track", "email": PERSON, "event": "viewed", "id": id});
    let events = json!({"events": [event, {"type": "track", "email": PERSON, "event": "new"}, {"type": "track"}]});
    let answer = app.post("/v1/track/batch", &shop, &events).await;
    assert_eq!(answer.results()[1]["status"], "tracked");
    assert!(!answer.text.contains("seq"), "{}", answer.text);
    // In a body it is the same key.
    let body = json!({"key": shop, "email": PERSON, "event": "viewed"}).to_string();
    let answer = app
        .ask(Method::POST, "/v1/track/event")
        .header("content-type", "text/plain")
        .body(body)
        .send()
        .await;
    assert!(!answer.is_tracked().text.contains("seq"), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_has_one_seq_wherever_it_is_shown() {
    let app = spawn_app().await;
    let event = json!({"email": PERSON, "event": "viewed", "id": new_id()});
    let answer = app.post("/v1/track/event", &app.key, &event).await;
    let (id, seq) = (answer.is_tracked().text_of("id"), answer.text_of("seq"));
    parts(&seq);
    let again = app.post("/v1/track/event", &app.key, &event).await;
    again.is_duplicate_of(&answer);
    assert_eq!(again.text_of("seq"), seq);
    let mut in_batch = event.clone();
    in_batch["type"] = json!("track");
    let batch = json!({"events": [in_batch, in_batch]});
    let answer = app.post("/v1/track/batch", &app.key, &batch).await;
    for result in answer.results() {
        assert_eq!(
            (&result["status"], &result["seq"]),
            (&json!("duplicate"), &json!(seq))
        );
    }
    assert_eq!(app.receipt(&id).await.text_of("seq"), seq);
    assert_eq!(app.listed(&seq).await["id"], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_of_many_commits_have_the_seqs_of_the_first() {
    let app = spawn_app().await;
    let elsewhere = app.key_elsewhere();
    let mut events = Vec::new();
    let mut seqs = Vec::new();
    for number in 0..40 {
        let event = json!({"type": "track", "email": PERSON, "event": "viewed", "id": new_id()});
        let answer = app
            .post("/v1/track/batch", &app.key, &json!({"events": [event]}))
            .await;
        seqs.push(answer.results()[0]["seq"].clone());
        events.push(event);
        send_many(&app, &elsewhere, 1 + number % 3).await;
    }
    // In another order than they came.
    events.reverse();
    seqs.reverse();
    let answer = app
        .post("/v1/track/batch", &app.key, &json!({"events": events}))
        .await;
    let again: Vec<_> = answer
        .results()
        .iter()
        .map(|one| one["seq"].clone())
        .collect();
    assert_eq!(again, seqs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seq_that_this_store_never_gave_is_unknown_to_every_read() {
    let app = spawn_app().await;
    let elsewhere = app.key_elsewhere();
    let theirs = seq_of(&app, &elsewhere).await;
    let batch = send_many(&app, &elsewhere, 3).await;
    let third_of_theirs = batch[2]["seq"].as_str().unwrap().to_owned();
    let ours = seq_of(&app, &app.key).await;
    app.caught_up().await;
    let future = format!("01{}000000", now_micros() + 3_600_000_000);
    let changed =
        |from: usize, to: usize, by: &str| format!("{}{by}{}", &ours[..from], &ours[to..]);
    let unknown = [
        // Another workspace's.
        theirs,
        third_of_theirs,
        future,
        // Of another generation, of an older store, of another time, one further.
        changed(0, 2, "02"),
        changed(0, 2, "99"),
        changed(0, 2, "00"),
        changed(2, 18, "0000000000000001"),
        changed(2, 18, "9999999999999999"),
        changed(18, 24, "000001"),
        changed(18, 24, "999999"),
        "000000000000000000000000".to_owned(),
        "000000000000000000000001".to_owned(),
        "999999999999999999999999".to_owned(),
        // Numbers of an older store, which this is not.
        "0".to_owned(),
        "1".to_owned(),
        "4".to_owned(),
        "18446744073709551615".to_owned(),
        // No seqs at all.
        "99999999999999999999".to_owned(),
        "x".to_owned(),
        "-1".to_owned(),
        "%2B1".to_owned(),
        format!("{ours}0"),
        ours[1..].to_owned(),
        format!("%20{ours}"),
    ];
    for (path, key) in reads(&app) {
        for seq in &unknown {
            let start = Instant::now();
            let answer = app.get_with(&format!("{path}minSeq={seq}"), &key).await;
            answer.is_refused_for("minSeq", "unknown_seq");
            assert!(answer.message().contains("minSeq"), "{}", answer.text);
            assert!(start.elapsed() < Duration::from_secs(2), "it waits in vain");
        }
        let answer = app.get_with(&format!("{path}minSeq={ours}"), &key).await;
        assert!(
            [200, 404].contains(&answer.status),
            "{path} {}",
            answer.text
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seq_that_the_view_does_not_reach_is_view_behind_within_two_seconds() {
    let app = spawn_app().await;
    app.app.projector.close().await.unwrap();
    let seq = seq_of(&app, &app.key).await;
    for (path, key) in reads(&app) {
        let start = Instant::now();
        let answer = app.get_with(&format!("{path}minSeq={seq}"), &key).await;
        answer.is_refused(503, "view_behind");
        let took = start.elapsed();
        assert!(
            (Duration::from_millis(1_800)..Duration::from_secs(4)).contains(&took),
            "{path}: {took:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_lead_through_the_workspaces_own_events() {
    let app = spawn_app().await;
    let elsewhere = app.key_elsewhere();
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(send(&app, &app.key).await.text_of("id"));
        send_many(&app, &elsewhere, 2).await;
    }
    ids.reverse();
    let theirs = seq_of(&app, &elsewhere).await;
    app.caught_up().await;
    let ids_of = |page: &Answer| -> Vec<String> {
        let events = page.body["events"].as_array().unwrap();
        events
            .iter()
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut found = Vec::new();
    let mut path = "/v1/events?limit=2".to_owned();
    loop {
        let page = app.get(&path).await;
        found.extend(ids_of(&page));
        let Some(next) = page.body["next"].as_str() else {
            break;
        };
        let last = page.body["events"].as_array().unwrap().last().unwrap();
        assert_eq!(last["seq"], next);
        path = format!("/v1/events?limit=2&cursor={next}");
    }
    assert_eq!(found, ids);
    // One that leads to no event of the workspace is a place in time all the same.
    let page = app.get(&format!("/v1/events?cursor={theirs}")).await;
    assert_eq!(ids_of(&page), ids);
    let page = app.get("/v1/events?cursor=000000000000000000000009").await;
    assert_eq!(ids_of(&page), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn seqs_go_on_rising_where_the_clock_steps_back() {
    let (app, clock) = spawn_app_at_rest().await;
    // Far ahead of the machine's clock, which counts after the restart.
    clock.advance_millis(40 * 365 * 24 * 3_600_000);
    let mut last = seq_of(&app, &app.key).await;
    for step in [0, -1, -3_600_000, 0, 1_000] {
        clock.advance_millis(step);
        let next = seq_of(&app, &app.key).await;
        assert!(next > last, "{next} after {last}");
        last = next;
    }
    let (app, _) = app.restart().await;
    let next = seq_of(&app, &app.key).await;
    assert!(next > last, "{next} after {last}");
    app.listed(&next).await;
}

/// What a store from before these seqs gave out were places in the log; callers still hold them.
#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_an_older_store_stay_valid_and_sort_below() {
    let reads: Value = kept("reads.json");
    let store = Upgraded::start().await;
    let app = &store.app;
    app.caught_up().await;
    let readers = [
        ("server", &app.key, &store.elsewhere),
        ("elsewhere", &store.elsewhere, &app.key),
    ];
    let mut newest = String::new();
    for (sender, key, foreign) in readers {
        let before = &reads[sender]["/v1/events?limit=1000"]["body"]["events"];
        let page = app.get_with("/v1/events?limit=1000", key).await;
        let events = page.body["events"].as_array().unwrap();
        assert_eq!(events.len(), before.as_array().unwrap().len());
        for (event, before) in events.iter().zip(before.as_array().unwrap()) {
            assert_eq!(event["id"], before["id"]);
            let number = before["seq"].as_str().unwrap();
            let seq = format!("{number:0>24}");
            assert_eq!(event["seq"], seq);
            let read = async |key: &str, seq: &str| {
                let path = format!("/v1/events?limit=1&minSeq={seq}");
                app.get_with(&path, key).await
            };
            for spelled in [number, &seq] {
                assert_eq!(read(key, spelled).await.status, 200, "{spelled}");
                read(foreign, spelled)
                    .await
                    .is_refused_for("minSeq", "unknown_seq");
            }
            newest = newest.max(seq);
        }
        let at = events.len() / 2;
        let number = before[at]["seq"].as_str().unwrap();
        let path = format!("/v1/events?limit=1000&cursor={number}");
        let rest = app.get_with(&path, key).await;
        assert_eq!(rest.body["events"].as_array().unwrap(), &events[at + 1..]);
    }
    let first = seq_of(app, &app.key).await;
    let second = seq_of(app, &store.elsewhere).await;
    assert!(
        newest < first && newest < second,
        "{newest} {first} {second}"
    );
    assert_eq!((parts(&first).0, parts(&second).0), (1, 1));
    // A number that counts on was never given.
    for number in 80..90 {
        let seq = format!("{number:0>24}");
        if seq > newest {
            let path = format!("/v1/events?minSeq={number}");
            let answer = app.get(&path).await;
            answer.is_refused_for("minSeq", "unknown_seq");
        }
    }
}
