//! More at once than may be: requests in flight, bodies on their way.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use shared::time::Timestamp;
use store::clock::{Clock, SystemClock};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::support::{Folder, PERSON, spawn_app, spawn_app_in, write_what_is_taken};

/// Both ends of each connection are in this process, and so are the other tests: all of them at once
/// would want more open files than a machine may allow.
static TURN: Mutex<()> = Mutex::const_new(());

/// Opens `count` connections and writes the same bytes to each, or as many of them as the server takes
/// before it refuses the rest.
async fn open(address: SocketAddr, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        write_what_is_taken(&mut stream, bytes).await;
        streams.push(stream);
    }
    streams
}

/// The machine's clock, and a log that waits for it as long as a test wants: the time of a commit is asked of
/// it behind everything else, so that requests are in flight without any haste.
#[derive(Default)]
struct SlowLog {
    stalled: std::sync::Mutex<bool>,
    went_on: Condvar,
}

/// No commit ends while this is held.
struct Stalled(Arc<SlowLog>);

impl Stalled {
    fn of(log: &Arc<SlowLog>) -> Self {
        *log.stalled.lock().unwrap() = true;
        Self(Arc::clone(log))
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        *self.0.stalled.lock().unwrap() = false;
        self.0.went_on.notify_all();
    }
}

impl Clock for SlowLog {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn now_micros(&self) -> u64 {
        let stalled = self.stalled.lock().unwrap();
        drop(self.went_on.wait_while(stalled, |stalled| *stalled));
        SystemClock.now_micros()
    }

    fn steady_micros(&self) -> u64 {
        SystemClock.steady_micros()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_4096_requests_in_work_are_503_at_once_and_readable_in_a_page() {
    // Arrange: no commit ends, and a few more events are posted than may be in flight.
    let _turn = TURN.lock().await;
    let log = Arc::new(SlowLog::default());
    let app = spawn_app_in(Folder::new(), Arc::clone(&log) as _).await;
    let stalled = Stalled::of(&log);
    let event = json!({"email": PERSON, "event": "x"});
    let body = event.to_string();
    let post = format!(
        "POST /v1/track/event HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nContent-Length: {}\r\n\r\n{body}",
        app.key,
        body.len()
    );
    let posts = open(app.address, 4_096 + 64, post.as_bytes()).await;
    // Act: until the server has taken up as many as it does.
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut status = [0; 12];
    while !posts
        .iter()
        .any(|stream| matches!(stream.try_read(&mut status), Ok(12)))
    {
        assert!(Instant::now() < deadline, "it never has too much to do");
        tokio::task::yield_now().await;
    }
    // Assert
    assert_eq!(String::from_utf8_lossy(&status), "HTTP/1.1 503");
    let answer = app.post("/v1/track/event", &app.key, &event).await;
    answer.is_refused(503, "overloaded");
    // Whoever asks how the process is, and preflights, still gets an answer.
    for (method, path, status) in [
        (Method::GET, "/healthz", 200),
        (Method::GET, "/metrics", 200),
        (Method::OPTIONS, "/v1/track/event", 204),
    ] {
        assert_eq!(app.ask(method, path).send().await.status, status);
    }
    // Room is made as soon as they have been answered.
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

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_never_come_take_nobody_a_place() {
    let _turn = TURN.lock().await;
    let app = spawn_app().await;
    let head = format!(
        "POST /v1/track/event HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nX-API-Key: {}\r\n\r\n{{",
        app.key
    );
    let _stalled = open(app.address, 4_200, head.as_bytes()).await;
    let event = json!({"email": PERSON, "event": "x"});
    for _ in 0..20 {
        let answer = app.post("/v1/track/event", &app.key, &event).await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_on_their_way_share_a_bound_of_memory() {
    // Arrange: batches of 1 MB, of which the last byte never comes; one key has 66 MB of what there is.
    let _turn = TURN.lock().await;
    let app = spawn_app().await;
    let length = 1_000_000;
    let mut stalled = format!(
        "POST /v1/track/batch HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nX-API-Key: {}\r\n\r\n",
        app.key
    )
    .into_bytes();
    stalled.resize(stalled.len() + length - 1, b' ');
    let streams = open(app.address, 270, &stalled).await;
    // Act: those for which there is no room are answered, although their bodies are not whole.
    let mut answer = [0; 12];
    let deadline = Instant::now() + Duration::from_secs(20);
    while !streams
        .iter()
        .any(|stream| matches!(stream.try_read(&mut answer), Ok(12)))
    {
        assert!(Instant::now() < deadline, "there is no bound");
        tokio::task::yield_now().await;
    }
    // Assert
    // Refused where nobody was slow, or slow itself, so that it made room for another.
    assert!([b"HTTP/1.1 503", b"HTTP/1.1 408"].contains(&&answer));
    let event = json!({"email": PERSON, "event": "x"});
    // A small one fits as soon as those have let go of what had arrived of them.
    while app.post("/v1/track/event", &app.key, &event).await.status != 200 {
        assert!(Instant::now() < deadline, "it never recovers");
    }
}
