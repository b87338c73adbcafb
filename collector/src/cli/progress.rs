//! How far a long command has got, on standard error: a bar on a terminal, else lines or nothing.

use std::io::{IsTerminal, stderr};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use super::output::tell;
use crate::upkeep::Progress;

/// What to show where standard error is no terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elsewhere {
    Nothing,
    /// A line at each tenth.
    Lines,
}

/// Shows the progress of one command; the bar goes when this does.
pub(super) struct Shown {
    doing: &'static str,
    unit: Unit,
    how: How,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Events,
    Bytes,
}

impl Unit {
    /// The bar where nobody knows how long it will be.
    fn endless(self) -> &'static str {
        match self {
            Self::Events => "{msg} {spinner} {human_pos} events, {per_sec}",
            Self::Bytes => "{msg} {spinner} {bytes}, {bytes_per_sec}",
        }
    }

    fn bar(self) -> &'static str {
        match self {
            Self::Events => {
                "{msg} {wide_bar} {human_pos} of {human_len} events, {per_sec}, {eta} left"
            }
            Self::Bytes => "{msg} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        }
    }
}

enum How {
    Bar(ProgressBar),
    /// The next tenth to be told.
    Lines {
        next: u64,
    },
    Not,
}

impl Shown {
    pub(super) fn new(doing: &'static str, elsewhere: Elsewhere) -> Self {
        Self::of(doing, Unit::Events, elsewhere)
    }

    /// Of a command whose progress is told in bytes.
    pub(super) fn of_bytes(doing: &'static str, elsewhere: Elsewhere) -> Self {
        Self::of(doing, Unit::Bytes, elsewhere)
    }

    fn of(doing: &'static str, unit: Unit, elsewhere: Elsewhere) -> Self {
        let how = if stderr().is_terminal() {
            How::Bar(ProgressBar::no_length().with_message(doing))
        } else if elsewhere == Elsewhere::Lines {
            How::Lines { next: 1 }
        } else {
            How::Not
        };
        if let How::Bar(bar) = &how {
            bar.set_style(style(unit.endless()));
        }
        Self { doing, unit, how }
    }

    pub(super) fn tell(&mut self, progress: Progress) {
        let Progress { done, total } = progress;
        match &mut self.how {
            How::Bar(bar) => {
                if total > 0 && bar.length() != Some(total) {
                    bar.set_length(total);
                    bar.set_style(style(self.unit.bar()));
                }
                bar.set_position(done);
            }
            How::Lines { next } => {
                if let Some(tenth) = tenth(done, total)
                    && tenth >= *next
                {
                    *next = tenth + 1;
                    let how_far = match self.unit {
                        Unit::Events => format!("{done} of {total} events"),
                        Unit::Bytes => format!("{} of {}", HumanBytes(done), HumanBytes(total)),
                    };
                    tell(&format!("{}: {} % ({how_far})", self.doing, tenth * 10));
                }
            }
            How::Not => {}
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let How::Bar(bar) = &self.how {
            bar.finish_and_clear();
        }
    }
}

/// How many tenths are done.
fn tenth(done: u64, total: u64) -> Option<u64> {
    let tenths = u128::from(done) * 10 / u128::from((total > 0).then_some(total)?);
    Some(u64::try_from(tenths.min(10)).unwrap_or(10))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenths_are_whole_and_end_at_ten() {
        for (done, total, expected) in [
            (0, 100, Some(0)),
            (9, 100, Some(0)),
            (10, 100, Some(1)),
            (99, 100, Some(9)),
            (100, 100, Some(10)),
            (101, 100, Some(10)),
            (u64::MAX, u64::MAX, Some(10)),
            (5, 0, None),
        ] {
            assert_eq!(tenth(done, total), expected, "{done} of {total}");
        }
    }

    #[test]
    fn the_templates_are_sound() {
        for template in [Unit::Events, Unit::Bytes]
            .map(|unit| [unit.endless(), unit.bar()])
            .concat()
        {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
