//! Who gets in where: every route with every kind of caller, from a server and from a page, of the workspace and of
//! another. A route that the tables do not name fails the test.

mod table;

use std::collections::BTreeSet;
use std::sync::Arc;

use collector::router::{operators_paths, undocumented};
use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::{KeyKind, Scope};
use tokio::task::JoinSet;

use self::table::{Caller, FORMS, Needs, ROUTES, callers, refusal};
use crate::keys::{foreign, typo};
use crate::sessions::{Browser, log_in};
use crate::support::{Answer, PERSON, TestApp, new_id, spawn_app};

const SITE: &str = "https://shop.example";
const SCOPES: [Scope; 5] = [
    Scope::Send,
    Scope::Write,
    Scope::Contacts,
    Scope::Read,
    Scope::Admin,
];

/// A server with something of everything, and what its routes are asked with.
struct World {
    app: TestApp,
    session: Browser,
    revoked: String,
    public: String,
    shop: String,
    secrets: Vec<(Scope, String)>,
    /// An admin of another workspace.
    elsewhere: String,
    event: String,
    message: Value,
    /// The id of a key that nothing else needs.
    spare: String,
    /// The id of a segment.
    segment: String,
}

/// Words that stand in nothing that another workspace may see.
const OURS: [&str; 7] = [
    "matrix@person.example",
    "matrix_seen",
    "matrix-order",
    "matrix-message",
    "matrix-campaign",
    "matrix-visitor",
    "matrix-segment",
];

impl World {
    async fn new() -> Self {
        let app = spawn_app().await;
        let admin = app.secret(&[Scope::Admin]);
        let session = log_in(&app, json!({"key": admin})).await;
        let revoked = app.secret(&[Scope::Admin]);
        let key = app.known(&revoked);
        app.app.meta.revoke_key(key.workspace, &key.id).unwrap();
        let elsewhere = app.app.meta.create_workspace("elsewhere").unwrap();
        let elsewhere = app.key_of(
            |new| {
                new.workspace = elsewhere;
                new.scopes = vec![Scope::Admin];
            },
            KeyKind::Secret,
        );
        let event = new_id();
        let body = json!({"id": event, "email": OURS[0], "event": OURS[1], "anonymousId": OURS[5]});
        app.post("/v1/track/event", &admin, &body)
            .await
            .is_tracked();
        let body = json!({"email": OURS[0], "orderId": OURS[2], "revenue": 5, "currency": "EUR", "messageId": OURS[3]});
        app.post("/v1/track/purchase", &admin, &body)
            .await
            .is_tracked();
        let body = json!({"email": OURS[0], "messageId": OURS[3], "campaignId": OURS[4],
            "html": "<a href=\"https://shop.example/\">shop</a>"});
        let message = app.post("/v1/messages", &admin, &body).await;
        assert_eq!(message.status, 200, "{}", message.text);
        let body = json!({"name": OURS[6], "definition": {"event": OURS[1]}});
        let segment = app.post("/v1/segments", &admin, &body).await;
        assert_eq!(segment.status, 200, "{}", segment.text);
        Self {
            segment: segment.body["id"].as_str().unwrap().to_owned(),
            session,
            revoked,
            public: app.public(&[]),
            shop: app.shop(),
            secrets: SCOPES.map(|scope| (scope, app.secret(&[scope]))).to_vec(),
            elsewhere: elsewhere.1,
            event,
            message: message.body,
            spare: app.known(&app.public(&[])).id.clone(),
            app,
        }
    }

    fn secret(&self, scope: Scope) -> &str {
        let found = self.secrets.iter().find(|(held, _)| *held == scope);
        &found.unwrap().1
    }

    /// The path with what exists in place of its parameters.
    fn address(&self, method: &str, path: &str) -> String {
        let html = self.message["html"].as_str().unwrap();
        let token = |kind: &str| {
            let (_, rest) = html.split_once(kind).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        let unsubscribe = self.message["unsubscribeUrl"].as_str().unwrap();
        let token = match path {
            "/mail/track/click/{token}" => token("/mail/track/click/"),
            "/mail/unsubscribe/{token}" | "/mail/subscribe/{token}" => {
                unsubscribe.rsplit('/').next().unwrap().to_owned()
            }
            _ => token("/mail/track/open/"),
        };
        let id = match path {
            "/v1/reports/messages/{id}" => OURS[3],
            "/v1/reports/campaigns/{id}" => OURS[4],
            "/v1/keys/{id}" => &self.spare,
            path if path.starts_with("/v1/segments/") => &self.segment,
            _ => &self.event,
        };
        // Who is read of is there, and who is changed need not be.
        let whom = match method {
            "GET" => "matrix%40person.example",
            "PATCH" => "somebody%40person.example",
            _ => "nobody%40person.example",
        };
        let path = path
            .replace("{id}", id)
            .replace("{token}", &token)
            .replace("{email}", whom)
            .replace("{name}", "style.css");
        if ["/v1/contacts", "/v1/suppressions"].contains(&path.as_str())
            || path.ends_with("/explain")
        {
            format!("{path}?email={}", OURS[0])
        } else {
            path
        }
    }

    async fn ask(&self, method: &str, path: &str, caller: Caller) -> Answer {
        let in_page = matches!(caller, Caller::PublicInPage | Caller::SecretInPage(_));
        let key = match caller {
            Caller::Nobody | Caller::Session | Caller::SessionElsewhere => None,
            Caller::Unknown => Some(foreign(KeyKind::Secret)),
            Caller::Mistyped => Some(typo(self.secret(Scope::Admin))),
            Caller::Revoked => Some(self.revoked.clone()),
            Caller::Public | Caller::PublicInPage => Some(self.public.clone()),
            Caller::Shop => Some(self.shop.clone()),
            Caller::Secret(scope) | Caller::SecretInPage(scope) => {
                Some(self.secret(scope).to_owned())
            }
        };
        let method: Method = method.parse().unwrap();
        let mut ask = self
            .app
            .ask(method.clone(), &self.address(method.as_str(), path));
        if let Some(key) = &key {
            ask = ask.key(key);
        }
        if in_page {
            ask = ask.header("origin", SITE);
        }
        if matches!(caller, Caller::Session | Caller::SessionElsewhere) {
            let site = if caller == Caller::Session {
                "same-origin"
            } else {
                "cross-site"
            };
            ask = ask.header("cookie", &self.session.cookie);
            ask = ask.header("sec-fetch-site", site);
            ask = ask.header("x-csrf-token", &self.session.csrf);
        }
        if matches!(method, Method::POST | Method::PATCH) && path.starts_with("/v1/") {
            ask = ask.json(&body_for(path));
        }
        answer_of(ask, path).await
    }
}

/// The answer; of a stream, which does not end, its head.
async fn answer_of(ask: crate::support::Ask<'_>, path: &str) -> Answer {
    let response = ask.open_without_following().await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = if path == "/v1/live" && status == 200 {
        Vec::new()
    } else {
        response.bytes().await.unwrap().to_vec()
    };
    Answer::of(path, status, headers, bytes)
}

/// A body that gets in, new each time.
fn body_for(path: &str) -> Value {
    let id = new_id();
    match path {
        "/v1/track/purchase" => {
            json!({"email": PERSON, "orderId": id, "revenue": 1, "currency": "EUR"})
        }
        // Of an order that is not there: whoever gets in is told so.
        "/v1/track/refund" => json!({"orderId": id, "refundId": id}),
        "/v1/track/batch" => {
            json!({"events": [{"type": "track", "email": PERSON, "event": "viewed"}]})
        }
        "/v1/suppressions" => json!({"email": PERSON}),
        "/v1/keys" | "/v1/settings" => json!({}),
        "/v1/keys/{id}" => json!({"label": "matrix"}),
        "/v1/contacts/{email}" => json!({"traits": {"plan": "pro"}}),
        "/v1/segments" => json!({"name": "matrix", "definition": {"event": "viewed"}}),
        "/v1/segments/preview" | "/v1/segments/{id}/diff" => {
            json!({"definition": {"event": "viewed"}})
        }
        "/v1/segments/{id}" | "/v1/segments/{id}/duplicate" => json!({"name": "matrix"}),
        "/v1/messages" => json!({"email": PERSON, "html": "<p>Hello</p>"}),
        "/v1/messages/batch" => json!({"messages": [{"email": PERSON, "html": "<p>Hello</p>"}]}),
        // Of a message that is not there: whoever gets in is told so.
        "/v1/messages/delivery" => json!({"messageId": "nobody", "status": "delivered"}),
        "/v1/messages/sent" => json!({"messages": [{"messageId": "nobody"}]}),
        _ => json!({"email": PERSON, "event": "viewed"}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_in_the_matrix() {
    let app = spawn_app().await;
    let document = app.ask(Method::GET, "/openapi.json").send().await.body;
    let mut there = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            if ["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                there.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    for (path, methods) in undocumented() {
        let methods = methods.iter();
        there.extend(methods.map(|method| ((*method).to_owned(), path.to_owned())));
    }
    let rows = ROUTES.iter().map(|(method, path, _)| (*method, *path));
    let here: BTreeSet<_> = rows
        .chain(FORMS)
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect();
    let missing: Vec<_> = there.difference(&here).collect();
    let gone: Vec<_> = here.difference(&there).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "not in the matrix: {missing:?}; no route: {gone:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_caller_gets_in_exactly_where_the_contract_says() {
    let world = World::new().await;
    let mut wrong = Vec::new();
    for (method, path, needs) in ROUTES {
        if path == "/session" && method != "GET" {
            continue; // They open and end what this test needs.
        }
        for caller in callers() {
            let answer = world.ask(method, path, caller).await;
            let told = answer.body["error"]["code"].as_str().unwrap_or_default();
            let is_right = match refusal(path, needs, caller) {
                Some(refusal) => (answer.status, told) == refusal,
                None => {
                    let is_unknown = ["/v1/track/refund", "/v1/messages/delivery"].contains(&path);
                    let unknown_order = is_unknown && answer.status == 404;
                    // Whoever got in before has deleted it.
                    let is_gone = method == "DELETE" && told == "unknown_segment";
                    answer.status < 400 || unknown_order || is_gone
                }
            };
            if !is_right {
                wrong.push(format!(
                    "{method} {path} {caller:?}: {} {told}",
                    answer.status
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Reads of what lies in no view: they go on while the views are built.
const OF_NO_VIEW: [&str; 3] = [
    "/v1/receipts/{id}",
    "/v1/suppressions",
    "/v1/segments/{id}/history",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_read_answers_from_views_that_are_being_built() {
    let world = Arc::new(World::new().await);
    world.app.caught_up().await;
    // More than there is, so that they stay behind.
    let end = *world.app.app.log.committed().borrow();
    world.app.app.views.owe(end.next());
    let mut asking = JoinSet::new();
    for (method, path, needs) in ROUTES {
        if method != "GET" || !matches!(needs, Needs::Read | Needs::Contacts) {
            continue;
        }
        let world = Arc::clone(&world);
        asking.spawn(async move {
            let answer = world.ask(method, path, Caller::Secret(Scope::Admin)).await;
            (path, answer)
        });
    }
    let mut asked = 0;
    while let Some(answer) = asking.join_next().await {
        let (path, answer) = answer.unwrap();
        if OF_NO_VIEW.contains(&path) {
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        } else {
            assert_eq!(answer.status, 503, "{path}: {}", answer.text);
            answer.is_refused(503, "view_building");
            let progress = answer.body["error"]["progress"].as_u64();
            assert!(progress.is_some_and(|progress| progress < 100), "{path}");
        }
        asked += 1;
    }
    assert!(asked > 12, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_workspace_sees_nothing_of_ours_and_changes_nothing() {
    let world = World::new().await;
    let before = world.app.all_events().await;
    for (method, path, needs) in ROUTES {
        if matches!(needs, Needs::Nothing | Needs::Session) {
            continue;
        }
        let mut ask = world
            .app
            .ask(method.parse().unwrap(), &world.address(method, path));
        ask = ask.key(&world.elsewhere);
        if ["POST", "PATCH"].contains(&method) {
            ask = ask.json(&body_for(path));
        }
        let answer = answer_of(ask, path).await;
        let seen: Vec<_> = OURS
            .iter()
            .filter(|word| answer.text.contains(**word))
            .collect();
        assert!(
            seen.is_empty(),
            "{method} {path} shows {seen:?}: {}",
            answer.text
        );
        if path == "/v1/contacts/{email}" && method == "PATCH" {
            // Whom nobody knows is a new contact, there and not here.
            assert_eq!(answer.status, 200, "{}", answer.text);
        } else if path == "/v1/contacts/{email}" && method == "DELETE" {
            // Whom that workspace does not know it may erase, which changes nothing here.
            assert_eq!(answer.body["erased"]["events"], 0, "{}", answer.text);
        } else if path == "/v1/contacts/{email}/segments" {
            // The one that this caller has made itself.
            let segments = answer.body["segments"].as_array().unwrap();
            let is_in = |segment: &Value| segment["in"] == true;
            assert!(!segments.iter().any(is_in), "{}", answer.text);
        } else if path.contains('{') {
            assert_eq!(answer.status, 404, "{method} {path} {}", answer.text);
        }
    }
    assert_eq!(world.app.all_events().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_to_the_operators_routes_over_tcp() {
    let world = World::new().await;
    let mut asked = 0;
    for path in operators_paths() {
        for method in ["GET", "POST", "PATCH", "DELETE"] {
            for caller in callers() {
                let answer = world.ask(method, path, caller).await;
                let told = answer.body["error"]["code"].as_str().unwrap_or_default();
                let refusal = match caller {
                    Caller::SecretInPage(_) => (403, "secret_key_in_browser"),
                    _ => (404, "not_found"),
                };
                assert_eq!(
                    (answer.status, told),
                    refusal,
                    "{method} {path} {caller:?}: {}",
                    answer.text
                );
                assert!(!answer.text.contains("/control"), "{}", answer.text);
                asked += 1;
            }
        }
    }
    assert!(asked > 500, "{asked}");
    let document = world.app.ask(Method::GET, "/openapi.json").send().await;
    assert!(!document.text.contains("/control"));
}
