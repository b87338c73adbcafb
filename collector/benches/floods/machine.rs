//! How much of the machine others take meanwhile: with much of it the figures say little.

use std::time::Duration;

use crate::server::Server;

/// Time of all cores since the start, in ticks.
pub(crate) struct Machine {
    all: u64,
    busy: u64,
    ours: u64,
}

impl Machine {
    /// `None` where the system does not tell.
    pub(crate) fn now(server: &Server) -> Option<Self> {
        let text = std::fs::read_to_string("/proc/stat").ok()?;
        // user nice system idle iowait irq softirq steal
        let ticks: Vec<u64> = text
            .lines()
            .next()?
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|ticks| ticks.parse().ok())
            .collect();
        let all: u64 = ticks.iter().sum();
        let idle = ticks.get(3)? + ticks.get(4)?;
        // This process with the children that have ended, and the server, which has not.
        let [own, own_children] = times("self")?;
        let [of_server, _] = times(&server.process_id().to_string())?;
        Some(Self {
            all,
            busy: all - idle,
            ours: own + own_children + of_server,
        })
    }

    /// Which part of the machine others took since then.
    pub(crate) fn taken_by_others(&self, now: &Self) -> f64 {
        let busy = now.busy.saturating_sub(self.busy);
        let ours = now.ours.saturating_sub(self.ours);
        let all = now.all.saturating_sub(self.all).max(1);
        #[expect(clippy::cast_precision_loss, reason = "ticks of some minutes")]
        let part = busy.saturating_sub(ours) as f64 / all as f64;
        part
    }
}

/// The time of a process in ticks, and that of its children that have ended.
fn times(process: &str) -> Option<[u64; 2]> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name, which may hold anything; then the twelfth to fifteenth field.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<u64> = fields
        .split_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|ticks| ticks.parse().ok())
        .collect();
    let [user, system, children_user, children_system] = fields[..] else {
        return None;
    };
    Some([user + system, children_user + children_system])
}

/// The middle of some times.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
