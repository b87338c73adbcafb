//! The load: wrk, a closed loop on one thread that makes its batches as it goes, because a million contacts
//! are too many to be made before.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Failure;
use crate::child::{DEADLINE, Tied};

/// Events in a batch.
pub(crate) const BATCH: u32 = 100;
const CONNECTIONS: u32 = 16;

const SCRIPT: &str = r#"
local contacts, batch
function init(arguments)
  contacts, batch = tonumber(arguments[1]), tonumber(arguments[2])
  math.randomseed(7)
end
local event = '{"type":"track","email":"reader%d@example.com","event":"%s","messageId":"msg_%d","properties":{"plan":"pro","trialDays":%d,"visit":"%08x%08x%08x%08x"}}'
local names = {"page_viewed", "product_viewed", "search_made", "trial_started"}
function request()
  local events, random = {}, math.random
  for at = 1, batch do
    events[at] = string.format(event, random(contacts), names[random(4)], random(7), random(30),
      random(0x7fffffff), random(0x7fffffff), random(0x7fffffff), random(0x7fffffff))
  end
  return wrk.format("POST", nil, nil, '{"events":[' .. table.concat(events, ",") .. ']}')
end
function done(summary, latency, requests)
  local e = summary.errors
  print(string.format("RESULT %d %d", summary.requests, e.connect + e.read + e.write + e.status + e.timeout))
end
"#;

/// Loads a URL for so many seconds.
pub(crate) fn run(
    contacts: u64,
    seconds: u64,
    url: &str,
    key: &str,
    folder: &Path,
) -> Result<(), Failure> {
    let headers = format!(
        "wrk.headers['Content-Type'] = 'application/json'\nwrk.headers['Authorization'] = 'Bearer {key}'\n"
    );
    let path = folder.join("following.lua");
    std::fs::write(&path, SCRIPT.to_owned() + &headers)?;
    let spawned = Tied::spawn(
        Command::new("wrk")
            .args(["-t1", "--timeout", "10s"])
            .arg(format!("-c{CONNECTIONS}"))
            .arg(format!("-d{seconds}s"))
            .arg("-s")
            .arg(&path)
            .args([url, "--"])
            .args([contacts.to_string(), BATCH.to_string()])
            .stdout(Stdio::piped()),
    );
    let mut wrk = match spawned {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err("wrk is missing: install it (Debian: apt-get install wrk), or call `./dev bench-views`, which does".into());
        }
        spawned => spawned?,
    };
    wrk.wait(Duration::from_secs(seconds) + DEADLINE)?;
    let said = wrk.child().stdout.take().map(std::io::read_to_string);
    let said = said.transpose()?.unwrap_or_default();
    let failed = said.lines().find_map(|line| line.strip_prefix("RESULT "));
    match failed.and_then(|line| line.split(' ').nth(1)) {
        Some("0") => Ok(()),
        _ => Err(format!("wrk at {url} failed, or was refused:\n{said}").into()),
    }
}
