//! Places that are no data folder: what is said, and that nothing is made.

use std::os::unix::fs::symlink;

use crate::support::{MISAR, Store, command, run};

/// Commands that make a store where there is none.
const MAKING: [&str; 5] = [
    "serve --listen 127.0.0.1:0",
    "keys create",
    "keys list",
    "workspaces create shop",
    "relay-list update --file /dev/null",
];
/// Commands on a store that is there.
const READING: [&str; 4] = [
    "log verify",
    "settings show",
    "rebuild",
    "keys revoke key_1",
];

#[test]
fn a_folder_whose_parent_is_missing_is_not_made() {
    let store = Store::new();
    let parent = store.beside("typo");
    let data = parent.join("misar");
    for line in &MAKING[..4] {
        let said = run(command(MISAR, &data, line)).refusal();
        let wanted = format!("there is no folder {}", parent.display());
        assert!(said.contains(&wanted), "{line}: {said}");
        assert!(said.contains("--data"), "{line}: {said}");
    }
    for line in READING {
        let said = run(command(MISAR, &data, line)).refusal();
        assert!(
            said.contains("there is no misar store in"),
            "{line}: {said}"
        );
    }
    assert!(!parent.exists());
}

#[test]
fn a_file_in_the_place_of_the_folder_or_above_it_is_said_to_be_one() {
    let store = Store::new();
    let file = store.beside("file");
    std::fs::write(&file, "not ours").unwrap();
    for line in MAKING[..4].iter().chain(&READING) {
        let said = run(command(MISAR, &file, line)).refusal();
        let wanted = format!("{} is a file, not a folder", file.display());
        assert!(said.contains(&wanted), "{line}: {said}");
    }
    for line in &MAKING[..4] {
        let said = run(command(MISAR, &file.join("data"), line)).refusal();
        let wanted = format!("{} is a file, not a folder", file.display());
        assert!(said.contains(&wanted), "{line}: {said}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"not ours");
}

#[test]
fn a_link_that_leads_nowhere_is_said_to_be_one() {
    let store = Store::new();
    symlink(store.beside("gone"), store.data()).unwrap();
    for line in &MAKING[..4] {
        let said = store.misar(line).refusal();
        assert!(
            said.contains("is a link that leads nowhere"),
            "{line}: {said}"
        );
    }
    assert!(!store.beside("gone").exists());
}

#[test]
fn a_relative_name_lies_in_the_working_folder() {
    let store = Store::new();
    let run_in = |data: &str| {
        let mut command = command(MISAR, data.as_ref(), "keys create");
        command.current_dir(store.beside("."));
        run(command)
    };
    run_in("data").good();
    run_in("./data/").good();
    let said = run_in("typo/data").refusal();
    assert!(said.contains("there is no folder typo"), "{said}");
    assert!(store.data().join("meta.redb").is_file());
}

#[test]
fn a_store_without_its_format_is_not_called_foreign() {
    let store = Store::new();
    store.fill();
    let format = store.data().join("FORMAT");
    let text = std::fs::read(&format).unwrap();
    let check = |what: &str| {
        for line in [
            "serve --listen 127.0.0.1:0",
            "keys list",
            "keys create",
            "log verify",
        ] {
            let said = store.misar(line).refusal();
            assert!(said.contains("holds a misar store"), "{line}: {said}");
            assert!(
                said.contains(&format!("its file FORMAT {what}")),
                "{line}: {said}"
            );
            assert!(said.contains("echo 'misar-store 3' >"), "{line}: {said}");
        }
    };
    std::fs::remove_file(&format).unwrap();
    check("is missing");
    std::fs::write(&format, "").unwrap();
    check("holds something else");
    std::fs::remove_file(&format).unwrap();
    // Either of the two shows what it is.
    std::fs::rename(store.data().join("meta.redb"), store.beside("away")).unwrap();
    check("is missing");
    std::fs::rename(store.beside("away"), store.data().join("meta.redb")).unwrap();
    std::fs::rename(store.data().join("log"), store.beside("away")).unwrap();
    check("is missing");
    std::fs::rename(store.beside("away"), store.data().join("log")).unwrap();

    // As it says.
    std::fs::write(&format, text).unwrap();
    store.misar("log verify").good();

    let other = Store::new();
    std::fs::create_dir_all(other.data().join("log")).unwrap();
    std::fs::write(other.data().join("log/today.txt"), "").unwrap();
    let said = other.misar("keys list").refusal();
    assert!(said.contains("is not a misar data folder"), "{said}");
}
