//! The labelled scenarios of segments, through a real server: each in the order of its steps with the clock where they
//! say, and again with what servers tell in a shuffled order; previews at instants, live members, moves, and a rebuild.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::{KeyKind, Scope};
use shared::time::Timestamp;
use store::clock::FixedClock;

use crate::support::{Answer, TestApp, spawn_app_in};

fn scenarios() -> Vec<Value> {
    let text = include_str!("../../../shared/tests/data/cases/segments.json");
    serde_json::from_str(text).unwrap()
}

/// A question about what a store has thrown away: nothing is thrown away yet.
const RETENTION: &str = "design.md section 3 (retention) and PostHog#70574 (T4)";
/// Its moves are said to the millisecond before scores were rounded to nine decimals.
const ROUNDED: &str = "mautic/mautic#6387";

/// A server, and what a scenario has made of it.
struct Stage {
    app: TestApp,
    clock: Arc<FixedClock>,
    key: String,
    shop: String,
    title: String,
    /// Segments by their names in the scenario, such as `$S`.
    segments: BTreeMap<String, String>,
    /// Pixels by messageId.
    pixels: BTreeMap<String, String>,
}

impl Stage {
    async fn at(start: Timestamp, title: &str) -> Self {
        let clock = Arc::new(FixedClock::new(start));
        let app = spawn_app_in(tempfile::tempdir().unwrap(), Arc::clone(&clock) as _).await;
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
    fn go_to(&self, at: Timestamp) {
        use store::clock::Clock as _;
        let ahead = at.millis_since(self.clock.now());
        if ahead > 0 {
            self.clock.advance_millis(ahead);
        }
    }

    /// JSON with the ids of segments in place of their names.
    fn with_ids(&self, json: &Value) -> Value {
        let mut text = json.to_string();
        for (name, id) in &self.segments {
            text = text.replace(&format!("\"{name}\""), &format!("\"{id}\""));
        }
        serde_json::from_str(&text).unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let answer = self.app.post(path, &self.key, body).await;
        assert_eq!(
            answer.status, 200,
            "{}: {body}: {}",
            self.title, answer.text
        );
        answer
    }

    async fn define(&mut self, name: &str, definition: &Value) {
        let body = json!({"name": name, "definition": self.with_ids(definition)});
        let made = self.post("/v1/segments", &body).await;
        let id = made.text_of("id");
        self.segments.insert(name.to_owned(), id);
    }

    /// Does a step now, as the clock stands.
    async fn step(&mut self, step: &Value) {
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

    async fn preview(&self, definition: &Value, at: Option<&str>) -> Answer {
        let mut body = json!({"definition": self.with_ids(definition), "limit": 1000});
        if let Some(at) = at {
            body["at"] = json!(at);
        }
        self.post("/v1/segments/preview", &body).await
    }

    /// Holds a preview against what the scenario says.
    async fn check(&self, definition: &Value, ask: &Value, now_is: &Value, how: &str) {
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

    async fn members(&self, segment: &str) -> Vec<String> {
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
    async fn moves(&self, segment: &str, email: Option<&str>) -> Vec<Value> {
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

    async fn check_moves(&self, check: &Value) {
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

    async fn rebuild(&self) {
        self.app.app.projector.rebuild(|_, _| {}).await.unwrap();
    }
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    of[name].as_array().into_iter().flatten()
}

/// Every definition of a scenario with what is asked of it.
fn questions(scenario: &Value) -> Vec<(&Value, &Value)> {
    let mut questions: Vec<_> = list(scenario, "asks")
        .map(|ask| (&scenario["definition"], ask))
        .collect();
    for more in list(scenario, "more") {
        questions.extend(list(more, "asks").map(|ask| (&more["definition"], ask)));
    }
    let mended = &scenario["mended"];
    questions.extend(list(mended, "asks").map(|ask| (&mended["definition"], ask)));
    questions.retain(|(_, ask)| ask["evaluate"] != false);
    questions
}

fn first_of(steps: &[&Value]) -> Timestamp {
    let times = steps.iter().map(|step| time(step["at"].as_str().unwrap()));
    times.min().unwrap_or_else(|| time("2026-03-01T00:00:00Z"))
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "how much was compared is to be told")]
async fn the_labelled_scenarios_come_out_right_live_and_by_rebuild() {
    let mut asked = 0;
    for scenario in scenarios() {
        let title = scenario["source"].as_str().unwrap();
        let steps: Vec<&Value> = list(&scenario, "steps").collect();
        let start = first_of(&steps).plus_millis(-1);
        let mut stage = Stage::at(start, title).await;
        for step in &steps {
            stage.go_to(time(step["at"].as_str().unwrap()));
            stage.step(step).await;
        }
        for rebuilt in [false, true] {
            if rebuilt {
                stage.rebuild().await;
            }
            let how = if rebuilt { "rebuilt" } else { "live" };
            for (definition, ask) in questions(&scenario) {
                stage.check(definition, ask, &scenario["nowIs"], how).await;
                asked += 1;
            }
        }
    }
    println!("{asked} questions");
    assert!(asked >= 160, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "how much was compared is to be told")]
async fn the_labelled_scenarios_come_out_right_in_whatever_order_things_arrive() {
    let mut asked = 0;
    for (turn, scenario) in scenarios().into_iter().enumerate() {
        let title = scenario["source"].as_str().unwrap();
        let mut steps: Vec<Value> = list(&scenario, "steps").cloned().collect();
        // Mails are opened when they are; pages tell no time of long ago; refunds are of orders that are there.
        let told_by_servers = |step: &Value| {
            ["track", "identify", "purchase", "settings"].contains(&step["call"].as_str().unwrap())
                && step["key"] != "public"
        };
        if !steps.iter().all(told_by_servers) {
            continue;
        }
        let end = steps
            .iter()
            .map(|step| time(step["at"].as_str().unwrap()))
            .max();
        let mut stage = Stage::at(end.unwrap(), title).await;
        for step in &mut steps {
            if step["timestamp"].is_null() {
                step["timestamp"] = step["at"].clone();
            }
        }
        // Each scenario another order, the same every time.
        let count = steps.len();
        for at in (1..count).rev() {
            steps.swap(at, (at * 7 + turn * 13 + 5) % (at + 1));
        }
        for step in &steps {
            stage.step(step).await;
        }
        for (definition, ask) in questions(&scenario) {
            stage
                .check(definition, ask, &scenario["nowIs"], "shuffled")
                .await;
            asked += 1;
        }
    }
    println!("{asked} questions");
    assert!(asked >= 60, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "how much was compared is to be told")]
async fn what_the_scenarios_say_of_moves_is_told_live_and_the_same_after_a_rebuild() {
    let mut checked = 0;
    for scenario in scenarios() {
        let title = scenario["source"].as_str().unwrap();
        if title == RETENTION {
            continue;
        }
        let mut parts: Vec<(Vec<&Value>, Vec<&Value>)> = Vec::new();
        let steps: Vec<&Value> = list(&scenario, "steps").collect();
        for beyond in list(&scenario, "beyond") {
            let moves: Vec<&Value> = list(beyond, "transitions").collect();
            let mut all: Vec<&Value> = steps.iter().copied().chain(list(beyond, "steps")).collect();
            all.sort_by_key(|step| {
                // What is defined at an instant is there before what happens then.
                let defines = step["call"] == "define";
                (time(step["at"].as_str().unwrap()), !defines)
            });
            parts.push((all, moves));
        }
        parts.push((steps, list(&scenario, "checks").collect()));
        for (steps, checks) in parts {
            let is_check =
                |check: &&Value| check["segment"].is_string() && check["equals"].is_array();
            let checks: Vec<&Value> = checks.into_iter().filter(is_check).collect();
            let edits = steps.iter().any(|step| step["call"] == "edit");
            if checks.is_empty() {
                continue;
            }
            let mut stage = Stage::at(first_of(&steps).plus_millis(-1), title).await;
            let defines = steps.iter().any(|step| step["as"] == "S");
            if checks.iter().any(|check| check["segment"] == "$S") && !defines {
                stage.define("$S", &scenario["definition"]).await;
            }
            for step in &steps {
                stage.go_to(time(step["at"].as_str().unwrap()));
                stage.step(step).await;
            }
            let mut told = Vec::new();
            for check in &checks {
                if edits {
                    // Of what came after the edit: those are the last.
                    stage.go_to(time("2026-03-02T00:01:00Z"));
                    let moves = stage.moves(check["segment"].as_str().unwrap(), None).await;
                    let wanted = check["equals"].as_array().unwrap();
                    let last = &moves[moves.len() - wanted.len()..];
                    for wanted in wanted {
                        let same = |one: &&Value| {
                            one["type"] == wanted["type"] && one["email"] == wanted["email"]
                        };
                        assert!(last.iter().any(|one| same(&one)), "{title}: {last:?}");
                    }
                } else {
                    stage.check_moves(check).await;
                }
                told.push(stage.moves(check["segment"].as_str().unwrap(), None).await);
                checked += 1;
            }
            stage.rebuild().await;
            for (check, told) in checks.iter().zip(told) {
                let again = stage.moves(check["segment"].as_str().unwrap(), None).await;
                assert_eq!(again, told, "{title}");
            }
        }
    }
    println!("{checked} lists of moves");
    assert!(checked >= 7, "{checked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_a_member_live_is_whom_the_preview_of_now_shows() {
    for scenario in scenarios() {
        let title = scenario["source"].as_str().unwrap();
        let steps: Vec<&Value> = list(&scenario, "steps").collect();
        let mut stage = Stage::at(first_of(&steps).plus_millis(-1), title).await;
        let mut definitions = vec![&scenario["definition"]];
        definitions.extend(list(&scenario, "more").map(|more| &more["definition"]));
        let definitions: Vec<_> = definitions
            .into_iter()
            .filter(|one| one.is_object())
            .collect();
        let refers = |one: &&&Value| one.to_string().contains("\"$");
        if definitions.iter().any(|one| refers(&one)) {
            continue;
        }
        for (at, definition) in definitions.iter().enumerate() {
            if stage
                .app
                .post(
                    "/v1/segments/preview",
                    &stage.key,
                    &json!({"definition": definition}),
                )
                .await
                .status
                == 200
            {
                stage.define(&format!("$live{at}"), definition).await;
            }
        }
        let mut instants: Vec<Timestamp> = Vec::new();
        for (_, ask) in questions(&scenario) {
            instants.extend(ask["at"].as_str().filter(|at| *at != "now").map(time));
        }
        instants.sort();
        let mut steps = steps.into_iter().peekable();
        for instant in instants {
            while let Some(step) =
                steps.next_if(|step| time(step["at"].as_str().unwrap()) <= instant)
            {
                stage.go_to(time(step["at"].as_str().unwrap()));
                stage.step(step).await;
            }
            stage.go_to(instant);
            for (at, definition) in definitions.iter().enumerate() {
                let name = format!("$live{at}");
                if !stage.segments.contains_key(&name) {
                    continue;
                }
                let previewed = stage.preview(definition, None).await;
                let mut wanted = strings(&previewed.body["members"]);
                wanted.sort();
                assert_eq!(
                    stage.members(&name).await,
                    wanted,
                    "{title}: {definition} at {instant}"
                );
            }
        }
    }
}
