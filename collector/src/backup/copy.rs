//! Files with their hashes: read, copied, compared. Not which.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::manifest::Stored;
use crate::hex::hex;
use store::files::{create_anew, open_to_read};

/// Read and written at once, bytes.
const BUFFER: usize = 1024 * 1024;

/// How far a backup or a restore has got, in bytes.
pub(super) struct Meter<'a> {
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) tell: &'a mut dyn FnMut(u64, u64),
}

impl Meter<'_> {
    pub(super) fn pass(&mut self, bytes: u64) {
        self.done += bytes;
        // A store that grows meanwhile has no end that could be known before.
        self.total = self.total.max(self.done);
        (self.tell)(self.done, self.total);
    }
}

/// A file's length in bytes, and its SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Sum {
    pub(super) fn is_of(&self, stored: &Stored) -> bool {
        self.bytes == stored.bytes && self.sha256 == stored.sha256
    }
}

/// Reads a file through.
pub(super) fn sum(path: &Path, meter: &mut Meter<'_>) -> io::Result<Sum> {
    pass_on(&mut open_to_read(path)?, &mut io::sink(), meter)
}

/// Copies a file to a name under which nothing of value lies, and syncs it; its name is not synced.
pub(super) fn copy(from: &Path, to: &Path, meter: &mut Meter<'_>) -> io::Result<Sum> {
    let mut target = create_anew(to)?;
    let sum = pass_on(&mut open_to_read(from)?, &mut target, meter)?;
    target.sync_all()?;
    Ok(sum)
}

fn pass_on(from: &mut File, to: &mut impl io::Write, meter: &mut Meter<'_>) -> io::Result<Sum> {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
        bytes += count as u64;
        meter.pass(count as u64);
    }
    let sha256 = hex(&hash.finalize());
    Ok(Sum { bytes, sha256 })
}
