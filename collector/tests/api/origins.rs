//! The sites for which a public key is good, and CORS.

use reqwest::Method;
use serde_json::json;

use crate::support::{INGEST, PERSON, spawn_app};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_good_for_the_origins_on_its_list_alone() {
    let app = spawn_app().await;
    let key = app.public(&[
        "https://shop.example",
        "*.example.com",
        "http://localhost:3000",
        "capacitor://localhost",
        "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
    ]);
    let post = async |origin: Option<&str>| {
        let ask = app.ask(Method::POST, "/v1/track/event");
        let ask = match origin {
            Some(origin) => ask.header("origin", origin),
            None => ask,
        };
        ask.text(&json!({"key": key, "email": PERSON, "event": "x"}))
            .send()
            .await
    };
    for origin in [
        "https://shop.example",
        "https://SHOP.example",
        "https://www.example.com",
        "https://a.b.example.com:8443",
        "http://dev.example.com",
        "http://localhost:3000",
        "capacitor://localhost",
        "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
    ] {
        post(Some(origin)).await.is_tracked();
    }
    let before = app.on_disk();
    for origin in [
        "http://shop.example",
        "https://shop.example:8443",
        "https://www.shop.example",
        "https://shop.example.evil.example",
        "https://example.com",
        "https://evilexample.com",
        "https://example.com.evil.example",
        "http://localhost",
        "ionic://localhost",
        "capacitor://www.example.com",
        "moz-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
        "file://",
        "nonsense",
        "",
    ] {
        post(Some(origin))
            .await
            .is_refused(403, "origin_not_allowed");
    }
    post(Some("null")).await.is_refused(403, "origin_missing");
    post(None).await.is_refused(403, "origin_missing");
    assert_eq!(app.on_disk(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_origin_that_was_seen_and_the_command_that_adds_it() {
    let app = spawn_app().await;
    let key = app.public(&["https://shop.example"]);
    let id = app.known(&key).id.clone();
    let message = async |origin: &[u8]| {
        let ask = app.ask(Method::POST, "/v1/track/event");
        let body = json!({"key": key, "email": PERSON, "event": "x"});
        let answer = ask.header_bytes("origin", origin).text(&body).send().await;
        let message = answer.body["error"]["message"].as_str().unwrap().to_owned();
        answer.is_refused(403, "origin_not_allowed");
        message
    };
    for (origin, seen) in [
        ("https://Other.example", "https://other.example"),
        ("https://other.example:443", "https://other.example"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
    ] {
        let message = message(origin.as_bytes()).await;
        let command = format!("`misar keys update {id} --add-origin {seen}`");
        assert!(message.contains(&command), "{message}");
    }
    // What is no origin stands in no command that somebody may copy.
    let others: [(&[u8], &str); 6] = [
        (b"nonsense", "\"nonsense\""),
        (
            b"https://x.example; rm -rf ~",
            "\"https://x.example; rm -rf ~\"",
        ),
        (b"https://x\tb.example", "\"https://x\\tb.example\""),
        (
            b"https://m\xc3\xbcnchen.example",
            "\"https://m\\u{fc}nchen.example\"",
        ),
        (b"\xff\xfe", "\"\\u{fffd}\\u{fffd}\""),
        (b"", "\"\""),
    ];
    for (origin, seen) in others {
        let message = message(origin).await;
        assert!(message.contains(seen), "{message}");
        assert!(message.contains("--add-origin ORIGIN`"), "{message}");
    }
    let long = message(format!("https://{}.example", "x".repeat(9_000)).as_bytes()).await;
    assert!(long.len() < 1_000, "{long}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_a_list_is_good_everywhere() {
    let app = spawn_app().await;
    let key = app.public(&[]);
    for origin in ["https://shop.example", "null", "file://"] {
        let ask = app
            .ask(Method::POST, "/v1/track/event")
            .header("origin", origin);
        ask.text(&json!({"key": key, "email": PERSON, "event": "x"}))
            .send()
            .await
            .is_tracked();
    }
    app.post(
        "/v1/track/event",
        &key,
        &json!({"email": PERSON, "event": "x"}),
    )
    .await
    .is_tracked();
}

#[tokio::test(flavor = "multi_thread")]
async fn preflights_are_204_on_every_ingest_route() {
    let app = spawn_app().await;
    for route in INGEST {
        let answer = app
            .ask(Method::OPTIONS, route)
            .header("origin", "https://shop.example")
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type,idempotency-key,x-api-key",
            )
            .send()
            .await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        assert!(
            answer
                .header("access-control-allow-methods")
                .contains("POST")
        );
        let allowed = answer.header("access-control-allow-headers").to_lowercase();
        for name in [
            "authorization",
            "content-type",
            "content-encoding",
            "idempotency-key",
            "x-api-key",
        ] {
            assert!(allowed.contains(name), "{allowed}");
        }
        app.ask(Method::OPTIONS, route).send().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_can_read_refusals_but_no_reports() {
    let app = spawn_app().await;
    // The client checks these headers on every answer of an ingest route; here one of each kind.
    for route in INGEST {
        app.ask(Method::POST, route)
            .body("{")
            .send()
            .await
            .is_refused(400, "invalid_json");
        app.ask(Method::POST, route)
            .json(&json!({}))
            .send()
            .await
            .is_refused(401, "missing_key");
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD] {
            let head = method == Method::HEAD;
            if head {
                continue;
            }
            app.ask(method, route)
                .send()
                .await
                .is_refused(405, "method_not_allowed");
        }
    }
    let page = app.get("/v1/events").await;
    assert!(!page.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_can_never_do_is_said_before_where_it_may_be_used_from() {
    let app = spawn_app().await;
    let listed = app.public(&["https://shop.example"]);
    let refund = json!({"orderId": "o", "refundId": "r"});
    let message = json!({"email": PERSON, "messageId": "m", "text": "Hello"});
    let delivery = json!({"messageId": "m", "status": "delivered"});
    let suppression = json!({"email": PERSON});
    for origin in [None, Some("null"), Some("https://evil.example")] {
        for (path, body) in [
            ("/v1/track/refund", &refund),
            ("/v1/messages", &message),
            ("/v1/messages/batch", &message),
            ("/v1/messages/delivery", &delivery),
            ("/v1/messages/sent", &message),
            ("/v1/suppressions", &suppression),
        ] {
            let ask = app.ask(Method::POST, path);
            let ask = match origin {
                Some(origin) => ask.header("origin", origin),
                None => ask,
            };
            let answer = ask.key(&listed).json(body).send().await;
            answer.is_refused(403, "insufficient_scope");
            let message = answer.body["error"]["message"].as_str().unwrap();
            for part in ["public keys", "`send`", "misar keys create --scope"] {
                assert!(message.contains(part), "{path} {message}");
            }
        }
        // Purchases need a key that was made for them, wherever it is used; so does a key in a body.
        let order = json!({"email": PERSON, "orderId": "o", "revenue": 5, "currency": "EUR"});
        for (path, body, code) in [
            ("/v1/track/purchase", order, "purchases_not_allowed"),
            ("/v1/track/refund", refund.clone(), "insufficient_scope"),
        ] {
            for in_body in [false, true] {
                let mut ask = app.ask(Method::POST, path);
                let mut body = body.clone();
                if let Some(origin) = origin {
                    ask = ask.header("origin", origin);
                }
                if in_body {
                    body["key"] = json!(listed);
                } else {
                    ask = ask.key(&listed);
                }
                ask.json(&body).send().await.is_refused(403, code);
            }
        }
    }
    assert_eq!(app.on_disk(), 0);
}
