//! What is well, what is not, and what a reader is told to do.

use super::super::facts::{File, Segment};
use super::*;
use crate::doctor::UntrustedProxy;
use store::meta::LastBackup;

const NOW: i64 = 1_790_000_000_000;
const GB: u64 = 1_000_000_000;

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A store that is in order, with ten days of events at a tenth of a gigabyte a day.
fn well() -> Facts {
    let segment = |days: i64, sealed| Segment {
        bytes: GB / 2,
        sealed,
        newest: Some(time(NOW - days * DAY)),
    };
    Facts {
        now: time(NOW),
        server: Some(Server {
            not_ready: None,
            view_lag_ms: 12,
            views_building: None,
            public_url: "https://track.example".to_owned(),
            public_url_warning: None,
            untrusted_proxies: Vec::new(),
        }),
        disk: Ok(DiskFacts {
            free: 100 * GB,
            total: 200 * GB,
        }),
        log: Ok(LogFacts {
            segments: vec![segment(5, true), segment(0, false)],
            oldest: Some(time(NOW - 10 * DAY)),
            is_cut: false,
        }),
        files: vec![file("log", 0o700), file("meta.redb", 0o600)],
        owner: 1000,
        keys: vec![key("key_a")],
        backup: Some(LastBackup {
            at: NOW - DAY / 2,
            dir: "/backups/misar".to_owned(),
            last_seq: "17".to_owned(),
        }),
        backup_is_there: Some(true),
    }
}

fn file(path: &str, mode: u32) -> File {
    File {
        path: path.to_owned(),
        bytes: GB / 2,
        mode,
        owner: 1000,
        is_link: false,
    }
}

fn key(id: &str) -> KeyFacts {
    KeyFacts {
        id: id.to_owned(),
        workspace: "default".to_owned(),
        is_public: true,
        has_origins: true,
        is_exposed: false,
        is_revoked: false,
        expires: None,
        created: time(NOW - 90 * DAY),
        used: Some(time(NOW)),
    }
}

/// One thing is as `change` makes it: the check that must notice, how, and a part of what it says.
#[track_caller]
fn check(change: impl FnOnce(&mut Facts), name: &str, status: Status, said: &str) {
    let mut facts = well();
    change(&mut facts);
    let report = judge(&facts);
    for check in &report.checks {
        let expected = if check.check == name {
            status
        } else {
            Status::Ok
        };
        assert_eq!(check.status, expected, "{check:?}");
        assert_eq!(check.advice.is_some(), expected != Status::Ok, "{check:?}");
    }
    assert_eq!(report.status, status);
    let found = report.checks.iter().find(|check| check.check == name);
    let finding = &found.unwrap().finding;
    assert!(finding.contains(said), "{finding}");
}

#[test]
fn a_store_in_order_is_told_to_be() {
    check(|_| {}, "disk", Status::Ok, "full in 3 years");
    check(|_| {}, "log", Status::Ok, "2 segments, 1 of them sealed");
    let report = judge(&well());
    assert_eq!(report.figures.segments, 2);
    let growth = report.figures.growth_per_day.unwrap();
    assert!((growth - 1e8).abs() < 1.0, "{growth}");
    assert_eq!(report.figures.view_lag_ms, Some(12));
}

#[test]
fn a_proxy_that_is_not_trusted_is_named_with_the_setting_that_trusts_it() {
    let forwards = |facts: &mut Facts| {
        let proxy = |network: &str, requests| UntrustedProxy {
            network: network.to_owned(),
            requests,
        };
        let proxies = vec![proxy("10.0.0.7/32", 90), proxy("203.0.113.0/24", 1)];
        facts.server.as_mut().unwrap().untrusted_proxies = proxies;
    };
    check(
        forwards,
        "proxies",
        Status::Warn,
        "10.0.0.7/32 (90 requests)",
    );
    let mut facts = well();
    forwards(&mut facts);
    let report = judge(&facts);
    let check = report.checks.iter().find(|check| check.check == "proxies");
    let advice = check.unwrap().advice.clone().unwrap();
    assert!(advice.ends_with("--trusted-proxy 10.0.0.7/32"), "{advice}");
    assert_eq!(report.figures.untrusted_proxies.len(), 2);
}

#[test]
fn a_disk_that_fills_is_told_in_time() {
    let free = |free| {
        move |facts: &mut Facts| {
            facts.disk = Ok(DiskFacts {
                free,
                total: 200 * GB,
            });
        }
    };
    check(free(2 * GB), "disk", Status::Warn, "full in 20 days");
    check(free(GB / 2), "disk", Status::Fail, "free");
    check(free(0), "disk", Status::Fail, "full in 0 hours");
    // 5 % of a small disk are less than a gigabyte.
    let small = |facts: &mut Facts| {
        facts.disk = Ok(DiskFacts {
            free: GB / 2,
            total: 9 * GB,
        });
        facts.log = Ok(LogFacts {
            segments: Vec::new(),
            oldest: None,
            is_cut: false,
        });
    };
    check(small, "disk", Status::Ok, "no forecast yet");
    check(
        |facts| facts.disk = Err("gone".into()),
        "disk",
        Status::Warn,
        "gone",
    );
}

#[test]
fn the_forecast_goes_by_the_last_two_weeks() {
    let mut facts = well();
    let segment = |days: i64, bytes| Segment {
        bytes,
        sealed: true,
        newest: Some(time(NOW - days * DAY)),
    };
    // A flood a year ago says nothing of tomorrow.
    facts.log = Ok(LogFacts {
        segments: vec![segment(365, 50 * GB), segment(20, GB), segment(0, 2 * GB)],
        oldest: Some(time(NOW - 366 * DAY)),
        is_cut: false,
    });
    facts.files = Vec::new();
    let growth = judge(&facts).figures.growth_per_day.unwrap();
    assert!((growth - 1e8).abs() < 1.0, "{growth}");
}

#[test]
fn a_server_that_is_not_there_or_not_ready_is_told() {
    check(
        |facts| facts.server = None,
        "server",
        Status::Warn,
        "no server",
    );
    let failing = |facts: &mut Facts| {
        facts.server.as_mut().unwrap().not_ready = Some("the store is failing".into());
    };
    check(failing, "server", Status::Fail, "the store is failing");
    let lag = |lag| move |facts: &mut Facts| facts.server.as_mut().unwrap().view_lag_ms = lag;
    check(lag(9_999), "views", Status::Ok, "9999 ms");
    check(lag(10_000), "views", Status::Warn, "10000 ms");
    check(lag(600_000), "views", Status::Fail, "600000 ms");
    let building = |facts: &mut Facts| {
        let server = facts.server.as_mut().unwrap();
        (server.views_building, server.view_lag_ms) = (Some(42), 600_000);
    };
    check(building, "views", Status::Warn, "42 %");
    let broken = |facts: &mut Facts| facts.log = Err("segment 1 is damaged".into());
    check(broken, "log", Status::Fail, "segment 1 is damaged");
}

#[test]
fn an_address_that_readers_cannot_reach_is_told() {
    let set = |url: &str, warning: Option<&str>| {
        let (url, warning) = (url.to_owned(), warning.map(str::to_owned));
        move |facts: &mut Facts| {
            let server = facts.server.as_mut().unwrap();
            (server.public_url, server.public_url_warning) = (url, warning);
        }
    };
    let alone = set(
        "http://127.0.0.1:8080",
        Some("which only this machine reaches"),
    );
    check(alone, "publicUrl", Status::Warn, "only this machine");
    let plain = set("http://track.example", None);
    check(plain, "publicUrl", Status::Warn, "is not https");
    let alike = set("https://localhost-shop.example", None);
    check(alike, "publicUrl", Status::Ok, "localhost-shop.example");
}

#[test]
fn files_that_others_can_read_or_that_are_not_ours_are_named() {
    let add = |file| move |facts: &mut Facts| facts.files.push(file);
    check(
        add(file("orders.redb", 0o644)),
        "files",
        Status::Warn,
        "orders.redb has mode 644",
    );
    let roots = File {
        owner: 0,
        ..file("rejected.redb", 0o600)
    };
    check(
        add(roots),
        "files",
        Status::Warn,
        "rejected.redb is of user 0",
    );
    let link = File {
        is_link: true,
        ..file("log", 0o777)
    };
    check(add(link), "files", Status::Warn, "log is a symbolic link");
    let many = |facts: &mut Facts| {
        facts.files = (0..7).map(|n| file(&n.to_string(), 0o640)).collect();
    };
    check(many, "files", Status::Warn, "and 2 more");
}

/// An erasure reaches neither: it finds its records in the log.
#[test]
fn what_was_set_aside_and_may_hold_who_was_erased_is_named() {
    let add = |path: &'static str, bytes| {
        move |facts: &mut Facts| {
            facts.files.push(File {
                bytes,
                ..file(path, 0o600)
            });
        }
    };
    let segment = "log/aside/00000000000000000001.redb";
    check(add(segment, GB), "aside", Status::Warn, segment);
    check(add(segment, 0), "aside", Status::Ok, "nothing");
    let receipts = "rejected.unreadable";
    check(add(receipts, GB), "aside", Status::Warn, receipts);
}

#[test]
fn keys_that_want_care_are_named() {
    let add = |key| move |facts: &mut Facts| facts.keys.push(key);
    let exposed = || KeyFacts {
        is_exposed: true,
        ..key("key_b")
    };
    check(
        add(exposed()),
        "keys",
        Status::Fail,
        "key_b (default) was seen in a page",
    );
    let revoked = KeyFacts {
        is_revoked: true,
        ..exposed()
    };
    check(add(revoked), "keys", Status::Ok, "1 in use");
    let open = KeyFacts {
        has_origins: false,
        ..key("key_b")
    };
    check(add(open), "keys", Status::Warn, "is taken from any site");
    let expires = |at| KeyFacts {
        expires: Some(time(at)),
        ..key("key_b")
    };
    check(add(expires(NOW)), "keys", Status::Warn, "has expired");
    check(add(expires(NOW + 1)), "keys", Status::Ok, "2 in use");
    let unused = |days| KeyFacts {
        used: None,
        created: time(NOW - days * DAY),
        ..key("key_b")
    };
    check(add(unused(30)), "keys", Status::Warn, "was never used");
    check(add(unused(29)), "keys", Status::Ok, "2 in use");
}

#[test]
fn a_backup_that_is_missing_old_or_gone_is_told() {
    check(|facts| facts.backup = None, "backup", Status::Warn, "never");
    let at = |age| move |facts: &mut Facts| facts.backup.as_mut().unwrap().at = NOW - age;
    check(at(DAY), "backup", Status::Ok, "24 hours old");
    check(at(3 * DAY), "backup", Status::Warn, "3 days old");
    check(at(31 * DAY), "backup", Status::Fail, "31 days old");
    let gone = |facts: &mut Facts| facts.backup_is_there = Some(false);
    check(gone, "backup", Status::Warn, "not there any more");
    check(
        |facts| facts.backup_is_there = None,
        "backup",
        Status::Ok,
        "12 hours",
    );
}

#[test]
fn a_clock_that_went_backwards_is_told() {
    let ahead = |by| {
        move |facts: &mut Facts| {
            if let Ok(log) = &mut facts.log {
                log.segments[1].newest = Some(time(NOW + by));
            }
        }
    };
    check(ahead(5_000), "clock", Status::Ok, "no event is ahead");
    check(ahead(60_000), "clock", Status::Fail, "60 s later");
}
