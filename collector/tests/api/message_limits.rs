//! How many links a message may have, and how large its answer may be.

use serde_json::{Value, json};
use shared::api_key::{KeyKind, Scope};

use crate::messages::{ROUTE, writer};
use crate::support::{Answer, PERSON, TestApp, spawn_app};

const BATCH: &str = "/v1/messages/batch";

async fn register(app: &TestApp, key: &str, part: &str, content: String) -> Answer {
    let mut body = json!({"email": PERSON, "messageId": "m"});
    body[part] = json!(content);
    app.post(ROUTE, key, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_10_000_links_passes_and_one_more_is_413() {
    let app = spawn_app().await;
    let key = writer(&app);
    for (part, link) in [
        ("html", "<a href=http://a>"),
        ("html", "<a href='mailto:x@shop.example'>x</a>"),
        ("html", "<area href=\"#top\">"),
        ("html", "<a href=\"{{unsubscribe_url}}\">Bye</a>"),
        ("html", "<!--[if mso]><a href=http://a>x</a><![endif]-->"),
        ("html", "<noscript><a href=http://a>x</a></noscript>"),
        ("text", "http://a "),
        ("text", "{{ unsubscribe_url }}"),
    ] {
        let before = app.on_disk();
        let refused = register(&app, &key, part, link.repeat(10_001)).await;
        refused.is_refused(413, "too_many_links");
        assert!(refused.message().contains("10000"), "{}", refused.text);
        assert_eq!(app.on_disk(), before, "{link}");
    }
    let passed = register(&app, &key, "html", "<a href=http://a>".repeat(10_000)).await;
    assert_eq!(
        passed.status,
        200,
        "{}",
        passed.text.get(..200).unwrap_or_default()
    );
    assert_eq!(passed.body["links"].as_array().unwrap().len(), 10_000);
    let counted = app
        .series(r#"misar_messages_refused_total{reason="links"}"#)
        .await;
    assert_eq!(counted, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_parts_count_together() {
    let app = spawn_app().await;
    let html = "<a href=http://a>".repeat(6_000);
    let text = "http://a ".repeat(6_000);
    let body = json!({"email": PERSON, "html": html, "text": text});
    let refused = app.post(ROUTE, &writer(&app), &body).await;
    refused.is_refused(413, "too_many_links");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_messages_of_a_request_have_100_000_links_together() {
    let app = spawn_app().await;
    let key = writer(&app);
    let messages = |count: usize| -> Value {
        let text = "{{unsubscribe_url}} ".repeat(10_000);
        let message =
            |number| json!({"email": PERSON, "messageId": format!("m{number}"), "text": text});
        json!({"messages": (0..count).map(message).collect::<Vec<_>>()})
    };
    let refused = app.post(BATCH, &key, &messages(11)).await;
    refused.is_refused(413, "too_many_links");
    assert!(refused.message().contains("100000"), "{}", refused.text);
    assert_eq!(app.on_disk(), 0, "nothing of it was registered");
    assert_eq!(
        app.post(BATCH, &key, &messages(10)).await.results().len(),
        10
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_too_many_links_takes_its_batch_with_it() {
    let app = spawn_app().await;
    let links = "<a href=http://a>".repeat(10_001);
    let body =
        json!({"messages": [{"email": PERSON, "text": "Hello"}, {"email": PERSON, "html": links}]});
    let refused = app.post(BATCH, &writer(&app), &body).await;
    refused.is_refused(413, "too_many_links");
    assert_eq!(app.on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_never_out_of_all_proportion() {
    let app = spawn_app().await;
    let key = writer(&app);
    let long = "x".repeat(255);
    let ask = async |ids: &str, part: &str, content: String| {
        let mut body = json!({"email": PERSON, "messageId": ids, "campaignId": ids});
        body[part] = json!(content);
        let request = body.to_string().len();
        (request, app.post(ROUTE, &key, &body).await)
    };
    for (number, (part, link)) in [
        ("html", "<a href=http://a>".to_owned()),
        (
            "html",
            format!("<a href=\"http://a/{}\">x</a>", "y".repeat(600)),
        ),
        (
            "html",
            "<a href=\"javascript:&#1;&#1;&#1;&#1;\">x</a>".to_owned(),
        ),
        ("text", "{{unsubscribe_url}}".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        for links in [1, 20, 1_000, 5_000] {
            let content = link.repeat(links);
            let (request, answer) = ask(&format!("m{number}-{links}"), part, content.clone()).await;
            assert_eq!(answer.status, 200, "{link} {links} {}", &answer.text[..200]);
            let most = 2 * request + 4_096 + 400 * links;
            assert!(
                answer.text.len() <= most,
                "{link} {links}: {} > {most}",
                answer.text.len()
            );
            let (request, answer) = ask(&long, part, content).await;
            if answer.status != 200 && answer.status != 409 {
                answer.is_refused(413, "answer_too_large");
            } else {
                let most = 2 * request + 4_096 + 400 * links;
                assert!(answer.text.len() <= most);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_grow_when_written_are_413() {
    let app = spawn_app().await;
    let link = format!("<a href='http://a/?{}'>x</a>", "&".repeat(2_000));
    let body = json!({
        "email": PERSON, "html": link.repeat(50), "trackClicks": false, "utm": {"source": "s"},
    });
    let answer = app.post(ROUTE, &writer(&app), &body).await;
    answer.is_refused(413, "answer_too_large");
    assert_eq!(app.on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_full_of_links_leaves_another_workspace_its_turn() {
    let app = spawn_app().await;
    let flooder = app.key_of_other("flooder", KeyKind::Secret, &[Scope::Write]);
    let html = "<a href=http://a>".repeat(246_723);
    let flood = json!({"email": PERSON, "html": html}).to_string();
    let flood = async || {
        let ask = app.ask(reqwest::Method::POST, ROUTE).key(&flooder);
        ask.header("content-type", "application/json")
            .body(flood.clone())
            .send()
            .await
    };
    let mine = async || {
        for _ in 0..20 {
            let body = json!({"email": PERSON, "html": "<a href=http://a>x</a>"});
            let answer = app.post(ROUTE, &writer(&app), &body).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    };
    let (one, two, three, ()) = tokio::join!(flood(), flood(), flood(), mine());
    for refused in [one, two, three] {
        refused.is_refused(413, "too_many_links");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tangle_of_tags_is_refused_and_honest_ones_are_not() {
    let app = spawn_app().await;
    let key = writer(&app);
    for tangle in [
        "<b>".repeat(20_000) + &"</i>".repeat(20_000),
        "<b></i>".repeat(20_000),
    ] {
        let refused = register(&app, &key, "html", tangle).await;
        refused.is_refused_for("html", "invalid_html");
    }
    assert_eq!(
        app.series(r#"misar_messages_refused_total{reason="tangle"}"#)
            .await,
        2
    );
    // Elements that nothing ends, and end tags that end nothing, are everywhere.
    let honest = "<table><tr><td><p>text<br><li>item</td></b></tr></table>".repeat(2_000);
    let passed = register(&app, &key, "html", honest).await;
    assert_eq!(
        passed.status,
        200,
        "{}",
        passed.text.get(..200).unwrap_or_default()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_that_links_are_looked_for_in_count_as_links() {
    let app = spawn_app().await;
    let key = writer(&app);
    for part in [
        "<!--[if mso]><b href=x><![endif]-->",
        "<noscript>href</noscript>",
    ] {
        let refused = register(&app, &key, "html", part.repeat(10_001)).await;
        refused.is_refused(413, "too_many_links");
    }
    let plain = "<!--[if mso]><td><![endif]--><noscript>text</noscript>".repeat(20_000);
    let passed = register(&app, &key, "html", plain).await;
    assert_eq!(
        passed.status,
        200,
        "{}",
        passed.text.get(..200).unwrap_or_default()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_inside_markup_is_read_a_bounded_number_of_times() {
    let app = spawn_app().await;
    let mut html = "<p>text</p>".repeat(2_000);
    // On each level what strict reading cannot tell, so that each level is read twice.
    for level in 0..8 {
        html = if level % 2 == 0 {
            format!("<noscript>{html}</noscript><select><xmp></xmp></select>")
        } else {
            format!("<!--[if mso]>{html}<![endif]--><select><xmp></xmp></select>")
        };
    }
    let answer = register(&app, &writer(&app), "html", html).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}
