//! Apple's relay addresses: the list that Apple publishes, kept as sorted ranges in `relay-list.bin`
//! in the data folder, and the copy of it that a server looks addresses up in.
//!
//! Source: `https://mask-api.icloud.com/egress-ip-ranges.csv`, rows `cidr,country,region,city,`;
//! 286,949 of them on 2026-07-31. It changes often and belongs to Apple, so it is not shipped: `misar
//! relay-list update` reads a downloaded copy. Mail Privacy Protection fetches from these addresses,
//! and so do people with iCloud Private Relay: the list alone says nothing.

mod file;

use std::io::BufRead;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::ranges::{Ranges, RangesBuilder};

pub use file::FileError;

/// The file's name in the data folder.
pub const FILE: &str = "relay-list.bin";

/// The addresses of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayRanges {
    rows: u64,
    ranges: Ranges,
}

/// How large a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Networks in Apple's file; 0 where there is no list.
    pub rows: u64,
    /// Ranges that they come to, neighbours merged.
    pub ipv4_ranges: u64,
    pub ipv6_ranges: u64,
    /// In bytes.
    pub memory: u64,
}

/// Why Apple's file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    #[error(
        "line {0} does not begin with a network such as 172.224.226.0/27: is this Apple's egress-ip-ranges.csv?"
    )]
    Line(u64),
    #[error("line {0} cannot be read: {1}")]
    Unreadable(u64, std::io::Error),
    #[error("the file holds no network: is this Apple's egress-ip-ranges.csv?")]
    Empty,
}

impl RelayRanges {
    /// Reads Apple's file. Only the first cell of a row counts; empty lines do not.
    ///
    /// # Errors
    /// See [`CsvError`]; a list is taken whole or not at all.
    pub fn parse(csv: impl BufRead) -> Result<Self, CsvError> {
        let mut ranges = RangesBuilder::default();
        let mut rows = 0;
        for (number, line) in (1..).zip(csv.lines()) {
            let line = line.map_err(|error| CsvError::Unreadable(number, error))?;
            let line = line.trim_start_matches('\u{feff}').trim();
            if line.is_empty() {
                continue;
            }
            let cell = line.split(',').next().unwrap_or_default().trim();
            let network: IpNet = cell.parse().map_err(|_| CsvError::Line(number))?;
            ranges.add(network);
            rows += 1;
        }
        if rows == 0 {
            return Err(CsvError::Empty);
        }
        Ok(Self {
            rows,
            ranges: ranges.build(),
        })
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        self.ranges.contains(address)
    }

    pub fn summary(&self) -> Summary {
        Summary {
            rows: self.rows,
            ipv4_ranges: self.ranges.v4.len() as u64,
            ipv6_ranges: self.ranges.v6.len() as u64,
            memory: self.ranges.bytes() as u64,
        }
    }

    /// Reads the list of a data folder; `None` where there is none.
    ///
    /// # Errors
    /// When the file is damaged or cannot be read.
    pub fn read(data: &Path) -> Result<Option<Self>, FileError> {
        file::read(&data.join(FILE))
    }

    /// Replaces the list of a data folder: after a crash there is the old one or the new one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, data: &Path) -> Result<(), FileError> {
        file::write(&data.join(FILE), self)
    }
}

/// The list that a server uses, until it is told to read it again.
#[derive(Debug)]
pub struct RelayList {
    data: PathBuf,
    ranges: RwLock<Arc<RelayRanges>>,
}

impl RelayList {
    /// Reads the list of a data folder. Without one, and with one that cannot be read, no address is
    /// on it: nothing depends on the list but the reason of an Apple prefetch.
    pub fn open(data: &Path) -> Self {
        let list = Self {
            data: data.to_owned(),
            ranges: RwLock::default(),
        };
        if let Err(error) = list.reload() {
            tracing::warn!(%error, "the relay list is not used: misar relay-list update writes it anew");
        }
        list
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        self.ranges().contains(address)
    }

    /// Reads the file again. Blocks on disk; who looks up meanwhile gets the old list.
    ///
    /// # Errors
    /// When the file is damaged or cannot be read; the old list stays.
    pub fn reload(&self) -> Result<Summary, FileError> {
        let ranges = Arc::new(RelayRanges::read(&self.data)?.unwrap_or_default());
        let summary = ranges.summary();
        *self.ranges.write().unwrap_or_else(PoisonError::into_inner) = ranges;
        Ok(summary)
    }

    pub fn summary(&self) -> Summary {
        self.ranges().summary()
    }

    fn ranges(&self) -> Arc<RelayRanges> {
        Arc::clone(&self.ranges.read().unwrap_or_else(PoisonError::into_inner))
    }
}
