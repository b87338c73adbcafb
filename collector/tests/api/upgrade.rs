//! A store that an older misar wrote (`data/store-76d8426`) gives the answers that it gave then, save where a
//! rule has changed since: those differences are listed here, each with its rule.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::Value;
use shared::api_key::{KeyKind, Scope};
use shared::time::Timestamp;
use store::clock::FixedClock;
use store::folder::DataFolder;
use store::meta::NewKey;

use crate::support::{Folder, TestApp, spawn_app_in};

/// Shortly after the answers were kept.
pub(crate) const KEPT_AT: &str = "2026-11-27T00:48:39Z";

/// A rule, and whether it explains a line.
type Rule = (&'static str, fn(&str) -> bool);

/// Why something is answered otherwise than it was, and where that shows: in lines of the form
/// `PATH WHERE: WAS became IS`.
const RULES: [Rule; 7] = [
    (
        "an address in which a letter that is not ASCII would become one is refused",
        |line| line.contains("email=%E2%84%AA") && line.ends_with("status: 200 became 422"),
    ),
    (
        "a spelling that is refused today is shown no more",
        |line| line.contains("/email: \"\u{212A}arl") && line.contains(" became \"karl"),
    ),
    (
        "both forms of a domain are one contact, with all that was known of either",
        |line| {
            line.ends_with("/email: \"kate@xn--exmple-qta.com\" became \"kate@exámple.com\"")
                || line.starts_with("/v1/contacts?email=kate%40")
                || line.starts_with("/v1/events?limit=1000&email=kate%40")
        },
    ),
    (
        "what pages say is counted from the start of its UTC day on",
        |line| line.starts_with("/v1/contacts?email=Bob.") && line.contains("/score: "),
    ),
    (
        "what a browser did belongs to whom its page has named",
        |line| {
            line.contains("/email: null became \"Bob.")
                || (line.contains("email=Bob.")
                    && line.contains("/events: also {")
                    && line.contains("\"source\":\"browser\""))
        },
    ),
    ("averages have the decimals of their currency", |line| {
        line.contains("/averageOrder: ") || line.contains("/revenuePerRecipient: ")
    }),
    (
        "reports tell of deliveries, of links and of what is planned too",
        |line| {
            ["delivered", "bounced", "complained", "planned"]
                .iter()
                .any(|name| line.ends_with(&format!("/{name}: null became 0")))
                || line.contains("/links: null became [")
        },
    ),
];

/// A copy of the older store in a folder of its own.
pub(crate) fn older_store() -> Folder {
    let folder = Folder::new();
    unpack(&data().join("store"), folder.path());
    folder
}

/// A list that was kept beside the store.
pub(crate) fn kept(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(data().join(name)).unwrap()).unwrap()
}

fn data() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/store-76d8426")
}

fn unpack(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            std::fs::create_dir(&target).unwrap();
            unpack(&path, &target);
        } else {
            let mut bytes = Vec::new();
            GzDecoder::new(std::fs::File::open(&path).unwrap())
                .read_to_end(&mut bytes)
                .unwrap();
            std::fs::write(target.with_extension(""), bytes).unwrap();
        }
    }
}

/// A server on a copy of the older store, at about the time of the answers.
pub(crate) async fn spawn_upgraded() -> TestApp {
    let now = Timestamp::parse_rfc3339(KEPT_AT).unwrap();
    let folder = older_store();
    let format = || std::fs::read_to_string(folder.path().join("FORMAT")).unwrap();
    assert_eq!(format(), "misar-store 1\n");
    drop(DataFolder::open(folder.path()).unwrap());
    assert_eq!(
        format(),
        "misar-store 3\n",
        "no older misar takes it from now on"
    );
    let app = spawn_app_in(folder, Arc::new(FixedClock::new(now))).await;
    let last = *app.app.log.committed().borrow();
    let patience = Duration::from_secs(20);
    app.app.projector.wait_for(last, patience).await.unwrap();
    app
}

fn admin_of(app: &TestApp, workspace: &str) -> String {
    let workspace = app.app.meta.workspace(workspace).unwrap();
    let new = NewKey {
        scopes: vec![Scope::Admin],
        ..NewKey::of(workspace, KeyKind::Secret)
    };
    app.app.meta.create_key(new).unwrap().1.as_str().to_owned()
}

/// What is no property of the store: how far the view lags behind.
fn without_lag(mut body: Value) -> Value {
    if let Some(body) = body.as_object_mut() {
        body.remove("meta");
    }
    body
}

/// Adds where `is` differs from `was`, as JSON pointers.
fn compare(at: &str, was: &Value, is: &Value, found: &mut Vec<String>) {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            for name in names {
                let (was, is) = (was.get(name), is.get(name));
                let (was, is) = (was.unwrap_or(&Value::Null), is.unwrap_or(&Value::Null));
                compare(&format!("{at}/{name}"), was, is, found);
            }
        }
        (Value::Array(was), Value::Array(is)) if was.len() == is.len() => {
            for (place, (was, is)) in was.iter().zip(is).enumerate() {
                compare(&format!("{at}/{place}"), was, is, found);
            }
        }
        // Events that are new in a list do not make its others new.
        (Value::Array(was), Value::Array(is)) if at.ends_with("/events") => {
            for event in was {
                match is.iter().find(|one| one["id"] == event["id"]) {
                    Some(same) => compare(&format!("{at}/{}", event["id"]), event, same, found),
                    None => found.push(format!("{at}: no {event}")),
                }
            }
            let is_new = |event: &&Value| was.iter().all(|one| one["id"] != event["id"]);
            found.extend(
                is.iter()
                    .filter(is_new)
                    .map(|event| format!("{at}: also {event}")),
            );
        }
        // Seqs that counted from 1 stay valid, with zeros before them.
        (Value::String(was), Value::String(is))
            if at.ends_with("/seq") && *is == format!("{was:0>24}") => {}
        // The clock stands a little apart from the one that was asked then.
        (Value::Number(was), Value::Number(is))
            if at.ends_with("/score") && is_close(was.as_f64(), is.as_f64()) => {}
        _ if was == is => {}
        _ => found.push(format!("{at}: {was} became {is}")),
    }
}

fn is_close(was: Option<f64>, is: Option<f64>) -> bool {
    matches!((was, is), (Some(was), Some(is)) if (was - is).abs() < 1e-4)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_an_older_misar_gives_the_answers_that_it_gave() {
    let app = spawn_upgraded().await;
    let mut found = Vec::new();
    for (sender, workspace) in [("server", "default"), ("elsewhere", "elsewhere")] {
        let key = admin_of(&app, workspace);
        for (path, answer) in kept("reads.json")[sender].as_object().unwrap() {
            let now = app.get_with(path, &key).await;
            let mut here = Vec::new();
            if answer["status"] != now.status {
                here.push(format!(
                    "status: {} became {}",
                    answer["status"], now.status
                ));
            } else {
                let was = without_lag(answer["body"].clone());
                compare("", &was, &without_lag(now.body), &mut here);
            }
            found.extend(here.into_iter().map(|what| format!("{path} {what}")));
        }
    }
    let unexplained: Vec<_> = found
        .iter()
        .filter(|line| !RULES.iter().any(|(_, shows)| shows(line)))
        .collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    for (rule, shows) in RULES {
        assert!(
            found.iter().any(|line| shows(line)),
            "shows nowhere: {rule}"
        );
    }
    // The two contacts that became one lost none of their events.
    let (reads, key) = (kept("reads.json"), admin_of(&app, "default"));
    let paths = ["kate%40ex%C3%A1mple.com", "kate%40xn--exmple-qta.com"]
        .map(|email| format!("/v1/events?limit=1000&email={email}"));
    let ids = |body: &Value| -> BTreeSet<String> {
        let events = body["events"].as_array().unwrap().iter();
        events.map(|event| event["id"].to_string()).collect()
    };
    let [one, other] = paths
        .each_ref()
        .map(|path| ids(&reads["server"][path]["body"]));
    let both: BTreeSet<String> = one.union(&other).cloned().collect();
    assert!(one.len() < both.len());
    for path in paths {
        assert_eq!(ids(&app.get_with(&path, &key).await.body), both);
    }
}
