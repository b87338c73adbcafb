//! Mails whose links would lead nowhere.

use collector::public_url::PublicUrl;
use serde_json::json;
use shared::api_key::Scope;

use crate::support::{PERSON, spawn_app, spawn_app_known_as};

const ROUTES: [&str; 2] = ["/v1/messages", "/v1/messages/batch"];

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_only_this_machine_reaches_is_warned_of_in_every_answer() {
    for app in [
        spawn_app().await,
        spawn_app_known_as(PublicUrl::parse("http://localhost:8080").unwrap()).await,
    ] {
        let key = app.secret(&[Scope::Write]);
        let message = json!({"email": PERSON, "html": "<p>x</p>"});
        for (route, body) in ROUTES
            .into_iter()
            .zip([message.clone(), json!({"messages": [message]})])
        {
            let answer = app.post(route, &key, &body).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let [warning] = &answer.body["warnings"].as_array().unwrap()[..] else {
                panic!("{}", answer.text);
            };
            let warning = warning.as_str().unwrap();
            assert!(
                warning.contains(&app.origin()) && warning.contains("--public-url"),
                "{warning}"
            );
        }
    }
    let app = spawn_app_known_as(PublicUrl::parse("https://track.example").unwrap()).await;
    let key = app.secret(&[Scope::Write]);
    let answer = app.post(ROUTES[0], &key, &json!({"email": PERSON})).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.get("warnings").is_none(), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_has_said_the_url_no_mail_is_made_and_everything_else_works() {
    let app = spawn_app_known_as(PublicUrl::listening_on("0.0.0.0:8080".parse().unwrap())).await;
    let key = app.secret(&[Scope::Write]);
    let message = json!({"email": PERSON, "html": "<p>x</p>"});
    for route in ROUTES {
        let answer = app.post(route, &key, &message).await;
        answer.is_refused(422, "public_url_missing");
        assert!(answer.message().contains("--public-url"), "{}", answer.text);
        // Who asks is settled first.
        app.post(route, &app.key, &message)
            .await
            .is_refused(403, "insufficient_scope");
    }
    assert_eq!(app.on_disk(), 0);
    let event = json!({"email": PERSON, "event": "x"});
    app.post("/v1/track/event", &app.key, &event)
        .await
        .is_tracked();
    assert_eq!(app.get("/v1/events").await.status, 200);
}
