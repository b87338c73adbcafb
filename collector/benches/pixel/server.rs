//! Our server in a process of its own: this program, called again.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use collector::app::App;
use store::clock::SystemClock;

use crate::Failure;
use crate::child::{Tied, wait_for_listener};
use crate::load::Load;
use crate::served::serve;

/// The first argument of a call that is to serve; then the data folder.
pub(crate) const COMMAND: &str = "serve-pixels";

pub(crate) struct Server {
    process: Tied,
    pub(crate) address: SocketAddr,
}

/// What there is at a moment.
pub(crate) struct Now {
    /// Resident bytes; 0 where the system does not tell.
    pub(crate) memory: u64,
    /// Events recorded since the start.
    pub(crate) tracked: u64,
    /// Bytes of the log's files.
    pub(crate) log: u64,
    bad_tokens: u64,
    busy: u64,
}

impl fmt::Display for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            memory,
            tracked,
            log,
            bad_tokens,
            busy,
        } = self;
        let memory = memory / 1024;
        write!(
            f,
            "{memory} KB resident, {tracked} events, {log} bytes of log, {bad_tokens} bad tokens, {busy} dropped as busy"
        )
    }
}

impl Server {
    pub(crate) fn start(data: &Path) -> Result<Self, Failure> {
        let mut process = Tied::spawn(
            Command::new(std::env::current_exe()?)
                .arg(COMMAND)
                .arg(data)
                .stdout(Stdio::piped()),
        )?;
        let stdout = process.child().stdout.take().ok_or("no pipe")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = lines.next().ok_or("the server did not start")??.parse()?;
        wait_for_listener(address)?;
        Ok(Self { process, address })
    }

    pub(crate) fn now(&self, data: &Path, load: &Load) -> Result<Now, Failure> {
        let metrics = load.text("/metrics")?;
        let count = |series: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(series));
            line.and_then(|number| number.trim().parse().ok())
                .unwrap_or(0)
        };
        let dropped = |reason: &str| {
            count(&format!(
                "misar_mail_hits_dropped_total{{reason=\"{reason}\"}}"
            ))
        };
        let mut log = 0;
        for file in std::fs::read_dir(data.join("log"))? {
            log += file?.metadata()?.len();
        }
        Ok(Now {
            memory: self.memory().unwrap_or(0),
            tracked: count("misar_events_total{workspace=\"default\",verdict=\"tracked\"}"),
            log,
            bad_tokens: dropped("bad_token"),
            busy: dropped("busy"),
        })
    }

    /// Only Linux tells.
    fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    }
}

/// Serves until stdin ends.
pub(crate) fn run(data: &Path) -> Result<(), Failure> {
    let make = async |public_url| {
        let app = App::open(data, Vec::new(), public_url, Arc::new(SystemClock))?;
        Ok((app, Vec::new()))
    };
    serve(make, async |_, end| {
        end.await??;
        Ok(())
    })
}
