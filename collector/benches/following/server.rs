//! Our server in a process of its own: this program, called again. It looks at its own lag, so that nobody
//! has to ask for it.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use collector::app::App;
use shared::api_key::KeyKind;
use store::clock::SystemClock;
use store::meta::NewKey;

use crate::Failure;
use crate::child::{Tied, wait_for_listener};
use crate::served::serve;

/// The first argument of a call that is to serve; then the data folder and the leg.
pub(crate) const COMMAND: &str = "serve-a-leg";
/// Its views follow the log.
pub(crate) const FOLLOWING: &str = "following";
/// They do not.
pub(crate) const PAUSED: &str = "paused";

/// How often the lag is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long catching up may take once the load has ended.
const PATIENCE: Duration = Duration::from_secs(900);

/// What a server says when it ends; times in seconds.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Events a second, from the first to the last.
    pub(crate) rate: f64,
    pub(crate) lag_p99: f64,
    pub(crate) lag_worst: f64,
    pub(crate) caught_up: f64,
}

pub(crate) struct Server {
    process: Tied,
    lines: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
    pub(crate) key: String,
}

impl Server {
    pub(crate) fn start(data: &Path, leg: &str) -> Result<Self, Failure> {
        let mut process = Tied::spawn(
            Command::new(std::env::current_exe()?)
                .args([COMMAND.as_ref(), data.as_os_str(), leg.as_ref()])
                .stdout(Stdio::piped()),
        )?;
        let stdout = process.child().stdout.take().ok_or("no pipe")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut line = || lines.next().ok_or("the server did not start");
        let (address, key) = (line()??.parse()?, line()??);
        wait_for_listener(address)?;
        Ok(Self {
            process,
            lines,
            address,
            key,
        })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends it, and takes what it has seen.
    pub(crate) fn figures(mut self) -> Result<Figures, Failure> {
        drop(self.process.child().stdin.take());
        let line = self.lines.next();
        let nothing = || format!("the server, process {}, told nothing", self.process.id());
        let line = line.ok_or_else(nothing)??;
        let numbers: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [rate, lag_p99, lag_worst, caught_up] = numbers[..] else {
            return Err(format!("the server told {line}").into());
        };
        Ok(Figures {
            rate,
            lag_p99,
            lag_worst,
            caught_up,
        })
    }
}

/// Serves until stdin ends; then prints what it has seen.
pub(crate) fn run(data: &Path, leg: &str) -> Result<(), Failure> {
    let make = async |public_url| {
        let app = App::open(data, Vec::new(), public_url, Arc::new(SystemClock))?;
        if leg == PAUSED {
            app.projector.close().await?;
        }
        let workspace = app.meta.workspace("default").ok_or("no workspace")?;
        let (_, key) = app
            .meta
            .create_key(NewKey::of(workspace, KeyKind::Secret))?;
        Ok((app, vec![key.as_str().to_owned()]))
    };
    serve(make, async |app, end| {
        let mut seen = Seen::default();
        while !end.is_finished() {
            seen.look(app);
            tokio::time::sleep(LOOK).await;
        }
        end.await??;
        let after = Instant::now();
        while leg == FOLLOWING && app.projector.lag_ms() > 0 && after.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK).await;
        }
        let (p99, worst) = seen.lags();
        let caught_up = after.elapsed().as_secs_f64();
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{} {p99} {worst} {caught_up}", seen.rate())?;
        stdout.flush()?;
        Ok(())
    })
}

/// What was seen while the load lasted.
#[derive(Default)]
struct Seen {
    /// When the first events were seen, and how many they were.
    first: Option<(Instant, u64)>,
    /// When events last came, and how many there were.
    last: Option<(Instant, u64)>,
    /// Milliseconds.
    lags: Vec<u64>,
}

impl Seen {
    fn look(&mut self, app: &App) {
        let events = app.log.committed().borrow().0;
        if events == 0 {
            return;
        }
        let now = Instant::now();
        self.first.get_or_insert((now, events));
        // Also while nothing is taken: views that hold up the server are what is looked for.
        self.lags.push(app.projector.lag_ms());
        if self.last.is_none_or(|(_, before)| events > before) {
            self.last = Some((now, events));
        }
    }

    fn rate(&self) -> f64 {
        let (Some((began, before)), Some((last, events))) = (self.first, self.last) else {
            return 0.0;
        };
        let seconds = last.duration_since(began).as_secs_f64();
        (events - before) as f64 / seconds.max(0.001)
    }

    /// The lag that one look in a hundred exceeds, and the longest; in seconds.
    fn lags(&self) -> (f64, f64) {
        let mut lags = self.lags.clone();
        lags.sort_unstable();
        let seconds = |lag: Option<&u64>| lag.map_or(0.0, |lag| *lag as f64 / 1_000.0);
        (
            seconds(lags.get(lags.len() * 99 / 100)),
            seconds(lags.last()),
        )
    }
}
