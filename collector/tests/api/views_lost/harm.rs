//! What may become of a file of the views while nobody has it open.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use redb::{Database, ReadableTable as _, TableDefinition};
use twox_hash::XxHash3_64;

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    Lost,
    Empty,
    Half,
    /// Some of its bytes in every stretch are others.
    Damaged,
    /// Not where a start looks, but where reads do.
    DamagedWithin,
    /// As it was when there was nothing in the store.
    OfBefore,
    /// As another version writes it, sound in itself.
    OfAnotherVersion,
    /// That of another store.
    OfAnotherStore,
}

pub(crate) const HARMS: [Harm; 8] = [
    Harm::Lost,
    Harm::Empty,
    Harm::Half,
    Harm::Damaged,
    Harm::DamagedWithin,
    Harm::OfBefore,
    Harm::OfAnotherVersion,
    Harm::OfAnotherStore,
];

impl Harm {
    /// Harms a file of a data folder; `before` is that folder as it was, `other` another store's.
    pub(crate) fn on(self, data: &Path, name: &Path, before: &Path, other: &Path) {
        let file = data.join(name);
        let mut bytes = fs::read(&file).unwrap();
        match self {
            Self::Lost => return fs::remove_file(file).unwrap(),
            Self::Empty => bytes.clear(),
            Self::Half => bytes.truncate(bytes.len() / 2),
            Self::Damaged => bytes.iter_mut().step_by(1_500).for_each(spoil),
            Self::DamagedWithin => {
                let behind_head = bytes.iter_mut().skip(4_096 + 100);
                behind_head.step_by(4_096).for_each(spoil);
            }
            Self::OfBefore => match fs::read(before.join(name)) {
                Ok(older) => bytes = older,
                Err(_) => return,
            },
            Self::OfAnotherStore => match fs::read(other.join(name)) {
                Ok(theirs) => bytes = theirs,
                Err(_) => return,
            },
            Self::OfAnotherVersion => match name.extension().unwrap().to_str().unwrap() {
                "redb" => return raise_version(&file),
                // The version stands behind the magic; the checksum of the head behind the head.
                "run" => raise_number(&mut bytes, 56),
                "tail" => raise_number(&mut bytes, 32),
                other => panic!("a new kind of file: {other}"),
            },
        }
        fs::write(file, bytes).unwrap();
    }
}

fn spoil(byte: &mut u8) {
    *byte ^= 0x55;
}

fn raise_number(bytes: &mut [u8], head: usize) {
    bytes[8] += 1;
    let sum = XxHash3_64::oneshot(&bytes[..head]).to_le_bytes();
    bytes[head..head + 8].copy_from_slice(&sum);
}

fn raise_version(file: &Path) {
    const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about_v2");
    let plain = file.with_extension("plain");
    fs::write(&plain, without_sums(&fs::read(file).unwrap())).unwrap();
    let database = Database::open(&plain).unwrap();
    let change = database.begin_write().unwrap();
    {
        let mut about = change.open_table(ABOUT).unwrap();
        let version = about.get("version").unwrap().unwrap().value();
        about.insert("version", version + 1).unwrap();
    }
    change.commit().unwrap();
    // So that it is closed in order.
    drop(database);
    fs::write(file, with_sums(&fs::read(&plain).unwrap())).unwrap();
    fs::remove_file(plain).unwrap();
}

/// Behind each block of a view's file lies its checksum, and that of the first behind redb's header.
const BLOCK: usize = 4_096;
const SUM: usize = 8;
const HEADER: usize = 512 - SUM;

/// The file as redb would have it.
fn without_sums(bytes: &[u8]) -> Vec<u8> {
    let blocks = bytes.chunks(BLOCK + SUM);
    let mut plain: Vec<u8> = blocks.flat_map(|block| &block[..BLOCK]).copied().collect();
    plain[HEADER..BLOCK].fill(0);
    plain
}

fn with_sums(plain: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, block) in (0..).zip(plain.chunks(BLOCK)) {
        let covered = if number == 0 { HEADER } else { BLOCK };
        let sum = XxHash3_64::oneshot_with_seed(number, &block[..covered]);
        bytes.extend_from_slice(&block[..covered]);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes.extend(std::iter::repeat_n(0, BLOCK - covered));
    }
    bytes
}

/// The files of the views, by their places in the data folder.
pub(crate) fn files_of_views(data: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(data).unwrap().to_owned();
            if !name.to_str().unwrap().starts_with("views") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(name);
            }
        }
    }
    files
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else if path.is_file() {
            fs::copy(path, to).unwrap();
        }
    }
}
