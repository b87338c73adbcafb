//! What signals do to a server, and what the service manager hears of it.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::mpsc;

use crate::support::{PATIENCE, Server, Store, in_shell};

#[test]
fn each_signal_that_ends_a_server_ends_it_in_good_order() {
    let store = Store::new();
    for signal in ["TERM", "INT", "HUP"] {
        store.serve().stop(signal);
    }
    let report = store.misar("log verify --json").json();
    assert_eq!(report["ok"], true, "{report}");
}

#[test]
fn user_signals_do_nothing() {
    let store = Store::new();
    let server = store.serve();
    for signal in ["USR1", "USR2", "USR1"] {
        server.signal(signal);
        assert_eq!(server.health(), 200);
    }
    server.stop("TERM");
}

#[test]
fn a_server_that_was_started_to_outlive_its_terminal_does() {
    let store = Store::new();
    let serve = store.command("serve --listen 127.0.0.1:0 --log-format json");
    let server = Server::start(in_shell("trap '' HUP && exec \"$0\" \"$@\"", &serve));
    server.signal("HUP");
    assert_eq!(server.health(), 200);
    server.stop("TERM");
}

/// What a service manager hears, read as it comes, as one does: what nobody reads is dropped.
struct Manager(mpsc::Receiver<String>);

impl Manager {
    fn listening(socket: UnixDatagram) -> Self {
        let (told, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 1_000];
            while let Ok(length) = socket.recv(&mut bytes) {
                let said = String::from_utf8(bytes[..length].to_vec()).unwrap();
                if told.send(said).is_err() {
                    break;
                }
            }
        });
        Self(heard)
    }

    fn heard(&self) -> String {
        self.0.recv_timeout(PATIENCE).unwrap()
    }
}

#[test]
fn the_service_manager_hears_of_the_start_of_life_and_of_the_stop() {
    let store = Store::new();
    let path = store.beside("notify");
    let name = format!("misar-test-operator-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    for (manager, socket) in [
        (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap()),
        (
            UnixDatagram::bind_addr(&address).unwrap(),
            &format!("@{name}"),
        ),
    ] {
        let manager = Manager::listening(manager);
        let mut serve = store.command("serve --listen 127.0.0.1:0 --log-format json");
        serve
            .env("NOTIFY_SOCKET", socket)
            .env("WATCHDOG_USEC", "200000");
        let server = Server::start(serve);
        assert!(manager.heard().starts_with("STATUS=opening "));
        let ready = format!("READY=1\nSTATUS=taking events on http://{}", server.address);
        assert_eq!(manager.heard(), ready);
        assert_eq!(server.health(), 200);
        assert_eq!(manager.heard(), "WATCHDOG=1");
        assert_eq!(manager.heard(), "WATCHDOG=1");
        server.stop("TERM");
        let stopping = loop {
            match manager.heard() {
                life if life == "WATCHDOG=1" => {}
                other => break other,
            }
        };
        assert!(stopping.starts_with("STOPPING=1\nSTATUS="), "{stopping}");
    }
}

#[test]
fn a_service_manager_that_is_not_there_keeps_no_server_from_serving() {
    let store = Store::new();
    for socket in ["/nowhere/notify", "notify", "vsock:2:1"] {
        let mut serve = store.command("serve --listen 127.0.0.1:0 --log-format json");
        serve.env("NOTIFY_SOCKET", socket);
        let server = Server::start(serve);
        assert_eq!(server.health(), 200);
        server.stop("TERM");
    }
}
