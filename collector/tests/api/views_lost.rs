//! Each file that the views consist of, lost, cut, damaged or of before while the store rests: the start that
//! follows, under load, tells all that was known or says that it is building, and never less.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use shared::api_key::Scope;
use store::clock::SystemClock;
use tempfile::{TempDir, tempdir};

use crate::building::{send, told, unsubscribe};
use crate::support::{PERSON, TestApp, spawn_app, spawn_app_in};

const MANY: usize = 4_000;

/// What becomes of a file.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Lost,
    Empty,
    Half,
    /// Some of its bytes in every stretch are others.
    Damaged,
    /// As it was when there was nothing in the store.
    OfBefore,
}

const HARMS: [Harm; 5] = [
    Harm::Lost,
    Harm::Empty,
    Harm::Half,
    Harm::Damaged,
    Harm::OfBefore,
];

/// The files of the views, by their places in the data folder.
fn files_of_views(data: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(data).unwrap().to_owned();
            if !name.to_str().unwrap().starts_with("views") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(name);
            }
        }
    }
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else if path.is_file() {
            fs::copy(path, to).unwrap();
        }
    }
}

fn harm(file: &Path, harm: Harm, before: &Path) {
    let mut bytes = fs::read(file).unwrap();
    match harm {
        Harm::Lost => return fs::remove_file(file).unwrap(),
        Harm::Empty => bytes.clear(),
        Harm::Half => bytes.truncate(bytes.len() / 2),
        Harm::Damaged => bytes
            .iter_mut()
            .step_by(1_500)
            .for_each(|byte| *byte ^= 0x55),
        Harm::OfBefore => match fs::read(before) {
            Ok(older) => bytes = older,
            Err(_) => return,
        },
    }
    fs::write(file, bytes).unwrap();
}

async fn start(folder: TempDir) -> TestApp {
    spawn_app_in(folder, Arc::new(SystemClock)).await
}

/// Asks of everybody what was known when the store stopped, while others send.
async fn tells_all(app: &TestApp, key: &str, what: &str) {
    let done = AtomicBool::new(false);
    let load = async {
        let event = json!({"type": "track", "event": "loaded", "email": "load@person.example"});
        let body = json!({"events": vec![event; 50]});
        while !done.load(Ordering::Acquire) {
            assert_eq!(
                app.post("/v1/track/batch", &app.key, &body).await.status,
                200
            );
        }
    };
    let ask = async {
        let of_person = format!("/v1/contacts?email={PERSON}");
        let (of_one, of_name, contact, overview, messages) = tokio::join!(
            told(app, key, "/v1/events?email=user7@person.example&limit=1000"),
            told(app, key, "/v1/events?name=viewed&limit=1000"),
            told(app, key, &of_person),
            told(app, key, "/v1/reports/overview"),
            told(app, key, "/v1/reports/messages?campaignId=spring"),
        );
        let count = |list: &Value| list["events"].as_array().unwrap().len();
        assert_eq!(count(&of_one.body), MANY / 50, "{what}");
        assert_eq!(count(&of_name.body), 1_000, "{what}");
        assert_eq!(
            of_name.body["events"][0]["properties"]["n"],
            MANY - 1,
            "{what}"
        );
        let contact = &contact.body["contacts"][0];
        assert!(contact["unsubscribedAt"].is_string(), "{what}: {contact}");
        assert_eq!(overview.body["sent"], 1, "{what}: {}", overview.text);
        assert_eq!(
            overview.body["unsubscribes"], 1,
            "{what}: {}",
            overview.text
        );
        assert_eq!(messages.body["messages"][0]["messageId"], "m", "{what}");
        done.store(true, Ordering::Release);
    };
    tokio::join!(load, ask);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_a_file_of_the_views_no_answer_knows_less() {
    // Arrange: the store as it was with nothing in it, and as it is.
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Admin]);
    let (folder, _) = app.stop().await;
    let before = tempdir().unwrap();
    copy(folder.path(), before.path());
    let app = start(folder).await;
    unsubscribe(&app, &key).await;
    send(&app, MANY).await;
    let (whole, _) = app.stop().await;
    let files = files_of_views(whole.path());
    assert!(!files.is_empty());
    for file in &files {
        for what in HARMS {
            let folder = tempdir().unwrap();
            copy(whole.path(), folder.path());
            harm(&folder.path().join(file), what, &before.path().join(file));
            // Act, assert
            let app = start(folder).await;
            tells_all(&app, &key, &format!("{} {what:?}", file.display())).await;
            app.stop().await;
        }
    }
    // All of them at once, and a folder among them.
    let app = start({
        for file in files {
            fs::remove_file(whole.path().join(file)).unwrap();
        }
        whole
    })
    .await;
    tells_all(&app, &key, "all").await;
}
