//! Where pages lie that are not in memory: a file without a name, which goes with the process. It keeps nothing over a
//! crash: what it holds is in the view's file as well, or is folded again. Places in it are given back when nobody
//! knows of them any more, so that what a snapshot needs stays there as it was.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use twox_hash::XxHash3_64;

use crate::files;
use crate::locks::lock;

/// Places begin at multiples of this, and are as long.
const UNIT: usize = 128;
const SUM: usize = 8;

/// See above.
pub(crate) struct Aside {
    /// Its name for the moment in which it has one.
    path: PathBuf,
    /// Made when the first page is put there.
    file: OnceLock<File>,
    free: Mutex<Free>,
    has_failed: AtomicBool,
}

/// What of the file is free, in units.
#[derive(Default)]
struct Free {
    /// All behind is.
    end: u32,
    /// Places before, by how many units they have.
    places: Vec<Vec<u32>>,
}

/// Where bytes lie. They stay there until it is dropped.
pub(crate) struct Lying {
    aside: Arc<Aside>,
    unit: u32,
    length: u32,
}

impl Aside {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: OnceLock::new(),
            free: Mutex::default(),
            has_failed: AtomicBool::new(false),
        }
    }

    /// Puts bytes there.
    ///
    /// # Errors
    /// Where the file cannot be made or written: a full disk, say.
    pub(crate) fn put(self: &Arc<Self>, bytes: &[u8]) -> io::Result<Lying> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let file = self.file()?;
        let unit = lock(&self.free).take(units(length))?;
        let lying = Lying {
            aside: Arc::clone(self),
            unit,
            length,
        };
        let mut stored = Vec::with_capacity(bytes.len() + SUM);
        stored.extend_from_slice(bytes);
        stored.extend_from_slice(&lying.sum(bytes));
        file.write_all_at(&stored, lying.offset())?;
        Ok(lying)
    }

    /// Whether this is the first failure, which is worth a line.
    pub(crate) fn fails_first(&self) -> bool {
        !self.has_failed.swap(true, Ordering::Relaxed)
    }

    fn file(&self) -> io::Result<&File> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        // One makes it.
        let _making = lock(&self.free);
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = files::create_anew(&self.path)?;
        std::fs::remove_file(&self.path)?;
        Ok(self.file.get_or_init(|| file))
    }
}

impl Lying {
    /// The bytes that were put there.
    ///
    /// # Errors
    /// Where the file cannot be read, or holds something else.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let length = self.length as usize;
        let mut bytes = vec![0; length + SUM];
        self.aside
            .file()?
            .read_exact_at(&mut bytes, self.offset())?;
        if bytes[length..] != self.sum(&bytes[..length]) {
            return Err(io::Error::other(
                "a page that was put aside is not as it was",
            ));
        }
        bytes.truncate(length);
        Ok(bytes)
    }

    fn offset(&self) -> u64 {
        u64::from(self.unit) * UNIT as u64
    }

    fn sum(&self, bytes: &[u8]) -> [u8; SUM] {
        XxHash3_64::oneshot_with_seed(u64::from(self.unit), bytes).to_le_bytes()
    }
}

impl Drop for Lying {
    fn drop(&mut self) {
        lock(&self.aside.free).give_back(self.unit, units(self.length));
    }
}

impl Free {
    fn take(&mut self, units: u32) -> io::Result<u32> {
        let places = self.places.get_mut(units as usize);
        if let Some(place) = places.and_then(Vec::pop) {
            return Ok(place);
        }
        let place = self.end;
        let full = || io::Error::other("the file of pages that were put aside is full");
        self.end = place.checked_add(units).ok_or_else(full)?;
        Ok(place)
    }

    fn give_back(&mut self, place: u32, units: u32) {
        let units = units as usize;
        if self.places.len() <= units {
            self.places.resize_with(units + 1, Vec::new);
        }
        self.places[units].push(place);
    }
}

fn units(length: u32) -> u32 {
    (length as usize + SUM).div_ceil(UNIT) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_there_stays_until_nobody_knows_of_it_and_its_place_is_given_again() {
        let folder = tempfile::tempdir().unwrap();
        let aside = Arc::new(Aside::new(folder.path().join("name")));
        let bytes = |number: u8| vec![number; usize::from(number) * 7];
        let lying: Vec<_> = (0..200).map(|n| aside.put(&bytes(n)).unwrap()).collect();
        for (number, lying) in (0..).zip(&lying) {
            assert_eq!(lying.read().unwrap(), bytes(number));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let end = lock(&aside.free).end;
        drop(lying);
        let again: Vec<_> = (0..200).map(|n| aside.put(&bytes(n)).unwrap()).collect();
        assert_eq!(lock(&aside.free).end, end);
        for (number, lying) in (0..).zip(&again) {
            assert_eq!(lying.read().unwrap(), bytes(number));
        }
    }

    #[test]
    fn what_is_damaged_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let aside = Arc::new(Aside::new(folder.path().join("name")));
        let lying = aside.put(&[7; 500]).unwrap();
        let file = aside.file().unwrap();
        file.write_all_at(&[8], lying.offset() + 300).unwrap();
        assert!(lying.read().is_err());
        file.set_len(200).unwrap();
        assert!(lying.read().is_err());
    }
}
