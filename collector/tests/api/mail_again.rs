//! Mail that holds what an earlier mail was given: whoever acts in it counts as themselves. And what
//! would be sent dead is refused.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::{KeyKind, Scope};

use crate::mail::ask;
use crate::messages::{ROUTE, writer};
use crate::support::{Answer, TestApp, spawn_app_at_rest};

const ANN: &str = "ann@person.example";
const BOB: &str = "bob@person.example";
const REUSED: &str = "<p>News</p><a href=\"https://shop.example/\">Shop</a><a href=\"{{unsubscribe_url}}\">Leave</a>";

async fn send(app: &TestApp, key: &str, email: &str, parts: Value) -> Answer {
    let mut body =
        json!({"email": email, "messageId": format!("to-{email}"), "campaignId": "news"});
    for (name, value) in parts.as_object().unwrap() {
        body[name] = value.clone();
    }
    app.post(ROUTE, key, &body).await
}

#[track_caller]
fn registered(answer: &Answer) -> &Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    &answer.body
}

/// Paths of ours in a part, in order.
fn paths(part: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, _) in part.match_indices("/mail/") {
        let rest = &part[at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "/-_".contains(c)));
        paths.push(rest[..end.unwrap_or(rest.len())].to_owned());
    }
    paths
}

/// Does all that can be done with the addresses of a mail, once each; how many hits that makes.
async fn act(app: &TestApp, paths: &[String]) {
    for path in paths {
        let method = if path.starts_with("/mail/unsubscribe/") {
            Method::POST
        } else {
            Method::GET
        };
        let answer = ask(app, method, path, &[]).await;
        assert!(
            matches!(answer.status, 200 | 302),
            "{} {path}",
            answer.status
        );
    }
}

/// What was done by mail, once so many events are there: name and address of each.
async fn done(app: &TestApp, events: u64) -> Vec<(String, String)> {
    while app.on_disk() < events {
        tokio::task::yield_now().await;
    }
    let mut done: Vec<_> = app
        .all_events()
        .await
        .iter()
        .filter(|event| event["source"] == "mail")
        .map(|event| {
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            (text("name"), text("email"))
        })
        .collect();
    done.sort();
    done
}

fn of_bob(names: &[&str]) -> Vec<(String, String)> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), BOB.to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn html_that_was_answered_for_ann_and_is_sent_to_bob_is_bobs() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let for_ann = send(&app, &key, ANN, json!({"html": REUSED})).await;
    let ann = registered(&for_ann)["html"].as_str().unwrap();
    let for_bob = send(&app, &key, BOB, json!({"html": ann})).await;
    let bob = registered(&for_bob)["html"].as_str().unwrap();
    let direct = send(
        &app,
        &key,
        BOB,
        json!({"html": REUSED, "messageId": "direct"}),
    )
    .await;
    // But for the tokens it is what it would have been without the detour.
    let shape = |part: &str| {
        paths(part).iter().fold(part.to_owned(), |text, path| {
            text.replace(path, path.rsplit_once('/').unwrap().0)
        })
    };
    assert_eq!(
        shape(bob),
        shape(registered(&direct)["html"].as_str().unwrap())
    );
    let found = paths(bob);
    assert_eq!(found.len(), 3, "{bob}");
    assert!(paths(ann).iter().all(|path| !found.contains(path)));
    assert_eq!(
        for_bob.body["links"],
        json!([{"index": 0, "url": "https://shop.example/"}])
    );
    act(&app, &found).await;
    assert_eq!(
        done(&app, 6).await,
        of_bob(&["email_clicked", "email_opened", "email_unsubscribed"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_was_answered_for_ann_and_a_quoted_reply_are_bobs_too() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let parts =
        json!({"html": REUSED, "text": "Shop: https://shop.example/t\nLeave: {{unsubscribe_url}}"});
    let for_ann = send(&app, &key, ANN, parts).await;
    let (html, text) = (for_ann.text_of("html"), for_ann.text_of("text"));
    let parts = json!({
        "html": format!("<p>Dear Bob</p><blockquote>{html}</blockquote>"),
        "text": format!("Dear Bob\n\n> {}\n", text.replace('\n', "\n> ")),
    });
    let for_bob = send(&app, &key, BOB, parts).await;
    let body = registered(&for_bob);
    let (html, text) = (
        body["html"].as_str().unwrap(),
        body["text"].as_str().unwrap(),
    );
    act(&app, &paths(html)).await;
    let events = done(&app, 5).await;
    assert_eq!(
        events,
        of_bob(&["email_clicked", "email_opened", "email_unsubscribed"])
    );
    assert_eq!(paths(text).len(), 2, "{text}");
    act(&app, &paths(text)).await;
    // The unsubscribe is the same one again.
    let events = done(&app, 6).await;
    assert!(events.iter().all(|(_, email)| email == BOB), "{events:?}");
    let targets: Vec<_> = body["links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| link["url"].clone())
        .collect();
    assert_eq!(
        targets,
        [
            json!("https://shop.example/"),
            json!("https://shop.example/t")
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_workspace_has_made_is_an_ordinary_link() {
    let (app, _clock) = spawn_app_at_rest().await;
    let theirs = app.key_of_other("theirs", KeyKind::Secret, &[Scope::Write]);
    let for_ann = send(&app, &theirs, ANN, json!({"html": REUSED})).await;
    let ann = registered(&for_ann)["html"].as_str().unwrap();
    let for_bob = send(&app, &writer(&app), BOB, json!({"html": ann})).await;
    let bob = registered(&for_bob)["html"].as_str().unwrap();
    let (before, after) = (paths(ann), paths(bob));
    assert_eq!(
        after.len(),
        before.len() + 1,
        "theirs, and our pixel: {bob}"
    );
    let click = before.iter().find(|path| path.contains("/click/")).unwrap();
    assert!(!after.contains(click));
    assert_eq!(
        for_bob.body["links"][0]["url"],
        format!("{}{click}", app.origin())
    );
    assert_eq!(for_bob.body["skipped"][0]["reason"], "unsubscribe");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_sent_dead_is_422_with_its_place_and_the_others_of_a_batch_are_taken() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let origin = app.origin();
    let for_ann = send(&app, &key, ANN, json!({"html": REUSED})).await;
    let path = paths(registered(&for_ann)["html"].as_str().unwrap()).remove(0);
    let cut = &path[..path.len() - 3];
    let damaged = format!("<p>\n  <a href=\"{origin}{cut}\">Shop</a></p>");
    for (field, part, code) in [
        ("html", damaged.as_str(), "invalid_html"),
        (
            "html",
            "<p>\n  <b>x</b><a href=\"https://shop.example/{{unsubscribe_url}}\">",
            "invalid_html",
        ),
        (
            "text",
            "x\n  Leave: shop.example/{{unsubscribe_url}}",
            "invalid_text",
        ),
    ] {
        let answer = send(&app, &key, BOB, json!({ field: part })).await;
        answer.is_refused_for(field, code);
        let message = answer.message();
        assert!(
            message.contains(&format!("`{field}`, line 2, column ")),
            "{message}"
        );
        assert!(
            !message.contains("shop.example") && !message.contains(cut),
            "{message}"
        );
        let receipt = app.receipt(&answer.text_of("id")).await;
        assert_eq!(receipt.body["code"], code);
    }
    let messages = json!({"messages": [
        {"email": BOB, "html": damaged}, {"email": BOB, "html": REUSED},
    ]});
    let answer = app.post("/v1/messages/batch", &key, &messages).await;
    let statuses: Vec<_> = answer
        .results()
        .iter()
        .map(|result| result["status"].clone())
        .collect();
    assert_eq!(statuses, ["rejected", "registered"]);
    assert_eq!(app.on_disk(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mail_programs_append_to_a_token_is_cut_off() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let answer = send(&app, &key, BOB, json!({"html": REUSED})).await;
    let found = paths(registered(&answer)["html"].as_str().unwrap());
    let appended = [
        "/",
        "'",
        "%27",
        "%27/",
        ".",
        ",",
        ")",
        ">",
        "%3E",
        "%22",
        "]",
        "%5D",
        "*",
        "_",
        "-",
        "/x/y",
        "%20",
        "=",
        "%E2%80%9D",
        "?x=1",
        "/?x=1",
        "&amp;",
        ";",
    ];
    for path in &found {
        for end in appended {
            let path = format!("{path}{end}");
            let is_click = path.contains("/click/");
            let answer = ask(&app, Method::GET, &path, &[]).await;
            assert_eq!(answer.status, if is_click { 302 } else { 200 }, "{path}");
            if is_click {
                assert_eq!(answer.header("location"), "https://shop.example/");
            } else if path.contains("/unsubscribe/") {
                assert!(answer.text.contains("<button"), "{path}");
            }
        }
    }
    let hits = appended.len();
    let events = done(&app, 1 + 2 * hits as u64).await;
    let count = |name: &str| {
        events
            .iter()
            .filter(|event| event.0 == name && event.1 == BOB)
            .count()
    };
    assert_eq!(
        (count("email_opened"), count("email_clicked")),
        (hits, hits)
    );
    let unsubscribe = found
        .iter()
        .find(|path| path.contains("/unsubscribe/"))
        .unwrap();
    let answer = ask(&app, Method::POST, &format!("{unsubscribe}/%27"), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(
        done(&app, 2 + 2 * hits as u64)
            .await
            .contains(&("email_unsubscribed".to_owned(), BOB.to_owned()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_the_html_part_alone_a_pixel_first_and_a_warning_where_gmail_cuts_off() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let long = format!(
        "<html><body><p>{}</p></body></html>",
        "word ".repeat(20_100)
    );
    let parts = json!({"html": long, "text": "See https://shop.example/t", "trackClicks": "html", "pixel": "start"});
    let answer = send(&app, &key, BOB, parts.clone()).await;
    let body = registered(&answer);
    assert_eq!(body["text"], "See https://shop.example/t");
    assert!(
        body["html"]
            .as_str()
            .unwrap()
            .starts_with("<html><body><img src=")
    );
    let warning = body["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("100 KB") && warning.contains("`pixel`"),
        "{warning}"
    );
    let again = send(&app, &key, BOB, parts).await;
    assert_eq!(again.text, answer.text);
    // What is compared of a message knows both.
    for (field, value) in [
        ("pixel", json!("end")),
        ("trackClicks", json!(true)),
        ("trackClicks", json!(false)),
    ] {
        let mut parts = json!({"html": long, "text": "See https://shop.example/t", "trackClicks": "html", "pixel": "start"});
        parts[field] = value;
        send(&app, &key, BOB, parts)
            .await
            .is_refused(409, "message_conflict");
    }
    let short = send(&app, &key, ANN, json!({"html": REUSED})).await;
    let warnings = registered(&short).get("warnings");
    let is_clipped = warnings.is_some_and(|warnings| warnings.to_string().contains("Gmail"));
    assert!(!is_clipped, "{}", short.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_mails_address_counts_for_nobody_else_however_a_browser_has_to_read_it() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let first = send(&app, &key, ANN, json!({"html": REUSED})).await;
    let of_ann = paths(registered(&first)["html"].as_str().unwrap());
    let click = of_ann.iter().find(|path| path.contains("/click/")).unwrap();
    let open = of_ann.iter().find(|path| path.contains("/open/")).unwrap();
    let host = format!("http://{}", app.address);
    let dotted = |path: &str| path.replacen("/mail/", "/mail/./x/../", 1);
    let html = format!(
        "<a href=\"{host}{}\">1</a><a href=\"{}\">2</a><a href=\"{host}{}\">3</a><img src=\"{host}{}\">",
        dotted(click),
        format!("{host}{click}").replace('/', "\\"),
        click.replacen("track", "tr%61ck", 1),
        dotted(open),
    );
    let second = send(&app, &key, BOB, json!({"html": html})).await;
    let body = registered(&second)["html"].as_str().unwrap().to_owned();
    for path in [click, open] {
        let token = path.rsplit('/').next().unwrap();
        assert!(!body.contains(token), "{body}");
    }
    assert_eq!(paths(&body).len(), 4, "{body}");
    let refused = format!("<form action=\"{host}{}\">", dotted(click));
    let answer = send(&app, &key, "eve@person.example", json!({"html": refused})).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    let base = format!(
        "<base href=\"{host}/mail/track/\"><a href=\"{}\">x</a>",
        click.trim_start_matches("/mail/track/")
    );
    let third = send(&app, &key, "dan@person.example", json!({"html": base})).await;
    let body = registered(&third)["html"].as_str().unwrap();
    assert!(!body.contains(click.rsplit('/').next().unwrap()), "{body}");
    let mailto = json!({"html": "<a href=\"mailto:{{unsubscribe_url}}\">Leave</a>"});
    let answer = send(&app, &key, "fay@person.example", mailto).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    // The server's routes take no part of an address that is encoded, but a token.
    let (start, token) = click.rsplit_once('/').unwrap();
    let letter = format!("%{:02X}", token.as_bytes()[0]);
    let encoded = ask(
        &app,
        Method::GET,
        &format!("{start}/{letter}{}", &token[1..]),
        &[],
    )
    .await;
    assert_eq!(encoded.status, 302);
    let path = click.replacen("track", "tr%61ck", 1);
    assert_eq!(ask(&app, Method::GET, &path, &[]).await.status, 404);
}
