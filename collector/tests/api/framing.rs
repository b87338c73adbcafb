//! What is refused before a route is looked for: hosts and bodies that could be taken for others.
//! Over bare connections, because a client's library would mend most of it.

use serde_json::json;

use crate::support::{PERSON, TestApp, spawn_app};

/// The answers on one connection: their status lines.
async fn statuses(app: &TestApp, request: &str) -> Vec<String> {
    let answer = app.raw(request.as_bytes()).await;
    answer
        .split("HTTP/1.1 ")
        .chain(answer.split("HTTP/1.0 "))
        .filter_map(|part| part.get(..3))
        .filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_one_host_and_http_1_0_may_name_none() {
    let app = spawn_app().await;
    let close = "Connection: close\r\n\r\n";
    for (head, status) in [
        ("GET /healthz HTTP/1.1\r\nHost: x\r\n", "200"),
        ("GET /healthz HTTP/1.1\r\nHost:\r\n", "200"),
        (
            "GET /healthz HTTP/1.1\r\nhost: track.example:8080\r\n",
            "200",
        ),
        ("GET http://x/healthz HTTP/1.1\r\nHost: x\r\n", "200"),
        ("GET /healthz HTTP/1.0\r\n", "200"),
        ("GET /healthz HTTP/1.0\r\nHost: x\r\n", "200"),
        ("GET /healthz HTTP/1.1\r\n", "400"),
        ("GET http://x/healthz HTTP/1.1\r\n", "400"),
        ("GET /nowhere HTTP/1.1\r\n", "400"),
        ("POST /v1/track/event HTTP/1.1\r\n", "400"),
        ("GET /mail/track.js HTTP/1.1\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n", "400"),
        ("GET /healthz HTTP/1.0\r\nHost: x\r\nHost: y\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nHost: x, y\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nHost: x y\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nHost: a@b\r\n", "400"),
    ] {
        assert_eq!(
            statuses(&app, &format!("{head}{close}")).await,
            [status],
            "{head}"
        );
    }
    // It says what is wrong, is kept by nobody, and ends the connection: what follows is not trusted.
    let good = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = app
        .raw(format!("GET /healthz HTTP/1.1\r\n\r\n{good}").as_bytes())
        .await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    let answer = answer.to_lowercase();
    for part in [
        "\"code\":\"invalid_host\"",
        "connection: close",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "access-control-allow-origin: *",
    ] {
        assert!(answer.contains(part), "{part} in {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_chunked_or_of_known_length_and_never_both() {
    let app = spawn_app().await;
    let event = json!({"email": PERSON, "event": "x"}).to_string();
    let head = |framing: &str| {
        format!(
            "POST /v1/track/event HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nContent-Type: application/json\r\n{framing}",
            app.key
        )
    };
    let chunked = format!("{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
    let close = "Connection: close\r\n\r\n";
    let length = event.len();
    for (framing, body, status) in [
        (format!("Content-Length: {length}\r\n"), &event, "200"),
        ("Transfer-Encoding: chunked\r\n".to_owned(), &chunked, "200"),
        ("transfer-encoding: CHUNKED\r\n".to_owned(), &chunked, "200"),
        (
            "Transfer-Encoding: gzip, chunked\r\n".to_owned(),
            &chunked,
            "501",
        ),
        (
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            &chunked,
            "501",
        ),
        (
            "Transfer-Encoding: identity, chunked\r\n".to_owned(),
            &chunked,
            "501",
        ),
        (
            "Transfer-Encoding: chunked, chunked\r\n".to_owned(),
            &chunked,
            "501",
        ),
        (
            "Transfer-Encoding: chunked, gzip\r\n".to_owned(),
            &chunked,
            "400",
        ),
        ("Transfer-Encoding: gzip\r\n".to_owned(), &chunked, "400"),
        (
            "Transfer-Encoding: xchunked\r\n".to_owned(),
            &chunked,
            "400",
        ),
        (
            format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
            &event,
            "200",
        ),
        (
            format!("Content-Length: {length}\r\nContent-Length: 1\r\n"),
            &event,
            "400",
        ),
        (
            format!("Content-Length: {length}, {length}\r\n"),
            &event,
            "400",
        ),
        (format!("Content-Length: +{length}\r\n"), &event, "400"),
        ("Content-Length: -1\r\n".to_owned(), &event, "400"),
    ] {
        let request = format!("{}{close}{body}", head(&framing));
        assert_eq!(statuses(&app, &request).await, [status], "{framing}");
    }
    let before = app.on_disk();
    // Where both stand, what goes by the length sees another request behind the first. The chunks
    // count, and nothing behind them is answered.
    let smuggled = head(&format!("Content-Length: {length}\r\n")) + "\r\n" + &event;
    for framing in [
        format!(
            "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
            chunked.len() + smuggled.len()
        ),
        format!(
            "Transfer-Encoding: chunked\r\nContent-Length: {}\r\n\r\n",
            chunked.len() + smuggled.len()
        ),
    ] {
        let request = format!("{}{chunked}{smuggled}", head(&framing));
        assert_eq!(statuses(&app, &request).await, ["200"], "{framing}");
    }
    assert_eq!(app.on_disk(), before + 2);
    let old = head("Transfer-Encoding: chunked\r\n").replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(
        statuses(&app, &format!("{old}\r\n{chunked}")).await,
        ["400"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_sound_http_is_told_so_in_a_body() {
    let app = spawn_app().await;
    let long = "x".repeat(70_000);
    for (request, status, code) in [
        (
            "POST /v1/track/event HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"
                .to_owned(),
            "400",
            "invalid_request",
        ),
        (
            "POST /v1/track/event HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\n".to_owned(),
            "400",
            "invalid_request",
        ),
        (
            "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "400",
            "invalid_request",
        ),
        ("hello\r\n\r\n".to_owned(), "400", "invalid_request"),
        (
            format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"),
            "431",
            "headers_too_large",
        ),
    ] {
        let answer = app.raw(request.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["error"]["code"], code, "{answer}");
        assert!(body["error"]["message"].as_str().unwrap().len() > 20);
        assert!(head.contains("Connection: close"), "{head}");
        let length = format!("Content-Length: {}", answer.len() - head.len() - 4);
        assert!(head.contains(&length), "{head}");
    }
}
