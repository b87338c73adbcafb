//! `POST /v1/track/event`: one event, its id, and what may stand in it.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{PERSON, TestApp, new_id, spawn_app};

const ROUTE: &str = "/v1/track/event";

/// An event with these fields besides.
fn event(fields: Value) -> Value {
    let mut event = json!({"email": PERSON, "event": "plan_upgraded"});
    let fields = fields.as_object().unwrap().clone();
    event.as_object_mut().unwrap().extend(fields);
    event
}

async fn refuses(app: &TestApp, fields: Value, field: &str, code: &str) {
    let before = app.on_disk();
    let answer = app.post(ROUTE, &app.key, &event(fields)).await;
    answer.is_refused_for(field, code);
    assert_eq!(app.on_disk(), before);
    // Every refused event has an id, under which the verdict is kept.
    let receipt = app.receipt(&answer.text_of("id")).await;
    assert_eq!(receipt.body["status"], "rejected", "{}", receipt.text);
    assert_eq!(receipt.body["code"], code);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_call_answers_and_can_be_read_back() {
    // Arrange
    let app = spawn_app().await;
    let body = json!({
        "email": "user@example.com",
        "event": "trial_started",
        "properties": {"plan": "pro", "source": "pricing_page", "seats": 5},
        "timestamp": "2026-01-15T10:30:00Z",
    });
    // Act
    let answer = app.post(ROUTE, &app.key, &body).await;
    // Assert
    answer.is_tracked();
    let (id, seq) = (answer.text_of("id"), answer.text_of("seq"));
    let receipt = app.receipt(&id).await;
    assert_eq!(receipt.status, 200);
    assert_eq!(receipt.body["id"], *id);
    assert_eq!(receipt.body["status"], "tracked");
    assert_eq!(receipt.body["seq"], *seq);
    assert_eq!(receipt.body["name"], "trial_started");
    assert!(receipt.text_of("receivedAt").ends_with('Z'));
    let listed = app.listed(&seq).await;
    assert_eq!(listed["id"], *id);
    assert_eq!(listed["type"], "track");
    assert_eq!(listed["name"], "trial_started");
    assert_eq!(listed["email"], "user@example.com");
    assert_eq!(listed["timestamp"], "2026-01-15T10:30:00Z");
    assert_eq!(listed["receivedAt"], receipt.body["receivedAt"]);
    assert_eq!(listed["properties"], body["properties"]);
    assert_eq!(listed["source"], "server");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_tracked_once_and_echoed_as_sent() {
    let app = spawn_app().await;
    let lower = new_id();
    let upper = lower.to_uppercase();
    let first = app
        .post(ROUTE, &app.key, &event(json!({"id": upper})))
        .await;
    first.is_tracked();
    assert_eq!(first.body["id"], *upper);
    // The content is not compared.
    let other = json!({"id": lower, "event": "other", "email": "bob@person.example"});
    let again = app.post(ROUTE, &app.key, &event(other)).await;
    again.is_duplicate_of(&first);
    assert_eq!(again.body["id"], *lower);
    let plain = lower.replace('-', "");
    let again = app
        .post(ROUTE, &app.key, &event(json!({"id": plain})))
        .await;
    again.is_duplicate_of(&first);
    assert_eq!(again.body["id"], *plain);
    assert_eq!(app.on_disk(), 1);
    for id in [&lower, &upper, &plain] {
        assert_eq!(app.receipt(id).await.body["status"], "tracked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_id_equal_events_are_two() {
    let app = spawn_app().await;
    let first = app.post(ROUTE, &app.key, &event(json!({}))).await;
    let second = app.post(ROUTE, &app.key, &event(json!({}))).await;
    first.is_tracked();
    second.is_tracked();
    assert_ne!(first.body["id"], second.body["id"]);
    assert_eq!(app.on_disk(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_an_id() {
    let app = spawn_app().await;
    let post = async |key: &str, fields: Value| {
        let ask = app.ask(Method::POST, ROUTE).key(&app.key);
        ask.header("idempotency-key", key)
            .json(&event(fields))
            .send()
            .await
    };
    // Any text is hashed to a UUID, always the same; a UUID too, for it may stand on several routes.
    let longest = "~".repeat(255);
    for key in ["order-1", "!", &longest, &new_id()] {
        let first = post(key, json!({})).await;
        first.is_tracked();
        let hashed = first.text_of("id");
        uuid::Uuid::parse_str(&hashed).unwrap();
        assert_ne!(hashed, key);
        let again = post(key, json!({"timestamp": "2026-01-15T10:30:00Z"})).await;
        assert_eq!(*again.is_duplicate_of(&first).text_of("id"), hashed);
        assert_eq!(app.receipt(&hashed).await.body["status"], "tracked");
    }
    assert_eq!(app.on_disk(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_that_differs_from_the_id_or_is_no_key_is_refused() {
    let app = spawn_app().await;
    let post = async |key: &str, fields: Value| {
        let ask = app.ask(Method::POST, ROUTE).key(&app.key);
        ask.header("idempotency-key", key)
            .json(&event(fields))
            .send()
            .await
    };
    let id = new_id();
    let answer = post(&new_id(), json!({"id": id})).await;
    answer.is_refused(422, "idempotency_key_mismatch");
    assert_eq!(answer.body["id"], *id);
    post("order-1", json!({"id": id}))
        .await
        .is_refused(422, "idempotency_key_mismatch");
    // Both alike are one, and then it is the id that counts.
    let first = post(&id, json!({"id": id.to_uppercase()})).await;
    assert_eq!(first.is_tracked().body["id"], *id.to_uppercase());
    app.post(ROUTE, &app.key, &event(json!({"id": id})))
        .await
        .is_duplicate_of(&first);
    for key in ["", "two words", "tab\there", "é", &"x".repeat(256)] {
        post(key, json!({}))
            .await
            .is_refused(422, "invalid_idempotency_key");
    }
    // Only the header is hashed.
    let answer = post("order-1", json!({"id": "order-1"})).await;
    answer.is_refused_for("id", "invalid_id");
    assert_eq!(app.on_disk(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_no_uuid_is_refused_and_echoed() {
    let app = spawn_app().await;
    for id in [
        "order-1",
        "",
        "{0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b}",
        "alice@person.example",
    ] {
        let answer = app.post(ROUTE, &app.key, &event(json!({"id": id}))).await;
        answer.is_refused_for("id", "invalid_id");
        assert_eq!(answer.body["id"], *id);
    }
    let answer = app.post(ROUTE, &app.key, &event(json!({"id": 42}))).await;
    answer.is_refused_for("id", "invalid_id");
    assert_eq!(answer.body["id"], "42");
    assert_eq!(app.on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_id_can_be_sent_again_and_is_tracked_then() {
    let app = spawn_app().await;
    let id = new_id();
    let wrong = event(json!({"id": id, "email": "nobody"}));
    app.post(ROUTE, &app.key, &wrong)
        .await
        .is_refused_for("email", "invalid_email");
    assert_eq!(app.receipt(&id).await.body["status"], "rejected");
    let right = event(json!({"id": id}));
    app.post(ROUTE, &app.key, &right).await.is_tracked();
    let receipt = app.receipt(&id).await;
    assert_eq!(receipt.body["status"], "tracked");
    assert!(receipt.body.get("code").is_none(), "{}", receipt.text);
    // A refusal after that takes nothing back.
    app.post(ROUTE, &app.key, &wrong)
        .await
        .is_refused(422, "invalid_email");
    assert_eq!(app.receipt(&id).await.body["status"], "tracked");
}

#[tokio::test(flavor = "multi_thread")]
async fn required_fields_are_named_when_they_are_missing() {
    let app = spawn_app().await;
    let post = async |body: Value| app.post(ROUTE, &app.key, &body).await;
    post(json!({"event": "x"}))
        .await
        .is_refused_for("email", "missing_field");
    post(json!({"email": null, "event": "x"}))
        .await
        .is_refused_for("email", "missing_field");
    post(json!({"email": PERSON}))
        .await
        .is_refused_for("event", "missing_field");
    post(json!({})).await.is_refused(422, "missing_field");
    // Only a batch takes a browser for a person.
    post(json!({"anonymousId": "v-1", "event": "x"}))
        .await
        .is_refused_for("email", "missing_field");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_have_1_to_128_characters_and_some_are_the_systems() {
    let app = spawn_app().await;
    for (name, route) in [
        ("purchase", "/v1/track/purchase"),
        ("refund", "/v1/track/refund"),
        ("identified", "/v1/identify"),
        ("email_opened", "/v1/messages"),
        ("segment_entered", "/v1/segments"),
    ] {
        let answer = app
            .post(ROUTE, &app.key, &event(json!({"event": name})))
            .await;
        answer.is_refused_for("event", "reserved_name");
        assert!(answer.message().contains(route), "{}", answer.text);
    }
    for name in [
        json!(""),
        json!("  "),
        json!(7),
        json!("é".repeat(129)),
        json!("a\nb"),
        json!(["x"]),
    ] {
        refuses(&app, json!({"event": name}), "event", "invalid_event").await;
    }
    for name in [
        "x",
        "Größe gewählt",
        "Purchase",
        "my_email_opened",
        "emails",
        &"é".repeat(128),
    ] {
        let answer = app
            .post(ROUTE, &app.key, &event(json!({"event": name})))
            .await;
        answer.is_tracked();
        assert_eq!(app.listed(&answer.text_of("seq")).await["name"], *name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_told_apart_without_case_and_shown_as_spelled() {
    let app = spawn_app().await;
    let spelled = " Alice.Miller+News@Person.Example ";
    let answer = app
        .post(ROUTE, &app.key, &event(json!({"email": spelled})))
        .await;
    answer.is_tracked();
    let listed = app.listed(&answer.text_of("seq")).await;
    assert_eq!(listed["email"], spelled.trim());
    let page = app
        .get("/v1/events?email=ALICE.miller%2Bnews@person.example")
        .await;
    assert_eq!(page.body["events"].as_array().unwrap().len(), 1);
    for wrong in [
        json!("alice"),
        json!("alice@"),
        json!(""),
        json!(1),
        json!(["a@b.c"]),
        json!("a@b.c, d@e.f"),
    ] {
        refuses(&app, json!({"email": wrong}), "email", "invalid_email").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_have_256_names_and_8_levels() {
    let app = spawn_app().await;
    let names = |count: usize| -> Value {
        (0..count)
            .map(|n| (format!("k{n}"), json!(1)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let levels = |count: usize| (0..count).fold(json!(1), |inner, _| json!({"a": inner}));
    for properties in [names(256), levels(8), json!({}), json!(null)] {
        app.post(ROUTE, &app.key, &event(json!({"properties": properties})))
            .await
            .is_tracked();
    }
    refuses(
        &app,
        json!({"properties": names(257)}),
        "properties",
        "too_many_properties",
    )
    .await;
    refuses(
        &app,
        json!({"properties": levels(9)}),
        "properties",
        "too_deep",
    )
    .await;
    for wrong in [json!([1]), json!("{}"), json!(7)] {
        refuses(
            &app,
            json!({"properties": wrong}),
            "properties",
            "invalid_properties",
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_are_read_back_digit_by_digit() {
    let app = spawn_app().await;
    let text = format!(
        r#"{{"email":"{PERSON}","event":"x","properties":{{"n":1.10,"big":12345678901234567890123}}}}"#
    );
    let answer = app.post_text(ROUTE, text).await;
    answer.is_tracked();
    let page = app
        .get(&format!("/v1/events?minSeq={}", answer.text_of("seq")))
        .await;
    assert!(
        page.text
            .contains(r#"{"n":1.10,"big":12345678901234567890123}"#),
        "{}",
        page.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_may_be_named_that_was_never_registered() {
    let app = spawn_app().await;
    let answer = app
        .post(ROUTE, &app.key, &event(json!({"messageId": "msg_8f2a"})))
        .await;
    answer.is_tracked();
    assert_ne!(answer.body["id"], "msg_8f2a");
    assert_eq!(
        app.listed(&answer.text_of("seq")).await["messageId"],
        "msg_8f2a"
    );
    // It is a send, never the event: a second event may name it.
    app.post(ROUTE, &app.key, &event(json!({"messageId": "msg_8f2a"})))
        .await
        .is_tracked();
    refuses(
        &app,
        json!({"messageId": ""}),
        "messageId",
        "invalid_message_id",
    )
    .await;
    refuses(
        &app,
        json!({"messageId": true}),
        "messageId",
        "invalid_message_id",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_are_ignored_and_named_in_the_receipt() {
    let app = spawn_app().await;
    let answer = app
        .post(
            ROUTE,
            &app.key,
            &event(json!({"Email": 1, "user": {"id": 7}})),
        )
        .await;
    answer.is_tracked();
    let receipt = app.receipt(&answer.text_of("id")).await;
    assert_eq!(receipt.body["ignoredFields"], json!(["Email", "user"]));
    let answer = app
        .post(
            ROUTE,
            &app.key,
            &event(json!({"user": 1, "event": "refund"})),
        )
        .await;
    let receipt = app.receipt(&answer.text_of("id")).await;
    assert_eq!(receipt.body["ignoredFields"], json!(["user"]));
    let answer = app.post(ROUTE, &app.key, &event(json!({}))).await;
    let receipt = app.receipt(&answer.text_of("id")).await;
    assert_eq!(receipt.body["ignoredFields"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_400_and_what_is_no_object_422() {
    let app = spawn_app().await;
    for text in [
        "",
        "{",
        "alice@person.example",
        "{'a':1}",
        r#"{"email":"alice@person.example",}"#,
        "{} {}",
    ] {
        app.post_text(ROUTE, text)
            .await
            .is_refused(400, "invalid_json");
    }
    app.post_text(ROUTE, b"{\"event\":\"\xff\"}".as_slice())
        .await
        .is_refused(400, "invalid_json");
    for text in ["[]", "null", "7", "\"alice@person.example\""] {
        app.post_text(ROUTE, text)
            .await
            .is_refused(422, "invalid_body");
    }
    assert_eq!(app.on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scopes_send_write_and_admin_may_send_and_no_other() {
    let app = spawn_app().await;
    for scope in [Scope::Send, Scope::Write, Scope::Admin] {
        let key = app.secret(&[scope]);
        app.post(ROUTE, &key, &event(json!({}))).await.is_tracked();
    }
    for scope in [Scope::Read, Scope::Contacts] {
        let key = app.secret(&[scope]);
        let answer = app.post(ROUTE, &key, &event(json!({}))).await;
        answer.is_refused(403, "insufficient_scope");
        assert!(answer.message().contains("send"), "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_sends_with_the_key_in_the_body_as_text() {
    let app = spawn_app().await;
    let key = app.public(&[]);
    let answer = app
        .ask(Method::POST, ROUTE)
        .header("origin", "https://shop.example")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-dest", "empty")
        .header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
        )
        .text(&event(json!({"key": key})))
        .send()
        .await;
    answer.is_tracked();
    let listed = app.listed_as(&answer.text_of("id")).await;
    assert_eq!(listed["source"], "browser");
    assert!(!listed.to_string().contains("msk_pub"), "{listed}");
}
