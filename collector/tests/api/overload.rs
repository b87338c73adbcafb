//! More requests in work than may be.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{PERSON, spawn_app};

#[tokio::test(flavor = "multi_thread")]
async fn more_than_4096_requests_in_work_are_503_at_once_and_readable_in_a_page() {
    // Arrange: as many requests whose bodies never come.
    let app = spawn_app().await;
    let head = format!(
        "POST /v1/track/event HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nX-API-Key: {}\r\n\r\n",
        app.key
    );
    let mut stalled = Vec::new();
    for _ in 0..4_096 {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    // Act: until the server has read all of their heads.
    let event = json!({"email": PERSON, "event": "x"});
    let deadline = Instant::now() + Duration::from_secs(20);
    let answer = loop {
        let answer = app.post("/v1/track/event", &app.key, &event).await;
        if answer.status != 200 {
            break answer;
        }
        assert!(Instant::now() < deadline, "it never has too much to do");
    };
    // Assert
    answer.is_refused(503, "overloaded");
    app.get("/v1/events").await.is_refused(503, "overloaded");
    // Whoever asks how the process is, and preflights, still gets an answer.
    for (method, path, status) in [
        (Method::GET, "/healthz", 200),
        (Method::GET, "/metrics", 200),
        (Method::OPTIONS, "/v1/track/event", 204),
    ] {
        assert_eq!(app.ask(method, path).send().await.status, status);
    }
    // Room is made as soon as they go.
    drop(stalled);
    loop {
        let answer = app.post("/v1/track/event", &app.key, &event).await;
        if answer.status == 200 {
            break;
        }
        answer.is_refused(503, "overloaded");
        assert!(Instant::now() < deadline, "it never recovers");
    }
}
