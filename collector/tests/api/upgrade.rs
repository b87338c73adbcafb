//! A store that an older misar wrote (`data/store-76d8426`) gives the answers that it gave then, save where a
//! rule has changed since: those differences are listed here, each with its rule.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use collector::clock::FixedClock;
use collector::meta::NewKey;
use flate2::read::GzDecoder;
use serde_json::Value;
use shared::api_key::{KeyKind, Scope};
use shared::time::Timestamp;
use tempfile::TempDir;

use crate::support::{TestApp, spawn_app_in};

/// Shortly after the answers were kept.
pub(crate) const KEPT_AT: &str = "2026-11-27T00:48:39Z";

/// What is answered otherwise than it was: what was asked, where in the answer, and by which rule.
const DIFFERENCES: [(&str, &str, &str); 0] = [];

/// A copy of the older store in a folder of its own.
pub(crate) fn older_store() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
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
    spawn_app_in(older_store(), Arc::new(FixedClock::new(now))).await
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
                here.push(format!("status: {} became {}", answer["status"], now.status));
            } else {
                let was = without_lag(answer["body"].clone());
                compare("", &was, &without_lag(now.body), &mut here);
            }
            found.extend(here.into_iter().map(|what| format!("{path} {what}")));
        }
    }
    let explained = |line: &&String| {
        DIFFERENCES.iter().any(|(path, at, _)| {
            line.strip_prefix(*path)
                .and_then(|rest| rest.strip_prefix(' '))
                .is_some_and(|rest| rest.starts_with(at))
        })
    };
    let unexplained: Vec<_> = found.iter().filter(|line| !explained(line)).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    for (path, at, rule) in DIFFERENCES {
        let is_there = |line: &String| line.starts_with(&format!("{path} {at}"));
        assert!(found.iter().any(is_there), "{path} {at} is as before: {rule}");
    }
}
