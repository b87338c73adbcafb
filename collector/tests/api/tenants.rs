//! One tenant, one share: where workspace B takes all that it gets, workspace A notices nothing.

use reqwest::Method;
use serde_json::json;
use shared::api_key::{KeyKind, Scope};

use crate::sessions::{log_in, read};
use crate::support::{TestApp, spawn_app};

/// A key of the workspace of that name, which is made where it is new.
fn reader_of(app: &TestApp, name: &str) -> String {
    let meta = &app.app.meta;
    let workspace = meta.workspace(name);
    let workspace = workspace.unwrap_or_else(|| meta.create_workspace(name).unwrap());
    let change = |new: &mut store::meta::NewKey| {
        new.workspace = workspace;
        new.scopes = vec![Scope::Read];
    };
    app.key_of(change, KeyKind::Secret).1
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_logins_end_no_session_of_ours() {
    let app = spawn_app().await;
    let ours = log_in(&app, json!({"key": app.key})).await;
    let neighbours = app.secret(&[Scope::Read]);
    let theirs = reader_of(&app, "theirs");
    let first = log_in(&app, json!({"key": theirs})).await;
    for key in [&theirs, &neighbours] {
        for _ in 0..110 {
            log_in(&app, json!({"key": key})).await;
        }
    }
    assert_eq!(read(&app, "/v1/events", &ours).await.status, 200);
    // They have ended their own.
    read(&app, "/v1/events", &first)
        .await
        .is_refused(401, "no_session");
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_streams_take_none_of_our_places() {
    let app = spawn_app().await;
    let theirs: Vec<String> = (0..5).map(|_| reader_of(&app, "theirs")).collect();
    let open = async |key: &str| app.ask(Method::GET, "/v1/live").key(key).open().await;
    // Two workspaces: each may have 32, and each of its keys 16.
    let mut streams = Vec::new();
    for key in &theirs {
        for _ in 0..20 {
            let stream = open(key).await;
            if stream.status() == 200 {
                streams.push(stream);
            }
        }
    }
    assert_eq!(streams.len(), 32);
    let second = app.secret(&[Scope::Read]);
    for key in [&app.key, &second] {
        for _ in 0..16 {
            let stream = open(key).await;
            assert_eq!(stream.status(), 200);
            streams.push(stream);
        }
        let full = app.get_with("/v1/live", key).await;
        full.is_refused(503, "too_many_live_readers");
        assert!(full.message().contains("this key has 16"), "{}", full.text);
    }
    let full = app.get_with("/v1/live", &app.secret(&[Scope::Read])).await;
    full.is_refused(503, "too_many_live_readers");
    assert!(
        full.message().contains("this workspace has 32"),
        "{}",
        full.text
    );
    // A session counts as the key that opened it.
    let browser = log_in(&app, json!({"key": app.key})).await;
    let ask = app
        .ask(Method::GET, "/v1/live")
        .header("cookie", &browser.cookie);
    let full = ask.send().await;
    full.is_refused(503, "too_many_live_readers");
    assert!(full.message().contains("this key has 16"), "{}", full.text);
}
