//! A server that plays a scenario: its steps, and what is then looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::{KeyKind, Scope};
use shared::time::Timestamp;
use store::clock::FixedClock;

use super::ROUNDED;
use crate::support::{Answer, Folder, TestApp, spawn_app_in};

/// A server, and what a scenario has made of it.
pub(super) struct Stage {
    pub(super) app: TestApp,
    pub(super) clock: Arc<FixedClock>,
    pub(super) key: String,
    pub(super) shop: String,
    pub(super) title: String,
    /// Segments by their names in the scenario, such as `$S`.
    pub(super) segments: BTreeMap<String, String>,
    /// Pixels by messageId.
    pub(super) pixels: BTreeMap<String, String>,
}

impl Stage {
    pub(super) async fn at(start: Timestamp, title: &str) -> Self {
        let clock = Arc::new(FixedClock::new(start));
        let app = spawn_app_in(Folder::new(), Arc::clone(&clock) as _).await;
        Self {
            key: app.secret(&[Scope::Admin]),
            shop: app
                .key_of(|new| new.allow_purchases = true, KeyKind::Public)
                .1,
            app,
            clock,
            title: title.to_owned(),
            segments: BTreeMap::new(),
            pixels: BTreeMap::new(),
        }
    }

    /// The clock never runs backwards.
    pub(super) fn go_to(&self, at: Timestamp) {
        use store::clock::Clock as _;
        let ahead = at.millis_since(self.clock.now());
        if ahead > 0 {
            self.clock.advance_millis(ahead);
        }
    }

    /// JSON with the ids of segments in place of their names.
    pub(super) fn with_ids(&self, json: &Value) -> Value {
        let mut text = json.to_string();
        for (name, id) in &self.segments {
            text = text.replace(&format!("\"{name}\""), &format!("\"{id}\""));
        }
        serde_json::from_str(&text).unwrap()
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        let answer = self.app.post(path, &self.key, body).await;
        assert_eq!(
            answer.status, 200,
            "{}: {body}: {}",
            self.title, answer.text
        );
        answer
    }

    pub(super) async fn define(&mut self, name: &str, definition: &Value) {
        let body = json!({"name": name, "definition": self.with_ids(definition)});
        let made = self.post("/v1/segments", &body).await;
        let id = made.text_of("id");
        self.segments.insert(name.to_owned(), id);
    }

    /// Does a step now, as the clock stands.
    pub(super) async fn step(&mut self, step: &Value) {
        let text = |name: &str| step[name].as_str().map(str::to_owned);
        let mut body = serde_json::Map::new();
        for field in [
            "email",
            "event",
            "properties",
            "timestamp",
            "anonymousId",
            "traits",
            "orderId",
            "revenue",
            "currency",
            "amount",
            "type",
            "subject",
            "html",
            "messageId",
            "campaignId",
            "sentAt",
        ] {
            if let Some(value) = step.get(field) {
                body.insert(field.to_owned(), value.clone());
            }
        }
        let is_public = step["key"] == "public";
        let path = match step["call"].as_str().unwrap() {
            "track" => "/v1/track/event",
            "identify" => "/v1/identify",
            "purchase" => "/v1/track/purchase",
            "refund" => {
                let refund = text("refundId").unwrap_or_else(|| "r".to_owned());
                body.insert("refundId".to_owned(), json!(refund));
                "/v1/track/refund"
            }
            "message" => {
                let made = self.post("/v1/messages", &Value::Object(body)).await;
                let html = made.text_of("html");
                let (_, rest) = html.split_once("/mail/track/open/").unwrap();
                let token = rest.split('"').next().unwrap();
                self.pixels.insert(
                    text("messageId").unwrap(),
                    format!("/mail/track/open/{token}"),
                );
                return;
            }
            "open" => {
                let agent = text("userAgent");
                let agent = agent.unwrap_or_else(|| {
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                     Chrome/126.0.0.0 Safari/537.36"
                        .to_owned()
                });
                let pixel = &self.pixels[&text("messageId").unwrap()];
                let before = self.app.on_disk();
                let answer = self
                    .app
                    .ask(Method::GET, pixel)
                    .header("user-agent", &agent)
                    .send()
                    .await;
                assert_eq!(answer.status, 200);
                // It is recorded behind the answer.
                while self.app.on_disk() == before {
                    tokio::task::yield_now().await;
                }
                return;
            }
            "define" | "edit" => {
                let name = text("as").or(text("segment")).unwrap();
                let name = format!("${}", name.trim_start_matches('$'));
                let definition = step
                    .get("definition")
                    .unwrap_or(&step["body"]["definition"]);
                match self.segments.get(&name).cloned() {
                    None => self.define(&name, definition).await,
                    Some(id) => {
                        let body = json!({"definition": self.with_ids(definition)});
                        let path = format!("/v1/segments/{id}");
                        let answer = self
                            .app
                            .ask(Method::PATCH, &path)
                            .key(&self.key)
                            .json(&body);
                        let answer = answer.send().await;
                        assert_eq!(answer.status, 200, "{}", answer.text);
                    }
                }
                return;
            }
            "settings" => {
                let what = step["what"].as_str().unwrap();
                let zone = what.rsplit(' ').next().unwrap();
                let ask = self.app.ask(Method::PATCH, "/v1/settings").key(&self.key);
                let answer = ask.json(&json!({"timeZone": zone})).send().await;
                assert_eq!(answer.status, 200, "{}", answer.text);
                return;
            }
            // What is done to the server is done where a test is about that.
            "holdBackfill" | "backfillComplete" | "stop" | "start" | "retention" => return,
            other => panic!("{other}"),
        };
        if path == "/v1/track/event" && !body.contains_key("email") {
            // Its own route is about contacts.
            body.insert("type".to_owned(), json!("track"));
            let answer = self
                .post("/v1/track/batch", &json!({"events": [body]}))
                .await;
            assert_eq!(answer.results()[0]["status"], "tracked", "{}", answer.text);
            return;
        }
        let body = Value::Object(body);
        if is_public {
            let mut body = body;
            body["key"] = json!(self.shop);
            let answer = self.app.ask(Method::POST, path).text(&body).send().await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        } else {
            self.post(path, &body).await;
        }
    }

    pub(super) async fn preview(&self, definition: &Value, at: Option<&str>) -> Answer {
        let mut body = json!({"definition": self.with_ids(definition), "limit": 1000});
        if let Some(at) = at {
            body["at"] = json!(at);
        }
        self.post("/v1/segments/preview", &body).await
    }

    /// Holds a preview against what the scenario says.
    pub(super) async fn check(&self, definition: &Value, ask: &Value, now_is: &Value, how: &str) {
        let at = match ask["at"].as_str() {
            Some("now") => now_is.as_str(),
            at => at,
        };
        let answer = self.preview(definition, at).await;
        let place = format!(
            "{} ({how}): {definition} at {at:?}: {}",
            self.title, answer.text
        );
        let mut members = strings(&answer.body["members"]);
        members.sort();
        let mut wanted = strings(&ask["members"]);
        wanted.sort();
        assert_eq!(members, wanted, "{place}");
        assert_eq!(answer.body["count"], members.len(), "{place}");
        for other in strings(&ask["notMembers"]) {
            assert!(!members.contains(&other), "{place}");
        }
    }

    pub(super) async fn members(&self, segment: &str) -> Vec<String> {
        let path = format!("/v1/segments/{}/members?limit=1000", self.segments[segment]);
        self.app.caught_up().await;
        let answer = self.app.get(&path).await;
        assert_eq!(answer.status, 200, "{}: {}", self.title, answer.text);
        let members = answer.body["members"].as_array().unwrap();
        let mut emails: Vec<_> = members
            .iter()
            .map(|member| member["email"].as_str().unwrap().to_owned())
            .collect();
        emails.sort();
        emails
    }

    /// The moves of a contact into this segment and out of it, or of all: type, time, address, id.
    pub(super) async fn moves(&self, segment: &str, email: Option<&str>) -> Vec<Value> {
        self.app.caught_up().await;
        let answer = self.app.get("/v1/segments/moves?limit=1000").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let mut moves = answer.body["moves"].as_array().unwrap().clone();
        moves.retain(|one| {
            one["segmentId"] == self.segments[segment].as_str()
                && email.is_none_or(|email| one["email"] == email)
        });
        moves
    }

    pub(super) async fn check_moves(&self, check: &Value) {
        let (Some(segment), Some(wanted)) = (check["segment"].as_str(), check["equals"].as_array())
        else {
            return;
        };
        if let Some(at) = check["askedAt"].as_str() {
            self.go_to(time(at));
        }
        let moves = self.moves(segment, check["email"].as_str()).await;
        assert_eq!(moves.len(), wanted.len(), "{}: {moves:?}", self.title);
        for (one, wanted) in moves.iter().zip(wanted) {
            assert_eq!(one["type"], wanted["type"], "{}: {moves:?}", self.title);
            if let Some(at) = wanted["time"].as_str() {
                let late = time(one["time"].as_str().unwrap()).millis_since(time(at));
                let slack = i64::from(self.title == ROUNDED);
                assert!((0..=slack).contains(&late), "{}: {moves:?}", self.title);
            }
        }
    }

    pub(super) async fn rebuild(&self) {
        self.app.app.projector.rebuild(|_, _| {}).await.unwrap();
    }
}

pub(super) fn time(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

pub(super) fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.map(|text| text.as_str().unwrap().to_owned()).collect()
}

pub(super) fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    of[name].as_array().into_iter().flatten()
}
