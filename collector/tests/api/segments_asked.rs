//! Who is in a segment, why, and who would be: asked by a preview, an explanation, pages of members.

use reqwest::Method;
use serde_json::json;
use shared::api_key::Scope;

use crate::segments::{ADA, BOB, Stage};
use crate::support::{spawn_app, spawn_app_at_rest};

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_counts_each_condition_and_saves_nothing() {
    let stage = Stage::of(spawn_app().await);
    stage.track(ADA, "a", json!({})).await;
    stage.track(BOB, "a", json!({})).await;
    stage.track(BOB, "b", json!({})).await;
    let body = json!({"email": ADA, "traits": {"trialEnds": "2026-03-01T10:00:00"}});
    stage
        .app
        .post("/v1/identify", &stage.key, &body)
        .await
        .is_tracked();
    let definition = json!({"all": [
        {"event": "a"}, {"event": "b"}, {"not": {"event": "never_sent", "within": "1d", "includeNew": true}},
        {"not": {"trait": "trialEnds", "before": "now"}}
    ]});
    let answer = stage
        .ask(
            Method::POST,
            "/v1/segments/preview",
            &json!({"definition": definition}),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.body["count"], 1);
    assert_eq!(answer.body["members"], json!([BOB]));
    let step = |at: usize, count: u64| json!({"path": format!("all[{at}]"), "count": count});
    assert_eq!(
        answer.body["steps"],
        json!([step(0, 2), step(1, 1), step(2, 1), step(3, 1)])
    );
    assert_eq!(answer.body["includeNewMoves"], 1);
    assert_eq!(answer.body["unknown"], json!(["never_sent"]));
    let warnings = answer.body["warnings"].to_string();
    assert!(
        warnings.contains("trialEnds") && warnings.contains("never_sent"),
        "{warnings}"
    );
    assert_eq!(answer.body["uncertain"], 0);
    let value =
        json!({"definition": {"event": "a", "where": [{"property": "plan", "eq": "gold"}]}});
    let value = stage
        .ask(Method::POST, "/v1/segments/preview", &value)
        .await;
    assert_eq!(value.body["unknown"], json!([]));
    assert!(
        value.body["warnings"].to_string().contains("gold"),
        "{}",
        value.text
    );
    let earlier = json!({"definition": {"event": "a"}, "at": "2020-01-01T00:00:00Z"});
    let earlier = stage
        .ask(Method::POST, "/v1/segments/preview", &earlier)
        .await;
    assert_eq!(earlier.body["count"], 0);
    for body in [
        json!({"definition": {"event": "a"}, "at": "soon"}),
        json!({"definition": {"event": "a"}, "limit": 0}),
        json!({}),
    ] {
        let refused = stage.ask(Method::POST, "/v1/segments/preview", &body).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
    }
    assert!(
        stage.get("/v1/segments").await.body["segments"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_tells_what_decides_and_when_it_changes() {
    let (app, _) = spawn_app_at_rest().await;
    let stage = Stage::of(app);
    let definition = json!({"all": [{"event": "a", "within": "7d"}, {"not": {"purchase": {}}}]});
    let id = stage.create("One", definition).await;
    let seq = stage.track(ADA, "a", json!({})).await;
    let explain = |email: &str| format!("/v1/segments/{id}/explain?email={email}&minSeq={seq}");
    let answer = stage.get(&explain("ada%40person.example")).await;
    assert_eq!(answer.body["in"], true);
    let conditions = answer.body["conditions"].as_array().unwrap();
    let paths: Vec<_> = conditions
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["", "all[0]", "all[1]", "all[1].not"]);
    assert_eq!(conditions[1]["evidence"][0]["name"], "a");
    assert_eq!(conditions[1]["changesAt"], "2026-11-30T10:00:00Z");
    assert_eq!(conditions[3]["holds"], false);
    let nobody = stage.get(&explain("nobody%40person.example")).await;
    assert_eq!(
        (&nobody.body["in"], &nobody.body["conditions"]),
        (&json!(false), &json!([]))
    );
    let without = stage
        .app
        .get_with(&format!("/v1/segments/{id}/explain"), &stage.key)
        .await;
    without.is_refused_for("email", "invalid_parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_in_pages_and_as_csv() {
    let stage = Stage::of(spawn_app().await);
    for number in 0..5 {
        stage
            .track(&format!("p{number}@person.example"), "a", json!({}))
            .await;
    }
    let id = stage.create("One", json!({"event": "a"})).await;
    stage.app.caught_up().await;
    let (mut seen, mut next) = (0, String::new());
    loop {
        let page = stage
            .get(&format!("/v1/segments/{id}/members?limit=2{next}"))
            .await;
        seen += page.body["members"].as_array().unwrap().len();
        match page.body["next"].as_str() {
            Some(cursor) => {
                // It does not count what other workspaces have.
                assert!(cursor.parse::<u64>().is_err(), "{cursor}");
                next = format!("&cursor={cursor}");
            }
            None => break,
        }
    }
    assert_eq!(seen, 5);
    let csv = stage
        .get(&format!("/v1/segments/{id}/members?limit=3&format=csv"))
        .await;
    assert!(csv.header("content-type").starts_with("text/csv"));
    assert_eq!(csv.text.lines().count(), 4, "{}", csv.text);
    assert!(!csv.header("x-next-cursor").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_of_a_contact_that_was_erased() {
    let stage = Stage::of(spawn_app().await);
    let id = stage.create("One", json!({"event": "a"})).await;
    stage.track(ADA, "a", json!({})).await;
    stage.track(BOB, "a", json!({})).await;
    assert_eq!(stage.members(&id).await, [ADA, BOB]);
    let path = "/v1/contacts/ada%40person.example";
    let erased = stage
        .app
        .ask(Method::DELETE, path)
        .key(&stage.key)
        .send()
        .await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    assert_eq!(stage.members(&id).await, [BOB]);
    let moves = stage.moves().await;
    assert_eq!(moves.len(), 1, "{moves:?}");
    let shown = stage.get(&format!("/v1/segments/{id}")).await;
    assert_eq!(
        (&shown.body["count"], &shown.body["moves"]["entered"]),
        (&json!(1), &json!(1))
    );
    stage.app.app.projector.rebuild(|_, _| {}).await.unwrap();
    assert_eq!(stage.moves().await, moves);
    // Who comes again is somebody new.
    stage.track(ADA, "b", json!({})).await;
    assert_eq!(stage.members(&id).await, [BOB]);
}

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_see_nothing_of_each_others_segments() {
    let stage = Stage::of(spawn_app().await);
    let id = stage.create("One", json!({"event": "a"})).await;
    let other = stage
        .app
        .key_of_other("other", shared::api_key::KeyKind::Secret, &[Scope::Admin]);
    let answer = stage.app.get_with("/v1/segments", &other).await;
    assert!(answer.body["segments"].as_array().unwrap().is_empty());
    stage
        .app
        .get_with(&format!("/v1/segments/{id}"), &other)
        .await
        .is_refused(404, "unknown_segment");
    let answer = stage.app.get_with("/v1/segments/moves", &other).await;
    assert!(answer.body["moves"].as_array().unwrap().is_empty());
}
