//! `/v1/keys`: an admin makes, lists, changes and revokes the keys of its own workspace, and gets no further.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use redb::{ReadableTable as _, ReadableTableMetadata as _, TableDefinition};
use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::{ApiKey, KeyKind, Scope};
use shared::time::Timestamp;

use store::clock::SystemClock;
use store::meta::KeyDigest;

use crate::sessions::log_in;
use crate::support::{Answer, NOW, PERSON, TestApp, spawn_app, spawn_app_at_rest, spawn_app_in};

const ROUTE: &str = "/v1/keys";

async fn change(app: &TestApp, key: &str, id: &str, body: &Value) -> Answer {
    let ask = app.ask(Method::PATCH, &format!("{ROUTE}/{id}"));
    ask.key(key).json(body).send().await
}

async fn revoke(app: &TestApp, key: &str, id: &str) -> Answer {
    let ask = app.ask(Method::DELETE, &format!("{ROUTE}/{id}"));
    ask.key(key).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_shown_once_changed_and_revoked() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    let body = json!({"scopes": ["send", "read"], "label": "shop", "rate": 50});
    let made = app.post(ROUTE, &admin, &body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(made.header("cache-control"), "no-store");
    assert_eq!(made.body["success"], true);
    assert_eq!(made.body["workspace"], "default");
    let (id, plain) = (made.text_of("id"), made.text_of("key"));
    let event = json!({"email": PERSON, "event": "viewed"});
    app.post("/v1/track/event", &plain, &event)
        .await
        .is_tracked();

    let listed = app.get_with(ROUTE, &admin).await;
    assert!(!listed.text.contains(&plain), "{}", listed.text);
    let keys = listed.body["keys"].as_array().unwrap();
    let of_list = keys.iter().find(|key| key["id"] == id.as_str()).unwrap();
    assert_eq!(of_list["lastFour"], plain[plain.len() - 4..]);
    assert_eq!(of_list["key"], Value::Null);
    let one = app.get_with(&format!("{ROUTE}/{id}"), &admin).await;
    assert_eq!(one.body["label"], "shop");

    let body = json!({"label": "web", "rate": null, "expiresAt": "2099-01-01T00:00:00Z"});
    let changed = change(&app, &admin, &id, &body).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(changed.body["label"], "web");
    assert_eq!(changed.body["rate"], Value::Null);
    assert_eq!(changed.body["scopes"], json!(["send", "read"]));
    let forever = change(&app, &admin, &id, &json!({"expiresAt": null})).await;
    assert_eq!(forever.body["expiresAt"], Value::Null);

    let revoked = revoke(&app, &admin, &id).await;
    assert!(revoked.body["revokedAt"].is_string(), "{}", revoked.text);
    app.post("/v1/track/event", &plain, &event)
        .await
        .is_refused(401, "revoked_key");
    change(&app, &admin, &id, &json!({"label": "x"}))
        .await
        .is_refused(409, "key_is_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_found_by_the_digest_of_its_text() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    let leaked = app.secret(&[Scope::Send]);
    let digest = KeyDigest::of(&ApiKey::parse(&leaked).unwrap());
    let revoked = revoke(&app, &admin, &digest.to_string()).await;
    assert_eq!(revoked.text_of("id"), app.known(&leaked).id);
    assert!(app.known(&leaked).revoked_at().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_key_comes_with_what_pages_embed() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    let body = json!({"public": true, "origins": ["https://shop.example"], "allowPurchases": true});
    let made = app.post(ROUTE, &admin, &body).await;
    assert!(made.text_of("embed").contains(&made.text_of("key")));
    assert_eq!(made.body["scopes"], json!(["send"]));
    let id = made.text_of("id");
    let body = json!({"addOrigins": ["*.b.example"], "removeOrigins": ["https://shop.example"]});
    let changed = change(&app, &admin, &id, &body).await;
    assert_eq!(changed.body["origins"], json!(["*.b.example"]));
    change(
        &app,
        &admin,
        &id,
        &json!({"removeOrigins": ["*.b.example"]}),
    )
    .await
    .is_refused(422, "invalid_parameter");
    let open = change(&app, &admin, &id, &json!({"anyOrigin": true})).await;
    assert_eq!(open.body["origins"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_key_can_be_is_refused_by_its_field_and_nothing_is_made() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    let before = app.get_with(ROUTE, &admin).await.body["keys"]
        .as_array()
        .unwrap()
        .len();
    let secret = app.secret(&[Scope::Send]);
    for (body, field) in [
        (json!({"scopes": ["everything"]}), "scopes"),
        (json!({"scopes": "send"}), "scopes"),
        (json!({"public": true, "scopes": ["read"]}), "scopes"),
        (json!({"public": "yes"}), "public"),
        (json!({"origins": ["https://shop.example"]}), "origins"),
        (
            json!({"public": true, "origins": ["shop.example/x"]}),
            "origins",
        ),
        (json!({"allowPurchases": true}), "allowPurchases"),
        (json!({"rate": 0}), "rate"),
        (json!({"rate": 1.5}), "rate"),
        (json!({"label": ""}), "label"),
        (json!({"label": "a\u{1b}[2J"}), "label"),
        (json!({"label": secret}), "label"),
        (json!({"expiresAt": "tomorrow"}), "expiresAt"),
        (json!({"expiresAt": "2001-01-01T00:00:00Z"}), "expiresAt"),
    ] {
        let refused = app.post(ROUTE, &admin, &body).await;
        refused.is_refused(422, "invalid_parameter");
        assert_eq!(refused.body["error"]["field"], field, "{body}");
        // Whoever asks over HTTP has no command line before them.
        assert!(!refused.text.contains("--"), "{}", refused.text);
    }
    for body in [
        json!({"scope": ["read"]}),
        json!([]),
        json!(null),
        json!("x"),
    ] {
        let refused = app.post(ROUTE, &admin, &body).await;
        refused.is_refused(422, "unknown_parameter");
    }
    let near = app.post(ROUTE, &admin, &json!({"scope": ["read"]})).await;
    assert!(near.text.contains("do you mean `scopes`?"), "{}", near.text);
    let ask = app.ask(Method::POST, ROUTE).key(&admin);
    let broken = ask.header("content-type", "application/json").body("{");
    broken.send().await.is_refused(400, "invalid_json");
    let long = json!({"label": "x".repeat(70_000)});
    app.post(ROUTE, &admin, &long)
        .await
        .is_refused(413, "body_too_large");
    let after = app.get_with(ROUTE, &admin).await;
    // The secret key of this test is one of them.
    assert_eq!(after.body["keys"].as_array().unwrap().len(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_and_changes_no_key_of_another_workspace_however_it_asks() {
    let app = spawn_app().await;
    let ours = app.secret(&[Scope::Admin]);
    let (ours_id, ours_label) = (app.known(&ours).id.clone(), app.known(&ours).label.clone());
    let theirs = app.key_of_other("elsewhere", KeyKind::Secret, &[Scope::Admin]);
    let listed = app.get_with(ROUTE, &theirs).await;
    let workspaces = listed.body["keys"].as_array().unwrap();
    assert!(workspaces.iter().all(|key| key["workspace"] == "elsewhere"));
    let digest = KeyDigest::of(&ApiKey::parse(&ours).unwrap()).to_string();
    for name in [&ours_id, &digest] {
        let path = format!("{ROUTE}/{name}");
        app.get_with(&path, &theirs)
            .await
            .is_refused(404, "no_such_key");
        change(&app, &theirs, name, &json!({"label": "x"}))
            .await
            .is_refused(404, "no_such_key");
        revoke(&app, &theirs, name)
            .await
            .is_refused(404, "no_such_key");
    }
    // Which the operator may say on the socket.
    for (method, path) in [
        (Method::GET, "/v1/keys?workspace=default"),
        (Method::POST, "/v1/keys?workspace=default"),
        (Method::GET, "/v1/settings?workspace=default"),
        (Method::PATCH, "/v1/settings?workspace=default"),
    ] {
        let ask = app.ask(method, path).key(&theirs).json(&json!({}));
        ask.send().await.is_refused(422, "unknown_parameter");
    }
    let body = json!({"workspace": "default"});
    app.post(ROUTE, &theirs, &body)
        .await
        .is_refused(422, "unknown_parameter");
    assert!(app.known(&ours).revoked_at().is_none());
    assert_eq!(app.known(&ours).label, ours_label);
    let made = app
        .post(ROUTE, &theirs, &json!({"scopes": ["admin"]}))
        .await;
    assert_eq!(made.body["workspace"], "elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_see_the_whole_process_are_the_operators_to_make_and_change() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    app.post(ROUTE, &admin, &json!({"operator": true}))
        .await
        .is_refused(403, "operator_only");
    let made = app.post(ROUTE, &admin, &json!({"operator": false})).await;
    assert!(made.body.get("operator").is_none(), "{}", made.text);
    let (operators, _) = app.key_of(|new| new.operator = true, KeyKind::Secret);
    change(&app, &admin, &operators.id, &json!({"expiresAt": null}))
        .await
        .is_refused(403, "operator_only");
    // What has leaked must stop.
    assert_eq!(revoke(&app, &admin, &operators.id).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_an_admin_makes_lives_longer_than_its_own_key() {
    let (app, clock) = spawn_app_at_rest().await;
    let now = Timestamp::parse_rfc3339(NOW).unwrap();
    let end = now.plus_millis(60_000);
    let later = now.plus_millis(60_001).to_string();
    let (_, admin) = app.key_of(
        |new| {
            new.scopes = vec![Scope::Admin];
            new.expires_at = Some(end);
        },
        KeyKind::Secret,
    );
    let browser = log_in(&app, json!({"key": admin})).await;
    let made = app.post(ROUTE, &admin, &json!({"scopes": ["admin"]})).await;
    assert_eq!(made.text_of("expiresAt"), end.to_string());
    let ask = app
        .ask(Method::POST, ROUTE)
        .json(&json!({"scopes": ["admin"]}));
    let ask = ask.header("cookie", &browser.cookie);
    let ask = ask.header("sec-fetch-site", "same-origin");
    let in_session = ask.header("x-csrf-token", &browser.csrf).send().await;
    assert_eq!(in_session.text_of("expiresAt"), end.to_string());
    for expiry in [json!(later), Value::Null] {
        let body = json!({"expiresAt": expiry});
        if !expiry.is_null() {
            let refused = app.post(ROUTE, &admin, &body).await;
            refused.is_refused(422, "invalid_parameter");
        }
        for id in [made.text_of("id"), app.known(&admin).id.clone()] {
            let refused = change(&app, &admin, &id, &body).await;
            refused.is_refused(422, "invalid_parameter");
        }
    }
    let sooner = json!({"expiresAt": now.plus_millis(1_000).to_string()});
    assert_eq!(app.post(ROUTE, &admin, &sooner).await.status, 200);
    clock.set(end);
    app.get_with(ROUTE, &made.text_of("key"))
        .await
        .is_refused(401, "expired_key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_ours_changes_keys_with_its_token_alone() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    let browser = log_in(&app, json!({"key": admin})).await;
    let reader = log_in(&app, json!({"key": app.secret(&[Scope::Read])})).await;
    let ask = |method: Method, path: &str, cookie: &str| {
        let ask = app.ask(method, path).header("cookie", cookie);
        ask.header("sec-fetch-site", "same-origin")
    };
    assert_eq!(
        ask(Method::GET, ROUTE, &browser.cookie).send().await.status,
        200
    );
    ask(Method::GET, ROUTE, &reader.cookie)
        .send()
        .await
        .is_refused(403, "insufficient_scope");
    let id = app.known(&app.public(&[])).id.clone();
    let one = format!("{ROUTE}/{id}");
    for (method, path) in [
        (Method::POST, ROUTE),
        (Method::PATCH, &one),
        (Method::DELETE, &one),
        (Method::PATCH, "/v1/settings"),
    ] {
        let without = ask(method.clone(), path, &browser.cookie).json(&json!({}));
        without.send().await.is_refused(403, "invalid_csrf_token");
        let foreign = ask(method.clone(), path, &browser.cookie).json(&json!({}));
        let foreign = foreign.header("x-csrf-token", &reader.csrf);
        foreign.send().await.is_refused(403, "invalid_csrf_token");
        let with = ask(method, path, &browser.cookie).json(&json!({}));
        let with = with.header("x-csrf-token", &browser.csrf).send().await;
        assert_eq!(with.status, 200, "{path} {}", with.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_may_revoke_the_key_that_it_asks_with_and_is_out() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    let browser = log_in(&app, json!({"key": admin})).await;
    let id = app.known(&admin).id.clone();
    assert_eq!(revoke(&app, &admin, &id).await.status, 200);
    app.get_with(ROUTE, &admin)
        .await
        .is_refused(401, "revoked_key");
    crate::sessions::read(&app, ROUTE, &browser)
        .await
        .is_refused(401, "no_session");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_that_an_admin_makes_or_changes_sends_faster_than_its_own() {
    let app = spawn_app().await;
    let (own, admin) = app.key_of(
        |new| {
            new.scopes = vec![Scope::Admin];
            new.rate = NonZeroU32::new(50);
        },
        KeyKind::Secret,
    );
    for rate in [51, u32::MAX] {
        let answer = app.post(ROUTE, &admin, &json!({"rate": rate})).await;
        answer.is_refused_for("rate", "invalid_parameter");
        assert!(answer.message().contains("50"), "{}", answer.text);
    }
    // Where none is named, it is the admin's own; of a public key too.
    for (body, rate) in [
        (json!({"rate": 7}), 7),
        (json!({"rate": 50}), 50),
        (json!({}), 50),
        (json!({"public": true}), 50),
    ] {
        let made = app.post(ROUTE, &admin, &body).await;
        assert_eq!(made.body["rate"], rate, "{}", made.text);
    }
    // Nor by a change, of its own key or another.
    let (other, _) = app.key_of(|new| new.rate = NonZeroU32::new(7), KeyKind::Secret);
    for id in [&own.id, &other.id] {
        for rate in [json!(51), Value::Null] {
            let answer = change(&app, &admin, id, &json!({"rate": rate})).await;
            answer.is_refused_for("rate", "invalid_parameter");
        }
    }
    let faster = change(&app, &admin, &other.id, &json!({"rate": 50})).await;
    assert_eq!(faster.body["rate"], 50, "{}", faster.text);
    // One without a rate of its own may give any.
    let free = app.secret(&[Scope::Admin]);
    let freed = change(&app, &free, &other.id, &json!({"rate": null})).await;
    assert_eq!(freed.body["rate"], Value::Null, "{}", freed.text);
}

/// Copies a key's row under other ids and digests until there are so many keys.
fn fill(folder: &Path, id: &str, count: u32) {
    const KEYS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("keys_v1");
    let meta = redb::Database::open(folder.join("meta.redb")).unwrap();
    let transaction = meta.begin_write().unwrap();
    {
        let mut keys = transaction.open_table(KEYS).unwrap();
        let row = keys.get(id).unwrap().unwrap().value().to_vec();
        let mut row: Value = serde_json::from_slice(&row).unwrap();
        for number in u32::try_from(keys.len().unwrap()).unwrap()..count {
            let mut digest = [0xff; 32];
            digest[..4].copy_from_slice(&number.to_be_bytes());
            row["digest"] = json!(digest);
            let row = serde_json::to_vec(&row).unwrap();
            let id = format!("key_{number:016}");
            keys.insert(id.as_str(), row.as_slice()).unwrap();
        }
    }
    transaction.commit().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_bring_a_workspace_to_ten_thousand_keys_and_no_further() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    let elsewhere = app.key_of_other("elsewhere", KeyKind::Secret, &[Scope::Admin]);
    let id = app.known(&admin).id.clone();
    let (folder, _) = app.stop().await;
    // One is of the other workspace, and the server's next start makes one.
    fill(folder.path(), &id, 9_999);
    let app = spawn_app_in(folder, Arc::new(SystemClock)).await;
    let last = app.post(ROUTE, &admin, &json!({})).await;
    assert_eq!(last.status, 200, "{}", last.text);
    let answer = app.post(ROUTE, &admin, &json!({})).await;
    answer.is_refused(422, "too_many_keys");
    assert!(answer.message().contains("10000 keys"), "{}", answer.text);
    // Revoked ones count.
    assert_eq!(revoke(&app, &admin, &last.text_of("id")).await.status, 200);
    app.post(ROUTE, &admin, &json!({}))
        .await
        .is_refused(422, "too_many_keys");
    // Other workspaces have their own, and the operator may make more.
    let theirs = app.post(ROUTE, &elsewhere, &json!({})).await;
    assert_eq!(theirs.status, 200, "{}", theirs.text);
    app.secret(&[Scope::Send]);
}
