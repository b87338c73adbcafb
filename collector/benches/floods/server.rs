//! Our server in a process of its own: this program, called again.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use collector::app::App;
use shared::api_key::{KeyKind, Scope};
use store::clock::SystemClock;
use store::meta::NewKey;

use crate::Failure;
use crate::child::{DEADLINE, Tied, wait_for_listener};
use crate::served::serve;

/// The first argument of a call that is to serve; then the data folder.
pub(crate) const COMMAND: &str = "serve-floods";
/// Public keys of the honest pages: each has a rate of its own.
pub(crate) const PAGE_KEYS: usize = 32;

pub(crate) struct Server {
    process: Tied,
    pub(crate) address: SocketAddr,
    /// Of the honest servers and pages.
    pub(crate) secret: String,
    pub(crate) public: Vec<String>,
    /// Of another workspace: may register messages; and its public key.
    pub(crate) writer: String,
    pub(crate) other_public: String,
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
        // It says its address and keys, or ends, and then there is nothing to read.
        let mut lines = BufReader::new(stdout).lines();
        let mut line = || {
            lines
                .next()
                .ok_or("the server did not start")?
                .map_err(Failure::from)
        };
        let address = line()?.parse()?;
        let (secret, writer, other_public) = (line()?, line()?, line()?);
        let public = (0..PAGE_KEYS).map(|_| line()).collect::<Result<_, _>>()?;
        wait_for_listener(address)?;
        Ok(Self {
            process,
            address,
            secret,
            public,
            writer,
            other_public,
        })
    }

    /// The value of a series.
    pub(crate) fn series(&self, name: &str) -> Result<f64, Failure> {
        let page = self.get("/metrics")?;
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.and_then(|value| value.parse().ok()).unwrap_or(0.0))
    }

    /// Waits until the views have caught up and the process answers at once.
    pub(crate) fn settle(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + DEADLINE;
        while self.series("misar_view_lag_seconds")? > 0.5 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_millis(300));
        Ok(())
    }

    fn get(&self, path: &str) -> Result<String, Failure> {
        let mut stream = std::net::TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Resident bytes; only Linux tells.
    pub(crate) fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    }
}

/// Serves until stdin ends.
pub(crate) fn run(data: &Path) -> Result<(), Failure> {
    let make = async |public_url| {
        let trusted = vec!["127.0.0.1/32".parse()?];
        let app = App::open(data, trusted, public_url, Arc::new(SystemClock))?;
        let default = app.meta.workspace("default").ok_or("no workspace")?;
        let other = app.meta.create_workspace("other")?;
        let key = |workspace: &Arc<_>, kind, scopes: &[Scope]| {
            let new = NewKey {
                scopes: scopes.to_vec(),
                ..NewKey::of(Arc::clone(workspace), kind)
            };
            app.meta.create_key(new).map(|(_, key)| key)
        };
        let mut keys = vec![
            key(&default, KeyKind::Secret, &[Scope::Send])?,
            key(&other, KeyKind::Secret, &[Scope::Write])?,
            key(&other, KeyKind::Public, &[])?,
        ];
        for _ in 0..PAGE_KEYS {
            keys.push(key(&default, KeyKind::Public, &[])?);
        }
        let lines = keys.iter().map(|key| key.as_str().to_owned());
        Ok((app, lines.collect()))
    };
    serve(make, async |_, end| {
        end.await??;
        Ok(())
    })
}
