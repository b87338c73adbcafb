//! `/session`: how our own pages log in, what their cookie opens, and when it no longer does.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use collector::public_url::PublicUrl;

use crate::support::{
    Answer, PERSON, TestApp, new_id, spawn_app, spawn_app_at_rest, spawn_app_known_as,
};

/// What a page keeps of its session.
pub(crate) struct Browser {
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

/// The code of a new link.
fn code(app: &TestApp) -> String {
    let link = app.app.make_link().unwrap();
    let (page, code) = link.split_once("#code=").unwrap();
    assert_eq!(page, format!("{}/live", app.origin()));
    code.to_owned()
}

async fn open(app: &TestApp, body: Value) -> Answer {
    let ask = app.ask(Method::POST, "/session");
    ask.header("origin", &app.origin()).json(&body).send().await
}

pub(crate) async fn log_in(app: &TestApp, body: Value) -> Browser {
    let answer = open(app, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let cookie = answer.header("set-cookie").split(';').next().unwrap();
    Browser {
        cookie: cookie.to_owned(),
        csrf: answer.text_of("csrfToken"),
    }
}

pub(crate) async fn read(app: &TestApp, path: &str, browser: &Browser) -> Answer {
    let ask = app.ask(Method::GET, path).header("cookie", &browser.cookie);
    ask.header("sec-fetch-site", "same-origin").send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_opens_one_session_whose_cookie_no_script_can_read() {
    let app = spawn_app().await;
    let code = code(&app);
    let answer = open(&app, json!({"code": code})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.body["workspace"], "default");
    assert_eq!(answer.body["scopes"], json!(["admin"]));
    assert_eq!(answer.header("cache-control"), "no-store");
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("misar_session="), "{cookie}");
    for flag in [
        "; HttpOnly",
        "; SameSite=Strict",
        "; Path=/",
        "; Max-Age=604800",
    ] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "the server speaks http");
    let again = open(&app, json!({"code": code})).await;
    again.is_refused(401, "invalid_code");
    assert!(again.message().contains("misar link"));
    let both = json!({"code": code, "key": app.key});
    for body in [json!({}), json!({"code": 1}), both] {
        open(&app, body).await.is_refused(422, "invalid_parameter");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_a_session_of_its_workspace_if_it_may_read() {
    let app = spawn_app().await;
    let elsewhere = app.key_elsewhere();
    let answer = open(&app, json!({"key": elsewhere})).await;
    assert_eq!(answer.body["workspace"], "elsewhere", "{}", answer.text);
    assert_eq!(answer.body["scopes"], json!(["send", "read"]));
    assert!(app.known(&elsewhere).exposed_at().is_none());
    open(&app, json!({"key": app.secret(&[Scope::Admin])})).await;
    for key in [app.secret(&[Scope::Send]), app.public(&[])] {
        open(&app, json!({"key": key}))
            .await
            .is_refused(403, "insufficient_scope");
    }
    open(&app, json!({"key": "nothing"}))
        .await
        .is_refused(401, "invalid_key");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_opens_no_session_and_has_exposed_the_key_that_it_shows() {
    let app = spawn_app().await;
    let code = code(&app);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "same-site"),
        // Neither header: no page of ours.
        ("accept", "*/*"),
    ] {
        let ask = app.ask(Method::POST, "/session").header(name, value);
        let answer = ask.json(&json!({"code": code})).send().await;
        answer.is_refused(403, "cross_origin");
    }
    assert!(app.known(&app.key).exposed_at().is_none());
    let ask = app.ask(Method::POST, "/session");
    let ask = ask.header("origin", "https://evil.example");
    let answer = ask.json(&json!({"key": app.key})).send().await;
    answer.is_refused(403, "cross_origin");
    assert!(app.known(&app.key).exposed_at().is_some());
    log_in(&app, json!({"code": code})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_reads_for_our_own_pages_and_for_no_other_site() {
    let app = spawn_app().await;
    let sender = app.secret(&[Scope::Send]);
    let id = new_id();
    let event = json!({"email": PERSON, "event": "viewed", "id": id});
    app.post("/v1/track/event", &sender, &event).await;
    let browser = log_in(&app, json!({"code": code(&app)})).await;
    let receipt = format!("/v1/receipts/{id}");
    for path in ["/v1/events", &receipt, "/session"] {
        let answer = read(&app, path, &browser).await;
        assert_eq!(answer.status, 200, "{path} {}", answer.text);
        // As browsers without these headers ask, and with an origin of their own.
        let bare = app.ask(Method::GET, path).header("cookie", &browser.cookie);
        assert_eq!(bare.send().await.status, 200);
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "cross-site"),
        ] {
            let ask = app.ask(Method::GET, path).header("cookie", &browser.cookie);
            let answer = ask.header(name, value).send().await;
            answer.is_refused(403, "cross_origin");
        }
        let other = Browser {
            cookie: "misar_session=abc".to_owned(),
            csrf: String::new(),
        };
        read(&app, path, &other).await.is_refused(401, "no_session");
    }
    // It opens no route that sends, and a secret key of a page stays refused.
    let ask = app.ask(Method::POST, "/v1/track/event");
    let ask = ask.header("cookie", &browser.cookie);
    let answer = ask.json(&event).send().await;
    answer.is_refused(401, "missing_key");
    let ask = app.ask(Method::GET, "/v1/events").key(&app.key);
    let answer = ask.header("sec-fetch-site", "same-origin").send().await;
    answer.is_refused(403, "secret_key_in_browser");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_cookies_of_one_name_each_is_tried() {
    let app = spawn_app().await;
    let browser = log_in(&app, json!({"key": app.key})).await;
    let other = "misar_session=0123456789abcdef";
    for cookies in [
        vec![format!("{other}; {}", browser.cookie)],
        vec![format!("{}; {other}", browser.cookie)],
        vec![other.to_owned(), browser.cookie.clone()],
        vec![format!("a=b; misar_session=; {other}; {}", browser.cookie)],
    ] {
        let mut ask = app.ask(Method::GET, "/v1/events");
        for cookie in &cookies {
            ask = ask.header("cookie", cookie);
        }
        assert_eq!(ask.send().await.status, 200, "{cookies:?}");
    }
    let ask = app.ask(Method::GET, "/v1/events");
    let answer = ask
        .header("cookie", &format!("{other}; {other}"))
        .send()
        .await;
    answer.is_refused(401, "no_session");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_server_speaks_https_the_cookie_is_its_hosts_alone() {
    let url = PublicUrl::parse("https://track.example").unwrap();
    let app = spawn_app_known_as(url).await;
    let browser = log_in(&app, json!({"key": app.key})).await;
    let (name, token) = browser.cookie.split_once('=').unwrap();
    assert_eq!(name, "__Host-misar_session");
    assert_eq!(read(&app, "/v1/events", &browser).await.status, 200);
    let ask = app.ask(Method::GET, "/v1/events");
    let without = ask.header("cookie", &format!("misar_session={token}"));
    without.send().await.is_refused(401, "missing_key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_goes_before_the_cookie() {
    let app = spawn_app().await;
    let browser = log_in(&app, json!({"code": code(&app)})).await;
    let contacts = app.secret(&[Scope::Contacts]);
    let ask = app.ask(Method::GET, "/v1/events").key(&contacts);
    let answer = ask.header("cookie", &browser.cookie).send().await;
    answer.is_refused(403, "insufficient_scope");
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_a_session_takes_its_token_against_forged_changes() {
    let app = spawn_app().await;
    let browser = log_in(&app, json!({"code": code(&app)})).await;
    let told = read(&app, "/session", &browser).await;
    assert_eq!(told.text_of("csrfToken"), browser.csrf);
    let end = || {
        let ask = app.ask(Method::DELETE, "/session");
        ask.header("cookie", &browser.cookie)
    };
    let without = end().send().await;
    without.is_refused(403, "invalid_csrf_token");
    let wrong = end().header("x-csrf-token", &"0".repeat(64)).send().await;
    wrong.is_refused(403, "invalid_csrf_token");
    let elsewhere = end().header("x-csrf-token", &browser.csrf);
    let elsewhere = elsewhere.header("sec-fetch-site", "cross-site");
    elsewhere.send().await.is_refused(403, "cross_origin");
    let right = end().header("x-csrf-token", &browser.csrf).send().await;
    assert_eq!(right.status, 204);
    let taken_away = right.header("set-cookie");
    assert!(taken_away.starts_with("misar_session=; "), "{taken_away}");
    for part in ["; Path=/", "; Max-Age=0", "; HttpOnly"] {
        assert!(taken_away.contains(part), "{taken_away}");
    }
    read(&app, "/v1/events", &browser)
        .await
        .is_refused(401, "no_session");
    end().send().await.is_refused(401, "no_session");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_key_and_after_seven_days() {
    let (app, clock) = spawn_app_at_rest().await;
    let browser = log_in(&app, json!({"key": app.key})).await;
    let other = log_in(&app, json!({"code": code(&app)})).await;
    assert_eq!(read(&app, "/v1/events", &browser).await.status, 200);
    let key = app.known(&app.key);
    app.app.meta.revoke_key(key.workspace, &key.id).unwrap();
    read(&app, "/v1/events", &browser)
        .await
        .is_refused(401, "no_session");
    let week = 7 * 24 * 60 * 60 * 1000;
    clock.advance_millis(week - 1);
    assert_eq!(read(&app, "/v1/events", &other).await.status, 200);
    clock.advance_millis(1);
    read(&app, "/v1/events", &other)
        .await
        .is_refused(401, "no_session");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_a_restart_and_a_code_does_not() {
    let app = spawn_app().await;
    let unused = code(&app);
    let by_key = log_in(&app, json!({"key": app.key})).await;
    let by_code = log_in(&app, json!({"code": code(&app)})).await;
    let ended = log_in(&app, json!({"code": code(&app)})).await;
    let ask = app.ask(Method::DELETE, "/session");
    let ask = ask.header("cookie", &ended.cookie);
    let answer = ask.header("x-csrf-token", &ended.csrf).send().await;
    assert_eq!(answer.status, 204);
    let (app, _) = app.restart().await;
    for browser in [by_key, by_code] {
        assert_eq!(read(&app, "/v1/events", &browser).await.status, 200);
        let told = read(&app, "/session", &browser).await;
        assert_eq!(told.text_of("csrfToken"), browser.csrf);
    }
    read(&app, "/session", &ended)
        .await
        .is_refused(401, "no_session");
    open(&app, json!({"code": unused}))
        .await
        .is_refused(401, "invalid_code");
}
