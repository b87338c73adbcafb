//! Commands that only read, on a copy that cannot be written: as a user who may not, and on a file
//! system that is mounted so.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{
    SERVICE, Store, as_service, command, copy, entries, in_shell, is_root, reachable, run,
};

const READING: [&str; 6] = [
    "keys list",
    "workspaces list",
    "tokens list",
    "settings show",
    "relay-list show",
    "log verify",
];

/// A copy that its own user may not write.
fn read_only_copy(store: &Store) -> PathBuf {
    let copied = store.beside("copied");
    let user = is_root().then_some(SERVICE);
    copy(&store.data(), &copied, (0o400, 0o500), user);
    copied
}

/// What every file holds.
fn contents(data: &Path) -> Vec<(String, Vec<u8>)> {
    entries(data)
        .into_iter()
        .filter(|(_, (kind, ..))| *kind == 'f')
        .map(|(name, _)| {
            let bytes = std::fs::read(data.join(&name)).unwrap();
            (name, bytes)
        })
        .collect()
}

#[test]
fn what_only_reads_works_on_a_copy_that_may_not_be_written_and_leaves_it_as_it_is() {
    let store = Store::new();
    store.fill();
    let copied = read_only_copy(&store);
    // A copy may lack what only a server needs.
    let before = (entries(&copied), contents(&copied));
    let misar = reachable(&store);
    for line in READING {
        let line = format!("{line} --json");
        let there = run(as_service(command(&misar, &copied, &line))).good();
        assert_eq!((entries(&copied), contents(&copied)), before, "{line}");
        let here = store.misar(&line).good();
        assert_eq!(there, here, "{line}");
    }
    for line in [
        "keys create",
        "tokens rotate",
        "rebuild",
        "serve --listen 127.0.0.1:0",
    ] {
        let said = run(as_service(command(&misar, &copied, line))).refusal();
        assert!(said.contains("cannot be written"), "{line}: {said}");
    }
    assert_eq!((entries(&copied), contents(&copied)), before);
}

#[test]
fn a_copy_without_a_lock_works_too() {
    let store = Store::new();
    store.fill();
    std::fs::remove_file(store.data().join("LOCK")).unwrap();
    let copied = read_only_copy(&store);
    let misar = reachable(&store);
    for line in READING {
        run(as_service(command(&misar, &copied, line))).good();
    }
    assert!(!copied.join("LOCK").exists());
}

#[test]
fn a_copy_of_a_running_store_says_what_to_do() {
    let store = Store::new();
    store.fill();
    let meta = std::fs::read(store.data().join("meta.redb")).unwrap();
    store.serve().kill();
    let copied = read_only_copy(&store);
    let misar = reachable(&store);
    let keys = run(as_service(command(&misar, &copied, "keys list"))).refusal();
    assert!(keys.contains("meta.redb was not closed in order"), "{keys}");
    assert!(
        keys.contains("copy the folder to a place where it can be written"),
        "{keys}"
    );

    // Every file says so for itself.
    let running = store.beside("running");
    copy(&store.data(), &running, (0o600, 0o700), None);
    std::fs::write(running.join("meta.redb"), meta).unwrap();
    let mixed = store.beside("mixed");
    copy(
        &running,
        &mixed,
        (0o400, 0o500),
        is_root().then_some(SERVICE),
    );
    run(as_service(command(&misar, &mixed, "keys list"))).good();
    let log = run(as_service(command(&misar, &mixed, "log verify")));
    assert_eq!(log.code, Some(1), "{} {}", log.out, log.err);
    assert!(
        log.err.contains(".redb was not closed in order"),
        "{}",
        log.err
    );

    // As it says.
    let writable = store.beside("writable");
    copy(&copied, &writable, (0o600, 0o700), None);
    let verify = run(command(&misar, &writable, "log verify"));
    assert_eq!(verify.code, Some(1), "{}", verify.out);
    assert!(
        verify.err.contains("misar log accept-copy"),
        "{}",
        verify.err
    );
    run(command(&misar, &writable, "log accept-copy")).good();
    run(command(&misar, &writable, "keys list")).good();
    run(command(&misar, &writable, "log verify")).good();
}

#[test]
fn a_read_only_file_system_is_no_hindrance_not_even_to_root() {
    let store = Store::new();
    store.fill();
    let mounted = |line: &str| {
        let script = format!(
            "mount --bind {0} {0} && mount -o remount,bind,ro {0} && exec \"$0\" \"$@\"",
            store.data().display()
        );
        let within = in_shell(&script, &store.command(line));
        let mut command = Command::new("unshare");
        command.arg("-m").arg(within.get_program());
        command
            .args(within.get_args())
            .env("MISAR_DATA", store.data());
        command
    };
    // Not everywhere may a mount be made.
    if !mounted("--version")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return;
    }
    let before = (entries(&store.data()), contents(&store.data()));
    for line in READING {
        run(mounted(line)).good();
    }
    let said = run(mounted("keys create")).refusal();
    assert!(said.contains("cannot be written"), "{said}");
    assert_eq!((entries(&store.data()), contents(&store.data())), before);
}

#[test]
fn a_server_that_holds_the_folder_answers_whoever_may_only_read_it() {
    let store = Store::new();
    store.fill();
    let server = store.serve();
    for line in READING {
        store.misar(line).good();
    }
    server.stop("TERM");
}
