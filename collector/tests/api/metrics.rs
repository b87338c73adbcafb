//! `GET /metrics`: who sees what.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;

use collector::router::metrics_router;
use collector::server::serve_router;
use reqwest::Method;
use serde_json::json;
use shared::api_key::{KeyKind, Scope};
use tokio::net::TcpListener;

use crate::support::{PERSON, TestApp, spawn_app};

/// Series that tell of no workspace alone.
const OF_THE_PROCESS: [&str; 5] = [
    "misar_http_requests_total{route=\"/v1/track/event\",status=\"200\"} ",
    "misar_queued_events ",
    "misar_untrusted_proxies 0",
    "misar_refused_connections_total 0",
    "misar_commit_seconds_count ",
];

/// A server where `default` has tracked one event and had one rejected, and `elsewhere` two and none;
/// with a key of the latter.
async fn app() -> (TestApp, String) {
    let app = spawn_app().await;
    let elsewhere = app.key_elsewhere();
    let event = json!({"email": PERSON, "event": "x"});
    for key in [&app.key, &elsewhere, &elsewhere] {
        app.post("/v1/track/event", key, &event).await.is_tracked();
    }
    let bad = json!({"email": "x", "event": "x"});
    app.post("/v1/track/event", &app.key, &bad)
        .await
        .is_refused(422, "invalid_email");
    (app, elsewhere)
}

#[track_caller]
fn tells(page: &str, lines: &[&str], told: bool) {
    for line in lines {
        let found = page.lines().any(|one| one.starts_with(line));
        assert_eq!(found, told, "{line} in {page}");
    }
    assert!(!page.contains("# EOF") && !page.contains("# UNIT"));
}

const OURS: [&str; 4] = [
    "misar_events_total{workspace=\"default\",verdict=\"tracked\"} 1",
    "misar_events_total{workspace=\"default\",verdict=\"rejected\"} 1",
    "misar_events_total{workspace=\"default\",verdict=\"duplicate\"} 0",
    "misar_rejections_total{workspace=\"default\",code=\"invalid_email\"} 1",
];
const THEIRS: [&str; 2] = [
    "misar_events_total{workspace=\"elsewhere\",verdict=\"tracked\"} 2",
    "misar_events_total{workspace=\"elsewhere\",verdict=\"rejected\"} 0",
];
const EVERYBODYS: [&str; 2] = ["misar_ready 1", "misar_view_lag_seconds{view=\"all\"} "];

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_is_told_everything_without_a_key() {
    let (app, _) = app().await;
    let answer = app.ask(Method::GET, "/metrics").send().await;
    assert_eq!(answer.status, 200);
    let media = answer.header("content-type");
    assert_eq!(media, "text/plain; version=0.0.4; charset=utf-8");
    for lines in [&OF_THE_PROCESS[..], &OURS, &THEIRS, &EVERYBODYS] {
        tells(&answer.text, lines, true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_reads_is_told_of_its_own_workspace_wherever_it_asks() {
    let (app, elsewhere) = app().await;
    for (key, own, others) in [
        (&app.key, &OURS[..], &THEIRS[..]),
        (&elsewhere, &THEIRS, &OURS),
    ] {
        for host in [None, Some("track.example")] {
            let mut ask = app.ask(Method::GET, "/metrics").key(key);
            if let Some(host) = host {
                ask = ask
                    .header("host", host)
                    .header("x-forwarded-for", "203.0.113.9");
            }
            let answer = ask.send().await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            tells(&answer.text, own, true);
            tells(&answer.text, &EVERYBODYS, true);
            tells(&answer.text, others, false);
            tells(&answer.text, &OF_THE_PROCESS, false);
        }
    }
    for key in [app.secret(&[Scope::Send]), app.public(&[])] {
        app.get_with("/metrics", &key)
            .await
            .is_refused(403, "insufficient_scope");
    }
    app.get_with("/metrics", "msk_sec_x")
        .await
        .is_refused(401, "invalid_key");
}

/// Unsubscribes somebody, tells of two deliveries to them, suppresses them twice and lifts all of it.
async fn mail_comes_to(app: &TestApp, key: &str) {
    let message = json!({"email": PERSON, "messageId": "m", "text": "Hello"});
    let sent = app.post("/v1/messages", key, &message).await;
    let url = sent.text_of("unsubscribeUrl");
    app.ask(Method::POST, &url[url.find("/mail/").unwrap()..])
        .send()
        .await;
    for (status, code) in [("deferred", "4.2.2"), ("bounced", "5.1.1")] {
        let body = json!({"messageId": "m", "status": status, "code": code});
        app.post("/v1/messages/delivery", key, &body)
            .await
            .is_tracked();
    }
    // The second is a duplicate.
    for _ in 0..2 {
        app.post("/v1/suppressions", key, &json!({"email": PERSON}))
            .await;
    }
    let path = format!("/v1/suppressions?email={PERSON}");
    let lifted = app.ask(Method::DELETE, &path).key(key).send().await;
    assert_eq!(lifted.body["lifted"], true, "{}", lifted.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mails_come_to_is_counted_for_their_workspace() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Admin]);
    let elsewhere = app.key_of_other("elsewhere", KeyKind::Secret, &[Scope::Admin]);
    mail_comes_to(&app, &key).await;
    let told = [
        "misar_suppressions_total{workspace=\"default\",change=\"unsubscribed\"} 1",
        "misar_suppressions_total{workspace=\"default\",change=\"bounced\"} 1",
        "misar_suppressions_total{workspace=\"default\",change=\"manual\"} 1",
        "misar_suppressions_total{workspace=\"default\",change=\"lifted\"} 1",
        "misar_deliveries_total{workspace=\"default\",status=\"deferred\"} 1",
        "misar_deliveries_total{workspace=\"default\",status=\"bounced\"} 1",
    ];
    let page = app.get_with("/metrics", &key).await.text;
    tells(&page, &told, true);
    let theirs = app.get_with("/metrics", &elsewhere).await.text;
    tells(&theirs, &told, false);
    // A lift says in its query what it wants.
    assert_eq!(
        app.series("misar_bodies_refused_total{reason=\"empty\"}")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_key_is_told_everything() {
    let (app, _) = app().await;
    let (key, plain) = app.key_of(
        |new| {
            new.operator = true;
            new.scopes = vec![Scope::Read];
        },
        KeyKind::Secret,
    );
    assert!(key.operator);
    let ask = app.ask(Method::GET, "/metrics").key(&plain);
    let answer = ask.header("host", "track.example").send().await;
    for lines in [&OF_THE_PROCESS[..], &OURS, &THEIRS, &EVERYBODYS] {
        tells(&answer.text, lines, true);
    }
    // It outlives a restart, and no public key is one.
    let (app, _) = app.restart().await;
    assert!(app.known(&plain).operator && !app.known(&app.key).operator);
    let workspace = app.app.meta.workspace("default").unwrap();
    let mut new = store::meta::NewKey::of(workspace, KeyKind::Public);
    new.operator = true;
    let refused = app.app.meta.create_key(new).unwrap_err();
    assert!(refused.to_string().contains("--operator"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_on_this_machine_nobody_is_told_without_a_key() {
    let (app, _) = app().await;
    let own = app.address;
    for head in [
        // `proxy_pass` with `proxy_set_header Host $host`, and without anything (HTTP/1.0, our own
        // address as the host).
        "HTTP/1.1\r\nHost: track.example".to_owned(),
        "HTTP/1.0\r\nHost: track.example".to_owned(),
        format!("HTTP/1.0\r\nHost: {own}"),
        "HTTP/1.0".to_owned(),
        format!("HTTP/1.1\r\nHost: {own}\r\nX-Forwarded-For: 203.0.113.9"),
        format!("HTTP/1.1\r\nHost: {own}\r\nForwarded: for=203.0.113.9"),
        format!("HTTP/1.1\r\nHost: {own}\r\nX-Real-IP: 203.0.113.9"),
        format!("HTTP/1.1\r\nHost: {own}\r\nVia: 1.1 x"),
        format!("HTTP/1.1\r\nHost: {own}\r\nX-Forwarded-Proto: https"),
    ] {
        let request = format!("GET /metrics {head}\r\nConnection: close\r\n\r\n");
        let answer = app.raw(request.as_bytes()).await;
        assert!(answer.contains(" 401 Unauthorized\r\n"), "{head}: {answer}");
        assert!(answer.contains("\"missing_key\"") && answer.contains("--metrics-listen"));
        assert!(!answer.contains("misar_"), "{answer}");
    }
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
        own.port()
    );
    let answer = app.raw(request.as_bytes()).await;
    assert!(answer.contains("misar_ready 1"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_of_its_own_tells_everything_and_nothing_else() {
    let (app, _) = app().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = metrics_router(Arc::clone(&app.app));
    let metrics = app.app.metrics.clone();
    let serving = tokio::spawn(async move {
        serve_router(listener, router, &metrics, std::future::pending()).await;
    });
    let get = async |path: &str| {
        let request = reqwest::Client::new().get(format!("http://{address}{path}"));
        let request = request
            .header("host", "metrics.example")
            .header("x-forwarded-for", "203.0.113.9");
        request.send().await.unwrap()
    };
    let answer = get("/metrics").await;
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let page = answer.text().await.unwrap();
    for lines in [&OF_THE_PROCESS[1..], &OURS, &THEIRS, &EVERYBODYS] {
        tells(&page, lines, true);
    }
    for path in ["/", "/healthz", "/v1/events", "/live", "/metrics/"] {
        assert_eq!(get(path).await.status(), 404, "{path}");
    }
    let key = app.secret(&[Scope::Read]);
    assert_eq!(get(&format!("/metrics?key={key}")).await.status(), 403);
    assert!(app.known(&key).exposed_at().is_some());
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn open_metrics_is_told_to_whoever_asks_for_it() {
    let (app, _) = app().await;
    let accept = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let ask = app.ask(Method::GET, "/metrics").header("accept", accept);
    let answer = ask.send().await;
    let media = answer.header("content-type");
    assert_eq!(
        media,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(answer.text.ends_with("# EOF\n"), "{}", answer.text);
    assert!(answer.text.contains("# TYPE misar_events counter\n"));
    let text = app.ask(Method::GET, "/metrics").send().await.text;
    assert!(text.contains("# TYPE misar_events_total counter\n"));
}

/// What the operator alone is told of the process and its disk, of what is running, and of times.
const OF_THE_MACHINE: [&str; 11] = [
    "process_cpu_seconds_total ",
    "process_resident_memory_bytes ",
    "process_open_fds ",
    "process_max_fds ",
    "process_start_time_seconds ",
    "misar_build_info{version=\"",
    "misar_disk_free_bytes ",
    "misar_disk_size_bytes ",
    "misar_log_files 1",
    "misar_log_size_bytes ",
    "misar_http_request_duration_seconds_count{route=\"/v1/track/event\",status=\"2xx\"} 3",
];

#[tokio::test(flavor = "multi_thread")]
async fn process_disk_and_times_are_told_to_the_operator_alone() {
    let (app, _) = app().await;
    let page = app.ask(Method::GET, "/metrics").send().await.text;
    tells(&page, &OF_THE_MACHINE, true);
    let refused =
        "misar_http_request_duration_seconds_count{route=\"/v1/track/event\",status=\"4xx\"} 1";
    tells(&page, &[refused], true);
    let page = app.get("/metrics").await.text;
    tells(&page, &OF_THE_MACHINE, false);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_commits_nothing_is_no_commit() {
    let app = spawn_app().await;
    let count = async || {
        let commits = app.series("misar_commit_seconds_count").await;
        (commits, app.series("misar_commit_events_count").await)
    };
    assert_eq!(count().await, (0, 0));
    let empty = json!({"events": []});
    let answer = app.post("/v1/track/batch", &app.key, &empty).await;
    assert_eq!(answer.status, 200);
    assert_eq!(count().await, (0, 0));
    let id = crate::support::new_id();
    let event = json!({"id": id, "email": PERSON, "event": "x"});
    app.post("/v1/track/event", &app.key, &event)
        .await
        .is_tracked();
    let once = count().await;
    assert_eq!(once, (1, 1));
    let again = app.post("/v1/track/event", &app.key, &event).await;
    assert_eq!(again.body["tracked"], false);
    assert_eq!(count().await, once);
}

/// Where `./dev test` unpacks Debian's package `prometheus`, and where it is once installed.
const PROMTOOL: [&str; 2] = ["../.tools/prometheus/usr/bin/promtool", "/usr/bin/promtool"];

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_to_mend() {
    let found = PROMTOOL.iter().map(std::path::Path::new);
    let promtool = found
        .into_iter()
        .find(|path| path.exists())
        .expect("promtool is here: ./dev test gets it, and so does Debian's package `prometheus`");
    let (app, _) = app().await;
    // Each counter with labels has been counted.
    app.ask(Method::GET, "/nowhere").send().await;
    mail_comes_to(&app, &app.secret(&[Scope::Admin])).await;
    let page = app.ask(Method::GET, "/metrics").send().await.text;
    let mut command = std::process::Command::new(promtool);
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = running.spawn().unwrap();
    let mut input = running.stdin.take().unwrap();
    // It reads all of it before it says anything.
    input.write_all(page.as_bytes()).unwrap();
    drop(input);
    let output = running.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
