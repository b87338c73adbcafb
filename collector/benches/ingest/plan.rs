//! Which legs there are, how long each takes, and how often they take turns.

use std::fmt;

use crate::Failure;

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leg {
    /// nginx with `empty_gif` and an access log: the least that a counting server does.
    Nginx,
    /// Our server as it is: 200 means on disk.
    Durable,
    /// The same, answering before it persists.
    Early,
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Leg::Nginx => "nginx",
            Leg::Durable => "durable",
            Leg::Early => "early",
        })
    }
}

/// Legs that are compared with each other: the same load on each, one right after the other.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) what: &'static str,
    pub(crate) path: &'static str,
    /// The file of request bodies, see `events`.
    pub(crate) bodies: &'static str,
    pub(crate) events_per_request: u32,
    pub(crate) connections: u32,
    pub(crate) legs: &'static [Leg],
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} connections", self.what, self.connections)
    }
}

const GROUPS: [Group; 3] = [
    singles(64),
    singles(256),
    Group {
        what: "batches of 100",
        path: "/v1/track/batch",
        bodies: crate::events::BATCHES,
        events_per_request: crate::events::BATCH,
        connections: 16,
        legs: &[Leg::Durable, Leg::Early],
    },
];

const fn singles(connections: u32) -> Group {
    Group {
        what: "single events",
        path: "/v1/track/event",
        bodies: crate::events::SINGLES,
        events_per_request: 1,
        connections,
        legs: &[Leg::Nginx, Leg::Durable, Leg::Early],
    }
}

/// How long and how often.
#[derive(Debug)]
pub(crate) struct Plan {
    /// `BENCH_SECONDS`, default 6: how long one leg is under load.
    pub(crate) seconds: u64,
    /// `BENCH_ROUNDS`, default 3: how often all legs take their turn.
    pub(crate) rounds: usize,
    /// `BENCH_REPEATS`, default 4: how many rounds of a group may be repeated because the disk was
    /// unsteady.
    pub(crate) repeats: usize,
}

impl Plan {
    pub(crate) fn from_environment() -> Result<Self, Failure> {
        let plan = Self {
            seconds: setting("BENCH_SECONDS", 6)?,
            rounds: usize::try_from(setting("BENCH_ROUNDS", 3)?)?,
            repeats: usize::try_from(setting("BENCH_REPEATS", 4)?)?,
        };
        if plan.seconds == 0 || plan.rounds == 0 {
            return Err("BENCH_SECONDS and BENCH_ROUNDS are 1 at least".into());
        }
        Ok(plan)
    }

    pub(crate) fn groups(&self) -> &'static [Group] {
        &GROUPS
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let legs: usize = GROUPS.iter().map(|group| group.legs.len()).sum();
        let Self {
            seconds,
            rounds,
            repeats,
        } = self;
        write!(
            f,
            "{rounds} rounds of {legs} legs of {seconds} s each (BENCH_ROUNDS, BENCH_SECONDS); at most {repeats} \
             groups are repeated because the disk was unsteady (BENCH_REPEATS)"
        )
    }
}

fn setting(name: &str, default: u64) -> Result<u64, Failure> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .map_err(|_| format!("{name}={text} is not a whole number").into()),
        Err(_) => Ok(default),
    }
}
