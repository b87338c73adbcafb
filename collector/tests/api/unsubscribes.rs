//! The unsubscribe link: looking changes nothing, pressing is on disk with its answer, and once.

use std::sync::Arc;

use reqwest::Method;
use store::record::{Class, ContactId, WorkspaceId};
use store::token::Token;
use tokio::task::JoinSet;

use crate::mail::{TARGET, ask, click_to, dropped, get, is_private, records, seal, sent, settled};
use crate::support::{Answer, TestApp, spawn_app_at_rest};

#[track_caller]
fn is_page(answer: &Answer, title: &str) {
    assert!(
        answer.text.contains(&format!("<h1>{title}</h1>")),
        "{}",
        answer.text
    );
    assert!(answer.text.starts_with("<!doctype html><html lang=\"en\">"));
    assert!(answer.text.contains("name=\"viewport\""));
    assert!(answer.text.contains("color-scheme:light dark"));
    for outside in ["http:", "https:", "src=", "href=", "<script", "url("] {
        assert!(!answer.text.contains(outside), "{}", answer.text);
    }
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("x-robots-tag"), "noindex");
    is_private(answer);
    let policy = answer.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(policy.contains("form-action 'self'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    // The policy allows the very style that is there.
    use sha2::Digest as _;
    let style = answer.text.split_once("<style>").unwrap().1;
    let style = style.split_once("</style>").unwrap().0;
    let hash = crate::support::base64(&sha2::Sha256::digest(style));
    assert!(policy.contains(&hash), "{policy}");
}

async fn post(app: &TestApp, path: &str, body: &str) -> Answer {
    app.ask(Method::POST, path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_the_unsubscribe_page_changes_nothing_at_any_age() {
    let (app, clock) = spawn_app_at_rest().await;
    let token = seal(&app, &Token::Unsubscribe(sent()));
    let path = format!("/mail/unsubscribe/{token}");
    for days in [0, 1, 30, 400] {
        clock.advance_millis(days * 24 * 3_600_000);
        let answer = get(&app, &format!("{path}?confirm=1")).await;
        assert_eq!(answer.status, 200);
        is_page(&answer, "Unsubscribe?");
        assert!(answer.text.contains(
            "<form method=\"post\"><input type=\"hidden\" name=\"from\" value=\"page\"><button"
        ));
        let answer = ask(&app, Method::HEAD, &path, &[]).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    }
    let (app, _) = app.restart().await;
    assert_eq!(app.on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unsubscribing_is_on_disk_with_its_answer_and_once_at_any_age() {
    let (app, clock) = spawn_app_at_rest().await;
    let token = seal(&app, &Token::Unsubscribe(sent()));
    let path = format!("/mail/unsubscribe/{token}");
    let answer = post(&app, &path, "List-Unsubscribe=One-Click").await;
    assert_eq!(answer.status, 200);
    is_page(&answer, "You are unsubscribed");
    assert_eq!(app.on_disk(), 1);
    let long = "x=".repeat(1_000_000);
    for (days, body) in [
        (0, ""),
        (0, "a=b"),
        (8, "List-Unsubscribe=One-Click"),
        (30, &long),
    ] {
        clock.advance_millis(days * 24 * 3_600_000);
        let answer = post(&app, &path, body).await;
        assert_eq!(answer.status, 200);
        is_page(&answer, "You are unsubscribed");
        assert_eq!(app.on_disk(), 1);
    }
    let records = records(&app);
    let entry = &records[0].entry;
    assert_eq!(entry.fact.name(), "email_unsubscribed");
    assert_eq!(
        entry.told_by.class(),
        Some(&(Class::ProxyHuman, "one_click".to_owned()))
    );
    // Another message, or another contact, is another event; by the button it is the reader's own.
    let mut others = [sent(), sent()];
    others[0].message_id = "msg_2".to_owned();
    others[1].contact = ContactId([8; 16]);
    for other in others {
        let token = seal(&app, &Token::Unsubscribe(other));
        post(&app, &format!("/mail/unsubscribe/{token}"), "from=page").await;
    }
    assert_eq!(app.on_disk(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_unsubscribe_at_once_with_one_token_are_one_event_and_none_is_refused() {
    let (app, _clock) = spawn_app_at_rest().await;
    let app = Arc::new(app);
    let token = seal(&app, &Token::Unsubscribe(sent()));
    let mut posts = JoinSet::new();
    for _ in 0..300 {
        let (app, path) = (Arc::clone(&app), format!("/mail/unsubscribe/{token}"));
        posts.spawn(async move { post(&app, &path, "List-Unsubscribe=One-Click").await });
    }
    for answer in posts.join_all().await {
        assert_eq!(answer.status, 200);
    }
    assert_eq!(app.on_disk(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_link_is_a_page_that_says_so() {
    let (app, _clock) = spawn_app_at_rest().await;
    let unsubscribe = seal(&app, &Token::Unsubscribe(sent()));
    let click = seal(&app, &click_to(TARGET));
    let open = seal(&app, &Token::Open(sent()));
    let mut elsewhere = sent();
    elsewhere.workspace = WorkspaceId(9);
    let nobodys = seal(&app, &Token::Unsubscribe(elsewhere));
    for (method, path) in [
        (Method::GET, format!("/mail/unsubscribe/{nobodys}")),
        (Method::POST, format!("/mail/unsubscribe/{nobodys}")),
        (Method::GET, format!("/mail/unsubscribe/{open}")),
        (Method::POST, format!("/mail/unsubscribe/{open}")),
        (Method::GET, format!("/mail/track/click/{open}")),
        (Method::GET, format!("/mail/unsubscribe/{click}")),
        (Method::POST, format!("/mail/unsubscribe/{click}")),
        (
            Method::POST,
            format!("/mail/unsubscribe/{}", &unsubscribe[1..]),
        ),
        (Method::GET, format!("/mail/track/click/{unsubscribe}")),
        (Method::GET, "/mail/track/click/%ff".to_owned()),
    ] {
        let answer = ask(&app, method, &path, &[]).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("location"), "");
        is_page(&answer, "This link is incomplete");
    }
    assert_eq!(app.on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsubscribe_that_cannot_be_kept_says_so_and_pixels_and_links_still_answer() {
    let (app, _clock) = spawn_app_at_rest().await;
    let unsubscribe = seal(&app, &Token::Unsubscribe(sent()));
    let open = seal(&app, &Token::Open(sent()));
    let click = seal(&app, &click_to(TARGET));
    app.app.log.close().await.unwrap();
    let answer = post(&app, &format!("/mail/unsubscribe/{unsubscribe}"), "").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), "5");
    is_page(&answer, "Not yet unsubscribed");
    assert_eq!(
        get(&app, &format!("/mail/track/open/{open}")).await.status,
        200
    );
    assert_eq!(
        get(&app, &format!("/mail/track/click/{click}"))
            .await
            .status,
        302
    );
    settled(&app, 2).await;
    assert_eq!(dropped(&app, "storage").await, 2);
}
