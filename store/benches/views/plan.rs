//! What is to be measured, as the command line says.

use std::path::PathBuf;

use crate::{Failure, HELP, PASSED_ON};

/// How large, and which legs.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) contacts: u64,
    pub(crate) events: u64,
    /// The legs to run; all where it is empty.
    pub(crate) only: Vec<String>,
    /// Where the store is made; a folder of its own in the target folder unless this says.
    pub(crate) data: Option<PathBuf>,
    /// Memory for rows, bytes.
    pub(crate) cache: usize,
}

impl Plan {
    /// # Errors
    /// Says what is wrong with the arguments.
    pub(crate) fn of(arguments: &[String]) -> Result<Self, Failure> {
        let mut plan = Self {
            contacts: 100_000,
            events: 1_000_000,
            only: Vec::new(),
            data: None,
            cache: store::views::DEFAULT_CACHE,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("{argument} takes a value\n{HELP}"))
            };
            match argument.as_str() {
                // cargo's own.
                "--bench" => {}
                "--contacts" => plan.contacts = number(value()?)?.max(1),
                "--events" => plan.events = number(value()?)?.max(1),
                "--cache" => plan.cache = usize::try_from(number(value()?)?)? << 20,
                "--only" => plan.only.push(value()?.clone()),
                "--data" => plan.data = Some(value()?.into()),
                "--help" => return Err(HELP.into()),
                other if PASSED_ON.contains(&other) => drop(value()?),
                other => return Err(format!("{other} is no option\n{HELP}").into()),
            }
        }
        Ok(plan)
    }

    pub(crate) fn runs(&self, leg: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == leg)
    }
}

fn number(text: &str) -> Result<u64, Failure> {
    let digits = text.replace(['_', ','], "");
    digits
        .parse()
        .map_err(|_| format!("{text} is no number").into())
}
