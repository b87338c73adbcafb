//! `misar contacts erase`, the file of erasures, and a restore that brings nobody back.

use serde_json::{Value, json};

use crate::support::{Run, Server, Store, run};

const KATE: &str = "kate@example.com";

fn keys(store: &Store) -> String {
    let key = store
        .misar("keys create --scope write,read,contacts --json")
        .json();
    key["key"].as_str().unwrap().to_owned()
}

/// Everything that is told of Kate, as one text.
fn told(server: &Server, key: &str) -> String {
    let paths = [
        "/v1/events?limit=1000",
        "/v1/events?status=rejected",
        "/v1/events?email=kate%40example.com",
        "/v1/contacts?email=kate%40example.com",
        "/v1/suppressions",
    ];
    let ask = |path: &&str| {
        // Right after a start the views are built first.
        crate::support::until(
            || server.ask("GET", path, &[("X-API-Key", key)], None),
            |(status, _)| *status == 200,
        )
        .1
        .to_string()
    };
    paths.iter().map(ask).collect()
}

fn lived(server: &Server, key: &str) {
    server.fill(key);
    let suppressed = json!({"email": KATE, "reason": "complained"});
    assert_eq!(server.post("/v1/suppressions", key, &suppressed).0, 200);
    let other = json!({"email": "bob@example.com", "event": "x"});
    assert_eq!(server.post("/v1/track/event", key, &other).0, 200);
}

/// A store in which kate and somebody else have lived, its key and its server.
fn begun() -> (Store, String, Server) {
    let store = Store::new();
    let key = keys(&store);
    let server = store.serve();
    lived(&server, &key);
    (store, key, server)
}

#[test]
fn a_contact_is_erased_with_a_server_and_without_one_and_never_by_accident() {
    let (store, key, server) = begun();
    let asked = store.misar("contacts erase kate@example.com");
    assert!(asked.err.contains("add --yes"), "{}", asked.err);
    assert!(told(&server, &key).contains(KATE));
    let erased = store
        .misar("contacts erase kate@example.com --yes --json")
        .json();
    assert_eq!(
        erased,
        json!({"success": true, "erased": {"events": 3, "rejected": 1}})
    );
    let told_now = told(&server, &key);
    assert!(!told_now.contains("kate"), "{told_now}");
    assert!(told_now.contains("bob@example.com"));
    let nobody = store.misar("contacts erase nobody --yes");
    assert!(nobody.err.contains("e-mail"), "{}", nobody.err);
    server.stop("TERM");
    // Without one, in every file at once.
    let again = store.misar("contacts erase bob@example.com --yes").good();
    assert!(again.starts_with("erased: "), "{again}");
    let noted = std::fs::read_to_string(store.beside("data.erasures")).unwrap();
    assert_eq!(noted.lines().count(), 2);
    assert!(!noted.contains('@'), "{noted}");
    // And it is noted where the command is told to.
    let elsewhere = store.beside("elsewhere");
    let line = format!(
        "contacts erase carol@example.com --yes --erasures {}",
        elsewhere.display()
    );
    store.misar(&line).good();
    for (file, lines) in [(elsewhere, 1), (store.beside("data.erasures"), 2)] {
        let noted = std::fs::read_to_string(file).unwrap();
        assert_eq!(noted.lines().count(), lines, "{noted}");
    }
    let server = store.serve();
    let told_now = told(&server, &key);
    assert!(
        !told_now.contains("kate") && !told_now.contains("bob"),
        "{told_now}"
    );
    server.stop("TERM");
    assert_eq!(store.misar("log verify --json").json()["ok"], true);
}

/// Runs it at a terminal of its own, where somebody types this. The program that makes the terminal is that of Linux.
#[cfg(target_os = "linux")]
fn at_terminal(store: &Store, line: &str, typed: &str) -> Run {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    let misar = store.command(line);
    let words = misar.get_args().map(|word| word.to_str().unwrap());
    let line = format!(
        "'{}' {}",
        crate::support::MISAR,
        words.collect::<Vec<_>>().join(" ")
    );
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    for (name, value) in misar.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    script.stdin(Stdio::piped()).stdout(Stdio::piped());
    let started = script.stderr(Stdio::piped()).spawn();
    let mut child =
        started.expect("`script` is missing: install it (Debian: apt-get install bsdutils)");
    let mut keyboard = child.stdin.take().unwrap();
    keyboard.write_all(typed.as_bytes()).unwrap();
    // Nobody hangs up before it has ended.
    let output = child.wait_with_output().unwrap();
    drop(keyboard);
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[cfg(target_os = "linux")]
#[test]
fn at_a_terminal_somebody_is_asked_twice_and_anything_but_that_erases_nothing() {
    let (store, key, server) = begun();
    let erase = "contacts erase kate@example.com";
    for typed in [
        "no\n",
        "y\n",
        "\n",
        // The end of what is typed.
        "\u{4}",
        "yes\n\u{4}",
        "yes\nbob@example.com\n",
        "yes\nkate\n",
    ] {
        let run = at_terminal(&store, erase, typed);
        assert_eq!(run.code, Some(1), "{typed:?}: {}", run.out);
        assert!(run.out.contains("for good. Go on? (yes/no)"), "{}", run.out);
        assert!(run.out.contains("nothing was erased"), "{}", run.out);
        assert!(told(&server, &key).contains(KATE), "{typed:?}");
    }
    let run = at_terminal(&store, erase, "yes\nkate@example.com\n");
    assert_eq!(run.code, Some(0), "{}", run.out);
    assert!(
        run.out
            .contains("the workspace default knows of kate@example.com"),
        "{}",
        run.out
    );
    assert!(run.out.contains("Type the address again:"), "{}", run.out);
    let done = "erased: 3 events have lost their personal part, 1 rejected ones are gone";
    assert!(run.out.contains(done), "{}", run.out);
    assert!(!told(&server, &key).contains("kate"));
    server.stop("TERM");
}

#[test]
fn a_restore_with_the_file_of_erasures_brings_nobody_back() {
    let (store, key, server) = begun();
    let backup = store.beside("backup");
    store.misar(&format!("backup {}", backup.display())).good();
    let (status, _) = server.ask(
        "DELETE",
        "/v1/contacts/kate%40example.com",
        &[("X-API-Key", &key)],
        None,
    );
    assert_eq!(status, 200);
    server.kill();
    // What was answered holds after a crash.
    let server = store.serve();
    let told_after = told(&server, &key);
    assert!(!told_after.contains("kate"), "{told_after}");
    server.kill();
    let restored = |name: &str, more: &str| -> (Value, String) {
        let to = store.beside(name);
        let line = format!(
            "restore {} --to {} --json {more}",
            backup.display(),
            to.display()
        );
        let report = store.misar(&line).json();
        let mut serve = store.command("serve --listen 127.0.0.1:0 --log-format json");
        serve.env("MISAR_DATA", &to);
        let server = Server::start(serve);
        let told = told(&server, &key);
        server.stop("TERM");
        let mut verify = store.command("log verify --json");
        verify.env("MISAR_DATA", &to);
        assert_eq!(run(verify).json()["ok"], true);
        (report, told)
    };
    let (report, told) = restored("without", "");
    assert_eq!(report["erased"], 0);
    assert!(told.contains(KATE));
    let file = store.beside("data.erasures");
    let (report, told) = restored("with", &format!("--erasures {}", file.display()));
    assert_eq!(report["erased"], 1);
    assert!(
        !told.contains("kate") && told.contains("bob@example.com"),
        "{told}"
    );
    // What was not written by the restore is not there at all.
    let missing = format!(
        "restore {} --to {} --erasures {}",
        backup.display(),
        store.beside("c").display(),
        store.beside("no").display()
    );
    let refused = store.misar(&missing).refusal();
    assert!(refused.contains("cannot be read"), "{refused}");
    assert!(!store.beside("c").exists());
}
