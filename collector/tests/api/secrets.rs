//! Secret keys wherever a request shows them: in every form, on every route, refused and flagged.
//! What events say is `secret_contents`'s.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::{ApiKey, KeyKind, Scope};

use crate::support::{Answer, Ask, PERSON, TestApp, base64, gzip, spawn_app};

pub(crate) const PAGE: (&str, &str) = ("origin", "https://shop.example");

/// A text with a key in it.
type Form = fn(&str) -> String;

/// A secret key that no store has made.
pub(crate) fn stranger() -> String {
    let mut byte = 11_u8;
    let key = ApiKey::generate(KeyKind::Secret, &mut || {
        byte = byte.wrapping_mul(5).wrapping_add(57);
        byte
    });
    key.as_str().to_owned()
}

pub(crate) fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

pub(crate) fn unicode(text: &str) -> String {
    text.bytes().map(|byte| format!("\\u{byte:04x}")).collect()
}

/// Refused, and the answer tells nothing.
#[track_caller]
pub(crate) fn is_refused(answer: &Answer, key: &str, what: &str) {
    let told = answer.body["error"]["code"].as_str().unwrap_or_default();
    assert_eq!(
        (answer.status, told),
        (403, "secret_key_in_browser"),
        "{what}: {}",
        answer.text
    );
    for header in ["Origin", "Sec-Fetch-Site", "Sec-Fetch-Dest"] {
        assert!(answer.message().contains(header), "{}", answer.text);
    }
    assert!(!answer.text.contains(key), "{what}");
}

/// Asks with a key that the store knows, and with one that it does not: both are refused, the first is
/// flagged, and nothing is recorded.
async fn are_refused<'a>(app: &'a TestApp, what: &str, ask: impl Fn(&str) -> Ask<'a>) {
    let before = app.on_disk();
    let known = app.secret(&[Scope::Admin]);
    is_refused(&ask(&known).send().await, &known, what);
    assert!(app.known(&known).exposed_at().is_some(), "{what}");
    assert!(app.known(&known).revoked_at().is_none(), "{what}");
    let stranger = stranger();
    is_refused(&ask(&stranger).send().await, &stranger, what);
    assert_eq!(app.on_disk(), before, "{what}");
}

/// Every kind of route, with its method.
pub(crate) fn routes() -> Vec<(Method, &'static str)> {
    let get = [
        "/",
        "/live",
        "/metrics",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/assets/style.css",
        "/session",
        "/v1/events",
        "/v1/receipts/x",
        "/v1/live",
        "/v1/embeds",
        "/v1/contacts",
        "/v1/reports/messages/m",
        "/nowhere",
        "/v1/track/event",
    ];
    let post = [
        "/v1/track/event",
        "/v1/track/purchase",
        "/v1/track/refund",
        "/v1/track/batch",
        "/v1/identify",
        "/v1/messages",
        "/v1/messages/batch",
        "/session",
        "/nowhere",
    ];
    let get = get.map(|path| (Method::GET, path));
    let post = post.map(|path| (Method::POST, path));
    get.into_iter().chain(post).collect()
}

fn event() -> Value {
    json!({"email": PERSON, "event": "viewed"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pages_headers_hide_no_key_in_whatever_form_it_stands() {
    let app = spawn_app().await;
    let forms: Vec<(&'static str, Form)> = vec![
        ("authorization", |key| format!("Bearer {key}")),
        ("authorization", |key| format!("BEARER   {key}")),
        ("authorization", |key| format!("Bearer \"{key}\"")),
        ("authorization", |key| format!("Bearer '{key}' ")),
        ("authorization", |key| format!("Token {key}")),
        ("authorization", |key| format!("Token token=\"{key}\", x=1")),
        ("authorization", |key| {
            format!("Basic {}", base64(format!("{key}:").as_bytes()))
        }),
        ("authorization", |key| {
            format!("basic {}", base64(format!(":{key}").as_bytes()))
        }),
        ("authorization", |key| {
            format!("BASIC  {}", base64(format!("api:{key}").as_bytes()))
        }),
        ("authorization", |key| {
            format!("Basic {}", base64(percent(key).as_bytes()))
        }),
        ("authorization", |key| key.to_owned()),
        ("authorization", |key| format!("Bearer{key}")),
        ("authorization", |key| percent(key)),
        ("authorization", |key| {
            format!("Bearer {}", key.replace('_', "%5f"))
        }),
        ("authorization", |key| unicode(key)),
        ("x-api-key", |key| key.to_owned()),
        ("x-api-key", |key| format!(" {key}, msk_pub_x")),
        ("x-api-key", |key| format!("msk_pub_x,{key}")),
        ("x-api-key", |key| format!("{{\"key\":\"{key}\"}}")),
        ("proxy-authorization", |key| {
            format!("Basic {}", base64(key.as_bytes()))
        }),
        ("cookie", |key| format!("a=b; key={key}")),
        ("user-agent", |key| format!("shop/1.0 ({key})")),
        ("idempotency-key", |key| key.to_owned()),
        ("content-type", |key| format!("application/json; key={key}")),
        ("x-whatever", |key| {
            format!("https://x.example/?key={}", percent(key))
        }),
    ];
    for (header, form) in forms {
        let what = form("KEY");
        are_refused(&app, &format!("{header}: {what}"), |key| {
            let ask = app.ask(Method::POST, "/v1/track/event");
            ask.header(PAGE.0, PAGE.1)
                .header(header, &form(key))
                .json(&event())
        })
        .await;
    }
    // Of two lines of one name, and beside a good key.
    let public = app.public(&[]);
    for header in ["x-api-key", "authorization"] {
        are_refused(&app, header, |key| {
            let ask = app.ask(Method::POST, "/v1/track/event");
            ask.header(PAGE.0, PAGE.1)
                .header(header, &public)
                .header(header, key)
                .json(&event())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_a_pages_header_is_refused_on_every_route_and_by_every_mark_of_a_page() {
    let app = spawn_app().await;
    for (method, path) in routes() {
        let what = format!("{method} {path}");
        are_refused(&app, &what, |key| {
            app.ask(method.clone(), path)
                .header(PAGE.0, PAGE.1)
                .header("x-api-key", key)
        })
        .await;
    }
    for (name, value) in [
        ("origin", "null"),
        ("origin", ""),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-dest", "document"),
    ] {
        are_refused(&app, name, |key| {
            app.ask(Method::GET, "/live")
                .header(name, value)
                .header("authorization", &format!("Token {key}"))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_an_address_is_refused_on_every_route_whoever_asks() {
    let app = spawn_app().await;
    for (method, path) in routes() {
        let what = format!("{method} {path}");
        are_refused(&app, &what, |key| {
            app.ask(method.clone(), &format!("{path}?a=1&x={key}"))
        })
        .await;
    }
    let forms: [Form; 12] = [
        |key| format!("key={key}"),
        |key| format!("key=%20%20{key}%20"),
        |key| format!("key=++{key}+"),
        |key| format!("authorization=Bearer%20{key}"),
        |key| format!("a=b;key={key}"),
        |key| {
            format!(
                "authorization=Basic+{}",
                base64(format!("{key}:").as_bytes()).replace('=', "%3D")
            )
        },
        |key| format!("x=%22{key}%22"),
        |key| format!("x={}", percent(key)),
        |key| format!("x={}", percent(&percent(key))),
        |key| format!("{key}=1"),
        |key| key.to_owned(),
        |key| format!("q=%7B%22key%22%3A%22{key}%22%7D"),
    ];
    for form in forms {
        are_refused(&app, &form("KEY"), |key| {
            app.ask(Method::GET, &format!("/v1/events?{}", form(key)))
                .key(&app.key)
        })
        .await;
    }
    for path in [
        "/v1/events/KEY",
        "/v1/receipts/KEY",
        "/KEY",
        "/assets/KEY.js",
        "/v1/reports/messages/KEY",
    ] {
        are_refused(&app, path, |key| {
            app.ask(Method::GET, &path.replace("KEY", key))
                .key(&app.key)
        })
        .await;
        are_refused(&app, path, |key| {
            app.ask(Method::GET, &path.replace("KEY", &percent(key)))
        })
        .await;
    }
    // Whatever else is wrong with the request.
    let large = vec![b' '; 64 * 1024];
    for (media, body) in [("text/csv", b"a,b".to_vec()), ("application/json", large)] {
        are_refused(&app, media, |key| {
            app.ask(Method::POST, &format!("/v1/track/event?key={key}"))
                .key(&app.key)
                .header("content-type", media)
                .body(body.clone())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_in_mails_answer_as_ever_and_flag_the_key() {
    let app = spawn_app().await;
    for path in [
        "/mail/track/open/x",
        "/mail/track/click/x",
        "/mail/unsubscribe/x",
        "/mail/track.js",
        "/mail/track.json",
    ] {
        let plain = app.ask(Method::GET, path).send().await;
        for (place, in_page) in [("query", false), ("header", true)] {
            let key = app.secret(&[Scope::Send]);
            let ask = if in_page {
                let ask = app.ask(Method::GET, path).header(PAGE.0, PAGE.1);
                ask.header("x-api-key", &key)
            } else {
                app.ask(Method::GET, &format!("{path}?key={key}"))
            };
            let answer = ask.send().await;
            assert_eq!(
                (answer.status, &answer.bytes),
                (plain.status, &plain.bytes),
                "{path} {place}"
            );
            assert!(app.known(&key).exposed_at().is_some(), "{path} {place}");
        }
    }
    let key = app.secret(&[Scope::Send]);
    let ask = app.ask(Method::POST, "/mail/unsubscribe/x");
    let answer = ask.body(format!("key={key}")).send().await;
    assert_eq!(answer.status, 404);
    assert!(app.known(&key).exposed_at().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_a_field_for_keys_is_refused_whoever_sends_it() {
    let app = spawn_app().await;
    let public = app.public(&[]);
    let single: [Form; 14] = [
        |key| format!(r#"{{"key":"{key}","email":"{PERSON}","event":"x"}}"#),
        |key| format!(r#"{{"key":"{key}","key":"PUBLIC","email":"{PERSON}","event":"x"}}"#),
        |key| format!(r#"{{"key":"PUBLIC","key":"{key}","email":"{PERSON}","event":"x"}}"#),
        |key| format!(r#"{{"key":"  {key} ","email":"{PERSON}","event":"x"}}"#),
        |key| format!(r#"{{"key":"PUBLIC","apiKey":"{key}","email":"{PERSON}","event":"x"}}"#),
        |key| format!(r#"{{"key":"PUBLIC","writeKey":"{key}","email":"{PERSON}","event":"x"}}"#),
        |key| format!(r#"{{"key":"PUBLIC","api_key":["{key}"],"email":"{PERSON}","event":"x"}}"#),
        |key| format!(r#"{{"\u006bey":"{key}","email":"{PERSON}","event":"x"}}"#),
        |key| {
            format!(
                r#"{{"key":"{}","email":"{PERSON}","event":"x"}}"#,
                unicode(key)
            )
        },
        |key| {
            format!(
                r#"{{"key":"{}","email":"{PERSON}","event":"x"}}"#,
                percent(key)
            )
        },
        |key| {
            format!(
                r#"{{"key":"Basic {}","email":"{PERSON}","event":"x"}}"#,
                base64(format!("{key}:").as_bytes())
            )
        },
        |key| format!(r#"{{"key":{{"value":"\"{key}\""}},"email":"{PERSON}","event":"x"}}"#),
        |key| format!(r#"{{"key":"{key}","events":[]}}"#),
        |key| {
            format!(
                r#"{{"key":"PUBLIC","events":[{{"type":"track","event":"x","email":"{PERSON}"}},{{"key":"{key}"}}]}}"#
            )
        },
    ];
    for form in single {
        for is_page in [true, false] {
            for route in ["/v1/track/event", "/v1/track/batch", "/v1/identify"] {
                let what = format!("{route} {}", form("KEY"));
                are_refused(&app, &what, |key| {
                    let ask = app
                        .ask(Method::POST, route)
                        .header("content-type", "application/json");
                    let ask = if is_page {
                        ask.header(PAGE.0, PAGE.1)
                    } else {
                        ask.key(&app.key)
                    };
                    ask.body(form(key).replace("PUBLIC", &public))
                })
                .await;
            }
        }
    }
    // Compressed.
    are_refused(&app, "gzip", |key| {
        let body = json!({"key": key, "events": []}).to_string();
        app.ask(Method::POST, "/v1/track/batch")
            .header("content-encoding", "gzip")
            .body(gzip(body.as_bytes()))
    })
    .await;
    // Of a batch that is refused as a whole anyway.
    for events in [json!(7), json!(vec![json!({}); 1_001])] {
        are_refused(&app, "refused as a whole", |key| {
            let body = json!({"writeKey": key, "key": public, "events": events});
            app.ask(Method::POST, "/v1/track/batch").text(&body)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_a_pages_body_that_is_no_event_is_refused() {
    let app = spawn_app().await;
    let bodies: [(&'static str, Form); 8] = [
        ("text/plain", |key| format!("key={key}")),
        ("text/plain", |key| format!("{{\"key\":\"{key}\"")),
        ("text/plain", |key| format!("[\"{key}\"]")),
        ("application/json", |key| format!("\"{key}\"")),
        ("application/x-www-form-urlencoded", |key| {
            format!("a=1&key={key}")
        }),
        ("application/x-www-form-urlencoded; charset=utf-8", |key| {
            format!("key={}", percent(key))
        }),
        ("multipart/form-data; boundary=x", |key| {
            format!("--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n{key}\r\n--x--\r\n")
        }),
        ("APPLICATION/X-WWW-FORM-URLENCODED", |key| key.to_owned()),
    ];
    for (media, body) in bodies {
        are_refused(&app, media, |key| {
            app.ask(Method::POST, "/v1/track/event")
                .header(PAGE.0, PAGE.1)
                .header("content-type", media)
                .body(body(key))
        })
        .await;
    }
    // Others' forms are what they were.
    for size in [10, 100 * 1024] {
        let ask = app
            .ask(Method::POST, "/v1/track/event")
            .header(PAGE.0, PAGE.1);
        let ask = ask.header("content-type", "application/x-www-form-urlencoded");
        let answer = ask.body(vec![b'x'; size]).send().await;
        answer.is_refused(415, "unsupported_media_type");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_page_that_may_show_a_key_is_our_own() {
    let app = spawn_app().await;
    let ask = |body: Value| {
        let ask = app
            .ask(Method::POST, "/session")
            .header("origin", &app.origin());
        ask.header("sec-fetch-site", "same-origin").json(&body)
    };
    let key = app.secret(&[Scope::Read]);
    let answer = ask(json!({"key": key})).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(app.known(&key).exposed_at().is_none());
    // In its body alone.
    is_refused(
        &ask(json!({"key": key}))
            .header("x-api-key", &key)
            .send()
            .await,
        &key,
        "header",
    );
    assert!(app.known(&key).exposed_at().is_some());
    for form in [|key: &str| format!(" {key}"), |key: &str| percent(key)] {
        let key = app.secret(&[Scope::Read]);
        let ask = app
            .ask(Method::POST, "/session")
            .header("origin", "https://evil.example");
        let answer = ask.json(&json!({"key": form(&key)})).send().await;
        answer.is_refused(403, "cross_origin");
        assert!(app.known(&key).exposed_at().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_goes_through_and_echoes_what_was_asked_but_no_key() {
    let app = spawn_app().await;
    let preflight = |asked: &str| {
        let ask = app
            .ask(Method::OPTIONS, "/v1/track/event")
            .header(PAGE.0, PAGE.1);
        ask.header("access-control-request-headers", asked)
    };
    let asked = "content-type, traceparent,x-datadog-trace-id";
    let answer = preflight(asked).send().await;
    assert_eq!(answer.status, 204);
    let allowed = answer.header("access-control-allow-headers");
    assert!(allowed.ends_with(&format!(", {asked}")), "{allowed}");
    let key = app.secret(&[Scope::Send]);
    for asked in [
        key.clone(),
        "a;b".to_owned(),
        "x".repeat(2_000),
        "<b>".to_owned(),
    ] {
        let answer = preflight(&asked).send().await;
        assert_eq!(answer.status, 204);
        let allowed = answer.header("access-control-allow-headers");
        assert!(
            allowed.contains("X-API-Key") && !allowed.contains(&asked),
            "{allowed}"
        );
    }
    assert!(app.known(&key).exposed_at().is_some());
}
