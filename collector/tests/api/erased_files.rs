//! No byte of any file holds what was erased: tables decoded, pages that are free and segments of before included.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::erasures::{ADA, HERS, erase, held, is_clean, lived, totals};
use crate::reports::Stage;

/// What a compressed frame begins with (RFC 8878, section 3.1.1).
const FRAME: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// So much of a frame is unpacked at the most.
const UNPACKED: usize = 8 * 1024 * 1024;

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            // The control socket of a server that runs.
            false if path.extension().is_some_and(|end| end == "sock") => {}
            false => found.push(path),
        }
    }
    found
}

/// The bytes of every file as they lie there, and what is in each compressed frame that begins anywhere in them.
fn bytes(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for path in files(folder) {
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        let bytes = fs::read(&path).unwrap();
        let starts = bytes.windows(4).enumerate();
        for (at, _) in starts.filter(|(_, four)| *four == FRAME) {
            // A frame that goes on elsewhere in the file, or is none, gives what can be read of it.
            let mut unpacked = Vec::new();
            let reader = zstd::stream::read::Decoder::new(&bytes[at..]);
            if let Ok(reader) = reader {
                let mut reader = std::io::Read::take(reader.single_frame(), UNPACKED as u64);
                std::io::Read::read_to_end(&mut reader, &mut unpacked).ok();
            }
            all.push((format!("{name} at {at}"), unpacked));
        }
        all.push((name, bytes));
    }
    all
}

/// The words that stand somewhere, each with where.
fn told(all: &[(String, Vec<u8>)]) -> Vec<(&'static str, &str)> {
    let mut told = Vec::new();
    for (place, bytes) in all {
        let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
        let here = HERS.into_iter();
        let here = here.filter(|word| text.contains(&word.to_ascii_lowercase()));
        told.extend(here.map(|word| (word, place.as_str())));
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_any_file_holds_what_was_erased() {
    let stage = Stage::new().await;
    // So that there are segments, too.
    let body = json!({"name": "Seen", "definition": {"any": [{"event": "seen"}, {"trait": "plan", "exists": true}]}});
    let made = stage.app.post("/v1/segments", &stage.key, &body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    lived(&stage).await;
    // Everything is on disk, in pages of today and of before.
    let (folder, _) = stage.app.stop().await;
    let all = bytes(folder.path());
    let before = told(&all);
    for word in HERS {
        assert!(
            before.iter().any(|(told, _)| *told == word),
            "{word}: {before:?}"
        );
    }
    let app = crate::support::spawn_app_in(folder, stage.clock.clone() as _).await;
    let stage = Stage { app, ..stage };
    stage.app.caught_up().await;
    let before = totals(&stage).await;
    erase(&stage, ADA).await;
    stage.app.caught_up().await;
    stage.app.app.purge_log().unwrap();
    is_clean(&held(&stage.app), &HERS);
    assert_eq!(totals(&stage).await, before);
    assert!(stage.app.app.verify_log(&mut |_| {}).unwrap().ok);
    let (folder, _) = stage.app.stop().await;
    let all = bytes(folder.path());
    let after = told(&all);
    assert!(after.is_empty(), "{after:#?}");
    // And it is the same store.
    let app = crate::support::spawn_app_in(folder, stage.clock.clone() as _).await;
    let stage = Stage { app, ..stage };
    stage.app.caught_up().await;
    assert_eq!(totals(&stage).await, before);
    let listed = stage.app.get_with("/v1/suppressions", &stage.key).await;
    assert_eq!(
        listed.body["suppressions"].as_array().map(Vec::len),
        Some(2),
        "{}",
        listed.text
    );
}
