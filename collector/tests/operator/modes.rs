//! Every file is for its owner alone, whatever the umask and whoever made the folder.

use std::path::Path;

use crate::support::{Server, Store, entries, in_shell, run, segment, set_mode};

/// What must hold of everything in a folder, and of the folder.
#[track_caller]
fn is_closed(data: &Path) {
    for (name, (kind, mode, ..)) in entries(data) {
        let wanted = if kind == 'd' { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{name} is {mode:o}");
    }
}

#[test]
fn every_file_is_closed_to_others_whatever_the_umask_and_whoever_made_the_folder() {
    for umask in ["000", "022", "277"] {
        let store = Store::new();
        std::fs::create_dir(store.data()).unwrap();
        set_mode(&store.data(), 0o777);
        let script = format!("umask {umask} && exec \"$0\" \"$@\"");
        let misar = |line: &str| run(in_shell(&script, &store.command(line)));
        let key = misar("keys create --scope send,read --json").json();
        let serve = store.command("serve --listen 127.0.0.1:0 --log-format json");
        let server = Server::start(in_shell(&script, &serve));
        is_closed(&store.data());
        assert_eq!(entries(&store.data())["control.sock"].0, 's');

        server.fill(key["key"].as_str().unwrap());
        let csv = store.beside("egress.csv");
        std::fs::write(&csv, "192.0.2.0/24,US,,,\n").unwrap();
        misar(&format!("relay-list update --file {}", csv.display())).good();
        misar("settings set --click-window 1d").good();
        is_closed(&store.data());
        server.stop("TERM");

        misar("rebuild").good();
        misar("log accept-loss").good();
        let name = segment(&store.data());
        let (_, name) = name.split_once('/').unwrap();
        misar(&format!("log set-aside {name}")).good();
        is_closed(&store.data());
        let names = entries(&store.data());
        for name in [
            "FORMAT",
            "LOCK",
            "meta.redb",
            "orders.redb",
            "suppressions.redb",
            "rejected.redb",
            "views-engagement.redb",
        ] {
            assert_eq!(names[name].0, 'f', "{name}");
        }
        assert!(names.contains_key(&format!("log/aside/{name}")));
        assert!(names.contains_key("relay-list.bin"));
    }
}

#[test]
fn files_of_before_that_are_open_to_others_are_closed() {
    let store = Store::new();
    store.fill();
    std::fs::write(store.data().join("rejected.unreadable"), "").unwrap();
    let note = store.data().join("notes.txt");
    std::fs::write(&note, "").unwrap();
    for (name, (kind, ..)) in entries(&store.data()) {
        let mode = if kind == 'd' { 0o775 } else { 0o664 };
        set_mode(&store.data().join(name), mode);
    }
    store.misar("workspaces list").good();
    // What is not ours stays as it is.
    assert_eq!(entries(&store.data())["notes.txt"].1, 0o664);
    std::fs::remove_file(note).unwrap();
    is_closed(&store.data());
}
