//! Media types, charsets and compression.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, PERSON, TestApp, gzip, spawn_app};

fn body_of(route: &str) -> Value {
    match route {
        "/v1/track/purchase" => {
            json!({"email": PERSON, "orderId": "A", "revenue": 5, "currency": "USD"})
        }
        "/v1/track/refund" => json!({"orderId": "A", "refundId": "r", "amount": 1}),
        "/v1/track/batch" => json!({"events": []}),
        "/v1/identify" => json!({"email": PERSON}),
        _ => json!({"email": PERSON, "event": "x"}),
    }
}

async fn send(app: &TestApp, route: &str, media: &str) -> Answer {
    let ask = app
        .ask(Method::POST, route)
        .key(&app.key)
        .header("content-type", media);
    ask.body(body_of(route).to_string()).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_taken_everywhere_and_text_where_pages_send() {
    let app = spawn_app().await;
    for route in [
        "/v1/track/event",
        "/v1/track/purchase",
        "/v1/track/refund",
        "/v1/track/batch",
        "/v1/identify",
    ] {
        for media in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ] {
            assert_eq!(
                send(&app, route, media).await.status,
                200,
                "{route} {media}"
            );
        }
        let from_pages = !matches!(route, "/v1/track/purchase" | "/v1/track/refund");
        for media in ["text/plain", "text/plain;charset=UTF-8"] {
            let answer = send(&app, route, media).await;
            if from_pages {
                assert_eq!(answer.status, 200, "{route} {media}");
            } else {
                answer.is_refused(415, "unsupported_media_type");
            }
        }
        for media in [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/html",
            "application/jsonx",
            "application/json; charset=iso-8859-1",
            "application/json; charset=utf-16",
            "",
        ] {
            send(&app, route, media)
                .await
                .is_refused(415, "unsupported_media_type");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_is_taken_also_in_several_members() {
    let app = spawn_app().await;
    let text = body_of("/v1/track/event").to_string();
    let (start, end) = text.split_at(10);
    let members = [gzip(start.as_bytes()), gzip(end.as_bytes())].concat();
    let send = async |encoding: &str, body: Vec<u8>| {
        let ask = app.ask(Method::POST, "/v1/track/event").key(&app.key);
        ask.header("content-encoding", encoding)
            .body(body)
            .send()
            .await
    };
    for encoding in ["gzip", "GZIP", "x-gzip", "identity, gzip"] {
        send(encoding, gzip(text.as_bytes())).await.is_tracked();
    }
    send("gzip", members).await.is_tracked();
    send("identity", text.clone().into()).await.is_tracked();
    // Neither gzip nor whole.
    let whole = gzip(text.as_bytes());
    for broken in [
        text.clone().into_bytes(),
        whole[..whole.len() - 9].to_vec(),
        Vec::new(),
        [&whole[..], b"rubbish"].concat(),
    ] {
        send("gzip", broken)
            .await
            .is_refused(400, "invalid_encoding");
    }
    for encoding in ["br", "deflate", "zstd", "gzip, gzip", "rot13"] {
        send(encoding, whole.clone())
            .await
            .is_refused(415, "unsupported_encoding");
    }
    // Not announced, it is no JSON.
    let ask = app.ask(Method::POST, "/v1/track/event").key(&app.key);
    ask.body(whole).send().await.is_refused(400, "invalid_json");
}
