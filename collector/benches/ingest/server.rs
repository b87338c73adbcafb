//! Our server in a process of its own: this program, called again.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use collector::app::App;
use shared::api_key::KeyKind;
use store::clock::SystemClock;
use store::meta::NewKey;

use crate::Failure;
use crate::child::{Tied, wait_for_listener};
use crate::early::EarlyLog;
use crate::plan::Leg;
use crate::served::serve;

/// The first argument of a call that is to serve; then the data folder and the leg.
pub(crate) const COMMAND: &str = "serve-a-leg";

pub(crate) struct Server {
    process: Tied,
    address: SocketAddr,
    pub(crate) key: String,
}

impl Server {
    pub(crate) fn start(data: &Path, leg: Leg) -> Result<Self, Failure> {
        let mut process = Tied::spawn(
            Command::new(std::env::current_exe()?)
                .arg(COMMAND)
                .arg(data)
                .arg(leg.to_string())
                .stdout(Stdio::piped()),
        )?;
        let stdout = process.child().stdout.take().ok_or("no pipe")?;
        // It says its address and a key, or ends, and then there is nothing to read.
        let mut lines = BufReader::new(stdout).lines();
        let mut line = || {
            lines
                .next()
                .ok_or("the server did not start")?
                .map_err(Failure::from)
        };
        let (address, key) = (line()?.parse()?, line()?);
        wait_for_listener(address)?;
        Ok(Self {
            process,
            address,
            key,
        })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The most memory that it held at once, in bytes; only Linux tells.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    }
}

/// Serves until stdin ends.
pub(crate) fn run(data: &Path, leg: &str) -> Result<(), Failure> {
    let make = async |public_url| {
        let mut app = App::open(data, Vec::new(), public_url, Arc::new(SystemClock))?;
        if leg == Leg::Early.to_string() {
            app.log = Arc::new(EarlyLog::new(app.log));
        }
        let workspace = app.meta.workspace("default").ok_or("no workspace")?;
        let (_, key) = app
            .meta
            .create_key(NewKey::of(workspace, KeyKind::Secret))?;
        Ok((app, vec![key.as_str().to_owned()]))
    };
    serve(make, async |_, end| {
        end.await??;
        Ok(())
    })
}
