//! The embed code of each public key, and whether pages use it.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::sessions::log_in;
use crate::support::{Answer, PERSON, TestApp, spawn_app};

fn of<'a>(answer: &'a Answer, key: &str) -> &'a Value {
    let embeds = answer.body["embeds"].as_array().unwrap();
    embeds.iter().find(|embed| embed["key"] == key).unwrap()
}

async fn send(app: &TestApp, key: &str, email: &str) -> Answer {
    let body = json!({"key": key, "email": email, "event": "x"});
    app.ask(Method::POST, "/v1/track/event")
        .text(&body)
        .send()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_public_key_has_its_code_in_the_order_of_their_making() {
    let app = spawn_app().await;
    let first = app.public(&["https://shop.example", "*.shop.example"]);
    let second = app.shop();
    let revoked = app.public(&[]);
    let known = app.known(&revoked);
    app.app.meta.revoke_key(known.workspace, &known.id).unwrap();
    let answer = app.get("/v1/embeds").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.body["meta"]["lagMs"].is_u64());
    let listed: Vec<&Value> = answer.body["embeds"].as_array().unwrap().iter().collect();
    let keys: Vec<&Value> = listed.iter().map(|embed| &embed["key"]).collect();
    assert_eq!(keys, [&json!(first), &json!(second)]);
    assert_eq!(listed[0]["keyId"], json!(app.known(&first).id));
    assert_eq!(
        listed[0]["origins"],
        json!(["https://shop.example", "*.shop.example"])
    );
    assert_eq!(listed[0]["allowPurchases"], false);
    assert_eq!(listed[1]["allowPurchases"], true);
    assert_eq!(listed[1]["origins"], json!([]));
    let html = listed[0]["html"].as_str().unwrap();
    assert!(
        html.starts_with(&format!(
            "<script>\nwindow.MisarMail = {{ key: '{first}' }};\n"
        )),
        "{html}"
    );
    let script = format!(
        "\n</script>\n<script src=\"http://{}/mail/track.js\" async></script>",
        app.address
    );
    assert!(html.ends_with(&script), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_received_once_an_event_of_its_own_is_on_record() {
    let app = spawn_app().await;
    let (used, unused) = (app.public(&[]), app.public(&[]));
    assert_eq!(of(&app.get("/v1/embeds").await, &used)["received"], false);
    // It touches the key, and is no event on record.
    send(&app, &used, "nobody")
        .await
        .is_refused(422, "invalid_email");
    assert!(app.known(&used).last_used_at().is_some());
    assert_eq!(of(&app.get("/v1/embeds").await, &used)["received"], false);
    let sent = send(&app, &used, PERSON).await;
    app.listed_as(&sent.is_tracked().text_of("id")).await;
    let answer = app.get("/v1/embeds").await;
    assert_eq!(of(&answer, &used)["received"], true);
    assert_eq!(of(&answer, &unused)["received"], false);
    app.app.projector.rebuild(|_, _| {}).await.unwrap();
    assert_eq!(of(&app.get("/v1/embeds").await, &used)["received"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_readers_of_the_workspace_see_the_codes() {
    let app = spawn_app().await;
    let public = app.public(&[]);
    let ask = || app.ask(Method::GET, "/v1/embeds");
    ask().send().await.is_refused(401, "missing_key");
    ask()
        .key(&public)
        .send()
        .await
        .is_refused(403, "insufficient_scope");
    ask()
        .key(&app.secret(&[Scope::Send]))
        .send()
        .await
        .is_refused(403, "insufficient_scope");
    let elsewhere = app.get_with("/v1/embeds", &app.key_elsewhere()).await;
    assert_eq!(elsewhere.body["embeds"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_page_reads_the_codes_with_its_cookie() {
    let app = spawn_app().await;
    let public = app.public(&[]);
    let browser = log_in(&app, json!({"key": app.key})).await;
    let ask = || {
        app.ask(Method::GET, "/v1/embeds")
            .header("cookie", &browser.cookie)
    };
    let own = ask().header("sec-fetch-site", "same-origin").send().await;
    assert_eq!(of(&own, &public)["received"], false);
    let foreign = ask().header("sec-fetch-site", "same-site").send().await;
    assert!(matches!(foreign.status, 401 | 403), "{}", foreign.text);
}
