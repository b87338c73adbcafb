//! The `misar` binary without a server: what it prints where, and how it ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// What a run of `misar` came to.
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Run {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Standard output as one line of JSON and nothing else, of a run that went well.
    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.err);
        assert_eq!(self.out.matches('\n').count(), 1, "{}", self.out);
        serde_json::from_str(&self.out).unwrap()
    }

    /// One sentence on standard error, nothing on standard output.
    #[track_caller]
    fn refusal(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{} {}", self.out, self.err);
        assert_eq!(self.out, "");
        let sentence = self.err.strip_prefix("error: ").unwrap();
        sentence.strip_suffix('\n').unwrap()
    }
}

fn misar(data: &Path, line: &str) -> Run {
    run(data, line, &[])
}

fn run(data: &Path, line: &str, environment: &[(&str, &str)]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_misar"));
    // The settings of whoever runs the tests are not ours.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MISAR_") {
            command.env_remove(name);
        }
    }
    command
        .args(line.split_whitespace())
        .env("MISAR_DATA", data);
    command.envs(environment.iter().copied());
    Run::of(command.output().unwrap())
}

fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn a_key_is_made_listed_and_revoked() {
    let data = TempDir::new().unwrap();
    let made = misar(
        data.path(),
        "keys create --scope send,read --label shop --rate 50/s --json",
    );
    assert_eq!(made.err, "");
    let made = made.json();
    assert_eq!(
        names(&made),
        [
            "allowPurchases",
            "createdAt",
            "expiresAt",
            "id",
            "key",
            "label",
            "origins",
            "public",
            "rate",
            "scopes",
            "workspace"
        ]
    );
    assert!(made["key"].as_str().unwrap().starts_with("msk_sec_"));
    assert_eq!(made["public"], false);
    assert_eq!(made["scopes"], serde_json::json!(["send", "read"]));
    assert_eq!(made["label"], "shop");
    assert_eq!(made["rate"], 50);

    let listed = misar(data.path(), "keys list --json").json();
    let key = &listed[0];
    assert_eq!(
        names(key),
        [
            "allowPurchases",
            "createdAt",
            "expiresAt",
            "exposedAt",
            "id",
            "key",
            "label",
            "lastFour",
            "lastUsedAt",
            "origins",
            "public",
            "rate",
            "revokedAt",
            "scopes",
            "workspace"
        ]
    );
    assert_eq!(key["key"], Value::Null);
    assert_eq!(key["revokedAt"], Value::Null);

    let id = made["id"].as_str().unwrap();
    let revoked = misar(data.path(), &format!("keys revoke {id} --json")).json();
    let again = misar(data.path(), &format!("keys revoke {id} --json")).json();
    assert!(revoked["revokedAt"].is_string());
    assert_eq!(revoked, again);
}

#[test]
fn a_public_key_without_origins_is_made_with_a_warning_on_standard_error() {
    let data = TempDir::new().unwrap();
    let open = misar(data.path(), "keys create --public --json");
    assert!(
        open.err
            .starts_with("warning: any site may use this public key"),
        "{}",
        open.err
    );
    let plain = open.json()["key"].clone();
    assert!(plain.as_str().unwrap().starts_with("msk_pub_"));
    let listed = misar(data.path(), "keys list --json").json();
    assert_eq!(listed[0]["key"], plain);

    let line = "keys create --public --origin https://Shop.example/ --origin *.shop.example --json";
    let kept = misar(data.path(), line);
    assert_eq!(kept.err, "");
    let origins = serde_json::json!(["https://shop.example", "*.shop.example"]);
    assert_eq!(kept.json()["origins"], origins);
}

#[test]
fn for_people_a_key_is_shown_with_a_word_of_care_and_listed_in_a_table() {
    let data = TempDir::new().unwrap();
    let made = misar(data.path(), "keys create --label web");
    assert_eq!(made.code, Some(0), "{}", made.err);
    assert!(made.out.contains("\n  msk_sec_"), "{}", made.out);
    assert!(made.out.contains("the only time"), "{}", made.out);
    let listed = misar(data.path(), "keys list");
    let lines: Vec<_> = listed.out.lines().collect();
    assert!(lines[0].starts_with("ID "), "{}", listed.out);
    assert!(
        lines[1].starts_with("key_") && lines[1].contains(" web "),
        "{}",
        listed.out
    );
    assert!(!listed.out.contains("msk_sec_"), "{}", listed.out);
}

#[test]
fn a_key_that_cannot_be_is_refused() {
    let data = TempDir::new().unwrap();
    for (line, said) in [
        ("--public --scope send,read", "holds the scope `send` alone"),
        (
            "--origin https://shop.example",
            "origins are for public keys",
        ),
        ("--allow-purchases", "leave --allow-purchases out"),
        ("--workspace shop", "there is no such workspace"),
    ] {
        let refused = misar(data.path(), &format!("keys create --json {line}"));
        let sentence = refused.refusal(1);
        assert!(sentence.contains(said), "{sentence}");
    }
    for line in ["--scope all", "--public --origin shop.example", "--rate 50"] {
        let refused = misar(data.path(), &format!("keys create --json {line}"));
        assert_eq!(
            (refused.code, refused.out.as_str()),
            (Some(2), ""),
            "{line}"
        );
    }
    assert_eq!(
        misar(data.path(), "keys list --json").json(),
        serde_json::json!([])
    );
}

#[test]
fn workspaces_have_their_own_keys() {
    let data = TempDir::new().unwrap();
    let made = misar(data.path(), "workspaces create shop --json").json();
    assert_eq!(names(&made), ["createdAt", "id", "name"]);
    assert_eq!((&made["id"], &made["name"]), (&2.into(), &"shop".into()));
    misar(data.path(), "workspaces create shop --json").refusal(1);
    let listed = misar(data.path(), "workspaces list --json").json();
    assert_eq!(listed[0]["name"], "default");
    assert_eq!(listed[1], made);

    let key = misar(data.path(), "keys create --workspace shop --json").json();
    assert_eq!(key["workspace"], "shop");
    let of = |name: &str| {
        let listed = misar(data.path(), &format!("keys list --workspace {name} --json")).json();
        listed.as_array().unwrap().len()
    };
    assert_eq!((of("shop"), of("default")), (1, 0));
}

#[test]
fn token_keys_rotate_and_are_listed_without_what_they_are() {
    let data = TempDir::new().unwrap();
    let first = misar(data.path(), "tokens list --json").json();
    assert_eq!(names(&first[0]), ["createdAt", "current", "id"]);
    assert_eq!(
        (&first[0]["id"], &first[0]["current"]),
        (&1.into(), &true.into())
    );
    let made = misar(data.path(), "tokens rotate --json").json();
    assert_eq!((&made["id"], &made["current"]), (&2.into(), &true.into()));
    let listed = misar(data.path(), "tokens list --json").json();
    assert_eq!((&listed[0]["current"], &listed[1]), (&false.into(), &made));
    let shown = misar(data.path(), "tokens rotate").out;
    assert!(shown.contains("key 3"), "{shown}");
    let table = misar(data.path(), "tokens list").out;
    assert_eq!(table.lines().count(), 4, "{table}");
}

#[test]
fn an_empty_store_is_in_order() {
    let data = TempDir::new().unwrap();
    misar(data.path(), "workspaces list --json").json();
    let report = misar(data.path(), "log verify --json").json();
    assert_eq!(report["ok"], true);
    assert_eq!(report["events"], 0);
    let shown = misar(data.path(), "log verify");
    assert_eq!(
        shown.out,
        "all is well: 0 events and 0 orders in 0 blocks, up to seq 0\n"
    );
    let rebuilt = misar(data.path(), "rebuild --json").json();
    assert_eq!(rebuilt["events"], 0);
    assert_eq!(misar(data.path(), "log verify --json").json()["ok"], true);
}

#[test]
fn a_mistyped_folder_is_not_found_in_order() {
    let parent = TempDir::new().unwrap();
    let typo = parent.path().join("typo");
    for line in [
        "log verify --json",
        "rebuild --json",
        "keys revoke key_1 --json",
    ] {
        let refused = misar(&typo, line);
        assert!(
            refused.refusal(1).contains("there is no misar store"),
            "{line}"
        );
    }
    assert!(!typo.exists());
}

#[test]
fn damage_is_named_and_the_segment_can_be_set_aside() {
    let data = TempDir::new().unwrap();
    misar(data.path(), "workspaces list --json").json();
    let log = data.path().join("log");
    let segment = "00000000000000000001.redb";
    std::fs::create_dir(&log).unwrap();
    std::fs::write(log.join(segment), vec![7; 8192]).unwrap();

    let verified = misar(data.path(), "log verify --json");
    assert_eq!(verified.code, Some(1));
    let report: Value = serde_json::from_str(&verified.out).unwrap();
    assert_eq!(report["ok"], false);
    assert!(verified.err.contains(segment), "{}", verified.err);

    let refused = misar(data.path(), &format!("log set-aside log/{segment}"));
    refused.refusal(2);
    let moved = misar(data.path(), &format!("log set-aside {segment}"));
    assert_eq!(moved.code, Some(0), "{}", moved.err);
    assert!(moved.out.contains("misar rebuild --data"), "{}", moved.out);
    assert!(log.join("aside").join(segment).exists());
    assert_eq!(misar(data.path(), "log verify --json").json()["ok"], true);
    misar(data.path(), &format!("log set-aside {segment}")).refusal(1);
}

#[test]
fn an_unknown_setting_in_the_environment_is_refused() {
    let data = TempDir::new().unwrap();
    for line in ["keys list --json", "serve", "log verify"] {
        let refused = run(data.path(), line, &[("MISAR_LISTEM", "127.0.0.1:1")]);
        assert!(
            refused.refusal(2).contains("is MISAR_LISTEN meant?"),
            "{line}"
        );
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_is_made() {
    let parent = TempDir::new().unwrap();
    let data = parent.path().join("new");
    for line in [
        "serve --public-url https://track.example/misar",
        "serve --public-url track.example",
        "serve --trusted-proxy proxy.example",
        "serve --listen localhost",
        "serve --log-format xml",
        "serve --log-format json --log-format text",
        "serve --colour",
        "dance",
    ] {
        let refused = misar(&data, line);
        assert_eq!(
            (refused.code, refused.out.as_str()),
            (Some(2), ""),
            "{line}"
        );
        assert!(refused.err.starts_with("error: "), "{}", refused.err);
    }
    for (name, value) in [
        ("MISAR_LISTEN", "8080"),
        ("MISAR_TRUSTED_PROXY", "10.0.0.0/8,proxy"),
        ("MISAR_LOG_FORMAT", "xml"),
        ("MISAR_PUBLIC_URL", "https://track.example?x"),
    ] {
        let refused = run(&data, "serve", &[(name, value)]);
        assert_eq!(refused.code, Some(2), "{name} {}", refused.err);
    }
    assert!(!data.exists());
}

#[test]
fn a_folder_of_others_or_of_a_newer_misar_is_refused_with_one_sentence() {
    let data = TempDir::new().unwrap();
    std::fs::write(data.path().join("holiday.jpg"), "").unwrap();
    let refused = misar(data.path(), "keys list --json");
    assert!(
        refused.refusal(1).contains("is not a misar data folder"),
        "{}",
        refused.err
    );
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 1);

    std::fs::write(data.path().join("FORMAT"), "misar-store 4\n").unwrap();
    let refused = misar(data.path(), "keys list --json");
    assert!(
        refused.refusal(1).ends_with("use a newer misar"),
        "{}",
        refused.err
    );
}

#[test]
fn a_damaged_meta_store_is_named() {
    let data = TempDir::new().unwrap();
    misar(data.path(), "workspaces list --json").json();
    std::fs::write(data.path().join("meta.redb"), vec![7; 4096]).unwrap();
    let refused = misar(data.path(), "keys list --json");
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
    assert!(
        refused.err.contains("meta.redb is damaged"),
        "{}",
        refused.err
    );
}

#[test]
fn a_folder_that_somebody_holds_without_answering_is_refused() {
    let data = TempDir::new().unwrap();
    misar(data.path(), "workspaces list --json").json();
    let lock = std::fs::File::open(data.path().join("LOCK")).unwrap();
    lock.lock().unwrap();
    let refused = misar(data.path(), "keys list --json");
    assert!(
        refused.refusal(1).contains("takes no commands"),
        "{}",
        refused.err
    );
    let refused = misar(data.path(), "log set-aside 00000000000000000001.redb");
    assert!(
        refused.refusal(1).contains("stop it first"),
        "{}",
        refused.err
    );
}

#[test]
fn only_a_running_server_has_a_link() {
    let data = TempDir::new().unwrap();
    for _ in 0..2 {
        let refused = misar(data.path(), "link --json");
        let sentence = refused.refusal(1);
        assert!(sentence.contains("start `misar serve` first"), "{sentence}");
        // The second time there is a store.
        misar(data.path(), "workspaces list --json").json();
    }
}

#[test]
fn help_teaches_each_command() {
    let data = TempDir::new().unwrap();
    for line in [
        "--help",
        "serve --help",
        "keys create --help",
        "keys list --help",
        "keys revoke --help",
        "workspaces create --help",
        "log verify --help",
        "log set-aside --help",
        "rebuild --help",
        "link --help",
    ] {
        // Help is there for whoever has mistyped a variable, too.
        let help = run(data.path(), line, &[("MISAR_TYPO", "1")]);
        assert_eq!(help.code, Some(0), "{line}");
        assert!(help.out.contains("  misar "), "{}", help.out);
    }
}

#[test]
fn a_public_key_comes_with_the_code_for_pages_and_a_secret_one_does_not() {
    let data = TempDir::new().unwrap();
    let line = "keys create --public --origin https://shop.example";
    let made = misar(data.path(), line);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let (_, html) = made
        .out
        .split_once("\nPut this into every page:\n\n")
        .unwrap();
    assert!(
        html.starts_with("<script>\nwindow.MisarMail = { key: 'msk_pub_"),
        "{html}"
    );
    let script = "</script>\n<script src=\"http://127.0.0.1:8080/mail/track.js\" async></script>\n";
    assert!(html.ends_with(script), "{html}");
    assert!(
        made.err.contains("assumes http://127.0.0.1:8080"),
        "{}",
        made.err
    );

    let told = run(
        data.path(),
        line,
        &[("MISAR_PUBLIC_URL", "https://track.example/")],
    );
    assert!(
        told.out
            .contains("src=\"https://track.example/mail/track.js\""),
        "{}",
        told.out
    );

    let secret = misar(data.path(), "keys create");
    assert!(!secret.out.contains("<script"), "{}", secret.out);
}

#[test]
fn made_up_events_are_there_once_however_often_they_are_asked_for() {
    let data = TempDir::new().unwrap();
    let line = "seed --contacts 40 --events 300 --segments 30 --paths 5 --json";
    let first = misar(data.path(), line).json();
    assert_eq!(names(&first), ["events", "segments"]);
    assert_eq!(
        (&first["events"], &first["segments"]),
        (&300.into(), &35.into())
    );
    let again = misar(data.path(), line).json();
    assert_eq!(
        (&again["events"], &again["segments"]),
        (&0.into(), &0.into())
    );
    let verified = misar(data.path(), "log verify --json").json();
    assert_eq!(verified["events"], 300);
    let rebuilt = misar(data.path(), "rebuild --json").json();
    assert_eq!(rebuilt["events"], 300);
    let shown = misar(data.path(), "seed --contacts 3 --events 10 --days 1");
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(shown.out.contains("events of 3 contacts"), "{}", shown.out);
    assert!(shown.err.contains("seeding: 100 %"), "{}", shown.err);
}

#[test]
fn made_up_events_need_a_workspace_that_is_there() {
    let data = TempDir::new().unwrap();
    let refused = misar(data.path(), "seed --workspace nowhere --events 1");
    assert!(refused.refusal(1).contains("misar workspaces create"));
    assert!(misar(data.path(), "seed --segments 10001").code == Some(2));
}
