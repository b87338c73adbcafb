//! Clients that say nothing, or hardly anything: each is answered or cut off in the documented time.
//!
//! The clock of the runtime is paused: it jumps to the next timer whenever everything else waits, so
//! that half a minute of silence takes no time.

use std::time::Duration;

use collector::body::BODY_TIMEOUT;
use collector::server::{HEADER_TIMEOUT, IDLE_TIMEOUT, WRITE_TIMEOUT};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::{TestApp, spawn_app};

/// Sends `start`, then one byte of `drip` every `pause`, until the server closes the connection.
/// Returns what it said and how long it took.
async fn dribble(app: &TestApp, start: &str, drip: &str, pause: Duration) -> (String, Duration) {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let began = Instant::now();
    stream.write_all(start.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let dripping = async {
        for byte in drip.bytes() {
            tokio::time::sleep(pause).await;
            if write.write_all(&[byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let limit = tokio::time::sleep(Duration::from_secs(600));
    tokio::select! {
        // A reset is an end like any other.
        _ = read.read_to_end(&mut answer) => {}
        () = dripping => {}
        () = limit => panic!("the connection is still open"),
    }
    (
        String::from_utf8_lossy(&answer).into_owned(),
        began.elapsed(),
    )
}

#[track_caller]
fn within(took: Duration, limit: Duration) {
    let slack = Duration::from_secs(6);
    assert!(took <= limit + slack, "{took:?} is over {limit:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed() {
    let app = spawn_app().await;
    let (answer, took) = dribble(&app, "", "", Duration::from_secs(1)).await;
    assert_eq!(answer, "");
    within(took, HEADER_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_falls_silent_after_a_request_is_closed() {
    let app = spawn_app().await;
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let (answer, took) = dribble(&app, request, "", Duration::from_secs(1)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    within(took, IDLE_TIMEOUT);
    assert!(took >= IDLE_TIMEOUT, "{took:?}");
}

/// Asks on a connection that stays open, and reads the answer.
async fn ask_on(stream: &mut TcpStream) {
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with('}') {
        let mut part = [0; 1_024];
        let length = stream.read(&mut part).await.unwrap();
        assert_ne!(length, 0, "{answer}");
        answer.push_str(std::str::from_utf8(&part[..length]).unwrap());
    }
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_stays_open_between_requests_for_as_long_as_it_may_be_idle() {
    let app = spawn_app().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    for _ in 0..3 {
        ask_on(&mut stream).await;
        tokio::time::sleep(IDLE_TIMEOUT - Duration::from_secs(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_request_has_no_more_time_for_its_header_than_the_first() {
    let app = spawn_app().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    ask_on(&mut stream).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let began = Instant::now();
    let (mut read, mut write) = stream.split();
    let dripping = async {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    let limit = tokio::time::sleep(Duration::from_secs(600));
    tokio::select! {
        // A reset is an end like any other.
        _ = read.read_to_end(&mut answer) => {}
        () = dripping => {}
        () = limit => panic!("the connection is still open"),
    }
    assert_eq!(answer, b"");
    within(began.elapsed(), HEADER_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_being_answered_has_no_deadline() {
    let app = spawn_app().await;
    // The live stream says something now and then, for as long as it is read.
    let start = format!(
        "GET /v1/live HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\n\r\n",
        app.key
    );
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(start.as_bytes()).await.unwrap();
    let began = Instant::now();
    let mut part = [0; 1_024];
    while began.elapsed() < 3 * IDLE_TIMEOUT {
        assert_ne!(stream.read(&mut part).await.unwrap(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dripping_header_is_cut_off() {
    let app = spawn_app().await;
    let drip = "X-Padding: ".to_owned() + &"x".repeat(1_000);
    let start = "POST /v1/track/event HTTP/1.1\r\nHost: x\r\n";
    let (_, took) = dribble(&app, start, &drip, Duration::from_secs(1)).await;
    within(took, HEADER_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_dripping_body_is_answered_408_and_closed() {
    let app = spawn_app().await;
    for length in [100, 1_000_000_000] {
        let start = format!(
            "POST /v1/track/event HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nX-API-Key: {}\r\n\r\n{{",
            app.key
        );
        let (answer, took) = dribble(&app, &start, &" ".repeat(90), Duration::from_secs(1)).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains("\"code\":\"body_timeout\""), "{answer}");
        assert!(
            answer
                .to_lowercase()
                .contains("access-control-allow-origin: *"),
            "{answer}"
        );
        assert!(
            answer.to_lowercase().contains("connection: close"),
            "{answer}"
        );
        within(took, BODY_TIMEOUT);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_answered_408_on_every_way_to_send_one() {
    let app = spawn_app().await;
    for framing in [
        "Content-Length: 100",
        "Transfer-Encoding: chunked",
        "Expect: 100-continue\r\nContent-Length: 5",
    ] {
        let start = format!("POST /v1/track/batch HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n");
        let (answer, took) = dribble(&app, &start, "", Duration::from_secs(1)).await;
        assert!(answer.contains("HTTP/1.1 408"), "{answer}");
        within(took, BODY_TIMEOUT);
    }
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_body_that_came_too_late_is_no_request() {
    let app = spawn_app().await;
    let start = format!(
        "POST /v1/identify HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\nX-API-Key: {}\r\n\r\n",
        app.key
    );
    let smuggled = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let (answer, _) = dribble(&app, &start, smuggled, Duration::from_millis(900)).await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_its_answers_is_closed() {
    let app = spawn_app().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let requests = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let began = Instant::now();
    let flood = async { while stream.write_all(requests.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(600), flood)
        .await
        .expect("the server gives up");
    within(began.elapsed(), WRITE_TIMEOUT);
}
