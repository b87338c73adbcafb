//! How large a request may be.

use reqwest::Method;
use serde_json::json;

use crate::support::{PERSON, event_of, gzip, spawn_app};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_32_kb_passes_and_one_byte_more_is_413() {
    let app = spawn_app().await;
    assert_eq!(event_of(32_768).len(), 32_768);
    app.post_text("/v1/track/event", event_of(32_768))
        .await
        .is_tracked();
    for route in [
        "/v1/track/event",
        "/v1/track/purchase",
        "/v1/track/refund",
        "/v1/identify",
    ] {
        let answer = app.post_text(route, event_of(32_769)).await;
        answer.is_refused(413, "body_too_large");
        assert!(answer.message().contains("32768"), "{}", answer.text);
    }
    assert_eq!(app.on_disk(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_1_mb_passes_and_one_byte_more_is_413() {
    let app = spawn_app().await;
    let batch = |bytes: usize| {
        let bare = r#"{"events":[]}"#.len();
        let count = 40;
        let each = (bytes - bare - (count - 1)) / count;
        let last = bytes - bare - (count - 1) - each * (count - 1);
        let mut events = vec![event_of(each); count - 1];
        events.push(event_of(last));
        format!(r#"{{"events":[{}]}}"#, events.join(","))
    };
    let largest = batch(1_048_576);
    assert_eq!(largest.len(), 1_048_576);
    let answer = app.post_text("/v1/track/batch", largest.clone()).await;
    assert!(
        answer
            .results()
            .iter()
            .all(|result| result["status"] == "tracked")
    );
    app.post_text("/v1/track/batch", batch(1_048_577))
        .await
        .is_refused(413, "body_too_large");
    // The same measured after decompression.
    let zipped = async |text: String| {
        let ask = app.ask(Method::POST, "/v1/track/batch").key(&app.key);
        ask.header("content-encoding", "gzip")
            .body(gzip(text.as_bytes()))
            .send()
            .await
    };
    assert_eq!(zipped(largest).await.results().len(), 40);
    zipped(batch(1_048_577))
        .await
        .is_refused(413, "body_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_sends_far_too_much_still_gets_the_answer() {
    let app = spawn_app().await;
    for bytes in [100_000, 4_000_000] {
        let answer = app.post_text("/v1/track/event", vec![b' '; bytes]).await;
        answer.is_refused(413, "body_too_large");
    }
}

/// Resident memory of this process, in KB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1))
        .map_or(0, |kb| kb.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gzip_bomb_costs_little_memory() {
    let app = spawn_app().await;
    // 400 MB of spaces, as several members of one stream, in less than half a megabyte.
    let bomb = gzip(&vec![b' '; 10_000_000]).repeat(40);
    assert!(bomb.len() < 500_000, "{}", bomb.len());
    let before = resident();
    for route in ["/v1/track/batch", "/v1/track/event"] {
        let ask = app
            .ask(Method::POST, route)
            .key(&app.key)
            .header("content-encoding", "gzip");
        ask.body(bomb.clone())
            .send()
            .await
            .is_refused(413, "body_too_large");
    }
    // Other tests run beside this one in the same process, hence the wide margin.
    assert!(resident() < before + 200_000, "{} KB", resident() - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_nesting_is_refused_and_breaks_nothing() {
    let app = spawn_app().await;
    let deep = format!("{}{}", "[".repeat(15_000), "]".repeat(15_000));
    let event = format!(r#"{{"email":"{PERSON}","event":"x","properties":{{"a":{deep}}}}}"#);
    app.post_text("/v1/track/event", event)
        .await
        .is_refused_for("properties", "too_deep");
    app.post_text("/v1/track/event", deep)
        .await
        .is_refused(422, "invalid_body");
    app.post(
        "/v1/track/event",
        &app.key,
        &json!({"email": PERSON, "event": "x"}),
    )
    .await
    .is_tracked();
}
