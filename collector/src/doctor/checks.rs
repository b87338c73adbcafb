//! The judgements: pure, from what there is to know to what is well and what is not.

use indicatif::HumanBytes;
use shared::time::Timestamp;

use super::facts::{DiskFacts, Facts, KeyFacts, LogFacts};
use super::{Backup, Check, Diagnosis, Server, Status, StoreFigures};
use store::journal::local::{LOG_FOLDER, QUARANTINE_FOLDER};

const SECOND: i64 = 1_000;
const DAY: i64 = 24 * 60 * 60 * SECOND;
/// Free space below which a store is about to stand still: the smaller of the two.
const LEAST_FREE: u64 = 1_000_000_000;
const LEAST_FREE_PERCENT: u64 = 5;
/// Days until the disk is full.
const FULL_SOON: f64 = 30.0;
const FULL_NOW: f64 = 3.0;
/// The forecast goes by the last days.
const FORECAST_DAYS: i64 = 14;
/// Milliseconds that views may be behind.
const LAG_WARN: u64 = 10_000;
const LAG_FAIL: u64 = 5 * 60_000;
/// A backup that is older is worth a word, and one that is much older is as good as none.
const BACKUP_WARN: i64 = 2 * DAY;
const BACKUP_FAIL: i64 = 30 * DAY;
/// A key that nobody has used for so long since it was made.
const UNUSED: i64 = 30 * DAY;
/// The newest event may lie so far ahead of the clock: two clocks of one machine differ by less.
const CLOCK_SLACK: i64 = 5 * SECOND;
/// So many are named; the others are counted.
const NAMED: usize = 5;

pub(super) fn judge(facts: &Facts) -> Diagnosis {
    let growth = facts
        .log
        .as_ref()
        .ok()
        .and_then(|log| growth_per_day(log, facts.now, used(facts)));
    let free = facts.disk.as_ref().map_or(0, |disk| disk.free);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a forecast needs no 16 digits of bytes"
    )]
    let days_until_full = growth
        .filter(|growth| *growth > 0.0)
        .map(|growth| free as f64 / growth);
    let checks = vec![
        server(facts.server.as_ref()),
        disk(&facts.disk, used(facts), growth, days_until_full),
        log(facts),
        views(facts.server.as_ref()),
        public_url(facts.server.as_ref()),
        proxies(facts.server.as_ref()),
        files(facts),
        aside(facts),
        keys(&facts.keys, facts.now),
        backup(facts),
        clock(facts),
    ];
    let status = checks.iter().map(|check| check.status).max();
    Diagnosis {
        status: status.unwrap_or(Status::Ok),
        checks,
        figures: figures(facts, growth, days_until_full),
    }
}

fn figures(facts: &Facts, growth: Option<f64>, days_until_full: Option<f64>) -> StoreFigures {
    let disk = facts.disk.as_ref().ok();
    let log = facts.log.as_ref().ok();
    let server = facts.server.as_ref();
    let segments = log.map_or(&[][..], |log| &log.segments);
    StoreFigures {
        server: server.is_some(),
        disk_used: used(facts),
        disk_free: disk.map_or(0, |disk| disk.free),
        disk_total: disk.map_or(0, |disk| disk.total),
        growth_per_day: growth,
        days_until_full,
        segments: segments.len() as u64,
        sealed_segments: segments.iter().filter(|one| one.sealed).count() as u64,
        log_bytes: segments.iter().map(|one| one.bytes).sum(),
        oldest_event: log.and_then(|log| log.oldest).map(|time| time.to_string()),
        dropped_before: log
            .filter(|log| log.is_cut)
            .and_then(|log| log.oldest)
            .map(|time| time.to_string()),
        newest_event: log.and_then(newest).map(|time| time.to_string()),
        view_lag_ms: server.map(|server| server.view_lag_ms),
        public_url: server.map(|server| server.public_url.clone()),
        untrusted_proxies: server.map_or_else(Vec::new, |server| server.untrusted_proxies.clone()),
        last_backup: facts.backup.as_ref().map(Backup::of),
    }
}

fn ok(check: &str, finding: impl Into<String>) -> Check {
    Check {
        check: check.to_owned(),
        status: Status::Ok,
        finding: finding.into(),
        advice: None,
    }
}

fn bad(check: &str, status: Status, finding: impl Into<String>, advice: &str) -> Check {
    Check {
        status,
        advice: Some(advice.to_owned()),
        ..ok(check, finding)
    }
}

fn server(server: Option<&Server>) -> Check {
    match server {
        None => bad(
            "server",
            Status::Warn,
            "no server runs on this folder",
            "start misar serve, unless that is meant",
        ),
        Some(Server {
            not_ready: Some(why),
            ..
        }) => bad(
            "server",
            Status::Fail,
            format!("it takes no events: {why}"),
            "its log says what it could not do",
        ),
        Some(_) => ok("server", "it runs and takes events"),
    }
}

fn disk(
    disk: &Result<DiskFacts, String>,
    used: u64,
    growth: Option<f64>,
    days: Option<f64>,
) -> Check {
    let disk = match disk {
        Ok(disk) => disk,
        Err(what) => {
            let finding = format!("its free space cannot be told: {what}");
            return bad("disk", Status::Warn, finding, "look at the file system");
        }
    };
    let forecast = match (growth, days) {
        (None, _) => "no forecast yet: the log is younger than a day".to_owned(),
        (Some(_), None) => "it does not grow".to_owned(),
        (Some(growth), Some(days)) => {
            format!("grows by {} a day, full in {}", human(growth), span(days))
        }
    };
    let finding = format!(
        "{} used, {} of {} free; {forecast}",
        HumanBytes(used),
        HumanBytes(disk.free),
        HumanBytes(disk.total)
    );
    let least = LEAST_FREE.min(disk.total / 100 * LEAST_FREE_PERCENT);
    if disk.free < least || days.is_some_and(|days| days < FULL_NOW) {
        bad(
            "disk",
            Status::Fail,
            finding,
            "make room, or move the data folder to a larger disk, now",
        )
    } else if days.is_some_and(|days| days < FULL_SOON) {
        bad("disk", Status::Warn, finding, "plan a larger disk")
    } else {
        ok("disk", finding)
    }
}

fn log(facts: &Facts) -> Check {
    let log = match &facts.log {
        Ok(log) => log,
        Err(what) => {
            return bad(
                "log",
                Status::Fail,
                what.clone(),
                "misar log verify says more",
            );
        }
    };
    let sealed = log.segments.iter().filter(|one| one.sealed).count();
    let bytes: u64 = log.segments.iter().map(|one| one.bytes).sum();
    let oldest = match log.oldest {
        Some(oldest) if log.is_cut => {
            format!("it begins with {oldest}: what came before was dropped, by --retention")
        }
        Some(oldest) => format!("the oldest event is of {oldest}"),
        None => "no event yet".to_owned(),
    };
    let count = log.segments.len();
    let plural = if count == 1 { "" } else { "s" };
    ok(
        "log",
        format!(
            "{count} segment{plural}, {sealed} of them sealed, {}; {oldest}",
            HumanBytes(bytes)
        ),
    )
}

fn views(server: Option<&Server>) -> Check {
    let Some(server) = server else {
        return ok("views", "no server runs, so nothing waits for them");
    };
    if let Some(percent) = server.views_building {
        return bad(
            "views",
            Status::Warn,
            format!(
                "{percent} % built from the log: until then reads are answered with view_building"
            ),
            "wait; events are taken meanwhile. The server's log says why they had to be built",
        );
    }
    let lag = server.view_lag_ms;
    let finding = format!("{lag} ms behind the log");
    let advice = "reports are late: the server's log says why; misar rebuild builds them anew";
    if lag >= LAG_FAIL {
        bad("views", Status::Fail, finding, advice)
    } else if lag >= LAG_WARN {
        bad("views", Status::Warn, finding, advice)
    } else {
        ok("views", finding)
    }
}

fn public_url(server: Option<&Server>) -> Check {
    let Some(server) = server else {
        return ok("publicUrl", "no server runs, so none is known");
    };
    let url = &server.public_url;
    if let Some(warning) = &server.public_url_warning {
        bad(
            "publicUrl",
            Status::Warn,
            warning.clone(),
            "start misar serve with --public-url https://…, as readers reach it",
        )
    } else if url.starts_with("http://") {
        bad(
            "publicUrl",
            Status::Warn,
            format!("{url} is not https: what pages and mails send can be read on the way"),
            "put a proxy with a certificate in front, and give its address with --public-url",
        )
    } else {
        ok("publicUrl", url.clone())
    }
}

/// Behind a proxy that is not trusted all visitors come from one address, and scanners pass for people.
fn proxies(server: Option<&Server>) -> Check {
    let Some(server) = server else {
        return ok("proxies", "no server runs, so none has been seen");
    };
    let seen = &server.untrusted_proxies;
    let Some(first) = seen.first() else {
        return ok("proxies", "nobody forwards requests without being trusted");
    };
    let named: Vec<String> = seen
        .iter()
        .take(NAMED)
        .map(|proxy| format!("{} ({} requests)", proxy.network, proxy.requests))
        .collect();
    let more = match seen.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    bad(
        "proxies",
        Status::Warn,
        format!(
            "requests are forwarded by {}{more}, whose word for the client's address is not taken",
            named.join(", ")
        ),
        &format!(
            "if that is your proxy, start misar serve with --trusted-proxy {}",
            first.network
        ),
    )
}

fn files(facts: &Facts) -> Check {
    let mut wrong = Vec::new();
    for file in &facts.files {
        if file.is_link {
            wrong.push(format!("{} is a symbolic link", file.path));
        } else if file.owner != facts.owner {
            wrong.push(format!("{} is of user {}", file.path, file.owner));
        } else if file.mode & 0o077 != 0 {
            wrong.push(format!("{} has mode {:o}", file.path, file.mode));
        }
    }
    if wrong.is_empty() {
        let finding = format!(
            "all {} are of user {}, and closed to others",
            facts.files.len(),
            facts.owner
        );
        return ok("files", finding);
    }
    bad(
        "files",
        Status::Warn,
        some(&wrong),
        "they hold addresses and secrets: chown them to the folder's owner, chmod files to 600 and folders to 700",
    )
}

/// What was put aside because it is damaged is nothing that anybody erases from. An empty file is the mark of a gap.
fn aside(facts: &Facts) -> Check {
    let within = format!("{LOG_FOLDER}/{QUARANTINE_FOLDER}/");
    let kept = facts.files.iter().filter(|file| {
        let is_aside = file.path.starts_with(&within) || file.path.ends_with(".unreadable");
        is_aside && file.bytes > 0
    });
    let kept: Vec<_> = kept.map(|file| file.path.clone()).collect();
    if kept.is_empty() {
        return ok("aside", "nothing damaged is kept");
    }
    bad(
        "aside",
        Status::Warn,
        format!("{} may hold contacts that were erased", some(&kept)),
        "empty what nobody will mend any more with `truncate -s 0` (an empty segment still tells that the gap is known), \
         then back up anew",
    )
}

fn keys(keys: &[KeyFacts], now: Timestamp) -> Check {
    let valid: Vec<&KeyFacts> = keys.iter().filter(|key| !key.is_revoked).collect();
    let named = |which: &dyn Fn(&KeyFacts) -> bool, what: &str| -> Vec<String> {
        let found = valid.iter().filter(|key| which(key));
        found
            .map(|key| format!("{} ({}) {what}", key.id, key.workspace))
            .collect()
    };
    let exposed = named(&|key| key.is_exposed, "was seen in a page");
    let open = named(
        &|key| key.is_public && !key.has_origins,
        "is taken from any site",
    );
    let unused = named(
        &|key| key.used.is_none() && now.as_millis() - key.created.as_millis() >= UNUSED,
        "was never used",
    );
    let expired = named(
        &|key| key.expires.is_some_and(|expires| expires <= now),
        "has expired",
    );
    let others: Vec<_> = open.into_iter().chain(expired).chain(unused).collect();
    if !exposed.is_empty() {
        let all: Vec<_> = exposed.into_iter().chain(others).collect();
        let advice = "make new keys and revoke those that were exposed: misar keys create, misar keys revoke";
        return bad("keys", Status::Fail, some(&all), advice);
    }
    if !others.is_empty() {
        let advice = "give public keys their origins (misar keys update), and revoke what is not used any more (misar keys revoke)";
        return bad("keys", Status::Warn, some(&others), advice);
    }
    ok("keys", format!("{} in use, none exposed", valid.len()))
}

fn backup(facts: &Facts) -> Check {
    const ADVICE: &str = "misar backup DIR --incremental, best each night";
    let Some(last) = &facts.backup else {
        return bad("backup", Status::Warn, "there was never one", ADVICE);
    };
    let age = facts.now.as_millis() - last.at;
    #[expect(clippy::cast_precision_loss, reason = "days need no 16 digits")]
    let old = span(age.max(0) as f64 / DAY as f64);
    let finding = format!("the last one is {old} old, in {}", last.dir);
    if age >= BACKUP_FAIL {
        bad("backup", Status::Fail, finding, ADVICE)
    } else if age >= BACKUP_WARN {
        bad("backup", Status::Warn, finding, ADVICE)
    } else if facts.backup_is_there == Some(false) {
        let finding = format!("{finding}, and is not there any more");
        bad("backup", Status::Warn, finding, ADVICE)
    } else {
        ok("backup", finding)
    }
}

fn clock(facts: &Facts) -> Check {
    let ahead = facts
        .log
        .as_ref()
        .ok()
        .and_then(newest)
        .map_or(0, |newest| newest.as_millis() - facts.now.as_millis());
    if ahead > CLOCK_SLACK {
        return bad(
            "clock",
            Status::Fail,
            format!(
                "it is {}, and the newest event arrived {} s later: the clock went backwards",
                facts.now,
                ahead / SECOND
            ),
            "set the clock, and keep it with NTP: windows and times of events depend on it",
        );
    }
    ok(
        "clock",
        format!("it is {}, no event is ahead of that", facts.now),
    )
}

fn newest(log: &LogFacts) -> Option<Timestamp> {
    log.segments.iter().filter_map(|one| one.newest).max()
}

fn used(facts: &Facts) -> u64 {
    facts.files.iter().map(|file| file.bytes).sum()
}

/// How fast the whole folder grows, by what the log took in lately and what else there is beside it.
fn growth_per_day(log: &LogFacts, now: Timestamp, used: u64) -> Option<f64> {
    let since = now.as_millis() - FORECAST_DAYS * DAY;
    let mut start = log.oldest?.as_millis();
    let mut bytes = 0;
    let mut all = 0;
    for segment in &log.segments {
        let Some(newest) = segment.newest else {
            continue;
        };
        all += segment.bytes;
        if newest.as_millis() < since {
            // What lies behind begins where this one ends.
            start = newest.as_millis();
        } else {
            bytes += segment.bytes;
        }
    }
    let span = now.as_millis() - start;
    if span < DAY || all == 0 {
        return None;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a forecast needs no 16 digits of bytes"
    )]
    let growth = bytes as f64 / (span as f64 / DAY as f64) * (used.max(all) as f64 / all as f64);
    Some(growth)
}

/// Bytes that are the outcome of a division.
fn human(bytes: f64) -> HumanBytes {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is positive, and far from the ends"
    )]
    HumanBytes(bytes.max(0.0) as u64)
}

fn span(days: f64) -> String {
    if days >= 730.0 {
        format!("{:.0} years", days / 365.0)
    } else if days >= 2.0 {
        format!("{days:.0} days")
    } else {
        format!("{:.0} hours", days * 24.0)
    }
}

fn some(wrong: &[String]) -> String {
    let named = wrong[..wrong.len().min(NAMED)].join(", ");
    match wrong.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}, and {more} more"),
    }
}

#[cfg(test)]
mod tests;
