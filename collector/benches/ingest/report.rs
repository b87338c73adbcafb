//! What was measured, and the table of it.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use crate::plan::{Group, Leg};
use crate::wrk;

/// Probes of one attempt may differ by so much; beyond it the disk was not the same for all legs.
const STEADY: f64 = 1.25;

/// One leg under load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    load: wrk::Result,
    /// Bytes.
    memory: Option<u64>,
}

impl Measured {
    pub(crate) fn new(load: wrk::Result, memory: Option<u64>) -> Self {
        Self { load, memory }
    }

    fn rate(&self) -> f64 {
        self.load.requests_per_second
    }
}

/// The legs of a group, in turn, with the probes before and after each.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    pub(crate) probes: Vec<Duration>,
    pub(crate) legs: Vec<Measured>,
}

impl Attempt {
    pub(crate) fn is_steady(&self) -> bool {
        self.spread() <= STEADY
    }

    fn spread(&self) -> f64 {
        let seconds = || self.probes.iter().map(Duration::as_secs_f64);
        seconds().fold(0.0, f64::max) / seconds().fold(f64::INFINITY, f64::min)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates = self.legs.iter().map(|leg| format!("{:.0}/s", leg.rate()));
        let probes = self.probes.iter().map(|probe| millis(*probe));
        write!(
            f,
            "{}; one sync {} ms{}",
            rates.collect::<Vec<_>>().join(" "),
            probes.collect::<Vec<_>>().join(" "),
            if self.is_steady() { "" } else { " (unsteady)" }
        )
    }
}

/// All that counts, by group and round.
#[derive(Default)]
pub(crate) struct Report {
    groups: Vec<(&'static Group, Vec<Attempt>)>,
    discarded: usize,
}

impl Report {
    pub(crate) fn add(&mut self, group: &'static Group, attempt: Attempt) {
        let known = self
            .groups
            .iter_mut()
            .find(|(known, _)| std::ptr::eq(*known, group));
        match known {
            Some((_, rounds)) => rounds.push(attempt),
            None => self.groups.push((group, vec![attempt])),
        }
    }

    /// The group with the round through which the disk changed most, if it changed too much.
    pub(crate) fn unsteadiest(&mut self) -> Option<&'static Group> {
        let (group, round) = self.most_spread()?;
        (!round.is_steady()).then_some(group)
    }

    /// Puts a new attempt in the place of that round, if the disk was steadier now.
    pub(crate) fn replace_unsteadiest(&mut self, attempt: Attempt) {
        self.discarded += 1;
        if let Some((_, round)) = self.most_spread()
            && attempt.spread() < round.spread()
        {
            *round = attempt;
        }
    }

    fn most_spread(&mut self) -> Option<(&'static Group, &mut Attempt)> {
        self.groups
            .iter_mut()
            .flat_map(|(group, rounds)| rounds.iter_mut().map(|round| (*group, round)))
            .max_by(|(_, one), (_, other)| one.spread().total_cmp(&other.spread()))
    }

    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut rows = vec![
            [
                "load",
                "leg",
                "conns",
                "req/s median (min-max)",
                "events/s",
                "p50 ms",
                "p99 ms",
                "/ nginx",
                "/ early",
                "peak RSS",
            ]
            .map(str::to_owned),
        ];
        for (group, rounds) in &self.groups {
            for (at, leg) in group.legs.iter().enumerate() {
                rows.push(row(group, rounds, at, *leg));
            }
        }
        let widths: Vec<usize> = (0..rows[0].len())
            .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
            .collect();
        for row in &rows {
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                // Words to the left, figures to the right.
                if at < 2 {
                    write!(out, "{cell:<width$}  ")?;
                } else {
                    write!(out, "{cell:>width$}  ")?;
                }
            }
            writeln!(out)?;
        }
        let rounds = || self.groups.iter().flat_map(|(_, rounds)| rounds);
        let unsteady = rounds().filter(|round| !round.is_steady());
        let probes = || {
            self.groups
                .iter()
                .flat_map(|(_, rounds)| rounds)
                .flat_map(|attempt| &attempt.probes)
        };
        writeln!(
            out,
            "One sync took {} to {} ms. Discarded because it changed by more than 25 % within a group: {}; counted \
             although it did, because no repeat was left: {}. Ratios are medians of the rounds' own.",
            millis(probes().min().copied().unwrap_or_default()),
            millis(probes().max().copied().unwrap_or_default()),
            self.discarded,
            unsteady.count()
        )
    }
}

fn row(group: &Group, rounds: &[Attempt], at: usize, leg: Leg) -> [String; 10] {
    let rates = || rounds.iter().map(|round| round.legs[at].rate());
    let rate = median(rates());
    let ratio_to = |other: Leg| {
        let other_at = group.legs.iter().position(|known| *known == other);
        match other_at {
            Some(other_at) if other != leg => {
                let ratio = |round: &Attempt| round.legs[at].rate() / round.legs[other_at].rate();
                format!("{:.2}", median(rounds.iter().map(ratio)))
            }
            _ => "-".to_owned(),
        }
    };
    let latency = |of: fn(&wrk::Result) -> Duration| {
        let seconds = rounds
            .iter()
            .map(|round| of(&round.legs[at].load).as_secs_f64());
        millis(Duration::from_secs_f64(median(seconds)))
    };
    let memory = rounds
        .iter()
        .filter_map(|round| round.legs[at].memory)
        .max();
    [
        group.what.to_owned(),
        leg.to_string(),
        group.connections.to_string(),
        format!(
            "{rate:.0} ({:.0}-{:.0})",
            rates().fold(f64::INFINITY, f64::min),
            rates().fold(0.0, f64::max)
        ),
        match leg {
            Leg::Nginx => "-".to_owned(),
            _ => format!("{:.0}", rate * f64::from(group.events_per_request)),
        },
        latency(|load| load.p50),
        latency(|load| load.p99),
        ratio_to(Leg::Nginx),
        if leg == Leg::Nginx {
            "-".to_owned()
        } else {
            ratio_to(Leg::Early)
        },
        memory.map_or_else(|| "-".to_owned(), |bytes| format!("{} MB", bytes >> 20)),
    ]
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 {
        values[half]
    } else {
        f64::midpoint(values[half - 1], values[half])
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1_000.0)
}
