//! Floods cost their sender: bodies, memory and rates, each with somebody else beside it who notices
//! nothing.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::{KeyKind, Scope};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Answer, PERSON, TestApp, gzip, new_id, spawn_app, spawn_app_behind};

const MB: usize = 1024 * 1024;
const STRANGER: &str = "203.0.113.7";

fn event() -> Value {
    json!({"email": PERSON, "event": "x"})
}

fn batch(events: usize) -> Value {
    let event = json!({"type": "track", "email": PERSON, "event": "x"});
    json!({"events": vec![event; events]})
}

/// As a page at that address sends it, with its key in the header.
async fn from(
    app: &TestApp,
    address: &str,
    path: &str,
    key: &str,
    body: impl Into<Vec<u8>>,
) -> Answer {
    let ask = app.ask(Method::POST, path).header("x-api-key", key);
    ask.header("x-forwarded-for", address)
        .body(body)
        .send()
        .await
}

/// Asks until the answer has another status, and returns that one.
async fn until_not(status: u16, mut ask: impl AsyncFnMut() -> Answer) -> (usize, Answer) {
    for asked in 0..20_000 {
        let answer = ask().await;
        if answer.status != status {
            return (asked, answer);
        }
    }
    panic!("it is always {status}");
}

// --- Bodies ---

#[tokio::test(flavor = "multi_thread")]
async fn of_whom_may_register_no_message_nothing_is_read() {
    let app = spawn_app().await;
    let (public, sender) = (app.public(&[]), app.secret(&[Scope::Send]));
    let unknown = "X-API-Key: msk_sec_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".to_owned();
    let keys = [
        (String::new(), "401", "missing_key"),
        (unknown, "401", "invalid_key"),
        (
            format!("X-API-Key: {public}\r\n"),
            "403",
            "insufficient_scope",
        ),
        (
            format!("Authorization: Bearer {sender}\r\n"),
            "403",
            "insufficient_scope",
        ),
    ];
    for path in ["/v1/messages", "/v1/messages/batch"] {
        for (key, status, code) in &keys {
            // Not one byte of the body ever comes.
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
                 Content-Encoding: gzip\r\nContent-Length: 33554432\r\nConnection: close\r\n{key}\r\n"
            );
            let answer = app.raw(head.as_bytes()).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
            assert!(answer.contains(code), "{answer}");
        }
    }
    assert_eq!(
        app.series(r#"misar_bodies_refused_total{reason="no_key"}"#)
            .await,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_gzip_members_are_refused_with_and_without_a_key() {
    let app = spawn_app().await;
    let writer = app.secret(&[Scope::Write]);
    for member in [gzip(b""), gzip(b" "), gzip(b"{}")] {
        for (path, bytes) in [
            ("/v1/track/batch", MB),
            ("/v1/track/event", 32_000),
            ("/v1/identify", 32_000),
            ("/v1/messages", 8 * MB),
            ("/v1/messages/batch", 8 * MB),
        ] {
            let body = member.repeat(bytes / member.len());
            let started = Instant::now();
            let ask = app.ask(Method::POST, path).key(&writer);
            let ask = ask.header("content-encoding", "gzip").body(body.clone());
            ask.send().await.is_refused(400, "invalid_encoding");
            if !path.starts_with("/v1/messages") {
                let ask = app.ask(Method::POST, path);
                let ask = ask.header("content-encoding", "gzip").body(body);
                ask.send().await.is_refused(400, "invalid_encoding");
            }
            // Inflating all of them took 21 s; this is no measurement.
            assert!(started.elapsed() < Duration::from_secs(10));
        }
    }
    assert!(
        app.series(r#"misar_bodies_refused_total{reason="gzip_members"}"#)
            .await
            >= 24
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_inflates_out_of_all_proportion_is_413_and_counted() {
    let app = spawn_app().await;
    let writer = app.secret(&[Scope::Write]);
    let bomb = gzip(&vec![b' '; 32 * MB]);
    assert!(bomb.len() < 40_000);
    for path in [
        "/v1/track/batch",
        "/v1/track/event",
        "/v1/messages",
        "/v1/messages/batch",
    ] {
        let ask = app.ask(Method::POST, path).key(&writer);
        let ask = ask.header("content-encoding", "gzip").body(bomb.clone());
        ask.send().await.is_refused(413, "body_too_large");
    }
    assert_eq!(
        app.series(r#"misar_bodies_refused_total{reason="too_large"}"#)
            .await,
        2
    );
    assert_eq!(
        app.series(r#"misar_bodies_refused_total{reason="gzip_ratio"}"#)
            .await,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_batches_that_compress_well_are_taken() {
    let app = spawn_app().await;
    let text = batch(1_000).to_string();
    let packed = gzip(text.as_bytes());
    assert!(text.len() / packed.len() > 100);
    let ask = app.ask(Method::POST, "/v1/track/batch").key(&app.key);
    let ask = ask.header("content-encoding", "gzip").body(packed);
    assert_eq!(ask.send().await.results().len(), 1_000);
}

// --- The memory of bodies ---

/// Opens so many bodies of a batch and leaves each one byte short.
async fn hold(app: &TestApp, count: usize, length: usize, headers: &str) -> Vec<TcpStream> {
    let mut head = format!(
        "POST /v1/track/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n{headers}\r\n"
    )
    .into_bytes();
    head.resize(head.len() + length - 1, b' ');
    let mut held = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        // Where it was refused the rest goes nowhere.
        stream.write_all(&head).await.ok();
        held.push(stream);
    }
    held
}

/// Waits until one of them was answered, and says what.
async fn first_answer(held: &mut [TcpStream]) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        for stream in held.iter_mut() {
            let mut answer = vec![0; 4_096];
            let read = stream.read(&mut answer);
            if let Ok(Ok(length @ 1..)) = tokio::time::timeout(Duration::from_millis(1), read).await
            {
                answer.truncate(length);
                return String::from_utf8(answer).unwrap();
            }
        }
        assert!(Instant::now() < deadline, "nothing bounds it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_one_address_fill_its_share_and_nobody_elses() {
    let app = spawn_app_behind(&["127.0.0.1/32"]).await;
    let mut held = hold(&app, 20, MB, &format!("X-Forwarded-For: {STRANGER}\r\n")).await;
    assert!(first_answer(&mut held).await.starts_with("HTTP/1.1 503"));
    let page = app.public(&[]);
    let body = |events| {
        let mut batch = batch(events);
        batch["key"] = json!(page);
        batch.to_string()
    };
    for address in ["198.51.100.1", "203.0.114.7", "2001:db8::1"] {
        let ask = app.ask(Method::POST, "/v1/track/batch");
        let ask = ask.header("x-forwarded-for", address).body(body(900));
        assert_eq!(ask.send().await.results().len(), 900, "{address}");
    }
    // Nor a server's: a proven key has a memory of its own.
    app.post("/v1/track/event", &app.key, &event())
        .await
        .is_tracked();
    assert!(
        app.series(r#"misar_bodies_refused_total{reason="address_share"}"#)
            .await
            > 0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_makes_room_for_who_comes() {
    let app = spawn_app_behind(&["127.0.0.1/32"]).await;
    let from = format!("X-Forwarded-For: {STRANGER}\r\n");
    let mut held = hold(&app, 12, MB, &from).await;
    // In a moment they are slow, and this one fits.
    let batch = batch(500).to_string();
    let body = format!(
        r#"{}{{"key":"{}",{}"#,
        " ".repeat(900_000),
        app.public(&[]),
        &batch[1..]
    );
    let slow = r#"misar_bodies_refused_total{reason="slow"}"#;
    let deadline = Instant::now() + Duration::from_secs(30);
    while app.series(slow).await == 0 {
        let ask = app.ask(Method::POST, "/v1/track/batch");
        let ask = ask.header("x-forwarded-for", STRANGER).body(body.clone());
        // However often it takes: it may come to the rate of its key meanwhile, and who is told to wait is
        // told so before all of the body was sent.
        if let Ok(answer) = ask.try_open().await {
            let status = answer.status().as_u16();
            assert!(matches!(status, 200 | 429 | 503), "{status}");
            if status == 200 {
                // There was room: two that came at once may have refused each other.
                held.extend(hold(&app, 1, MB, &from).await);
            }
        }
        assert!(Instant::now() < deadline, "nobody makes room");
    }
    let mut told = first_answer(&mut held).await;
    while !told.starts_with("HTTP/1.1 408") {
        assert!(told.starts_with("HTTP/1.1 503"), "{told}");
        told = first_answer(&mut held).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_fills_its_share_leaves_another_its_largest_request() {
    let app = spawn_app().await;
    let (flooder, second) = (
        app.key_of_other("flooder", KeyKind::Secret, &[Scope::Send]),
        app.key_of_other("flooder", KeyKind::Secret, &[Scope::Send]),
    );
    let mut held = hold(&app, 72, MB, &format!("X-API-Key: {flooder}\r\n")).await;
    assert!(first_answer(&mut held).await.starts_with("HTTP/1.1 503"));
    let mut more = hold(&app, 30, MB, &format!("X-API-Key: {second}\r\n")).await;
    assert!(first_answer(&mut more).await.starts_with("HTTP/1.1 503"));
    for reason in ["key_share", "workspace_share"] {
        let series = format!(r#"misar_bodies_refused_total{{reason="{reason}"}}"#);
        assert!(app.series(&series).await > 0, "{reason}");
    }
    // It is read to its end, and is no JSON only then.
    let ask = app
        .ask(Method::POST, "/v1/messages")
        .key(&app.secret(&[Scope::Write]));
    let answer = ask.body(vec![b' '; 32 * MB]).send().await;
    answer.is_refused(400, "invalid_json");
}

// --- Rates ---

#[tokio::test(flavor = "multi_thread")]
async fn above_half_of_a_keys_rate_one_address_takes_a_tenth() {
    let app = spawn_app_behind(&["127.0.0.1/32"]).await;
    let key = app.slow_key(KeyKind::Public, 100);
    let body = event().to_string();
    let post =
        async |address: &str| from(&app, address, "/v1/track/event", &key, body.clone()).await;
    let (_, refused) = until_not(200, async || post(STRANGER).await).await;
    refused.is_refused(429, "rate_limited");
    assert!(refused.message().contains("address"), "{}", refused.text);
    // Its neighbours are as many as it has addresses, and another network notices nothing.
    let (passed, _) = until_not(200, async || post("203.0.113.250").await).await;
    assert!(passed < 50, "{passed}");
    for address in ["198.51.100.1", "198.51.101.1", "2001:db8::1"] {
        post(address).await.is_tracked();
    }
    assert!(
        app.series(r#"misar_rate_limits_total{limit="address"}"#)
            .await
            > 0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stands_for_many_has_all_of_a_keys_rate() {
    let app = spawn_app().await;
    let key = app.slow_key(KeyKind::Public, 100);
    let body = event().to_string();
    // A page on this machine; and behind a proxy that nobody named, everybody has one address.
    let post = async |forwarded: &'static str| {
        let ask = app
            .ask(Method::POST, "/v1/track/event")
            .header("x-api-key", &key);
        let ask = if forwarded.is_empty() {
            ask
        } else {
            ask.header("x-forwarded-for", forwarded)
        };
        ask.body(body.clone()).send().await
    };
    let (passed, refused) = until_not(200, async || post("").await).await;
    assert!(
        passed >= 100 && !refused.message().contains("address"),
        "{}",
        refused.text
    );
    let (_, refused) = until_not(200, async || post("203.0.113.7").await).await;
    assert!(!refused.message().contains("address"), "{}", refused.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_its_form_costs_a_public_key_nothing() {
    let app = spawn_app().await;
    let key = app.slow_key(KeyKind::Public, 5);
    let post = async |path: &'static str, body: Vec<u8>| {
        app.ask(Method::POST, path)
            .header("x-api-key", &key)
            .body(body)
            .send()
            .await
    };
    let bad_batch = json!({"events": [{"type": "track"}, {"type": "nothing"}, 5]}).to_string();
    let bad: [(&str, Vec<u8>, u16); 10] = [
        ("/v1/track/event", Vec::new(), 400),
        ("/v1/track/event", b"   \n ".to_vec(), 400),
        ("/v1/track/event", b"{".to_vec(), 400),
        ("/v1/track/event", b"[]".to_vec(), 422),
        ("/v1/track/event", b"{}".to_vec(), 422),
        ("/v1/track/event", vec![b' '; 40_000], 413),
        ("/v1/track/batch", b"{}".to_vec(), 422),
        ("/v1/track/batch", b"\xff\xfe".to_vec(), 400),
        ("/v1/track/purchase", b"{}".to_vec(), 403),
        ("/v1/track/batch", bad_batch.into_bytes(), 200),
    ];
    for _ in 0..3 {
        for (path, body, status) in &bad {
            let answer = post(path, body.clone()).await;
            assert_eq!(answer.status, *status, "{path} {}", answer.text);
        }
    }
    let answer = post("/v1/track/event", event().to_string().into()).await;
    assert_eq!(answer.is_tracked().header("ratelimit-remaining"), "4");
    assert!(
        app.series(r#"misar_bodies_refused_total{reason="empty"}"#)
            .await
            >= 6
    );
    assert!(
        app.series(r#"misar_requests_refused_total{code="malformed"}"#)
            .await
            >= 15
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_whose_requests_are_refused_is_told_429_and_others_are_not() {
    let app = spawn_app_behind(&["127.0.0.1/32"]).await;
    let bad_key = "msk_sec_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let post = async |address: &str, key: &str| {
        from(&app, address, "/v1/track/event", key, event().to_string()).await
    };
    let (passed, refused) = until_not(401, async || post(STRANGER, bad_key).await).await;
    assert!(passed >= 500, "{passed}");
    refused.is_refused(429, "rate_limited");
    post("198.51.100.1", bad_key)
        .await
        .is_refused(401, "invalid_key");
    // Who sends what is good is not concerned.
    post(STRANGER, &app.public(&[])).await.is_tracked();
    assert!(
        app.series(r#"misar_requests_refused_total{code="invalid_key"}"#)
            .await
            >= 500
    );
    assert!(
        app.series(r#"misar_rate_limits_total{limit="refusals"}"#)
            .await
            > 0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_counts_events_and_what_is_over_it_is_not_recorded() {
    let app = spawn_app().await;
    for kind in [KeyKind::Secret, KeyKind::Public] {
        let key = app.slow_key(kind, 50);
        let before = app.on_disk();
        let post = async |events| app.post("/v1/track/batch", &key, &batch(events)).await;
        // As many as the rate at once, and the next ones when there is room again.
        assert_eq!(post(50).await.header("ratelimit-remaining"), "0");
        let refused = post(40).await;
        refused.is_refused(429, "rate_limited");
        assert!(refused.message().contains("events"), "{}", refused.text);
        assert_eq!(app.on_disk(), before + 50);
        // Retrying costs nothing, so that it passes at last.
        let (_, answer) = until_not(429, async || post(40).await).await;
        assert_eq!(answer.results().len(), 40);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_larger_than_the_rate_passes_once_and_is_paid_for() {
    let app = spawn_app().await;
    let key = app.slow_key(KeyKind::Secret, 10);
    let post = async |events| app.post("/v1/track/batch", &key, &batch(events)).await;
    assert_eq!(post(100).await.results().len(), 100);
    let refused = post(1).await;
    refused.is_refused(429, "rate_limited");
    let wait: u32 = refused.header("retry-after").parse().unwrap();
    assert!((5..=10).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_workspace_costs_another_nothing() {
    let app = spawn_app().await;
    let flooder = app.slow_key_of_other("flooder", 50);
    let mine = app.slow_key(KeyKind::Public, 1_000_000);
    let flood = async || app.post("/v1/track/batch", &flooder, &batch(50)).await;
    for _ in 0..50 {
        flood().await;
        app.post("/v1/track/event", &mine, &event())
            .await
            .is_tracked();
    }
    let refused = app
        .series(r#"misar_rate_limits_total{limit="events"}"#)
        .await;
    assert!(refused > 0);
    let answer = app.post("/v1/track/event", &mine, &event()).await;
    assert_eq!(answer.is_tracked().header("ratelimit-remaining"), "999999");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_count_as_events_of_a_rate() {
    let app = spawn_app().await;
    let message = || json!({"email": PERSON, "messageId": new_id(), "text": "Hello"});
    let key = app.slow_writer(20);
    let body = json!({"messages": (0..20).map(|_| message()).collect::<Vec<_>>()});
    let answer = app.post("/v1/messages/batch", &key, &body).await;
    assert_eq!(answer.results().len(), 20);
    let answer = app.post("/v1/messages/batch", &key, &body).await;
    answer.is_refused(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_a_rate_and_counts_against_its_keys() {
    let app = spawn_app().await;
    let read = async |cookie: &str| {
        let ask = app.ask(Method::GET, "/v1/embeds").header("cookie", cookie);
        ask.header("sec-fetch-site", "same-origin").send().await
    };
    let key = app.secret(&[Scope::Read]);
    let one = crate::sessions::log_in(&app, json!({"key": key})).await;
    let other = crate::sessions::log_in(&app, json!({"key": key})).await;
    let (passed, refused) = until_not(200, async || read(&one.cookie).await).await;
    assert!(passed >= 1_000, "{passed}");
    refused.is_refused(429, "rate_limited");
    assert_eq!(read(&other.cookie).await.status, 200);
    // A key's own rate is not passed by opening sessions with it.
    let slow = app.slow_reader(5);
    let one = crate::sessions::log_in(&app, json!({"key": slow})).await;
    let (passed, refused) = until_not(200, async || read(&one.cookie).await).await;
    assert!(passed < 1_000, "{passed}");
    refused.is_refused(429, "rate_limited");
}
