//! `misar classify`.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{BROWSER, Run, Store, spawn};

fn answers(run: &Run) -> Vec<Value> {
    run.out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The answers to lines that are all good.
#[track_caller]
fn judged(kind: &str, rows: &[Value]) -> Vec<Value> {
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let run = Store::new().fed(&format!("classify --kind {kind}"), lines);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{}", run.out);
    let answers = answers(&run);
    assert_eq!(answers.len(), rows.len());
    answers
}

/// A browser's request with other fields.
fn browser(more: Value) -> Value {
    let mut row = json!({"ua": BROWSER});
    let Value::Object(more) = more else {
        panic!("{more}")
    };
    row.as_object_mut().unwrap().extend(more);
    row
}

fn classes(answers: &[Value]) -> Vec<&str> {
    answers
        .iter()
        .map(|answer| answer["class"].as_str().unwrap())
        .collect()
}

#[test]
fn the_labelled_cases_are_answered_in_order_and_people_are_told_from_the_rest() {
    for (kind, file) in [("open", "opens.json"), ("click", "clicks.json")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/tests/data/cases");
        let text = std::fs::read_to_string(path.join(file)).unwrap();
        let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert!(cases.len() > 10);
        let is_genuine = |class: &Value| class == "human" || class == "proxy_human";
        for (case, answer) in cases.iter().zip(judged(kind, &cases)) {
            let fields = answer.as_object().unwrap();
            assert!(
                fields.len() == 2 && answer["reason"].is_string(),
                "{answer}"
            );
            if !case["source"].as_str().unwrap().contains("CONTESTED") {
                assert_eq!(
                    is_genuine(&answer["class"]),
                    is_genuine(&case["expected"]),
                    "{kind} {case} {answer}"
                );
            }
        }
    }
}

#[test]
fn an_absent_null_or_blank_agent_is_a_bots() {
    let rows = [
        json!({}),
        json!({"ua": null}),
        json!({"ua": ""}),
        json!({"ua": "  "}),
    ];
    for answer in judged("open", &rows) {
        assert_eq!(answer, json!({"class": "bot", "reason": "empty_agent"}));
    }
}

#[test]
fn headers_and_methods_count_in_any_case() {
    let rows = [
        browser(json!({"headers": {"PURPOSE": "Prefetch"}})),
        browser(json!({"headers": {"sec-purpose": "prefetch;prerender"}})),
        browser(json!({"headers": {"X-Moz": "PREFETCH"}})),
        browser(json!({"headers": {"Accept": "prefetch", "Purpose": 1}})),
        browser(json!({"headers": null})),
        browser(json!({"method": "get"})),
        browser(json!({"method": "head"})),
    ];
    assert_eq!(
        classes(&judged("open", &rows)),
        [
            "machine", "machine", "machine", "human", "human", "human", "bot"
        ]
    );
}

#[test]
fn windows_are_half_open_and_off_for_transactional_mail_and_negative_delays() {
    let delays = |values: &[f64]| -> Vec<Value> {
        let row = |seconds: &f64| browser(json!({"seconds_after_send": seconds}));
        values.iter().map(row).collect()
    };
    let opens = judged(
        "open",
        &delays(&[0.0, 59.999, 59.9999, 60.0, -0.0001, -5.0]),
    );
    assert_eq!(
        classes(&opens),
        ["machine", "machine", "machine", "human", "human", "human"]
    );
    let clicks = judged("click", &delays(&[0.0, 29.999, 30.0, -1.0]));
    assert_eq!(classes(&clicks), ["bot", "bot", "human", "human"]);
    for kind in ["open", "click"] {
        let rows = [
            browser(json!({"seconds_after_send": 1, "type": "transactional"})),
            browser(json!({"seconds_after_send": 1, "type": "campaign"})),
            browser(json!({"seconds_after_send": null})),
            browser(json!({"expected": "bot", "source": 5})),
        ];
        let soon = if kind == "open" { "machine" } else { "bot" };
        assert_eq!(
            classes(&judged(kind, &rows)),
            ["human", soon, "human", "human"]
        );
    }
}

#[test]
fn a_bad_line_keeps_its_place_and_the_others_are_answered() {
    let good = browser(json!({})).to_string();
    let long = format!("{{\"ua\":\"{}\"}}", "x".repeat(64 * 1024));
    let bad = [
        ("", "it is empty"),
        ("nope", "it is not JSON (column 2)"),
        ("{\"ua\":\"x\"", "it is not JSON (column 9)"),
        ("{\"ua\":\"x\"} {}", "it is not JSON (column 12)"),
        // Not a row by the order of its fields either.
        (
            "[\"x\",null,null,null,null,null]",
            "it is JSON, but not an object",
        ),
        ("{\"ua\":5}", "ua is not a text"),
        (
            "{\"ip\":\"1.2.3\"}",
            "ip is not an address such as 192.0.2.1",
        ),
        (
            "{\"seconds_after_send\":\"4\"}",
            "seconds_after_send is not a number",
        ),
        ("{\"method\":[]}", "method is not a text such as GET"),
        ("{\"headers\":[]}", "headers is not an object"),
        (
            "{\"type\":\"news\"}",
            "type is not transactional or campaign",
        ),
        (&long, "it is longer than 65536 bytes"),
    ];
    let mut input = String::new();
    for (line, _) in bad {
        writeln!(input, "{line}\n{good}").unwrap();
    }
    // The last line needs no end.
    input.push_str(&good);
    let run = Store::new().fed("classify --kind click", input);
    assert_eq!(run.code, Some(1), "{}", run.err);
    let answers = answers(&run);
    assert_eq!(answers.len(), 2 * bad.len() + 1);
    let mut told = run.err.lines();
    for (at, (_, sentence)) in bad.iter().enumerate() {
        let named = format!("line {}: {sentence}", 2 * at + 1);
        assert_eq!(answers[2 * at], json!({"error": named}));
        assert_eq!(told.next(), Some(named.as_str()));
        assert_eq!(answers[2 * at + 1]["class"], "human");
    }
    assert_eq!(answers[2 * bad.len()]["class"], "human");
    assert_eq!(told.next(), None);
}

#[test]
fn ends_of_lines_may_be_those_of_windows_and_bytes_may_be_no_text() {
    let mut input = b"{\"ua\":\"\xff\"}\r\n".to_vec();
    input.extend(format!("{}\r\n\r\n", browser(json!({}))).bytes());
    let run = Store::new().fed("classify --kind open", input);
    assert_eq!(run.code, Some(1));
    let answers = answers(&run);
    assert!(
        answers[0]["error"]
            .as_str()
            .unwrap()
            .starts_with("line 1: it is not JSON")
    );
    assert_eq!(answers[1]["class"], "human");
    assert_eq!(answers[2]["error"], "line 3: it is empty");
}

#[test]
fn each_answer_comes_before_the_next_line_and_a_hundred_thousand_are_in_order() {
    const LINES: usize = 100_000;
    let store = Store::new();
    let mut child = spawn(&mut store.command("classify --kind open"));
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let rows = [browser(json!({})), json!({"ua": "curl/8.9.1"})];
    let expected = ["human", "bot"];
    let is_right = |at: usize, answer: &str| answer.contains(expected[at % 2]);
    for at in 0..100 {
        writeln!(input, "{}", rows[at % 2]).unwrap();
        let answer = output.next().unwrap().unwrap();
        assert!(is_right(at, &answer), "{at} {answer}");
    }
    let feeder = std::thread::spawn(move || {
        let pair = format!("{}\n{}\n", rows[0], rows[1]);
        for _ in 0..LINES / 2 {
            input.write_all(pair.as_bytes()).unwrap();
        }
    });
    let mut answered = 0;
    for (at, answer) in output.enumerate() {
        let answer = answer.unwrap();
        assert!(is_right(at, &answer), "{at} {answer}");
        answered += 1;
    }
    feeder.join().unwrap();
    assert_eq!(answered, LINES);
    assert!(child.wait().unwrap().success());
}

#[test]
fn without_a_kind_there_is_help_and_nothing_in_is_nothing_out() {
    let store = Store::new();
    assert!(store.misar("classify").misuse().contains("--kind <KIND>"));
    store.misar("classify --kind web").misuse();
    assert_eq!(store.misar("classify --kind open").good(), "");
    // It reads a folder, and makes none.
    assert!(!store.data().exists());
    let help = store.misar("classify --help").good();
    assert!(
        help.contains("human, proxy_human, machine or bot"),
        "{help}"
    );
}
