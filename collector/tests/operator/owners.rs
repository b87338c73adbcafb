//! What root does in a service's folder leaves nothing that the service cannot open. Only root can try
//! it: run by another user, these tests have nothing to look at.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use crate::support::{
    SERVICE, Server, Store, as_service, command, copy, entries, is_root, reachable, run, segment,
};

#[track_caller]
fn is_the_services(data: &Path) {
    for (name, (_, _, user, group)) in entries(data) {
        assert_eq!((user, group), (SERVICE, SERVICE), "{name}");
    }
}

/// An empty folder of the service's.
fn services_folder() -> Store {
    let store = Store::new();
    std::fs::create_dir(store.data()).unwrap();
    chown(store.data(), Some(SERVICE), Some(SERVICE)).unwrap();
    store
}

#[test]
fn what_root_makes_in_the_services_folder_is_the_services() {
    if !is_root() {
        return;
    }
    let store = services_folder();
    // Each of them makes files, the last by a crash.
    store.fill();
    store.misar("workspaces create shop").good();
    store.misar("tokens rotate").good();
    store.misar("settings set --click-window 1d").good();
    store.misar("rebuild").good();
    is_the_services(&store.data());
    let server = store.serve();
    is_the_services(&store.data());
    server.kill();
    is_the_services(&store.data());

    let misar = reachable(&store);
    let service = |line: &str| as_service(command(&misar, &store.data(), line));
    let key = run(service("keys create --scope send,read --json")).json();
    let server = Server::start(service("serve --listen 127.0.0.1:0 --log-format json"));
    server.fill(key["key"].as_str().unwrap());
    // Through the socket of a server of another user.
    store.misar("keys create").good();
    store.misar("log verify").good();
    server.stop("TERM");
    run(service("log verify")).good();
    is_the_services(&store.data());
}

#[test]
fn a_folder_that_root_makes_within_the_services_is_the_services() {
    if !is_root() {
        return;
    }
    let store = services_folder();
    let within = store.data().join("store");
    run(command(crate::support::MISAR, &within, "keys create")).good();
    is_the_services(&store.data());
}

#[test]
fn a_socket_of_root_takes_the_commands_of_the_folders_owner() {
    if !is_root() {
        return;
    }
    let store = services_folder();
    let misar = reachable(&store);
    let server = store.serve();
    run(as_service(command(&misar, &store.data(), "keys list"))).good();
    server.stop("TERM");
}

#[test]
fn who_may_not_look_into_a_folder_is_told_whose_it_is() {
    if !is_root() {
        return;
    }
    let store = Store::new();
    store.fill();
    let misar = reachable(&store);
    for line in ["keys list", "serve --listen 127.0.0.1:0"] {
        let said = run(as_service(command(&misar, &store.data(), line))).refusal();
        assert!(said.contains("belongs to user 0"), "{said}");
    }
}

#[test]
fn files_that_root_left_behind_before_go_to_the_service() {
    if !is_root() {
        return;
    }
    let store = services_folder();
    store.fill();
    let data = store.data();
    for name in ["LOCK", "views-engagement.redb", "log", &segment(&data)] {
        chown(data.join(name), Some(0), Some(0)).unwrap();
    }
    store.misar("workspaces list").good();
    is_the_services(&data);

    // Save what has a second name: it could have been put here to be given away.
    let second = store.beside("second");
    chown(data.join("orders.redb"), Some(0), Some(0)).unwrap();
    std::fs::hard_link(data.join("orders.redb"), &second).unwrap();
    store.misar("workspaces list").good();
    assert_eq!(std::fs::metadata(&second).unwrap().uid(), 0);
}

#[test]
fn a_folder_of_roots_own_stays_roots() {
    if !is_root() {
        return;
    }
    let store = Store::new();
    store.fill();
    let copied = store.beside("copied");
    // A file of another user in it is left to that user.
    copy(&store.data(), &copied, (0o600, 0o700), None);
    chown(
        copied.join("views-engagement.redb"),
        Some(SERVICE),
        Some(SERVICE),
    )
    .unwrap();
    run(command(
        crate::support::MISAR,
        &copied,
        "workspaces create shop",
    ))
    .good();
    let entries = entries(&copied);
    assert_eq!(entries["meta.redb"].2, 0);
    assert_eq!(entries["views-engagement.redb"].2, SERVICE);
}
