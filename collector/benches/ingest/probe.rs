//! How long one sync takes on this disk just now.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const WRITES: usize = 200;
/// On a slow disk fewer writes have to do.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// The median of a 4 KB write with its `fdatasync`.
pub(crate) fn sync_time(folder: &Path) -> io::Result<Duration> {
    // What the leg before left in the page cache would be written out in the middle of the probe.
    Command::new("sync").status()?;
    let mut file = File::create(folder.join("probe"))?;
    let page = [0x5a; 4096];
    let began = Instant::now();
    let mut times = Vec::with_capacity(WRITES);
    while times.len() < WRITES && began.elapsed() < TIME_LIMIT {
        let started = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
