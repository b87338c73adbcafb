//! No symbolic link is followed within a data folder, wherever it leads.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::support::{Run, Store, run, segment, set_mode};

const FILES: [&str; 9] = [
    "FORMAT",
    "LOCK",
    "meta.redb",
    "orders.redb",
    "suppressions.redb",
    "rejected.redb",
    "views-engagement.redb",
    "relay-list.bin",
    "control.sock",
];

/// Tries to serve a store that is to be refused.
fn serve(store: &Store) -> Run {
    run(store.command("serve --listen 127.0.0.1:0"))
}

#[track_caller]
fn is_refused(said: Run, link: &std::path::Path) {
    assert_eq!(said.code, Some(1), "{} {}", said.out, said.err);
    let wanted = format!("{} is a symbolic link", link.display());
    assert!(said.err.contains(&wanted), "{}", said.err);
}

#[test]
fn a_link_in_the_place_of_a_file_is_refused_by_its_name_and_what_it_leads_to_stays() {
    let store = Store::new();
    store.fill();
    let data = store.data();
    let mut names: Vec<String> = FILES.map(str::to_owned).into();
    names.extend(["log".to_owned(), "log/aside".to_owned(), segment(&data)]);
    for name in names {
        let link = data.join(&name);
        let away = store.beside("away");
        if name == "control.sock" {
            std::fs::write(&away, "not ours").unwrap();
        } else {
            std::fs::rename(&link, &away).unwrap();
        }
        if away.is_file() {
            set_mode(&away, 0o644);
        }
        let before = std::fs::read(&away).ok();
        symlink(&away, &link).unwrap();

        is_refused(serve(&store), &link);
        for line in [
            "keys list",
            "log verify",
            "keys create",
            "rebuild",
            "log accept-loss",
        ] {
            is_refused(store.misar(line), &link);
        }
        assert_eq!(std::fs::read(&away).ok(), before, "{name}");
        assert!(link.is_symlink(), "{name}");

        std::fs::remove_file(&link).unwrap();
        if name == "control.sock" {
            std::fs::remove_file(&away).unwrap();
        } else {
            std::fs::rename(&away, &link).unwrap();
        }
    }
    // All is in its place again.
    store.misar("log verify").good();
}

#[test]
fn a_link_in_a_new_folder_makes_nothing_elsewhere() {
    for name in ["LOCK", "FORMAT", "FORMAT.draft", "meta.draft"] {
        let store = Store::new();
        let away = store.beside("away");
        std::fs::create_dir(store.data()).unwrap();
        symlink(&away, store.data().join(name)).unwrap();
        let said = serve(&store);
        assert_eq!(said.code, Some(1), "{name} {}", said.err);
        assert!(!away.exists() && !away.is_symlink(), "{name}");
    }
}

#[test]
fn a_link_in_the_place_of_a_draft_is_not_written_through() {
    let store = Store::new();
    store.fill();
    let away = store.beside("away");
    std::fs::write(&away, "not ours").unwrap();
    for name in [
        "views.draft",
        "log/00000000000000000099.draft",
        "relay-list.draft",
    ] {
        let link = store.data().join(name);
        symlink(&away, &link).unwrap();
        is_refused(serve(&store), &link);
        is_refused(store.misar("rebuild"), &link);
        assert_eq!(std::fs::read(&away).unwrap(), b"not ours");
        std::fs::remove_file(&link).unwrap();
    }
}

#[test]
fn what_is_no_file_is_refused_without_waiting_for_it() {
    let store = Store::new();
    store.fill();
    for name in ["meta.redb", "views-engagement.redb", "LOCK", "FORMAT"] {
        let path = store.data().join(name);
        let away = store.beside("away");
        std::fs::rename(&path, &away).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let said = store.misar("keys list");
        let said = if name == "views-engagement.redb" {
            serve(&store).refusal()
        } else {
            said.refusal()
        };
        assert!(
            said.contains(&format!("{} is no file", path.display())),
            "{said}"
        );
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(&away, &path).unwrap();
    }
}

#[test]
fn a_link_in_the_place_of_a_running_servers_socket_is_not_followed() {
    let (store, other) = (Store::new(), Store::new());
    let server = store.serve();
    let another = other.serve();
    let socket = store.data().join("control.sock");
    std::fs::rename(&socket, store.beside("away")).unwrap();
    symlink(other.data().join("control.sock"), &socket).unwrap();
    let said = store.misar("workspaces create shop").refusal();
    assert!(said.contains("takes no commands"), "{said}");
    let listed = other.misar("workspaces list").good();
    assert!(!listed.contains("shop"), "{listed}");
    another.stop("TERM");
    server.stop("TERM");
}

#[test]
fn the_data_folder_itself_may_be_reached_through_a_link() {
    let store = Store::new();
    let real: PathBuf = store.beside("real");
    std::fs::create_dir(&real).unwrap();
    symlink(&real, store.data()).unwrap();
    store.fill();
    store.misar("log verify").good();
    assert!(real.join("meta.redb").is_file());
    assert!(store.data().is_symlink());
}
