//! The load: wrk, a closed loop on one thread, so that it leaves the other core to who is asked.

use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Failure;
use crate::child::{DEADLINE, Tied};
use crate::plan::{Group, Plan};

/// What wrk counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Result {
    pub(crate) requests_per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// Prints what we read, rather than what wrk prints for people.
const DONE: &str = r#"
function done(summary, latency, requests)
  local e = summary.errors
  print(string.format("RESULT %d %d %d %d %d", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"#;

/// All requests are made before the first is sent.
const POST: &str = r#"
local ready, at = {}, 0
function init(arguments)
  for body in io.lines(arguments[1]) do
    ready[#ready + 1] = wrk.format("POST", nil, nil, body)
  end
end
function request()
  at = at % #ready + 1
  return ready[at]
end
"#;

/// Loads a URL for as long as planned: with GET, or with the group's bodies where there is a key.
pub(crate) fn run(
    plan: &Plan,
    group: &Group,
    url: &str,
    key: Option<&str>,
    folder: &Path,
) -> std::result::Result<Result, Failure> {
    let mut script = DONE.to_owned();
    if let Some(key) = key {
        script.push_str(POST);
        script.push_str("wrk.headers['Content-Type'] = 'application/json'\n");
        script.push_str(&format!("wrk.headers['Authorization'] = 'Bearer {key}'\n"));
    }
    let path = folder.join("wrk.lua");
    std::fs::write(&path, script)?;
    let spawned = Tied::spawn(
        Command::new("wrk")
            .args(["-t1", "--latency", "--timeout", "10s"])
            .arg(format!("-c{}", group.connections))
            .arg(format!("-d{}s", plan.seconds))
            .arg("-s")
            .arg(path)
            .args([url, "--"])
            .arg(folder.join(group.bodies))
            .stdout(Stdio::piped()),
    );
    let mut wrk = match spawned {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err("wrk is missing: install it (Debian: apt-get install wrk), or call `./dev bench`, which does".into());
        }
        spawned => spawned?,
    };
    wrk.wait(Duration::from_secs(plan.seconds) + DEADLINE)?;
    let mut said = String::new();
    if let Some(mut stdout) = wrk.child().stdout.take() {
        stdout.read_to_string(&mut said)?;
    }
    read(&said).ok_or_else(|| format!("wrk at {url} failed, or was refused:\n{said}").into())
}

/// `None` where anything went wrong, be it one request.
fn read(said: &str) -> Option<Result> {
    let line = said.lines().find_map(|line| line.strip_prefix("RESULT "))?;
    let numbers: Vec<u64> = line
        .split(' ')
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()
        .ok()?;
    let [requests, micros, p50, p99, 0] = numbers[..] else {
        return None;
    };
    Some(Result {
        requests_per_second: requests as f64 / Duration::from_micros(micros).as_secs_f64(),
        p50: Duration::from_micros(p50),
        p99: Duration::from_micros(p99),
    })
}
