//! `relay-list.bin`: how a list lies on disk, and how it is replaced.
//!
//! A version byte; rows, IPv4 ranges and IPv6 ranges as u64; the ranges, first and last address
//! each, as u32 and u128; XXH3-64 of all before it. Numbers are little-endian.

use std::io::Write;
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_64;

use super::RelayRanges;
use crate::classify::ranges::Ranges;
use crate::files::{self, rename_synced};

const VERSION: u8 = 1;
const HEAD: usize = 1 + 3 * 8;
const V4: usize = 2 * size_of::<u32>();
const V6: usize = 2 * size_of::<u128>();
const CHECKSUM: usize = 8;

/// Why a list could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{} is damaged: misar relay-list update writes it anew", .0.display())]
    Damaged(PathBuf),
    #[error("{} was written by a newer misar: use that one, or misar relay-list update", .0.display())]
    Newer(PathBuf),
    #[error("{} failed while {doing}: {error}", .path.display())]
    Storage {
        path: PathBuf,
        doing: &'static str,
        error: std::io::Error,
    },
}

pub(super) fn read(path: &Path) -> Result<Option<RelayRanges>, FileError> {
    let bytes = match files::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(FileError::Storage {
                path: path.to_owned(),
                doing: "reading it",
                error,
            });
        }
    };
    if bytes.first().is_some_and(|version| *version > VERSION) {
        return Err(FileError::Newer(path.to_owned()));
    }
    decode(&bytes)
        .map(Some)
        .ok_or_else(|| FileError::Damaged(path.to_owned()))
}

pub(super) fn write(path: &Path, list: &RelayRanges) -> Result<(), FileError> {
    // Of this process alone: two updates at once must not write into one file.
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let written = || -> std::io::Result<()> {
        let mut file = files::create_anew(&draft)?;
        file.write_all(&encode(list))?;
        drop(file);
        rename_synced(&draft, path)
    };
    written().map_err(|error| {
        std::fs::remove_file(&draft).ok();
        FileError::Storage {
            path: path.to_owned(),
            doing: "writing it",
            error,
        }
    })
}

fn encode(list: &RelayRanges) -> Vec<u8> {
    let Ranges { v4, v6 } = &list.ranges;
    let mut bytes = Vec::with_capacity(HEAD + v4.len() * V4 + v6.len() * V6 + CHECKSUM);
    bytes.push(VERSION);
    for number in [list.rows, v4.len() as u64, v6.len() as u64] {
        bytes.extend(number.to_le_bytes());
    }
    for (first, last) in v4 {
        bytes.extend(first.to_le_bytes());
        bytes.extend(last.to_le_bytes());
    }
    for (first, last) in v6 {
        bytes.extend(first.to_le_bytes());
        bytes.extend(last.to_le_bytes());
    }
    let checksum = XxHash3_64::oneshot(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// `None` where anything is not as [`encode`] leaves it.
fn decode(bytes: &[u8]) -> Option<RelayRanges> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    if XxHash3_64::oneshot(body) != u64::from_le_bytes(*checksum) {
        return None;
    }
    let (version, mut rest) = body.split_first()?;
    let mut number = || -> Option<u64> {
        let (number, after) = rest.split_first_chunk::<8>()?;
        rest = after;
        Some(u64::from_le_bytes(*number))
    };
    let (rows, v4, v6) = (number()?, number()?, number()?);
    let split = usize::try_from(v4).ok()?.checked_mul(V4)?;
    let (v4, v6_bytes) = rest.split_at_checked(split)?;
    if *version != VERSION || Some(v6_bytes.len()) != usize::try_from(v6).ok()?.checked_mul(V6) {
        return None;
    }
    let (v4, _) = v4.as_chunks::<4>();
    let (v6, _) = v6_bytes.as_chunks::<16>();
    let (v4, _) = v4.as_chunks::<2>();
    let (v6, _) = v6.as_chunks::<2>();
    Some(RelayRanges {
        rows,
        ranges: Ranges {
            v4: v4
                .iter()
                .map(|[first, last]| (u32::from_le_bytes(*first), u32::from_le_bytes(*last)))
                .collect(),
            v6: v6
                .iter()
                .map(|[first, last]| (u128::from_le_bytes(*first), u128::from_le_bytes(*last)))
                .collect(),
        },
    })
}
