//! The labelled scenarios of segments, through a real server: each in the order of its steps with the clock where they
//! say, and again with what servers tell in a shuffled order; previews at instants, live members, moves, and a rebuild.

mod stage;

use serde_json::{Value, json};
use shared::time::Timestamp;

use self::stage::{Stage, list, strings, time};

fn scenarios() -> Vec<Value> {
    let text = include_str!("../../../shared/tests/data/cases/segments.json");
    serde_json::from_str(text).unwrap()
}

/// A question about what a store has thrown away: nothing is thrown away yet.
const RETENTION: &str = "design.md section 3 (retention) and PostHog#70574 (T4)";
/// Its moves are said to the millisecond before scores were rounded to nine decimals.
const ROUNDED: &str = "mautic/mautic#6387";

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
